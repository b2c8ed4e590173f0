"""Poisson and binomial tail probabilities of counts, as numba kernels.

Terms are summed from the given count away from the mean, each derived from the one before, where they fall at least
geometrically: exact to rounding, and fast.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from xherald.photons.arrays import F64

__all__ = [
    "at_least",
    "at_most",
    "binomial_at_least",
    "falls",
    "poisson_at_least",
    "poisson_at_most",
    "rises",
    "share_at_least",
]


MIN_PROBABILITY, MIN_LOG = 1e-300, -690.0
"""Smaller probabilities are replaced by this, since they cannot be represented."""


@njit(cache=True, nogil=True)
def _term(count: float, mean: float) -> Any:
    """Poisson probability of exactly `count`."""
    return math.exp(max(count * math.log(mean) - mean - math.lgamma(count + 1.0), MIN_LOG))


@njit(cache=True, nogil=True)
def _upwards(count: float, mean: float) -> Any:
    """Poisson probability of `count` or more, for counts above the mean."""
    term = _term(count, mean)
    total, k = term, count
    while term > 1e-17 * total:
        k += 1.0
        term *= mean / k
        total += term
    return total


@njit(cache=True, nogil=True)
def _downwards(count: float, mean: float) -> Any:
    """Poisson probability of `count` or fewer, for counts up to the mean."""
    term = _term(count, mean)
    total, k = term, count
    while k > 0.0 and term > 1e-17 * total:
        term *= k / mean
        k -= 1.0
        total += term
    return total


@njit(cache=True, nogil=True)
def poisson_at_least(count: float, mean: float) -> Any:
    """Poisson probability of `count` or more for a mean."""
    if count <= 0.0:
        return 1.0
    if mean <= 0.0:
        return MIN_PROBABILITY
    found = _upwards(count, mean) if count > mean else 1.0 - _downwards(count - 1.0, mean)
    return min(max(found, MIN_PROBABILITY), 1.0)


@njit(cache=True, nogil=True)
def poisson_at_most(count: float, mean: float) -> Any:
    """Poisson probability of `count` or fewer for a mean."""
    if count < 0.0:
        return MIN_PROBABILITY
    if mean <= 0.0:
        return 1.0
    found = 1.0 - _upwards(count + 1.0, mean) if count > mean else _downwards(count, mean)
    return min(max(found, MIN_PROBABILITY), 1.0)


@njit(cache=True, nogil=True)
def binomial_at_least(count: float, trials: float, share: float) -> Any:
    """Binomial probability of `count` or more of `trials` for the fraction `share`; 1 up to the mean."""
    if count <= 0 or share >= 1.0:
        return 1.0
    if count > trials or share <= 0:
        return MIN_PROBABILITY
    if count <= trials * share:
        return 1.0  # not rare; the exact value is not needed
    log = math.lgamma(trials + 1.0) - math.lgamma(count + 1.0) - math.lgamma(trials - count + 1.0)
    log += count * math.log(share) + (trials - count) * math.log1p(-share)
    term = math.exp(max(log, MIN_LOG))
    total, k, odds = term, count, share / (1.0 - share)
    while k < trials and term > 1e-17 * total:
        term *= (trials - k) / (k + 1.0) * odds
        k += 1.0
        total += term
    return min(max(total, MIN_PROBABILITY), 1.0)


@njit(cache=True, nogil=True)
def at_least(count: Any, mean: Any) -> Any:
    """`poisson_at_least` of each pair, shape (n,)."""
    out = np.empty(len(count))
    for i in range(len(count)):
        out[i] = poisson_at_least(count[i], mean[i])
    return out


@njit(cache=True, nogil=True)
def share_at_least(count: Any, trials: Any, share: Any) -> Any:
    """`binomial_at_least` of each triple, shape (n,)."""
    out = np.empty(len(count))
    for i in range(len(count)):
        out[i] = binomial_at_least(count[i], trials[i], share[i])
    return out


@njit(cache=True, nogil=True)
def at_most(count: Any, mean: Any) -> Any:
    """`poisson_at_most` of each pair, shape (n,)."""
    out = np.empty(len(count))
    for i in range(len(count)):
        out[i] = poisson_at_most(count[i], mean[i])
    return out


def rises(inside: F64, outside: F64, share: F64) -> F64:
    """Probability that a constant rate gives so many photons inside an interval or more, shape (n,).

    Both counts are measured, so that few photons outside leave the expectation inside uncertain: given their sum, those
    inside are binomially distributed.

    Parameters
    ----------
    inside, outside : ndarray, shape (n,)
        Photons inside the interval and outside.
    share : ndarray, shape (n,)
        Fraction of the exposure in the interval.
    """
    return np.asarray(share_at_least(inside, inside + outside, share), dtype=np.float64)


def falls(inside: F64, outside: F64, share: F64) -> F64:
    """Probability that a constant rate gives so few photons inside an interval or fewer; see `rises`."""
    return np.asarray(share_at_least(outside, inside + outside, 1.0 - share), dtype=np.float64)
