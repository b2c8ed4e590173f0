"""The stream's parts: whole files, companions, decisions, workers that die, a store that is locked, full or gone."""

from __future__ import annotations

import gzip
import json
import os
import resource
import sqlite3
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import time_machine
from fast_pipeline import RUN, configured, drop_file, light
from hypothesis import given
from hypothesis import strategies as st

from xherald.catalog_store.ledger.drop_outcome import PriorState
from xherald.catalog_store.ledger.records import CandidateRecord, DetectionRecord, ObservationRecord, StoredCandidate
from xherald.catalog_store.ledger.states import AlertType, CandidateState, DropState
from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.daemon import Daemon, opened_sources
from xherald.daemon.intake import completeness
from xherald.daemon.intake.companions import expects_companions, find_companions
from xherald.daemon.intake.intake import Intake
from xherald.daemon.intake.spool import Files
from xherald.daemon.jobs.decisions import CONTROL, CandidateChange, decide
from xherald.daemon.jobs.drop_results import Result
from xherald.daemon.jobs.processing import Fault, JobResult, Task, process_file
from xherald.daemon.jobs.worker_pool import Pool
from xherald.daemon.metrics import Metrics, Served
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.configuration.daemon_settings import SourceSettings
from xherald.detector.scoring import false_discovery
from xherald.photons.errors import ConfigError, PluginError, StoreError
from xherald.plugins import FolderNames, PluginHost, ReadLimits

LIMITS = ReadLimits()


# --- whole ----------------------------------------------------------------------------------------------------------


def test_whole_files_are_whole_and_half_ones_are_not(demo_files: list[Path], tmp_path: Path) -> None:
    swift = demo_files[1]
    assert completeness.examine(swift, LIMITS) == completeness.Examined()
    data = swift.read_bytes()
    for cut in (1, 8, len(data) // 2):
        part = tmp_path / swift.name
        part.write_bytes(data[:-cut])
        assert "gzip" in str(completeness.examine(part, LIMITS).fault)
    plain = tmp_path / "plain.evt"
    inflated = gzip.decompress(data)
    plain.write_bytes(inflated)
    assert completeness.examine(plain, LIMITS) == completeness.Examined()
    for cut in (2880, len(inflated) // 2):
        plain.write_bytes(inflated[:-cut])
        assert "truncated" in str(completeness.examine(plain, LIMITS).fault)


def test_a_fits_file_without_events_is_whole_but_no_event_list(tmp_path: Path) -> None:
    from astropy.io import fits

    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path)
    found = completeness.examine(path, LIMITS)
    assert found.fault is None
    assert "no events table" in str(found.other)


def test_parquet_and_text(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0]}), path)
    assert completeness.examine(path, LIMITS).fault is None
    path.write_bytes(path.read_bytes()[:-3])
    assert "truncated Parquet" in str(completeness.examine(path, LIMITS).fault)
    assert "zero bytes" in str(completeness.examine(_written(tmp_path / "empty.csv", b""), LIMITS).fault)


class Clock:
    """Clocks that tests set: one that runs, one that jumps."""

    def __init__(self) -> None:
        self.run, self.wall = 0.0, 1e9

    def monotonic(self) -> float:
        return self.run

    def time(self) -> float:
        return self.wall


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(-1e6, 1e6), st.integers(1, 2)), min_size=1, max_size=12))
def test_only_standing_counts_whatever_the_clock_on_the_wall_does(steps: list[tuple[float, float, int]]) -> None:
    clock, before, since = Clock(), None, 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(completeness, "time", clock)
        steadiness = completeness.StabilityTracker(4.0)
        for passed, jump, size in steps:
            clock.run += passed
            clock.wall += jump
            if size != before:
                before, since = size, clock.run
            assert steadiness.stands("x", size) is (clock.run - since >= 4.0)
            # A time of change that lies ahead, because the clock was set back, is not believed either.
            assert steadiness.stands("x", size, clock.wall + 100) is (clock.run - since >= 4.0)
        assert steadiness.stands("y", 1, clock.wall - 10)  # copied long ago: at the first look


def _written(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


# --- companions -----------------------------------------------------------------------------------------------------

CHANDRA = ("acisf23022_000N027_r0122_regevt3.fits", "acisf23022_000N020_r0122_reg3.fits")
NAMES = {
    CHANDRA[0]: {CHANDRA[1]},
    "P0201901401M1S001MIEVLI0000.FTZ": {"P0201901401EP000OBSMLI0000.FTZ"},
    "ep01234567890wxt12po_cl.evt.gz": {"ep01234567890wxt12.cat"},
    "photons.csv": {"photons_gti.csv"},
}


def test_companions_depend_on_names_alone() -> None:
    host = PluginHost()
    names = [*NAMES, *(one for some in NAMES.values() for one in some), "acisf1_evt2.fits"]
    found = find_companions(names, FolderNames(names), host)
    assert {name: set(theirs) for name, theirs in found.items() if name in NAMES} == NAMES
    assert [expects_companions(name, host) for name in NAMES] == [True, True, True, False]
    assert host.failures == []


def test_adapter_that_fails_to_name_companions_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> bool:
        raise ValueError("no such pattern")

    host = PluginHost()
    for method in ("companions", "expects_companions"):
        monkeypatch.setattr(type(host.adapters["chandra"]), method, broken)
    names = ("photons.csv", "photons_gti.csv")
    assert find_companions(names, FolderNames(names), host) == {"photons.csv": ("photons_gti.csv",)}
    assert not expects_companions("photons.csv", host)
    assert [(one.name, one.times) for one in host.failures] == [("chandra", 3)]
    assert "no such pattern" in host.failures[0].reason


# --- intake ---------------------------------------------------------------------------------------------------------


class Given:
    """A folder, a store, and the way in between."""

    def __init__(self, tmp_path: Path, **stream: Any) -> None:
        self.folder = tmp_path / "drop"
        self.folder.mkdir()
        self.configuration = configured(self.folder, tmp_path / "alerts.jsonl", **stream)
        self.store = open_store(f"sqlite:///{tmp_path}/store.sqlite", wait_s=0.3)
        self.intake = self.new_intake()

    def new_intake(self, *, once: bool = False) -> Intake:
        sources = opened_sources(self.configuration)
        ((name, (source, options)),) = sources.items()
        stream = self.configuration.settings.daemon
        files = Files(self.folder.parent / "spool", sources)
        return Intake(name, source, options, self.store, files, self.configuration, stream, once)

    def states(self) -> dict[str, DropState]:
        """Of the newest drop at each place."""
        return {Path(one.url).name: one.state for one in sorted(self.store.drops(), key=lambda drop: drop.id)}

    def reason(self, name: str) -> str:
        return next(str(one.reason) for one in self.store.drops() if Path(one.url).name == name)

    def daemon(self, **given: Any) -> Daemon:
        return Daemon(self.configuration, self.store, work=light, **given)


@pytest.fixture
def given_folder(tmp_path: Path) -> Iterator[Callable[..., Given]]:
    made: list[Given] = []

    def make(**stream: Any) -> Given:
        made.append(Given(tmp_path, **stream))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def test_a_file_is_taken_when_it_stands_and_is_whole(
    given_folder: Callable[..., Given], demo_files: list[Path]
) -> None:
    here = given_folder(incomplete_wait_s=3600)
    data, path = demo_files[1].read_bytes(), here.folder / demo_files[1].name
    path.write_bytes(data[: len(data) // 2])
    for _ in range(3):  # half copied, and prior for long enough
        assert here.intake.look().stable == 0
        time.sleep(0.06)
    assert here.states() == {path.name: DropState.SEEN}
    path.write_bytes(data)
    assert here.intake.look().stable == 0
    time.sleep(0.12)
    assert here.intake.look().stable == 1
    assert here.states() == {path.name: DropState.STABLE}
    assert here.intake.look().seen == 0


def test_what_is_never_whole_is_set_aside_with_its_reason(
    given_folder: Callable[..., Given], demo_files: list[Path]
) -> None:
    here = given_folder()
    data = bytearray(demo_files[1].read_bytes())
    data[len(data) // 2] ^= 255
    bad = _written(here.folder / "sw00000000001xpcw3po_cl.evt.gz", bytes(data))
    drop_file(here.folder, "good")
    deadline = time.monotonic() + 30
    while here.states().get(bad.name) is not DropState.QUARANTINED:
        assert time.monotonic() < deadline
        here.intake.look()
        time.sleep(0.05)
    assert "corrupt gzip" in here.reason(bad.name) or "truncated" in here.reason(bad.name)
    assert here.states()["good.csv"] is DropState.STABLE


def test_the_same_content_twice_is_one_drop(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    first = drop_file(here.folder, "a")
    (here.folder / "sub").mkdir()
    _written(here.folder / "sub" / "b.csv", first.read_bytes())
    time.sleep(0.12)
    here.new_intake(once=True).look()
    here.new_intake(once=True).look()
    assert sorted(here.states().values()) == [DropState.DUPLICATE, DropState.STABLE]


def test_a_companion_is_no_drop_and_its_file_waits_for_it(
    given_folder: Callable[..., Given], demo_files: list[Path]
) -> None:
    here = given_folder(companions_wait_s=3600)
    table = demo_files[2]
    event = here.folder / "ep01234567890wxt12po_cl.evt.gz"
    event.write_bytes(demo_files[1].read_bytes())
    _written(here.folder / "photons_gti.csv", table.with_name("eventfiles_table_gti.csv").read_bytes())
    time.sleep(0.12)
    here.intake.look()
    # Good times that came before their photons are no drop; an event list that its source list is missing of waits.
    assert here.states() == {event.name: DropState.SEEN}
    _written(here.folder / "photons.csv", table.read_bytes())
    _written(here.folder / "ep01234567890wxt12.cat", b"\n")
    time.sleep(0.12)
    here.intake.look()
    time.sleep(0.12)
    here.intake.look()
    assert here.states() == {event.name: DropState.STABLE, "photons.csv": DropState.STABLE}


def test_a_file_goes_on_without_what_does_not_come(given_folder: Callable[..., Given], demo_files: list[Path]) -> None:
    here = given_folder(companions_wait_s=0.3)
    event = here.folder / "ep01234567890wxt12po_cl.evt.gz"
    event.write_bytes(demo_files[1].read_bytes())
    here.intake.look()
    assert here.states() == {event.name: DropState.SEEN}
    time.sleep(0.35)
    here.intake.look()
    assert here.states() == {event.name: DropState.STABLE}
    # It comes after all: the file is another drop with it than without, and what came is none.
    late = here.folder / "ep01234567890wxt12.cat"
    _written(late, b"late").touch()
    here.intake.look()
    time.sleep(0.15)
    here.intake.look()
    first, second = sorted(here.store.drops(), key=lambda one: one.id)
    assert (first.url, first.state, second.state) == (second.url, DropState.STABLE, DropState.STABLE)
    assert second.url == str(event)
    assert first.sha256 != second.sha256
    # A copy elsewhere that nothing came with is no news.
    (here.folder / "copy").mkdir()
    _written(here.folder / "copy" / event.name, event.read_bytes())
    time.sleep(0.12)
    here.new_intake(once=True).look()
    assert sorted(one.state for one in here.store.drops()) == [DropState.DUPLICATE, DropState.STABLE, DropState.STABLE]


def test_a_clock_that_is_set_back_or_ahead_holds_nothing_up(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    for number, days in enumerate((-400, 400)):
        with time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True):
            path = drop_file(here.folder, f"{number}")
            path.touch()
            for _ in range(4):
                here.intake.look()
                time.sleep(0.05)
    assert set(here.states().values()) == {DropState.STABLE}


def test_a_restart_goes_on_with_what_was_only_seen(given_folder: Callable[..., Given]) -> None:
    here = given_folder(stable_after_s=3600)
    drop_file(here.folder, "a").touch()
    here.intake.look()
    assert here.states() == {"a.csv": DropState.SEEN}
    here.configuration = configured(here.folder, None, stable_after_s=0.0)
    here.new_intake().look()
    assert here.states() == {"a.csv": DropState.STABLE}


# --- deciding -------------------------------------------------------------------------------------------------------


def result(*chances: float, threshold: float = 1e-3, ra: float = 10.0) -> Result:
    """A result of one observation with a source for each chance, a candidate where it is small."""
    found = tuple(
        DetectionRecord(f"s{i}", ra, 5.0 + i, 30, 1e3, "flare", pos_err_arcsec=1.0) for i in range(len(chances))
    )
    candidates = tuple(
        CandidateRecord(f"c{i}", i, "flare", evidence={"candidate_id": f"c{i}"})
        for i, p in enumerate(chances)
        if p <= threshold
    )
    return Result((ObservationRecord("M", "I", "1", detections=found),), candidates, tuple(enumerate(chances)), RUN)


def prior(state: Any = None, replaced: tuple[StoredCandidate, ...] = (), **announced: tuple[str, ...]) -> PriorState:
    return PriorState(replaced, announced, (False,), lambda _: state)


def stored(name: str, ra: float, dec: float, kind: str = "flare") -> StoredCandidate:
    now = datetime.now(UTC)
    return StoredCandidate(
        id=name, kind=kind, likely_class=None, score=None, far_hz=None, evidence={"candidate_id": name},
        state=CandidateState.STANDING, alert_type=None, created=now, updated=now, ra_deg=ra, dec_deg=dec,
        pos_err_arcsec=1.0, detection_id="s0", counts=30, livetime_s=1e3, false_alarm_probability=None,
        extrapolated=None, mission="M", instrument="I", obs_id="1", start=None, observation_id=1, drop_id=1, url="",
    )  # fmt: skip


def heard_of(result: Result, prior: PriorState) -> tuple[list[CandidateChange], Any]:
    told: list[CandidateChange] = []

    def announce(news: Any) -> tuple[()]:
        told.extend(news)
        return ()

    verdict = decide(result, "saffron", 0.1, 1e-3, announce)(prior)
    return told, verdict


def test_control_of_false_discoveries_goes_along_the_stream() -> None:
    chances = (0.4, 1e-9, 0.8, 5e-4, 0.02)
    told, verdict = heard_of(result(*chances), prior())
    assert [one.id for one in verdict.candidates] == ["c1", "c3"]
    plain, _, _ = false_discovery.run(np.array(chances), false_discovery.start("saffron", 0.1))
    assert [one.candidate_id for one in told] == [f"c{i}" for i in np.flatnonzero(plain) if chances[i] <= 1e-3]
    state = verdict.shared_states[CONTROL]
    assert state["tested"] == len(chances)
    # The next file goes on from there.
    _, after = heard_of(result(0.3, 0.9), prior(state))
    assert after.shared_states[CONTROL]["tested"] == len(chances) + 2


def test_what_is_no_candidate_is_no_discovery_however_much_may_be_spent() -> None:
    rich = false_discovery.Control("saffron", 0.1, tested=9, spent=0, discoveries=(0,) * 9)
    _, verdict = heard_of(result(2e-3), prior(rich.as_dict()))
    assert false_discovery.next_level(rich) > 2e-3
    assert verdict.shared_states[CONTROL]["discoveries"] == [0] * 9


def test_a_later_processing_bears_on_updates_and_retracts() -> None:
    replaced = (stored("old", 10.0, 5.0 + 0.5 / 3600), stored("gone", 10.0, 80.0), stored("dip", 10.0, 6.0, "dip"))
    told, verdict = heard_of(result(1e-9, 1e-9), prior(None, replaced, old=("mail",), gone=("mail", "file"), dip=()))
    assert [one.id for one in verdict.candidates] == ["old", "c1"]
    assert verdict.candidates[0].evidence["candidate_id"] == "old"
    assert [(one.candidate_id, one.alert_type, one.heard) for one in told] == [
        ("old", AlertType.UPDATE, ("mail",)),
        ("c1", AlertType.INITIAL, ()),
        ("gone", AlertType.RETRACTION, ("mail", "file")),
    ]
    # The sheet of what goes on under an old name was drawn under its own.
    assert [one.drawn_as for one in told] == ["c0", "c1", ""]


def test_a_back_fill_leaves_the_stream_s_state_alone() -> None:
    told, verdict = [], decide(result(1e-9), None, 0.1, 1e-3, lambda _: ())(prior({"x": 1}))
    assert (told, dict(verdict.shared_states), len(verdict.candidates)) == ([], {}, 1)


# --- workers --------------------------------------------------------------------------------------------------------


def answers_of(pool: Pool, tasks: list[Task]) -> dict[int, JobResult]:
    """Give tasks one by one and gather what comes of them."""
    found: dict[int, JobResult] = {}
    waiting, deadline = list(tasks), time.monotonic() + 60
    while len(found) < len(tasks):
        assert time.monotonic() < deadline
        if waiting and pool.idle:
            pool.give(waiting.pop(0))
        found |= {one.drop_id: one for one in pool.answers(0.1)}
    return found


def test_a_worker_that_dies_or_dawdles_costs_one_attempt(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    names = ("good", "killer", "slow", "other")
    tasks = [Task(i, drop_file(folder, name, name), "here") for i, name in enumerate(names)]
    configuration = configured(folder, None, file_timeout_s=0.2, files_per_worker=1)
    pool = Pool(configuration, configuration.settings.daemon, light)
    pool.start()
    try:
        first = pool.processes
        found = answers_of(pool, tasks)
        assert set(pool.processes).isdisjoint(first)
    finally:
        pool.end()
    assert [found[i].fault for i in range(4)] == [None, Fault.DEFECT, Fault.DEFECT, None]
    assert "ended without a word" in found[1].reason
    assert "file_timeout_s" in found[2].reason


def test_the_road_tells_faults_of_files_from_what_may_pass(demo_files: list[Path], tmp_path: Path) -> None:
    configuration = load_configuration(None, {})
    bad = _written(tmp_path / "bad.fits", b"no fits at all")
    assert process_file(Task(1, bad, ""), configuration).fault is Fault.FILE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xherald.detector.extraction.extracted_sources.open_file", _out_of_memory)
        assert process_file(Task(2, bad, ""), configuration).fault is Fault.TRANSIENT
        patch.setattr("xherald.detector.extraction.extracted_sources.open_file", _defect)
        answer = process_file(Task(3, bad, ""), configuration)
    assert (answer.fault, "ZeroDivisionError" in answer.trace) == (Fault.DEFECT, True)
    found = process_file(Task(4, demo_files[1], ""), configuration)
    assert found.result is not None
    (record,) = found.result.observations
    assert (record.mission, record.obs_id) == ("SWIFT", "00099001001")
    assert record.start is not None
    assert record.stop is not None
    assert record.stop > record.start
    assert "PHOTON" in record.part
    assert len(found.result.tested) <= len(record.detections)
    for one in found.result.candidates:
        assert one.evidence["detection_id"] == record.detections[one.place].detection_id


def _out_of_memory(*_: Any) -> Any:
    raise MemoryError


def _defect(*_: Any) -> Any:
    raise ZeroDivisionError("x")


# --- the daemon, in this process ------------------------------------------------------------------------------------


def test_good_files_are_done_whatever_the_others_hold(given_folder: Callable[..., Given]) -> None:
    here = given_folder(max_attempts=2, retry_delay_s=0.05, workers=1)
    for number in range(9):
        drop_file(here.folder, f"{number}", burst=number % 3 == 0)
    for name in ("bad", "killer", "defect"):
        drop_file(here.folder, name, name)
    summary = here.daemon().once()
    assert (summary.processed, summary.quarantined, summary.ended) == (9, 3, False)
    states = here.states()
    assert {states[f"{number}.csv"] for number in range(9)} == {DropState.PROCESSED, DropState.ALERTED}
    assert "photons that cannot be" in here.reason("bad.csv")
    assert "given up after 2 attempts" in here.reason("defect.csv")
    assert "2 attempts" in here.reason("killer.csv")
    lines = (here.folder.parent / "alerts.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["candidate_id"] for line in lines) == ["XH-0", "XH-3", "XH-6"]
    assert [one.what for one in here.store.check() if one.is_error] == []
    # A second pass finds nothing to do.
    assert here.daemon().once().processed == 0


def test_a_new_processing_version_supersedes(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    drop_file(here.folder, "7_v1", burst=True)
    here.daemon().once()
    drop_file(here.folder, "7_v2", burst=True)
    here.daemon().once()
    assert here.states() == {"7_v1.csv": DropState.SUPERSEDED, "7_v2.csv": DropState.ALERTED}
    lines = [json.loads(one) for one in (here.folder.parent / "alerts.jsonl").read_text().splitlines()]
    assert [(one["candidate_id"], one["alert_type"]) for one in lines] == [
        ("XH-7_v1", "initial"),
        ("XH-7_v1", "update"),
    ]


def test_a_file_is_judged_again_with_what_came_late(
    running: Callable[..., tuple[Given, Daemon]], demo_files: list[Path]
) -> None:
    good_times = demo_files[2].with_name("eventfiles_table_gti.csv").read_bytes()
    here, _ = running(stable_after_s=0.1, companions_wait_s=3600)
    drop_file(here.folder, "7", burst=True)
    drop_file(here.folder, "8", burst=True)
    until(lambda: done(here, "7", "8"))
    _written(here.folder / "7_gti.csv", good_times)
    until(lambda: len(here.store.drops()) == 3 and done(here, "7", "8"))

    def told() -> list[tuple[str, str]]:
        lines = [json.loads(one) for one in (here.folder.parent / "alerts.jsonl").read_text().splitlines()]
        return [(one["candidate_id"], one["alert_type"]) for one in lines]

    until(lambda: len(told()) == 3)
    assert sorted(told()) == [("XH-7", "initial"), ("XH-7", "update"), ("XH-8", "initial")]
    assert told()[-1] == ("XH-7", "update")
    assert [one.state for one in here.store.drops() if one.url.endswith("7_gti.csv")] == []
    assert [one.what for one in here.store.check() if one.is_error] == []


def test_what_was_seen_half_copied_and_belongs_to_another_is_no_drop(
    given_folder: Callable[..., Given], demo_files: list[Path]
) -> None:
    here = given_folder(companions_wait_s=3600)
    drop_file(here.folder, "7")
    time.sleep(0.12)
    assert here.intake.look().stable == 1
    _written(here.folder / "7_gti.csv", b"")
    here.intake.look()
    assert here.states() == {"7.csv": DropState.STABLE, "7_gti.csv": DropState.SEEN}
    _written(here.folder / "7_gti.csv", demo_files[2].with_name("eventfiles_table_gti.csv").read_bytes())
    looks = []
    until(lambda: looks.append(here.intake.look()) or looks[-1].stable == 1)
    assert [(Path(one.url).name, one.state) for one in here.store.drops()] == [("7.csv", DropState.STABLE)] * 2


def test_what_came_while_no_daemon_ran_is_taken_up_once(
    given_folder: Callable[..., Given], demo_files: list[Path]
) -> None:
    here = given_folder()
    drop_file(here.folder, "7", burst=True)
    here.daemon().once()
    good_times = demo_files[2].with_name("eventfiles_table_gti.csv").read_bytes()
    _written(here.folder / "7_gti.csv", good_times)
    assert [here.daemon().once().processed for _ in range(3)] == [1, 0, 0]
    states = sorted((one.id, one.state) for one in here.store.drops())
    assert [state for _, state in states] == [DropState.SUPERSEDED, DropState.ALERTED]
    # Both together from the beginning are one drop, judged once.
    _written(here.folder / "9_gti.csv", good_times)
    drop_file(here.folder, "9", burst=True)
    assert [here.daemon().once().processed for _ in range(2)] == [1, 0]
    # Copied anew they are the same, with what belongs to them.
    for name in ("7", "9"):
        os.utime(here.folder / f"{name}.csv", (1.71e9, 1.71e9))
    assert here.daemon().once().processed == 0


@pytest.fixture
def running(given_folder: Callable[..., Given]) -> Iterator[Callable[..., tuple[Given, Daemon]]]:
    threads: list[tuple[Daemon, threading.Thread]] = []

    def run(**stream: Any) -> tuple[Given, Daemon]:
        here = given_folder(**stream)
        daemon = here.daemon()
        thread = threading.Thread(target=daemon.watch)
        threads.append((daemon, thread))
        thread.start()
        return here, daemon

    yield run
    for daemon, thread in threads:
        daemon.end()
        thread.join(60)
        assert not thread.is_alive()


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "it did not come about"
        time.sleep(0.05)


def done(here: Given, *names: str) -> bool:
    states = here.states()
    return all(states.get(f"{name}.csv") in (DropState.PROCESSED, DropState.ALERTED) for name in names)


def test_a_store_that_is_locked_for_a_while_and_a_disk_that_is_full_hold_nothing_back(
    running: Callable[..., tuple[Given, Daemon]],
) -> None:
    here, daemon = running()
    drop_file(here.folder, "a", burst=True)
    until(lambda: done(here, "a"))
    other = sqlite3.connect(str(here.store.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    drop_file(here.folder, "b")
    until(lambda: _errors(daemon, "store") > 0)
    other.execute("ROLLBACK")
    other.close()
    until(lambda: done(here, "a", "b"))
    # A quota on the size of files is what a full disk looks like to the database.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = _errors(daemon, "store")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        (here.folder / "c.csv").symlink_to(drop_file(here.folder.parent, "c"))
        until(lambda: _errors(daemon, "store") > before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    until(lambda: done(here, "a", "b", "c"))
    assert [one.what for one in here.store.check() if one.is_error] == []


def _errors(daemon: Daemon, kind: str) -> float:
    return daemon.metrics.registry.get_sample_value("xherald_errors_total", {"kind": kind}) or 0.0


def test_what_something_passing_hinders_is_held_and_done_when_it_has_passed(
    running: Callable[..., tuple[Given, Daemon]],
) -> None:
    here, daemon = running(retry_delay_s=0.1, max_attempts=2)
    hindrance = here.folder / ".hindrance"
    hindrance.touch()
    drop_file(here.folder, "a", "hindered")
    drop_file(here.folder, "b")
    until(lambda: done(here, "b") and _errors(daemon, "passing") >= 4)
    assert here.states()["a.csv"] is DropState.CLAIMED
    hindrance.unlink()
    until(lambda: done(here, "a"))


def test_a_source_that_is_gone_costs_itself_only_and_comes_back(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    stream = here.configuration.settings.daemon
    gone = here.folder.parent / "gone"
    other = SourceSettings.model_validate({"kind": "folder", "path": str(gone), "interval_s": 0.2})
    stream = stream.model_copy(update={"sources": {**stream.sources, "gone": other}})
    settings = here.configuration.settings.model_copy(update={"daemon": stream})
    here.configuration = replace(here.configuration, settings=settings)
    daemon = here.daemon()
    thread = threading.Thread(target=daemon.watch)
    thread.start()
    try:
        drop_file(here.folder, "a")
        until(lambda: done(here, "a") and _errors(daemon, "source") > 0)
        assert set(here.states()) == {"a.csv"}
        gone.mkdir()
        drop_file(gone, "b")
        until(lambda: done(here, "b"))
    finally:
        daemon.end()
        thread.join(60)
    assert not thread.is_alive()
    assert set(here.states()) == {"a.csv", "b.csv"}


def test_sources_of_an_unknown_kind_or_with_a_wrong_option_are_refused(tmp_path: Path) -> None:
    def loaded(source: dict[str, Any]) -> Configuration:
        return load_configuration(None, {"XHERALD_DAEMON__SOURCES": json.dumps({"x": source})})

    with pytest.raises(ConfigError, match="no drop source is named 'gopher'; there are folder, fsspec, http"):
        opened_sources(loaded({"kind": "gopher"}))
    with pytest.raises(ConfigError, match=r"daemon\.sources\.x\.url"):
        opened_sources(loaded({"kind": "http", "url": "ftp://x"}))
    with pytest.raises(ConfigError, match=r"daemon\.sources\.x\.cron"):
        opened_sources(loaded({"kind": "folder", "path": "/", "cron": "99 * * * *"}))
    with pytest.raises(ConfigError, match="cron needs five fields"):
        loaded({"kind": "folder", "path": "/", "cron": "every day"})


def test_workers_that_cannot_start_end_a_pass_with_the_reason(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    drop_file(here.folder, "a")
    settings = here.configuration.settings
    nowhere = settings.detection.model_copy(update={"calibration": here.folder / "nowhere"})
    here.configuration = replace(here.configuration, settings=settings.model_copy(update={"detection": nowhere}))
    with pytest.raises(PluginError, match="workers end before they are ready"):
        Daemon(here.configuration, here.store).once()
    assert here.states() == {"a.csv": DropState.STABLE}


def test_numbers_and_health_are_told_on_localhost() -> None:
    metrics = Metrics()
    served = Served(metrics, 0)
    try:
        url = f"http://127.0.0.1:{served.port}"
        metrics.processed(12, 2, 0.4)
        metrics.alert("mail", "sent")
        text = urllib.request.urlopen(f"{url}/metrics").read().decode()
        assert "xherald_detections_total 12.0" in text
        assert 'xherald_alerts_total{sink="mail",what="sent"} 1.0' in text
        assert json.load(urllib.request.urlopen(f"{url}/health"))["well"] is True
        metrics.beat("the store is gone")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/health")
        with caught.value:
            assert (caught.value.code, json.load(caught.value)["trouble"]) == (503, "the store is gone")
        with pytest.raises(ConfigError, match="metrics_port"):
            Served(metrics, served.port)
    finally:
        served.close()


def test_two_on_one_store_are_refused(given_folder: Callable[..., Given]) -> None:
    from xherald.daemon.lock import hold

    here = given_folder()
    first = hold(here.store)
    with pytest.raises(StoreError, match="a daemon works on it already"):
        hold(here.store)
    first.release()
    hold(here.store).release()
