"""Survey scans and snapshots of the simulator: attitude tables, dead columns, steady sources as readers see them."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from read_files import observe

from xherald.photons import Observation
from xherald.photons.apertures import aperture_at
from xherald.photons.exposure.live_area import live_areas
from xherald.photons.exposure.pointing_path import measure_pointing_path
from xherald.photons.extraction import extract
from xherald.photons.statistics import assess
from xherald.simulation.field import FieldRequest, simulate_field
from xherald.simulation.telescopes import TELESCOPES
from xherald.simulation.writers import WrittenFiles, write_exposure

SWIFT_DEAD = TELESCOPES["swift-xrt"].chips[0].dead_columns


def _p_values(files: WrittenFiles, observation: Observation) -> np.ndarray:
    """p-values of the constant sources, at their true positions."""
    sources = json.loads(files.truth.read_text("utf-8"))["sources"]
    apertures = [aperture_at(observation, s["ra_deg"], s["dec_deg"], s["name"], "test") for s in sources]
    batch = extract(observation, apertures)
    is_steady = np.array([one["class"] == "constant" for one in sources])
    return assess(batch).p_value[is_steady & (batch.counts >= 5)]


def test_attitude_tables_of_a_scan_agree_with_its_events(tmp_path: Path) -> None:
    exposure = simulate_field(FieldRequest(telescope="erosita", sources=4), seed=3)
    observation = observe(write_exposure(exposure, tmp_path).events)
    assert set(observation.attitude) == {1, 2, 3, 4, 5, 6, 7}
    with_table, fitted = measure_pointing_path(observation), measure_pointing_path(replace(observation, attitude={}))
    assert with_table is not None
    assert fitted is not None
    assert with_table.is_scan
    pixels, events = observation.event_pixels, observation.events
    assert pixels is not None
    for path in (with_table, fitted):
        position, turn = path.at(events.time)
        for number, unit in path.units.items():
            own = events.detector == number
            back = (events.x[own] + 1j * events.y[own] - position[own]) * np.exp(-1j * turn[own])
            focal = np.column_stack([back.real, back.imag]) - unit.offset
            assert np.abs(np.linalg.solve(unit.matrix, focal.T).T - pixels[own]).std() < 0.3


def test_steady_sources_of_scans_are_steady(tmp_path: Path) -> None:
    p = []
    for seed in range(4):
        exposure = simulate_field(FieldRequest(telescope="erosita", sources=20), seed=seed)
        files = write_exposure(exposure, tmp_path / str(seed))
        p.append(_p_values(files, observe(files.events)))
    found = np.concatenate(p)
    assert np.count_nonzero(found < 0.01) <= 5
    assert found.min() > 1e-5


def test_dead_columns_of_swift_are_in_the_table_and_hold_no_events(tmp_path: Path) -> None:
    exposure = simulate_field(FieldRequest(telescope="swift", sources=8), seed=5)
    files = write_exposure(exposure, tmp_path)
    with fits.open(files.events) as units:
        assert sorted(units["BADPIX"].data["RAWX"] + 1) == sorted(SWIFT_DEAD)
        assert not np.isin(units["EVENTS"].data["RAWX"] + 1, SWIFT_DEAD).any()
    observation = observe(files.events)
    path = measure_pointing_path(observation)
    assert path is not None
    area = live_areas(observation, path, [0])[0]
    dead = np.flatnonzero(area.live.sum(axis=1) == 0) + area.first[0]
    assert set(np.array(SWIFT_DEAD) - 1) <= set(dead.tolist())


@pytest.mark.parametrize("seed", range(2))
def test_steady_sources_of_snapshots_are_steady(tmp_path: Path, seed: int) -> None:
    exposure = simulate_field(FieldRequest(telescope="swift", sources=20), seed=seed)
    files = write_exposure(exposure, tmp_path)
    assert _p_values(files, observe(files.events)).min() > 1e-4
