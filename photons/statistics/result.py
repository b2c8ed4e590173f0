"""Results of the timing tests for a batch, as arrays over sources: `Timing` and its parts."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64

__all__ = ["DIP", "FLARE", "STEADY", "Hardness", "Intervals", "TestColumns", "Timing"]

STEADY, FLARE, DIP = 0, 1, 2
"""Codes of `Timing.kind`."""


@dataclass(frozen=True, slots=True, eq=False)
class Intervals:
    """One interval per source; NaN for none.

    Parameters
    ----------
    start, stop : ndarray, shape (n,), float64 — mission time, s
    livetime : ndarray, shape (n,), float64 — s, inside the interval, including the whole frames of its photons
    counts : ndarray, shape (n,), float64 — photons in the aperture inside the interval
    expected : ndarray, shape (n,), float64 — photons expected from the rate outside, with background
    """

    start: F64
    stop: F64
    livetime: F64
    counts: F64
    expected: F64

    def part(self, first: int, stop: int) -> Intervals:
        """Rows `first` to `stop` - 1."""
        return Intervals(**{name: getattr(self, name)[first:stop] for name in self.__slots__})


@dataclass(frozen=True, slots=True, eq=False)
class TestColumns:
    """Results of one test.

    Parameters
    ----------
    name : str
    target_kind : int
        Kind of variability it is sensitive to: FLARE, DIP, or STEADY for both.
    statistic : ndarray, shape (n,), float64 — larger is more variable
    p : ndarray, shape (n,), float64 — p-value, trials included; NaN for sources with too few photons
    intervals : Intervals
    """

    __test__ = False  # not a pytest class

    name: str
    target_kind: int
    statistic: F64
    p: F64
    intervals: Intervals

    def part(self, first: int, stop: int) -> TestColumns:
        """Rows `first` to `stop` - 1."""
        some, intervals = slice(first, stop), self.intervals.part(first, stop)
        return replace(self, statistic=self.statistic[some], p=self.p[some], intervals=intervals)


@dataclass(frozen=True, slots=True, eq=False)
class Hardness:
    """Background-corrected hardness ratio (H − S) / (H + S) with its 68 % interval.

    Arrays of shape (n, 3): before, inside and after the best interval; NaN without photons.
    """

    value: F64
    low: F64
    high: F64

    def part(self, first: int, stop: int) -> Hardness:
        """Rows `first` to `stop` - 1."""
        return Hardness(self.value[first:stop], self.low[first:stop], self.high[first:stop])


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """Results of the timing tests for every source of a batch.

    Parameters
    ----------
    tests : tuple of TestColumns
        In the order of the tests' names.
    p_value : ndarray, shape (n,) — smallest p of all tests, corrected for their number; NaN if not tested
    kind : ndarray, shape (n,), int8 — FLARE, DIP or STEADY (p_value above the threshold)
    best : ndarray, shape (n,), int64 — index in `tests` of the test that gave the interval; -1 for none
    intervals : Intervals — the interval of that test
    peak : Intervals — the brightest Bayesian block; NaN if there is only one
    variability_index : ndarray, shape (n,), int8 — 0 to 10 as in the Chandra Source Catalogue; -1 if not tested
    log10_odds : ndarray, shape (n,) — Gregory–Loredo odds of variability
    hardness : Hardness
    block_edges : ndarray, shape (edges,) — mission time, s, edges of the Bayesian blocks of all sources
    block_rates : ndarray, shape (edges,) — ct/s in the block after each edge; NaN at the last edge of a source
    block_offsets : ndarray, shape (n + 1,), int64
    """

    tests: tuple[TestColumns, ...]
    p_value: F64
    kind: NDArray[np.int8]
    best: NDArray[np.int64]
    intervals: Intervals
    peak: Intervals
    variability_index: NDArray[np.int8]
    log10_odds: F64
    hardness: Hardness
    block_edges: F64
    block_rates: F64
    block_offsets: NDArray[np.int64]

    def part(self, first: int, stop: int) -> Timing:
        """Results of sources `first` to `stop` - 1, equal to those of a batch of these alone."""
        if (first, stop) == (0, len(self.p_value)):
            return self
        some = slice(first, stop)
        edges = slice(self.block_offsets[first], self.block_offsets[stop])
        return Timing(
            tests=tuple(test.part(first, stop) for test in self.tests),
            p_value=self.p_value[some],
            kind=self.kind[some],
            best=self.best[some],
            intervals=self.intervals.part(first, stop),
            peak=self.peak.part(first, stop),
            variability_index=self.variability_index[some],
            log10_odds=self.log10_odds[some],
            hardness=self.hardness.part(first, stop),
            block_edges=self.block_edges[edges],
            block_rates=self.block_rates[edges],
            block_offsets=self.block_offsets[first : stop + 1] - self.block_offsets[first],
        )
