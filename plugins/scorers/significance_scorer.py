"""How sure the timing tests are of a flare or of a dip, as columns that the combined score is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Scorer

if TYPE_CHECKING:
    from xherald.photons.statistics.result import Intervals

__all__ = ["SignificanceScorer"]


LARGEST: Final = 300.0
"""−log10 of the smallest probability that a test gives."""


class SignificanceScorer(Scorer):
    """Timing tests: −log10 p of each, how much of the source is in the suspected interval, change of hardness."""

    name = "significance"

    def score(self, detection_batch: DetectionBatch, options: Options) -> Mapping[str, F64]:
        """Columns, shape (n,).

        Returns
        -------
        mapping
            ``evidence_TEST`` for each timing test: −log10 p, its own trials included. Of the suspected interval
            ``interval_livetime`` and ``interval_counts``: its parts of the livetime and of the photons;
            ``log10_interval``: s from start to stop; NaN where there is none. ``peak_ratio``: photons of the brightest
            Bayesian block over those expected of a steady source, 1 where the light curve is one block; ``blocks``: how
            many there are. ``hardness_inside``: hardness ratio in the best interval of the tests; ``hardness_change``:
            that against the photons around it, in σ; NaN where it cannot be told. ``share_early``, ``share_middle``:
            parts of the suspected interval's photons in its first and second third; ``hardness_early``,
            ``hardness_late``: (H − S) / (H + S) of the counts in the first and last third; ``hardness_all``: of all.
            ``log10_peak``: s that the brightest block lasts; ``peak_place``: where in the interval its middle is, 0 to
            1 if inside; ``log10_gap``: s of the longest gap.
        """
        from xherald.photons.statistics.hardness import hardness_change

        timing, batch, interval = detection_batch.timing, detection_batch.batch, detection_batch.intervals
        with np.errstate(divide="ignore"):
            columns = {f"evidence_{test.name}": np.minimum(-np.log10(test.p), LARGEST) for test in timing.tests}
        tiny = np.finfo(float).tiny
        columns["interval_livetime"] = np.minimum(interval.livetime / np.maximum(batch.livetime, tiny), 1.0)
        columns["interval_counts"] = interval.counts / np.maximum(batch.counts, 1)
        columns["log10_interval"] = np.log10(np.maximum(interval.stop - interval.start, 1e-3))
        with np.errstate(invalid="ignore", divide="ignore"):
            ratio = timing.peak.counts / timing.peak.expected
        columns["peak_ratio"] = np.where(np.isfinite(ratio), ratio, 1.0)
        columns["blocks"] = np.maximum(np.diff(timing.block_offsets) - 1.0, 1.0)
        columns["hardness_inside"] = timing.hardness.value[:, 1]
        columns.update(_shape(batch, interval))
        with np.errstate(invalid="ignore", divide="ignore"):
            peak_length = timing.peak.stop - timing.peak.start
            columns["log10_peak"] = np.log10(peak_length)
            middle = timing.peak.start + 0.5 * peak_length
            columns["peak_place"] = (middle - interval.start) / (interval.stop - interval.start)
            gap = next(test.intervals for test in timing.tests if test.name == "longest_gap")
            columns["log10_gap"] = np.log10(gap.stop - gap.start)
        columns["hardness_change"] = hardness_change(timing.hardness)
        return columns

    def inputs(self, direction: str, options: Options) -> Mapping[str, int]:
        """Every test; the score rises with those that look for this direction or for any change."""
        from xherald.photons.statistics import DIP, FLARE, STEADY, TESTS

        wanted = (STEADY, FLARE if direction == "flare" else DIP)
        return {f"evidence_{name}": int(target_kind in wanted) for name, target_kind in TESTS}

    def input_cases(self, options: Options) -> tuple[str, ...]:
        """None of them: tests need no features."""
        return ()


def _shape(batch: EventBatch, interval: Intervals) -> dict[str, F64]:
    """How photons and their hardness run through the interval, in thirds of its length."""
    n = len(batch)
    source = np.repeat(np.arange(n), batch.counts)
    hard = batch.energy >= batch.hardness_split[source]
    # Each photon is held against its own source's edges alone, so that nothing depends on what else is in the batch.
    start, stop, time = interval.start[source], interval.stop[source], batch.time
    third = (stop - start) / 3.0
    part = (time >= start + third).astype(np.int64) + (time >= start + 2.0 * third)
    inside = (time >= start) & (time <= stop)
    place = (3 * source + part)[inside]
    counts = np.bincount(place, minlength=3 * n).reshape(n, 3)
    hard_counts = np.bincount(place[hard[inside]], minlength=3 * n).reshape(n, 3)
    with np.errstate(invalid="ignore", divide="ignore"):
        share = counts / counts.sum(axis=1, keepdims=True)
        ratio = 2.0 * hard_counts / counts - 1.0
        whole = 2.0 * np.bincount(source[hard], minlength=n) / batch.counts - 1.0
    return {
        "share_early": share[:, 0],
        "share_middle": share[:, 1],
        "hardness_early": ratio[:, 0],
        "hardness_late": ratio[:, 2],
        "hardness_all": whole,
    }
