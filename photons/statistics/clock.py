"""The null clock: a transform of time on which photons of a steady source and its background arrive uniformly.

All timing tests use it. The time of a photon becomes livetime (gaps removed, live fraction applied), and livetime
becomes ``u`` in [0, 1], the expected cumulative fraction of counts of a constant source plus the background measured in
the background region. Where arrival times are known to a frame only, photons are spread over it, so that ties cause
neither bursts nor gaps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit

from xherald.photons.arrays import F64, I64
from xherald.photons.batch import EventBatch

from .blocks import change_point_penalty, coarse_blocks

__all__ = ["NullClock", "null_clock"]


BACKGROUND_P0 = 1e-3
"""Probability of splitting a steady background; small, so that its noise does not enter the null hypothesis."""

MIN_WINDOW = 1e-6
"""Smallest width of a window, in units of the good time, for shorter frames."""


@dataclass(frozen=True, slots=True, eq=False)
class NullClock:
    """Photons of a batch on the clock of the null hypothesis.

    Parameters
    ----------
    u : ndarray, shape (photons,) — sorted within each source, in [0, 1]; uniform for a steady source
    offsets : ndarray, shape (n + 1,)
    first : ndarray, shape (n,) — index of each source's first tested photon in the batch
    frame : ndarray, shape (n,) — frame time in units of u, at least `MIN_WINDOW`
    knot_livetime, knot_u : ndarray, shape (knots,) — piecewise linear map from livetime (s) to u
    knot_offsets : ndarray, shape (n + 1,)
    """

    u: F64
    offsets: I64
    first: I64
    frame: F64
    knot_livetime: F64
    knot_u: F64
    knot_offsets: I64


@njit(cache=True, nogil=True)
def accumulated_livetime(time: F64, gti: F64, fraction: F64) -> F64:
    """Livetime accumulated before each of the sorted times, s; `gti` of shape (m, 2)."""
    out = np.empty(time.size)
    row = 0
    before = 0.0
    last = gti.shape[0] - 1
    for i in range(time.size):
        while row < last and time[i] >= gti[row + 1, 0]:
            before += (gti[row, 1] - gti[row, 0]) * fraction[row]
            row += 1
        inside = min(max(time[i] - gti[row, 0], 0.0), gti[row, 1] - gti[row, 0])
        out[i] = before + inside * fraction[row]
    return out


@njit(cache=True, nogil=True)
def _hash_to_unit(time: float) -> float:
    """Pseudo-random number in [0, 1) from the time of a frame, for the positions of its photons within it.

    Depending on the time alone, it makes results reproducible (SplitMix64, Steele, Lea & Flood 2014, OOPSLA).
    """
    z = np.uint64(np.int64(time * 1e4)) + np.uint64(0x9E3779B97F4A7C15)
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    return float(z >> np.uint64(11)) / 2.0**53


@njit(cache=True, nogil=True)
def spread_in_frames(time: F64, livetime: F64, frame_time: float, total: float) -> F64:
    """Livetimes with the photons of each frame spread evenly over it, sorted.

    k photons of a frame are 1/k of a frame apart, and photons of different frames as far as continuous arrival times
    would be.
    """
    out = livetime.copy()
    n = time.size
    if frame_time <= 0:
        return out
    i = 0
    while i < n:
        j = i + 1
        while j < n and time[j] == time[i]:
            j += 1
        low = max(livetime[i] - 0.5 * frame_time, 0.0)
        high = min(livetime[i] + 0.5 * frame_time, total)
        phase = _hash_to_unit(time[i])
        for k in range(i, j):
            out[k] = low + (high - low) * (k - i + phase) / (j - i)
        i = j
    for k in range(1, n):
        if out[k] < out[k - 1]:  # interleaved frames of two detectors
            return np.sort(out)
    return out


@njit(cache=True, nogil=True)
def _clock_one(
    time: F64, gti: F64, fraction: F64, frame_time: float, background: F64, area_ratio: float, penalty: float
) -> tuple[F64, F64, F64]:
    """U of one source's photons, and the knots (livetime, u) of its map."""
    total = 0.0
    for row in range(gti.shape[0]):
        total += (gti[row, 1] - gti[row, 0]) * fraction[row]
    knots = np.array([0.0, total])
    heights = np.array([0.0, 1.0])
    live = spread_in_frames(time, accumulated_livetime(time, gti, fraction), frame_time, total)
    if area_ratio > 0 and background.size > 1 and time.size > 0:
        background_live = spread_in_frames(
            background, accumulated_livetime(background, gti, fraction), frame_time, total
        )
        edges, counts = coarse_blocks(background_live, 0.0, total, penalty)
        if counts.size > 1:
            share = min(area_ratio * background.size / time.size, 1.0)
            knots = edges
            heights = np.empty(edges.size)
            heights[0] = 0.0
            running = 0.0
            for k in range(counts.size):
                running += counts[k]
                heights[k + 1] = (1 - share) * edges[k + 1] / total + share * running / background.size
            heights[-1] = 1.0
    return np.interp(live, knots, heights), knots, heights


@njit(cache=True, nogil=True)
def _clock_all(
    time: F64,
    offsets: I64,
    skip: I64,
    gti: F64,
    fraction: F64,
    gti_offsets: I64,
    frame_time: F64,
    background: F64,
    background_offsets: I64,
    area_ratio: F64,
    penalties: F64,
) -> tuple[F64, I64, F64, F64, I64]:
    n = offsets.size - 1
    new_offsets = np.zeros(n + 1, np.int64)
    for s in range(n):
        new_offsets[s + 1] = new_offsets[s] + max(offsets[s + 1] - offsets[s] - 2 * skip[s], 0)
    u = np.empty(new_offsets[-1])
    all_knots = []
    all_heights = []
    knot_offsets = np.zeros(n + 1, np.int64)
    for s in range(n):
        a, b = offsets[s], offsets[s + 1]
        rows = slice(gti_offsets[s], gti_offsets[s + 1])
        own_background = background[background_offsets[s] : background_offsets[s + 1]]
        one, knots, heights = _clock_one(
            time[a:b], gti[rows], fraction[rows], frame_time[s], own_background, area_ratio[s], penalties[s]
        )
        kept = new_offsets[s + 1] - new_offsets[s]
        if kept > 0:
            u[new_offsets[s] : new_offsets[s + 1]] = one[skip[s] : skip[s] + kept]
        all_knots.append(knots)
        all_heights.append(heights)
        knot_offsets[s + 1] = knot_offsets[s] + knots.size
    knots_flat = np.empty(knot_offsets[-1])
    heights_flat = np.empty(knot_offsets[-1])
    for s in range(n):
        knots_flat[knot_offsets[s] : knot_offsets[s + 1]] = all_knots[s]
        heights_flat[knot_offsets[s] : knot_offsets[s + 1]] = all_heights[s]
    return u, new_offsets, knots_flat, heights_flat, knot_offsets


def null_clock(batch: EventBatch) -> NullClock:
    """Transform a batch's photons to the null clock.

    The time profile of the background is its Bayesian-block light curve (Scargle et al. 2013, ApJ 764, 167), weighted
    by the expected fraction of background photons; a background without a significant change is constant. If good times
    are unknown, the first and last photon define them and are excluded from `u`.
    """
    skip = np.where(batch.good_times_known, 0, 1).astype(np.int64)
    background_counts = np.diff(batch.background_offsets)
    u, offsets, knots, heights, knot_offsets = _clock_all(
        batch.time,
        batch.offsets,
        skip,
        batch.gti,
        batch.gti_fraction,
        batch.gti_offsets,
        batch.frame_time,
        batch.background_time,
        batch.background_offsets,
        batch.area_ratio,
        change_point_penalty(background_counts, BACKGROUND_P0),
    )
    good_time = batch.livetime / batch.live_fraction
    return NullClock(
        u=u,
        offsets=offsets,
        first=batch.offsets[:-1] + skip,
        frame=np.maximum(batch.frame_time / np.maximum(good_time, np.finfo(float).tiny), MIN_WINDOW),
        knot_livetime=knots,
        knot_u=heights,
        knot_offsets=knot_offsets,
    )
