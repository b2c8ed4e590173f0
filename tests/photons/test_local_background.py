"""Error of the background within the interval of a source."""

from __future__ import annotations

import numpy as np
import pytest

from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.arrays import F64
from xherald.photons.events import Background
from xherald.photons.statistics import assess
from xherald.photons.statistics.local_background import log_inflation
from xherald.photons.statistics.result import Intervals

TOTAL_S = 1e4


def batch_of(time: F64, region: F64, area_ratio: float) -> EventBatch:
    """One source with photons at the given times, and the photons of its region."""
    one = EventList(
        time=np.sort(time),
        energy=np.linspace(0.6, 6.0, len(time)),
        exposure=Exposure([(0.0, TOTAL_S)]),
        identity=Identity("X", "Y", "1", "1"),
        frame_time=0.05,
        band=(0.5, 7.0),
        background=Background(np.sort(region), np.linspace(0.6, 6.0, len(region)), area_ratio),
    )
    return EventBatch.from_lists([one])


def interval(start: float, stop: float, counts: float, expected: float) -> Intervals:
    return Intervals(*(np.array([value]) for value in (start, stop, stop - start, counts, expected)))


def inflation(in_interval: int, outside: int, area_ratio: float, counts: float = 30.0) -> float:
    """Ln of the inflation for a tenth of the exposure, with 100 photons elsewhere and so many of the region."""
    rng = np.random.default_rng(1)
    region = np.concatenate([rng.uniform(4_000, 5_000, in_interval), rng.uniform(5_000, 9_000, outside)])
    time = np.concatenate([rng.uniform(0, 4_000, 50), rng.uniform(5_000, TOTAL_S, 50), np.full(int(counts), 4_500.0)])
    batch = batch_of(time, region, area_ratio)
    return float(log_inflation(batch, interval(4_000.0, 5_000.0, counts, 11.1), np.array([0]))[0])


def test_a_precise_region_inflates_nothing() -> None:
    """A thousandth of the background of 10,000 photons is one photon, known to 3 %."""
    assert 0.0 <= inflation(1_000, 9_000, 1e-3) < 0.3


def test_more_background_within_the_interval_inflates_more() -> None:
    values = [inflation(n, 90, 0.1) for n in (10, 40, 120)]
    assert values == sorted(values)
    assert values[-1] > values[0] + 1.0


def test_a_dip_is_bounded_from_the_other_side() -> None:
    """Fewer counts than expected: background that might be missing raises the p-value, background that is there not."""
    low = inflation(0, 400, 0.2, counts=2.0)
    high = inflation(100, 300, 0.2, counts=2.0)
    assert low >= high >= 0.0


@pytest.mark.parametrize("area_ratio", [1 / 12, 0.2])
def test_short_bursts_over_a_quiet_background_stay_decisive(area_ratio: float) -> None:
    """Ten photons in 5 s of 10 ks, where the region has none, are a burst of the source, however little it has else."""
    rng = np.random.default_rng(3)
    time = np.concatenate([rng.uniform(0, TOTAL_S, 12), rng.uniform(6_000.0, 6_005.0, 10)])
    region = rng.uniform(0, TOTAL_S, int(6 / area_ratio))
    assert assess(batch_of(time, region, area_ratio)).p_value[0] < 1e-12
