"""T90 and peak rate of flares, with their uncertainties."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.detector.results.json_columns import nan_to_none, utc_dates
from xherald.detector.results.row_types import PeakRateFields, T90Fields
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics.result import Intervals

from .evidence_measures import poisson_interval

if TYPE_CHECKING:
    from xherald.photons import EventBatch
    from xherald.photons.statistics.clock import NullClock

__all__ = ["measure_peaks", "measure_t90"]

NO_T90: Final[T90Fields] = {
    "t90_s": None,
    "t90_low_s": None,
    "t90_high_s": None,
    "t90_start_utc": None,
    "t90_stop_utc": None,
    "t90_start_s": None,
    "t90_stop_s": None,
}
NO_PEAK: Final[PeakRateFields] = {
    "peak_rate_ct_s": None,
    "peak_rate_low_ct_s": None,
    "peak_rate_high_ct_s": None,
    "peak_rate_livetime_s": None,
    "peak_rate_origin": None,
}


def measure_t90(
    batch: EventBatch, found: Intervals, is_flare: NDArray[np.bool_], blocks: tuple[F64, I64]
) -> list[T90Fields]:
    """Live time of the middle 90 % of each flare's excess counts, with the times that bound it.

    Parameters
    ----------
    batch : EventBatch
        n sources.
    found : Intervals
    is_flare : ndarray, shape (n,), bool
    blocks : (ndarray, ndarray)
        Edges of Bayesian blocks, mission seconds, flat, and where those of each source begin.
    """
    from xherald.photons.statistics.clock import null_clock
    from xherald.photons.statistics.intervals import to_mission_time

    from .durations import event_windows, middle_90

    clock = null_clock(batch)
    edges, offsets = blocks
    every = np.arange(len(batch))
    half = 0.5 * batch.frame_time
    ends = (np.where(is_flare, found.start - half, np.nan), found.stop + half)
    window = np.column_stack([_clock_positions(batch, clock, one, every) for one in ends])
    marks = _clock_positions(batch, clock, edges, np.repeat(every, np.diff(offsets)))
    window = event_windows(window, marks, offsets, clock.u, clock.offsets)
    start, stop, low, high = middle_90(clock.u, clock.offsets, window)
    out = [NO_T90] * len(batch)
    measured = np.flatnonzero(np.isfinite(start) & np.isfinite(stop))
    if not measured.size:
        return out
    times = [to_mission_time(batch, clock, one[measured], measured) for one in (start, stop)]
    seconds, width = times[1][1] - times[0][1], (stop - start)[measured]
    # The clock runs with live time unless the background varies: limits scale as the width does.
    scale = np.divide(seconds, width, out=batch.livetime[measured].copy(), where=width > 0)
    # Nothing can be measured to be shorter than a frame.
    upper = np.maximum(high[measured] * scale, batch.frame_time[measured])
    some = batch.select(measured)
    t90, t90_low = nan_to_none(seconds), nan_to_none(low[measured] * scale)
    t90_high = nan_to_none(np.maximum(upper, seconds))
    start_utc, stop_utc = (utc_dates(some, instant) for instant, _ in times)
    start_s, stop_s = (nan_to_none(instant) for instant, _ in times)
    for i, index in enumerate(measured.tolist()):
        out[index] = {
            "t90_s": t90[i],
            "t90_low_s": t90_low[i],
            "t90_high_s": t90_high[i],
            "t90_start_utc": start_utc[i],
            "t90_stop_utc": stop_utc[i],
            "t90_start_s": start_s[i],
            "t90_stop_s": stop_s[i],
        }
    return out


def _clock_positions(batch: EventBatch, clock: NullClock, time: F64, source: I64) -> F64:
    """Positions of mission times of the given sources on the clock of the null hypothesis."""
    from .durations import on_clock

    knots = (clock.knot_livetime, clock.knot_u, clock.knot_offsets)
    positions: F64 = on_clock(time, source, batch.gti, batch.gti_fraction, batch.gti_offsets, *knots)
    return positions


def measure_peaks(
    batch: EventBatch, found: Intervals, peak: Intervals, is_flare: NDArray[np.bool_]
) -> list[PeakRateFields]:
    """Rate of each flare in its brightest Bayesian block, or in the interval where the light curve is one block.

    Parameters
    ----------
    batch : EventBatch
    found, peak : Intervals
    is_flare : ndarray, shape (n,), bool
    """
    has_block = np.isfinite(peak.start)
    counts, livetime = (
        np.where(has_block, getattr(peak, part), getattr(found, part)) for part in ("counts", "livetime")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        rates = [
            np.where((livetime > 0) & is_flare, part / livetime, np.nan) for part in (counts, *poisson_interval(counts))
        ]
    rate, low, high, seconds = (nan_to_none(one) for one in (*rates, livetime))
    is_block: list[bool] = has_block.tolist()
    return [
        NO_PEAK
        if value is None
        else {
            "peak_rate_ct_s": value,
            "peak_rate_low_ct_s": low[i],
            "peak_rate_high_ct_s": high[i],
            "peak_rate_livetime_s": seconds[i],
            "peak_rate_origin": "brightest Bayesian block" if is_block[i] else "interval",
        }
        for i, value in enumerate(rate)
    ]
