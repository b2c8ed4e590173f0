"""Kolmogorov–Smirnov and Kuiper on the null clock: the oldest tests, kept for comparison and for slow changes."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64

__all__ = ["kolmogorov_probability", "kuiper_probability", "ordered_distances"]


@njit(cache=True, nogil=True)
def ordered_distances(u: F64) -> tuple[float, float, float, float]:
    """Distances of the empirical distribution from uniform.

    Returns
    -------
    ks, kuiper : float
        max |F_n - u| and max (F_n - u) + max (u - F_n).
    lowest, highest : float
        Where F_n - u is least and greatest: between them the source was brighter (lowest first) or fainter.
    """
    n = u.size
    above, below = -np.inf, -np.inf
    lowest, highest = 0.0, 1.0
    for i in range(n):
        if (i + 1) / n - u[i] > above:
            above, highest = (i + 1) / n - u[i], u[i]
        if u[i] - i / n > below:
            below, lowest = u[i] - i / n, u[i]
    return max(above, below), above + below, lowest, highest


def kolmogorov_probability(distance: F64, n: NDArray[np.int64]) -> F64:
    """Chance of a Kolmogorov–Smirnov distance at least so large, good to 3 % of p at n = 3, 1 % above.

    In the tail the two one-sided events exclude each other, so that twice the exact one-sided probability (Smirnov
    1944) is right; elsewhere that errs upward, and the limiting series with the correction of Vrbik 2018 (Pioneer J.
    Theor. Appl. Stat. 15, 15), which errs upward in the tail, is closer: the smaller of the two holds everywhere.
    """
    from scipy.special import kolmogorov, smirnov

    root = np.sqrt(n)
    corrected = root * distance + 1.0 / (6.0 * root) + (root * distance - 1.0) / (4.0 * n)
    out: F64 = np.clip(np.minimum(2.0 * smirnov(n, distance), kolmogorov(corrected)), 0.0, 1.0)
    return out


def kuiper_probability(distance: F64, n: NDArray[np.int64]) -> F64:
    """Chance of a Kuiper distance at least so large.

    Stephens 1970, J. R. Stat. Soc. B 32, 115: asymptotic series at (√n + 0.155 + 0.24/√n) V, good to 1 % of p in the
    tail from n = 4 on.
    """
    root = np.sqrt(n)
    scaled = np.asarray(distance) * (root + 0.155 + 0.24 / root)
    j = np.arange(1, 101)
    flat = np.maximum(np.atleast_1d(scaled).ravel(), 0.4)[:, None]  # below, p is 1 and the series needs many terms
    terms = (4.0 * j**2 * flat**2 - 1.0) * np.exp(-2.0 * j**2 * flat**2)
    out: F64 = np.clip(2.0 * terms.sum(axis=1), 0.0, 1.0).reshape(np.shape(scaled))
    return out
