"""Changed copies of sources for training are sources: photons in good time and band, in order, with their event."""

from __future__ import annotations

import numpy as np
import pytest

from xherald.detector.references.augmentation import augment
from xherald.photons import EventBatch
from xherald.simulation.population.population import simulate_population


@pytest.fixture(scope="module", params=["chandra-acis-i", "swift-xrt"])
def copies(request: pytest.FixtureRequest) -> tuple[EventBatch, EventBatch, np.ndarray, np.ndarray]:
    made = simulate_population(200, telescope=request.param, seed=31, variable_fraction=0.7)
    interval = np.column_stack(
        [np.array(made.truth[name].to_pylist(), dtype=float) for name in ("event_start_s", "event_stop_s")]
    )
    changed, factor = augment(made.batch, interval, np.random.default_rng(6))
    return made.batch, changed, factor, interval


def test_copies_have_their_photons_in_good_time_and_band(copies) -> None:
    _, changed, _, _ = copies
    for one in changed:
        assert (np.diff(one.time) >= 0).all()
        for time in (one.time, one.background.time if one.background else one.time):
            inside = (time[:, None] >= one.exposure.gti[:, 0] - 1e-6) & (time[:, None] <= one.exposure.gti[:, 1] + 1e-6)
            assert inside.any(axis=1).all()
        assert ((one.energy >= one.band[0] - 1e-6) & (one.energy <= one.band[1] + 1e-6)).all()


def test_copies_differ_in_brightness_background_and_time_scale(copies) -> None:
    before, changed, factor, _ = copies
    kept = changed.counts / before.counts
    assert kept.min() < 0.3
    assert kept.max() > 1.1  # background was added
    stretch = changed.frame_time / before.frame_time
    assert stretch.min() < 0.7
    assert 1.4 < stretch.max() <= 2.0
    assert (factor <= 1.0).all()
    assert (factor > 0.99).any()


def test_copies_are_reproducible(copies) -> None:
    before, changed, _, interval = copies
    again, _ = augment(before, interval, np.random.default_rng(6))
    assert np.array_equal(again.time, changed.time)
    assert np.array_equal(again.background_energy, changed.background_energy)
