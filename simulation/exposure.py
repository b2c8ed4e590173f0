"""A simulated exposure before it is written: when and where the telescope pointed, and the events that it recorded.

`ObservingPlan` comes from `observing`, `RecordedEvents` from `response` and `artefact_events`; `writers` write both
in the mission's own format.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import IntFlag

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64
from xherald.photons.gti import Gti

from .light_curve import LightCurve
from .model import PlacedSource
from .telescope import Telescope

__all__ = ["Fault", "ObservingPlan", "RecordedEvents", "SimulatedExposure"]

Boresight = Callable[[F64], tuple[F64, F64]]


class Fault(IntFlag):
    """Flags that the pipeline of a mission sets on an event; writers map them to bits of STATUS or FLAG."""

    NONE = 0
    HOT_PIXEL = 1
    COSMIC_RAY = 2
    BAD_GRADE = 4


@dataclass(frozen=True, slots=True, eq=False)
class ObservingPlan:
    """When and where a telescope pointed.

    Parameters
    ----------
    pattern : str
    start : float — mission second of time 0 of every light curve
    duration : float — s, from first to last good time, gaps included
    ra, dec : float — ICRS deg, nominal optical axis and centre of the sky projection
    roll : float — deg
    gti : mapping of chip number to ndarray, shape (m, 2) — mission seconds
    boresight : callable
        Offset of the optical axis from nominal at mission seconds (n,), arcsec to the west and to the north.
    protons : LightCurve
        Factor on the soft-proton background, s since start.
    """

    pattern: str
    start: float
    duration: float
    ra: float
    dec: float
    roll: float
    gti: Mapping[int, Gti]
    boresight: Boresight
    protons: LightCurve


@dataclass(frozen=True, slots=True, eq=False)
class RecordedEvents:
    """Events as detectors report them, sorted by time; all arrays of shape (n,).

    Parameters
    ----------
    time : float64 — mission seconds as read by the adapter (middle of the frame, or randomised within it)
    frame : int64 — number of the frame since `ObservingPlan.start`
    ra, dec : float64 — ICRS deg, aspect applied
    energy : float64 — keV, measured
    detector : int16 — `Chip.number`
    chip_x, chip_y : int16 — pixels, counted from 1
    grade : int16 — 0 single, 1 double, 2 triple, 3 quadruple, 7 none of these
    fault : int16 — bits of `Fault`
    origin : int32 — index of the source, −1 sky background, −2 particles, −3 soft protons, −4 and below artefacts
    """

    time: F64
    frame: NDArray[np.int64]
    ra: F64
    dec: F64
    energy: F64
    detector: NDArray[np.int16]
    chip_x: NDArray[np.int16]
    chip_y: NDArray[np.int16]
    grade: NDArray[np.int16]
    fault: NDArray[np.int16]
    origin: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.time)

    def select(self, chosen: NDArray[np.bool_] | NDArray[np.intp]) -> RecordedEvents:
        """The events chosen by mask or index."""
        return RecordedEvents(*(getattr(self, name)[chosen] for name in self.__slots__))

    @classmethod
    def join(cls, parts: list[RecordedEvents]) -> RecordedEvents:
        """Several lists as one, sorted by time (stably)."""
        joined = cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in cls.__slots__))
        return joined.select(np.argsort(joined.time, kind="stable"))


@dataclass(frozen=True, slots=True, eq=False)
class SimulatedExposure:
    """Everything about one simulated exposure, truth included.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    sources : tuple of PlacedSource
    events : RecordedEvents
    obs_id : str — as the mission writes them
    seed : int
    artefacts : tuple of mapping
        One for each artefact: ``{"kind": "hot_pixel", "detector": 3, "events": 40, …}``, plain JSON values.
    """

    telescope: Telescope
    observing: ObservingPlan
    sources: tuple[PlacedSource, ...]
    events: RecordedEvents
    obs_id: str
    seed: int
    artefacts: tuple[Mapping[str, object], ...] = field(default=())
