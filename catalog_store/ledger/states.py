"""States of drops, candidates and alerts, types of alerts, verdicts, and purposes of marked places."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AlertState", "AlertType", "CandidateState", "DropState", "PlacePurpose", "VettingDecision"]


class DropState(StrEnum):
    """State of a drop.

    ``seen``: listed by a drop source, not yet known to be complete. ``stable``: complete, its content hashed, ready to
    be claimed. ``claimed``: assigned to a worker until the claim expires. ``processed``: its results are stored.
    ``alerted``: all its alerts were sent, too. ``quarantined``: unusable, with a reason. ``skipped``: not an event
    list. ``superseded``: replaced by a later processing of the same observation. ``duplicate``: the content of another
    drop at another location.
    """

    SEEN = "seen"
    STABLE = "stable"
    CLAIMED = "claimed"
    PROCESSED = "processed"
    ALERTED = "alerted"
    QUARANTINED = "quarantined"
    SKIPPED = "skipped"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"


class CandidateState(StrEnum):
    """``standing``: valid. ``superseded``: replaced by a later processing. ``retracted``: by a verdict."""

    STANDING = "standing"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"


class AlertType(StrEnum):
    """Type of an alert, in GCN's terms."""

    INITIAL = "initial"
    UPDATE = "update"
    RETRACTION = "retraction"


class AlertState(StrEnum):
    """State of an alert in the outbox.

    ``pending``: to be sent, or to be retried. ``sent``: accepted by the sink. ``failed``: given up. ``digested``: sent
    as part of a digest. ``withdrawn``: superseded or retracted before the first attempt, or muted.
    """

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DIGESTED = "digested"
    WITHDRAWN = "withdrawn"


class VettingDecision(StrEnum):
    """Verdict of a person on a candidate.

    ``real``: an astrophysical event. ``known``: one of a source that is known to do this. ``artefact``: of the
    instrument or its environment. ``not_variable``: a real source that did not vary. ``rejected``: not of interest, for
    the reason in the comment. ``unsure``.
    """

    REAL = "real"
    KNOWN = "known"
    ARTEFACT = "artefact"
    NOT_VARIABLE = "not_variable"
    REJECTED = "rejected"
    UNSURE = "unsure"

    @property
    def is_real(self) -> bool:
        """Whether the event is astrophysical."""
        return self in (VettingDecision.REAL, VettingDecision.KNOWN)

    @property
    def retracts(self) -> bool:
        """Whether the candidate is retracted."""
        return self in (VettingDecision.ARTEFACT, VettingDecision.NOT_VARIABLE, VettingDecision.REJECTED)


class PlacePurpose(StrEnum):
    """Why a place is marked: its alerts are muted, or it is on a watch list."""

    MUTE = "mute"
    WATCH = "watch"
