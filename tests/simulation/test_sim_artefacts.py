"""False transients: what they look like, what is flagged, and that the truth tells of all of them."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping

import numpy as np
import pytest
from scipy import stats
from toy_telescope import FLAT, chip, exposure, steady, toy

from xherald.photons.errors import ConfigError, PhotonError
from xherald.photons.gti import gti_contains
from xherald.photons.projection import separation_deg
from xherald.simulation.artefact_models import ARTEFACTS, add_artefacts
from xherald.simulation.exposure import Fault, RecordedEvents
from xherald.simulation.response import record

CHIPS = chip(0, width=400, centre=(-300.0, 0.0)), chip(1, width=400, centre=(300.0, 0.0), rotation=90.0)
TELESCOPE = toy(frame_time=3.2, chips=CHIPS, particle_background=FLAT * 3e-3, proton_background=FLAT * 1e-3)
OBSERVING = exposure(TELESCOPE, 20_000.0, pattern="dither")
EVENTS = record(TELESCOPE, OBSERVING, [steady(OBSERVING, 300, west=300)], 1)
SINGLE = [kind for kind, artefact in ARTEFACTS.items() if artefact.single_pixel]


def added(kind: str, seed: int) -> tuple[RecordedEvents, Mapping[str, object]]:
    """The events of one artefact and the truth about it."""
    events, facts = add_artefacts(TELESCOPE, OBSERVING, EVENTS, [kind], seed)
    return events.select(events.origin == -4), facts[0]


@pytest.mark.parametrize("kind", list(ARTEFACTS))
def test_artefacts_leave_other_events_unchanged_and_are_in_the_truth(kind: str) -> None:
    events, (facts,) = add_artefacts(TELESCOPE, OBSERVING, EVENTS, [kind], 2)
    others = events.select(events.origin > -4)
    for name in RecordedEvents.__slots__:
        assert np.array_equal(getattr(others, name), getattr(EVENTS, name))
    assert (np.diff(events.time) >= 0).all()
    own = events.select(events.origin == -4)
    assert facts["kind"] == kind
    assert facts["events"] == len(own) > 0
    assert (facts["first_time"], facts["last_time"]) == (own.time[0], own.time[-1])
    assert facts["flagged"] == bool(own.fault.any())
    assert json.loads(json.dumps(facts)) == facts
    for number, gti in OBSERVING.gti.items():
        assert gti_contains(gti, own.time[own.detector == number]).all()
    if kind in SINGLE:
        assert (own.grade == 0).all()
        assert set(own.detector) == {facts["detector"]}
        assert (facts["chip_x"], facts["chip_y"]) == (own.chip_x[0], own.chip_y[0])
        # Within the dither, and a track of up to 25″.
        assert separation_deg(own.ra, own.dec, facts["ra"], facts["dec"]).max() * 3600 < 25


def test_artefacts_do_not_depend_on_those_beside_them() -> None:
    several, facts = add_artefacts(TELESCOPE, OBSERVING, EVENTS, ["hot_pixel", "afterglow", "afterglow"], 3)
    alone, (own,) = add_artefacts(TELESCOPE, OBSERVING, EVENTS, ["afterglow"], 3)
    assert [one["origin"] for one in facts] == [-4, -5, -6]
    assert facts[1] | {"origin": -4} == own
    assert facts[2] | {"origin": -4} != own
    assert np.array_equal(several.time[several.origin == -5], alone.time[alone.origin == -4])
    again, _ = add_artefacts(TELESCOPE, OBSERVING, EVENTS, ["afterglow"], 3)
    assert all(getattr(again, name).tobytes() == getattr(alone, name).tobytes() for name in RecordedEvents.__slots__)


def test_no_artefact_changes_nothing() -> None:
    events, facts = add_artefacts(TELESCOPE, OBSERVING, EVENTS, [], 4)
    assert facts == ()
    assert np.array_equal(events.time, EVENTS.time)


@pytest.mark.parametrize("seed", range(5))
def test_an_afterglow_fades_in_one_pixel_frame_after_frame(seed: int) -> None:
    own, _ = added("afterglow", seed)
    assert len(set(zip(own.detector, own.chip_x, own.chip_y, strict=True))) == 1
    assert 5 <= len(own) <= 30
    steps = np.diff(own.frame)
    assert (steps >= 1).all()
    assert steps.mean() < 2.5
    assert own.energy[-1] < 0.7 * own.energy[0]
    assert stats.spearmanr(own.frame, own.energy).statistic < -0.6


@pytest.mark.parametrize("seed", range(3))
def test_a_hot_pixel_is_steady_and_soft(seed: int) -> None:
    own, _ = added("hot_pixel", seed)
    assert len(set(zip(own.detector, own.chip_x, own.chip_y, strict=True))) == 1
    assert len(np.unique(own.frame)) == len(own)
    since = (own.time - OBSERVING.start) / OBSERVING.duration
    assert stats.kstest(since, "uniform").pvalue > 1e-4
    assert np.median(own.energy) < 1.0


@pytest.mark.parametrize("seed", range(3))
def test_a_flickering_pixel_bursts_again_and_again(seed: int) -> None:
    own, _ = added("flickering_pixel", seed)
    assert len(set(zip(own.detector, own.chip_x, own.chip_y, strict=True))) == 1
    gaps = np.diff(own.frame)
    assert (gaps >= 1).all()
    bursts = 1 + int((gaps > 30).sum())
    assert 2 <= bursts <= 8
    assert (gaps < 10).sum() >= 2 * bursts


@pytest.mark.parametrize("seed", range(5))
def test_a_cosmic_ray_is_a_line_of_pixels_in_one_frame(seed: int) -> None:
    own, _ = added("wxt_cosmic_ray", seed)
    assert len(np.unique(own.frame)) == len(np.unique(own.detector)) == 1
    assert len(set(zip(own.chip_x, own.chip_y, strict=True))) == len(own)
    steps = np.abs(np.diff(np.column_stack([own.chip_x, own.chip_y]), axis=0))
    assert (steps.max(axis=1) == 1).all()


@pytest.mark.parametrize("seed", range(3))
def test_a_background_flare_lights_all_chips_for_a_while(seed: int) -> None:
    own, facts = added("background_flare", seed)
    assert np.ptp(own.time) < 1000
    assert set(own.detector) == {0, 1}
    assert not facts["flagged"]
    assert "ra" not in facts
    quiet = EVENTS.select((EVENTS.origin < 0) & (EVENTS.time >= own.time[0]) & (EVENTS.time <= own.time[-1]))
    assert len(own) > len(quiet)


@pytest.mark.parametrize("kind", SINGLE)
def test_the_pipeline_finds_its_share(kind: str) -> None:
    found = [added(kind, seed)[1]["flagged"] for seed in range(150)]
    assert stats.binomtest(sum(map(bool, found)), 150, 1 - ARTEFACTS[kind].escapes).pvalue > 1e-4
    own = next(events for events, facts in (added(kind, seed) for seed in range(30)) if facts["flagged"])
    assert set(own.fault) == {ARTEFACTS[kind].fault} <= {Fault.HOT_PIXEL, Fault.COSMIC_RAY}


def test_an_artefact_finds_room_in_short_good_times() -> None:
    telescope = toy(mission="erosita", frame_time=0.05, particle_background=FLAT * 1e-2)
    observing = exposure(telescope, 100.0, pattern="scans")
    nothing = record(telescope, observing, [], 5)
    events, facts = add_artefacts(telescope, observing, nothing, list(ARTEFACTS), 5)
    assert all(one["events"] for one in facts)
    assert gti_contains(observing.gti[0], events.time).all()


def test_what_is_not_an_artefact_is_refused() -> None:
    with pytest.raises(ConfigError, match="'gremlin'"):
        add_artefacts(TELESCOPE, OBSERVING, EVENTS, ["gremlin"], 6)


def test_a_flare_needs_a_background() -> None:
    dark = dataclasses.replace(TELESCOPE, particle_background=FLAT * 0, proton_background=FLAT * 0)
    with pytest.raises(PhotonError, match="no proton or particle background"):
        add_artefacts(dark, OBSERVING, EVENTS, ["background_flare"], 7)
