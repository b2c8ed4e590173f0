"""Gregory–Loredo odds of a variable source and the 0–10 variability index of the Chandra Source Catalogue.

Gregory & Loredo 1992, ApJ 398, 146 (§5), with the period set to the exposure, which makes it sensitive to any shape;
the index follows Evans et al. 2010, ApJS 189, 37 (table 9) and CIAO ``glvary``. On the null clock, bins of equal width
have equal expected counts, so that gaps and background need no further correction.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64

__all__ = ["compute_variability_odds", "gregory_loredo", "variability_index"]


MAX_BINS = 40
PHASES = 4
CURVE_POINTS = 60


@njit(cache=True, nogil=True)
def log_factorials(n: int) -> F64:
    """Ln k! for k from 0 to n."""
    out = np.zeros(n + 1)
    for k in range(2, n + 1):
        out[k] = out[k - 1] + np.log(k)
    return out


@njit(cache=True, nogil=True)
def gregory_loredo(u: F64) -> tuple[float, float, float, float, float]:
    """Odds that the source is variable, and its most deviant bin.

    Parameters
    ----------
    u : ndarray, shape (n,) — sorted, on the null clock

    Returns
    -------
    log_odds : float
        Natural log of the odds of any of 2 to `MAX_BINS` bins (phase averaged) against one.
    start, stop : float
        The most deviant bin of the most probable binning.
    within_3, within_5 : float
        Fractions of the mean light curve within 3 and 5 standard deviations of its average.
    """
    n = u.size
    log_fact = log_factorials(n + MAX_BINS)
    binnings = (MAX_BINS - 1) * PHASES
    log_odds = np.empty(binnings)
    tally = np.zeros((binnings, MAX_BINS))
    fine = np.empty(MAX_BINS * PHASES)
    top = -np.inf
    best = 0
    for m in range(2, MAX_BINS + 1):
        cells = m * PHASES
        fine[:cells] = 0.0
        for i in range(n):
            fine[min(int(u[i] * cells), cells - 1)] += 1.0
        const = n * np.log(m) + log_fact[m - 1] - log_fact[n + m - 1]
        for phase in range(PHASES):
            row = (m - 2) * PHASES + phase
            total = const
            for b in range(m):
                count = 0.0
                for c in range(PHASES):
                    count += fine[(b * PHASES + c + phase) % cells]
                tally[row, b] = count
                total += log_fact[int(count)]
            log_odds[row] = total
            if total > top:
                top, best = total, row
    summed = 0.0
    for row in range(binnings):
        summed += np.exp(log_odds[row] - top)
    answer = top + np.log(summed / binnings)
    start, stop = _deviant_bin(tally, best, n)
    within_3, within_5 = _fractions(tally, log_odds, top, n)
    return answer, start, stop, within_3, within_5


@njit(cache=True, nogil=True)
def _deviant_bin(tally: F64, row: int, n: int) -> tuple[float, float]:
    m = row // PHASES + 2
    phase = row % PHASES
    at, most = 0, -1.0
    for b in range(m):
        deviation = abs(tally[row, b] - n / m)
        # The bin that wraps around the ends is not an interval.
        wraps = phase > 0 and b == m - 1
        if deviation > most and not wraps:
            at, most = b, deviation
    start = (at + phase / PHASES) / m
    return start, min(start + 1.0 / m, 1.0)


@njit(cache=True, nogil=True)
def _fractions(tally: F64, log_odds: F64, top: float, n: int) -> tuple[float, float]:
    """Fractions of the odds-weighted mean light curve within 3 and 5 standard deviations of its average."""
    mean = np.zeros(CURVE_POINTS)
    square = np.zeros(CURVE_POINTS)
    weights = 0.0
    for row in range(log_odds.size):
        weight = np.exp(log_odds[row] - top)
        if weight < 1e-4:
            continue
        m = row // PHASES + 2
        phase = (row % PHASES) / PHASES
        weights += weight
        for p in range(CURVE_POINTS):
            b = int(np.floor((p + 0.5) / CURVE_POINTS * m - phase)) % m
            # Posterior of a bin's rate under a flat prior (GL92 eq. 7.9, 7.11): a Dirichlet share of m bins.
            share = (tally[row, b] + 1.0) / (n + m)
            rate = m * share
            mean[p] += weight * rate
            square[p] += weight * (rate * rate + m * m * share * (1.0 - share) / (n + m + 1.0))
    average = mean.sum() / weights / CURVE_POINTS
    near_3 = 0
    near_5 = 0
    for p in range(CURVE_POINTS):
        value = mean[p] / weights
        sigma = np.sqrt(max(square[p] / weights - value * value, 0.0))
        near_3 += abs(value - average) <= 3 * sigma
        near_5 += abs(value - average) <= 5 * sigma
    return near_3 / CURVE_POINTS, near_5 / CURVE_POINTS


def variability_index(log_odds: F64, within_3: F64, within_5: F64) -> NDArray[np.int8]:
    """Variability index 0 (definitely steady) to 10 (definitely variable); -1 if the odds are NaN.

    Parameters
    ----------
    log_odds : ndarray, shape (n,) — natural log
    within_3, within_5 : ndarray, shape (n,)
        Light-curve fractions of `gregory_loredo`.

    Notes
    -----
    Probability P = odds / (1 + odds). 0: P ≤ 1/2; 1: 1/2 < P < 2/3 and the light curve within bounds (all within 5 σ,
    99.7 % within 3 σ); 2: 2/3 ≤ P < 0.9 within bounds; 3, 4: 0.5–0.6 and 0.6–2/3 outside bounds; 5: 2/3–0.9 outside
    bounds; 6: P ≥ 0.9 and log10 odds < 2; 7: 2–4; 8: 4–10; 9: 10–30; 10: ≥ 30.
    """
    tested = np.isfinite(log_odds)
    odds10 = np.where(tested, log_odds, 0.0) / np.log(10.0)
    probability = 1.0 / (1.0 + 10.0 ** -np.clip(odds10, -300, 300))
    steady = (within_3 > 0.997) & (within_5 >= 1.0)
    index = np.select(
        [
            ~tested,
            probability <= 0.5,
            (probability < 2 / 3) & steady,
            (probability < 0.9) & steady,
            probability < 0.6,
            probability < 2 / 3,
            probability < 0.9,
            odds10 < 2,
            odds10 < 4,
            odds10 < 10,
            odds10 < 30,
        ],
        [-1, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9],
        default=10,
    )
    return index.astype(np.int8)


@njit(cache=True, nogil=True)
def compute_variability_odds(u: F64, offsets: I64) -> tuple[F64, F64, F64]:
    """Natural log of the odds of variability of many sources, and light-curve fractions within 3 and 5 sigma.

    Parameters
    ----------
    u : ndarray, shape (photons,) — on the null clock, sorted within each source
    offsets : ndarray, shape (n + 1,)
    """
    n = offsets.size - 1
    odds, within_3, within_5 = np.empty(n), np.empty(n), np.empty(n)
    for s in range(n):
        odds[s], _, _, within_3[s], within_5[s] = gregory_loredo(u[offsets[s] : offsets[s + 1]])
    return odds, within_3, within_5
