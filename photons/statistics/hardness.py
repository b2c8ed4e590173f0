"""Hardness ratio with a Bayesian interval, background taken off, right for a handful of photons.

Park et al. 2006, ApJ 652, 610: the counts of each band are Poisson with a source and a background rate, the background
rate is known from its own region, and the posterior of HR = (H − S) / (H + S) follows with the background integrated
out. Priors are flat in both source rates (their ψ = 1), which makes HR uniform before any photon is seen.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.threads import in_threads

from .result import Hardness

__all__ = ["hardness_change", "hardness_posterior"]


DRAWS = 2000
"""Posterior draws where there is a background: the interval is then good to about 0.03."""

LEVELS = np.array([0.158655, 0.5, 0.841345])


@njit(cache=True, nogil=True)
def _source_rate(counts: int, around: int, ratio: float, draws: int) -> F64:
    """Draws of the source's counts in one band given total counts, background counts and the area ratio.

    With flat priors the posterior is a mixture over how many of the counts the source made: j of them, with weight
    proportional to C(counts - j + around, around) (ratio / (1 + ratio))^(counts - j).
    """
    weights = np.empty(counts + 1)
    log_weight = 0.0
    log_ratio = np.log(ratio / (1.0 + ratio))
    top = 0.0
    for lost in range(counts + 1):  # photons that the background made
        if lost > 0:
            log_weight += np.log((lost + around) / lost) + log_ratio
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
    soft: I64, hard: I64, around_soft: I64, around_hard: I64, ratio: F64, first: int, stop: int, out: F64
) -> None:
    """Quantiles of the hardness ratio of sources first to stop - 1, into their rows of `out`, shape (n, 3)."""
    for i in range(first, stop):
        # Seeded by the counts: the same photons always give the same numbers.
        np.random.seed((soft[i] * 1_000_003 + hard[i] * 10_007 + around_soft[i] * 101 + around_hard[i]) % 2**32)  # noqa: NPY002
        s = _source_rate(soft[i], around_soft[i], ratio[i], DRAWS)
        h = _source_rate(hard[i], around_hard[i], ratio[i], DRAWS)
        value = np.sort((h - s) / (h + s))
        for k in range(3):
            out[i, k] = value[int(LEVELS[k] * DRAWS)]


def hardness_posterior(
    soft: NDArray[np.int64],
    hard: NDArray[np.int64],
    around_soft: NDArray[np.int64],
    around_hard: NDArray[np.int64],
    area_ratio: F64,
    threads: int = 0,
) -> tuple[F64, F64, F64]:
    """Median and 68 % equal-tailed interval of the hardness ratio.

    Parameters
    ----------
    soft, hard : ndarray of int, shape (n,)
        Photons in the aperture in either band.
    around_soft, around_hard : ndarray of int, shape (n,)
        Photons in the background region.
    area_ratio : ndarray, shape (n,)
        Source over background area; 0 where there is no background region.
    threads : int
        0 takes every core; they change nothing.

    Returns
    -------
    value, low, high : ndarray, shape (n,)
        NaN where the aperture holds no photon. The draws behind a background-corrected interval are seeded by the
        counts, so the same photons always give the same numbers.
    """
    from scipy.special import betaincinv

    value, low, high = (np.full(soft.shape, np.nan) for _ in range(3))
    seen = soft + hard > 0
    plain = seen & ~((area_ratio > 0) & (around_soft + around_hard > 0))
    shares = [2.0 * betaincinv(hard[plain] + 1.0, soft[plain] + 1.0, level) - 1.0 for level in LEVELS]
    low[plain], value[plain], high[plain] = shares
    rest = seen & ~plain
    columns = tuple(column[rest].astype(np.int64) for column in (soft, hard, around_soft, around_hard))
    ratio, levels = area_ratio[rest], np.empty((int(rest.sum()), len(LEVELS)))
    in_threads(
        lambda first, stop: _with_background(*columns, ratio, first, stop, levels), np.arange(len(levels) + 1), threads
    )
    low[rest], value[rest], high[rest] = levels.T
    return value, low, high


def hardness_change(hardness: Hardness) -> F64:
    """Hardness inside the interval less the mean of what is known around it, over its error, shape (n,).

    NaN where either holds no photon. Errors are half of the 68 % intervals, added in quadrature.
    """
    error = 0.5 * (hardness.high - hardness.low)
    known = ~np.isnan(hardness.value[:, ::2])
    sides = np.maximum(known.sum(axis=1), 1)
    around = np.where(known, hardness.value[:, ::2], 0.0).sum(axis=1) / sides
    around_error = np.sqrt(np.where(known, error[:, ::2] ** 2, 0.0).sum(axis=1)) / sides
    change: F64 = (hardness.value[:, 1] - around) / np.hypot(error[:, 1], around_error)
    return np.where(known.any(axis=1), change, np.nan)
