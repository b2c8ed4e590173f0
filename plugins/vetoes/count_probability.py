"""Chances of counts, as numba kernels: how often a steady source gives so many, or so few.

Terms are summed from the one asked for away from the mean, each from the one before: exact to rounding and quick, since
they fall at least geometrically there.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

__all__ = ["at_least", "at_most", "binomial_at_least", "poisson_at_least", "poisson_at_most", "share_at_least"]


LEAST, LEAST_LOG = 1e-300, -690.0
"""Smaller chances are written as this: they are no numbers any more."""


@njit(cache=True, nogil=True)
def _term(count: float, mean: float) -> Any:
    """Chance of exactly `count`."""
    return math.exp(max(count * math.log(mean) - mean - math.lgamma(count + 1.0), LEAST_LOG))


@njit(cache=True, nogil=True)
def _upwards(count: float, mean: float) -> Any:
    """Chance of `count` or more, for counts above the mean."""
    term = _term(count, mean)
    total, k = term, count
    while term > 1e-17 * total:
        k += 1.0
        term *= mean / k
        total += term
    return total


@njit(cache=True, nogil=True)
def _downwards(count: float, mean: float) -> Any:
    """Chance of `count` or fewer, for counts of at most the mean."""
    term = _term(count, mean)
    total, k = term, count
    while k > 0.0 and term > 1e-17 * total:
        term *= k / mean
        k -= 1.0
        total += term
    return total


@njit(cache=True, nogil=True)
def poisson_at_least(count: float, mean: float) -> Any:
    """Chance of `count` or more where `mean` are expected."""
    if count <= 0.0:
        return 1.0
    if mean <= 0.0:
        return LEAST
    found = _upwards(count, mean) if count > mean else 1.0 - _downwards(count - 1.0, mean)
    return min(max(found, LEAST), 1.0)


@njit(cache=True, nogil=True)
def poisson_at_most(count: float, mean: float) -> Any:
    """Chance of `count` or fewer where `mean` are expected."""
    if count < 0.0:
        return LEAST
    if mean <= 0.0:
        return 1.0
    found = 1.0 - _upwards(count + 1.0, mean) if count > mean else _downwards(count, mean)
    return min(max(found, LEAST), 1.0)


@njit(cache=True, nogil=True)
def binomial_at_least(count: float, trials: float, share: float) -> Any:
    """Chance that `count` or more of `trials` fall where `share` are expected to."""
    if count <= 0 or share >= 1.0:
        return 1.0
    if count > trials or share <= 0:
        return LEAST
    if count <= trials * share:
        return 1.0  # not rare; how likely exactly is never asked
    log = math.lgamma(trials + 1.0) - math.lgamma(count + 1.0) - math.lgamma(trials - count + 1.0)
    log += count * math.log(share) + (trials - count) * math.log1p(-share)
    term = math.exp(max(log, LEAST_LOG))
    total, k, odds = term, count, share / (1.0 - share)
    while k < trials and term > 1e-17 * total:
        term *= (trials - k) / (k + 1.0) * odds
        k += 1.0
        total += term
    return min(max(total, LEAST), 1.0)


@njit(cache=True, nogil=True)
def at_least(count: Any, mean: Any) -> Any:
    """`poisson_at_least` of each pair, shape (n,)."""
    out = np.empty(len(count))
    for i in range(len(count)):
        out[i] = poisson_at_least(count[i], mean[i])
    return out


@njit(cache=True, nogil=True)
def share_at_least(count: Any, trials: Any, share: Any) -> Any:
    """`binomial_at_least` of each three, shape (n,)."""
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
