"""Logarithms of Poisson and binomial tail probabilities for kernels, accurate for small probabilities."""

from __future__ import annotations

import math

import numpy as np
from numba import njit

__all__ = ["log_binomial_tail", "log_poisson_tail"]


@njit(cache=True, nogil=True)
def log_poisson_tail(k: int, mean: float) -> float:
    """Natural logarithm of P(N >= k) for a Poisson mean; 0 if k does not exceed the mean."""
    if k <= mean or k <= 0:
        return 0.0
    if mean <= 0:
        return -np.inf
    total, term, j = 1.0, 1.0, k
    while term > 1e-12 * total:
        j += 1
        term *= mean / j
        total += term
    return k * math.log(mean) - mean - math.lgamma(k + 1.0) + math.log(total)


@njit(cache=True, nogil=True)
def log_binomial_tail(k: int, n: int, q: float) -> float:
    """Natural logarithm of P(N >= k) for n trials of probability q; 0 if k does not exceed n q."""
    if k <= n * q or k <= 0:
        return 0.0
    if k > n:
        return -np.inf
    odds = q / (1.0 - q)
    total, term, j = 1.0, 1.0, k
    while j < n and term > 1e-12 * total:
        term *= odds * (n - j) / (j + 1)
        total += term
        j += 1
    choose = math.lgamma(n + 1.0) - math.lgamma(k + 1.0) - math.lgamma(n - k + 1.0)
    return choose + k * math.log(q) + (n - k) * math.log1p(-q) + math.log(total)
