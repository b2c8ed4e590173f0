"""What the store returns about earlier and later observations of a position: `PositionHistory`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from .records import ObservationRecord

__all__ = ["DetectionElsewhere", "HistoryQuery", "PositionHistory", "Visit"]


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
