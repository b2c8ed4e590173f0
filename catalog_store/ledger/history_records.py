"""What the store keeps of a field and tells of a place: `FieldTile`, `PlaceHistory` and what that is made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from .records import ObservationRecord

__all__ = ["AskHistory", "Elsewhere", "FieldTile", "PlaceHistory", "Visit"]


@dataclass(frozen=True, slots=True)
class FieldTile:
    """A patch of an observation's coarse map; `fields` makes and reads it.

    Parameters
    ----------
    uniq : int — number of the patch in the UNIQ scheme of HEALPix
    background_peak : float — most counts expected of the background in a pixel of it
    livetime_peak : float — longest livetime of a pixel of it, s
    content : bytes — counts, background and livetime of its 4096 pixels, compressed
    spread : mapping — point spread by off-axis angle, and the pointing, in JSON's types
    """

    uniq: int
    background_peak: float
    livetime_peak: float
    content: bytes
    spread: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Visit:
    """What an observation of the same instrument saw at a place.

    Parameters
    ----------
    obs_id : str
    start : datetime or None
    counts : int
    background : float — counts expected of the background among them
    exposure_s : float — livetime times the part of a source's photons that was counted, s
    detection_id, candidate_id : str or None — of the source found there; None where nothing was found
    crowded : bool — whether nothing was found, and photons of another source are among those counted
    """

    obs_id: str
    start: datetime | None
    counts: int
    background: float
    exposure_s: float
    detection_id: str | None = None
    candidate_id: str | None = None
    crowded: bool = False


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """A detection of the place by another instrument, whose count rates are not comparable."""

    mission: str
    instrument: str
    obs_id: str
    start: datetime | None
    separation_arcsec: float


@dataclass(frozen=True, slots=True)
class PlaceHistory:
    """Observations of a place that stand, but for those of the same exposure.

    Parameters
    ----------
    visits : tuple of Visit — by the same instrument, the latest first
    total : int — how many there are, of which `visits` are the latest
    elsewhere : tuple of Elsewhere — by others, where they found a source, the latest first
    """

    visits: tuple[Visit, ...] = ()
    total: int = 0
    elsewhere: tuple[Elsewhere, ...] = ()


AskHistory: TypeAlias = "Callable[[float, float, float, ObservationRecord], PlaceHistory]"
"""Right ascension and declination, deg, the radius within which a detection is the same source, arcsec, and the
observation that asks."""
