"""Dead columns without a table of bad pixels, found by a source that lies on them in one snapshot."""

from __future__ import annotations

import numpy as np
import pytest
from independent_skies import Sky, observe_sky, snapshots, swift
from sky_observations import apertures_of, observation_of

from xherald.adapters.swift import SwiftAdapter
from xherald.photons import Observation
from xherald.photons.exposure.source_exposure import measure_exposure_model
from xherald.photons.extraction import extract
from xherald.photons.missing_columns import missing_columns
from xherald.photons.shape_table import shape_table
from xherald.photons.statistics import assess

SWIFT = SwiftAdapter.mission.instruments[0]


def _on_dead_columns(seed: int, rate: float, n_dead: int = 5, flare: float = 1.0) -> tuple[Sky, Observation, list[int]]:
    """A source that is on dead columns in the second of four snapshots, in which its rate is `flare` as high."""
    rng = np.random.default_rng(seed)
    first = int(rng.integers(200, 400))
    dead = list(range(first, first + n_dead))
    telescope, course = swift(rng, tuple(dead)), snapshots(rng, 4)
    start, stop = course.gti[1]
    x, y, roll = (float(v[0]) for v in course.aim(np.array([start + 1.0])))
    u, v = telescope.mounts[0].focal(first + 0.5 * (n_dead - 1), float(rng.uniform(150, 450)))
    place = x + u * np.cos(roll) - v * np.sin(roll), y + u * np.sin(roll) + v * np.cos(roll)

    def shape(k: int, t: np.ndarray) -> np.ndarray:
        inside = (t >= start) & (t <= stop)
        return np.where(inside, flare, 1.0) if flare <= 1 else np.where(inside, 1.0, 1.0 / flare)

    sky = observe_sky(telescope, course, np.array([place]), np.array([rate]), rng, shape)
    return sky, observation_of(sky, SWIFT.point_spread, SWIFT.layout, with_bad=False), dead


def _found(sky: Sky, observation: Observation) -> tuple[list[int], list[int]]:
    """Columns and rows without sensitive pixels, from the field and from the source."""
    model = measure_exposure_model(observation)
    assert model is not None
    table = shape_table([one.region for one in apertures_of(sky, observation)], observation.require_projection())
    missing = missing_columns(observation, model.path, model.areas, table.centre, table.extent)
    area = model.areas[0].without(*missing.get(0, (np.zeros(0, dtype=np.int64),) * 2))
    columns, rows = (np.flatnonzero(area.live.sum(axis=1 - axis) == 0) + area.first[axis] for axis in (0, 1))
    return columns.tolist(), rows.tolist()


@pytest.mark.parametrize("seed", range(6))
def test_columns_that_a_source_misses_are_dead_and_it_is_steady(seed: int) -> None:
    sky, observation, dead = _on_dead_columns(seed, 0.4)
    assert _found(sky, observation) == (dead, [])
    assert assess(extract(observation, apertures_of(sky, observation))).p_value[0] > 1e-3


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("factor", [0.1, 8.0])
def test_variable_source_shows_no_dead_columns_and_is_detected(seed: int, factor: float) -> None:
    sky, observation, _ = _on_dead_columns(seed, 0.5, n_dead=0, flare=factor)
    assert _found(sky, observation) == ([], [])
    assert assess(extract(observation, apertures_of(sky, observation))).p_value[0] < 1e-6


def test_steady_fields_show_no_dead_columns() -> None:
    for seed in range(20):
        sky, observation, _ = _on_dead_columns(100 + seed, 0.3, n_dead=0)
        assert _found(sky, observation) == ([], [])
