"""T90 of a flare: the live time of the middle 90 % of its excess counts, with its uncertainty.

As Koshut et al. 1996, ApJ 463, 570, but photon by photon: counts in excess of the level outside are accumulated; T90
runs from 5 % to 95 % of the total. Photon times are those of the clock of the null hypothesis
(`photons.statistics.clock`), on which a steady source is uniform: gaps are closed, a variable background is flat, and
photons of one frame are spread over it.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xherald.photons.arrays import F64, I64
from xherald.photons.statistics.clock import accumulated_livetime

__all__ = ["DRAWS", "event_windows", "middle_90", "on_clock"]


DRAWS = 400
"""Bootstrap draws: limits at 16 and 84 % are then good to a tenth of their distance."""

SIGMAS = 3.0
"""Excess of a Bayesian block over the usual level at which it is part of a burst."""


@njit(cache=True, nogil=True)
def on_clock(
    time: F64,
    source: I64,
    gti: F64,
    fraction: F64,
    gti_offsets: I64,
    knot_livetime: F64,
    knot_u: F64,
    knot_offsets: I64,
) -> F64:
    """Positions of mission times on the null clocks of the given sources; NaN where a time is NaN.

    Parameters
    ----------
    time, source : ndarray, shape (k,) — mission seconds, and index of the source
    gti, fraction, gti_offsets : ndarray
        Good-time intervals, see `EventBatch`.
    knot_livetime, knot_u, knot_offsets : ndarray
        The clock, see `NullClock`.
    """
    out = np.full(time.size, np.nan)
    for i in range(time.size):
        if not np.isfinite(time[i]):
            continue
        s = source[i]
        rows = slice(gti_offsets[s], gti_offsets[s + 1])
        knots = slice(knot_offsets[s], knot_offsets[s + 1])
        good = accumulated_livetime(time[i : i + 1], gti[rows], fraction[rows])[0]
        out[i] = np.interp(good, knot_livetime[knots], knot_u[knots])
    return out


@njit(cache=True, nogil=True)
def event_windows(window: F64, edges: F64, edge_offsets: I64, u: F64, offsets: I64) -> F64:
    """Widen windows over the adjacent Bayesian blocks that are above the usual level.

    The interval of a test is where a burst is most significant, without its tail. The usual level is that of the block
    at which half of the time is reached when blocks are sorted by rate; a block is above it if its excess is `SIGMAS`
    standard deviations, the uncertainty of the usual level included.

    Parameters
    ----------
    window : ndarray, shape (n, 2)
    edges, edge_offsets : ndarray — block edges, flat, and where each source's begin
    u, offsets : ndarray — photons, flat, and where each source's begin

    Returns
    -------
    ndarray, shape (n, 2)
    """
    out = window.copy()
    for s in range(window.shape[0]):
        at = edges[edge_offsets[s] : edge_offsets[s + 1]]
        blocks = at.size - 1
        if blocks < 2 or not (np.isfinite(window[s, 0]) and np.isfinite(window[s, 1])):
            continue
        x = u[offsets[s] : offsets[s + 1]]
        counts, width = np.zeros(blocks), np.zeros(blocks)
        for b in range(blocks):
            counts[b] = np.searchsorted(x, at[b + 1]) - np.searchsorted(x, at[b])
            width[b] = max(at[b + 1] - at[b], 1e-12)
        usual, passed = 0, 0.0
        for b in np.argsort(counts / width):
            usual, passed = b, passed + width[b]
            if passed >= 0.5 * width.sum():
                break
        # One more count, because the level is never known to be zero.
        expected = (counts[usual] + 1.0) / width[usual] * width
        above = counts - expected > SIGMAS * np.sqrt(expected + expected**2 / (counts[usual] + 1.0))
        first = min(max(np.searchsorted(at, window[s, 0], side="right") - 1, 0), blocks - 1)
        last = min(max(np.searchsorted(at, window[s, 1], side="left") - 1, first), blocks - 1)
        while first >= 0 and above[first]:
            out[s, 0] = min(out[s, 0], at[first])
            first -= 1
        while last < blocks and above[last]:
            out[s, 1] = max(out[s, 1], at[last + 1])
            last += 1
    return out


@njit(cache=True, nogil=True)
def _middle(x: F64, weight: F64, low: float, high: float, level: float) -> tuple[float, float]:
    """Times at which 5 and 95 % of the weighted excess over a level are reached; NaN without an excess."""
    total = 0.0
    for i in range(x.size):
        total += weight[i]
    total -= level * (high - low)
    if not total > 0:
        return np.nan, np.nan
    held = 0.0
    start, stop = np.nan, np.nan
    for i in range(x.size):
        before = held - level * (x[i] - low)
        held += weight[i]
        after = held - level * (x[i] - low)
        if np.isnan(start) and after >= 0.05 * total:
            start = x[i]
        # The last photon before which less than 95 % is reached: the mirror image of the rule for the first.
        if before < 0.95 * total and weight[i] > 0:
            stop = x[i]
    return start, stop


@njit(cache=True, nogil=True)
def middle_90(u: F64, offsets: I64, window: F64) -> tuple[F64, F64, F64, F64]:
    """Start, stop and the 68 % interval of the width of T90, each of shape (n,), on the null clock.

    The interval is a bootstrap: the window's photons are drawn again with replacement, their number and that of the
    photons outside from Poisson distributions. Widths drawn are narrower than what they are drawn from where photons
    are few, so on either side the wider of the percentile and of the basic interval is taken (Davison & Hinkley 1997,
    sections 5.2 and 5.3), which covers 65 to 81 % for exponential and Gaussian flares of 8 to 1,000 counts. Draws are
    seeded by the numbers of photons: the same photons give the same interval.

    Parameters
    ----------
    u : ndarray, shape (photons,) — on the null clock, sorted within each source
    offsets : ndarray, shape (n + 1,)
    window : ndarray, shape (n, 2) — the event
    """
    n = window.shape[0]
    start, stop = np.full(n, np.nan), np.full(n, np.nan)
    low, high = np.full(n, np.nan), np.full(n, np.nan)
    for s in range(n):
        a, b = window[s, 0], window[s, 1]
        every = u[offsets[s] : offsets[s + 1]]
        if not (np.isfinite(a) and np.isfinite(b)) or not b > a:
            continue
        x = every[np.searchsorted(every, a, side="left") : np.searchsorted(every, b, side="right")]
        rest = 1.0 - (b - a)
        outside = every.size - x.size
        level = outside / rest if rest > 1e-9 else 0.0
        start[s], stop[s] = _middle(x, np.ones(x.size), a, b, level)
        width = stop[s] - start[s]
        if not np.isfinite(width):
            continue
        np.random.seed((x.size * 10_007 + outside) % 2**32)  # noqa: NPY002 - numba's own generator
        # With many photons, fewer draws give the spread as precisely.
        draws = max(min(DRAWS, 200_000 // max(x.size, 1)), DRAWS // 4)
        drawn = np.empty(draws)
        found = 0
        for _ in range(draws):
            weight = np.empty(x.size)
            for i in range(x.size):
                weight[i] = np.random.poisson(1.0)  # noqa: NPY002
            there = np.random.poisson(outside) / rest if rest > 1e-9 else 0.0  # noqa: NPY002
            first, last = _middle(x, weight, a, b, there)
            if np.isfinite(first) and np.isfinite(last):
                drawn[found] = last - first
                found += 1
        if found < draws // 2:
            continue
        values = np.sort(drawn[:found])
        below, above = values[int(0.158655 * found)], values[min(int(0.841345 * found), found - 1)]
        low[s] = max(min(below, 2.0 * width - above, width), 0.0)
        high[s] = min(max(above, 2.0 * width - below, width), 1.0)
    return start, stop, low, high
