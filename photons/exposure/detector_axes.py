"""Axes of the detectors on the sky, from the pixels of events that are close in time: `measure_detector_axes`.

Dither, snapshots and scans cancel in differences of such events, so that no attitude is needed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.observation import Observation

__all__ = ["DetectorAxes", "measure_detector_axes"]


MIN_PAIRS = 20
"""Fewest pairs of events that determine the axes of a detector."""

MAX_PAIRS = 4_000
"""Largest number of pairs used; six numbers do not need more."""

MAX_RESIDUAL = 0.2
"""Axes are unknown if the rms residual exceeds this fraction of the rms separation of the pairs."""


@dataclass(frozen=True, slots=True, eq=False)
class DetectorAxes:
    """Axes of the detectors on which they are known.

    Parameters
    ----------
    numbers : ndarray, shape (d,), int64 — `DetectorUnit.number`
    steps : ndarray, shape (d, 2, 2) — arcsec along sky x and y (rows) of one pixel along each axis
    extents : ndarray, shape (d, 2) — pixels between the outermost events
    """

    numbers: I64
    steps: F64
    extents: F64


def measure_detector_axes(observation: Observation) -> DetectorAxes:
    """Axes of each detector; of none if the file has no columns of detector pixels or no sky positions."""
    pixels, projection = observation.event_pixels, observation.projection
    numbers: list[int] = []
    found: list[F64] = []
    extents: list[F64] = []
    for number in (one.number for one in observation.detectors if pixels is not None and projection is not None):
        assert pixels is not None
        assert projection is not None
        own = np.flatnonzero(observation.events.detector == number)
        axes = _axes_of(own, observation, pixels, projection.pixel_arcsec) if len(own) > MIN_PAIRS else None
        if axes is not None:
            numbers.append(number)
            found.append(axes)
            extents.append(np.ptp(pixels[own], axis=0) + 1.0)
    return DetectorAxes(
        np.array(numbers, dtype=np.int64), np.array(found).reshape(-1, 2, 2), np.array(extents).reshape(-1, 2)
    )


def _axes_of(own: I64, observation: Observation, pixels: NDArray[np.int32], scale: float) -> F64 | None:
    """Axes of one detector from its events, given by their indices in time order."""
    events = observation.events
    first = np.linspace(0, len(own) - 2, min(len(own) - 1, 2 * MAX_PAIRS)).astype(np.int64)
    a, b = own[first], own[first + 1]
    apart = events.time[b] - events.time[a]
    near = apart <= np.median(apart)
    a, b, apart = a[near], b[near], apart[near]
    step = (pixels[b] - pixels[a]).astype(np.float64)
    sky = np.column_stack([events.x[b] - events.x[a], events.y[b] - events.y[a]]).astype(np.float64) * scale
    # A scan moves the sky at a constant rate, so time is a further column.
    known = np.column_stack([step, apart])
    solution, _, rank, _ = np.linalg.lstsq(known, sky, rcond=None)
    if len(a) < MIN_PAIRS or rank < (3 if np.ptp(apart) > 0 else 2):
        return None
    left = sky - known @ solution
    axes = np.asarray(solution[:2].T, dtype=np.float64)
    if np.sqrt((left**2).mean()) > MAX_RESIDUAL * np.sqrt((sky**2).mean()) or abs(np.linalg.det(axes)) < 1e-6:
        return None
    return axes
