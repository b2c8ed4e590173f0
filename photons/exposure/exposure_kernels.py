"""Kernels of `source_exposure`: live fraction of an aperture at each time step.

Imports numba: import this module inside the function that needs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["add_unit", "count_dead", "merge_steps", "moves_over_dead"]


@njit(cache=True, nogil=True)
def _touches_dead(dead_sums: Any, x0: float, x1: float, y0: float, y1: float) -> bool:
    """Whether a rectangle of pixels, relative to the first, leaves the unit or contains insensitive pixels."""
    nx, ny = dead_sums.shape[0] - 1, dead_sums.shape[1] - 1
    i0, i1, j0, j1 = int(np.floor(x0)), int(np.ceil(x1)) + 1, int(np.floor(y0)), int(np.ceil(y1)) + 1
    if i0 < 0 or j0 < 0 or i1 > nx or j1 > ny:
        return True
    return bool(dead_sums[i1, j1] - dead_sums[i0, j1] - dead_sums[i1, j0] + dead_sums[i0, j0] > 0)


@njit(cache=True, nogil=True)
def count_dead(live: Any) -> Any:
    """Number of insensitive pixels below and left of each corner, shape (nx + 1, ny + 1)."""
    nx, ny = live.shape
    sums = np.zeros((nx + 1, ny + 1), np.int32)
    for i in range(nx):
        row = 0
        for j in range(ny):
            row += live[i, j] == 0
            sums[i + 1, j + 1] = sums[i, j + 1] + row
    return sums


@njit(cache=True, nogil=True)
def _range_on_unit(weight: Any, path: Any, x0: float, y0: float, unit: Any) -> Any:
    """Ranges of the pixels, relative to the first, that a sky pixel has in good time."""
    x_low, x_high, y_low, y_high = np.inf, -np.inf, np.inf, -np.inf
    for k in range(len(weight)):
        if weight[k] <= 0.0:
            continue
        dx, dy = x0 - path[k, 0], y0 - path[k, 1]
        u = path[k, 2] * dx + path[k, 3] * dy - unit[4]
        v = -path[k, 3] * dx + path[k, 2] * dy - unit[5]
        x, y = unit[0] * u + unit[1] * v - unit[6], unit[2] * u + unit[3] * v - unit[7]
        x_low, x_high, y_low, y_high = min(x_low, x), max(x_high, x), min(y_low, y), max(y_high, y)
    return x_low, x_high, y_low, y_high


@njit(cache=True, nogil=True)
def moves_over_dead(weight: Any, path: Any, sources: Any, reach: Any, unit: Any, dead_sums: Any) -> Any:
    """Whether each aperture, centred on a sky pixel, comes near the edge or insensitive pixels of a unit.

    `sources` has shape (n, 2), `reach` (n,): radii, detector pixels. See `add_unit`.
    """
    nx, ny = dead_sums.shape[0] - 1, dead_sums.shape[1] - 1
    out = np.zeros(len(sources), np.bool_)
    for i in range(len(sources)):
        r = reach[i]
        x_low, x_high, y_low, y_high = _range_on_unit(weight, path, sources[i, 0], sources[i, 1], unit)
        if x_low > x_high or x_high < -r or y_high < -r or x_low > nx + r or y_low > ny + r:
            continue
        moves = x_high - x_low > 0.1 or y_high - y_low > 0.1
        out[i] = moves and _touches_dead(dead_sums, x_low - r, x_high + r, y_low - r, y_high + r)
    return out


@njit(cache=True, nogil=True)
def add_unit(
    level: Any, weight: Any, path: Any, source: Any, offsets: Any, unit: Any, live: Any, dead_sums: Any, curve: Any
) -> Any:
    """Add the live fraction of an aperture on one detector unit to its total at each time step.

    Parameters
    ----------
    level : ndarray, shape (k,) — total, changed in place
    weight : ndarray, shape (k,) — live fraction of the unit in each step, 0 outside its good times
    path : ndarray, shape (k, 4) — x and y of the pointing, sky pixels; cosine and sine of the rotation
    source : ndarray, shape (2,) — centre of the aperture, sky pixels
    offsets : ndarray, shape (n, 2) — sample points from the centre, sky pixels
    unit : ndarray, shape (12,)
        Sky to detector matrix (4, by rows), offset of the map (2), first pixel (2), position of the optical axis
        relative to the pointing (2, sky pixels), arcmin per sky pixel, 0 without vignetting, and the largest distance
        of a sample point, detector pixels.
    live : ndarray, shape (nx, ny), uint8 — sensitive pixels
    dead_sums : ndarray, shape (nx + 1, ny + 1) — `LiveArea.dead_sums`
    curve : ndarray, shape (m, 2) — off-axis angle, arcmin, and relative area

    Returns
    -------
    float
        Difference of the largest and the smallest part of the aperture that is on the unit in its good times.
    """
    nx, ny = live.shape
    reach, n = unit[11], len(offsets)
    x_low, x_high, y_low, y_high = _range_on_unit(weight, path, source[0], source[1], unit)
    if x_low > x_high or x_high < -reach or y_high < -reach or x_low > nx + reach or y_low > ny + reach:
        return 0.0
    least, most = 1.0, 0.0
    varies = _touches_dead(dead_sums, x_low - reach, x_high + reach, y_low - reach, y_high + reach)
    for k in range(len(level)):
        if weight[k] <= 0.0:
            continue
        dx, dy = source[0] - path[k, 0], source[1] - path[k, 1]
        u = path[k, 2] * dx + path[k, 3] * dy
        v = -path[k, 3] * dx + path[k, 2] * dy
        part = 1.0
        if varies:
            a, b = u - unit[4], v - unit[5]
            x, y = unit[0] * a + unit[1] * b - unit[6], unit[2] * a + unit[3] * b - unit[7]
            if x < -reach or y < -reach or x > nx + reach or y > ny + reach:
                least = 0.0
                continue
            if _touches_dead(dead_sums, x - reach, x + reach, y - reach, y + reach):
                inside = 0
                for i in range(n):
                    a = path[k, 2] * offsets[i, 0] + path[k, 3] * offsets[i, 1]
                    b = -path[k, 3] * offsets[i, 0] + path[k, 2] * offsets[i, 1]
                    column = int(np.floor(x + unit[0] * a + unit[1] * b + 0.5))
                    row = int(np.floor(y + unit[2] * a + unit[3] * b + 0.5))
                    if 0 <= column < nx and 0 <= row < ny:
                        inside += live[column, row]
                part = inside / n
            least, most = min(least, part), max(most, part)
        if part > 0.0 and unit[10] > 0.0:
            angle = np.hypot(u - unit[8], v - unit[9]) * unit[10]
            j = 1
            while j < len(curve) - 1 and curve[j, 0] < angle:
                j += 1
            share = min(max((angle - curve[j - 1, 0]) / (curve[j, 0] - curve[j - 1, 0]), 0.0), 1.0)
            part *= curve[j - 1, 1] + share * (curve[j, 1] - curve[j - 1, 1])
        level[k] += part * weight[k]
    return max(most - least, 0.0)


@njit(cache=True, nogil=True)
def merge_steps(edges: Any, level: Any, lowest: float, tolerance: float) -> Any:
    """Intervals of nearly constant level.

    Parameters
    ----------
    edges : ndarray, shape (k, 2) — s, start and stop of each step, ascending
    level : ndarray, shape (k,)
    lowest : float
        Steps with a lower level are left out.
    tolerance : float
        Largest difference of levels within an interval.

    Returns
    -------
    gti : ndarray, shape (m, 2) — s
    level : ndarray, shape (m,) — mean of each interval
    """
    gti, mean = np.empty((len(level), 2)), np.empty(len(level))
    m, low, high, total = -1, 0.0, 0.0, 0.0
    for k in range(len(level)):
        if level[k] < lowest:
            continue
        length = edges[k, 1] - edges[k, 0]
        if m >= 0 and edges[k, 0] == gti[m, 1] and max(high, level[k]) - min(low, level[k]) <= tolerance:
            low, high = min(low, level[k]), max(high, level[k])
            total += level[k] * length
            gti[m, 1] = edges[k, 1]
        else:
            m += 1
            low = high = level[k]
            total = level[k] * length
            gti[m, 0], gti[m, 1] = edges[k, 0], edges[k, 1]
        mean[m] = total / (gti[m, 1] - gti[m, 0])
    return gti[: m + 1].copy(), mean[: m + 1].copy()
