"""Highest efficiency that arrival times allow on the grid: likelihood ratios averaged over the priors of its events.

By the lemma of Neyman & Pearson (1933, Phil. Trans. A 231, 289) no statistic of the arrival times finds more of the
grid's events, on average over their priors, at a given false-positive rate. The averages are numerical: lengths and
strengths are on grids of equal prior weight, starts at every 1 / `STEPS` of the support, and profiles are averaged over
those steps; the true share of the background is used. The error of the averages makes the limit too low, if anything.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons import EventBatch
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics.clock import null_clock
from xherald.photons.threads import run_in_threads

from .event_grid import DEPTHS, LONGEST, STRENGTHS, WIDTHS, Events, shortest_flare
from .event_profiles import CELLS, DIPS, FLARES, Profile

__all__ = ["oracle_scores"]


STEPS: Final = 16
NODES: Final = 5
"""Strengths, and depths, at which the prior is sampled."""

PER_OCTAVE: Final = 2
"""Sampled lengths in a factor of two, at least."""


def oracle_scores(batch: EventBatch, events: Events, threads: int = 0) -> tuple[F64, F64]:
    """Log averaged likelihood ratios of flares and of dips.

    Parameters
    ----------
    batch : EventBatch
    events : Events
        Only the share of the background is used, which the batch gives with noise only.
    threads : int
        0 takes every core.

    Returns
    -------
    flare, dip : ndarray, shape (n,)
    """
    clock = null_clock(batch)
    n = len(batch)
    source = 1.0 - events.background
    place = (np.arange(NODES) + 0.5) / NODES
    strengths = STRENGTHS[0] * (STRENGTHS[1] / STRENGTHS[0]) ** place
    depths = DEPTHS[0] + (DEPTHS[1] - DEPTHS[0]) * place
    flare, dip = np.empty(n), np.empty(n)
    flares = tuple(np.ascontiguousarray(part) for part in _tables(FLARES, core=True))
    dips = tuple(np.ascontiguousarray(part) for part in _tables(DIPS, core=False))
    least = shortest_flare(batch)

    def work(first: int, stop: int) -> None:
        _all(clock.u, clock.offsets, source, least, LONGEST, strengths, False, *flares, first, stop, flare)
        _all(clock.u, clock.offsets, source, np.full(n, WIDTHS[0]), WIDTHS[1], depths, True, *dips, first, stop, dip)

    run_in_threads(work, clock.offsets, threads)
    return flare, dip


def _tables(profiles: tuple[Profile, ...], *, core: bool) -> tuple[F64, F64, F64, F64]:
    """Distinct profiles: means over steps, integrals at cells' edges, (middle, support over length), weights."""
    names = [one.density.tobytes() for one in profiles]
    kept = sorted({names.index(name) for name in names})
    chosen = [profiles[i] for i in kept]
    weight = np.array([names.count(names[i]) for i in kept]) / len(profiles)
    density = np.array([one.density.reshape(STEPS, -1).mean(axis=1) for one in chosen])
    cumulative = np.array([one.cumulative for one in chosen])
    ends = np.array([one.core if core else (0.0, 1.0) for one in chosen])
    scale = np.column_stack([ends.mean(axis=1), 1.0 / (ends[:, 1] - ends[:, 0])])
    return density, cumulative, scale, weight


@njit(cache=True, nogil=True)
def _all(
    u: F64,
    offsets: I64,
    source: F64,
    shortest: F64,
    longest: float,
    strengths: F64,
    dip: bool,
    density: F64,
    cumulative: F64,
    scale: F64,
    weight: F64,
    first: int,
    stop: int,
    out: F64,
) -> None:
    for s in range(first, stop):
        x = u[offsets[s] : offsets[s + 1]]
        octaves = np.log2(longest / shortest[s])
        levels = max(int(np.ceil(octaves * PER_OCTAVE)), 1)
        top, summed = -np.inf, 0.0
        for k in range(density.shape[0]):
            for level in range(levels):
                length = shortest[s] * (longest / shortest[s]) ** ((level + 0.5) / levels)
                high, total = _window_sum(
                    x, length * scale[k, 1], scale[k, 0], strengths * source[s], dip, density[k], cumulative[k]
                )
                total *= weight[k] / levels
                if high > top:
                    summed = summed * np.exp(top - high) if summed > 0 else 0.0
                    top = high
                summed += total * np.exp(high - top)
        out[s] = top + np.log(summed)


@njit(cache=True, nogil=True)
def _reached(cumulative: F64, x: float) -> float:
    """Integral of a profile up to a place on its support."""
    at = min(max(x, 0.0), 1.0) * CELLS
    cell = min(int(at), CELLS - 1)
    reached: float = cumulative[cell] + (at - cell) * (cumulative[cell + 1] - cumulative[cell])
    return reached


@njit(cache=True, nogil=True)
def _terms(
    share: F64, dip: bool, density: F64, inside: float, width: float, n: int, log_density: F64, base: F64
) -> None:
    """Log of the density of photons on each step relative to outside, and the log of that outside n times.

    A flare of which a part `inside` of the whole is seen: (1 − r) + r h / inside with h = density / width; a dip:
    (1 − a p) / Z.
    """
    for c in range(share.size):
        if dip:
            base[c] = -n * np.log(1.0 - share[c] * inside * width)
            for k in range(density.size):
                log_density[k, c] = np.log(max(1.0 - share[c] * density[k], 1e-12))
        else:
            base[c] = n * np.log(1.0 - share[c])
            for k in range(density.size):
                log_density[k, c] = np.log1p(share[c] / (1.0 - share[c]) * density[k] / (width * inside))


@njit(cache=True, nogil=True)
def _window_sum(
    u: F64, width: float, middle: float, share: F64, dip: bool, density: F64, cumulative: F64
) -> tuple[float, float]:
    """Average over starts and strengths of the likelihood ratio, as exp(first) × second.

    Parameters
    ----------
    u : ndarray, shape (n,) — sorted, on the null clock
    width : float — of the profile's support
    middle : float — of the event on its support; it is uniform over the clock
    share : ndarray — parts of all photons in a flare, or of the rate that a dip takes away at its deepest
    """
    n, combos, steps = u.size, share.size, density.size
    step = width / steps
    where, counts = np.empty(n, np.int64), np.empty(n)
    size = 0
    for i in range(n):
        at = int(u[i] / step)
        if size > 0 and where[size - 1] == at:
            counts[size - 1] += 1.0
        else:
            where[size], counts[size] = at, 1.0
            size += 1
    log_density, base = np.empty((steps, combos)), np.empty(combos)
    log_cut, base_cut = np.empty((steps, combos)), np.empty(combos)
    _terms(share, dip, density, cumulative[-1], width, n, log_density, base)
    lone = np.zeros(steps)
    for k in range(steps):
        for c in range(combos):
            lone[k] += np.exp(base[c] + log_density[k, c])
    empty = np.exp(base).sum()
    b, last = int(np.ceil(-middle * width / step)), int(np.floor((1.0 - middle * width) / step))
    starts = last - b + 1
    top, summed = 0.0, 0.0
    ratios = np.empty(combos)
    low, high = 0, 0
    while b <= last:
        while high < size and where[high] < b + steps:
            high += 1
        while low < high and where[low] < b:
            low += 1
        whole = b >= 0 and (b + steps) * step <= 1.0
        if low == high and whole:
            # Nothing in this window nor in any up to the next photon's: all those ratios are the same.
            until = where[high] - steps + 1 if high < size else last + 1
            until = max(min(until, int(np.floor(1.0 / step)) - steps + 1, last + 1), b + 1)
            summed += (until - b) * empty * np.exp(-top)
            b = until
            continue
        if high - low == 1 and counts[low] == 1.0 and whole:
            summed += lone[where[low] - b] * np.exp(-top)
            b += 1
            continue
        if whole:
            ratios[:] = base
            for k in range(low, high):
                for c in range(combos):
                    ratios[c] += counts[k] * log_density[where[k] - b, c]
        else:
            start = b * step
            inside = _reached(cumulative, (1.0 - start) / width) - _reached(cumulative, -start / width)
            if inside <= 0.0:
                b += 1
                continue
            _terms(share, dip, density, inside, width, n, log_cut, base_cut)
            ratios[:] = base_cut
            for k in range(low, high):
                for c in range(combos):
                    ratios[c] += counts[k] * log_cut[where[k] - b, c]
        largest = ratios.max()
        if largest > top:
            summed *= np.exp(top - largest)
            top = largest
        if largest > top - 40.0:
            for c in range(combos):
                summed += np.exp(ratios[c] - top)
        b += 1
    return top, summed / (max(starts, 1) * combos)
