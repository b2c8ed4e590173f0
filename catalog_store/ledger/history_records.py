"""What the store returns about other observations of a position or of a field: `PositionHistory`, `FieldHistory`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias

from xherald.photons.sky_map import SkyMap

from .records import DetectionRecord, Json, ObservationRecord

__all__ = [
    "DetectionElsewhere",
    "FieldHistory",
    "FieldObservation",
    "FieldQuery",
    "FieldSource",
    "HistoryQuery",
    "PositionHistory",
    "Visit",
]


@dataclass(frozen=True, slots=True)
class Visit:
    """An observation of a position by the same instrument.

    Parameters
    ----------
    obs_id : str
    start : datetime or None
    counts : int
    background_counts : float — expected among the counts
    exposure_s : float — live time times the fraction of a source's photons that was counted, s
    detection_id, candidate_id : str or None — of the source detected there; None if nothing was detected
    crowded : bool — whether nothing was detected and photons of another source are among the counts
    """

    obs_id: str
    start: datetime | None
    counts: int
    background_counts: float
    exposure_s: float
    detection_id: str | None = None
    candidate_id: str | None = None
    crowded: bool = False


@dataclass(frozen=True, slots=True)
class DetectionElsewhere:
    """A detection at the position by another instrument, whose count rates are not comparable."""

    mission: str
    instrument: str
    obs_id: str
    start: datetime | None
    separation_arcsec: float


@dataclass(frozen=True, slots=True)
class PositionHistory:
    """Current observations of a position, without those of the same exposure.

    Parameters
    ----------
    visits : tuple of Visit — by the same instrument, the latest first
    total : int — number of such observations, of which `visits` are the latest
    elsewhere : tuple of DetectionElsewhere — by other instruments, the latest first
    """

    visits: tuple[Visit, ...] = ()
    total: int = 0
    elsewhere: tuple[DetectionElsewhere, ...] = ()


HistoryQuery: TypeAlias = Callable[[float, float, float, ObservationRecord], PositionHistory]
"""Arguments: right ascension and declination in deg, the radius in arcsec within which a detection is the same source,
and the present observation."""


@dataclass(frozen=True, slots=True)
class FieldSource:
    """A detection with a position, and the candidate that it is a detection of.

    Parameters
    ----------
    number : int — within its observation, from 0
    detection : DetectionRecord
    healpix : int or None — see `healpix_cones`
    candidate_id : str or None
    evidence : mapping — of the candidate; empty if it is none
    """

    number: int
    detection: DetectionRecord
    healpix: int | None = None
    candidate_id: str | None = None
    evidence: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True, eq=False)
class FieldObservation:
    """An observation with its sources and its sky map.

    Parameters
    ----------
    observation : ObservationRecord — without detections and tiles
    sources : tuple of FieldSource
    sky : SkyMap or None — None without an image
    observation_id : int or None — None if it is not stored yet
    file : str — path or URL
    """

    observation: ObservationRecord
    sources: tuple[FieldSource, ...]
    sky: SkyMap | None
    observation_id: int | None = None
    file: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class FieldHistory:
    """An observation, and others of its field by the same instrument.

    Parameters
    ----------
    present : FieldObservation
    others : tuple of FieldObservation
        Current ones with dates that do not overlap with the present one, and those that have its obs_id.
    """

    present: FieldObservation
    others: tuple[FieldObservation, ...] = ()


FieldQuery: TypeAlias = Callable[[ObservationRecord], FieldHistory]
"""Argument: the present observation, with its detections and tiles."""
