"""Where a source is and how well that is known: maximum likelihood with the King profile over a flat background.

The King profile is a two-dimensional Student distribution, so the likelihood is climbed by expectation–maximisation:
each photon counts with the probability that it is the source's, and the less the farther out it lies. All sources are
fitted together, so that neighbours share the photons between them.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from xherald.photons.arrays import F64
from xherald.photons.pixel_index import cell_range

from .field_model import Field, PointShape, spread_at

__all__ = ["fit_positions", "position_error", "tightness"]


_ROUNDS = 25

_SHARPER = 1.6
"""How much sharper than its table a point spread may really be, for `tightness`."""

_RAYLEIGH_68 = math.sqrt(-2 * math.log(1 - 0.6827))
"""68.27 % radius of a round two-dimensional Gaussian in units of its one-dimensional sigma."""


def fit_positions(field: Field, found: F64, window: slice | None = None) -> F64:
    """Fit positions and counts of sources.

    Parameters
    ----------
    field : Field
    found : ndarray, shape (s, 5) — x, y, ln p, net counts, background a square pixel
    window : slice, optional
        Rows of the event list that are used, all if not given.

    Returns
    -------
    ndarray, shape (s, 5) — as given, with fitted x, y and net counts
    """
    events = field.observation.events
    begin, end = (0, len(events)) if window is None else (window.start, window.stop)
    return np.asarray(_fit(found.copy(), field.spread, field.index, events.x, events.y, begin, end))


@njit(cache=True, nogil=True)
def _density(x: float, y: float, source: Any, core: float, slope: float) -> float:
    """Photons a square pixel that a source puts at a place."""
    r2 = ((x - source[0]) ** 2 + (y - source[1]) ** 2) / (core * core)
    return float(source[3] * slope / (math.pi * core * core) * (1 + r2) ** (-slope - 1))


@njit(cache=True, nogil=True)
def _neighbours(sources: Any, i: int, reach: float) -> Any:
    near = np.empty(len(sources), np.int64)
    n = 0
    for j in range(len(sources)):
        if j != i and abs(sources[j, 0] - sources[i, 0]) < reach and abs(sources[j, 1] - sources[i, 1]) < reach:
            near[n] = j
            n += 1
    return near[:n].copy()


@njit(cache=True, nogil=True)
def _fit(sources: Any, spread: Any, index: Any, ex: Any, ey: Any, begin: int, end: int) -> Any:
    n = len(sources)
    start = sources[:, :2].copy()
    shape = np.empty((n, 3))
    for i in range(n):
        for column, k in enumerate((2, 3, 4)):
            shape[i, column] = spread_at(spread, sources[i, 0], sources[i, 1], k)
    for _ in range(_ROUNDS):
        moved = 0.0
        for i in range(n):
            reach, core, slope = max(shape[i, 0], 1.5), shape[i, 1], shape[i, 2]
            near = _neighbours(sources, i, 3 * reach)
            left, right, bottom, top = cell_range(index, sources[i, 0], sources[i, 1], reach)
            photons, weight, sx, sy = 0.0, 0.0, 0.0, 0.0
            for row in range(bottom, top):
                for k in range(index.starts[row * index.nx + left], index.starts[row * index.nx + max(right, left)]):
                    e = index.order[k]
                    if not begin <= e < end:
                        continue
                    dx, dy = ex[e] - sources[i, 0], ey[e] - sources[i, 1]
                    r2 = dx * dx + dy * dy
                    if r2 > reach * reach:
                        continue
                    own = _density(ex[e], ey[e], sources[i], core, slope)
                    others = sources[i, 4]
                    for j in near:
                        others += _density(ex[e], ey[e], sources[j], shape[j, 1], shape[j, 2])
                    chance = own / (own + others)
                    photons += chance
                    share = chance / (1 + r2 / (core * core))
                    weight += share
                    sx += share * dx
                    sy += share * dy
            if weight <= 0:
                continue
            # A fit that would wander off to another source stays within a 90 % radius of where the cell was.
            x = min(max(sources[i, 0] + 1.4 * sx / weight, start[i, 0] - reach), start[i, 0] + reach)
            y = min(max(sources[i, 1] + 1.4 * sy / weight, start[i, 1] - reach), start[i, 1] + reach)
            moved = max(moved, math.hypot(x - sources[i, 0], y - sources[i, 1]) / core)
            sources[i, 0], sources[i, 1] = x, y
            sources[i, 3] = max(photons / (1 - (1 + (reach / core) ** 2) ** (-slope)), 1e-3)
        if moved < 1e-4:
            break
    return sources


def position_error(source: F64, field: Field) -> float:
    """68 % radius of a fitted position, sky pixels, astrometry not included.

    From the Fisher information of the King profile over a flat background, integrated to the 90 % radius; the small
    excess of real fits over this bound at few counts is taken from simulations.

    Parameters
    ----------
    source : ndarray, shape (5,) — x, y, ln p, net counts, background a square pixel
    """
    x, y, _, counts, background = (float(v) for v in source)
    shape = field.shape_at(x, y)
    core, slope = shape.core, shape.slope
    r = (np.arange(200) + 0.5) / 200 * max(shape.r90, 1.5)
    profile = counts * slope / (math.pi * core**2) * (1 + (r / core) ** 2) ** (-slope - 1)
    steepness = 2 * (slope + 1) * r / core**2 / (1 + (r / core) ** 2)
    information = float(np.sum((profile * steepness) ** 2 / (profile + background) * math.pi * r) * (r[1] - r[0]))
    few = math.sqrt(1.0 + 1.0 / max(counts, 1.0))
    # One pixel's own width, shared by the photons: positions are no better than the grid they were written on.
    grid = (1.0 / 12.0) / max(counts, 1.0)
    return _RAYLEIGH_68 * few * math.sqrt(1.0 / max(information, 1e-12) + grid)


def tightness(radii: F64, reach: float, shape: PointShape, allowance: float) -> float:
    """Chance that photons of a point source lie as close together as these do.

    Parameters
    ----------
    radii : ndarray, shape (k,) — distances from the photons' median place
    reach : float — radius within which photons were taken
    shape : PointShape
        Tables are averages over roll angle and energy, so the profile is taken to be sharper than tabulated.
    allowance : float
        Added to every radius: what the place's own uncertainty and a pixel can take away.

    Returns
    -------
    float — the smallest chance over the inner photons, corrected for having looked at each of them
    """
    from scipy.stats import binom

    def encircled(radius: F64) -> F64:
        return np.asarray(1 - (1 + (radius * _SHARPER / shape.core) ** 2) ** (-shape.slope))

    ordered = np.sort(radii) + allowance
    held = np.minimum(encircled(ordered) / encircled(np.array(reach)), 1.0)
    k = len(ordered)
    inner = np.arange((k + 1) // 2, k + 1)
    return float(min(1.0, len(inner) * binom.sf(inner - 1, k, held[inner - 1]).min()))
