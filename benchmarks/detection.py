"""Benchmark from photons to detections after a warm-up.

Timing tests, features, neighbours, scores, calibration, null hypotheses of a source's own, kinds, classes, vetoes.
"""

from __future__ import annotations

import statistics
import time

__all__ = ["bench_detection"]

SOURCES = 1_000
ROUNDS = 7


def bench_detection() -> dict[str, float]:
    """A thousand simulated Chandra sources, one in ten of which is variable, together and one by one."""
    from xherald.detector.calibration.simulated_samples import simulate_sources
    from xherald.detector.configuration.configuration import load_configuration
    from xherald.detector.scoring.detect import score_batch
    from xherald.photons import EventBatch
    from xherald.photons.statistics import assess

    configuration = load_configuration(None, {})
    batch = simulate_sources("chandra-acis-i", SOURCES, 4242, 0.1).batch
    singles = [batch.select([row]) for row in range(50)]

    def seconds(batches: list[EventBatch]) -> tuple[float, float]:
        timing_s, judging_s = 0.0, 0.0
        for one in batches:
            begin = time.perf_counter()
            timing = assess(one, configuration.settings.timing)
            tested = time.perf_counter()
            score_batch(one, timing, configuration)
            timing_s += tested - begin
            judging_s += time.perf_counter() - tested
        return timing_s, judging_s

    seconds([batch, singles[0]])
    begin = time.process_time()
    judged = score_batch(batch, assess(batch, configuration.settings.timing), configuration).is_own_null
    processor_s = time.process_time() - begin
    whole = [seconds([batch]) for _ in range(ROUNDS)]
    alone = [sum(seconds(singles)) / len(singles) for _ in range(ROUNDS)]
    return {
        "mean_counts": float(batch.counts.mean()),
        "timing_1000_sources_s": statistics.median(one[0] for one in whole),
        "judging_1000_sources_s": statistics.median(one[1] for one in whole),
        "scoring_1000_sources_s": statistics.median(sum(one) for one in whole),
        "processor_time_1000_sources_s": processor_s,
        "judged_by_own_null_of_1000": float(judged.sum()),
        "one_source_ms": 1e3 * statistics.median(alone),
    }
