"""Maps from detector pixels to the sky, fitted to the events: least squares of `pointing_path`.

Sky positions are complex numbers x + iy, sky pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.gti import Gti

__all__ = ["C128", "CLIP", "MIN_UNIT_EVENTS", "STEP_S", "FieldPhotons", "fit_matrices", "fit_turns", "in_focal_plane"]

C128 = NDArray[np.complex128]

STEP_S = 16.0
"""Sampling interval of a fitted path, s: Chandra's dither moves by at most 2″ in it."""

CLIP = 5.0
"""Residuals beyond this many standard deviations are outliers."""

MIN_UNIT_EVENTS = 10
"""Events needed to fit the matrix of a detector unit."""

MIN_GENERAL_EVENTS = 500
"""Events of a detector unit below which its matrix is a rotation and a scale: pixels are square to parts in 1,000."""

MAX_SCALE_ERROR = 0.05
"""Relative difference from the nominal pixel size above which a fitted one is not used."""

CELL_EVENTS = 12
"""Mean number of events in a cell of time in which the path is taken as straight while the matrices are fitted."""


@dataclass(frozen=True, slots=True, eq=False)
class FieldPhotons:
    """Events on known units: time, sky, pixel, index of unit and of segment."""

    time: F64
    sky: C128
    pixel: F64
    unit: I64
    segment: I64

    def select(self, rows: Any) -> FieldPhotons:
        """The given rows."""
        return FieldPhotons(self.time[rows], self.sky[rows], self.pixel[rows], self.unit[rows], self.segment[rows])

    def __len__(self) -> int:
        return len(self.time)


def in_focal_plane(events: FieldPhotons, matrices: F64) -> C128:
    """A · pixel + b of each event."""
    own = matrices[events.unit]
    x, y = (
        own[:, 0, axis] * events.pixel[:, 0] + own[:, 1, axis] * events.pixel[:, 1] + own[:, 2, axis] for axis in (0, 1)
    )
    return np.asarray(x + 1j * y, dtype=np.complex128)


def fit_matrices(
    events: FieldPhotons, n_units: int, segments: Gti, turn: F64, scale: float | None, *, has_path: bool = False
) -> F64:
    """Matrix and offset of each unit, shape (n_units, 3, 2); NaN for a unit with too few events.

    Within a cell of time, the path is a straight line that is projected out; with `has_path`, the sky positions are
    already relative to the path. `scale` is the nominal side of a detector pixel, sky pixels, None if unknown: it
    replaces a fitted one that is far off, as in a list that was cut around one source, whose photons move over the
    detector and not on the sky.
    """
    out = np.full((n_units, 3, 2), np.nan)
    kept = events.select(np.bincount(events.unit, minlength=n_units)[events.unit] >= MIN_UNIT_EVENTS)
    units = np.unique(kept.unit)
    if not len(units):
        return out
    cell = None if has_path else _cells(kept, segments)
    for _ in range(3):
        column = np.searchsorted(units, kept.unit)
        rows = np.arange(len(kept))
        design = np.zeros((len(kept), 3 * len(units)))
        for j, values in enumerate((kept.pixel[:, 0], kept.pixel[:, 1], np.ones(len(kept)))):
            design[rows, 3 * column + j] = values
        sky = kept.sky * np.exp(-1j * turn[kept.segment])
        target = np.column_stack([sky.real, sky.imag])
        if cell is not None:
            design = design[:, np.arange(design.shape[1]) != 2]  # one offset is arbitrary: it belongs to the path
            both = _detrend(np.column_stack([design, target]), kept.time, cell)
            design, target = both[:, :-2], both[:, -2:]
        solution = np.linalg.lstsq(design.T @ design, design.T @ target, rcond=1e-12)[0]
        residual = np.hypot(*(target - design @ solution).T)
        if cell is not None:
            solution = np.insert(solution, 2, 0.0, axis=0)
        for k, unit in enumerate(units):
            out[unit] = solution[3 * k : 3 * k + 3]
        keep = residual <= CLIP * max(float(np.median(residual)), 1e-9)
        if keep.all():
            break
        kept, cell = kept.select(keep), None if cell is None else cell[keep]
    for unit in units:
        mine = kept.unit == unit
        own = kept.pixel[mine]
        if len(own) < MIN_UNIT_EVENTS:  # most were clipped: those left do not say how the unit is placed
            out[unit] = np.nan
            continue
        fitted = float(np.sqrt(abs(np.linalg.det(out[unit, :2]))))
        nominal = fitted if scale is None else scale
        is_off = abs(fitted / nominal - 1.0) > MAX_SCALE_ERROR
        if len(own) >= MIN_GENERAL_EVENTS and not is_off:
            continue
        conformal = _conformal(out[unit, :2])
        if is_off:
            sky = kept.sky[mine] * np.exp(-1j * turn[kept.segment[mine]])
            columns = np.column_stack([own, sky.real, sky.imag])
            varying = columns - columns.mean(axis=0) if cell is None else _detrend(columns, kept.time[mine], cell[mine])
            conformal = nominal * _direction(varying)
        out[unit, 2] += own.mean(axis=0) @ (out[unit, :2] - conformal)
        out[unit, :2] = conformal
    return out


def _direction(columns: F64) -> F64:
    """Rotation or reflection that brings pixels (columns 0, 1) nearest to the sky (columns 2, 3)."""
    pixel, sky = columns[:, 0] + 1j * columns[:, 1], columns[:, 2] + 1j * columns[:, 3]
    plain, mirrored = np.sum(np.conj(pixel) * sky), np.sum(pixel * sky)
    angle, sign = (np.angle(plain), 1.0) if abs(plain) >= abs(mirrored) else (np.angle(mirrored), -1.0)
    return np.array([[np.cos(angle), np.sin(angle)], [-sign * np.sin(angle), sign * np.cos(angle)]])


def _conformal(matrix: F64) -> F64:
    """Nearest product of a scale with a rotation or reflection."""
    sign = 1.0 if np.linalg.det(matrix) > 0 else -1.0
    a, b = 0.5 * (matrix[0, 0] + sign * matrix[1, 1]), 0.5 * (matrix[0, 1] - sign * matrix[1, 0])
    return np.array([[a, b], [-sign * b, sign * a]])


def _cells(events: FieldPhotons, segments: Gti) -> I64:
    """Index of a cell of time for each event; cells do not cross segments."""
    length = max(STEP_S, CELL_EVENTS * float(np.diff(segments, axis=1).sum()) / max(len(events), 1))
    per_segment = np.maximum(np.rint(np.diff(segments, axis=1).ravel() / length), 1).astype(np.int64)
    start, stop = segments[events.segment].T
    share = (events.time - start) / np.maximum(stop - start, 1e-9)
    inside = np.minimum((share * per_segment[events.segment]).astype(np.int64), per_segment[events.segment] - 1)
    return np.asarray(np.concatenate([[0], np.cumsum(per_segment)])[events.segment] + inside, dtype=np.int64)


def _detrend(values: F64, time: F64, cell: I64) -> F64:
    """Values of shape (n, c) without the mean and the slope in time of their cell; cells ascend."""
    begins = np.flatnonzero(np.r_[True, np.diff(cell) > 0])
    counts = np.diff(begins, append=len(cell))
    cell = np.repeat(np.arange(len(begins)), counts)

    def mean(columns: F64) -> F64:
        return np.asarray(np.add.reduceat(columns, begins) / counts[:, None], dtype=np.float64)

    t = time[:, None] - mean(time[:, None])[cell]
    spread = mean(t * t)
    out = values - mean(values)[cell]
    is_sloped = (counts[:, None] >= 3) & (spread > 0)
    slope = np.divide(mean(out * t), spread, out=np.zeros((len(begins), values.shape[1])), where=is_sloped)
    return np.asarray(out - slope[cell] * t, dtype=np.float64)


def fit_turns(events: FieldPhotons, matrices: F64, segments: Gti, turn: F64) -> F64:
    """Rotation of each segment, rad, drawn towards the mean where its events say little."""
    events = events.select(np.isfinite(matrices[:, 0, 0])[events.unit])
    if not len(events):
        return turn
    focal = in_focal_plane(events, matrices)
    columns = np.column_stack([focal.real, focal.imag, events.sky.real, events.sky.imag])
    fx, fy, x, y = _detrend(columns, events.time, _cells(events, segments)).T
    focal, sky = fx + 1j * fy, x + 1j * y
    angle = np.zeros(len(segments))
    for _ in range(2):
        m = len(segments)
        cross = np.conj(focal) * sky
        product = np.bincount(events.segment, cross.real, m) + 1j * np.bincount(events.segment, cross.imag, m)
        lever = np.bincount(events.segment, np.abs(focal) ** 2, m)
        angle = np.angle(product)
        residual = np.abs(sky - focal * np.exp(1j * angle[events.segment]))
        keep = residual <= CLIP * max(float(np.median(residual)), 1e-9)
        events, focal, sky = events.select(keep), focal[keep], sky[keep]
    scatter = float(np.median(residual)) ** 2
    error2 = np.divide(scatter, lever, out=np.full(len(lever), np.inf), where=lever > 0)
    best = angle[int(np.argmax(lever))]
    relative = np.angle(np.exp(1j * (angle - best)))
    weight = 1.0 / np.maximum(error2, 1e-12)
    mean = float(np.average(relative, weights=weight))
    known = np.isfinite(error2)  # segments without events have no weight
    excess = max(float(np.average((relative - mean) ** 2 - np.where(known, error2, 0.0), weights=weight)), 0.0)
    shrunk = mean + (relative - mean) * np.where(known, excess / (excess + error2 + 1e-18), 0.0)
    return np.asarray(shrunk + best, dtype=np.float64)
