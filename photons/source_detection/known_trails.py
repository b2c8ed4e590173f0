"""Trails that an instrument is known to make: read-out streaks and the arms of lobster eyes: `known_trails`.

For sources too faint to show theirs. How many photons go where is what the adapter states (`PixelLayout`).
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.exposure.detector_axes import measure_detector_axes

from .field_model import Field
from .trails import Trail

__all__ = ["known_trails"]


MIN_COUNTS: Final = 20.0
"""Sources with fewer counts put less than a few photons on any trail."""

MAX_SOURCES: Final = 40

ARM_REACH_ARCSEC: Final = 2400.0
"""Distance over which an arm falls by a factor e, approximate (Angel 1979, ApJ 233, 364; Cheng et al. 2024, Exp.
Astron. 57, 10)."""


def known_trails(field: Field, sources: F64) -> list[Trail]:
    """Trails of the bright sources along the axes of the detector; none if these are not known.

    Parameters
    ----------
    field : Field
    sources : ndarray, shape (s, 5) — x, y, ln p, net counts, background per square pixel
    """
    pixels = field.observation.pixels
    bright = [int(i) for i in np.argsort(-sources[:, 3])[:MAX_SOURCES] if sources[i, 3] >= MIN_COUNTS]
    if pixels is None or not bright or (pixels.out_of_time <= 0 and pixels.arms <= 0):
        return []
    axes = measure_detector_axes(field.observation)
    hulls = dict(zip(field.footprint.numbers, field.footprint.hulls, strict=True))
    trails: list[Trail] = []
    for number, steps, extent in zip(axes.numbers.tolist(), axes.steps, axes.extents, strict=True):
        if number not in hulls:
            continue
        x, y = sources[bright, 0], sources[bright, 1]
        for i in np.array(bright)[hulls[number].depth(x, y) >= 0].tolist():
            if pixels.arms > 0:
                trails.extend(_arms(field, sources, i, steps, pixels.arms))
            if pixels.out_of_time > 0:
                trails.extend(_streak(field, sources, i, steps, extent[1], pixels.out_of_time))
    return trails


def _arms(field: Field, sources: F64, i: int, steps: F64, part: float) -> list[Trail]:
    """Four arms, which fall exponentially and are as wide as the core."""
    reach = ARM_REACH_ARCSEC / field.pixel
    x, y = (float(v) for v in sources[i, :2])
    edges = np.linspace(0.0, 4.0 * reach, 65)
    level = 0.25 * part / (1.0 - part) * -np.diff(np.exp(-edges / reach)) / np.diff(edges)
    half = field.shape_at(x, y).r50
    return [Trail(i, x, y, one, half, edges, level) for axis in steps.T for one in _both_ways(axis)]


def _streak(field: Field, sources: F64, i: int, steps: F64, rows: float, part: float) -> list[Trail]:
    """The column of the detector, evenly."""
    x, y = (float(v) for v in sources[i, :2])
    length = float(rows * np.hypot(*steps[:, 1])) / field.pixel
    edges = np.array([0.0, length])
    level = np.array([part / (1.0 - part) / length])
    half = max(field.shape_at(x, y).r80, float(np.hypot(*steps[:, 0])) / field.pixel)
    return [Trail(i, x, y, one, half, edges, level) for one in _both_ways(steps[:, 1])]


def _both_ways(axis: F64) -> list[tuple[float, float]]:
    u, v = (float(one) / math.hypot(*axis) for one in axis)
    return [(u, v), (-u, -v)]
