"""Window scans on the null clock: the densest window, the emptiest window, the longest gap.

All windows that begin and end at a photon are tested. For k photons the best window is the shortest one that contains
them (the longest for a dip), so that the scan is one pass over the photons for each k. The likelihood ratio of a window
compares two Poisson rates with one (Cash 1979, ApJ 228, 939; as a scan: Kulldorff 1997, Comm. Stat. 26, 1481). The
simulated null distribution (`null_distributions`) accounts for the trials.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64

__all__ = ["deficit_scan", "flare_scan", "log_likelihood_ratio", "longest_gap_probabilities", "longest_gap_probability"]


MAX_WINDOW = 0.5
"""Largest width of a window, in units of the clock: a "flare" of more than half of the exposure is a dip elsewhere."""

MAX_EXHAUSTIVE_K = 256
"""Numbers of photons are all scanned up to this, and in steps of one per cent above."""


@njit(cache=True, nogil=True)
def log_likelihood_ratio(k: float, n: float, width: float) -> float:
    """Log likelihood ratio of k of n photons in a window of the given width against a steady rate (>= 0)."""
    inside = k * np.log(k / (n * width)) if k > 0 else 0.0
    outside = (n - k) * np.log((n - k) / (n * (1.0 - width))) if k < n else 0.0
    return inside + outside


@njit(cache=True, nogil=True)
def _next_k(k: int) -> int:
    return k + 1 if k < MAX_EXHAUSTIVE_K else k + max(1, k // 100)


@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz"})
def _shortest(u: F64, k: int) -> float:
    """Width of the shortest window with k photons."""
    least = np.inf
    for i in range(u.size - k + 1):
        least = min(least, u[i + k - 1] - u[i])
    return least


@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz"})
def _longest(v: F64, k: int, limit: float) -> float:
    """Width of the longest open window with k photons that is not longer than a limit, 0 if there is none.

    `v` begins and ends with the ends of the clock.
    """
    most = 0.0
    for i in range(v.size - k - 1):
        width = v[i + k + 1] - v[i]
        most = max(most, width if width <= limit else 0.0)
    return most


@njit(cache=True, nogil=True)
def flare_scan(u: F64, frame: float) -> tuple[float, int, int]:
    """Largest log likelihood ratio of any window that is denser than the rest, with its first and last photon.

    Parameters
    ----------
    u : ndarray, shape (n,) — sorted, on the null clock
    frame : float — smallest width of a window, same unit
    """
    n = u.size
    best, best_k, shortest = 0.0, 0, 0.0
    k = 2
    while k <= n:
        width = max(_shortest(u, k), frame)
        if width > MAX_WINDOW:
            break
        if k > n * width and width > 0:
            ratio = log_likelihood_ratio(k, n, width)
            if ratio > best:
                best, best_k, shortest = ratio, k, width
        k = _next_k(k)
    if best_k == 0:
        return 0.0, -1, -1
    for i in range(n - best_k + 1):
        if max(u[i + best_k - 1] - u[i], frame) <= shortest:
            return best, i, i + best_k - 1
    return best, 0, n - 1


@njit(cache=True, nogil=True)
def deficit_scan(u: F64) -> tuple[float, int, int, float, int]:
    """Emptiest window and longest gap.

    Returns
    -------
    ratio : float
        Largest log likelihood ratio of any window emptier than the rest.
    before, after : int
        Photons that bound it; -1 and n for the ends of the exposure.
    gap : float
        Longest gap between photons.
    gap_after : int
        Photon before that gap, -1 for the start.
    """
    n = u.size
    v = np.empty(n + 2)
    v[0] = 0.0
    v[1 : n + 1] = u
    v[n + 1] = 1.0
    best, best_k, longest, gap = 0.0, -1, 0.0, 0.0
    k = 0
    while k < n:
        # Gaps may be wider than MAX_WINDOW, windows with photons may not.
        width = _longest(v, k, MAX_WINDOW if k > 0 else 1.0)
        if k == 0:
            gap = width
        if k >= n * MAX_WINDOW:
            break
        if k < n * width:
            ratio = log_likelihood_ratio(k, n, min(width, 1.0 - 1e-12))
            if ratio > best:
                best, best_k, longest = ratio, k, width
        k = _next_k(k)
    gap_after = -1
    for i in range(n + 1):
        if v[i + 1] - v[i] >= gap:
            gap_after = i - 1
            break
    if best_k < 0:
        return 0.0, -1, n, gap, gap_after
    for i in range(n + 1 - best_k):
        if v[i + best_k + 1] - v[i] == longest:
            return best, i - 1, i + best_k, gap, gap_after
    return best, -1, n, gap, gap_after


@njit(cache=True, nogil=True)
def longest_gap_probability(gap: float, n: int) -> float:
    """Exact probability that the longest of the n + 1 spacings of n uniform photons is at least `gap`.

    Whitworth 1897; Feller, An Introduction to Probability Theory II, §I.9. Where the alternating sum cancels, the
    probability is 1 to better than 1 %.
    """
    if gap <= 0 or n < 1:
        return 1.0
    if gap >= 1:
        return 0.0
    first = np.log(n + 1.0) + n * np.log1p(-gap)
    if first > np.log(6.0):
        return float(1.0 - np.exp(-np.exp(min(first, 700.0))))
    total = 0.0
    log_binomial = 0.0
    j = 1
    while j * gap < 1 and j <= n + 1:
        log_binomial += np.log((n + 2.0 - j) / j)
        term = np.exp(log_binomial + n * np.log1p(-j * gap))
        total += term if j % 2 == 1 else -term
        if term < 1e-17 * abs(total):
            break
        j += 1
    return float(min(max(total, 0.0), 1.0))


@njit(cache=True, nogil=True)
def longest_gap_probabilities(gap: F64, n: NDArray[np.int64]) -> F64:
    """`longest_gap_probability` of many sources."""
    out = np.empty(gap.size)
    for s in range(gap.size):
        out[s] = longest_gap_probability(gap[s], n[s])
    return out
