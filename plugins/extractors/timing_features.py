"""The arithmetic of the timing features: from the verdict on a batch to numbers that are finite for every source."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.photons.statistics import STEADY, Intervals, Timing, assess
from xherald.photons.statistics.hardness import hardness_change, hardness_posterior

from .timing_names import NAMES

__all__ = ["timing_features"]


def timing_features(batch: EventBatch, cap: float, names: Sequence[str] = NAMES, timing: Timing | None = None) -> F64:
    """Features of every source, shape (n, features), before they are scaled.

    Parameters
    ----------
    batch : EventBatch
    cap : float
        Largest −log10 p.
    names : sequence of str
        Which, of `NAMES`.
    timing : Timing, optional
        The tests' verdict, where it is known already.
    """
    timing = timing or assess(batch)
    tests = {test.name: test for test in timing.tests}
    others: dict[str, Callable[[], NDArray[Any]]] = {
        "p_value": lambda: _evidence(timing.p_value, timing.intervals, True, cap),
        "log10_counts": lambda: np.log10(batch.counts + 1.0),
        "log10_livetime": lambda: np.log10(batch.livetime),
        "interval_livetime": lambda: _part(timing.intervals.livetime, batch.livetime),
        "interval_counts": lambda: _part(timing.intervals.counts, batch.counts),
        "hardness": lambda: _hardness(batch),
        "hardness_change": lambda: np.nan_to_num(hardness_change(timing.hardness)),
        "variability_index": lambda: np.maximum(timing.variability_index, 0),
    }

    def column(name: str) -> NDArray[Any]:
        if name not in tests:
            return others[name]()
        test = tests[name]
        return _evidence(test.p, test.intervals, test.target_kind == STEADY, cap)

    return np.column_stack([column(name) for name in names]).astype(np.float64)


def _evidence(p: F64, intervals: Intervals, signed: bool, cap: float) -> F64:
    """−log10 p up to the cap, signed by whether the interval is fainter than the rest where that is asked for."""
    evidence = np.clip(np.where(np.isnan(p), 0.0, -np.log10(p)), 0.0, cap)
    if signed:
        return np.where(intervals.counts < intervals.expected, -evidence, evidence)
    return evidence


def _part(inside: F64, whole: NDArray[np.number]) -> F64:
    return np.where(np.isnan(inside), 1.0, np.clip(inside / np.maximum(whole, np.finfo(float).tiny), 0.0, 1.0))


def _hardness(batch: EventBatch) -> F64:
    """Median of the posterior of all photons' hardness ratio, background not taken off; 0 without photons."""
    source = np.repeat(np.arange(len(batch)), batch.counts)
    is_hard = batch.energy >= batch.hardness_split[source]
    hard = np.bincount(source, weights=is_hard, minlength=len(batch)).astype(np.int64)
    none = np.zeros(len(batch), dtype=np.int64)
    value, _, _ = hardness_posterior(batch.counts - hard, hard, none, none, np.zeros(len(batch)))
    return np.where(np.isnan(value), 0.0, value)
