"""One exposure of one instrument, as read by an adapter: `Observation`.

It is all that the pipeline knows of a mission. Reading is lazy: an `Observation` needs the headers and good times only,
photons are read at the first use of `events`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .errors import FileError, GtiError, PhotonError
from .exposure.detector_layout import Attitude, DetectorLayout
from .gti import Gti, gti_total
from .pointspread import PointSpread
from .projection import SkyProjection
from .regions import CutRegion, Ellipse
from .times import TimeReference

__all__ = ["DetectorUnit", "FieldEvents", "Observation", "PixelLayout", "Screening"]


@dataclass(frozen=True, slots=True)
class PixelLayout:
    """Columns of the detector pixel of an event, and instrumental effects that spread photons over pixels.

    Parameters
    ----------
    columns : (str, str)
        Columns of detector pixels; charge is transferred along the second.
    out_of_time : float
        Fraction of photons that arrive during charge transfer (out-of-time events), spread along a detector column.
    arms : float
        Fraction of photons in the cross-shaped arms of lobster-eye optics, along both detector axes.
    source : str
        Reference of the values.
    """

    columns: tuple[str, str]
    out_of_time: float = 0.0
    arms: float = 0.0
    source: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorUnit:
    """A CCD, CMOS sensor or telescope module with its own good times.

    Parameters
    ----------
    number : int
        As in the detector column of the events.
    name : str
        "CCD 3", "TM 5", "CMOS 12" …
    gti : ndarray, shape (m, 2), float64 — mission time, s, TIMEZERO applied; shape (0, 2) if the file has none
    live_fraction : float
        Livetime over good time, in (0, 1].
    live_curve : ndarray, shape (k, 2), or None
        Mission time, s, ascending, and the live fraction from then on, in [0, 1]; None if constant or unknown.
    """

    number: int
    name: str
    gti: Gti
    live_fraction: float = 1.0
    live_curve: NDArray[np.float64] | None = None

    @property
    def good_time(self) -> float:
        """Total good time, s."""
        return gti_total(self.gti)

    @property
    def livetime(self) -> float:
        """Good time without dead time, s."""
        return self.good_time * self.live_fraction


LARGE_LOSS: Final = 0.2
"""Fraction of the rows above which a loss to one filter is reported."""

LARGE_SELECTION: Final = 0.5
"""The same for a choice of photons, such as the energy band: many fields have a good part of theirs outside."""


@dataclass(frozen=True, slots=True)
class Screening:
    """Number of rows in the file and of rows kept, and the number rejected by reason.

    A row rejected for several reasons counts under the first.

    Parameters
    ----------
    rows, kept : int
    losses : mapping of str to int
    selection : frozenset of str
        Reasons that are a choice of photons, such as the energy band, and no sign of a fault.
    """

    rows: int
    kept: int
    losses: Mapping[str, int]
    selection: frozenset[str] = frozenset()

    def fraction(self, reason: str) -> float:
        """Fraction of the rows that one reason rejected."""
        return self.losses.get(reason, 0) / self.rows if self.rows else 0.0

    @property
    def large_losses(self) -> tuple[str, ...]:
        """Reasons that rejected more than `LARGE_LOSS` of the rows each, or `LARGE_SELECTION` as a choice."""
        return tuple(
            reason
            for reason in self.losses
            if self.fraction(reason) > (LARGE_SELECTION if reason in self.selection else LARGE_LOSS)
        )

    @property
    def warnings(self) -> tuple[str, ...]:
        """One sentence for each large loss."""
        return tuple(
            f"{self.losses[reason]:,} of {self.rows:,} events ({self.fraction(reason):.0%}) were left out: {reason}"
            for reason in self.large_losses
        )

    @property
    def loses_data(self) -> bool:
        """Whether a large loss means missing data rather than a selection."""
        return any(reason not in self.selection for reason in self.large_losses)


@dataclass(frozen=True, slots=True, eq=False)
class FieldEvents:
    """The screened photons of an exposure, sorted by time (stably).

    Parameters
    ----------
    time : ndarray, shape (n,), float64 — mission time, s, TIMEZERO applied, middle of the frame
    x, y : ndarray, shape (n,), float32 — sky pixels of the observation's projection (float64 for very fine pixels)
    energy : ndarray, shape (n,), float32 — keV
    detector : ndarray, shape (n,), int16 — `DetectorUnit.number`
    row : ndarray, shape (n,), int32 — row in the file, to read further columns later
    screening : Screening
    notes : tuple of str
        Remarks on rows that were left out as invalid.
    """

    time: NDArray[np.float64]
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    energy: NDArray[np.float32]
    detector: NDArray[np.int16]
    row: NDArray[np.int32]
    screening: Screening
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.time)


def _no_columns(*names: str) -> tuple[NDArray[np.generic], ...]:
    raise PhotonError(f"this observation has no further columns ({', '.join(names)} requested)")


@dataclass(frozen=True, eq=False)
class Observation:
    """One exposure of one instrument.

    Parameters
    ----------
    path : Path
    mission, instrument, mode, obs_id, object_name : str
        As in the header, stripped; "" if absent.
    time_reference : TimeReference
    span : (float, float)
        Start and stop of the good times, mission time, s (TSTART, TSTOP if the file has none).
    frame_time : float — s, 0 if arrival times are continuous
    band : (float, float) — keV, of `events`
    hardness_split : float — keV, boundary of soft and hard band
    detectors : tuple of DetectorUnit
    exposure : float or None — s, as in the header; not used for livetimes, which follow from the good times
    pointing : (float, float) or None — ICRS deg, the optical axis
    projection : SkyProjection or None — None if the events have no sky positions
    projection_fault : str — why there is no projection, "" if there is one
    point_spread : PointSpread or None
    load_events : callable
        Reads, screens and sorts the photons; called once by `events`.
    load_columns : callable
        Reads whole columns by name, in file order.
    per_source_id : str
        Detection id if the file has photons of a single source, else "".
    companions : tuple of Path
        Related files (region, source list).
    detector_pixel_arcsec : float or None
        Side of a detector pixel.
    pixels : PixelLayout or None
        Columns of detector pixels; None without them.
    field_of_view : Ellipse or None
        Field of view of an instrument without images, all of whose photons belong to one source; else None.
    cut_region : CutRegion or None
        Region that the list was cut with, if the file names one.
    grating : str
        Transmission grating in the beam, "" for none; only its zeroth order is an image.
    layout : DetectorLayout or None
        Sensitive area of the detectors, in the pixels of `pixels`.
    attitude : dict of int or None to Attitude
        The file's attitude tables by `DetectorUnit.number`, or by None for all detectors; empty without any.
    bad_pixels : dict of int to ndarray, shape (k, 4)
        Insensitive pixels by `DetectorUnit.number`: first and last along the first column of `pixels`, first and last
        along the second.
    is_scan : bool
        Whether the telescope moves over the sky during the good times.
    notes : tuple of str
        Remarks of the reader for the user, such as good times that it merged.
    header_flags : tuple of str
        Flags of all sources that follow from the header, such as "barycentric_times".
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
    detector_pixel_arcsec: float | None = None
    pixels: PixelLayout | None = None
    field_of_view: Ellipse | None = None
    cut_region: CutRegion | None = None
    grating: str = ""
    layout: DetectorLayout | None = None
    attitude: Mapping[int | None, Attitude] = field(default_factory=dict, repr=False)
    bad_pixels: Mapping[int, NDArray[np.int64]] = field(default_factory=dict, repr=False)
    is_scan: bool = False
    notes: tuple[str, ...] = ()
    header_flags: tuple[str, ...] = ()

    @cached_property
    def events(self) -> FieldEvents:
        """The screened photons; read at first use."""
        return self.load_events()

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the user should know of the file: the reader's notes, and large losses of events. Reads the photons."""
        return (*self.notes, *self.events.notes, *self.events.screening.warnings)

    @property
    def flags(self) -> tuple[str, ...]:
        """Flags of all sources: those of the header, and "events_lost" for large losses. Reads the photons."""
        lost = ("events_lost",) if self.events.screening.loses_data else ()
        return (*self.header_flags, *lost)

    @cached_property
    def event_pixels(self) -> NDArray[np.int32] | None:
        """Detector pixel of each photon of `events`, shape (n, 2); None without such columns. Read at first use."""
        if self.pixels is None:
            return None
        return np.column_stack([column.astype(np.int32) for column in self.columns(*self.pixels.columns)])

    def columns(self, *names: str) -> tuple[NDArray[np.generic], ...]:
        """Further columns of the file for the photons of `events`."""
        return tuple(column[self.events.row] for column in self.load_columns(*names))

    def detector(self, number: int) -> DetectorUnit:
        """Detector with a given number."""
        for one in self.detectors:
            if one.number == number:
                return one
        raise FileError(
            self.path, f"has no detector {number}, only {', '.join(d.name for d in self.detectors) or 'none'}"
        )

    def require_good_times(self) -> None:
        """Raise `GtiError` if there are no good-time intervals."""
        if not any(len(one.gti) for one in self.detectors):
            raise GtiError(
                "no good-time intervals, so livetimes are unknown and variability cannot be tested; the file has no "
                "GTI table of a name that its adapter lists (`GtiLayout`), or only empty ones"
            )

    def require_projection(self) -> SkyProjection:
        """The sky projection; raises `FileError` with the reason if there is none."""
        if self.projection is None:
            raise FileError(self.path, self.projection_fault or "events have no sky coordinates")
        return self.projection
