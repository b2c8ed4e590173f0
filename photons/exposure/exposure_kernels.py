"""Kernels of `source_exposure`: live fraction of an aperture at each time step.

Imports numba: import this module inside the function that needs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .live_area_kernels import BLOCK

GOLDEN_ANGLE = np.pi * (3.0 - np.sqrt(5.0))

__all__ = ["add_unit", "merge_steps", "moves_over_dead"]


@njit(cache=True, nogil=True)
def _touches_dead(dead_sums: Any, x0: float, x1: float, y0: float, y1: float) -> bool:
    """Whether a rectangle of pixels, relative to the first, comes near the outline or insensitive pixels of a unit."""
    nx, ny = dead_sums.shape[0] - 1, dead_sums.shape[1] - 1
    i0, i1 = int(np.floor(x0)) // BLOCK, int(np.ceil(x1)) // BLOCK + 1
    j0, j1 = int(np.floor(y0)) // BLOCK, int(np.ceil(y1)) // BLOCK + 1
    if i0 < 0 or j0 < 0 or i1 > nx or j1 > ny:
        return True
    return bool(dead_sums[i1, j1] - dead_sums[i0, j1] - dead_sums[i1, j0] + dead_sums[i0, j0] > 0)


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
    nx, ny = BLOCK * (dead_sums.shape[0] - 1), BLOCK * (dead_sums.shape[1] - 1)
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
    level: Any,
    change: Any,
    sources: Any,
    is_used: Any,
    radii: Any,
    weight: Any,
    path: Any,
    unit: Any,
    area: Any,
    curve: Any,
) -> None:
    """Add the live fractions of apertures on one detector unit to their totals at each time step.

    Parameters
    ----------
    level : ndarray, shape (n, k) — totals, changed in place
    change : ndarray, shape (n,)
        Difference of the largest and the smallest part of an aperture that is on a unit in its good times; raised in
        place to that on this unit.
    sources : ndarray, shape (n, 2) — centres of the apertures, sky pixels
    is_used : ndarray, shape (n,), bool — whether an aperture takes photons of this unit
    radii : ndarray, shape (n, m)
        Sample points, sky pixels from the centre; successive points are turned by the golden angle, so that they cover
        a disc evenly.
    weight : ndarray, shape (k,) — live fraction of the unit in each step, 0 outside its good times
    path : ndarray, shape (k, 4) — x and y of the pointing, sky pixels; cosine and sine of the rotation
    unit : ndarray, shape (12,)
        Sky to detector matrix (4, by rows), offset of the map (2), first pixel (2), position of the optical axis
        relative to the pointing (2, sky pixels), arcmin per sky pixel, 0 without vignetting, and pixels of `live` per
        sky pixel.
    area : (ndarray, ndarray) — `LiveArea.live` and `LiveArea.dead_sums`
    curve : ndarray, shape (m, 2) — off-axis angle, arcmin, and relative area
    """
    m = radii.shape[1]
    turn_x, turn_y = np.cos(np.arange(m) * GOLDEN_ANGLE), np.sin(np.arange(m) * GOLDEN_ANGLE)
    for i in range(len(sources)):
        if is_used[i]:
            on_unit = _add_source(
                level[i], sources[i], radii[i] * turn_x, radii[i] * turn_y, weight, path, unit, area, curve
            )
            change[i] = max(change[i], on_unit)


@njit(cache=True, nogil=True)
def _add_source(
    level: Any, source: Any, east: Any, north: Any, weight: Any, path: Any, unit: Any, area: Any, curve: Any
) -> float:
    """Add the live fraction of one aperture, with sample points at given offsets, and return its change."""
    live, dead_sums = area
    nx, ny = live.shape
    n = len(east)
    reach = np.sqrt(np.max(east * east + north * north)) * unit[11] + 1.0
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
                xx, xy = unit[0] * path[k, 2] - unit[1] * path[k, 3], unit[0] * path[k, 3] + unit[1] * path[k, 2]
                yx, yy = unit[2] * path[k, 2] - unit[3] * path[k, 3], unit[2] * path[k, 3] + unit[3] * path[k, 2]
                for i in range(n):
                    column = int(np.floor(x + xx * east[i] + xy * north[i] + 0.5))
                    row = int(np.floor(y + yx * east[i] + yy * north[i] + 0.5))
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
def merge_steps(edges: Any, level: Any, weights: Any, is_used: Any, limits: Any) -> Any:
    """Intervals of nearly constant level, relative to the largest, of each source.

    Parameters
    ----------
    edges : ndarray, shape (k, 2) — s, start and stop of each step, ascending
    level : ndarray, shape (n, k)
    weights : ndarray, shape (u, k) — live fraction of each unit in each step, 0 outside its good times
    is_used : ndarray, shape (n, u), bool
        Units whose good times are those of a source; a source without any gets no intervals.
    limits : (float, float, float)
        Relative level of steps that are left out; largest difference of levels within an interval; range of the levels
        in good times below which a source is constant and gets no intervals.

    Returns
    -------
    offsets : ndarray, shape (n + 1,), int64 — first interval of each source
    gti : ndarray, shape (m, 2) — s
    fraction : ndarray, shape (m,) — mean of each interval over the largest of the source
    """
    n, k = level.shape
    lowest, tolerance, least_change = limits
    offsets = np.zeros(n + 1, np.int64)
    gti, fraction = np.empty((k, 2)), np.empty(k)
    m = 0
    for i in range(n):
        offsets[i + 1] = m
        top = np.max(level[i])
        if top <= 0.0 or _range_in_good_times(level[i], weights, is_used[i]) < least_change * top:
            continue
        if m + k > len(gti):
            gti, fraction = _enlarged(gti, fraction, m + k)
        first, low, high, total = m, 0.0, 0.0, 0.0
        for j in range(k):
            here = level[i, j] / top
            if here < lowest:
                continue
            length = edges[j, 1] - edges[j, 0]
            same = m > first and edges[j, 0] == gti[m - 1, 1] and max(high, here) - min(low, here) <= tolerance
            if same:
                low, high, total = min(low, here), max(high, here), total + here * length
            else:
                low, high, total = here, here, here * length
                gti[m, 0] = edges[j, 0]
                m += 1
            gti[m - 1, 1] = edges[j, 1]
            fraction[m - 1] = total / (gti[m - 1, 1] - gti[m - 1, 0])
        fraction[first:m] = np.minimum(fraction[first:m] / np.max(fraction[first:m]), 1.0)
        offsets[i + 1] = m
    return offsets, gti[:m].copy(), fraction[:m].copy()


@njit(cache=True, nogil=True)
def _range_in_good_times(level: Any, weights: Any, is_used: Any) -> float:
    """Range of the levels of a source in the good times of the units in use; 0 without any."""
    low, high = np.inf, -np.inf
    for j in range(len(level)):
        for u in range(len(weights)):
            if is_used[u] and weights[u, j] > 0.0:
                low, high = min(low, level[j]), max(high, level[j])
                break
    return max(high - low, 0.0)


@njit(cache=True, nogil=True)
def _enlarged(gti: Any, fraction: Any, size: int) -> Any:
    """Copies with at least twice the room."""
    larger = max(size, 2 * len(gti))
    new_gti, new_fraction = np.empty((larger, 2)), np.empty(larger)
    new_gti[: len(gti)], new_fraction[: len(gti)] = gti, fraction
    return new_gti, new_fraction
