"""The primary test: a likelihood ratio averaged over where, how long, how strong and which shape.

A source that changes has the density ``r(u) = (1 + g(u)) / Z`` on the null clock, with ``g`` a profile laid on a window
(positive for a flare, between -1 and 0 for a dip) and ``Z`` its integral. The ratio to a steady source,
``prod_i r(u_i)``, is averaged over a prior: starts evenly spread, widths and strengths evenly in their logarithm, all
shapes alike. Being a mean of likelihood ratios its expectation under the null is 1, so ``p <= 1 / ratio`` by Markov's
inequality whatever the calibration says; the calibrated p (`null_tables`) is sharper. Averaging beats the maximum over
windows because nearby windows share photons: one of them is never the whole evidence.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["DIP_FAMILY", "FLARE_FAMILY", "Family", "averaged_likelihood_ratio", "dip_family", "flare_family"]

F64 = NDArray[np.float64]

STEPS = 8
"""Steps of a profile; a window starts at every step, so an eighth of its width apart."""


class Family(NamedTuple):
    """A prior over changes, ready for the kernel.

    Parameters
    ----------
    excess : ndarray, shape (levels, shapes × strengths, STEPS)
        g on each step of the window.
    bins : ndarray, shape (levels,), int64
        Steps in the whole clock: the window's width at a level is ``STEPS / bins``.
    dense : bool
        Whether windows without a photon can be the best one (dips).
    """

    excess: F64
    bins: NDArray[np.int64]
    dense: bool


def flare_family(levels: int = 13) -> Family:
    """Flares: flat, fast rise with exponential decay, Gaussian; 5 to 90 % of all photons; widths 2^-1 to 2^-levels."""
    x = (np.arange(STEPS) + 0.5) / STEPS
    shapes = [np.ones(STEPS), np.exp(-4.0 * x), np.exp(-0.5 * ((x - 0.5) / 0.18) ** 2)]
    shares = np.array([0.05, 0.13, 0.34, 0.9])
    bins = STEPS * 2 ** np.arange(1, levels + 1)
    excess = [
        [share / (1 - share) * (n / STEPS) * shape / shape.mean() for shape in shapes for share in shares] for n in bins
    ]
    return Family(np.array(excess), bins, dense=False)


def dip_family(levels: int = 6) -> Family:
    """Dips: flat (eclipse) and V-shaped, 40 to 97 % deep at their deepest; widths 2^-1 to 2^-levels."""
    x = (np.arange(STEPS) + 0.5) / STEPS
    shapes = [np.ones(STEPS), 1.0 - np.abs(2.0 * x - 1.0)]
    depths = np.array([0.4, 0.7, 0.97])
    excess = [-depth * shape for shape in shapes for depth in depths]
    bins = STEPS * 2 ** np.arange(1, levels + 1)
    return Family(np.array([excess] * levels), bins, dense=True)


FLARE_FAMILY = flare_family()
DIP_FAMILY = dip_family()


@njit(cache=True, nogil=True)
def _occupied(u: F64, bins: int) -> tuple[NDArray[np.int64], F64]:
    """Bins that hold photons, ascending, and how many each holds."""
    where = np.empty(u.size, np.int64)
    counts = np.empty(u.size)
    size = 0
    for i in range(u.size):
        at = min(int(u[i] * bins), bins - 1)
        if size > 0 and where[size - 1] == at:
            counts[size - 1] += 1.0
        else:
            where[size] = at
            counts[size] = 1.0
            size += 1
    return where[:size], counts[:size]


@njit(cache=True, nogil=True)
def _integral(excess: F64, start: int, bins: int) -> float:
    """Integral of 1 + g where the window from step `start` on lies on the clock."""
    z = 1.0
    for s in range(max(0, -start), min(excess.size, bins - start)):
        z += excess[s] / bins
    return z


@njit(cache=True, nogil=True)
def _level(excess: F64, n: int, step: float) -> tuple[F64, F64, F64, float]:
    """What all windows of one width share.

    Returns
    -------
    log_density : ndarray, shape (combinations, STEPS) — ln (1 + g)
    norm : ndarray, shape (combinations,) — n ln Z of a window that lies on the clock whole
    lone : ndarray, shape (STEPS,) — summed ratios of a window with one photon, by the step it is on
    empty : float — summed ratios of a window with none
    """
    log_density = np.log1p(excess)
    norm = n * np.log(1.0 + excess.sum(axis=1) * step)
    lone = np.zeros(excess.shape[1])
    for s in range(lone.size):
        for c in range(norm.size):
            lone[s] += np.exp(log_density[c, s] - norm[c])
    return log_density, norm, lone, np.exp(-norm).sum()


@njit(cache=True, nogil=True)
def averaged_likelihood_ratio(u: F64, family: Family) -> tuple[float, float, float, float]:
    """Log of the averaged likelihood ratio, and the window whose own ratio is largest.

    Parameters
    ----------
    u : ndarray, shape (n,) — sorted, on the null clock
    family : Family

    Returns
    -------
    log_average : float
    start, stop : float — the best single window, clipped to [0, 1]
    best : float — its log likelihood ratio
    """
    n = u.size
    excess, dense = family.excess, family.dense
    levels, combos, steps = excess.shape
    top, summed = 0.0, 0.0  # the average is exp(top) * summed
    best, best_start, best_width = -np.inf, 0.0, 1.0
    ratios = np.empty(combos)
    for level in range(levels):
        bins = family.bins[level]
        step = 1.0 / bins
        log_density, norm, lone, empty = _level(excess[level], n, step)
        where, counts = _occupied(u, bins)
        starts = bins + steps - 1
        weight = 1.0 / (starts * combos * levels)
        low, high = 0, 0
        b = 1 - steps
        while b < bins:
            while high < where.size and where[high] < b + steps:
                high += 1
            while low < high and where[low] < b:
                low += 1
            whole = b >= 0 and b + steps <= bins
            if low == high and whole and not dense:
                # Nothing in this window nor in any up to the next photon's: all those ratios are the same.
                until = bins - steps + 1 if high == where.size else min(where[high] - steps + 1, bins - steps + 1)
                summed += (until - b) * empty * weight * np.exp(-top)
                b = until
                continue
            if high - low == 1 and counts[low] == 1.0 and whole and not dense:
                summed += lone[where[low] - b] * weight * np.exp(-top)
                b += 1
                continue
            for c in range(combos):
                ratios[c] = -norm[c] if whole else -n * np.log(_integral(excess[level, c], b, bins))
                for k in range(low, high):
                    ratios[c] += counts[k] * log_density[c, where[k] - b]
            largest = ratios.max()
            if largest > best:
                best, best_start, best_width = largest, b * step, steps * step
            if largest > top:
                summed *= np.exp(top - largest)
                top = largest
            if largest > top - 40.0:
                for c in range(combos):
                    summed += np.exp(ratios[c] - top) * weight
            b += 1
    start, stop = max(best_start, 0.0), min(best_start + best_width, 1.0)
    return top + np.log(summed), start, stop, best
