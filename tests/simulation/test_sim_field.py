"""Whole exposures and drops from a request: what was asked for is there, and nothing depends on what else is made."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import xherald.simulation as simulation
from xherald.photons.errors import ConfigError
from xherald.simulation import FieldRequest, read_truth, simulate_drop, simulate_field
from xherald.simulation.classes import CLASSES, total_light_curve
from xherald.simulation.field import expected_counts, telescope_named, telescopes_named
from xherald.simulation.telescopes import TELESCOPES


def test_every_public_name_is_there() -> None:
    assert all(hasattr(simulation, name) for name in simulation.__all__)
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        simulation.nothing  # noqa: B018


@pytest.mark.parametrize("name", TELESCOPES)
def test_a_field_holds_what_was_asked_for(name: str) -> None:
    request = FieldRequest(telescope=name, sources=3, transients=("fast_transient", "eclipse"), duration=2_000)
    exposure = simulate_field(request, seed=5)
    assert [one.model.kind for one in exposure.sources[:2]] == ["fast_transient", "eclipse"]
    assert len(exposure.sources) == 5
    assert {-1, -2} <= set(exposure.events.origin.tolist())
    assert (np.diff(exposure.events.time) >= 0).all()


def test_recorded_counts_are_the_expected_ones() -> None:
    """Over many fields: each within Poisson noise and what chip gaps, dither and streaks take or add (a tenth)."""
    seen, meant = 0.0, 0.0
    for seed in range(30):
        exposure = simulate_field(FieldRequest(telescope="swift-xrt", sources=3), seed=seed)
        for index, source in enumerate(exposure.sources):
            expected = expected_counts(exposure.telescope, exposure.observing, source)
            seen += np.count_nonzero(exposure.events.origin == index)
            meant += expected
    assert seen == pytest.approx(meant, rel=0.1)


@pytest.mark.parametrize("kind", CLASSES)
def test_every_class_shines_in_a_swift_orbit(kind: str) -> None:
    """Four fifths of the time Swift looks elsewhere; events are begun while it looks."""
    for seed in range(4):
        exposure = simulate_field(FieldRequest(telescope="swift-xrt", sources=0, transients=(kind,)), seed=seed)
        assert np.count_nonzero(exposure.events.origin == 0) > 0


def test_a_truncated_burst_is_cut_by_an_end_of_the_exposure() -> None:
    for seed in range(8):
        request = FieldRequest(telescope="chandra-acis-i", sources=0, artefacts=("truncated_burst",))
        exposure = simulate_field(request, seed=seed)
        (source,) = exposure.sources
        curve = total_light_curve(source.model)
        edges = curve.at([0.0, exposure.observing.duration])
        assert edges.max() > 0.01 * curve.rate.max()
        assert edges.min() < 0.01 * edges.max()


def test_an_edge_source_is_taken_off_its_chip_by_dither() -> None:
    lost = []
    for seed in range(6):
        request = FieldRequest(telescope="chandra-acis-s", sources=0, artefacts=("edge_source",))
        exposure = simulate_field(request, seed=seed)
        (source,) = exposure.sources
        seen = np.count_nonzero(exposure.events.origin == 0)
        lost.append(seen / expected_counts(exposure.telescope, exposure.observing, source))
    # Within 5″ of an edge, dithered by 8″ and spread by off-axis mirrors: never all of its photons, seldom none.
    assert max(lost) < 0.95
    assert np.mean(lost) > 0.15


def test_sources_that_are_artefacts_are_recorded_as_both() -> None:
    kinds = ("edge_source", "truncated_burst", "afterglow", "edge_source")
    exposure = simulate_field(FieldRequest(telescope="chandra-acis-s", sources=2, artefacts=kinds), seed=3)
    told = {(one["kind"], one["origin"]): one for one in exposure.artefacts if one["kind"] != "afterglow"}
    assert list(told) == [("truncated_burst", 2), ("edge_source", 3), ("edge_source", 4)]
    assert len(exposure.artefacts) == len(kinds)
    assert len(exposure.sources) == 5
    for (_, origin), facts in told.items():
        source = exposure.sources[int(str(origin))]
        own = exposure.events.time[exposure.events.origin == origin]
        assert (facts["source"], facts["ra"], facts["dec"]) == (source.name, source.ra, source.dec)
        assert (facts["events"], facts["first_time"], facts["last_time"]) == (len(own), own.min(), own.max())
    assert exposure.sources[2].model.kind == "fast_transient"


def test_a_drop_s_file_does_not_depend_on_the_others(tmp_path: Path) -> None:
    few = list(simulate_drop(tmp_path / "few", missions=("swift", "ep-wxt"), files=2, seed=9))
    many = list(simulate_drop(tmp_path / "many", missions=("swift", "ep-wxt"), files=4, seed=9))
    for one, same in zip(few, many[:2], strict=True):
        assert one.events.name == same.events.name
        assert one.events.read_bytes() == same.events.read_bytes()
        assert read_truth(one.events) == read_truth(same.events)


def test_a_drop_keeps_its_pace(tmp_path: Path) -> None:
    pauses: list[float] = []
    made = simulate_drop(tmp_path, missions=("swift",), files=200, seed=3, rate_per_minute=6.0, wait=pauses.append)
    for number, _ in enumerate(made):
        if number == 40:
            break
    # Forty exponential pauses of 10 s: their mean has a spread of 10/√40 = 1.6 s.
    assert np.mean(pauses) == pytest.approx(10.0, abs=5 * 1.6)


def test_a_mission_s_name_stands_for_its_telescopes() -> None:
    assert telescopes_named("chandra") == ["chandra-acis-i", "chandra-acis-s"]
    assert telescopes_named("all") == list(TELESCOPES)
    assert telescope_named("chandra").name == "chandra-acis-i"
    with pytest.raises(ConfigError, match="unknown telescope or mission"):
        telescopes_named("rosat")


def test_a_class_may_be_called_by_a_word_of_its_name() -> None:
    request = FieldRequest(telescope="swift-xrt", sources=0, transients=("flare", "transient", "dip"), duration=2_000)
    kinds = [one.model.kind for one in simulate_field(request, seed=5).sources]
    assert kinds == ["stellar_flare", "fast_transient", "dip"]
