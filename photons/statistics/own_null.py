"""Steady sources that could have given what was observed: the null hypothesis of a source's own.

Each source is drawn anew many times under the null hypothesis that it is steady: profile of the background, rate of the
source and spectra are drawn from their posterior (`background_posterior`), then the times of its photons and of those
of its background region. Numbers and energies of photons, exposure, frames and areas are those of the source. A test
applied to source and draws alike gives a p-value that includes the counting error of the background region and any
spectrum, number of photons and exposure (parametric bootstrap, Efron & Tibshirani 1993, ch. 16; posterior predictive
p-value, Meng 1994, Ann. Stat. 22, 1142).
"""

# ruff: noqa: NPY002 — kernels cannot create a Generator; numba has one legacy generator for each thread.
from __future__ import annotations

from dataclasses import replace
from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.batch import EventBatch
from xherald.photons.threads import run_in_threads

from .averaged import BANDS
from .background_posterior import draw_null_hypotheses
from .blocks import change_point_penalty
from .clock import (
    BACKGROUND_P0,
    MAX_EXACT_ERROR,
    MAX_RATIO,
    MIN_SPECTRAL_COUNTS,
    accumulated_livetime,
    background_blocks,
    bands_of,
    field_warp,
    hash_to_unit,
    spread_in_frames,
)
from .frames import notice_frames

__all__ = ["draw_steady_sources", "uncertain_backgrounds"]


@njit(cache=True, nogil=True)
def _times_at(livetime: F64, gti: F64, fraction: F64) -> F64:
    """Times of livetimes, s."""
    ends = np.cumsum((gti[:, 1] - gti[:, 0]) * fraction)
    out = np.empty(livetime.size)
    for i in range(livetime.size):
        row = min(np.searchsorted(ends, livetime[i], side="right"), gti.shape[0] - 1)
        out[i] = max(gti[row, 1] - (ends[row] - livetime[i]) / fraction[row], gti[row, 0])
    return out


@njit(cache=True, nogil=True)
def _draw_times(
    expected: F64, edges: F64, warp: tuple[F64, F64], gti: F64, fraction: F64, frame: float, phase: float, out: F64
) -> None:
    """Fill times of photons at the middle of frames, given the cumulative fractions at edges of warped livetime."""
    warped = np.interp(np.random.random(out.size), expected, edges)
    out[:] = _times_at(np.interp(warped, warp[1], warp[0]), gti, fraction)
    if frame > 0:
        for i in range(out.size):
            out[i] = phase + np.rint((out[i] - phase) / frame) * frame


@njit(cache=True, nogil=True)
def _order(order: I64, time: F64, energy: F32, weight: F32, new_energy: F32, new_weight: F32) -> None:
    """Sort new times, and the energies and weights of their photons with them."""
    time[:] = time[order]
    new_energy[:] = energy[order]
    new_weight[:] = weight[order]


@njit(cache=True, nogil=True)
def _draw_one(
    time: F64,
    energy: F32,
    weight: F32,
    skip: int,
    gti: F64,
    fraction: F64,
    frame: float,
    background: F64,
    background_energy: F32,
    area_ratio: float,
    field_start: F64,
    field_rate: F64,
    wing_energy: F32,
    wing_weight: F32,
    seed: int,
    new_time: F64,
    new_energy: F32,
    new_weight: F32,
    new_background: F64,
    new_background_energy: F32,
    new_wing: F64,
    new_wing_energy: F32,
    new_wing_weight: F32,
) -> None:
    """Fill the draws of one source, its background region and its wings, sorted by time; shape (draws, photons)."""
    np.random.seed(seed)
    draws, n = new_time.shape
    m, total = background.size, 0.0
    for row in range(gti.shape[0]):
        total += (gti[row, 1] - gti[row, 0]) * fraction[row]
    thresholds = np.sort(energy)[np.arange(1, BANDS) * n // BANDS]
    band, background_band = bands_of(energy, thresholds), bands_of(background_energy, thresholds)
    is_shared = m < MIN_SPECTRAL_COUNTS
    warp = field_warp(field_start, field_rate, gti, fraction)
    ends, steady = warp[1], warp[0] / total
    edges, profiles = ends, np.zeros((draws, ends.size))
    profiles[:] = ends / total
    if area_ratio > 0:
        live = spread_in_frames(time, accumulated_livetime(time, gti, fraction), frame, total)
        behind = spread_in_frames(background, accumulated_livetime(background, gti, fraction), frame, total)
        live, behind = np.interp(live, warp[0], warp[1]), np.interp(behind, warp[0], warp[1])
    bands = BANDS if is_shared else 1
    row_of, background_row_of = band, background_band
    if not is_shared:
        row_of, background_row_of = np.zeros_like(band), np.zeros_like(background_band)
    for k in range(BANDS):
        own, other = np.flatnonzero(band == k), np.flatnonzero(background_band == k)
        if area_ratio > 0 and (k == 0 or not is_shared):  # all bands at once, or each by itself
            here, there = own, other
            if is_shared:
                here, there = np.arange(n), np.arange(m)
            edges, expected, profiles = draw_null_hypotheses(
                live[here], row_of[here], behind[there], background_row_of[there], bands, warp, area_ratio, draws
            )
        for draw in range(draws):
            one, two = np.empty(own.size), np.empty(other.size)
            if area_ratio > 0:
                _draw_times(expected[draw, k if is_shared else 0], edges, warp, gti, fraction, frame, time[0], one)
                _draw_times(profiles[draw], edges, warp, gti, fraction, frame, time[0], two)
            else:
                _draw_times(steady, ends, warp, gti, fraction, frame, time[0], one)
            new_time[draw][own] = one
            new_background[draw][other] = two
    wing = np.empty(1)
    for draw in range(draws):
        if skip > 0:  # first and last photon define the good time
            new_time[draw, 0], new_time[draw, n - 1] = time[0], time[n - 1]
        order = np.argsort(new_time[draw], kind="mergesort")
        _order(order, new_time[draw], energy, weight, new_energy[draw], new_weight[draw])
        order = np.argsort(new_background[draw], kind="mergesort")
        new_background[draw] = new_background[draw][order]
        new_background_energy[draw] = background_energy[order]
        for i in range(wing_weight.size):
            if np.random.random() < wing_weight[i]:
                _draw_times(steady, ends, warp, gti, fraction, frame, time[0], wing)
            else:
                _draw_times(profiles[draw], edges, warp, gti, fraction, frame, time[0], wing)
            new_wing[draw, i] = wing[0]
        order = np.argsort(new_wing[draw], kind="mergesort")
        _order(order, new_wing[draw], wing_energy, wing_weight, new_wing_energy[draw], new_wing_weight[draw])


_Photons: TypeAlias = tuple[F64, F32, F32, I64]
"""Times, energies, weights and offsets."""


@njit(cache=True, nogil=True)
def _draw_all(
    source: _Photons,
    background: _Photons,
    wings: _Photons,
    skip: I64,
    gti: F64,
    fraction: F64,
    gti_offsets: I64,
    frame_time: F64,
    area_ratio: F64,
    field: tuple[F64, F64, I64],
    draws: int,
    salt: int,
    first: int,
    stop: int,
    new_source: tuple[F64, F32, F32],
    new_background: tuple[F64, F32],
    new_wings: tuple[F64, F32, F32],
) -> None:
    for s in range(first, stop):
        a, b = source[3][s], source[3][s + 1]
        c, d = background[3][s], background[3][s + 1]
        e, f = wings[3][s], wings[3][s + 1]
        if b == a:
            continue
        rows = slice(gti_offsets[s], gti_offsets[s + 1])
        own, behind, wing = slice(draws * a, draws * b), slice(draws * c, draws * d), slice(draws * e, draws * f)
        n, m, k = (draws, b - a), (draws, d - c), (draws, f - e)
        _draw_one(
            source[0][a:b],
            source[1][a:b],
            source[2][a:b],
            skip[s],
            gti[rows],
            fraction[rows],
            frame_time[s],
            background[0][c:d],
            background[1][c:d],
            area_ratio[s],
            field[0][field[2][s] : field[2][s + 1]],
            field[1][field[2][s] : field[2][s + 1]],
            wings[1][e:f],
            wings[2][e:f],
            np.int64(hash_to_unit(source[0][a] + (b - a) + 1e-2 * salt) * 2**31),
            new_source[0][own].reshape(n),
            new_source[1][own].reshape(n),
            new_source[2][own].reshape(n),
            new_background[0][behind].reshape(m),
            new_background[1][behind].reshape(m),
            new_wings[0][wing].reshape(k),
            new_wings[1][wing].reshape(k),
            new_wings[2][wing].reshape(k),
        )


def draw_steady_sources(batch: EventBatch, draws: int, salt: int = 0, threads: int = 0) -> EventBatch:
    """Draw every source of a batch anew under the null hypothesis of its own.

    The draws have the photons of the source as seed, so that they are reproducible.

    Parameters
    ----------
    batch : EventBatch
    draws : int
        Of each source.
    salt : int
        Different values give independent draws.
    threads : int
        0 uses all cores.

    Returns
    -------
    EventBatch
        ``draws * len(batch)`` sources; those of the first source come first. They keep the identity of the source, and
        were selected by no search (`selection_p` of 0).
    """
    batch = notice_frames(batch, threads)
    drawn = batch.select(np.repeat(np.arange(len(batch)), draws))

    def new(photons: int, arrays: int) -> tuple[NDArray[Any], ...]:
        return np.empty(photons), *(np.empty(photons, np.float32) for _ in range(arrays - 1))

    source, wings = new(len(drawn.time), 3), new(len(drawn.wing_time), 3)
    background = new(len(drawn.background_time), 2)
    run_in_threads(
        lambda first, stop: _draw_all(
            (batch.time, batch.energy, batch.weight, batch.offsets),
            (batch.background_time, batch.background_energy, batch.background_energy, batch.background_offsets),
            (batch.wing_time, batch.wing_energy, batch.wing_weight, batch.wing_offsets),
            np.where(batch.good_times_known, 0, 1).astype(np.int64),
            batch.gti,
            batch.gti_fraction,
            batch.gti_offsets,
            batch.frame_time,
            batch.area_ratio,
            (batch.field_start, batch.field_rate, batch.field_offsets),
            draws,
            salt,
            first,
            stop,
            source,
            background,
            wings,
        ),
        batch.offsets,
        threads,
    )
    return replace(
        drawn,
        time=source[0],
        energy=source[1],
        weight=source[2],
        background_time=background[0],
        background_energy=background[1],
        wing_time=wings[0],
        wing_energy=wings[1],
        wing_weight=wings[2],
        selection_p=np.zeros(len(drawn)),
        selection_trials=np.full(len(drawn), np.inf),
    )


def uncertain_backgrounds(batch: EventBatch) -> NDArray[np.bool_]:
    """Whether the background of each source is known too poorly for the pooled null hypothesis, shape (n,).

    It is where the region is small, and where the background is seen to vary.
    """
    uncertain = batch.area_ratio > MAX_RATIO
    share = batch.area_ratio * np.diff(batch.background_offsets) / np.maximum(batch.counts, 1)
    penalties = change_point_penalty(np.diff(batch.background_offsets), BACKGROUND_P0)
    for s in np.flatnonzero((batch.area_ratio > 0) & ~uncertain & (batch.area_ratio * share > MAX_EXACT_ERROR)):
        one, rows = (
            batch.background_time[batch.background_offsets[s] : batch.background_offsets[s + 1]],
            slice(batch.gti_offsets[s], batch.gti_offsets[s + 1]),
        )
        if len(one) < 2:
            continue
        live = accumulated_livetime(one, batch.gti[rows], batch.gti_fraction[rows])
        total = float((np.diff(batch.gti[rows], axis=1)[:, 0] * batch.gti_fraction[rows]).sum())
        live = spread_in_frames(one, live, batch.frame_time[s], total)
        light = slice(batch.field_offsets[s], batch.field_offsets[s + 1])
        warp = field_warp(batch.field_start[light], batch.field_rate[light], batch.gti[rows], batch.gti_fraction[rows])
        uncertain[s] = background_blocks(np.interp(live, *warp), warp, penalties[s])[2]
    return uncertain
