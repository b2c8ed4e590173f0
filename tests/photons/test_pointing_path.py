"""Pointing paths of attitude tables and fits against the true pointing of skies from `independent_skies`."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from independent_skies import Sky, erosita, observe_sky, snapshots, survey, swift
from sky_observations import PIXEL, observation_of

from xherald.adapters.erosita import SURVEY_SPREAD, ErositaAdapter
from xherald.adapters.swift import SwiftAdapter
from xherald.photons import Attitude, Observation
from xherald.photons.exposure.live_area import live_areas
from xherald.photons.exposure.path_fit import MIN_UNIT_EVENTS
from xherald.photons.exposure.pointing_path import measure_pointing_path

EROSITA, SWIFT = (one.mission.instruments[0] for one in (ErositaAdapter, SwiftAdapter))


def _survey(seed: int, particles: float = 0.25) -> tuple[Sky, Observation]:
    rng = np.random.default_rng(seed)
    sky = observe_sky(erosita(rng, particles), survey(rng), np.zeros((1, 2)), np.array([0.01]), rng)
    return sky, observation_of(sky, SURVEY_SPREAD, EROSITA.layout, is_scan=True)


def _attitude(sky: Sky, observation: Observation, sense: float) -> Attitude:
    """Table of one row per s, with roll angles of either sense and an arbitrary zero."""
    time = np.concatenate([np.arange(start, stop + 1.0) for start, stop in sky.gti])
    x, y, roll = sky.course.aim(time)
    ra, dec = observation.require_projection().to_sky(x / PIXEL, y / PIXEL)
    return Attitude(time, ra, dec, np.degrees(sense * roll) + 77.0)


def _residuals(sky: Sky, observation: Observation) -> np.ndarray:
    """Distance of each event's pixel from that of its sky position, detector pixels."""
    path, pixels = measure_pointing_path(observation), observation.event_pixels
    assert path is not None
    assert pixels is not None
    position, turn = path.at(sky.time)
    out = np.full(len(sky.time), np.nan)
    for number, unit in path.units.items():
        own = sky.unit == number
        back = (sky.x[own] + 1j * sky.y[own]) / PIXEL - position[own]
        back = back * np.exp(-1j * turn[own])
        focal = np.array([back.real, back.imag]) - unit.offset[:, None]
        out[own] = np.hypot(*(np.linalg.solve(unit.matrix, focal).T - pixels[own]).T)
    return out


@pytest.mark.parametrize("sense", [1.0, -1.0])
def test_attitude_table_gives_the_path_whatever_the_sense_of_roll(sense: float) -> None:
    sky, observation = _survey(1)
    told = replace(observation, attitude={None: _attitude(sky, observation, sense)})
    path = measure_pointing_path(told)
    assert path is not None
    assert path.is_scan
    # Rounding to pixels alone gives 0.38 in the median.
    assert np.nanmedian(_residuals(sky, told)) < 0.45


def test_fitted_path_of_a_scan_is_as_good_as_the_attitude() -> None:
    sky, observation = _survey(2)
    assert np.nanmedian(_residuals(sky, observation)) < 0.45
    assert np.nanquantile(_residuals(sky, observation), 0.99) < 1.0


def test_attitude_that_disagrees_with_the_events_is_not_used() -> None:
    sky, observation = _survey(3)
    table = _attitude(sky, observation, 1.0)
    wrong = replace(observation, attitude={None: replace(table, dec=table.dec + 0.2 * np.sin(table.time / 5.0))})
    assert np.nanmedian(_residuals(sky, wrong)) < 0.45


def test_sparse_scan_is_not_fitted() -> None:
    _, observation = _survey(4, particles=0.0005)
    assert len(observation.events) < 50
    assert measure_pointing_path(observation) is None


def test_snapshots_have_their_own_pointing_and_roll() -> None:
    rng = np.random.default_rng(5)
    sky = observe_sky(swift(rng), snapshots(rng), np.zeros((1, 2)), np.array([0.05]), rng)
    observation = observation_of(sky, SWIFT.point_spread, SWIFT.layout)
    assert np.nanquantile(_residuals(sky, observation), 0.99) < 1.5


def test_outliers_do_not_move_the_path() -> None:
    sky, observation = _survey(6)
    events = observation.events
    rng = np.random.default_rng(7)
    stray = rng.random(len(events)) < 0.03
    x = np.where(stray, events.x + rng.normal(0, 2000, len(events)), events.x)
    moved = replace(observation, load_events=lambda: replace(events, x=x))
    assert np.nanmedian(_residuals(sky, moved)) < 0.45


def test_coordinates_that_do_not_belong_together_have_no_path() -> None:
    sky, observation = _survey(8)
    rng = np.random.default_rng(9)
    columns = {name: rng.permutation(sky.px.astype(np.int32)) for name in ("RAWX", "RAWY")}
    shuffled = replace(observation, load_columns=lambda *names: tuple(columns[name] for name in names))
    assert measure_pointing_path(shuffled) is None


def test_dead_columns_are_found_in_the_events() -> None:
    rng = np.random.default_rng(10)
    telescope = swift(rng, dead_columns=(200, 201, 400), particles=30.0)
    sky = observe_sky(telescope, snapshots(rng), np.zeros((1, 2)), np.array([0.5]), rng)
    observation = observation_of(sky, SWIFT.point_spread, SWIFT.layout, with_bad=False)
    path = measure_pointing_path(observation)
    assert path is not None
    area = live_areas(observation, path, [0])[0]
    dead = np.flatnonzero(area.live.sum(axis=1) == 0) + area.first[0]
    assert dead.tolist() == [200, 201, 400]
    assert (area.live.sum(axis=0) > 0).all()


def test_wide_dead_band_is_found_in_a_sparse_field() -> None:
    rng = np.random.default_rng(11)
    band = tuple(range(300, 330))
    sky = observe_sky(swift(rng, band, particles=0.3), snapshots(rng), np.zeros((1, 2)), np.array([0.02]), rng)
    observation = observation_of(sky, SWIFT.point_spread, SWIFT.layout, with_bad=False)
    path = measure_pointing_path(observation)
    assert path is not None
    area = live_areas(observation, path, [0])[0]
    dead = np.flatnonzero(area.live.sum(axis=1) == 0) + area.first[0]
    # Empty columns beside the band cannot be told from it.
    assert set(band) <= set(dead.tolist())
    assert len(dead) <= len(band) + 6


def test_a_detector_unit_without_sky_is_left_out() -> None:
    """Events of one unit lie anywhere, as those of a noisy CCD: the path is that of the other units."""
    rng = np.random.default_rng(5)
    sky = observe_sky(erosita(rng), survey(rng), np.zeros((1, 2)), np.array([0.01]), rng)
    last = int(sky.unit.max())
    few = np.flatnonzero(sky.unit == last)[: MIN_UNIT_EVENTS + 5]
    kept = np.sort(np.concatenate([np.flatnonzero(sky.unit != last), few]))
    sky = replace(sky, **{name: getattr(sky, name)[kept] for name in ("time", "x", "y", "unit", "px", "py")})
    noise = np.where(sky.unit == last, 1e5, 0.0)
    sky = replace(sky, x=sky.x + noise * rng.normal(size=len(kept)), y=sky.y + noise * rng.normal(size=len(kept)))
    path = measure_pointing_path(observation_of(sky, SURVEY_SPREAD, EROSITA.layout, is_scan=True))
    assert path is not None
    assert set(path.units) == set(np.unique(sky.unit).tolist()) - {last}


def test_a_snapshot_without_events_of_the_other_units_gets_the_mean_rotation() -> None:
    """In one snapshot only a noisy unit has events: the path of the others is fitted as without it."""
    rng = np.random.default_rng(6)
    sky = observe_sky(erosita(rng), snapshots(rng), np.zeros((1, 2)), np.array([0.01]), rng)
    last, start = int(sky.unit.max()), sky.gti[-1][0]
    kept = np.flatnonzero(np.where(sky.time < start, sky.unit != last, sky.unit == last))
    kept = np.concatenate([kept[sky.time[kept] < start], kept[sky.time[kept] >= start][: MIN_UNIT_EVENTS + 5]])
    sky = replace(sky, **{name: getattr(sky, name)[kept] for name in ("time", "x", "y", "unit", "px", "py")})
    noise = np.where(sky.unit == last, 1e5, 0.0)
    sky = replace(sky, x=sky.x + noise * rng.normal(size=len(kept)), y=sky.y + noise * rng.normal(size=len(kept)))
    path = measure_pointing_path(observation_of(sky, SURVEY_SPREAD, EROSITA.layout))
    assert path is not None
    assert np.isfinite(path.turn).all()
    assert last not in path.units
