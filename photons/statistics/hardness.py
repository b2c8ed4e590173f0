"""Background-corrected hardness ratio with a Bayesian interval, valid for few photons.

Park et al. 2006, ApJ 652, 610: the counts of each band are Poisson distributed with a source and a background rate, the
background is measured in its region and marginalised, and the posterior of HR = (H − S) / (H + S) follows. Priors are
flat in both source rates (their ψ = 1), so that the prior of HR is uniform.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.threads import run_in_threads

from .result import Hardness

__all__ = ["hardness_change", "hardness_posterior"]


DRAWS = 2000
"""Posterior draws with background, for an accuracy of the interval of about 0.03."""

LEVELS = np.array([0.158655, 0.5, 0.841345])


@njit(cache=True, nogil=True)
def _source_rate(counts: int, background: int, ratio: float, draws: int) -> F64:
    """Posterior draws of the source counts in one band given total counts, background counts and the area ratio.

    With flat priors the posterior is a mixture over the number j of source photons, with weights proportional to
    C(counts - j + background, background) (ratio / (1 + ratio))^(counts - j).
    """
    weights = np.empty(counts + 1)
    log_weight = 0.0
    log_ratio = np.log(ratio / (1.0 + ratio))
    top = 0.0
    for lost in range(counts + 1):  # number of background photons
        if lost > 0:
            log_weight += np.log((lost + background) / lost) + log_ratio
        weights[lost] = log_weight
        top = max(top, log_weight)
    total = 0.0
    for lost in range(counts + 1):
        weights[lost] = np.exp(weights[lost] - top)
        total += weights[lost]
    out = np.empty(draws)
    for d in range(draws):
        left = np.random.random() * total  # noqa: NPY002 - numba's own generator
        lost = 0
        while lost < counts and left > weights[lost]:
            left -= weights[lost]
            lost += 1
        out[d] = np.random.gamma(counts - lost + 1.0, 1.0)  # noqa: NPY002
    return out


@njit(cache=True, nogil=True)
def _with_background(
    soft: I64, hard: I64, background_soft: I64, background_hard: I64, ratio: F64, first: int, stop: int, out: F64
) -> None:
    """Write quantiles of the hardness ratio of sources first to stop - 1 to rows of `out`, shape (n, 3)."""
    for i in range(first, stop):
        # Seeded by the counts, for reproducible results.
        np.random.seed((soft[i] * 1_000_003 + hard[i] * 10_007 + background_soft[i] * 101 + background_hard[i]) % 2**32)  # noqa: NPY002
        s = _source_rate(soft[i], background_soft[i], ratio[i], DRAWS)
        h = _source_rate(hard[i], background_hard[i], ratio[i], DRAWS)
        value = np.sort((h - s) / (h + s))
        for k in range(3):
            out[i, k] = value[int(LEVELS[k] * DRAWS)]


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
        NaN without photons in the aperture. Monte Carlo draws are seeded by the counts, for reproducible results.
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
