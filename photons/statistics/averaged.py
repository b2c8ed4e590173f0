"""The primary test: a likelihood ratio averaged over start, width, strength, shape and spectrum of a change.

A variable source has the density ``r(u, b)`` on the null clock in energy band b; the bands are quartiles of the
energies of the source's own photons. A flare with a fraction ``S`` of the source's photons has the fraction ``S_b = S
h_b`` of those in a band, with a tilt ``h`` of mean 1 (as hard as the rest, harder, softer), and ``r = 1 + w S_b (p(u) -
1)`` for a photon that is the source's with probability ``w`` (`photon_weights`), where ``p`` is its profile on a
window. A dip of depth ``d`` removes ``d_b`` of the source's photons of a band, ``r = (1 - w d_b p(u)) / Z``: equally in
all bands (an eclipse), or preferentially soft ones (absorption). The ratio to a steady source, the product of ``r``
over its photons, is averaged over a prior: uniform in start, log-uniform in width and strength.

The expectation of an average of likelihood ratios is 1 under the null, whatever the weights, since times are
independent of them; ``p <= 1 / ratio`` by Markov's inequality independently of the calibration. The calibrated p-value
(`null_distributions`) is smaller. It is that of as many photons of weight 1 as the sum of the squared weights, which
measures the information about the source. Averaging is more
powerful than the maximum over windows, since nearby windows share photons and each has only part of the evidence.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64

__all__ = [
    "BANDS",
    "DIP_FAMILY",
    "FLARE_FAMILY",
    "WEIGHTS",
    "Family",
    "averaged_likelihood_ratio",
    "dip_family",
    "energy_bands",
    "flare_family",
    "photon_rows",
]


STEPS: Final = 8
"""Steps of a profile; windows start at every step, an eighth of their width apart."""

BANDS: Final = 4
"""Energy bands with equal numbers of the source's photons."""

WEIGHTS: Final = np.array([0.12, 0.3, 0.5, 0.72, 0.9, 1.0])
"""Weights of photons that are distinguished; each photon has the nearest one."""

ROWS: Final = BANDS * len(WEIGHTS)
"""Kinds of photons: energy bands times weights."""

MAX_MULTIPLIED: Final = 40
"""Windows with at most so many photons are computed as products rather than sums of logarithms. No product overflows;
one that underflows by the photons outside could not be raised to a relevant value by 40 photons inside."""

MAX_LOG_RANGE: Final = 40.0
"""Ratios below the largest by a factor of exp(40) are neglected."""

SERIES: Final = 10
"""Terms of the series of the exponential."""

FAST: Final = {"nnan", "ninf", "nsz", "contract", "reassoc"}
"""Arithmetic in any order, which runs on many combinations at a time; without infinities."""


class Family(NamedTuple):
    """A prior over changes, prepared for the kernel, of c combinations of shape, strength and tilt.

    Parameters
    ----------
    share : ndarray, shape (c, ROWS) — w S_b of a flare, or w d_b of a dip, for each kind of photon; below 1
    shape : ndarray, shape (c, STEPS) — profile: of mean 1 for a flare, of maximum 1 for a dip
    weight : ndarray, shape (levels, c) — of each combination at each width; sums to 1
    bins : ndarray, shape (levels,), int64
        Steps in the whole clock: windows at a level have the width ``STEPS / bins``.
    flare : bool
    density : ndarray, shape (levels, STEPS, ROWS, c) — factor of a photon inside the window over that of one outside
    log_density : ndarray, of the same shape — its logarithm
    log_outside : ndarray, shape (levels, 2 STEPS - 1, ROWS, c)
        ln of the factor of a photon outside a window of which only the last 1 … STEPS steps are on the clock (STEPS:
        the whole window), then of one with only the first STEPS - 1 … 1.
    """

    share: F64
    shape: F64
    weight: F64
    bins: I64
    flare: bool
    density: F64
    log_density: F64
    log_outside: F64


def flare_family(levels: int = 13) -> Family:
    """Flares of five shapes and three tilts with 5 to 90 % of the source's photons; widths 2^-1 to 2^-levels.

    Shapes are flat, fast rise with exponential or with power-law decay, Gaussian, and two peaks.
    """
    x = (np.arange(STEPS) + 0.5) / STEPS
    double = np.exp(-0.5 * ((x - 0.15) / 0.07) ** 2) + 0.7 * np.exp(-0.5 * ((x - 0.8) / 0.1) ** 2)
    shapes = (
        np.ones(STEPS),
        np.exp(-4.0 * x),
        np.exp(-0.5 * ((x - 0.5) / 0.18) ** 2),
        (1.0 + x / 0.06) ** -1.4,
        double,
    )
    slope = 1.6 * ((np.arange(BANDS) + 0.5) / BANDS - 0.5)
    tilts = ((np.ones(BANDS), 0.5), (1.0 + slope, 0.25), (1.0 - slope, 0.25))
    combinations = [
        (np.minimum(share * tilt, 0.97), shape / shape.mean(), weight)
        for shape in shapes
        for share in (0.05, 0.13, 0.34, 0.9)
        for tilt, weight in tilts
    ]
    return _family(combinations, levels, flare=True)


def dip_family(levels: int = 6) -> Family:
    """Dips, flat and V-shaped, 40 to 97 % deep, grey or deeper in soft photons; widths 2^-1 to 2^-levels."""
    x = (np.arange(STEPS) + 0.5) / STEPS
    shapes = (np.ones(STEPS), 1.0 - np.abs(2.0 * x - 1.0))
    hardness = (np.arange(BANDS) + 0.5) / BANDS
    tilts = ((np.ones(BANDS), 0.6), (1.0 - 0.9 * hardness, 0.4))
    combinations = [
        (depth * tilt, shape, weight) for shape in shapes for depth in (0.4, 0.7, 0.97) for tilt, weight in tilts
    ]
    return _family(combinations, levels, flare=False)


def _family(combinations: list[tuple[F64, F64, float]], levels: int, *, flare: bool) -> Family:
    in_band, shape, prior = (np.array([one[part] for one in combinations]) for part in range(3))
    share = (WEIGHTS[:, None] * in_band[:, None, :]).reshape(len(combinations), ROWS)
    bins = STEPS * 2 ** np.arange(1, levels + 1, dtype=np.int64)
    product = shape.T[:, None, :] * share.T
    # The fraction of the photons of a flare, or of the time of a dip, in the steps on the clock.
    from_end = np.cumsum(shape[:, ::-1], axis=1)
    on_clock = np.concatenate([from_end, np.cumsum(shape, axis=1)[:, -2::-1]], axis=1).T[:, None, :]
    if flare:
        density = 1.0 + (bins / STEPS)[:, None, None, None] * product / (1.0 - share.T)
        outside = np.tile((1.0 - share.T) / (1.0 - share.T + share.T * on_clock / STEPS), (levels, 1, 1, 1))
    else:
        density = np.tile(1.0 - product, (levels, 1, 1, 1))
        outside = 1.0 / (1.0 - share.T * on_clock / bins[:, None, None, None])
    # Broadcasting keeps the order of its inputs; kernels run over the combinations, which must be contiguous.
    return Family(
        share=share,
        shape=shape,
        weight=np.tile(prior / (prior.sum() * levels), (levels, 1)),
        bins=bins,
        flare=flare,
        density=np.ascontiguousarray(density),
        log_density=np.ascontiguousarray(np.log(density)),
        log_outside=np.ascontiguousarray(np.log(outside)),
    )


FLARE_FAMILY: Final = flare_family()
DIP_FAMILY: Final = dip_family()


@njit(cache=True, nogil=True)
def energy_bands(energy: NDArray[np.float32]) -> I64:
    """Quartile of the source's photons, by energy, to which each photon belongs; equal energies share one.

    Under the null, energies are independent of times, so that bands are randomly arranged for any spectrum.
    """
    n = energy.size
    order = np.argsort(energy)
    band = np.empty(n, np.int64)
    i = 0
    while i < n:
        j = i
        while j + 1 < n and energy[order[j + 1]] == energy[order[i]]:
            j += 1
        middle = 0.5 * (i + j + 1)
        for k in range(i, j + 1):
            band[order[k]] = min(int(middle * BANDS / n), BANDS - 1)
        i = j + 1
    return band


@njit(cache=True, nogil=True)
def photon_rows(energy: NDArray[np.float32], weight: NDArray[np.float32]) -> tuple[I64, float]:
    """Kind of each photon of a source, by energy band and weight, and the number of photons that they are worth.

    Parameters
    ----------
    energy, weight : ndarray, shape (n,)

    Returns
    -------
    row : ndarray, shape (n,), int64
    effective : float
        Sum of the squares of the distinguished weights.
    """
    row, effective = energy_bands(energy), 0.0
    for i in range(energy.size):
        level = 0
        while level + 1 < WEIGHTS.size and weight[i] > 0.5 * (WEIGHTS[level] + WEIGHTS[level + 1]):
            level += 1
        row[i] += BANDS * level
        effective += WEIGHTS[level] ** 2
    return row, effective


@njit(cache=True, nogil=True)
def _norm(log_outside: F64, held: F64, norm: F64) -> None:
    """Write the log ratio of a window without photons to `norm`."""
    norm[:] = 0.0
    for b in range(held.size):
        if held[b] > 0:
            for c in range(norm.size):
                norm[c] += held[b] * log_outside[b, c]


@njit(cache=True, nogil=True, fastmath=FAST)
def _sum_of_products(
    prior: F64, density: F64, at: I64, rows: I64, low: int, high: int, start: int, ratios: F64
) -> float:
    """Weighted sum of the ratios of the window at `start` with the photons from low to high, as products."""
    for c in range(prior.size):
        ratios[c] = prior[c]
    for i in range(low, high):
        step, row = at[i] - start, rows[i]
        for c in range(prior.size):
            ratios[c] *= density[step, row, c]
    total = 0.0
    for c in range(prior.size):
        total += ratios[c]
    return total


@njit(cache=True, nogil=True, fastmath=FAST)
def _fill_alone(prior: F64, density: F64, row: int, alone: F64) -> None:
    """Fill the weighted sums of the ratios of windows with one photon of a kind, at each of their steps."""
    for step in range(alone.shape[0]):
        total = 0.0
        for c in range(prior.size):
            total += prior[c] * density[step, row, c]
        alone[step, row] = total


@njit(cache=True, nogil=True)
def _add_logarithms(
    log_density: F64, at: I64, rows: I64, low: int, high: int, start: int, tally: F64, ratios: F64
) -> None:
    """Add the logarithms of the factors of the photons from low to high; equal ones are added at once, if many."""
    if high - low <= MAX_MULTIPLIED:
        for i in range(low, high):
            for c in range(ratios.size):
                ratios[c] += log_density[at[i] - start, rows[i], c]
        return
    tally[:] = 0.0
    for i in range(low, high):
        tally[at[i] - start, rows[i]] += 1.0
    for step in range(tally.shape[0]):
        for row in range(tally.shape[1]):
            if tally[step, row] > 0.0:
                for c in range(ratios.size):
                    ratios[c] += tally[step, row] * log_density[step, row, c]


@njit(cache=True, nogil=True, fastmath=FAST)
def _sum_of_exponentials(ratios: F64, top: float, weight: F64) -> float:
    """Weighted sum of exp(ratios - top), where top is at least the largest; smaller by `MAX_LOG_RANGE` are as that.

    The exponential is the 256th power of that of 1/256, by its series to an error of 1e-13, which runs on many ratios
    at a time.
    """
    total = 0.0
    for c in range(ratios.size):
        x = max(ratios[c] - top, -MAX_LOG_RANGE) / 256.0
        value = 1.0
        for k in range(SERIES, 0, -1):
            value = 1.0 + x / k * value
        for _ in range(8):
            value *= value
        total += weight[c] * value
    return total


@njit(cache=True, nogil=True, fastmath=FAST)
def _largest(values: F64) -> float:
    most = values[0]
    for c in range(1, values.size):
        most = max(most, values[c])
    return float(most)


@njit(cache=True, nogil=True)
def averaged_likelihood_ratio(u: F64, rows: I64, family: Family) -> tuple[float, float, float]:
    """Log of the averaged likelihood ratio, and the window that contributes most.

    Parameters
    ----------
    u : ndarray, shape (n,) — sorted, on the null clock
    rows : ndarray, shape (n,) — kind of each photon, `photon_rows`
    family : Family

    Returns
    -------
    log_average : float
    start, stop : float — of that window, clipped to [0, 1]
    """
    n = u.size
    held = np.zeros(family.share.shape[1])
    for i in range(n):
        held[rows[i]] += 1.0
    combos, steps = family.shape.shape
    top, scale, summed = 0.0, 1.0, 0.0  # the average is exp(top) * summed, and scale is exp(-top)
    best, best_start, best_width = 0.0, 0.0, 1.0  # relative to exp(top)
    ratios, tally = np.empty(combos), np.empty((steps, held.size))
    # Log ratios of windows without photons, by the number of steps on the clock; those of flares are the same at every
    # level, and so are their sums up to the number of windows.
    norms, empties = np.empty((2 * steps - 1, combos)), np.empty(2 * steps - 1)
    at = np.empty(n, np.int64)
    alone = np.empty((steps, held.size))  # sums of the ratios of windows with one photon, once computed
    for level in range(family.bins.size):
        bins = family.bins[level]
        windows = float(bins + steps - 1)
        density, log_density, weight = family.density[level], family.log_density[level], family.weight[level] / windows
        if level == 0 or not family.flare:
            for part in range(2 * steps - 1):
                _norm(family.log_outside[level, part], held, norms[part])
                empties[part] = (np.exp(norms[part]) * family.weight[level]).sum()
        prior = np.exp(norms[steps - 1]) * weight
        empty = empties[steps - 1] / windows
        alone[:] = -1.0
        for i in range(n):
            at[i] = min(int(u[i] * bins), bins - 1)
        low, high = 0, 0
        b = 1 - steps
        while b < bins:
            while high < n and at[high] < b + steps:
                high += 1
            while low < high and at[low] < b:
                low += 1
            whole = b >= 0 and b + steps <= bins
            part = steps - 1
            if not whole:
                # At the start of the clock the last b + STEPS steps are on it, at its end the first bins - b.
                part = b + steps - 1 if b < 0 else 2 * steps - 1 - (bins - b)
            if whole and high - low == 1:
                # Most windows of the shorter widths hold one photon, of a few kinds on a few steps.
                row = rows[low]
                if alone[0, row] < 0:
                    _fill_alone(prior, density, row, alone)
                until = min(at[low], bins - steps) + 1
                if high < n:
                    until = min(until, at[high] - steps + 1)
                while b < until:
                    added = scale * alone[at[low] - b, row]
                    summed += added
                    if added * windows > best:
                        best, best_start, best_width = added * windows, b / bins, steps / bins
                    b += 1
                continue
            if whole and low == high and family.flare:
                # All windows without photons, up to the first with the next photon, have the same ratio.
                until = bins - steps + 1 if high == n else min(at[high] - steps + 1, bins - steps + 1)
                summed += (until - b) * empty * scale
                b = until
                continue
            if low == high and family.flare:  # at an end of the clock
                added = scale * empties[part] / windows
            elif whole and high - low <= MAX_MULTIPLIED:
                added = scale * _sum_of_products(prior, density, at, rows, low, high, b, ratios)
            else:
                ratios[:] = norms[part]
                _add_logarithms(log_density, at, rows, low, high, b, tally, ratios)
                largest = _largest(ratios)
                if largest > top:
                    summed *= np.exp(top - largest)
                    best *= np.exp(top - largest)
                    top, scale = largest, np.exp(-largest)
                added = _sum_of_exponentials(ratios, top, weight)
            summed += added
            if added * windows > best:
                best, best_start, best_width = added * windows, b / bins, steps / bins
            b += 1
    return top + np.log(summed), max(best_start, 0.0), min(best_start + best_width, 1.0)
