"""Mission time, counts and hardness of windows on the null clock."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.batch import EventBatch

from .clock import NullClock, accumulated_livetime
from .hardness import hardness_posterior
from .result import Hardness, Intervals

__all__ = ["band_counts", "interval_columns", "interval_hardness", "to_mission_time"]


@njit(cache=True, nogil=True)
def _time_at(livetime: float, gti: F64, fraction: F64, late: bool) -> float:
    """Mission time of a livetime; at a gap its start, or with `late` its end."""
    left = livetime
    last = gti.shape[0] - 1
    for row in range(gti.shape[0]):
        width = (gti[row, 1] - gti[row, 0]) * fraction[row]
        if left < width or (left <= width and not late) or row == last:
            return float(gti[row, 0] + min(left, width) / fraction[row])
        left -= width
    return float(gti[last, 1])


@njit(cache=True, nogil=True)
def _mission_times(
    u: F64, source: I64, knot_livetime: F64, knot_u: F64, knot_offsets: I64, gti: F64, fraction: F64, gti_offsets: I64
) -> tuple[F64, F64]:
    time = np.empty(u.size)
    livetime = np.empty(u.size)
    for i in range(u.size):
        s = source[i]
        knots = slice(knot_offsets[s], knot_offsets[s + 1])
        rows = slice(gti_offsets[s], gti_offsets[s + 1])
        livetime[i] = np.interp(u[i], knot_u[knots], knot_livetime[knots])
        time[i] = _time_at(livetime[i], gti[rows], fraction[rows], False)
    return time, livetime


def to_mission_time(batch: EventBatch, clock: NullClock, u: F64, source: I64) -> tuple[F64, F64]:
    """Mission time and livetime (s, without dead time) of points on the null clock of the given sources."""
    time, good = _mission_times(
        u,
        source,
        clock.knot_livetime,
        clock.knot_u,
        clock.knot_offsets,
        batch.gti,
        batch.gti_fraction,
        batch.gti_offsets,
    )
    return time, good * batch.live_fraction[source]


@njit(cache=True, nogil=True)
def _columns(
    window: F64,
    u: F64,
    offsets: I64,
    first: I64,
    photon_time: F64,
    frame_time: F64,
    knot_livetime: F64,
    knot_u: F64,
    knot_offsets: I64,
    gti: F64,
    fraction: F64,
    gti_offsets: I64,
) -> F64:
    """Start, stop, good time, counts and expected counts of each window, shape (n, 5)."""
    n = window.shape[0]
    out = np.full((n, 5), np.nan)
    for s in range(n):
        low, high = window[s, 0], window[s, 1]
        x = u[offsets[s] : offsets[s + 1]]
        if not (np.isfinite(low) and np.isfinite(high)) or x.size == 0:
            continue
        knots = slice(knot_offsets[s], knot_offsets[s + 1])
        rows = slice(gti_offsets[s], gti_offsets[s + 1])
        good, live = gti[rows], fraction[rows]
        inner = np.searchsorted(x, low, side="right"), np.searchsorted(x, high, side="left")
        outer = np.searchsorted(x, low, side="left"), np.searchsorted(x, high, side="right")
        half = 0.5 * frame_time[s]
        if outer[1] - outer[0] > x.size * (high - low):
            # Brighter inside: from the first photon to the last, including their whole frames.
            start, stop = photon_time[first[s] + outer[0]], photon_time[first[s] + outer[1] - 1]
            count = outer[1] - outer[0]
            before, after = accumulated_livetime(np.array([start - half, stop + half]), good, live)
            if start == stop:
                start, stop = max(start - half, good[0, 0]), min(stop + half, good[-1, 1])
        else:
            start = _time_at(np.interp(low, knot_u[knots], knot_livetime[knots]), good, live, True)
            stop = _time_at(np.interp(high, knot_u[knots], knot_livetime[knots]), good, live, False)
            count = max(inner[1] - inner[0], 0)
            before, after = accumulated_livetime(np.array([start, stop]), good, live)
        share = np.interp(after, knot_livetime[knots], knot_u[knots]) - np.interp(
            before, knot_livetime[knots], knot_u[knots]
        )
        out[s, 0], out[s, 1], out[s, 2], out[s, 3] = start, stop, after - before, count
        if share < 1.0:
            out[s, 4] = (x.size - count) * share / (1.0 - share)
    return out


def interval_columns(batch: EventBatch, clock: NullClock, window: F64) -> Intervals:
    """Intervals of mission time for windows on the null clock, shape (n, 2).

    An interval brighter than the rest extends from its first photon to its last (over the whole frame if these share
    one), with all photons in between; its livetime includes their whole frames. A fainter interval lies between the
    photons that bound it. `expected` is the number of photons predicted from those outside.
    """
    out = _columns(
        np.ascontiguousarray(window),
        clock.u,
        clock.offsets,
        clock.first,
        batch.time,
        batch.frame_time,
        clock.knot_livetime,
        clock.knot_u,
        clock.knot_offsets,
        batch.gti,
        batch.gti_fraction,
        batch.gti_offsets,
    )
    return Intervals(out[:, 0], out[:, 1], out[:, 2] * batch.live_fraction, out[:, 3], out[:, 4])


@njit(cache=True, nogil=True)
def band_counts(time: F64, energy: NDArray[np.float32], offsets: I64, start: F64, stop: F64, split: F64) -> I64:
    """Soft and hard counts before, inside and after each interval, shape (n, 3, 2)."""
    n = offsets.size - 1
    out = np.zeros((n, 3, 2), np.int64)
    for s in range(n):
        for i in range(offsets[s], offsets[s + 1]):
            part = 0 if time[i] < start[s] else (1 if time[i] <= stop[s] else 2)
            out[s, part, 1 if energy[i] >= split[s] else 0] += 1
    return out


def interval_hardness(batch: EventBatch, intervals: Intervals, threads: int = 0) -> Hardness:
    """Hardness ratio before, inside and after an interval, corrected for the background of the same time."""
    split = batch.hardness_split
    arguments = (intervals.start, intervals.stop, split)
    counts = band_counts(batch.time, batch.energy, batch.offsets, *arguments)
    background = band_counts(batch.background_time, batch.background_energy, batch.background_offsets, *arguments)
    ratio = np.repeat(batch.area_ratio, 3)
    soft, hard, background_soft, background_hard = (
        column.ravel() for column in (counts[..., 0], counts[..., 1], background[..., 0], background[..., 1])
    )
    posterior = hardness_posterior(soft, hard, background_soft, background_hard, ratio, threads)
    parts = [part.reshape(-1, 3) for part in posterior]
    has_none = ~np.isfinite(intervals.start)
    for part in parts:
        part[has_none] = np.nan
    return Hardness(*parts)
