"""All timing tests on a batch: `assess`.

Kernels run on flat arrays in several threads; the rest is numpy over sources.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.batch import EventBatch
from xherald.photons.threads import run_in_threads

from .averaged import DIP_FAMILY, FLARE_FAMILY, Family, averaged_likelihood_ratio, photon_rows
from .blocks import block_edges, change_point_penalty, critical_penalty
from .clock import MAX_RATIO, NullClock, null_clock
from .frames import notice_frames
from .gregory_loredo import gregory_loredo, variability_index
from .intervals import interval_columns, interval_hardness, to_mission_time
from .local_background import log_inflation
from .null_distributions import MIN_PHOTONS, NullTables, load_null_tables
from .ordered import kolmogorov_probability, kuiper_probability, ordered_distances
from .result import DIP, FLARE, STEADY, Intervals, TestColumns, Timing
from .scans import MAX_WINDOW, deficit_scan, flare_scan, log_likelihood_ratio, longest_gap_probabilities
from .weighted_photons import WeightedPhotons, weighted_photons

__all__ = ["TESTS", "TimingSettings", "assess", "raw_statistics"]


TESTS: tuple[tuple[str, int], ...] = (
    ("flare_averaged", FLARE),
    ("flare_scan", FLARE),
    ("dip_averaged", DIP),
    ("dip_scan", DIP),
    ("longest_gap", DIP),
    ("ks", STEADY),
    ("kuiper", STEADY),
    ("bayesian_blocks", STEADY),
    ("gregory_loredo", STEADY),
)
"""Names of the tests and the kind of variability each is sensitive to, in the order of the kernel's columns."""

WEIGHTED_TESTS = ("flare_averaged", "dip_averaged")
"""Tests that weigh photons, and use those beyond the edge of the aperture."""

BLOCKS_COLUMN = 7
"""Column of the Bayesian blocks, whose window is the most deviant block."""

MIN_PENALTY = 1.5
"""Bayesian-block penalties below this, or below half of ln(photons), are treated as equal; about half of all steady
sources of any size exceed them."""

MAX_MEASURED_P = 0.05
"""Largest p-value of a source over an uncertain background whose intervals are measured over the background's blocks,
and whose p-value gets the error of the background; steadier sources need neither."""

MIN_LOG_P = -690.0
"""ln of the smallest p-value (1e-300) that a double can represent."""


@dataclass(frozen=True, slots=True)
class TimingSettings:
    """Settings of the timing tests.

    Parameters
    ----------
    significance : float
        Largest `p_value` of a flare or dip; other sources are steady.
    blocks_p0 : float
        Probability that a steady source has more than one Bayesian block.
    threads : int
        Threads of the kernels; 0 uses all cores.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    significance: float = 1e-3
    blocks_p0: float = 0.01
    threads: int = 0

    def __post_init__(self) -> None:
        for name in ("significance", "blocks_p0"):
            if not 0 < getattr(self, name) < 1:
                raise ValueError(f"{name} must lie between 0 and 1, not {getattr(self, name)}")
        if self.threads < 0:
            raise ValueError(f"threads must be 0 or more, not {self.threads}")


@njit(cache=True, nogil=True)
def _statistics_of(
    u: F64,
    offsets: I64,
    weighted: tuple[F64, F32, F32, I64],
    frame: F64,
    first: int,
    stop: int,
    flares: Family,
    dips: Family,
    out: F64,
    window: F64,
    extra: F64,
) -> None:
    """Fill rows first..stop of `out` (statistics), `window` (start, stop in u) and `extra` (light-curve fractions)."""
    for s in range(first, stop):
        x = u[offsets[s] : offsets[s + 1]]
        n = x.size
        if n < 1:
            continue
        own = slice(weighted[3][s], weighted[3][s + 1])
        kinds, _ = photon_rows(weighted[1][own], weighted[2][own])
        out[s, 0], window[s, 0, 0], window[s, 0, 1] = averaged_likelihood_ratio(weighted[0][own], kinds, flares)
        out[s, 1], i, j = flare_scan(x, frame[s])
        if i >= 0:
            window[s, 1, 0], window[s, 1, 1] = x[i], x[j]
        out[s, 2], window[s, 2, 0], window[s, 2, 1] = averaged_likelihood_ratio(weighted[0][own], kinds, dips)
        out[s, 3], i, j, gap, k = deficit_scan(x)
        window[s, 3, 0] = x[i] if i >= 0 else 0.0
        window[s, 3, 1] = x[j] if j < n else 1.0
        out[s, 4] = gap
        window[s, 4, 0] = x[k] if k >= 0 else 0.0
        window[s, 4, 1] = x[k + 1] if k + 1 < n else 1.0
        out[s, 5], out[s, 6], low, high = ordered_distances(x)
        window[s, 5, 0] = window[s, 6, 0] = min(low, high)
        window[s, 5, 1] = window[s, 6, 1] = max(low, high)
        out[s, 7] = critical_penalty(x, max(MIN_PENALTY, 0.5 * np.log(n)))
        out[s, 8], window[s, 8, 0], window[s, 8, 1], extra[s, 0], extra[s, 1] = gregory_loredo(x)


def raw_statistics(
    u: F64,
    energy: F32,
    offsets: I64,
    frame: F64,
    threads: int = 0,
    weighted: WeightedPhotons | None = None,
) -> tuple[F64, F64, F64]:
    """Test statistics of sources on the null clock.

    Parameters
    ----------
    u, energy : ndarray, shape (photons,)
        Photons on the null clock and their energies; only the order of energies within a source matters.
    offsets : ndarray, shape (n + 1,)
        Offsets of the sources.
    frame : ndarray, shape (n,)
        Frame time in units of u.
    threads : int
        0 uses all cores.
    weighted : WeightedPhotons, optional
        What `WEIGHTED_TESTS` use; if not given, the same photons with weight 1.

    Returns
    -------
    statistic : ndarray, shape (n, tests) — NaN for sources without photons
    window : ndarray, shape (n, tests, 2) — window that each test selects, on the null clock; NaN for none
    fractions : ndarray, shape (n, 2) — light-curve fractions within 3 and 5 σ
    """
    n = len(offsets) - 1
    if weighted is None:
        weighted = WeightedPhotons(u, energy, np.ones(len(u), dtype=np.float32), offsets)
    photons = weighted.u, weighted.energy, weighted.weight, weighted.offsets
    statistic = np.full((n, len(TESTS)), np.nan)
    window = np.full((n, len(TESTS), 2), np.nan)
    extra = np.full((n, 2), np.nan)
    run_in_threads(
        lambda first, stop: _statistics_of(
            u, offsets, photons, frame, first, stop, FLARE_FAMILY, DIP_FAMILY, statistic, window, extra
        ),
        offsets,
        threads,
    )
    return statistic, window, extra


def log_probabilities(
    statistic: F64, counts: I64, frame: F64, tables: NullTables, effective_counts: F64 | None = None
) -> F64:
    """Ln p of every test, trials included, shape (n, tests); NaN for sources with too few photons.

    `WEIGHTED_TESTS` have the null distribution of `effective_counts` photons.
    """
    out = np.full(statistic.shape, np.nan)
    enough = counts >= MIN_PHOTONS
    n = counts[enough]
    effective = n if effective_counts is None else np.maximum(effective_counts[enough], MIN_PHOTONS)
    for column, (name, _) in enumerate(TESTS):
        values = statistic[enough, column]
        if name == "longest_gap":
            p = longest_gap_probabilities(values, n)
        elif name == "ks":
            p = kolmogorov_probability(values, n)
        elif name == "kuiper":
            p = kuiper_probability(values, n)
        else:
            size = effective if name in WEIGHTED_TESTS else n
            out[enough, column] = tables.log_probability(name, values, size, frame[enough])
            continue
        with np.errstate(divide="ignore"):
            out[enough, column] = np.log(p)
    return out


def _combined(log_p: F64, counts: I64) -> F64:
    """Ln p of the smallest p-value of all tests, corrected for their number."""
    smallest = np.where(np.isnan(log_p).all(axis=1), np.nan, np.fmin.reduce(log_p, axis=1))
    # The p-values of ks and longest_gap can be exactly 0, with an infinite logarithm.
    finite = np.maximum(smallest, -1e4)
    return load_null_tables().log_probability("smallest_p", -finite, counts, np.zeros(len(counts)))


def assess(batch: EventBatch, settings: TimingSettings | None = None) -> Timing:
    """Test every source of a batch for a flare and for a dip.

    Parameters
    ----------
    batch : EventBatch
    settings : TimingSettings, optional

    Returns
    -------
    Timing
        One element per source, in the order of the batch. Sources with fewer than `MIN_PHOTONS` photons, or with
        unknown exposure or background (`EventBatch.is_testable`), are steady with a NaN `p_value`.
    """
    settings = settings or TimingSettings()
    batch = notice_frames(batch, settings.threads)
    clock = null_clock(batch, settings.threads)
    counts = np.diff(clock.offsets)
    weighted = weighted_photons(batch, clock, settings.threads)
    statistic, window, fractions = raw_statistics(
        clock.tested_u, clock.tested_energy, clock.offsets, clock.frame, settings.threads, weighted
    )
    log_p = log_probabilities(statistic, counts, clock.frame, load_null_tables(), weighted.effective_counts)
    log_p[~batch.is_testable] = np.nan
    with np.errstate(divide="ignore"):
        tested = _combined(log_p, counts)
        combined = np.maximum(tested, np.log(batch.selection_p))
        # The search that found a source could have found it at any photon, in any of the windows that a test tries.
        combined = np.minimum(combined, tested + np.log(batch.selection_trials))
    varies = clock.is_uncertain & (combined <= np.log(MAX_MEASURED_P))
    window[varies] = _measured_windows(batch, clock, np.flatnonzero(varies), settings.threads)
    edges_u, block_offsets, marked = _blocks(clock, settings)
    window[:, BLOCKS_COLUMN] = marked[:, 0]
    tests = tuple(
        TestColumns(
            name,
            target_kind,
            statistic[:, column],
            np.exp(np.maximum(log_p[:, column], MIN_LOG_P)),
            interval_columns(batch, clock, window[:, column]),
        )
        for column, (name, target_kind) in enumerate(TESTS)
    )
    best = _best_test(log_p, window, settings.significance)
    chosen = np.where((best >= 0)[:, None], window[np.arange(len(batch)), best], np.nan)
    intervals = interval_columns(batch, clock, chosen)
    uncertain = np.flatnonzero(varies & (batch.area_ratio <= MAX_RATIO) & np.isfinite(intervals.start))
    combined[uncertain] = np.minimum(combined[uncertain] + log_inflation(batch, intervals, uncertain), 0.0)
    log_odds = np.where((counts >= MIN_PHOTONS) & batch.is_testable, statistic[:, 8], np.nan)
    block_edges, block_rates = _block_rates(batch, clock, edges_u, block_offsets)
    return Timing(
        tests=tests,
        p_value=np.exp(np.maximum(combined, MIN_LOG_P)),
        kind=_kind(combined, best, intervals, settings.significance),
        best=best,
        intervals=intervals,
        peak=interval_columns(batch, clock, marked[:, 1]),
        variability_index=variability_index(log_odds, fractions[:, 0], fractions[:, 1]),
        log10_odds=log_odds / np.log(10.0),
        hardness=interval_hardness(batch, intervals, settings.threads),
        block_edges=block_edges,
        block_rates=block_rates,
        block_offsets=block_offsets,
    )


def _measured_windows(batch: EventBatch, clock: NullClock, index: I64, threads: int) -> F64:
    """Windows that the tests select over the blocks of the background, shape (k, tests, 2), of the given sources."""
    counts = np.diff(clock.offsets)[index]
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], counts)
    energy = batch.energy[np.repeat(clock.first[index], counts) + within]
    u = clock.u[np.repeat(clock.offsets[index], counts) + within]
    return raw_statistics(u, energy, offsets, clock.frame[index], threads)[1]


def _best_test(log_p: F64, window: F64, significance: float) -> I64:
    """Index of the test whose interval is reported: the most significant one that is sensitive to flares or to dips.

    Tests sensitive to both locate an interval less precisely and are used only where they alone are significant. A gap
    longer than half of the clock is not an interval: the rest of the source flared.
    """
    with np.errstate(invalid="ignore"):
        is_interval = window[..., 1] - window[..., 0] <= MAX_WINDOW
    eligible = np.where(is_interval & ~np.isnan(log_p), log_p, 0.0)
    target_kinds = np.array([target_kind for _, target_kind in TESTS])
    specific = np.where(target_kinds != STEADY, eligible, 1.0)
    best = np.argmin(specific, axis=1)
    others = np.argmin(eligible, axis=1)
    rows = np.arange(len(log_p))
    only_others = (eligible[rows, best] > np.log(significance)) & (eligible[rows, others] <= np.log(significance))
    best = np.where(only_others, others, best)
    return np.where(np.isnan(log_p).all(axis=1), -1, best).astype(np.int64)


def _kind(combined: F64, best: I64, intervals: Intervals, significance: float) -> NDArray[np.int8]:
    """FLARE if the best interval has more counts than expected, DIP if fewer; STEADY above the threshold."""
    with np.errstate(invalid="ignore"):
        varies = (best >= 0) & (combined <= np.log(significance))
        brighter = intervals.counts > intervals.expected
    return np.where(varies, np.where(brighter, FLARE, DIP), STEADY).astype(np.int8)


@njit(cache=True, nogil=True)
def _blocks_of(
    u: F64, offsets: I64, penalties: F64, first: int, stop: int, edges: F64, sizes: I64, marked: F64
) -> None:
    """Fill block edges (source s from ``offsets[s] + 2 s``), their number, the most deviant and brightest block."""
    for s in range(first, stop):
        x = u[offsets[s] : offsets[s + 1]]
        at = offsets[s] + 2 * s
        found = block_edges(x, 0.0, 1.0, penalties[s]) if x.size > 0 else np.array([0.0, 1.0])
        sizes[s] = found.size
        edges[at : at + found.size] = found
        most, brightest = 0.0, 0.0
        for b in range(found.size - 1 if found.size > 2 else 0):
            last = x.size if found[b + 1] >= 1.0 else np.searchsorted(x, found[b + 1])
            held = last - np.searchsorted(x, found[b])
            width = found[b + 1] - found[b]
            gain = log_likelihood_ratio(held, x.size, width)
            if gain > most:
                most = gain
                marked[s, 0, 0], marked[s, 0, 1] = found[b], found[b + 1]
            if held > brightest * width:
                brightest = held / width
                marked[s, 1, 0], marked[s, 1, 1] = found[b], found[b + 1]


def _blocks(clock: NullClock, settings: TimingSettings) -> tuple[F64, I64, F64]:
    """Bayesian-block edges of every source on the null clock, and its most deviant and brightest block, (n, 2, 2)."""
    n = len(clock.offsets) - 1
    penalties = change_point_penalty(np.diff(clock.offsets), settings.blocks_p0)
    edges = np.full(clock.offsets[-1] + 2 * n, np.nan)
    sizes = np.zeros(n, dtype=np.int64)
    marked = np.full((n, 2, 2), np.nan)
    run_in_threads(
        lambda first, stop: _blocks_of(clock.u, clock.offsets, penalties, first, stop, edges, sizes, marked),
        clock.offsets,
        settings.threads,
    )
    return edges[~np.isnan(edges)], np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64), marked


def _block_rates(batch: EventBatch, clock: NullClock, edges_u: F64, offsets: I64) -> tuple[F64, F64]:
    """Mission times of the block edges, and the count rate in each block, ct/s."""
    source = np.repeat(np.arange(len(batch)), np.diff(offsets))
    time, livetime = to_mission_time(batch, clock, edges_u, source)
    rates = np.full(len(edges_u), np.nan)
    if len(edges_u):
        starts = np.flatnonzero(np.append(np.diff(source) == 0, False))
        held = _counts_between(clock, edges_u, source, starts)
        rates[starts] = held / (livetime[starts + 1] - livetime[starts])
    return time, rates


def _counts_between(clock: NullClock, edges_u: F64, source: I64, starts: I64) -> F64:
    """Number of photons between consecutive edges of the same source."""
    # One sorted axis for all sources: twice the index of the source plus u in [0, 1].
    axis = np.repeat(np.arange(len(clock.offsets) - 1), np.diff(clock.offsets)) * 2.0 + clock.u
    at = np.searchsorted(axis, source * 2.0 + edges_u, side="left")
    last = edges_u >= 1.0
    at[last] = clock.offsets[source[last] + 1]
    return (at[starts + 1] - at[starts]).astype(np.float64)
