"""The arithmetic of the timing features: from the verdict on a batch to numbers that are finite for every source."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.statistics import STEADY, Hardness, Intervals, Timing, assess
from xherald.photons.statistics.hardness import hardness_posterior

from .timing_names import NAMES

__all__ = ["timing_features"]

F64 = NDArray[np.float64]


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
    columns = {
        **{test.name: _evidence(test.p, test.intervals, test.looks_for == STEADY, cap) for test in timing.tests},
        "p_value": _evidence(timing.p_value, timing.intervals, True, cap),
        "log10_counts": np.log10(batch.counts + 1.0),
        "log10_livetime": np.log10(batch.livetime),
        "interval_livetime": _part(timing.intervals.livetime, batch.livetime),
        "interval_counts": _part(timing.intervals.counts, batch.counts),
        "hardness": _hardness(batch),
        "hardness_change": _hardness_change(timing.hardness),
        "variability_index": np.maximum(timing.variability_index, 0),
    }
    return np.column_stack([columns[name] for name in names]).astype(np.float64)


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


def _hardness_change(hardness: Hardness) -> F64:
    """Hardness inside the interval less that around it, over its error; 0 where either is not known."""
    error = 0.5 * (hardness.high - hardness.low)
    around = ~np.isnan(hardness.value[:, ::2])
    sides = np.maximum(around.sum(axis=1), 1)
    outside = np.where(around, hardness.value[:, ::2], 0.0).sum(axis=1) / sides
    outside_error = np.sqrt(np.where(around, error[:, ::2] ** 2, 0.0).sum(axis=1)) / sides
    known = around.any(axis=1) & ~np.isnan(hardness.value[:, 1])
    total = np.where(known, np.hypot(error[:, 1], outside_error), 1.0)
    return np.where(known, (hardness.value[:, 1] - outside) / total, 0.0)
