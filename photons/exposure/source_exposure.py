"""Exposure of a source as a function of time: `ExposureModel`, `measure_exposure_model`.

In each time step, the aperture's sample points, which represent equal numbers of photons, are mapped to the pixels of
each detector unit. The fraction on sensitive pixels, times the vignetting at the momentary off-axis angle and the live
fraction of the unit in its good times, summed over units, is the exposure. Chip gaps under a dithering telescope,
snapshots with another pointing, dead columns and survey scans are all of this kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.arrays import F64, Mask
from xherald.photons.gti import Exposure, Gti, gti_contains, gti_union

from .live_area import LiveArea, live_areas
from .pointing_path import PointingPath, measure_pointing_path

if TYPE_CHECKING:
    from xherald.photons.observation import DetectorUnit, Observation

__all__ = ["N_SAMPLES", "ExposureModel", "SourceExposure", "measure_exposure_model"]

N_SAMPLES = 96
"""Sample points of an aperture."""

MIN_FRACTION = 0.1
"""Times with a lower exposure, relative to the maximum, are excluded from the good times: the wings of the point spread
and the outermost vignetting are not known well enough to predict the count rate then."""

TOLERANCE = 0.04
"""Largest difference of the relative exposure within an interval."""

MIN_CHANGE = 0.03
"""A relative exposure that changes by less is constant."""

MIN_VIGNETTING_CHANGE = 0.05
"""Vignetting that changes by less, relative to itself, is constant."""

MIN_MOTION = 0.5
"""Way of the pointing below which no aperture changes its pixels, detector pixels."""

MIN_TURN = 1e-3
"""Rotation below which no aperture changes its pixels, rad: half a pixel at the edge of the largest detectors."""

STEP_S = 16.0
"""Longest time step while the telescope moves, s."""

STEP_PIXELS = 2.0
"""Longest way of the pointing in a time step, detector pixels."""

MIN_STEP_S = 0.2
"""Shortest time step, s."""

MAX_STEPS = 400_000
"""Largest number of time steps of an observation; steps are longer if it needs more."""

MAX_LEVELS = 4_000_000
"""Largest number of apertures times time steps that are computed together: 32 MB."""


@dataclass(frozen=True, slots=True, eq=False)
class SourceExposure:
    """Exposure of an aperture.

    Parameters
    ----------
    exposure : Exposure or None
        None if the aperture is on no sensitive pixels in good time.
    crosses_edge : bool
        Whether the area under the aperture changes with time.
    """

    exposure: Exposure | None
    crosses_edge: bool


@dataclass(frozen=True, slots=True, eq=False)
class ExposureModel:
    """What decides the exposure of any position of an observation.

    Parameters
    ----------
    path : PointingPath
    areas : dict of int to LiveArea
        Empty under a telescope that does not move: exposures are those of the good times.
    edges : ndarray, shape (k, 2) — s, time steps
    pointing : ndarray, shape (k, 4) — x and y, sky pixels, cosine and sine of the rotation in each step
    weights : dict of int to ndarray, shape (k,) — live fraction of each unit in each step, 0 outside its good times
    axes : dict of int to (float, float) — optical axis of each unit relative to the pointing, sky pixels
    curve : ndarray, shape (m, 2) — off-axis angle, arcmin, and relative area; empty without vignetting
    arcmin_per_pixel : float — of sky pixels
    changes_everywhere : bool — whether vignetting or live fractions change with time for every source
    """

    path: PointingPath
    areas: dict[int, LiveArea]
    edges: Gti
    pointing: F64
    weights: dict[int, F64]
    axes: dict[int, tuple[float, float]]
    curve: F64
    arcmin_per_pixel: float
    changes_everywhere: bool

    def exposures(
        self, centres: F64, radii: F64, is_used: Mask, numbers: list[int]
    ) -> Iterator[tuple[int, SourceExposure]]:
        """Index and exposure of each aperture whose exposure is not constant in the good times.

        Parameters
        ----------
        centres : ndarray, shape (n, 2) — sky pixels, of the apertures
        radii : ndarray, shape (n, N_SAMPLES) — sky pixels, each representing the same number of photons
        is_used : ndarray, shape (n, u), bool — units whose photons each aperture takes
        numbers : list of int, length u — units; those without a sensitive area do not count
        """
        from .exposure_kernels import add_unit, merge_steps

        known = [k for k, number in enumerate(numbers) if number in self.areas]
        weights = np.array([self.weights[numbers[k]] for k in known]).reshape(len(known), len(self.edges))
        size = max(1, MAX_LEVELS // max(len(self.edges), 1))
        for first in range(0, len(centres), size):
            rows = slice(first, first + size)
            used = np.ascontiguousarray(is_used[rows][:, known])
            level, change = np.zeros((len(used), len(self.edges))), np.zeros(len(used))
            for k, own, weight in zip(known, used.T, weights, strict=True):
                unit, area = self._unit(numbers[k]), self.areas[numbers[k]]
                live = area.live, area.dead_sums
                add_unit(level, change, centres[rows], own, radii[rows], weight, self.pointing, unit, live, self.curve)
            crosses = change > 2.0 / N_SAMPLES
            wanted = used & (crosses | self.changes_everywhere)[:, None]
            offsets, gti, fraction = merge_steps(
                self.edges, level, weights, wanted, (MIN_FRACTION, TOLERANCE, MIN_CHANGE)
            )
            is_seen = level.max(axis=1, initial=0.0) > 0
            for i in np.flatnonzero(~is_seen | (np.diff(offsets) > 0)).tolist():
                own_rows = slice(offsets[i], offsets[i + 1])
                exposure = Exposure(gti[own_rows], fraction[own_rows]) if is_seen[i] else None
                yield first + i, SourceExposure(exposure, bool(crosses[i]))

    def may_vary(self, centres: F64, extents: F64, is_used: Mask, numbers: list[int]) -> Mask:
        """Whether the exposure of each aperture may vary by more than good times.

        Parameters
        ----------
        centres : ndarray, shape (n, 2) — sky pixels
        extents : ndarray, shape (n,) — sky pixels, radii
        is_used : ndarray, shape (n, u), bool — units whose photons each aperture takes
        numbers : list of int, length u — units
        """
        from .exposure_kernels import moves_over_dead

        known = np.array([number in self.areas for number in numbers])
        if self.changes_everywhere:
            return np.asarray((is_used & known).any(axis=1), dtype=np.bool_)
        out = np.zeros(len(centres), dtype=np.bool_)
        for k in np.flatnonzero(known).tolist():
            own, number = np.flatnonzero(is_used[:, k]), numbers[k]
            area, unit = self.areas[number], self._unit(number)
            reach = extents[own] / self.path.units[number].pixel_size / area.binning + 1.0
            out[own] |= moves_over_dead(self.weights[number], self.pointing, centres[own], reach, unit, area.dead_sums)
        return out

    def _unit(self, number: int) -> F64:
        """Parameters of a detector unit for `add_unit`."""
        unit, area = self.path.units[number], self.areas[number]
        inverse = np.linalg.inv(unit.matrix) / area.binning
        has_vignetting = len(self.curve) > 0 and number in self.axes
        axis = self.axes.get(number, (0.0, 0.0))
        per_pixel = 1.0 / (unit.pixel_size * area.binning)
        scale = self.arcmin_per_pixel if has_vignetting else 0.0
        return np.array([*inverse.ravel(), *unit.offset, *area.first / area.binning, *axis, scale, per_pixel])


def measure_exposure_model(observation: Observation, numbers: Iterable[int] | None = None) -> ExposureModel | None:
    """Model of an observation; None if its pointing as a function of time is not known.

    Parameters
    ----------
    observation : Observation
    numbers : iterable of int, optional
        Detector units that are needed; default all.
    """
    path = measure_pointing_path(observation)
    if path is None:
        return None
    wanted = set(path.units) if numbers is None else set(numbers) & set(path.units)
    units = [one for one in observation.detectors if one.number in wanted and len(one.gti)]
    if not units:
        return None
    numbers = [one.number for one in units]
    edges = _time_steps(path, units)
    middle = edges.mean(axis=1)
    position, turn = path.at(middle)
    pointing = np.column_stack([position.real, position.imag, np.cos(turn), np.sin(turn)])
    layout = observation.layout
    curve = np.empty((0, 2))
    arcmin = observation.require_projection().pixel_arcsec / 60.0
    if layout is not None and layout.vignetting is not None:
        grid = np.column_stack([layout.vignetting.off_axis_arcmin, layout.vignetting.relative_area])
        steepest = float(np.abs(np.diff(grid[:, 1]) / np.diff(grid[:, 0])).max())
        moves = np.hypot(*np.ptp(pointing[:, :2], axis=0)) * arcmin + np.ptp(turn) * float(grid[-1, 0])
        if moves * steepest > MIN_VIGNETTING_CHANGE * float(grid[-1, 1]):
            curve = grid
    pixel = min(one.pixel_size for one in path.units.values())
    is_still = float(np.hypot(*np.ptp(pointing[:, :2], axis=0))) < MIN_MOTION * pixel and np.ptp(turn) < MIN_TURN
    has_curves = any(one.live_curve is not None for one in units)
    return ExposureModel(
        path=path,
        areas={} if is_still and not has_curves else live_areas(observation, path, numbers),
        edges=edges,
        pointing=pointing,
        weights={one.number: _live_weights(one, middle) for one in units},
        axes=_axes(observation, path, numbers, pointing, np.diff(edges, axis=1).ravel()),
        curve=curve,
        arcmin_per_pixel=arcmin,
        changes_everywhere=len(curve) > 0 or has_curves,
    )


def _time_steps(path: PointingPath, units: list[DetectorUnit]) -> Gti:
    """Steps in good time within which the pointing moves little and no unit's good times begin or end."""
    good = gti_union(*(one.gti for one in units))
    pixel = float(np.median([one.pixel_size for one in path.units.values()]))
    steps = []
    lengths = np.diff(path.segments, axis=1).ravel()
    wanted = np.where(
        path.speed > 0,
        np.clip(STEP_PIXELS * pixel / np.maximum(path.speed, 1e-9), MIN_STEP_S if path.is_scan else STEP_S, STEP_S),
        lengths,
    )
    wanted *= max(1.0, float((lengths / np.maximum(wanted, 1e-9)).sum()) / MAX_STEPS)
    for (start, stop), step in zip(path.segments, wanted, strict=True):
        steps.append(np.linspace(start, stop, max(2, math.ceil((stop - start) / max(step, 1e-9) - 1e-9) + 1)))
    curves = [one.live_curve[:, 0] for one in units if one.live_curve is not None]
    marks = np.unique(np.concatenate([*steps, *(one.gti.ravel() for one in units), *curves]))
    middle = 0.5 * (marks[1:] + marks[:-1])
    keep = gti_contains(good, middle) & gti_contains(path.segments, middle)
    return np.column_stack([marks[:-1], marks[1:]])[keep]


def _live_weights(unit: DetectorUnit, middle: F64) -> F64:
    """Live fraction of a unit at the middle of each step; 0 outside its good times."""
    is_good: Mask = gti_contains(unit.gti, middle)
    live = np.full(len(middle), unit.live_fraction)
    if unit.live_curve is not None:
        row = np.searchsorted(unit.live_curve[:, 0], middle, side="right") - 1
        live = unit.live_curve[np.maximum(row, 0), 1]
    return np.where(is_good, live, 0.0)


def _axes(
    observation: Observation, path: PointingPath, numbers: list[int], pointing: F64, lengths: F64
) -> dict[int, tuple[float, float]]:
    """Optical axis of each unit relative to the pointing, sky pixels before rotation."""
    layout = observation.layout
    if layout is None or layout.vignetting is None:
        return {}
    if layout.axis is not None:
        found = {n: path.units[n].matrix @ np.array(layout.axis) + path.units[n].offset for n in numbers}
        return {n: (float(x), float(y)) for n, (x, y) in found.items()}
    if observation.pointing is None or path.is_scan:
        return {}
    # The header's axis is that of the mean pointing.
    x, y = (float(v) for v in observation.require_projection().to_pixel(*observation.pointing))
    mean = np.average(pointing, axis=0, weights=lengths)
    dx, dy, scale = x - mean[0], y - mean[1], math.hypot(mean[2], mean[3])
    cos, sin = mean[2] / scale, mean[3] / scale
    axis = cos * dx + sin * dy, -sin * dx + cos * dy
    return dict.fromkeys(numbers, axis)
