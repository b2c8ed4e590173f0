"""Evidence for a strict period: a pulse profile of the phase, averaged over frequency, phase, shape and amplitude.

As Gregory & Loredo 1992 (ApJ 398, 146), with smooth profiles instead of bins: a cosine and narrower pulses after von
Mises. Frequencies run from a few cycles in the exposure to what cells resolve, with equal prior for each octave.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64

from .cells import log_mean

__all__ = ["pulsation_evidence"]

PHASES: Final = 16
"""Bins of the phase."""

MIN_CYCLES: Final = 3.0
"""Cycles from which eruptions are regular."""

MIN_PERIODIC_CYCLES: Final = 5.0
"""Cycles from which pulsations are told from red noise: fewer occur in it by chance (Vaughan et al. 2016, MNRAS 461,
3145)."""

MAX_CYCLES: Final = 60.0

OVERSAMPLING: Final = 3.0
"""Frequencies per independent one, 1 / exposure."""

FINE: Final = 16
"""Points in a cell at which its phase is computed; shifted from cell to cell, so that no frequency is in step."""

GOLDEN: Final = 0.6180339887498949
"""Shift of the points from one cell to the next, of all numbers the one furthest from any fraction."""


def _profiles(sharpness: tuple[float, ...], waves: tuple[float, ...]) -> F64:
    phase = 2.0 * np.pi * (np.arange(PHASES) + 0.5) / PHASES
    shapes = [np.exp(kappa * (np.cos(phase) - 1.0)) for kappa in sharpness]
    pulses = [1.0 - share + share * shape / shape.mean() for shape in shapes for share in (0.35, 0.65, 0.95)]
    return np.array([*pulses, *(1.0 + part * np.cos(phase) for part in waves)])


PULSES: Final = _profiles((1.0, 3.0), (0.3, 0.6, 0.95))
"""Smooth pulse profiles, at least a quarter of the period wide, of mean 1."""

ERUPTIONS: Final = _profiles((8.0, 25.0), ())
"""Narrower profiles: events that recur regularly, with quiet times in between."""

LOG_PULSES: Final[F64] = np.log(PULSES)
LOG_ERUPTIONS: Final[F64] = np.log(ERUPTIONS)


@njit(cache=True, nogil=True)
def _fit(seen: F64, expected: F64, number: int, rates: F64, log_rates: F64) -> float:
    """Ln likelihood ratio of folded photons, averaged over profiles and phases."""
    values = np.empty(rates.shape[0] * PHASES)
    at = 0
    for p in range(rates.shape[0]):
        for shift in range(PHASES):
            total, norm = 0.0, 0.0
            for k in range(PHASES):
                row = (k + shift) % PHASES
                total += seen[k] * log_rates[p, row]
                norm += expected[k] * rates[p, row]
            values[at] = total - number * np.log(norm)
            at += 1
    return float(log_mean(values, np.ones(values.size)))


@njit(cache=True, nogil=True)
def pulsation_evidence(time: F64, edges: F64) -> tuple[float, float]:
    """Ln evidence of pulsations and of regular eruptions relative to the likeliest constant rate.

    Parameters
    ----------
    time : ndarray, shape (n,) — photons, in units of the time that the exposure spans, gaps included
    edges : ndarray, shape (cells + 1,) — times, in the same unit, between which equal counts are expected
    """
    number = int((MAX_CYCLES - MIN_CYCLES) * OVERSAMPLING)
    smooth, narrow, weights = np.empty(number), np.empty(number), np.empty(number)
    seen, expected = np.empty(PHASES), np.empty(PHASES)
    for f in range(number):
        frequency = MIN_CYCLES + f / OVERSAMPLING
        seen[:] = 0.0
        expected[:] = 0.0
        for one in time:
            phase = one * frequency
            seen[int((phase - np.floor(phase)) * PHASES) % PHASES] += 1.0
        for c in range(edges.size - 1):
            shift = (c * GOLDEN) % 1.0
            for k in range(FINE):
                phase = (edges[c] + (edges[c + 1] - edges[c]) * (k + shift) / FINE) * frequency
                expected[int((phase - np.floor(phase)) * PHASES) % PHASES] += 1.0 / (FINE * (edges.size - 1))
        is_periodic = frequency >= MIN_PERIODIC_CYCLES
        smooth[f] = _fit(seen, expected, time.size, PULSES, LOG_PULSES) if is_periodic else -np.inf
        narrow[f] = _fit(seen, expected, time.size, ERUPTIONS, LOG_ERUPTIONS)
        weights[f] = 1.0 / frequency
    # The likelihood given the total is multiplied by that of the total, averaged over the logarithm of its mean.
    total = 0.5 * np.log(2.0 * np.pi / max(time.size, 1))
    return log_mean(smooth, weights) + total, log_mean(narrow, weights) + total
