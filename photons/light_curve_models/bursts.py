"""Evidence for a train of similar bursts over a constant rate, as X-ray bursts and quasi-periodic eruptions are.

`brightenings` lets recurrent events differ in strength, which costs it one strength for each; here all have the same
within a factor of 1.6, and are counted: at least two, with the constant rate in between.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64

from .cells import CELLS, RESCALE, constant_rates, fill_likelihoods, log_mean

__all__ = ["burst_train_evidence"]

LENGTHS: Final[F64] = np.array([0.7, 1.5, 3.0, 6.0, 12.0])
"""Cells that a burst lasts at more than half of its maximum, on average."""

TRAINS: Final[F64] = np.array([3.0, 8.0, 20.0])
"""Bursts in an exposure on average."""

LEVELS: Final = 8
"""Strengths, a factor of two apart, downwards from that of the brightest cell."""

SPREAD: Final = 0.4
"""Relative standard deviation of the excess of bursts: they differ in strength and within cells."""

WING: Final = 0.2
"""Excess before and after the maximum, relative to it."""

MAX_BEHIND: Final = 7.0


@njit(cache=True, nogil=True)
def _forward(lik: F64, scale: F64, length: float, number: float) -> float:
    """Ln likelihood summed over the paths with two bursts or more: joint with their prior probability.

    Columns of `lik`: constant rate, maximum of a burst, wing of a burst.
    """
    hazard, leave = number / CELLS, 1.0 - np.exp(-1.0 / length)
    # By the number of bursts so far: 0, 1, 2 or more.
    base0, base1, base2 = 0.8 * lik[0, 0], 0.0, 0.0
    peak1, peak2, rise1, rise2, tail1, tail2 = 0.1 * lik[0, 1], 0.0, 0.0, 0.0, 0.1 * lik[0, 2], 0.0
    log_scale = scale[0]
    for c in range(1, lik.shape[0]):
        quiet, bright, wing = lik[c, 0], lik[c, 1], lik[c, 2]
        first, later = hazard * base0, hazard * (base1 + base2)
        ends1, ends2 = leave * (0.4 * peak1 + tail1), leave * (0.4 * peak2 + tail2)
        tail1 = wing * (tail1 * (1.0 - leave) + 0.6 * leave * peak1)
        tail2 = wing * (tail2 * (1.0 - leave) + 0.6 * leave * peak2)
        peak1 = bright * (peak1 * (1.0 - leave) + 0.6 * first + leave * rise1)
        peak2 = bright * (peak2 * (1.0 - leave) + 0.6 * later + leave * rise2)
        rise1 = wing * (rise1 * (1.0 - leave) + 0.4 * first)
        rise2 = wing * (rise2 * (1.0 - leave) + 0.4 * later)
        base0 = quiet * base0 * (1.0 - hazard)
        base1 = quiet * (base1 * (1.0 - hazard) + ends1)
        base2 = quiet * (base2 * (1.0 - hazard) + ends2)
        log_scale += scale[c]
        if c % RESCALE and c < lik.shape[0] - 1:
            continue
        whole = base0 + base1 + base2 + peak1 + peak2 + rise1 + rise2 + tail1 + tail2
        if not whole > 0.0:  # no path is within exp(-700) of the data
            return -np.inf
        log_scale += np.log(whole)
        factor = 1.0 / whole
        base0, base1, base2 = base0 * factor, base1 * factor, base2 * factor
        peak1, rise1, tail1 = peak1 * factor, rise1 * factor, tail1 * factor
        peak2, rise2, tail2 = peak2 * factor, rise2 * factor, tail2 * factor
    out = base2 + peak2 + rise2 + tail2
    return float(log_scale + np.log(out)) if out > 0 else -np.inf


@njit(cache=True, nogil=True)
def burst_train_evidence(counts: F64) -> float:
    """Ln evidence of two or more similar bursts.

    Parameters
    ----------
    counts : ndarray, shape (cells,)
    """
    n = counts.sum()
    bases, steps = constant_rates(n, 0.01, 1.0)
    bases *= n / counts.size
    most = counts.max()
    combinations = LENGTHS.size * TRAINS.size
    log_z = np.full((bases.size, LEVELS, combinations), -np.inf)
    prior = np.empty(combinations)
    ones, zeros = np.ones((counts.size, 3)), np.zeros(counts.size)
    for t in range(combinations):
        prior[t] = _forward(ones, zeros, LENGTHS[t // TRAINS.size], TRAINS[t % TRAINS.size])
    lik, scale = np.empty((counts.size, 3)), np.empty(counts.size)
    means, spread = np.empty(3), np.zeros(3)
    middle, best = combinations // 2, -np.inf
    for round_ in range(2):
        for b in range(bases.size):
            for k in range(LEVELS):
                excess = (most + np.sqrt(most) + 1.0 - bases[b]) / 2.0**k
                if excess <= 0 or (round_ == 1 and log_z[b, k, middle] < best - MAX_BEHIND):
                    continue
                means[:] = bases[b] + excess * np.array([0.0, 1.0, WING])
                spread[:] = SPREAD * excess * np.array([0.0, 1.0, WING])
                fill_likelihoods(counts, means, spread, lik, scale)
                for t in range(combinations):
                    if round_ == 1 or t == middle:
                        length, number = LENGTHS[t // TRAINS.size], TRAINS[t % TRAINS.size]
                        log_z[b, k, t] = _forward(lik, scale, length, number) - prior[t]
                best = max(best, log_z[b, k, middle])
    flat = log_z.ravel()
    return float(log_mean(flat, np.repeat(steps, LEVELS * combinations)) + np.log(steps.sum()))
