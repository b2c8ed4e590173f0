"""Background-corrected hardness ratio with a Bayesian interval, valid for few photons.

Park et al. 2006, ApJ 652, 610: the counts of each band are Poisson distributed with a source and a background rate, the
background is measured in its region and marginalised, and the posterior of HR = (H − S) / (H + S) follows. Priors are
flat in both source rates (their ψ = 1), so that the prior of HR is uniform.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.threads import run_in_threads

from .result import Hardness

__all__ = ["hardness_change", "hardness_posterior"]


NODES = 128
"""Intervals in which the posterior of each band's rate is tabulated; the hardness ratio is accurate to 0.005."""

NEGLIGIBLE = 1e-9
"""Share of the largest weight below which numbers of background photons are left out."""

HALVINGS = 24
"""Steps of the search for a level of the posterior, on a scale from 0 to 1."""

LEVELS = np.array([0.158655, 0.5, 0.841345])


@njit(cache=True, nogil=True)
def _weights_of_source_counts(counts: int, background: int, ratio: float) -> tuple[int, F64]:
    """Fewest photons of the source that matter, and the posterior weight of each number from there on.

    With flat priors the posterior of the rate is a mixture over the number j of source photons of Gamma(j + 1), with
    weights proportional to C(counts - j + background, background) (ratio / (1 + ratio))^(counts - j).
    """
    weights = np.empty(counts + 1)
    log_weight, top = 0.0, 0.0
    log_ratio = np.log(ratio / (1.0 + ratio))
    for lost in range(counts + 1):  # number of background photons
        if lost > 0:
            log_weight += np.log((lost + background) / lost) + log_ratio
        weights[counts - lost] = log_weight
        top = max(top, log_weight)
    weights = np.exp(weights - top)
    first, last = 0, counts
    while weights[first] < NEGLIGIBLE:
        first += 1
    while weights[last] < NEGLIGIBLE:
        last -= 1
    kept = weights[first : last + 1]
    return first, kept / kept.sum()


@njit(cache=True, nogil=True)
def _rate_posterior(counts: int, background: int, ratio: float) -> tuple[float, float, F64, F64]:
    """Posterior of the source counts in one band: least rate and step, share and cumulative probability at each."""
    first, weights = _weights_of_source_counts(counts, background, ratio)
    mean, square = 0.0, 0.0
    for k in range(weights.size):
        shape = first + k + 1.0
        mean += weights[k] * shape
        square += weights[k] * shape * (shape + 1.0)
    spread = np.sqrt(square - mean * mean)
    low = max(mean - 7.0 * spread, 0.0)
    step = (mean + 7.0 * spread + 3.0 - low) / NODES
    density, cumulative = np.zeros(NODES + 1), np.zeros(NODES + 1)
    last = first + weights.size - 1
    for i in range(NODES + 1):
        rate = low + i * step
        if rate == 0.0:
            density[0] = weights[0] if first == 0 else 0.0
            continue
        # From the largest term of the mixture in both directions, since the farthest ones underflow.
        nearest = min(max(int(rate), first), last)
        largest = np.exp(nearest * np.log(rate) - rate - math.lgamma(nearest + 1.0))
        term = largest
        for k in range(nearest, last + 1):
            density[i] += weights[k - first] * term
            term *= rate / (k + 1.0)
        term = largest
        for k in range(nearest - 1, first - 1, -1):
            term *= (k + 1.0) / rate
            density[i] += weights[k - first] * term
    for i in range(NODES):
        cumulative[i + 1] = cumulative[i] + 0.5 * (density[i] + density[i + 1])
    density[0] *= 0.5  # of the trapezoidal rule
    density[NODES] *= 0.5
    return low, step, density / cumulative[NODES], cumulative / cumulative[NODES]


@njit(cache=True, nogil=True)
def _with_background(
    soft: I64, hard: I64, background_soft: I64, background_hard: I64, ratio: F64, first: int, stop: int, out: F64
) -> None:
    """Write quantiles of the hardness ratio of sources first to stop - 1 to rows of `out`, shape (n, 3)."""
    for i in range(first, stop):
        soft_low, soft_step, soft_density, _ = _rate_posterior(soft[i], background_soft[i], ratio[i])
        hard_low, hard_step, _, hard_cumulative = _rate_posterior(hard[i], background_hard[i], ratio[i])
        for level in range(3):
            low, high = 0.0, 1.0
            for _ in range(HALVINGS):
                share = 0.5 * (low + high)  # h / (h + s)
                scale = share / (1.0 - share) / hard_step
                start, slope = soft_low * scale - hard_low / hard_step, soft_step * scale
                below = 0.0
                for k in range(NODES + 1):
                    at = start + k * slope
                    if at <= 0.0:
                        continue
                    if at >= NODES:
                        below += soft_density[k]
                    else:
                        node = int(at)
                        part = at - node
                        below += soft_density[k] * (
                            hard_cumulative[node] * (1.0 - part) + hard_cumulative[node + 1] * part
                        )
                if below < LEVELS[level]:
                    low = share
                else:
                    high = share
            out[i, level] = low + high - 1.0


def hardness_posterior(
    soft: NDArray[np.int64],
    hard: NDArray[np.int64],
    background_soft: NDArray[np.int64],
    background_hard: NDArray[np.int64],
    area_ratio: F64,
    threads: int = 0,
) -> tuple[F64, F64, F64]:
    """Median and 68 % equal-tailed interval of the hardness ratio.

    Parameters
    ----------
    soft, hard : ndarray of int, shape (n,)
        Counts of each band in the aperture.
    background_soft, background_hard : ndarray of int, shape (n,)
        Counts of each band in the background region.
    area_ratio : ndarray, shape (n,)
        Source over background area; 0 without a background region.
    threads : int
        0 uses all cores; results do not depend on it.

    Returns
    -------
    value, low, high : ndarray, shape (n,)
        NaN without photons in the aperture.
    """
    from scipy.special import betaincinv

    value, low, high = (np.full(soft.shape, np.nan) for _ in range(3))
    has_photons = soft + hard > 0
    plain = has_photons & ~((area_ratio > 0) & (background_soft + background_hard > 0))
    shares = [2.0 * betaincinv(hard[plain] + 1.0, soft[plain] + 1.0, level) - 1.0 for level in LEVELS]
    low[plain], value[plain], high[plain] = shares
    rest = has_photons & ~plain
    columns = tuple(column[rest].astype(np.int64) for column in (soft, hard, background_soft, background_hard))
    ratio, levels = area_ratio[rest], np.empty((int(rest.sum()), len(LEVELS)))
    run_in_threads(
        lambda first, stop: _with_background(*columns, ratio, first, stop, levels), np.arange(len(levels) + 1), threads
    )
    low[rest], value[rest], high[rest] = levels.T
    return value, low, high


def hardness_change(hardness: Hardness) -> F64:
    """Significance of a change of hardness: inside the interval minus the mean before and after, over its error.

    Shape (n,), NaN without photons inside or outside. Errors are half of the 68 % intervals, added in quadrature.
    """
    error = 0.5 * (hardness.high - hardness.low)
    has_value = ~np.isnan(hardness.value[:, ::2])
    sides = np.maximum(has_value.sum(axis=1), 1)
    outside = np.where(has_value, hardness.value[:, ::2], 0.0).sum(axis=1) / sides
    outside_error = np.sqrt(np.where(has_value, error[:, ::2] ** 2, 0.0).sum(axis=1)) / sides
    change: F64 = (hardness.value[:, 1] - outside) / np.hypot(error[:, 1], outside_error)
    return np.where(has_value.any(axis=1), change, np.nan)
