"""Position of the sky on the detectors as a function of time: `PointingPath`, `measure_pointing_path`.

An event has a position on the sky (X, Y) and a pixel on a detector unit (a CCD or a telescope module). They are related
by ``sky = P(t) + turn(t) · (A · pixel + b)``, with a constant matrix A and offset b of each unit, the telescope's
direction P(t) and a rotation. P and the rotation are those of the file's attitude table or, without one, are fitted
from the events, in sky pixels: the fit needs no convention of the mission. Sky positions are complex numbers x + iy
here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64, Mask
from xherald.photons.gti import Gti, gti_union

from .path_fit import C128, MIN_UNIT_EVENTS, FieldPhotons, fit_matrices, fit_turns, in_focal_plane
from .path_smoothing import bins_of_time, smooth_path

if TYPE_CHECKING:
    from xherald.photons.observation import Observation

__all__ = ["PointingPath", "UnitMap", "measure_pointing_path"]

SEGMENT_GAP_S = 100.0
"""Gap in the good times after which the telescope may point elsewhere, s; faster slews of an arcminute do not occur."""

MIN_EVENTS = 50
"""Events needed to fit a path."""

MIN_SLOW_SCAN_EVENTS = 30
"""Events in a segment from which the path of a scan may be found to be slow."""

MAX_FIT_EVENTS = 5_000
"""Events used for the matrices; more add no precision."""

MAX_BIN_EVENTS = 16
"""Events used in `STEP_S` for the path: with the rounding to pixels, their mean is known to a tenth of a pixel."""


@dataclass(frozen=True, slots=True, eq=False)
class UnitMap:
    """Map from the pixels of a detector unit to sky pixels of a telescope that points at the origin.

    Parameters
    ----------
    matrix : ndarray, shape (2, 2)
    offset : ndarray, shape (2,)
    """

    matrix: F64
    offset: F64

    @property
    def pixel_size(self) -> float:
        """Side of a detector pixel, sky pixels."""
        return float(np.sqrt(abs(np.linalg.det(self.matrix))))


@dataclass(frozen=True, slots=True, eq=False)
class PointingPath:
    """Direction and rotation of a telescope in good time.

    Parameters
    ----------
    time : ndarray, shape (k,) — s, ascending; linear between
    position : ndarray, shape (k,), complex — P, sky pixels
    turn : ndarray, shape (k,) — rad
    segments : ndarray, shape (m, 2) — s, times in which the path is known
    speed : ndarray, shape (m,) — highest speed in each segment, sky pixels per s; 0 where it stays within a fraction
        of a detector pixel
    units : dict of int to UnitMap
    is_scan : bool
    """

    time: F64
    position: C128
    turn: F64
    segments: Gti
    speed: F64
    units: dict[int, UnitMap]
    is_scan: bool

    def at(self, time: F64) -> tuple[C128, F64]:
        """P, sky pixels, and rotation, rad."""
        x, y = (np.interp(time, self.time, part) for part in (self.position.real, self.position.imag))
        return x + 1j * y, np.asarray(np.interp(time, self.time, self.turn), dtype=np.float64)


def measure_pointing_path(observation: Observation) -> PointingPath | None:
    """Path of an observation; None without detector pixels, with too few events, or if the coordinates disagree."""
    pixels = observation.event_pixels
    if pixels is None or len(observation.events) < MIN_EVENTS or observation.projection is None:
        return None
    good = [one.gti for one in observation.detectors if len(one.gti)]
    if not good:
        return None
    segments = _segments(gti_union(*good))
    numbers, events = _usable(observation, pixels, segments)
    if len(events) < MIN_EVENTS:
        return None
    path = None
    if observation.attitude:
        from .attitude_table import path_from_attitude

        path = path_from_attitude(observation, numbers, events, segments)
    path = path or _fitted_path(numbers, events, segments, nominal_pixel(observation))
    if path is not None and observation.is_scan and not path.is_scan:
        # A slow scan is followed by local means; a few events in a pass would fit any pointing.
        is_sparse = np.median(np.bincount(events.segment, minlength=len(segments))) < MIN_SLOW_SCAN_EVENTS
        return None if is_sparse else path
    return path


def nominal_pixel(observation: Observation) -> float | None:
    """Side of a detector pixel, sky pixels; None if unknown."""
    if observation.detector_pixel_arcsec is None:
        return None
    return observation.detector_pixel_arcsec / observation.require_projection().pixel_arcsec


def _segments(gti: Gti) -> Gti:
    """Good times without the short gaps."""
    apart = np.flatnonzero(gti[1:, 0] - gti[:-1, 1] > SEGMENT_GAP_S)
    return np.column_stack([gti[np.r_[0, apart + 1], 0], gti[np.r_[apart, len(gti) - 1], 1]])


def _usable(observation: Observation, pixels: NDArray[np.int32], segments: Gti) -> tuple[list[int], FieldPhotons]:
    """Units with enough events, and their events in good time."""
    events = observation.events
    segment = np.searchsorted(segments[:, 0], events.time, side="right") - 1
    inside = (segment >= 0) & (events.time <= segments[np.maximum(segment, 0), 1])
    found, counts = np.unique(events.detector[inside], return_counts=True)
    numbers = [int(n) for n, count in zip(found, counts, strict=True) if count >= MIN_UNIT_EVENTS]
    unit = np.full(1 << 16, -1, dtype=np.int64)
    unit[numbers] = np.arange(len(numbers))  # a negative number counts from the end, here and below
    rows = np.flatnonzero(inside & (unit[events.detector] >= 0))
    rows = rows[_spread(events.time[rows], segment[rows], segments)]
    sky = events.x[rows].astype(np.float64) + 1j * events.y[rows].astype(np.float64)
    own = unit[events.detector[rows]]
    return numbers, FieldPhotons(events.time[rows], sky, pixels[rows].astype(np.float64), own, segment[rows])


def _spread(time: F64, segment: I64, segments: Gti) -> Mask:
    """Events that the fit uses: all of sparse bins of time, and as many, evenly spread, of each bin that has more."""
    if len(time) <= MAX_FIT_EVENTS:
        return np.ones(len(time), dtype=np.bool_)
    begins, index = bins_of_time(time, segment, segments)
    counts = np.bincount(index, minlength=begins[-1])
    most = max(MAX_BIN_EVENTS, -(-MAX_FIT_EVENTS // np.count_nonzero(counts)))
    rank = np.arange(len(time)) - (np.cumsum(counts) - counts)[index]
    return np.asarray(rank * most % counts[index] < most, dtype=np.bool_)


def _fitted_path(numbers: list[int], events: FieldPhotons, segments: Gti, scale: float | None) -> PointingPath | None:
    """Path, rotation and matrices that fit the events."""
    some = events.select(slice(None, None, max(1, -(-len(events) // MAX_FIT_EVENTS))))
    turn = np.zeros(len(segments))
    richest = int(np.argmax(np.bincount(some.segment)))
    # The rotation differs between snapshots: the first matrices are those of one snapshot.
    matrices = fit_matrices(some.select(some.segment == richest), len(numbers), segments, turn, scale)
    for _ in range(3 if len(segments) > 1 else 1):
        if len(segments) > 1:
            turn = fit_turns(some, matrices, segments, turn)
        matrices = fit_matrices(some, len(numbers), segments, turn, scale)
    is_known = np.isfinite(matrices[:, 0, 0])
    if not is_known.any():
        return None
    events = events.select(is_known[events.unit])
    units = {n: UnitMap(matrices[k, :2].T, matrices[k, 2]) for k, n in enumerate(numbers) if is_known[k]}
    pixel = float(np.median([one.pixel_size for one in units.values()]))
    target = events.sky * np.exp(-1j * turn[events.segment]) - in_focal_plane(events, matrices)
    path = smooth_path(events.time, target, events.segment, segments, pixel)
    if path is None:
        return None
    time, position, speed, known, is_scan = path
    index = np.clip(np.searchsorted(segments[:, 0], time, side="right") - 1, 0, None)
    rotation = turn[index]
    return PointingPath(time, position * np.exp(1j * rotation), rotation, segments[known], speed[known], units, is_scan)
