"""Sensitive pixels of each detector unit: outline, bad pixels, dead columns and rows, as `LiveArea`.

The outline is that of the telescope's layout, narrowed to the window that the events fill. Columns and rows are dead if
the layout or the file's table of bad pixels says so, or if they have improbably few events against their neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64, Mask

if TYPE_CHECKING:
    from xherald.photons.observation import Observation

    from .detector_layout import DetectorLayout
    from .pointing_path import PointingPath

__all__ = ["LiveArea", "live_areas"]

MIN_EXPECTED_MARGIN = 20.0
"""Events expected between the outline and the outermost event from which the margin is taken as insensitive."""

NEIGHBOURS = 12
"""Columns on each side with which a column is compared: more than a bright source or a group of dead columns has."""

MAX_DEAD_PROBABILITY = 1e-3
"""False dead columns expected in an observation."""

MAX_DEAD_FRACTION = 0.2
"""Columns with more events, relative to their neighbours, are not dead but partly so, which is neglected."""

MAX_SIDE = 1100
"""Largest side of a mask; pixels of larger detectors are binned."""

RUN_LENGTHS = (1, 2, 3, 5, 8)
"""Numbers of adjacent columns that are compared with their neighbours together."""

WIDE_RUNS = (13, 21, 34)
"""Numbers of adjacent columns without any event that are compared with all columns, for sparse fields."""


@dataclass(frozen=True, slots=True, eq=False)
class LiveArea:
    """Sensitive pixels of a detector unit.

    Parameters
    ----------
    first : ndarray, shape (2,) — pixel at the middle of ``live[0, 0]``
    binning : int — pixels along each side of an element of `live`, more than 1 for very large detectors
    live : ndarray, shape (nx, ny), uint8 — 1 where sensitive; the first index is along the first pixel column
    dead_sums : ndarray, int32 — `live_area_kernels.sum_dead_blocks` of `live`
    """

    first: F64
    binning: int
    live: NDArray[np.uint8]
    dead_sums: NDArray[np.int32]

    @classmethod
    def of(cls, first: tuple[int, int], live: Mask) -> LiveArea:
        """Area of a mask of single pixels, binned and summed."""
        from .live_area_kernels import sum_dead_blocks

        binning = max(1, -(-max(live.shape) // MAX_SIDE))
        if binning > 1:
            nx, ny = (-(-n // binning) for n in live.shape)
            padded = np.zeros((nx * binning, ny * binning))
            padded[: live.shape[0], : live.shape[1]] = live
            live = padded.reshape(nx, binning, ny, binning).mean(axis=(1, 3)) >= 0.5
        middle = np.array(first, dtype=np.float64) + 0.5 * (binning - 1)
        sensitive = live.astype(np.uint8)
        return cls(middle, binning, sensitive, sum_dead_blocks(sensitive))

    def contains(self, pixels: F64) -> Mask:
        """Whether positions of shape (n, 2), pixels, are sensitive."""
        index = np.rint((pixels - self.first) / self.binning).astype(np.int64)
        upper = np.array(self.live.shape) - 1
        inside = np.all((index >= 0) & (index <= upper), axis=1)
        column, row = np.clip(index, 0, upper).T
        return np.asarray(inside & (self.live[column, row] > 0), dtype=np.bool_)

    def encloses(self, centres: F64, radius: float) -> Mask:
        """Whether circles (centres of shape (n, 2) and radius in pixels) lie within the outline."""
        index, reach = (centres - self.first) / self.binning, radius / self.binning
        upper = np.array(self.live.shape) - 1.0
        return np.asarray(((index >= reach) & (index <= upper - reach)).all(axis=1), dtype=np.bool_)

    def without(self, columns: I64, rows: I64) -> LiveArea:
        """The same area without whole columns and rows, given as pixels."""
        from .live_area_kernels import sum_dead_blocks

        live = self.live.copy()
        for axis, pixels in enumerate((columns, rows)):
            index = np.rint((pixels - self.first[axis]) / self.binning).astype(np.int64)
            index = index[(index >= 0) & (index < live.shape[axis])]
            live[(slice(None),) * axis + (index,)] = 0
        return LiveArea(self.first, self.binning, live, sum_dead_blocks(live))


def live_areas(observation: Observation, path: PointingPath, numbers: Iterable[int]) -> dict[int, LiveArea]:
    """Sensitive pixels of detector units that a pointing path maps to the sky."""
    pixels, events = observation.event_pixels, observation.events
    assert pixels is not None
    trials = 2 * 600 * max(len(path.units), 1)
    middle, middle_turn = (values[len(values) // 2] for values in (path.position, path.turn))
    found = {}
    for number in numbers:
        own, unit = np.flatnonzero(events.detector == number), path.units[number]
        # Pixels under a telescope that does not move: a list that was cut on the sky has its edges there.
        some = own[:: max(1, len(own) // 5_000)]
        sky = events.x[some].astype(np.float64) + 1j * events.y[some].astype(np.float64) - middle
        sky = sky * np.exp(-1j * middle_turn)
        focal = np.column_stack([sky.real, sky.imag]) - unit.offset
        unmoved: F64 = focal @ np.linalg.inv(unit.matrix).T
        is_cut = _extent(unmoved) < _extent(pixels[some].astype(np.float64)) - 1.0
        bad = observation.bad_pixels.get(number)
        found[number] = _live_area(pixels[own], observation.layout, bad, is_cut, trials)
    return found


def _extent(points: F64) -> F64:
    """Range along each axis, without the outermost events of many."""
    low, high = np.quantile(points, (0.002, 0.998), axis=0) if len(points) > 1000 else (points.min(0), points.max(0))
    return np.asarray(high - low, dtype=np.float64)


def _live_area(
    pixels: NDArray[np.int32], layout: DetectorLayout | None, bad: I64 | None, is_cut: Mask, trials: int
) -> LiveArea:
    """Sensitive pixels of one unit, given the pixels of its events and along which axes the list was cut on the sky."""
    from .live_area_kernels import count_sensitive

    window = [_window(pixels[:, axis], layout, axis, bool(is_cut[axis])) for axis in (0, 1)]
    (x0, x1), (y0, y1) = window
    if layout is None and not is_cut.any():
        live = _in_hull(pixels, x0, x1, y0, y1)
    else:
        live = np.ones((x1 - x0 + 1, y1 - y0 + 1), dtype=np.bool_)
        if layout is not None and layout.field_radius is not None and layout.axis is not None:
            x, y = np.arange(x0, x1 + 1) - layout.axis[0], np.arange(y0, y1 + 1) - layout.axis[1]
            live &= np.hypot(x[:, None], y[None, :]) <= layout.field_radius
        for low, high in layout.dead_columns if layout else ():
            live[max(low - x0, 0) : max(high - x0 + 1, 0)] = False
    inside = (pixels[:, 0] >= x0) & (pixels[:, 0] <= x1) & (pixels[:, 1] >= y0) & (pixels[:, 1] <= y1)
    for low, high, bottom, top in () if bad is None else bad:
        live[max(low - x0, 0) : max(high - x0 + 1, 0), max(bottom - y0, 0) : max(top - y0 + 1, 0)] = False
    for axis, low in ((0, x0), (1, y0)):
        sensitive = count_sensitive(live.view(np.uint8), axis)
        counts = np.bincount(pixels[inside, axis] - low, minlength=live.shape[axis])
        runs = RUN_LENGTHS if is_cut.any() else RUN_LENGTHS + WIDE_RUNS
        dead = _dead_columns(counts, sensitive.astype(np.float64), runs, trials)
        if axis == 0:
            live[dead] = False
        else:
            live[:, dead] = False
    return LiveArea.of((x0, y0), live)


def _window(values: NDArray[np.int32], layout: DetectorLayout | None, axis: int, is_cut: bool) -> tuple[int, int]:
    """First and last sensitive pixel along an axis."""
    lowest, highest = int(values.min()), int(values.max())
    if layout is None:
        margin = highest - lowest if is_cut else 0
        return lowest - margin, highest + margin
    first, last = layout.first[axis], layout.last[axis]
    lowest, highest = max(lowest, first), min(highest, last)
    if highest <= lowest or is_cut:
        return first, last
    counts = np.bincount(np.clip(values - lowest, 0, highest - lowest), minlength=highest - lowest + 1)
    # The density at the edge, or in a sparse field that of the median twelfth: sources do not count.
    width = min(64, len(counts))
    begins = len(counts) * np.arange(12) // 12
    typical = float(np.median(np.add.reduceat(counts, begins) / np.diff(begins, append=len(counts))))
    low, high = (max(float(np.median(part)), typical / 3) for part in (counts[:width], counts[-width:]))
    if low * (lowest - first) > MIN_EXPECTED_MARGIN:
        first = lowest
    if high * (last - highest) > MIN_EXPECTED_MARGIN:
        last = highest
    return first, last


def _in_hull(pixels: NDArray[np.int32], x0: int, x1: int, y0: int, y1: int) -> Mask:
    """Pixels inside the convex hull of the events, for a telescope without layout."""
    from xherald.photons.footprint import hull_of

    hull = hull_of(*pixels.T.astype(np.float64))
    if hull is None:
        return np.ones((x1 - x0 + 1, y1 - y0 + 1), dtype=np.bool_)
    x, y = np.meshgrid(np.arange(x0, x1 + 1), np.arange(y0, y1 + 1), indexing="ij")
    return np.asarray(hull.depth(x.astype(np.float64), y.astype(np.float64)) >= -0.5, dtype=np.bool_)


def _dead_columns(counts: I64, sensitive: F64, runs: tuple[int, ...], trials: int) -> Mask:
    """Columns with improbably few events against their neighbours, by Poisson probability.

    Parameters
    ----------
    counts : ndarray, shape (k,) — events in each column
    sensitive : ndarray, shape (k,) — sensitive pixels in each
    runs : tuple of int — numbers of adjacent columns
    trials : int — columns and rows that are tested in the observation
    """
    from scipy.special import gammaincc

    from .live_area_kernels import find_sparse_runs

    k = len(counts)
    dead = np.zeros(k, dtype=np.bool_)
    if k < 4 * NEIGHBOURS or counts.sum() < 10 * k / runs[-1]:
        return dead
    # Sources in the neighbouring columns do not count for more than twice the background.
    capped = np.minimum(counts, 2.0 * np.median(counts[sensitive > 0]) + 5.0) if (sensitive > 0).any() else counts
    sums, areas, capped_sums = (
        np.concatenate([[0.0], np.cumsum(values)])
        for values in (counts, sensitive, np.where(sensitive > 0, capped, 0.0))
    )
    filled = np.flatnonzero(counts)
    longest_gap = int(np.diff(filled, prepend=-1, append=k).max()) - 1
    for length in runs:
        is_wide = length in WIDE_RUNS
        if 3 * length > k or (is_wide and length > longest_gap):
            break
        density = _block_density(counts, sensitive, length) if is_wide else np.nan
        allowed = 0.0 if is_wide else MAX_DEAD_FRACTION
        begins, mean = find_sparse_runs(sums, areas, capped_sums, length, density, NEIGHBOURS, (allowed, 3.0))
        # The density of 12 columns has its own error.
        cautious = np.maximum(mean - 2.0 * np.sqrt(mean * length / (k / 3 if is_wide else NEIGHBOURS)), 1e-12)
        events = sums[begins + length] - sums[begins]
        found = gammaincc(events + 1.0, cautious) * trials * len(runs) < MAX_DEAD_PROBABILITY
        for begin, expected in zip(begins[found].tolist(), mean[found].tolist(), strict=True):
            run = slice(begin, begin + length)
            # A longer run is dead only where each of its columns is nearly empty.
            dead[run] |= counts[run] <= MAX_DEAD_FRACTION * expected / length
    return dead


def _block_density(counts: I64, sensitive: F64, length: int) -> float:
    """Median density of blocks of columns: that of the background, unless sources fill half of the unit."""
    begins = np.arange(0, len(counts) - length + 1, length)
    events, area = (np.add.reduceat(values, begins)[:-1] for values in (counts.astype(np.float64), sensitive))
    filled = area > 0.5 * area.max(initial=0.0)
    return float(np.median(events[filled] / area[filled])) if filled.any() else 0.0
