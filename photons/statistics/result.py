"""What the timing tests say of a batch, one entry a source in flat arrays: `Timing` and its parts."""

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
    """One stretch of time a source; NaN where a test points at none.

    Parameters
    ----------
    start, stop : ndarray, shape (n,), float64 — mission seconds
    livetime : ndarray, shape (n,), float64 — s, good time inside, gaps closed, frames counted whole
    counts : ndarray, shape (n,), float64 — photons in the aperture inside
    expected : ndarray, shape (n,), float64 — photons expected inside if the source were as outside, with background
    """

    start: F64
    stop: F64
    livetime: F64
    counts: F64
    expected: F64

    def part(self, first: int, stop: int) -> Intervals:
        """Those of the sources from `first` to before `stop`."""
        return Intervals(**{name: getattr(self, name)[first:stop] for name in self.__slots__})


@dataclass(frozen=True, slots=True, eq=False)
class TestColumns:
    """One test on every source.

    Parameters
    ----------
    name : str
    looks_for : int
        FLARE, DIP, or STEADY where the test does not care which.
    statistic : ndarray, shape (n,), float64 — larger is more variable
    p : ndarray, shape (n,), float64 — chance probability of so large a value, its own trials included; NaN where the
        source has too few photons for the test
    intervals : Intervals
    """

    __test__ = False  # not a pytest class

    name: str
    looks_for: int
    statistic: F64
    p: F64
    intervals: Intervals

    def part(self, first: int, stop: int) -> TestColumns:
        """The test on the sources from `first` to before `stop`."""
        some, intervals = slice(first, stop), self.intervals.part(first, stop)
        return replace(self, statistic=self.statistic[some], p=self.p[some], intervals=intervals)


@dataclass(frozen=True, slots=True, eq=False)
class Hardness:
    """Hardness ratio (H − S) / (H + S) of the source alone with its 68 % interval, background taken off.

    Arrays of shape (n, 3): before, inside and after the best interval; NaN where there is no photon to tell.
    """

    value: F64
    low: F64
    high: F64

    def part(self, first: int, stop: int) -> Hardness:
        """Those of the sources from `first` to before `stop`."""
        return Hardness(self.value[first:stop], self.low[first:stop], self.high[first:stop])


@dataclass(frozen=True, slots=True, eq=False)
class Timing:
    """The verdict on every source of a batch.

    Parameters
    ----------
    tests : tuple of TestColumns
        In the order of the tests' names.
    p_value : ndarray, shape (n,) — the smallest p of the tests, corrected for having looked at all of them; NaN where
        nothing could be tested
    kind : ndarray, shape (n,), int8 — FLARE, DIP or STEADY (p_value above the threshold)
    best : ndarray, shape (n,), int64 — index in `tests` of the test that the interval comes from; -1 where none
    intervals : Intervals — the interval of that test
    peak : Intervals — the brightest Bayesian block; NaN where the whole light curve is one
    variability_index : ndarray, shape (n,), int8 — 0 to 10, as the Chandra Source Catalogue defines it; -1 untested
    log10_odds : ndarray, shape (n,) — Gregory–Loredo odds of a variable source
    hardness : Hardness
    block_edges : ndarray, shape (edges,) — mission seconds of the Bayesian blocks of all sources, flat
    block_rates : ndarray, shape (edges,) — counts a second of livetime right of each edge; NaN at each source's last
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
        """The verdict on the sources from `first` to before `stop`, as it is had from a batch of these alone."""
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
