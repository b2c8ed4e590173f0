"""What the store is given and gives back: frozen facts of drops, observations, detections, candidates and alerts.

Instants are aware datetimes (UTC inside), angles degrees, ICRS. A number that is not known is None, never NaN: whatever
is not finite is refused here, at the door.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from enum import StrEnum
from numbers import Real
from typing import Any, TypeAlias

from xherald.photons.errors import StoreError

from .history_records import AskHistory, FieldTile, PlaceHistory

__all__ = [
    "AlertRecord",
    "AlertState",
    "AlertType",
    "CandidateFile",
    "CandidateRecord",
    "CandidateState",
    "DetectionRecord",
    "Drop",
    "DropOutcome",
    "DropState",
    "Finished",
    "HistoryEntry",
    "Json",
    "ObservationRecord",
    "PriorState",
    "Run",
    "Sighting",
    "StoredAlert",
    "StoredCandidate",
    "Vetting",
    "VettingDecision",
]

Json: TypeAlias = Mapping[str, Any]
"""An object in JSON's own types."""


class DropState(StrEnum):
    """Where a drop stands on its road from seen to alerted.

    ``seen``: named by a source, not yet known to be whole. ``stable``: whole, its content hashed, to be taken.
    ``claimed``: a worker has it, until its claim expires. ``processed``: its results are kept. ``alerted``: and all its
    alerts are out. ``quarantined``: it cannot be used, for a stated reason. ``superseded``: a better processing of the
    same observation took its place. ``duplicate``: the content of another drop, at another place.
    """

    SEEN = "seen"
    STABLE = "stable"
    CLAIMED = "claimed"
    PROCESSED = "processed"
    ALERTED = "alerted"
    QUARANTINED = "quarantined"
    SUPERSEDED = "superseded"
    DUPLICATE = "duplicate"


class CandidateState(StrEnum):
    """``standing``; ``superseded`` by a better processing; ``retracted`` by a person."""

    STANDING = "standing"
    SUPERSEDED = "superseded"
    RETRACTED = "retracted"


class AlertType(StrEnum):
    """What an alert says of its candidate, in GCN's words."""

    INITIAL = "initial"
    UPDATE = "update"
    RETRACTION = "retraction"


class AlertState(StrEnum):
    """``pending``: to be sent, also again. ``failed``: given up. ``withdrawn``: superseded before it was ever tried."""

    PENDING = "pending"
    SENT = "sent"
    FAILED = "failed"
    DIGESTED = "digested"
    WITHDRAWN = "withdrawn"


class VettingDecision(StrEnum):
    """What a person says of a candidate; ``rejected`` retracts it."""

    CONFIRMED = "confirmed"
    REJECTED = "rejected"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Run:
    """What produced a row.

    Parameters
    ----------
    code : str — version of xherald
    config : str — hash of the settings
    calibration, reference : str — ``name@version``; empty where there was none
    """

    code: str
    config: str
    calibration: str = ""
    reference: str = ""

    @property
    def digest(self) -> str:
        """Identity: SHA-256 of the four, hexadecimal."""
        parts = [self.code, self.config, self.calibration, self.reference]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file as a drop source names it.

    Parameters
    ----------
    source : str — the drop source's name
    url : str — path or URL
    size : int — bytes; 0 where the archive tells none
    mtime : float — s since 1970, UTC; 0 where the archive tells none
    mark : str — what else tells one content from another there, such as an ETag
    """

    source: str
    url: str
    size: int = 0
    mtime: float = 0.0
    mark: str = ""

    def __post_init__(self) -> None:
        _finite(self)


@dataclass(frozen=True, slots=True)
class Drop:
    """A drop's row.

    Parameters
    ----------
    id : int
    source, url, size, mtime, mark
        See `Sighting`.
    state : DropState
    sha256 : str or None — of its content; None while it is only seen
    reason : str or None — why it is quarantined, or what went wrong last
    attempts : int — claims so far
    claimed_by : str or None
    claim_expires, not_before : datetime or None — until when the claim holds; before when it is not to be taken again
    seen, steady_since, changed : datetime — first sighting; since when size and mtime stand; last change of state
    superseded_by : int or None — the drop that took its place, or whose content it has
    """

    id: int
    source: str
    url: str
    size: int
    mtime: float
    mark: str
    state: DropState
    sha256: str | None
    reason: str | None
    attempts: int
    claimed_by: str | None
    claim_expires: datetime | None
    not_before: datetime | None
    seen: datetime
    steady_since: datetime
    changed: datetime
    superseded_by: int | None


@dataclass(frozen=True, slots=True)
class DetectionRecord:
    """A source in one observation.

    Parameters
    ----------
    detection_id : str — within the observation
    ra, dec : float or None — deg, ICRS; None where the photons came without a position
    pos_err_arcsec : float or None — 68 % radius
    counts : int — photons in the aperture
    background_counts : float — expected among them
    livetime_s : float
    kind : str — flare, dip or steady
    score, false_alarm_probability, far_hz : float or None
    features : mapping — in JSON's types
    """

    detection_id: str
    ra: float | None
    dec: float | None
    counts: int
    livetime_s: float
    kind: str = "steady"
    background_counts: float = 0.0
    pos_err_arcsec: float | None = None
    score: float | None = None
    false_alarm_probability: float | None = None
    far_hz: float | None = None
    features: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        _finite(self)
        _placed(self, self.ra, self.dec)


@dataclass(frozen=True, slots=True)
class ObservationRecord:
    """One exposure and what was detected in it.

    A later processing of the same mission, instrument, obs_id and part takes its place; one without an obs_id is never
    superseded.

    Parameters
    ----------
    mission, instrument, obs_id : str
    part : str
        What of the exposure the file holds, where that is not all of it: a source's region, a chip, a mode.
    processing_version : str
        Compared number by number: 10.2 comes after 9.8.
    start, stop : datetime or None
    exposure_s : float or None
    ra, dec : float or None — pointing, deg, ICRS
    facts : mapping — what else is to be remembered, in JSON's types
    detections : tuple of DetectionRecord
    tiles : tuple of FieldTile — its coarse map; empty where it has no image
    """

    mission: str
    instrument: str
    obs_id: str
    part: str = ""
    processing_version: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    exposure_s: float | None = None
    ra: float | None = None
    dec: float | None = None
    facts: Json = field(default_factory=dict)
    detections: tuple[DetectionRecord, ...] = ()
    tiles: tuple[FieldTile, ...] = ()

    def __post_init__(self) -> None:
        _finite(self)
        _placed(self, self.ra, self.dec)


@dataclass(frozen=True, slots=True)
class CandidateRecord:
    """A detection that is to be announced.

    Parameters
    ----------
    id : str
        One for good. A better processing of the same observation may bear a candidate on under its id.
    place : int
        Of its detection among those of the drop, observation by observation, from 0.
    kind : str — flare or dip
    source_class : str — the most probable one; empty where none is known
    score, far_hz : float or None
    evidence : mapping — in JSON's types
    """

    id: str
    place: int
    kind: str
    source_class: str = ""
    score: float | None = None
    far_hz: float | None = None
    evidence: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        _finite(self)


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """What is to be sent to one sink.

    Parameters
    ----------
    id : str — the same for every sink, and for every try
    candidate_id : str
    sink : str
    alert_type : AlertType
    payload : mapping — in JSON's types
    """

    id: str
    candidate_id: str
    sink: str
    alert_type: AlertType
    payload: Json


@dataclass(frozen=True, slots=True)
class DropOutcome:
    """What was decided on a drop.

    Parameters
    ----------
    candidates : sequence of CandidateRecord
    alerts : sequence of AlertRecord — of these candidates, or of those that they replace
    stream_state : mapping of str to mapping — what the deciding leaves to the next drop, by name
    """

    candidates: Sequence[CandidateRecord] = ()
    alerts: Sequence[AlertRecord] = ()
    stream_state: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class StoredCandidate:
    """A candidate with what its detection and observation say.

    Parameters
    ----------
    id, kind, source_class, score, far_hz, evidence
        See `CandidateRecord`.
    state : CandidateState
    alert_type : AlertType or None — of its latest alert
    created, updated : datetime
    ra, dec, pos_err_arcsec, detection_id, counts, livetime_s, false_alarm_probability
        See `DetectionRecord`.
    mission, instrument, obs_id, start
        See `ObservationRecord`.
    observation_id, drop_id : int
    url : str — of the drop
    """

    id: str
    kind: str
    source_class: str
    score: float | None
    far_hz: float | None
    evidence: Json
    state: CandidateState
    alert_type: AlertType | None
    created: datetime
    updated: datetime
    ra: float | None
    dec: float | None
    pos_err_arcsec: float | None
    detection_id: str
    counts: int
    livetime_s: float
    false_alarm_probability: float | None
    mission: str
    instrument: str
    obs_id: str
    start: datetime | None
    observation_id: int
    drop_id: int
    url: str


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert of the outbox.

    Parameters
    ----------
    id, candidate_id, sink, alert_type, payload
        See `AlertRecord`.
    state : AlertState
    attempts : int — times it was handed to a dispatcher
    next_attempt : datetime
    receipt : mapping or None — the sink's
    error : str or None — what went wrong last
    created : datetime
    settled : datetime or None — when it was sent, digested, withdrawn or given up
    """

    id: str
    candidate_id: str
    sink: str
    alert_type: AlertType
    payload: Json
    state: AlertState
    attempts: int
    next_attempt: datetime
    receipt: Json | None
    error: str | None
    created: datetime
    settled: datetime | None


@dataclass(frozen=True, slots=True)
class Vetting:
    """What a person said of a candidate, and when."""

    candidate_id: str
    who: str
    when: datetime
    verdict: VettingDecision
    comment: str


@dataclass(frozen=True, slots=True)
class CandidateFile:
    """All that is known of one candidate."""

    candidate: StoredCandidate
    features: Json
    run: Run
    vettings: tuple[Vetting, ...]
    alerts: tuple[StoredAlert, ...]


@dataclass(frozen=True, slots=True)
class HistoryEntry:
    """A detection near a place, of an observation that stands.

    Parameters
    ----------
    detection : DetectionRecord
    separation_arcsec : float
    mission, instrument, obs_id, start, stop
        See `ObservationRecord`.
    observation_id : int
    candidate_id : str or None
    """

    detection: DetectionRecord
    separation_arcsec: float
    mission: str
    instrument: str
    obs_id: str
    start: datetime | None
    stop: datetime | None
    observation_id: int
    candidate_id: str | None


def _never_seen(_ra: float, _dec: float, _radius: float, _asking: ObservationRecord) -> PlaceHistory:
    return PlaceHistory()


@dataclass(frozen=True, slots=True)
class PriorState:
    """What a verdict must reckon with, read in the transaction that it will be part of.

    Parameters
    ----------
    replaced : tuple of StoredCandidate
        Candidates of the processings that this one supersedes; none of them will stand unless borne on under its id.
    announced : mapping of str to tuple of str
        Sinks that were sent, or are being sent, an alert of each of these, by candidate; what none has heard of is
        withdrawn.
    outdated : tuple of bool
        For each observation, whether a later processing stands already: its candidates will not.
    state : callable
        The stream's state of a name, None at first; held for this transaction, so that no other decides meanwhile.
    history : callable
        What other observations of a place saw there: see `place_history.history_at_position`.
    """

    replaced: tuple[StoredCandidate, ...]
    announced: Mapping[str, tuple[str, ...]]
    outdated: tuple[bool, ...]
    state: Callable[[str], Json | None]
    history: AskHistory = _never_seen


@dataclass(frozen=True, slots=True)
class Finished:
    """What finishing a drop did.

    Parameters
    ----------
    applied : bool — False if it was finished before, and nothing changed
    drop : Drop
    superseded : tuple of int — drops whose place it took
    alerts : int — alerts that it put into the outbox
    """

    applied: bool
    drop: Drop
    superseded: tuple[int, ...] = ()
    alerts: int = 0


def _finite(record: Any) -> None:
    for one in fields(record):
        value = getattr(record, one.name)
        if isinstance(value, Real) and not math.isfinite(value):
            raise StoreError(f"{type(record).__name__}: {one.name} is {value}; say None for what is not known")


def _placed(record: Any, ra: float | None, dec: float | None) -> None:
    if ra is None and dec is None:
        return
    if ra is None or dec is None or not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise StoreError(f"{type(record).__name__}: ra {ra}, dec {dec} is no place on the sky")
