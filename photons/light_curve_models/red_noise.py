"""Evidence for red noise: a log-normal damped random walk, as accreting sources show it.

The logarithm of the rate is an Ornstein–Uhlenbeck process with standard deviation sigma and damping time tau (Kelly et
al. 2009, ApJ 698, 895; log-normal: Uttley, McHardy & Vaughan 2005, MNRAS 359, 345). The chain runs over a grid of the
logarithm; the forward algorithm sums over all light curves. Averaging over sigma, tau and the mean gives the evidence.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64

from .cells import CELLS, RESCALE, fill_likelihoods, log_mean

__all__ = ["DAMPING", "MEANS", "SIGMAS", "red_noise_evidence", "red_noise_grid"]

SIGMAS: Final[F64] = np.array([0.15, 0.3, 0.5, 0.8, 1.2])
"""Standard deviations of ln rate."""

DAMPING: Final[F64] = np.array([0.015, 0.05, 0.15, 0.5, 2.0])
"""Damping times in units of the exposure: white on its scale to a slow trend."""

MEANS: Final[F64] = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
"""Mean of ln rate within the exposure's expectation, in units of sigma."""

NODES: Final[F64] = np.linspace(-3.0, 3.0, 13)
"""Grid of ln rate, in standard deviations around the mean; half of one apart."""

NODE_SPREAD: Final = 0.15
"""Standard deviation of a rate within its node, over sigma: that of half of one, evenly."""


@njit(cache=True, nogil=True)
def _transitions(damping: float) -> F64:
    """Probability of each next node (column) after each node (row), one cell later."""
    keep = np.exp(-1.0 / (CELLS * damping))
    width = np.sqrt(1.0 - keep * keep + 0.02)  # a node covers half of a standard deviation
    out: F64 = np.exp(-0.5 * ((NODES.reshape(1, -1) - keep * NODES.reshape(-1, 1)) / width) ** 2)
    for i in range(NODES.size):
        out[i] /= out[i].sum()
    return out


@njit(cache=True, nogil=True)
def _forward(lik: F64, scale: F64, transitions: F64) -> float:
    state = np.exp(-0.5 * NODES**2)
    state = state / state.sum() * lik[0]
    log_scale = scale[0]
    new = np.empty(state.size)
    for c in range(1, lik.shape[0]):
        new[:] = 0.0
        for i in range(state.size):
            for j in range(state.size):
                new[j] += state[i] * transitions[i, j]
        for j in range(state.size):
            new[j] *= lik[c, j]
        state, new = new, state
        log_scale += scale[c]
        if c % RESCALE and c < lik.shape[0] - 1:
            continue
        whole = state.sum()
        if not whole > 0.0:  # no path is within exp(-700) of the data
            return -np.inf
        state /= whole
        log_scale += np.log(whole)
    return float(log_scale + np.log(state.sum()))


@njit(cache=True, nogil=True)
def red_noise_grid(counts: F64, background_share: float) -> F64:
    """Ln evidence at each sigma, damping time and mean, shape (5, 5, 5).

    Parameters
    ----------
    counts : ndarray, shape (cells,)
    background_share : float — part of the photons that are background, which is constant
    """
    mean = counts.sum() / counts.size
    floor = min(max(background_share, 0.0), 0.95)
    out = np.empty((SIGMAS.size, DAMPING.size, MEANS.size))
    lik, scale = np.empty((counts.size, NODES.size)), np.empty(counts.size)
    matrices = np.empty((DAMPING.size, NODES.size, NODES.size))
    for t in range(DAMPING.size):
        matrices[t] = _transitions(DAMPING[t])
    for s in range(SIGMAS.size):
        sigma = SIGMAS[s]
        for m in range(MEANS.size):
            rate = (1.0 - floor) * np.exp(sigma * (NODES + MEANS[m]) - 0.5 * sigma * sigma)
            fill_likelihoods(counts, mean * (floor + rate), mean * rate * sigma * NODE_SPREAD, lik, scale)
            for t in range(DAMPING.size):
                out[s, t, m] = _forward(lik, scale, matrices[t])
    return out


def red_noise_evidence(counts: F64, background_share: float) -> float:
    """Ln evidence of red noise: averaged over `SIGMAS` and `DAMPING`, integrated over the mean of ln rate."""
    grid = red_noise_grid(counts, background_share)
    for s in range(SIGMAS.size):
        grid[s] += np.log(SIGMAS[s] * MEANS.size)
    return float(log_mean(grid.ravel(), np.ones(grid.size)))
