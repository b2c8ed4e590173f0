"""The primary test: a likelihood ratio averaged over where, how long, how strong, which shape and which spectrum.

A source that changes has the density ``r(u, b)`` on the null clock in energy band b; the bands are quarters of the
source's own photons, ordered by energy, so that a spectrum is told from the source itself. A flare that makes the part
``S`` of all photons makes the part ``S_b = S h_b`` of a band's, with ``h`` a tilt of mean 1 (as hard as the rest,
harder, softer), and ``r = (1 - S_b) + S_b p(u)``, with ``p`` its profile laid on a window. A dip of depth ``d`` takes
``d_b`` of a band's photons, ``r = (1 - d_b p(u)) / Z_b``: all bands alike (an eclipse), or soft photons first (an
absorber). The ratio to a steady source, the product of ``r`` over its photons, is averaged over a prior: starts evenly
spread, widths and strengths evenly in their logarithm.

Being a mean of likelihood ratios its expectation under the null is 1, so ``p <= 1 / ratio`` by Markov's inequality
whatever the calibration says; the calibrated p (`null_tables`) is sharper. Averaging beats the maximum over windows
because nearby windows share photons: one of them is never the whole evidence.
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
    "Family",
    "averaged_likelihood_ratio",
    "dip_family",
    "energy_bands",
    "flare_family",
]


STEPS: Final = 8
"""Steps of a profile; a window starts at every step, so an eighth of its width apart."""

BANDS: Final = 4
"""Energy bands, with as many photons of the source in each."""

FEW: Final = 40
"""Windows with at most so many photons are multiplied out rather than summed as logarithms. No product leaves the range
of a float at its upper end; where photons outside take one below its lower end, no 40 inside would bring it back."""

NEGLIGIBLE: Final = 40.0
"""Ratios smaller than the largest by a factor of exp(40) add nothing."""


class Family(NamedTuple):
    """A prior over changes, ready for the kernel; c combinations of shape, strength and tilt.

    Parameters
    ----------
    share : ndarray, shape (c, BANDS) — S_b of a flare, or d_b of a dip; below 1
    shape : ndarray, shape (c, STEPS) — profile: of mean 1 for a flare, of maximum 1 for a dip
    weight : ndarray, shape (levels, c) — of each combination at each width; adds to 1
    bins : ndarray, shape (levels,), int64
        Steps in the whole clock: the window's width at a level is ``STEPS / bins``.
    flare : bool
    density : ndarray, shape (levels, STEPS, BANDS, c) — factor of a photon in the window, over that of one outside
    log_density : ndarray, of the same shape — its logarithm
    log_outside : ndarray, shape (levels, 2 STEPS - 1, BANDS, c)
        ln of the factor of a photon outside the window: one of which only the last 1 … STEPS steps lie on the clock,
        STEPS meaning the window lies on it whole, then one of which only the first STEPS - 1 … 1 do.
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
    """Flares: five shapes, 5 to 90 % of all photons, as hard as the rest or not; widths 2^-1 to 2^-levels.

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
    """Dips: flat and V-shaped, 40 to 97 % deep, grey or deeper in soft photons; widths 2^-1 to 2^-levels."""
    x = (np.arange(STEPS) + 0.5) / STEPS
    shapes = (np.ones(STEPS), 1.0 - np.abs(2.0 * x - 1.0))
    hardness = (np.arange(BANDS) + 0.5) / BANDS
    tilts = ((np.ones(BANDS), 0.6), (1.0 - 0.9 * hardness, 0.4))
    combinations = [
        (depth * tilt, shape, weight) for shape in shapes for depth in (0.4, 0.7, 0.97) for tilt, weight in tilts
    ]
    return _family(combinations, levels, flare=False)


def _family(combinations: list[tuple[F64, F64, float]], levels: int, *, flare: bool) -> Family:
    share, shape, prior = (np.array([one[part] for one in combinations]) for part in range(3))
    bins = STEPS * 2 ** np.arange(1, levels + 1, dtype=np.int64)
    part = shape.T[:, None, :] * share.T
    # Of a flare the part of its photons, of a dip the part of the clock, that lies within the steps on the clock.
    onwards = np.cumsum(shape[:, ::-1], axis=1)
    seen = np.concatenate([onwards, np.cumsum(shape, axis=1)[:, -2::-1]], axis=1).T[:, None, :]
    if flare:
        density = 1.0 + (bins / STEPS)[:, None, None, None] * part / (1.0 - share.T)
        outside = np.tile((1.0 - share.T) / (1.0 - share.T + share.T * seen / STEPS), (levels, 1, 1, 1))
    else:
        density = np.tile(1.0 - part, (levels, 1, 1, 1))
        outside = 1.0 / (1.0 - share.T * seen / bins[:, None, None, None])
    return Family(
        share=share,
        shape=shape,
        weight=np.tile(prior / (prior.sum() * levels), (levels, 1)),
        bins=bins,
        flare=flare,
        density=density,
        log_density=np.log(density),
        log_outside=np.log(outside),
    )


FLARE_FAMILY: Final = flare_family()
DIP_FAMILY: Final = dip_family()


@njit(cache=True, nogil=True)
def energy_bands(energy: NDArray[np.float32]) -> I64:
    """Which quarter of the source's own photons each photon is in, by energy; equal energies are in one band.

    Under the null, energies say nothing of times: bands are then a random arrangement, whatever the spectrum.
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
def _norm(log_outside: F64, held: F64, norm: F64) -> None:
    """Log ratio of a window that holds no photon, into `norm`."""
    for c in range(norm.size):
        norm[c] = 0.0
        for b in range(held.size):
            norm[c] += held[b] * log_outside[b, c]


@njit(cache=True, nogil=True, fastmath={"nnan", "ninf", "nsz", "contract", "reassoc"})
def _multiplied(prior: F64, density: F64, at: I64, band: I64, low: int, high: int, start: int, ratios: F64) -> float:
    """Weighted sum of the ratios of the window at `start` with the photons from low to high, multiplied out."""
    for c in range(prior.size):
        ratios[c] = prior[c]
    for i in range(low, high):
        step, row = at[i] - start, band[i]
        for c in range(prior.size):
            ratios[c] *= density[step, row, c]
    total = 0.0
    for c in range(prior.size):
        total += ratios[c]
    return total


@njit(cache=True, nogil=True)
def averaged_likelihood_ratio(u: F64, band: I64, family: Family) -> tuple[float, float, float]:
    """Log of the averaged likelihood ratio, and the window that adds most to it.

    Parameters
    ----------
    u : ndarray, shape (n,) — sorted, on the null clock
    band : ndarray, shape (n,) — `energy_bands`
    family : Family

    Returns
    -------
    log_average : float
    start, stop : float — that window, clipped to [0, 1]
    """
    n = u.size
    held = np.zeros(family.share.shape[1])
    for i in range(n):
        held[band[i]] += 1.0
    combos, steps = family.shape.shape
    top, scale, summed = 0.0, 1.0, 0.0  # the average is exp(top) * summed; scale is exp(-top)
    best, best_start, best_width = 0.0, 0.0, 1.0  # best over exp(top), too
    ratios, norm = np.empty(combos), np.empty(combos)
    at = np.empty(n, np.int64)
    for level in range(family.bins.size):
        bins = family.bins[level]
        windows = float(bins + steps - 1)
        density, log_density, weight = family.density[level], family.log_density[level], family.weight[level] / windows
        _norm(family.log_outside[level, steps - 1], held, norm)
        prior = np.exp(norm) * weight
        empty = prior.sum()
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
            if whole and low == high and family.flare:
                # Nothing in this window nor in any up to the next photon's: all those ratios are the same.
                until = bins - steps + 1 if high == n else min(at[high] - steps + 1, bins - steps + 1)
                summed += (until - b) * empty * scale
                b = until
                continue
            if whole and high - low <= FEW:
                added = scale * _multiplied(prior, density, at, band, low, high, b, ratios)
            else:
                if whole:
                    ratios[:] = norm
                else:
                    # Before the clock's start the last b + STEPS steps lie on it, at its end the first bins - b.
                    _norm(
                        family.log_outside[level, b + steps - 1 if b < 0 else 2 * steps - 1 - (bins - b)], held, ratios
                    )
                for i in range(low, high):
                    for c in range(combos):
                        ratios[c] += log_density[at[i] - b, band[i], c]
                largest = ratios.max()
                if largest > top:
                    summed *= np.exp(top - largest)
                    best *= np.exp(top - largest)
                    top, scale = largest, np.exp(-largest)
                added = 0.0
                for c in range(combos):
                    if ratios[c] > top - NEGLIGIBLE:
                        added += np.exp(ratios[c] - top) * weight[c]
            summed += added
            if added * windows > best:
                best, best_start, best_width = added * windows, b / bins, steps / bins
            b += 1
    return top + np.log(summed), max(best_start, 0.0), min(best_start + best_width, 1.0)
