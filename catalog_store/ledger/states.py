"""States of drops, candidates and alerts, types of alerts, and verdicts."""

from __future__ import annotations

from enum import StrEnum

__all__ = ["AlertState", "AlertType", "CandidateState", "DropState", "VettingDecision"]


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
    """``standing``: valid. ``superseded``: replaced by a later processing. ``retracted``: rejected by a person."""

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
    as part of a digest. ``withdrawn``: superseded or rejected before the first attempt.
    """

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DIGESTED = "digested"
    WITHDRAWN = "withdrawn"


class VettingDecision(StrEnum):
    """Verdict of a person on a candidate; ``rejected`` retracts it."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNSURE = "unsure"
