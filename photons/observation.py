"""One exposure as an adapter reads it: `Observation`, the only thing the road knows of a mission.

Columns are read when asked for: making an `Observation` costs the headers and the good times, `events` the photons.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, GtiError, PhotonError
from .gti import Gti, gti_total
from .pointspread import PointSpread
from .projection import SkyProjection
from .regions import Ellipse
from .times import TimeReference

__all__ = ["ChipLayout", "DetectorUnit", "FieldEvents", "Observation", "PixelLayout", "Screening"]


@dataclass(frozen=True, slots=True)
class ChipLayout:
    """Which columns tell an event's place on its chip and in the focal plane.

    Parameters
    ----------
    chip : (str, str)
        Columns of chip pixels, counted from 1.
    focal : (str, str)
        Columns of focal-plane pixels, which turn with the telescope but do not dither with it.
    """

    chip: tuple[str, str]
    focal: tuple[str, str]


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """Which columns name the pixel that an event fell on, and what else than a source puts photons into it.

    Parameters
    ----------
    columns : (str, str)
        Columns of detector pixels; charge is read out along the second.
    out_of_time : float
        Part of the photons that arrive while charge is moved to the read-out, and are spread along a detector column.
    arms : float
        Part of the photons that a lobster eye puts into its cross, whose arms lie along both axes of the detector.
    source : str
        Where the numbers come from.
    """

    columns: tuple[str, str]
    out_of_time: float = 0.0
    arms: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorUnit:
    """A CCD, CMOS or telescope module with good times of its own.

    Parameters
    ----------
    number : int
        As the event rows name it.
    name : str
        "CCD 3", "TM 5", "CMOS 12" …
    gti : ndarray, shape (m, 2), float64 — mission seconds, TIMEZERO applied; (0, 2) where the file has none
    live_fraction : float
        Livetime over good time, in (0, 1].
    """

    number: int
    name: str
    gti: Gti
    live_fraction: float = 1.0

    @property
    def good_time(self) -> float:
        """Summed good time, s."""
        return gti_total(self.gti)

    @property
    def livetime(self) -> float:
        """Good time with dead time taken off, s."""
        return self.good_time * self.live_fraction


@dataclass(frozen=True, slots=True)
class Screening:
    """How many rows the file holds, how many were kept, and why the others were not.

    A row lost for several reasons is counted under the first of them.
    """

    rows: int
    kept: int
    losses: Mapping[str, int]


@dataclass(frozen=True, slots=True, eq=False)
class FieldEvents:
    """The screened photons of an exposure, sorted by time (stably).

    Parameters
    ----------
    time : ndarray, shape (n,), float64 — mission seconds, TIMEZERO applied, middle of the frame
    x, y : ndarray, shape (n,), float32 — sky pixels of the observation's projection (float64 where pixels are finer)
    energy : ndarray, shape (n,), float32 — keV
    detector : ndarray, shape (n,), int16 — `DetectorUnit.number`
    row : ndarray, shape (n,), int32 — row in the file, so that any other column can be read later
    screening : Screening
    """

    time: NDArray[np.float64]
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    energy: NDArray[np.float32]
    detector: NDArray[np.int16]
    row: NDArray[np.int32]
    screening: Screening

    def __len__(self) -> int:
        return len(self.time)


def _no_columns(*names: str) -> tuple[NDArray[np.generic], ...]:
    raise PhotonError(f"this observation has no further columns; {', '.join(names)} were asked for")


@dataclass(frozen=True, eq=False)
class Observation:
    """One exposure of one instrument.

    Parameters
    ----------
    path : Path
    mission, instrument, mode, obs_id, object_name : str
        As the header names them, white space trimmed; "" where it does not.
    time_reference : TimeReference
    span : (float, float)
        First and last good mission second (TSTART, TSTOP where the file has no good times).
    frame_time : float — s, 0 where arrival times are continuous
    band : (float, float) — keV, what `events` holds
    hardness_split : float — keV, between the soft and the hard band
    detectors : tuple of DetectorUnit
    exposure : float or None — s, as the header states it (it can be wrong: livetimes come from the good times)
    pointing : (float, float) or None — ICRS deg, the optical axis
    projection : SkyProjection or None — None where the file has no sky image
    projection_fault : str — why there is no projection, "" where there is one
    point_spread : PointSpread or None
    load_events : callable
        Reads, screens and sorts the photons; called once, by `events`.
    load_columns : callable
        Reads more columns by their names, whole, in file order.
    per_source_id : str
        Detection id where the file holds one source only, else "".
    companions : tuple of Path
        Files beside it that belong to it (region, source list).
    chips : ChipLayout or None
        Columns that tell where on its chip an event fell; None where there are none or the telescope does not dither.
    detector_pixel_arcsec : float or None
        Side of a detector pixel on the sky.
    pixels : PixelLayout or None
        Columns that tell on which pixel an event fell; None where there are none.
    field_of_view : Ellipse or None
        Of an instrument that makes no image, all of whose photons count as one source's; None for others.
    """

    path: Path
    mission: str
    instrument: str
    mode: str
    obs_id: str
    object_name: str
    time_reference: TimeReference
    span: tuple[float, float]
    frame_time: float
    band: tuple[float, float]
    hardness_split: float
    detectors: tuple[DetectorUnit, ...]
    exposure: float | None
    pointing: tuple[float, float] | None
    projection: SkyProjection | None
    point_spread: PointSpread | None
    load_events: Callable[[], FieldEvents] = field(repr=False)
    load_columns: Callable[..., tuple[NDArray[np.generic], ...]] = field(default=_no_columns, repr=False)
    projection_fault: str = ""
    per_source_id: str = ""
    companions: tuple[Path, ...] = ()
    chips: ChipLayout | None = None
    detector_pixel_arcsec: float | None = None
    pixels: PixelLayout | None = None
    field_of_view: Ellipse | None = None

    @cached_property
    def events(self) -> FieldEvents:
        """The screened photons; read at first use."""
        return self.load_events()

    @cached_property
    def event_pixels(self) -> NDArray[np.int32] | None:
        """Detector pixel of each photon of `events`, shape (n, 2); None where the file has none. Read at first use."""
        if self.pixels is None:
            return None
        return np.column_stack([column.astype(np.int32) for column in self.columns(*self.pixels.columns)])

    def columns(self, *names: str) -> tuple[NDArray[np.generic], ...]:
        """Other columns of the file for the photons of `events`, in their order."""
        return tuple(column[self.events.row] for column in self.load_columns(*names))

    def detector(self, number: int) -> DetectorUnit:
        """The detector of that number."""
        for one in self.detectors:
            if one.number == number:
                return one
        raise FileError(
            self.path, f"no detector {number}; it has {', '.join(d.name for d in self.detectors) or 'none'}"
        )

    def require_good_times(self) -> None:
        """Refuse to go on without good-time intervals, on which every livetime rests."""
        if not any(len(one.gti) for one in self.detectors):
            raise GtiError(
                "no good-time intervals: livetime is unknown, so nothing can be tested for variability; the file has "
                "no table of a name that its adapter knows (`GtiLayout`), or none with rows"
            )

    def require_projection(self) -> SkyProjection:
        """The sky projection, or the reason why there is none as an error."""
        if self.projection is None:
            raise FileError(self.path, self.projection_fault or "no sky coordinates, so no source can be placed")
        return self.projection
