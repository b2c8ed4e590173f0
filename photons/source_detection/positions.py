"""Positions of sources and their errors: maximum likelihood of a King profile over a flat background.

The King profile is a two-dimensional Student distribution, so expectation–maximisation applies: each photon is weighted
by the probability that it belongs to the source, and less the farther out it is. All sources are fitted together, so
that neighbours share photons.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from xherald.photons.arrays import F64
from xherald.photons.pixel_index import cell_range

from .field_model import Field, PointShape, spread_at

__all__ = ["concentration_probability", "fit_positions", "position_error"]


_MAX_ITERATIONS = 25

_SHARPNESS_ALLOWANCE = 1.6
"""Factor by which the true point spread may be narrower than its table, for `concentration_probability`."""

_FAINT_SOURCES = 10.0
"""Growth of the error near the threshold on a bright background; from simulated fields of XMM and EP-FXT."""

_RAYLEIGH_68 = math.sqrt(-2 * math.log(1 - 0.6827))
"""68.27 % radius of a circular two-dimensional Gaussian, in units of its one-dimensional sigma."""


def fit_positions(field: Field, found: F64, window: slice | None = None) -> F64:
    """Fit positions and counts of sources.

    Parameters
    ----------
    field : Field
    found : ndarray, shape (s, 5) — x, y, ln p, net counts, background per square pixel
    window : slice, optional
        Rows of the event list to use; default all.

    Returns
    -------
    ndarray, shape (s, 5) — as `found`, with fitted x, y and net counts
    """
    events = field.observation.events
    begin, end = (0, len(events)) if window is None else (window.start, window.stop)
    return np.asarray(_fit(found.copy(), field.spread, field.index, events.x, events.y, begin, end))


@njit(cache=True, nogil=True)
def _density(x: float, y: float, source: Any, core: float, slope: float) -> float:
    """Counts per square pixel of a source at a position."""
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
    for _ in range(_MAX_ITERATIONS):
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
            # Confined to a 90 % radius around the start, so that the fit does not drift to another source.
            x = min(max(sources[i, 0] + 1.4 * sx / weight, start[i, 0] - reach), start[i, 0] + reach)
            y = min(max(sources[i, 1] + 1.4 * sy / weight, start[i, 1] - reach), start[i, 1] + reach)
            moved = max(moved, math.hypot(x - sources[i, 0], y - sources[i, 1]) / core)
            sources[i, 0], sources[i, 1] = x, y
            sources[i, 3] = max(photons / (1 - (1 + (reach / core) ** 2) ** (-slope)), 1e-3)
        if moved < 1e-4:
            break
    return sources


def position_error(source: F64, field: Field) -> float:
    """68 % error radius of a fitted position without the astrometric error, sky pixels.

    From the Fisher information of the King profile over a flat background, integrated to the 90 % radius, with a small
    correction at few counts from simulations. Detector pixels blur the core: the variance of a uniform distribution
    over one is added to that of a Gaussian with the profile's curvature at its peak.

    Parameters
    ----------
    source : ndarray, shape (5,) — x, y, ln p, net counts, background per square pixel
    """
    x, y, log_p, counts, background = (float(v) for v in source)
    shape = field.shape_at(x, y)
    slope = shape.slope
    side = max((field.observation.detector_pixel_arcsec or 0.0) / field.pixel, 1.0)
    core = math.sqrt(shape.core**2 + 2.0 * (slope + 1.0) * side**2 / 12.0)
    r = (np.arange(200) + 0.5) / 200 * max(shape.r90, 1.5)
    profile = counts * slope / (math.pi * core**2) * (1 + (r / core) ** 2) ** (-slope - 1)
    steepness = 2 * (slope + 1) * r / core**2 / (1 + (r / core) ** 2)
    information = float(np.sum((profile * steepness) ** 2 / (profile + background) * math.pi * r) * (r[1] - r[0]))
    correction = math.sqrt(1.0 + 1.0 / max(counts, 1.0))
    # Faint sources on a bright background are found where the background happens to be high.
    behind = background * math.pi * shape.r90**2
    correction *= math.sqrt(1.0 + _FAINT_SOURCES * behind / max(counts + behind, 1e-9) / max(-2.0 * log_p, 1.0))
    return _RAYLEIGH_68 * correction * math.sqrt(1.0 / max(information, 1e-12))


def concentration_probability(radii: F64, reach: float, shape: PointShape, allowance: float) -> float:
    """Probability that photons of a point source are at least as concentrated as these.

    Parameters
    ----------
    radii : ndarray, shape (k,) — distances from the median position of the photons
    reach : float — radius within which photons were selected
    shape : PointShape
        Made narrower by a fixed factor, since tables are averages over roll angle and energy.
    allowance : float
        Added to every radius, for the error of the median and the size of a pixel.

    Returns
    -------
    float — the smallest probability over the inner photons, with Bonferroni correction
    """
    from scipy.stats import binom

    def encircled(radius: F64) -> F64:
        return np.asarray(1 - (1 + (radius * _SHARPNESS_ALLOWANCE / shape.core) ** 2) ** (-shape.slope))

    ordered = np.sort(radii) + allowance
    held = np.minimum(encircled(ordered) / encircled(np.array(reach)), 1.0)
    k = len(ordered)
    inner = np.arange((k + 1) // 2, k + 1)
    return float(min(1.0, len(inner) * binom.sf(inner - 1, k, held[inner - 1]).min()))
