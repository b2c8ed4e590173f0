"""Photons of a source in equal cells of the null clock, and the likelihood of their counts at given rates.

A cell holds the same exposure-corrected expectation as any other, so that gaps and known background need no further
thought. Terms that no model changes, ln c!, are left out of all likelihoods.
"""

from __future__ import annotations

from math import lgamma
from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64

__all__ = ["CELLS", "RESCALE", "constant_rates", "count_cells", "fill_likelihoods", "log_mean"]

CELLS: Final = 128
"""Cells of the clock. A shorter event lies within one cell, and is still an event that begins and ends."""

RESCALE: Final = 4
"""Cells after which the probabilities of a chain are scaled to a sum of 1."""


@njit(cache=True, nogil=True)
def count_cells(u: F64) -> F64:
    """Photons in each cell; `u` on the null clock."""
    counts = np.zeros(CELLS)
    for one in u:
        counts[min(int(one * CELLS), CELLS - 1)] += 1.0
    return counts


@njit(cache=True, nogil=True)
def constant_rates(number: float, lowest: float, highest: float) -> tuple[F64, F64]:
    """Grid of constant rates, in units of the mean rate, and their steps in ln rate.

    Parameters
    ----------
    number : float — photons at the mean rate
    lowest, highest : float

    Returns
    -------
    rate, step : ndarray, shape (k,)
        Steps are twice the error of such a rate, within bounds.
    """
    rates, steps = [lowest], [0.0]
    while rates[-1] < highest:
        steps[-1] = min(max(2.0 / np.sqrt(number * rates[-1]), 0.02), 0.4)
        rates.append(rates[-1] * np.exp(steps[-1]))
        steps.append(0.0)
    steps[-1] = steps[-2]
    return np.array(rates), np.array(steps)


@njit(cache=True, nogil=True)
def fill_likelihoods(counts: F64, mean: F64, spread: F64, out: F64, scale: F64) -> None:
    """Likelihood of each cell's counts at each mean, relative to the largest in its cell.

    Parameters
    ----------
    counts : ndarray, shape (cells,)
    mean : ndarray, shape (r,) — expected counts of a cell
    spread : ndarray, shape (r,)
        Standard deviation of that mean: 0 for Poisson, else gamma-distributed, which gives a negative binomial.
    out : ndarray, shape (cells, r) — filled
    scale : ndarray, shape (cells,) — filled with the logarithm of the largest
    """
    rows = mean.size
    known = np.full(int(counts.max()) + 1, -1)  # first cell with so many photons
    for c in range(counts.size):
        k = int(counts[c])
        if known[k] >= 0:
            out[c], scale[c] = out[known[k]], scale[known[k]]
            continue
        known[k] = c
        for r in range(rows):
            if spread[r] <= 0.0:
                out[c, r] = k * np.log(mean[r]) - mean[r]
            else:
                shape = (mean[r] / spread[r]) ** 2
                whole = shape + mean[r]
                out[c, r] = (
                    lgamma(k + shape) - lgamma(shape) + shape * np.log(shape / whole) + k * np.log(mean[r] / whole)
                )
        scale[c] = out[c].max()
        for r in range(rows):
            out[c, r] = np.exp(out[c, r] - scale[c])


@njit(cache=True, nogil=True)
def log_mean(values: F64, weights: F64) -> float:
    """Ln of the weighted mean of exp(values)."""
    top = values.max()
    if top == -np.inf:
        return -np.inf
    return float(top + np.log((weights * np.exp(values - top)).sum() / weights.sum()))
