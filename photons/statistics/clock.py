"""The null clock: a transform of time on which photons of a steady source and its background arrive uniformly.

All timing tests use it. The time of a photon becomes livetime (gaps removed, live fraction applied), and livetime
becomes ``u`` in [0, 1], the expected cumulative fraction of counts of a constant source plus the background. Where
arrival times are known to a frame only, photons are spread over it, so that ties cause neither bursts nor gaps.

The profile of the background in time is that of the background region, relative to that of the whole field where the
field shows changes: clocks of the background run on warped livetime, in which the field's background is steady
(`field_warp`). A region smaller than twice the aperture leaves the profile open: profile, source and spectra are then
drawn from their joint posterior (`background_posterior`). For larger regions that show a change, it is the posterior
mean given the region, in each energy band, since flares of the background have a spectrum of their own; else it is
constant. What remains of its error is added to the p-value (`local_background`). Reported intervals are measured over
the Bayesian blocks of the region in any case.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.batch import EventBatch
from xherald.photons.threads import run_in_threads

from .averaged import BANDS
from .background_posterior import draw_background, mean_background
from .blocks import change_point_penalty, coarse_blocks

__all__ = ["NullClock", "null_clock"]


BACKGROUND_P0 = 1e-3
"""Probability of splitting a steady background; small, so that its noise does not enter the null hypothesis."""

MAX_EXACT_ERROR = 0.005
"""Largest relative variance that the error of the background adds to the counts of a window, for which the measured
profile is taken as exact: the ratio of aperture and region times the background's share of the counts."""

MAX_RATIO = 0.5
"""Ratio of the areas of aperture and region above which the region is small, so that the background is drawn together
with the source; below, its posterior mean given the region is as good, and no burst of a source is mistaken for one of
the background that the region missed."""

MIN_SPECTRAL_COUNTS = 400
"""Photons of a background region from which the profile is drawn for each energy band by itself: flares of the
background have another spectrum than the quiet one. With fewer, a common profile in all bands is more precise."""

MIN_WINDOW = 1e-6
"""Smallest width of a window, in units of the good time, for shorter frames."""


@dataclass(frozen=True, slots=True, eq=False)
class NullClock:
    """Photons of a batch on the clock of the null hypothesis.

    Parameters
    ----------
    u : ndarray, shape (photons,) — sorted within each source, in [0, 1]; uniform for a steady source
    tested_u : ndarray, shape (photons,)
        What is tested, sorted within each source: u, or the same over a background that is drawn or averaged over its
        posterior, with its share in each photon's energy band, since its flares change the spectrum in time.
    tested_energy : ndarray, shape (photons,) — keV, energies of `tested_u`
    is_uncertain : ndarray, shape (n,), bool — whether the background's error matters: see `MAX_EXACT_ERROR`
    offsets : ndarray, shape (n + 1,)
    first : ndarray, shape (n,) — index of each source's first tested photon in the batch
    frame : ndarray, shape (n,) — frame time in units of u, at least `MIN_WINDOW`
    knot_livetime, knot_u : ndarray, shape (knots,) — piecewise linear map from livetime (s) to u
    knot_offsets : ndarray, shape (n + 1,)
    """

    u: F64
    tested_u: F64
    tested_energy: F32
    is_uncertain: NDArray[np.bool_]
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
def hash_to_unit(time: float) -> float:
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
        phase = hash_to_unit(time[i])
        for k in range(i, j):
            out[k] = low + (high - low) * (k - i + phase) / (j - i)
        i = j
    for k in range(1, n):
        if out[k] < out[k - 1]:  # interleaved frames of two detectors
            return np.sort(out)
    return out


@njit(cache=True, nogil=True)
def field_warp(start: F64, rate: F64, gti: F64, fraction: F64) -> tuple[F64, F64]:
    """Livetime at knots, and warped livetime, in which the background of the whole field is steady.

    Parameters
    ----------
    start, rate : ndarray, shape (k,) — mission time from which each relative rate of the field holds; may be empty
    gti, fraction : ndarray, shape (m, 2) and (m,) — good times of the source
    """
    total = 0.0
    for row in range(gti.shape[0]):
        total += (gti[row, 1] - gti[row, 0]) * fraction[row]
    live, warped = np.empty(start.size + 1), np.empty(start.size + 1)
    at = accumulated_livetime(start, gti, fraction)
    live[0] = warped[0] = 0.0
    size = 1
    for k in range(start.size):
        stop = at[k + 1] if k + 1 < start.size else total
        if stop > live[size - 1] and rate[k] > 0:
            live[size] = stop
            warped[size] = warped[size - 1] + rate[k] * (stop - live[size - 1])
            size += 1
    if size < 3:
        return np.array([0.0, total]), np.array([0.0, total])
    live[size - 1] = total
    return live[:size], warped[:size] / warped[size - 1] * total


@njit(cache=True, nogil=True)
def background_blocks(background: F64, warp: tuple[F64, F64], penalty: float) -> tuple[F64, F64, bool]:
    """Knots (livetime, fraction of the background before it), and whether it varies otherwise than the field.

    `background` is in warped livetime.
    """
    total = warp[0][-1]
    edges, counts = coarse_blocks(background, 0.0, total, penalty)
    if counts.size < 2:
        return warp[0], warp[1] / total, False
    held = np.zeros(edges.size)
    held[1:] = np.cumsum(counts) / background.size
    if warp[0].size < 3:
        return edges, held, True
    knots = np.sort(np.concatenate((edges, warp[1][1:-1])))
    return np.interp(knots, warp[1], warp[0]), np.interp(knots, edges, held), True


@njit(cache=True, nogil=True)
def bands_of(energy: F32, thresholds: F32) -> I64:
    """Energy band of each photon: the number of thresholds below its energy."""
    out = np.zeros(energy.size, np.int64)
    for i in range(energy.size):
        for threshold in thresholds:
            out[i] += energy[i] > threshold
    return out


@njit(cache=True, nogil=True)
def _u_by_band(
    live: F64,
    energy: F32,
    behind: F64,
    background_energy: F32,
    warp: tuple[F64, F64],
    area_ratio: float,
    seed: int,
) -> F64:
    """U of one source's photons in their energy bands, over a drawn or, for a large region, the mean background.

    `live` and `behind` are in warped livetime.
    """
    n = live.size
    thresholds = np.sort(energy)[np.arange(1, BANDS) * n // BANDS]
    band, background_band = bands_of(energy, thresholds), bands_of(background_energy, thresholds)
    out = np.empty(n)
    is_shared = behind.size < MIN_SPECTRAL_COUNTS
    bands = BANDS if is_shared else 1
    row, background_row = band, background_band
    if not is_shared:
        row, background_row = np.zeros_like(band), np.zeros_like(background_band)
    for part in range(BANDS // bands):  # all bands at once, or each by itself
        own, other = np.arange(n), np.arange(behind.size)
        if not is_shared:
            own, other = np.flatnonzero(band == part), np.flatnonzero(background_band == part)
        if area_ratio > MAX_RATIO:
            edges, expected = draw_background(
                live[own], row[own], behind[other], background_row[other], bands, warp, area_ratio, seed + part
            )
        else:
            counts = np.bincount(row[own], minlength=bands).astype(np.float64)
            background_counts = np.bincount(background_row[other], minlength=bands).astype(np.float64)
            edges, expected = mean_background(behind[other], counts, background_counts, warp, area_ratio, seed + part)
        for k in range(bands):
            these = own[row[own] == k]
            out[these] = np.interp(live[these], edges, expected[k])
    return out


@njit(cache=True, nogil=True)
def _clock_one(
    time: F64,
    energy: F32,
    gti: F64,
    fraction: F64,
    frame_time: float,
    background: F64,
    background_energy: F32,
    area_ratio: float,
    field_start: F64,
    field_rate: F64,
    penalty: float,
) -> tuple[F64, F64, bool, F64, F64]:
    """One source's u, tested u, whether its background is uncertain, and the knots (livetime, u) of the map to u."""
    n, total = time.size, 0.0
    for row in range(gti.shape[0]):
        total += (gti[row, 1] - gti[row, 0]) * fraction[row]
    live = spread_in_frames(time, accumulated_livetime(time, gti, fraction), frame_time, total)
    knots, heights = np.array([0.0, total]), np.array([0.0, 1.0])
    if area_ratio > 0 and n > 0:
        behind = spread_in_frames(background, accumulated_livetime(background, gti, fraction), frame_time, total)
        # Half a photon more: a region without photons does not prove that there is no background.
        share = min(area_ratio * (background.size + 0.5) / n, 1.0)
        warp = field_warp(field_start, field_rate, gti, fraction)
        behind = np.interp(behind, warp[0], warp[1])
        varies = False
        if background.size > 1:
            knots, held, varies = background_blocks(behind, warp, penalty)
            likely = min(area_ratio * background.size / n, 1.0)
            heights = (1.0 - likely) * knots / total + likely * held
        if area_ratio * share > MAX_EXACT_ERROR:
            u = np.interp(live, knots, heights)
            if area_ratio <= MAX_RATIO and not varies:
                return u, u, True, knots, heights
            seed = np.int64(hash_to_unit(time[0] + n) * 2**31)
            warped = np.interp(live, warp[0], warp[1])
            tested = _u_by_band(warped, energy, behind, background_energy, warp, area_ratio, seed)
            return u, tested, True, knots, heights
    u = np.interp(live, knots, heights)
    return u, u, False, knots, heights


@njit(cache=True, nogil=True)
def _clocks(
    time: F64,
    energy: F32,
    offsets: I64,
    skip: I64,
    gti: F64,
    fraction: F64,
    gti_offsets: I64,
    frame_time: F64,
    background: F64,
    background_energy: F32,
    background_offsets: I64,
    area_ratio: F64,
    field: tuple[F64, F64, I64],
    penalties: F64,
    new_offsets: I64,
    first: int,
    stop: int,
    u: F64,
    tested: F64,
    tested_energy: F32,
    is_uncertain: NDArray[np.bool_],
) -> tuple[F64, F64, I64]:
    """Fill u, tested u and energy, and the mask of uncertain backgrounds; returns knots, heights, numbers of knots."""
    all_knots = []
    all_heights = []
    sizes = np.zeros(stop - first, np.int64)
    for s in range(first, stop):
        a, b = offsets[s], offsets[s + 1]
        rows = slice(gti_offsets[s], gti_offsets[s + 1])
        behind = slice(background_offsets[s], background_offsets[s + 1])
        light = slice(field[2][s], field[2][s + 1])
        one, in_time_order, is_uncertain[s], knots, heights = _clock_one(
            time[a:b],
            energy[a:b],
            gti[rows],
            fraction[rows],
            frame_time[s],
            background[behind],
            background_energy[behind],
            area_ratio[s],
            field[0][light],
            field[1][light],
            penalties[s],
        )
        at, kept = new_offsets[s], new_offsets[s + 1] - new_offsets[s]
        if kept > 0:
            inner = in_time_order[skip[s] : skip[s] + kept]
            order = np.argsort(inner, kind="mergesort")
            u[at : at + kept] = one[skip[s] : skip[s] + kept]
            tested[at : at + kept] = inner[order]
            tested_energy[at : at + kept] = energy[a + skip[s] : a + skip[s] + kept][order]
        all_knots.append(knots)
        all_heights.append(heights)
        sizes[s - first] = knots.size
    knots_flat, heights_flat = np.empty(sizes.sum()), np.empty(sizes.sum())
    at = 0
    for i in range(stop - first):
        knots_flat[at : at + sizes[i]] = all_knots[i]
        heights_flat[at : at + sizes[i]] = all_heights[i]
        at += sizes[i]
    return knots_flat, heights_flat, sizes


def null_clock(batch: EventBatch, threads: int = 0) -> NullClock:
    """Transform a batch's photons to the null clock.

    The time profile of the background is its Bayesian-block light curve (Scargle et al. 2013, ApJ 764, 167), weighted
    by the expected fraction of background photons; what is tested takes its error into account where that matters.
    Random numbers have the photons as seed, so that the result is reproducible. If good times are unknown, the first
    and last photon define them and are excluded from `u`.

    Parameters
    ----------
    batch : EventBatch
    threads : int
        0 uses all cores.
    """
    skip = np.where(batch.good_times_known, 0, 1).astype(np.int64)
    counts = np.maximum(batch.counts - 2 * skip, 0)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    u, tested, tested_energy = np.empty(offsets[-1]), np.empty(offsets[-1]), np.empty(offsets[-1], np.float32)
    is_uncertain = np.zeros(len(batch), dtype=np.bool_)
    penalties = change_point_penalty(np.diff(batch.background_offsets), BACKGROUND_P0)
    found: dict[int, tuple[F64, F64, I64]] = {}

    def run(first: int, stop: int) -> None:
        found[first] = _clocks(
            batch.time,
            batch.energy,
            batch.offsets,
            skip,
            batch.gti,
            batch.gti_fraction,
            batch.gti_offsets,
            batch.frame_time,
            batch.background_time,
            batch.background_energy,
            batch.background_offsets,
            batch.area_ratio,
            (batch.field_start, batch.field_rate, batch.field_offsets),
            penalties,
            offsets,
            first,
            stop,
            u,
            tested,
            tested_energy,
            is_uncertain,
        )

    run_in_threads(run, batch.offsets, threads)
    parts = [found[first] for first in sorted(found)]
    knots, heights = (np.concatenate([part[i] for part in parts]) if parts else np.empty(0) for i in (0, 1))
    sizes = np.concatenate([part[2] for part in parts]) if parts else np.empty(0, np.int64)
    good_time = batch.livetime / batch.live_fraction
    return NullClock(
        u=u,
        tested_u=tested,
        tested_energy=tested_energy,
        is_uncertain=is_uncertain,
        offsets=offsets,
        first=batch.offsets[:-1] + skip,
        frame=np.maximum(batch.frame_time / np.maximum(good_time, np.finfo(float).tiny), MIN_WINDOW),
        knot_livetime=knots,
        knot_u=heights,
        knot_offsets=np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
    )
