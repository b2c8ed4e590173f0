"""Rows of the store as frozen dataclasses: drops, observations, detections, candidates and alerts.

Times are aware datetimes, stored in UTC. Angles are in degrees, ICRS. An unknown number is None, never NaN: values that
are not finite are rejected.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from numbers import Real
from typing import Any, NamedTuple, TypeAlias

from xherald.photons.errors import StoreError

from .states import AlertState, AlertType, CandidateState, DropState

__all__ = [
    "AlertRecord",
    "CandidateRecord",
    "DetectionRecord",
    "Drop",
    "Json",
    "MapTile",
    "ObservationRecord",
    "Run",
    "Sighting",
    "StoredAlert",
    "StoredCandidate",
    "StoredDetection",
]

Json: TypeAlias = Mapping[str, Any]
"""A JSON object."""


@dataclass(frozen=True, slots=True)
class Run:
    """Software and data that produced a row.

    Parameters
    ----------
    code_version : str — version of xherald
    settings_hash : str — hash of the settings that results depend on
    calibration, reference : str — ``name@version``; empty if none was used
    """

    code_version: str
    settings_hash: str
    calibration: str = ""
    reference: str = ""

    @property
    def digest(self) -> str:
        """SHA-256 of the four fields, hexadecimal."""
        parts = [self.code_version, self.settings_hash, self.calibration, self.reference]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Sighting:
    """A file as a drop source lists it.

    Parameters
    ----------
    source : str — name of the drop source
    url : str — path or URL
    size : int — bytes; 0 if unknown
    mtime : float — s since 1970, UTC; 0 if unknown
    etag : str — anything else by which the archive tells versions of the file apart, such as an ETag
    """

    source: str
    url: str
    size: int = 0
    mtime: float = 0.0
    etag: str = ""

    def __post_init__(self) -> None:
        _require_finite(self)


@dataclass(frozen=True, slots=True)
class Drop:
    """A drop: one file, identified by its content.

    Parameters
    ----------
    id : int
    source, url, size, mtime, etag
        See `Sighting`.
    state : DropState
    sha256 : str or None — of its content; None in state ``seen``
    reason : str or None — why it is quarantined or skipped, or the last error
    attempts : int — number of claims so far
    claimed_by : str or None — worker
    claim_expires : datetime or None
    not_before : datetime or None — earliest time of the next claim
    first_seen : datetime
    unchanged_since : datetime — when its size, mtime or etag last changed
    updated : datetime — last change of state
    superseded_by : int or None — the drop that replaced it, or that has the same content
    """

    id: int
    source: str
    url: str
    size: int
    mtime: float
    etag: str
    state: DropState
    sha256: str | None
    reason: str | None
    attempts: int
    claimed_by: str | None
    claim_expires: datetime | None
    not_before: datetime | None
    first_seen: datetime
    unchanged_since: datetime
    updated: datetime
    superseded_by: int | None


@dataclass(frozen=True, slots=True)
class DetectionRecord:
    """A source in one observation.

    Parameters
    ----------
    detection_id : str — within the observation
    ra_deg, dec_deg : float or None — None if the photons came without a position
    counts : int — photons in the aperture
    livetime_s : float
    kind : str — see `kind` of `detector.results.schema`
    background_counts : float — expected among the counts
    pos_err_arcsec : float or None — 68 % radius
    score, false_alarm_probability, far_hz : float or None
    extrapolated : bool or None — whether the probability is below the smallest one that the calibration measured
    details : mapping — further quantities, as JSON
    """

    detection_id: str
    ra_deg: float | None
    dec_deg: float | None
    counts: int
    livetime_s: float
    kind: str = "steady"
    background_counts: float = 0.0
    pos_err_arcsec: float | None = None
    score: float | None = None
    false_alarm_probability: float | None = None
    far_hz: float | None = None
    extrapolated: bool | None = None
    details: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_finite(self)
        _require_position(self, self.ra_deg, self.dec_deg)


@dataclass(frozen=True, slots=True)
class MapTile:
    """A patch of an observation's coarse sky map; see `map_tiles`.

    Parameters
    ----------
    uniq : int — number of the patch in the UNIQ scheme of HEALPix
    background_peak : float — largest expected background counts of a pixel
    livetime_peak : float — longest live time of a pixel, s
    content : bytes — counts, background and live time of the 4096 pixels, compressed
    point_spread : mapping — radii of the point spread by off-axis angle, and the pointing, as JSON
    """

    uniq: int
    background_peak: float
    livetime_peak: float
    content: bytes
    point_spread: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ObservationRecord:
    """An exposure in one processing, with its detections.

    A later processing of the same mission, instrument, obs_id and part supersedes it if its coverage holds this one's,
    unless the obs_id is empty.

    Parameters
    ----------
    mission, instrument, obs_id : str
    part : str
        The part of the exposure that the file holds, if not all of it: the region of a source, a chip, a mode, a
        selection of events.
    processing_version : str
        Compared number by number: 10.2 is later than 9.8.
    start, stop : datetime or None
    exposure_s : float or None
    ra_deg, dec_deg : float or None — pointing
    details : mapping — further properties, as JSON
    detections : tuple of DetectionRecord
    tiles : tuple of MapTile — coarse sky map; empty without an image
    coverage : mapping — see `coverage.make_coverage`; empty if unknown
    """

    mission: str
    instrument: str
    obs_id: str
    part: str = ""
    processing_version: str = ""
    start: datetime | None = None
    stop: datetime | None = None
    exposure_s: float | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    details: Json = field(default_factory=dict)
    detections: tuple[DetectionRecord, ...] = ()
    tiles: tuple[MapTile, ...] = ()
    coverage: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_finite(self)
        _require_position(self, self.ra_deg, self.dec_deg)


class StoredDetection(NamedTuple):
    """Key of a stored detection, its HEALPix index, and whether its observation is current."""

    observation_id: int
    number: int
    healpix: int | None
    is_current: bool


@dataclass(frozen=True, slots=True)
class CandidateRecord:
    """A candidate to be stored.

    Parameters
    ----------
    id : str
        Permanent: a later processing of the same observation may store the candidate again under this id.
    detection_index : int or StoredDetection
        Index of its detection among all detections of the drop, observation by observation, from 0; or a detection of
        an earlier drop.
    kind : str — see `kind` of `detector.results.schema`
    likely_class : str or None — most probable class
    score, far_hz : float or None
    evidence : mapping — as JSON
    """

    id: str
    detection_index: int | StoredDetection
    kind: str
    likely_class: str | None = None
    score: float | None = None
    far_hz: float | None = None
    evidence: Json = field(default_factory=dict)

    def __post_init__(self) -> None:
        _require_finite(self)

    def find_detection(self, stored: Sequence[StoredDetection]) -> StoredDetection:
        """Its detection; `stored` are those of the drop."""
        if isinstance(self.detection_index, StoredDetection):
            return self.detection_index
        if not 0 <= self.detection_index < len(stored):
            raise StoreError(
                f"candidate {self.id}: refers to detection {self.detection_index}, but the drop has {len(stored)}"
            )
        return stored[self.detection_index]


@dataclass(frozen=True, slots=True)
class AlertRecord:
    """An alert to be sent to one sink.

    Parameters
    ----------
    id : str — the same for all sinks and all attempts
    candidate_id : str
    sink : str
    alert_type : AlertType
    payload : mapping — as JSON
    withheld : str — why it is stored as withdrawn and not sent; empty if it is sent
    """

    id: str
    candidate_id: str
    sink: str
    alert_type: AlertType
    payload: Json
    withheld: str = ""


@dataclass(frozen=True, slots=True)
class StoredCandidate:
    """A stored candidate with columns of its detection and observation.

    Parameters
    ----------
    id, kind, likely_class, score, far_hz, evidence
        See `CandidateRecord`.
    state : CandidateState
    alert_type : AlertType or None — of its latest alert
    created, updated : datetime
    ra_deg, dec_deg, pos_err_arcsec, detection_id, counts, livetime_s, false_alarm_probability, extrapolated
        See `DetectionRecord`.
    mission, instrument, obs_id, start
        See `ObservationRecord`.
    observation_id, drop_id : int
    url : str — of the drop
    """

    id: str
    kind: str
    likely_class: str | None
    score: float | None
    far_hz: float | None
    evidence: Json
    state: CandidateState
    alert_type: AlertType | None
    created: datetime
    updated: datetime
    ra_deg: float | None
    dec_deg: float | None
    pos_err_arcsec: float | None
    detection_id: str
    counts: int
    livetime_s: float
    false_alarm_probability: float | None
    extrapolated: bool | None
    mission: str
    instrument: str
    obs_id: str
    start: datetime | None
    observation_id: int
    drop_id: int
    url: str


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """An alert in the outbox.

    Parameters
    ----------
    id, candidate_id, sink, alert_type, payload
        See `AlertRecord`.
    state : AlertState
    attempts : int — number of times a dispatcher took it
    next_attempt : datetime
    receipt : mapping or None — of the sink
    error : str or None — the last error, or why it was withheld
    created : datetime
    closed : datetime or None — when it was sent, digested, withdrawn or given up
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
    closed: datetime | None


def _require_finite(record: Any) -> None:
    for one in fields(record):
        value = getattr(record, one.name)
        if isinstance(value, Real) and not math.isfinite(value):
            raise StoreError(f"{type(record).__name__}: {one.name} is {value}; use None for an unknown value")


def _require_position(record: Any, ra_deg: float | None, dec_deg: float | None) -> None:
    if ra_deg is None and dec_deg is None:
        return
    if ra_deg is None or dec_deg is None or not (0 <= ra_deg <= 360 and -90 <= dec_deg <= 90):
        raise StoreError(f"{type(record).__name__}: ra_deg {ra_deg}, dec_deg {dec_deg} is not a position on the sky")
