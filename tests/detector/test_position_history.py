"""History of positions: what the store returns in both databases, the comparison, its text, and the whole pipeline."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_result import CliResult
from demo_files import SPECTRUM, box
from fast_pipeline import configured
from store_rows import DATABASES, NOW, RUN, candidate, claimed, detection, fresh_url

from xherald.catalog_store.ledger.drop_outcome import DropOutcome, PriorState
from xherald.catalog_store.ledger.history_records import DetectionElsewhere, PositionHistory, Visit
from xherald.catalog_store.ledger.map_tiles import make_tiles
from xherald.catalog_store.ledger.records import CandidateRecord, DetectionRecord, MapTile, ObservationRecord
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.alerts.payload import facts_of
from xherald.daemon.daemon import Daemon
from xherald.daemon.jobs.decisions import build_no_alerts, make_decision
from xherald.daemon.jobs.drop_results import FileResult
from xherald.detector.candidates.history_rendering import format_history, history_rows
from xherald.detector.candidates.position_history import History, compare_with_history
from xherald.photons import PointSpread
from xherald.photons.sky_map import SkyMap, healpix_index
from xherald.plugins.alerts import Alert
from xherald.plugins.sinks.alert_text import text
from xherald.plugins.sinks.gcn_notice import gcn_notice
from xherald.simulation.exposure import SimulatedExposure
from xherald.simulation.model import Component, PlacedSource, SourceModel
from xherald.simulation.observing import observe
from xherald.simulation.random_streams import stream
from xherald.simulation.response import record
from xherald.simulation.telescopes import TELESCOPES
from xherald.simulation.writers import write_exposure

RA, DEC = 150.1, 2.2
DAY = timedelta(days=1)
SPREAD = PointSpread("made up", (0.0,), (1.5,), ((7.5,),), ((25.0,),), 1.0)
LIVE = 12_000.0


def tiles(ra: float = RA, dec: float = DEC, counts: int = 0, background: float = 0.02) -> tuple[MapTile, ...]:
    """Map of a field of five arcmin around a position, with the given photons at the position."""
    grid = np.linspace(-0.08, 0.08, 161)
    lon, lat = np.meshgrid(ra + grid / np.cos(np.radians(dec)), dec + grid)
    pixels = np.unique(healpix_index(lon.ravel(), lat.ravel(), 13))
    photons = np.zeros(len(pixels), dtype=np.int32)
    photons[np.searchsorted(pixels, healpix_index(ra, dec, 13))] = counts
    each = np.ones(len(pixels))
    return make_tiles(SkyMap(13, pixels, photons, background * each, LIVE * each, SPREAD, (ra, dec)), 1.5)


def observed(
    obs_id: str, days: float, *found: DetectionRecord, mapped: bool = True, mission: str = "XMM", **facts: Any
) -> ObservationRecord:
    """An observation of the field, days before (negative) or after the present one."""
    start = NOW + days * DAY
    plain: dict[str, Any] = {"ra_deg": RA, "dec_deg": DEC, "tiles": tiles() if mapped else ()}
    return ObservationRecord(
        mission, "EPN", obs_id, start=start, stop=start + timedelta(hours=4), detections=found, **{**plain, **facts}
    )


def source(counts: int = 40, ra_deg: float = RA, dec_deg: float = DEC, **facts: Any) -> DetectionRecord:
    plain = {"livetime_s": LIVE, "background_counts": 2.0, "pos_err_arcsec": 1.0, "details": {"psf_fraction": 0.9}}
    return detection("s1", ra_deg, dec_deg, counts=counts, **{**plain, **facts})


ASKING = observed("new", 0.0, source(200))


@pytest.fixture(params=DATABASES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    with open_store(fresh_url(request.param, tmp_path)) as opened:
        yield opened


def keep(store: Store, *observations: ObservationRecord, outcome: Any = DropOutcome()) -> None:  # noqa: B008 - frozen
    for one in observations:
        (drop,) = claimed(store, f"{one.mission} {one.obs_id} {one.processing_version} {one.part} {one.start}")
        store.commit_result(drop.id, RUN, [one], outcome, NOW)


def get_history(store: Store, radius: float = 3.0, asking: ObservationRecord = ASKING) -> PositionHistory:
    """History of the position that the store returns while the present observation is committed."""
    found: list[PositionHistory] = []

    def ask(prior: PriorState) -> DropOutcome:
        found.append(prior.position_history(RA, DEC, radius, asking))
        return DropOutcome()

    keep(store, asking, outcome=ask)
    return found[-1]


# The store


def test_observations_with_and_without_a_detection(store: Store) -> None:
    keep(
        store,
        observed("1", -900, source(40, ra_deg=RA + 2 / 3600)),
        observed("2", -500),
        observed("3", 30, mapped=False),
    )
    keep(store, observed("4", -40, source(25), mapped=False), outcome=DropOutcome([candidate("XH-4")]))
    found = get_history(store)
    assert found.total == 3
    four, two, one = found.visits
    assert (four.obs_id, four.detection_id, four.candidate_id, four.start) == ("4", "s1", "XH-4", NOW - 40 * DAY)
    assert (four.counts, four.background_counts, four.exposure_s) == (25, 2.0, pytest.approx(0.9 * LIVE))
    assert (one.obs_id, one.counts, one.detection_id, one.candidate_id) == ("1", 40, "s1", None)
    assert (two.obs_id, two.counts, two.detection_id, two.crowded) == ("2", 0, None, False)
    assert 0.9 * LIVE < two.exposure_s <= LIVE
    assert 0 < two.background_counts < 1


def test_history_excludes_the_same_exposure(store: Store) -> None:
    keep(store, observed("new", -0.001, source(190), processing_version="1"))  # an earlier processing
    keep(store, observed("new", -300.0, source(190), part="S003"))  # a part of it
    keep(store, observed("renamed", 0.1, source(190)))  # the same time under another name
    assert get_history(store, asking=replace(ASKING, processing_version="2")) == PositionHistory()


def test_superseded_processings_do_not_count(store: Store) -> None:
    keep(store, observed("1", -9, source(70), processing_version="1"), observed("1", -9, processing_version="2"))
    (one,) = get_history(store).visits
    assert (one.obs_id, one.detection_id, one.counts) == ("1", None, 0)


def test_one_part_of_an_exposure_counts(store: Store) -> None:
    keep(store, observed("1", -9, part="A"), observed("1", -9, source(30), part="B", mapped=False))
    found = get_history(store)
    assert [(one.obs_id, one.counts) for one in found.visits] == [("1", 30)]
    assert found.total == 1


def test_other_instruments_are_listed_but_not_compared(store: Store) -> None:
    chandra = observed("7", -50, source(900, dec_deg=DEC + 1 / 3600), mission="CHANDRA")
    # Far off, but for its own error.
    wide = observed("8", -20, source(30, dec_deg=DEC + 100 / 3600, pos_err_arcsec=40.0), mission="EP")
    keep(
        store,
        chandra,
        wide,
        observed("9", -10, mission="SWIFT"),
        observed("6", -5, source(5, dec_deg=DEC + 0.01), mission="A"),
    )
    found = get_history(store)
    assert found.visits == ()
    assert [(one.mission, one.obs_id) for one in found.elsewhere] == [("EP", "8"), ("CHANDRA", "7")]
    assert found.elsewhere[1].separation_arcsec == pytest.approx(1.0, abs=1e-3)


def test_nearest_detection_within_the_errors_is_the_source(store: Store) -> None:
    near, far = source(30, dec_deg=DEC + 2 / 3600), source(60, dec_deg=DEC + 12 / 3600)
    keep(
        store, observed("1", -9, far, near), observed("2", -8, far), observed("3", -7, replace(far, pos_err_arcsec=5.0))
    )
    three, two, one = get_history(store).visits
    assert (one.counts, one.detection_id) == (30, "s1")
    # Photons of a neighbour are among those counted.
    assert (two.detection_id, two.crowded) == (None, True)
    assert (three.counts, three.crowded) == (60, False)


def test_fields_without_the_position_do_not_count(store: Store) -> None:
    keep(store, observed("1", -9, tiles=tiles(RA + 0.5)), observed("2", -8, tiles=tiles(RA + 0.12)))
    assert get_history(store) == PositionHistory()


def test_latest_observations_are_listed_and_all_are_counted(store: Store) -> None:
    here = tiles()
    keep(store, *(observed(str(number), -100 + number, tiles=here) for number in range(55)))
    found = get_history(store)
    assert found.total == 55
    assert [one.obs_id for one in found.visits] == [str(number) for number in range(54, 4, -1)]


def test_pruning_deletes_maps_and_a_backup_keeps_them(store: Store, tmp_path: Path) -> None:
    keep(store, observed("1", -9), observed("2", -8, source(30)), outcome=DropOutcome())
    before = get_history(store)
    rows = store.row_counts()["map_tiles"]
    assert rows >= 3
    store.backup(tmp_path / "copy.sqlite")
    with open_store(f"sqlite:///{tmp_path / 'copy.sqlite'}") as copy:
        assert copy.row_counts()["map_tiles"] == rows
        assert get_history(copy, asking=observed("newer", 1, source(3))).visits[-2:] == before.visits
    assert store.check(NOW) == []
    gone = store.prune(NOW + DAY)
    assert (gone.tiles, store.row_counts()["map_tiles"]) == (rows, 0)
    assert get_history(store, asking=observed("newest", 2, mapped=False)) == PositionHistory()
    assert store.check(NOW) == []


def test_check_finds_damaged_maps(store: Store) -> None:
    broken = tuple(replace(one, content=one.content[:-9]) for one in tiles())
    keep(store, observed("1", -9, tiles=broken))
    (one,) = store.check(NOW)
    assert (one.name, one.rows) == ("map-damaged", len(broken))
    assert "restore" in one.meaning


# Comparison


def visit(counts: int, days: float, found: bool = True, obs_id: str = "1", **facts: Any) -> Visit:
    return Visit(obs_id, NOW + days * DAY, counts, 0.6, LIVE, "s1" if found else None, **facts)


def of(
    counts: int, *visits: Visit, total: int | None = None, elsewhere: tuple[DetectionElsewhere, ...] = ()
) -> History:
    place = PositionHistory(visits, len(visits) if total is None else total, elsewhere)
    made = compare_with_history(source(counts, background_counts=1.0, livetime_s=LIVE / 0.9), ASKING, place)
    assert made is not None
    json.dumps(made, allow_nan=False)
    return made


def test_limits_are_fluxes_with_the_conversion_factor_of_the_present_detection() -> None:
    found = source(60, background_counts=1.0, livetime_s=LIVE / 0.9)
    found = replace(found, details={**found.details, "erg_cm2_per_count": 2e-12})
    made = compare_with_history(found, ASKING, PositionHistory((visit(0, -2573, found=False),), 1))
    assert made is not None
    # Kraft, Burrows & Nousek: without counts, -ln(0.05) counts at 95 %.
    assert made["mean_upper_limit_erg_cm2_s"] == pytest.approx(2.9957 / LIVE * 2e-12, rel=1e-3)
    assert "< 0.00025 ct/s or 5e-16 erg/cm2/s (95 %)" in format_history(made)
    assert dict(history_rows(made))["limit of 1 observation"] == "< 0.00025 ct/s or 5e-16 erg/cm2/s (95 %)"
    assert facts_of({"history": made}).limiting_flux_broad_erg_cm2_s == made["mean_upper_limit_erg_cm2_s"]
    # A source that was detected has a rate, and an unknown conversion gives no flux.
    seen = compare_with_history(found, ASKING, PositionHistory((visit(9, -2573),), 1))
    assert seen is not None
    assert seen["mean_upper_limit_erg_cm2_s"] is None
    assert of(60, visit(0, -2573, found=False))["mean_upper_limit_erg_cm2_s"] is None


def test_source_never_detected_has_an_upper_limit() -> None:
    made = of(60, visit(0, -2573, found=False))
    assert made["mean_rate_ct_s"] is None
    assert made["ratio"] is None
    assert made["mean_upper_limit_ct_s"] == pytest.approx(2.9957 / LIVE, rel=1e-3)
    assert made["observations"][0]["upper_limit_ct_s"] == made["mean_upper_limit_ct_s"]
    assert made["observations"][0]["rate_ct_s"] is None
    assert (made["compared"], made["trials"], made["extreme"]) == (1, 1, "brightest")
    # 59 counts against less than three.
    assert made["ratio_at_least"] is not None
    assert made["ratio_at_least"] > 59 / 5
    assert made["p_value"] is not None
    assert made["p_value"] < 1e-12
    assert format_history(made) == (
        "not detected before: < 0.00025 ct/s (95 %) in 12 ks on 2019-02-13; now 0.0049 ct/s (p < 1e-6)"
    )


def test_source_brighter_than_ever() -> None:
    made = of(300, visit(20, -10), visit(25, -1000), visit(18, -2000))
    assert made["ratio"] is not None
    net = (300 - 1) * 3 / (63 - 1.8)
    assert made["ratio"]["low"] < net < made["ratio"]["high"]  # type: ignore[operator]
    assert made["p_after_trials"] == pytest.approx(min(3 * made["p_value"], 1), rel=1e-6)  # type: ignore[operator]
    assert made["extreme"] == "brightest"
    sentence = format_history(made)
    assert sentence.startswith("brighter than ever before: ")
    assert "times the mean of 3 observations since 2020-09-08 (p < 1e-6)" in sentence


def test_constant_and_fainter_sources() -> None:
    assert format_history(of(22, visit(20, -10), visit(25, -20))).startswith("as bright as before: 0.9")
    fainter = of(12, visit(90, -10), visit(85, 20))
    assert fainter["extreme"] == "faintest"
    assert format_history(fainter).startswith("fainter than in other observations: 0.1")
    assert ", 2026-02-19 to 2026-03-21 (p" in format_history(fainter)


def test_source_once_as_bright_is_not_brighter_than_ever() -> None:
    made = of(150, visit(140, -10), visit(0, -20, found=False), visit(0, -30, found=False))
    assert made["extreme"] is None
    assert format_history(made).startswith("brighter than before: ")


def test_crowded_observations_are_listed_but_not_compared() -> None:
    made = of(40, visit(300, -10, found=False, crowded=True))
    assert (made["compared"], made["p_value"], made["mean_upper_limit_ct_s"]) == (0, None, None)
    assert made["observations"][0]["upper_limit_ct_s"] is not None
    assert "blended with a neighbour" in format_history(made)
    both = of(40, visit(300, -10, found=False, crowded=True), visit(0, -20, found=False))
    assert (both["compared"], both["exposure_s"]) == (1, LIVE)


def test_detections_by_other_instruments_are_named() -> None:
    other = DetectionElsewhere("CHANDRA", "ACIS", "7", NOW - DAY, 0.5)
    assert format_history(of(40, elsewhere=(other,))) == (
        "not observed before by this instrument; detected by CHANDRA ACIS 7 on 2026-02-28"
    )
    assert format_history(of(40)) == ""
    assert format_history(None) == ""


def test_long_histories_are_shortened() -> None:
    rows = history_rows(of(40, *(visit(20, -number, obs_id=str(number)) for number in range(1, 11)), total=80))
    assert ("earlier observations", "74") in rows
    assert sum(label.startswith("2026-02") for label, _ in rows) == 6


def test_p_values_of_a_constant_rate() -> None:
    rng, trials = np.random.default_rng(20260103), 300
    chances = []
    for _ in range(trials):
        counts = rng.poisson(12.0 + 0.6, 3).tolist()
        made = of(int(rng.poisson(12.0 + 1.0)), *(visit(n, -10 * i - 1) for i, n in enumerate(counts)))
        chances.append(made["p_value"])
    low = np.mean(np.array(chances) < 0.1)
    assert low < 0.1 + 3 * np.sqrt(0.09 / trials)


def test_candidates_get_their_history() -> None:
    asked: list[tuple[float, float, float, str]] = []

    def history(ra: float, dec: float, radius: float, asking: ObservationRecord) -> PositionHistory:
        asked.append((ra, dec, radius, asking.obs_id))
        return PositionHistory((visit(3, -9),), 1)

    nowhere = source(50, ra_deg=None, dec_deg=None)  # type: ignore[arg-type]
    records = (observed("a", 0, source(9)), observed("b", 0, source(80, pos_err_arcsec=4.0), nowhere))
    made = tuple(CandidateRecord(f"c{place}", place, "flare", evidence={"kind": "flare"}) for place in (1, 2))
    outcome = make_decision(FileResult(records, made, (), RUN), None, 1e-3, build_no_alerts)(
        PriorState((), {}, (False, False), lambda _: None, history)
    )
    first, second = outcome.candidates
    assert asked == [(RA, DEC, 12.0, "b")]
    assert first.evidence["history"]["observations"][0]["counts"] == 3
    assert second.evidence["history"] is None
    assert asked == [(RA, DEC, 12.0, "b")]


def test_alerts_have_the_history_in_one_sentence() -> None:
    evidence = {"candidate_id": "c", "kind": "flare", "history": of(300, visit(20, -10))}
    facts = facts_of(evidence)
    alert = Alert("c-1", "c", "initial", "current", "2026-03-01T12:00:00Z", "Flare", facts, evidence)
    assert facts.history_summary.startswith("brighter than ever before: ")
    assert facts.history_summary in text(alert)
    assert facts.history_summary in gcn_notice(alert)["additional_info"]
    assert Alert.from_json(json.loads(json.dumps(alert.as_json()))).facts.history_summary == facts.history_summary


# Pipeline

QUIET, FLARING = None, (6_000.0, 6_400.0, 2_000.0)


def snapshots(folder: Path, obs_id: str, start: float, change: tuple[float, float, float] | None) -> Path:
    """Four snapshots of XRT: a steady source, and one of a count in the whole exposure unless it flares."""
    telescope, seed = TELESCOPES["swift-xrt"], 20260104
    aim = 210.5, -11.3
    observing = observe(
        telescope, ra=aim[0], dec=aim[1], duration=4_440, roll=0.0, rng=stream(seed, "same roll"), start=start
    )
    area = float(SPECTRUM @ telescope.area_cm2)
    wanted = ((10.0, -20.0, 1e-4, change), (-220.0, 160.0, 0.05, None))
    sources = tuple(
        PlacedSource(
            f"S{number}",
            aim[0] + east / 3600 / np.cos(np.radians(aim[1])),
            aim[1] + north / 3600,
            SourceModel("constant", "", (Component(box(observing.duration, shape), SPECTRUM),)),
            rate / area,
        )
        for number, (east, north, rate, shape) in enumerate(wanted)
    )
    events = record(telescope, observing, sources, seed + int(start))
    exposure = SimulatedExposure(telescope, observing, sources, events, obs_id, seed)
    made = write_exposure(exposure, folder.parent / obs_id, source_list=False).events
    return made.rename(folder / made.name)


def test_daemon_reports_a_flare_at_an_empty_position(tmp_path: Path, xherald: Callable[..., CliResult]) -> None:
    folder, sink = tmp_path / "drop", tmp_path / "alerts.jsonl"
    folder.mkdir()
    url = f"sqlite:///{tmp_path}/store.sqlite"
    configuration = configured(folder, sink)
    snapshots(folder, "00099001001", 6.6e8, QUIET)
    with open_store(url) as store:
        first = Daemon(configuration, store).once()
        assert (first.processed, first.quarantined) == (1, 0)
        assert store.row_counts()["map_tiles"] > 0
        assert store.candidates() == []
        snapshots(folder, "00099001002", 7.0e8, FLARING)
        assert Daemon(configuration, store).once().processed == 1
        (flare,) = store.candidates()
        history = flare.evidence["history"]
        (before,) = history["observations"]
        assert (before["obs_id"], before["detection_id"]) == ("00099001001", None)
        assert before["start_utc"] < history["start_utc"]
        datetime.fromisoformat(before["start_utc"])
        # Nobody found the count or none of it; the limit lies above the rate that it has.
        assert before["upper_limit_ct_s"] > 1e-4
        assert history["rate_ct_s"]["low"] > before["upper_limit_ct_s"]
        assert history["extreme"] == "brightest"
        assert history["p_after_trials"] < 1e-6
        assert [one.name for one in store.check() if one.is_error] == []
    (line,) = [json.loads(one) for one in sink.read_text().splitlines()]
    assert line["facts"]["history_summary"].startswith("not detected before: < ")
    shown = xherald("candidate", "show", flare.id, "--store", url)
    assert shown.exit_code == 0
    assert "not detected before: < " in shown.stdout
    assert "Other observations of the position" in shown.stdout
    listed = json.loads(xherald("candidate", "list", "--json", "--store", url).stdout)
    assert json.dumps(listed).count('"mean_upper_limit_ct_s"') == 1
