"""Kolmogorov–Smirnov and Kuiper tests on the null clock, for comparison and for slow changes."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64

__all__ = ["kolmogorov_probability", "kuiper_probability", "ordered_distances"]


FEW_PHOTONS = 8
"""From so many photons on, twice the one-sided probability is larger than the limiting series where that is above 0.2
(0.16 at 8 photons, less with more); with fewer, above 0.8. Found by comparing both."""


@njit(cache=True, nogil=True)
def ordered_distances(u: F64) -> tuple[float, float, float, float]:
    """Distances of the empirical distribution from the uniform one.

    Returns
    -------
    ks, kuiper : float
        max |F_n - u| and max (F_n - u) + max (u - F_n).
    lowest, highest : float
        Positions of the minimum and maximum of F_n - u; in between, the source is brighter (lowest first) or fainter.
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
    """P-value of the Kolmogorov–Smirnov distance, accurate to 3 % at n = 3 and to 1 % above.

    In the tail the two one-sided events exclude each other, and twice the exact one-sided probability (Smirnov 1944) is
    accurate; elsewhere it is too large. The limiting series with the correction of Vrbik 2018 (Pioneer J. Theor. Appl.
    Stat. 15, 15) is too large in the tail only. The smaller of both is accurate everywhere.
    """
    from scipy.special import kolmogorov, smirnov

    root = np.sqrt(n)
    corrected = root * distance + 1.0 / (6.0 * root) + (root * distance - 1.0) / (4.0 * n)
    out: F64 = np.clip(kolmogorov(corrected), 0.0, 1.0)
    in_tail = ~(out > np.where(n < FEW_PHOTONS, 0.8, 0.2))
    out[in_tail] = np.minimum(2.0 * smirnov(n[in_tail], distance[in_tail]), out[in_tail])
    return out


def kuiper_probability(distance: F64, n: NDArray[np.int64]) -> F64:
    """P-value of the Kuiper distance.

    Stephens 1970, J. R. Stat. Soc. B 32, 115: asymptotic series at (√n + 0.155 + 0.24/√n) V, accurate to 1 % in the
    tail for n >= 4.
    """
    root = np.sqrt(n)
    scaled = np.asarray(distance) * (root + 0.155 + 0.24 / root)
    j = np.arange(1, 101)
    flat = np.maximum(np.atleast_1d(scaled).ravel(), 0.4)[
        :, None
    ]  # for smaller values p is 1, and the series converges slowly
    terms = (4.0 * j**2 * flat**2 - 1.0) * np.exp(-2.0 * j**2 * flat**2)
    out: F64 = np.clip(2.0 * terms.sum(axis=1), 0.0, 1.0).reshape(np.shape(scaled))
    return out
