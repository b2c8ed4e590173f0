"""Numba kernels on pairs of sources: stray photons of a neighbour in an aperture."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

__all__ = ["ARMS", "STREAK", "WINGS", "mask_discs", "strays"]

STREAK, ARMS, WINGS = 0, 1, 2
"""Kinds of stray photons: along the read-out, along the cross of a lobster eye, in the wings of the point spread."""


MIN_STRAY_COUNTS = 0.1
"""Neighbours with fewer stray photons in the aperture are ignored."""

POINTS, NEAR_RADII = 7, 4.0
"""The point spread is averaged over this number of points across a circle that is nearer than this number of radii."""


@njit(cache=True, nogil=True)
def _density(r2: float, core: float, slope: float) -> Any:
    """Fraction of the photons of a point source per square arcsec at a squared distance from it."""
    return slope / (math.pi * core * core) * (1.0 + r2 / (core * core)) ** (-slope - 1.0)


@njit(cache=True, nogil=True)
def _wings(dx: float, dy: float, radius: float, core: float, slope: float) -> Any:
    """Fraction of the photons of a point source in a circle (dx, dy) arcsec from it."""
    area = math.pi * radius * radius
    if dx * dx + dy * dy > (NEAR_RADII * radius) ** 2:
        return min(_density(dx * dx + dy * dy, core, slope) * area, 1.0)
    total, points = 0.0, 0
    for i in range(POINTS):
        for j in range(POINTS):
            u, v = (2.0 * i + 1.0) / POINTS - 1.0, (2.0 * j + 1.0) / POINTS - 1.0
            if u * u + v * v <= 1.0:
                total += _density((dx + u * radius) ** 2 + (dy + v * radius) ** 2, core, slope)
                points += 1
    return min(total / points * area, 1.0)


@njit(cache=True, nogil=True)
def _stray_share(
    way: int,
    dx: float,
    dy: float,
    turn: Any,
    rows: float,
    side: float,
    radius: float,
    core: float,
    slope: float,
    part: float,
    reach: float,
) -> Any:
    """Fraction of the photons of a neighbour in a circle (dx, dy) arcsec from it."""
    if way == WINGS:
        return _wings(dx, dy, radius, core, slope)
    across = abs(turn[0, 0] * dx + turn[0, 1] * dy) * side
    along = abs(turn[1, 0] * dx + turn[1, 1] * dy) * side
    if way == STREAK:
        # The streak is as wide as the source.
        if across > radius + core + side:
            return 0.0
        return part * min(2.0 * radius / (rows * side), 1.0)
    near, far = min(across, along), max(across, along)
    if near > radius + core:
        return 0.0
    # A quarter of the cross in each direction, falling exponentially.
    low, high = max(far - radius, 0.0), far + radius
    return 0.25 * part * (math.exp(-low / reach) - math.exp(-high / reach)) / (1.0 - part)


@njit(cache=True, nogil=True)
def strays(
    way: int,
    offsets: Any,
    time: Any,
    asked: Any,
    start: Any,
    stop: Any,
    share: Any,
    excess: Any,
    home: Any,
    centre: Any,
    radius: Any,
    core: Any,
    slope: Any,
    turn: Any,
    extent: Any,
    side: float,
    part: float,
    reach: float,
) -> Any:
    """The neighbour of each source with the largest excess or deficit of stray photons in its aperture.

    Returns
    -------
    ndarray, shape (n, 5)
        Excess (negative: deficit) of stray photons in the interval; index of the neighbour, −1 if there is none; its
        photons in the interval; those expected if it were steady; its distance, arcsec.
    """
    n = len(offsets) - 1
    out = np.zeros((n, 5))
    for s in range(n):
        out[s, 1] = -1.0
        if not asked[s] or home[s] < 0 or share[s] >= 1.0:
            continue
        for b in range(n):
            if b == s or (way != WINGS and home[b] != home[s]) or offsets[b + 1] == offsets[b]:
                continue
            dx, dy = centre[s, 0] - centre[b, 0], centre[s, 1] - centre[b, 1]
            far = math.sqrt(dx * dx + dy * dy)
            if far <= radius[s]:
                continue
            strayed = _stray_share(
                way, dx, dy, turn[home[s]], extent[home[s], 1], side, radius[s], core[b], slope[b], part, reach
            )
            if strayed <= 0.0:
                continue
            if strayed * (offsets[b + 1] - offsets[b]) < MIN_STRAY_COUNTS:
                continue
            own = time[offsets[b] : offsets[b + 1]]
            held = np.searchsorted(own, stop[s], side="right") - np.searchsorted(own, start[s], side="left")
            steady = (len(own) - held) * share[s] / (1.0 - share[s])
            # Two halves of one source would explain each other: only the fainter one can be stray.
            less = abs(excess[s]) < abs(held - steady) or (abs(excess[s]) == abs(held - steady) and b < s)
            if not less:
                continue
            extra = strayed * (held - steady)
            if abs(extra) > abs(out[s, 0]):
                out[s, 0], out[s, 1], out[s, 2], out[s, 3], out[s, 4] = extra, b, held, steady, far
    return out


@njit(cache=True, nogil=True)
def mask_discs(free: Any, x: Any, y: Any, centre: Any, radius: Any) -> None:
    """Clear `free` for photons at x, y in any of the discs."""
    for i in range(len(x)):
        for j in range(len(radius)):
            dx, dy = x[i] - centre[j, 0], y[i] - centre[j, 1]
            if dx * dx + dy * dy <= radius[j] * radius[j]:
                free[i] = False
                break
