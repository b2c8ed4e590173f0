"""New and vanished sources between exposures, which no test within an exposure finds, as candidates with alerts."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from demo_files import SPECTRUM, box
from fast_pipeline import configured
from store_rows import DATABASES, NOW, RUN, claimed, detection, fresh_url

from xherald.catalog_store.ledger.map_tiles import make_tiles
from xherald.catalog_store.ledger.records import CandidateRecord, DetectionRecord, MapTile, ObservationRecord
from xherald.catalog_store.ledger.states import AlertType
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.alerts.alert_builder import make_alert_builder
from xherald.daemon.daemon import Daemon
from xherald.daemon.jobs.decisions import make_decision
from xherald.daemon.jobs.drop_results import FileResult
from xherald.daemon.jobs.processing import Job, process_file
from xherald.detector.configuration.alert_settings import AlertSettings
from xherald.detector.configuration.configuration import load_configuration
from xherald.photons import PointSpread
from xherald.photons.projection import separation_deg
from xherald.photons.sky_map import SkyMap, healpix_index
from xherald.simulation.exposure import SimulatedExposure
from xherald.simulation.model import Component, PlacedSource, SourceModel
from xherald.simulation.observing import observe
from xherald.simulation.random_streams import stream
from xherald.simulation.response import record
from xherald.simulation.telescopes import TELESCOPES
from xherald.simulation.writers import write_exposure
from xherald.stores import open_store as open_view

RA, DEC, LIVE = 150.1, 2.2, 12_000.0
DAY = timedelta(days=1)
SPREAD = PointSpread("made up", (0.0,), (1.5,), ((7.5,),), ((25.0,),), 1.0)
SETTINGS = AlertSettings.model_validate(
    {"sinks": {"all": {"kind": "stdout"}, "rare": {"kind": "stdout", "far_hz_below": 1e-9}}}
)
HOT_PIXEL = {"veto": "hot_pixel", "rejects": True, "reason": "one pixel", "numbers": {}}


def field() -> tuple[MapTile, ...]:
    """Map of a field of five arcmin without photons."""
    grid = np.linspace(-0.08, 0.08, 161)
    lon, lat = np.meshgrid(RA + grid / np.cos(np.radians(DEC)), DEC + grid)
    pixels = np.unique(healpix_index(lon.ravel(), lat.ravel(), 13))
    each = np.ones(len(pixels))
    photons = np.zeros(len(pixels), dtype=np.int32)
    return make_tiles(SkyMap(13, pixels, photons, 0.02 * each, LIVE * each, SPREAD, (RA, DEC)), 1.5)


def source(counts: int, name: str = "s1", offset_deg: float = 0.0, **facts: Any) -> DetectionRecord:
    details = {"psf_fraction": 0.9, **facts.pop("details", {})}
    plain = {"livetime_s": LIVE, "background_counts": 1.0, "pos_err_arcsec": 1.0, "kind": "steady"} | facts
    return detection(name, RA, DEC + offset_deg, counts=counts, details=details, **plain)


STEADY = source(55, "old", 0.03)


def observed(obs_id: str, days: float, *found: DetectionRecord, **facts: Any) -> ObservationRecord:
    start = NOW + days * DAY
    plain = {"ra_deg": RA, "dec_deg": DEC, "tiles": field(), "instrument": "EPN"} | facts
    return ObservationRecord(
        "XMM", obs_id=obs_id, start=start, stop=start + timedelta(hours=4), detections=found, **plain
    )


ABSENT = observed("1", -300, STEADY)
PRESENT = observed("2", -200, source(120), STEADY)
STILL_PRESENT = observed("3", -100, source(110), STEADY)
GONE = observed("4", -50, STEADY)


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store(fresh_url(request.param, tmp_path)) as opened:
        yield opened


def keep(
    store: Store, *observations: ObservationRecord, candidates: Sequence[CandidateRecord] = (), again: str = ""
) -> None:
    """Commit observations one after another, each as a file, and send their alerts, as the daemon does."""
    for one in observations:
        name = f"{one.obs_id} {one.instrument} {one.processing_version}{again}"
        (drop,) = claimed(store, name)
        tested = tuple((index, 0.5) for index in range(len(one.detections)))
        result = FileResult((one,), tuple(candidates), tested, RUN, file=f"/drop/{name}")
        decide = make_decision(result, 0.1, 1e-3, make_alert_builder(SETTINGS, name))
        store.commit_result(drop.id, RUN, [one], decide)
        for alert in store.take_due_alerts("d", 100):
            store.mark_sent(alert.id, alert.sink)


def list_candidates(store: Store) -> list[tuple[str, str]]:
    return sorted((one.kind, one.obs_id) for one in store.candidates())


def list_alerts(store: Store) -> list[tuple[str, AlertType]]:
    return sorted((one.payload["facts"]["kind"], one.alert_type) for one in store.alerts() if one.sink == "all")


def test_a_steady_source_that_was_absent_is_a_candidate_and_an_alert(store: Store) -> None:
    keep(store, ABSENT, PRESENT)
    (found,) = store.candidates()
    assert (found.kind, found.obs_id, found.detection_id) == ("new", "2", "s1")
    evidence = found.evidence
    assert evidence["false_alarm_probability"] is None
    # One earlier observation is one trial.
    assert evidence["long_term_p_value"] == evidence["long_term_false_alarm_probability"] < 1e-3
    reason = "new source: 119 ±11 counts, at most 2.9 expected from obsid 1 on 2025-05-05"
    assert evidence["long_term_reason"] == reason
    assert evidence["history"]["change"] == "new"
    assert (evidence["file"], evidence["interval_counts"]) == ("/drop/2 EPN ", 120.0)
    assert list_alerts(store) == [("new", AlertType.INITIAL)]
    (alert,) = [one for one in store.alerts() if one.sink == "all"]
    assert alert.payload["headline"].startswith("New source at 150.1000 +2.2000 in XMM EPN 2: 119 ±11 counts")
    assert alert.payload["facts"]["long_term_reason"] == reason
    assert [one.name for one in store.check() if one.is_error] == []


def test_earlier_observations_of_a_source_are_trials(store: Store) -> None:
    steady = [source(55, f"old {number}", 0.02 + 0.005 * number) for number in range(8)]
    before = [observed(f"0{number}", -300 - 30 * number, *steady) for number in range(4)]
    keep(store, *before, observed("2", -200, source(120), *steady))
    (found,) = store.candidates()
    # The other sources of the field, which are compared, too, are none.
    assert found.evidence["long_term_false_alarm_probability"] == pytest.approx(
        4 * found.evidence["long_term_p_value"], rel=0.01
    )


def test_a_source_that_is_missing_has_vanished(store: Store) -> None:
    keep(store, observed("0", -400, source(115), STEADY), PRESENT, GONE)
    (found,) = store.candidates()
    assert (found.kind, found.obs_id, found.detection_id) == ("vanished", "2", "s1")
    assert found.evidence["long_term_reason"].startswith("vanished source: at most 3 counts in obsid 4 on 2026-01-10")
    assert found.evidence["direction"] == "fainter"
    assert found.evidence["interval_start_utc"] == "2026-01-10T12:00:00Z"
    assert list_alerts(store) == [("vanished", AlertType.INITIAL)]
    assert [one.name for one in store.check() if one.is_error] == []


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_one_outburst_is_one_event_in_any_order(order: tuple[int, ...], tmp_path: Path) -> None:
    every = ABSENT, PRESENT, STILL_PRESENT, GONE
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        keep(store, *(every[index] for index in order))
        (found,) = store.candidates()
        if order == (0, 1, 2, 3):
            assert list_alerts(store) == [("new", AlertType.INITIAL)]
        keep(store, *(every[index] for index in order), again=" again")
        assert [one.id for one in store.candidates()] == [found.id]
        # An end that was found first becomes an onset, of which sinks are updated.
        (_, first), *others = sorted(list_alerts(store), key=lambda one: one[1] is not AlertType.INITIAL)
        assert first is AlertType.INITIAL
        assert others in ([], [("new", AlertType.UPDATE)])
        assert [one.name for one in store.check() if one.is_error] == []


@pytest.mark.parametrize("counts", [25, 40, 70])
def test_ordinary_scatter_is_no_change(store: Store, counts: int) -> None:
    keep(store, observed("1", -300, source(40)), observed("2", 0, source(counts)))
    assert store.candidates() == []
    (field_history,) = store.field_histories(NOW - DAY)[1:]
    assert len(field_history.others) == 1


def test_a_source_that_varies_within_the_exposure_stays_one_candidate(store: Store) -> None:
    evidence = {"candidate_id": "XH-2", "kind": "flare", "direction": "brighter", "ranking_statistic": 7.0}
    keep(store, ABSENT)
    keep(store, PRESENT, candidates=[CandidateRecord("XH-2", 0, "flare", evidence=evidence)])
    keep(store, STILL_PRESENT)
    (found,) = store.candidates()
    assert (found.id, found.kind, found.evidence["long_term_change"]) == ("XH-2", "flare", "new")
    assert list_alerts(store) == [("flare", AlertType.INITIAL)]


def test_cameras_give_one_event(store: Store) -> None:
    for one in (ABSENT, PRESENT):
        keep(store, one, replace(one, instrument="EMOS1"))
    (found,) = store.candidates()
    assert len(found.evidence["detections"]) == 2
    assert list_alerts(store) == [("new", AlertType.INITIAL)]


def test_a_later_processing_keeps_the_event(store: Store) -> None:
    keep(store, ABSENT, PRESENT)
    (before,) = store.candidates()
    keep(store, replace(PRESENT, processing_version="2"), replace(ABSENT, processing_version="2"))
    assert [one.id for one in store.candidates()] == [before.id]
    assert list_alerts(store) == [("new", AlertType.INITIAL)]


@pytest.mark.parametrize(
    "present",
    [
        observed("2", -200, source(120, details={"raised_flags": [HOT_PIXEL]}), STEADY),  # an artefact
        observed("2", -200, source(120, offset_deg=1.0), STEADY),  # not in the field of the other
        observed("2", -200, source(8), STEADY),  # too faint
        observed("2", -300, source(120), STEADY),  # at the same time
    ],
)
def test_what_is_no_change(store: Store, present: ObservationRecord) -> None:
    keep(store, ABSENT, present)
    assert list_candidates(store) == []


def test_thresholds_of_sinks_apply_to_the_rate_of_such_changes(store: Store) -> None:
    keep(store, ABSENT, observed("2", -200, source(40), STEADY), observed("5", -20, source(4000, "s2", -0.02), STEADY))
    assert list_candidates(store) == [("new", "2"), ("new", "5")]
    rates = {one.obs_id: one.evidence["long_term_far_hz"] for one in store.candidates()}
    assert rates["5"] < 1e-9 < rates["2"]
    assert [one.payload["facts"]["obs_id"] for one in store.alerts() if one.sink == "rare"] == ["5"]


def test_the_commands_show_changes(tmp_path: Path, xherald: Any) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    with open_store(url) as store:
        keep(store, ABSENT, PRESENT)
        (found,) = store.candidates()
    since = (NOW - 5000 * DAY).isoformat()
    answer = xherald("store", "changes", "--since", since, "--store", url)
    assert answer.exit_code == 0, answer.stderr
    assert "new source: 119 ±11 counts, at most 2.9 expected from obsid 1" in answer.stdout
    assert "1 changes of 4 sources; at most 0.004 false alarms expected" in answer.stdout
    lines = xherald("store", "changes", "--since", since, "--store", url, "--json").stdout.splitlines()
    (row,) = [json.loads(line) for line in lines]
    assert (row["long_term_change"], row["obs_id"], row["candidate_id"]) == ("new", "2", found.id)
    assert row["long_term_p_value"] == found.evidence["long_term_p_value"]
    with open_view(url) as view:
        table = view.changes(since)
        assert list(table["candidate_id"]) == [found.id]
        assert table["long_term_p_value"][0] == row["long_term_p_value"]
        assert view.candidates(kind="new").table["long_term_change"][0] == "new"
    shown = xherald("candidate", "show", found.id, "--store", url)
    assert shown.exit_code == 0, shown.stderr
    assert "NEW SOURCE" in shown.stdout
    assert found.evidence["long_term_reason"] in shown.stdout
    listed = json.loads(xherald("candidate", "list", "--kind", "new", "--json", "--store", url).stdout)
    assert listed["long_term_false_alarm_probability"] == found.evidence["long_term_false_alarm_probability"]


# The whole pipeline, on simulated files

EXPOSURES = {"00099001001": 6.6e8, "00099001002": 7.0e8}
AIM = 210.5, -11.3


def write_snapshots(folder: Path, obs_id: str, *, with_transient: bool) -> Path:
    """Snapshots of XRT with a steady source, and with a brighter one if asked for."""
    telescope, seed = TELESCOPES["swift-xrt"], 20260105
    start = EXPOSURES[obs_id]
    observing = observe(
        telescope, ra=AIM[0], dec=AIM[1], duration=4_440, roll=0.0, rng=stream(seed, "same roll"), start=start
    )
    area = float(SPECTRUM @ telescope.area_cm2)
    wanted = [(-220.0, 160.0, 0.05), *([(10.0, -20.0, 0.2)] if with_transient else [])]
    sources = tuple(
        PlacedSource(
            f"S{number}",
            AIM[0] + east / 3600 / np.cos(np.radians(AIM[1])),
            AIM[1] + north / 3600,
            SourceModel("constant", "", (Component(box(observing.duration, None), SPECTRUM),)),
            rate / area,
        )
        for number, (east, north, rate) in enumerate(wanted)
    )
    events = record(telescope, observing, sources, seed + int(start))
    exposure = SimulatedExposure(telescope, observing, sources, events, obs_id, seed)
    return write_exposure(exposure, folder / f"{obs_id}-{with_transient}", source_list=False).events


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, bool], FileResult]:
    """Results of each exposure with and without the transient."""
    folder, found = tmp_path_factory.mktemp("snapshots"), {}
    configuration = load_configuration(None, {})
    for obs_id, with_transient in itertools.product(EXPOSURES, (False, True)):
        path = write_snapshots(folder, obs_id, with_transient=with_transient)
        result = process_file(Job(1, path, "local"), configuration).result
        assert result is not None
        assert result.candidates == ()
        found[obs_id, with_transient] = result
    return found


@pytest.mark.parametrize("is_reversed", [False, True])
@pytest.mark.parametrize(
    ("has_transient", "kind"),
    [((False, True), "new"), ((True, False), "vanished"), ((True, True), None), ((False, False), None)],
)
def test_two_exposures(
    tmp_path: Path,
    results: dict[tuple[str, bool], FileResult],
    has_transient: tuple[bool, bool],
    kind: str | None,
    is_reversed: bool,
) -> None:
    drops = list(zip(EXPOSURES, has_transient, strict=True))
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as store:
        for name in (*drops[:: -1 if is_reversed else 1], *drops):
            result = results[name]
            (drop,) = claimed(store, f"{name} {len(store.drops())}")
            decide = make_decision(result, 0.1, 1e-3, make_alert_builder(SETTINGS, str(name)))
            store.commit_result(drop.id, result.run, result.observations, decide)
        assert [one.kind for one in store.candidates()] == ([] if kind is None else [kind])
        assert list_alerts(store) == ([] if kind is None else [(kind, AlertType.INITIAL)])
        for one in store.candidates():
            assert separation_deg(one.ra_deg, one.dec_deg, *AIM) * 3600 < 30
            assert one.evidence["file"].endswith(".evt.gz")
            assert one.obs_id == dict(zip((True, False), sorted(EXPOSURES), strict=True))[kind == "vanished"]


def test_daemon_announces_a_new_source(tmp_path: Path, xherald: Any) -> None:
    folder, sink = tmp_path / "drop", tmp_path / "alerts.jsonl"
    folder.mkdir()
    url = f"sqlite:///{tmp_path}/store.sqlite"
    configuration = configured(folder, sink)
    with open_store(url) as store:
        for obs_id, with_transient in zip(EXPOSURES, (False, True), strict=True):
            path = write_snapshots(tmp_path, obs_id, with_transient=with_transient)
            path.rename(folder / path.name)
        assert Daemon(configuration, store).once().processed == 2
        (found,) = store.candidates()
    (alert,) = [json.loads(line) for line in sink.read_text().splitlines()]
    assert (alert["candidate_id"], alert["facts"]["long_term_change"]) == (found.id, "new")
    sheet = tmp_path / "sheet.png"
    drawn = xherald("candidate", "show", found.id, "--store", url, "--sheet", str(sheet))
    assert drawn.exit_code == 0, drawn.stderr
    assert sheet.stat().st_size > 10_000
