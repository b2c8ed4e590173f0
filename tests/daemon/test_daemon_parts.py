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
from xherald.daemon.configured_sources import open_sources
from xherald.daemon.daemon import Daemon
from xherald.daemon.intake import completeness
from xherald.daemon.intake.companions import expects_companions, find_companions
from xherald.daemon.intake.intake import Intake
from xherald.daemon.intake.spool import DropFiles
from xherald.daemon.jobs.decisions import FALSE_DISCOVERY_STATE, CandidateChange, make_decision
from xherald.daemon.jobs.drop_results import FileResult
from xherald.daemon.jobs.processing import Fault, Job, JobResult, process_file
from xherald.daemon.jobs.worker_pool import WorkerPool
from xherald.daemon.metrics import Metrics, MetricsServer
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.configuration.daemon_settings import SourceSettings
from xherald.detector.scoring import false_discovery
from xherald.photons.errors import ConfigError, PluginError, StoreError
from xherald.plugins import FolderNames, PluginHost, ReadLimits

LIMITS = ReadLimits()


# --- whole ----------------------------------------------------------------------------------------------------------


def test_truncated_fits_files_are_incomplete(demo_files: list[Path], tmp_path: Path) -> None:
    swift = demo_files[1]
    assert completeness.examine_file(swift, LIMITS) == completeness.FileExamination()
    data = swift.read_bytes()
    for cut in (1, 8, len(data) // 2):
        part = tmp_path / swift.name
        part.write_bytes(data[:-cut])
        assert "gzip" in str(completeness.examine_file(part, LIMITS).incomplete)
    plain = tmp_path / "plain.evt"
    inflated = gzip.decompress(data)
    plain.write_bytes(inflated)
    assert completeness.examine_file(plain, LIMITS) == completeness.FileExamination()
    for cut in (2880, len(inflated) // 2):
        plain.write_bytes(inflated[:-cut])
        assert "truncated" in str(completeness.examine_file(plain, LIMITS).incomplete)


def test_fits_file_without_events_is_complete(tmp_path: Path) -> None:
    from astropy.io import fits

    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path)
    found = completeness.examine_file(path, LIMITS)
    assert found.incomplete is None
    assert "no events table" in str(found.not_events)


def test_truncated_parquet_files_are_incomplete(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0]}), path)
    assert completeness.examine_file(path, LIMITS).incomplete is None
    path.write_bytes(path.read_bytes()[:-3])
    assert "truncated Parquet" in str(completeness.examine_file(path, LIMITS).incomplete)
    assert "zero bytes" in str(completeness.examine_file(_written(tmp_path / "empty.csv", b""), LIMITS).incomplete)


class Clock:
    """Clocks set by the test: a monotonic one and a system clock."""

    def __init__(self) -> None:
        self.run, self.wall = 0.0, 1e9

    def monotonic(self) -> float:
        return self.run

    def time(self) -> float:
        return self.wall


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(-1e6, 1e6), st.integers(1, 2)), min_size=1, max_size=12))
def test_stability_does_not_depend_on_the_system_clock(steps: list[tuple[float, float, int]]) -> None:
    clock, before, since = Clock(), None, 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(completeness, "time", clock)
        stability = completeness.StabilityTracker(4.0)
        for passed, jump, size in steps:
            clock.run += passed
            clock.wall += jump
            if size != before:
                before, since = size, clock.run
            assert stability.is_stable("x", size) is (clock.run - since >= 4.0)
            # A modification time in the future, because the clock was set back, is ignored.
            assert stability.is_stable("x", size, clock.wall + 100) is (clock.run - since >= 4.0)
        assert stability.is_stable("y", 1, clock.wall - 10)  # changed long ago: stable at once


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
    """A drop folder, a store, and an intake."""

    def __init__(self, tmp_path: Path, **settings: Any) -> None:
        self.folder = tmp_path / "drop"
        self.folder.mkdir()
        self.configuration = configured(self.folder, tmp_path / "alerts.jsonl", **settings)
        self.store = open_store(f"sqlite:///{tmp_path}/store.sqlite", wait_s=0.3)
        self.intake = self.new_intake()

    def new_intake(self, *, once: bool = False) -> Intake:
        sources = open_sources(self.configuration)
        ((name, (source, options)),) = sources.items()
        settings = self.configuration.settings.daemon
        files = DropFiles(self.folder.parent / "spool", sources)
        return Intake(name, source, options, self.store, files, self.configuration, settings, once)

    def states(self) -> dict[str, DropState]:
        """State of the latest drop of each file."""
        return {Path(one.url).name: one.state for one in sorted(self.store.drops(), key=lambda drop: drop.id)}

    def reason(self, name: str) -> str:
        return next(str(one.reason) for one in self.store.drops() if Path(one.url).name == name)

    def daemon(self, **given: Any) -> Daemon:
        return Daemon(self.configuration, self.store, work=light, **given)


@pytest.fixture
def given_folder(tmp_path: Path) -> Iterator[Callable[..., Given]]:
    made: list[Given] = []

    def make(**settings: Any) -> Given:
        made.append(Given(tmp_path, **settings))
        return made[-1]

    yield make
    for one in made:
        one.store.close()


def test_file_is_taken_when_stable_and_complete(given_folder: Callable[..., Given], demo_files: list[Path]) -> None:
    here = given_folder(incomplete_wait_s=3600)
    data, path = demo_files[1].read_bytes(), here.folder / demo_files[1].name
    path.write_bytes(data[: len(data) // 2])
    for _ in range(3):  # half copied, and prior for long enough
        assert here.intake.poll().stable == 0
        time.sleep(0.06)
    assert here.states() == {path.name: DropState.SEEN}
    path.write_bytes(data)
    assert here.intake.poll().stable == 0
    time.sleep(0.12)
    assert here.intake.poll().stable == 1
    assert here.states() == {path.name: DropState.STABLE}
    assert here.intake.poll().seen == 0


def test_incomplete_file_is_quarantined_with_reason(given_folder: Callable[..., Given], demo_files: list[Path]) -> None:
    here = given_folder()
    data = bytearray(demo_files[1].read_bytes())
    data[len(data) // 2] ^= 255
    bad = _written(here.folder / "sw00000000001xpcw3po_cl.evt.gz", bytes(data))
    drop_file(here.folder, "good")
    deadline = time.monotonic() + 30
    while here.states().get(bad.name) is not DropState.QUARANTINED:
        assert time.monotonic() < deadline
        here.intake.poll()
        time.sleep(0.05)
    assert "corrupt gzip" in here.reason(bad.name) or "truncated" in here.reason(bad.name)
    assert here.states()["good.csv"] is DropState.STABLE


def test_same_content_is_one_drop(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    first = drop_file(here.folder, "a")
    (here.folder / "sub").mkdir()
    _written(here.folder / "sub" / "b.csv", first.read_bytes())
    time.sleep(0.12)
    here.new_intake(once=True).poll()
    here.new_intake(once=True).poll()
    assert sorted(here.states().values()) == [DropState.DUPLICATE, DropState.STABLE]


def test_companion_is_not_a_drop_and_its_file_waits_for_it(
    given_folder: Callable[..., Given], demo_files: list[Path]
) -> None:
    here = given_folder(companions_wait_s=3600)
    table = demo_files[2]
    event = here.folder / "ep01234567890wxt12po_cl.evt.gz"
    event.write_bytes(demo_files[1].read_bytes())
    _written(here.folder / "photons_gti.csv", table.with_name("eventfiles_table_gti.csv").read_bytes())
    time.sleep(0.12)
    here.intake.poll()
    # Good times that came before their photons are no drop; an event list that its source list is missing of waits.
    assert here.states() == {event.name: DropState.SEEN}
    _written(here.folder / "photons.csv", table.read_bytes())
    _written(here.folder / "ep01234567890wxt12.cat", b"\n")
    time.sleep(0.12)
    here.intake.poll()
    time.sleep(0.12)
    here.intake.poll()
    assert here.states() == {event.name: DropState.STABLE, "photons.csv": DropState.STABLE}


def test_file_is_taken_without_missing_companions(given_folder: Callable[..., Given], demo_files: list[Path]) -> None:
    here = given_folder(companions_wait_s=0.3)
    event = here.folder / "ep01234567890wxt12po_cl.evt.gz"
    event.write_bytes(demo_files[1].read_bytes())
    here.intake.poll()
    assert here.states() == {event.name: DropState.SEEN}
    time.sleep(0.35)
    here.intake.poll()
    assert here.states() == {event.name: DropState.STABLE}
    # It comes after all: the file is another drop with it than without, and what came is none.
    late = here.folder / "ep01234567890wxt12.cat"
    _written(late, b"late").touch()
    here.intake.poll()
    time.sleep(0.15)
    here.intake.poll()
    first, second = sorted(here.store.drops(), key=lambda one: one.id)
    assert (first.url, first.state, second.state) == (second.url, DropState.STABLE, DropState.STABLE)
    assert second.url == str(event)
    assert first.sha256 != second.sha256
    # A copy elsewhere that nothing came with is no news.
    (here.folder / "copy").mkdir()
    _written(here.folder / "copy" / event.name, event.read_bytes())
    time.sleep(0.12)
    here.new_intake(once=True).poll()
    assert sorted(one.state for one in here.store.drops()) == [DropState.DUPLICATE, DropState.STABLE, DropState.STABLE]


def test_change_of_system_clock_delays_nothing(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    for number, days in enumerate((-400, 400)):
        with time_machine.travel(datetime.now(UTC) + timedelta(days=days), tick=True):
            path = drop_file(here.folder, f"{number}")
            path.touch()
            for _ in range(4):
                here.intake.poll()
                time.sleep(0.05)
    assert set(here.states().values()) == {DropState.STABLE}


def test_restart_takes_files_seen_before(given_folder: Callable[..., Given]) -> None:
    here = given_folder(stable_after_s=3600)
    drop_file(here.folder, "a").touch()
    here.intake.poll()
    assert here.states() == {"a.csv": DropState.SEEN}
    here.configuration = configured(here.folder, None, stable_after_s=0.0)
    here.new_intake().poll()
    assert here.states() == {"a.csv": DropState.STABLE}


# --- deciding -------------------------------------------------------------------------------------------------------


def make_result(*p_values: float, threshold: float = 1e-3, ra: float = 10.0) -> FileResult:
    """A result of one observation with a source for each p-value, and candidates for small ones."""
    found = tuple(
        DetectionRecord(f"s{i}", ra, 5.0 + i, 30, 1e3, "flare", pos_err_arcsec=1.0) for i in range(len(p_values))
    )
    candidates = tuple(
        CandidateRecord(f"c{i}", i, "flare", evidence={"candidate_id": f"c{i}"})
        for i, p in enumerate(p_values)
        if p <= threshold
    )
    return FileResult(
        (ObservationRecord("M", "I", "1", detections=found),), candidates, tuple(enumerate(p_values)), RUN
    )


def make_prior(
    state: Any = None, replaced: tuple[StoredCandidate, ...] = (), **notified: tuple[str, ...]
) -> PriorState:
    return PriorState(replaced, notified, (False,), lambda _: state)


def make_stored(name: str, ra: float, dec: float, kind: str = "flare") -> StoredCandidate:
    now = datetime.now(UTC)
    return StoredCandidate(
        id=name, kind=kind, likely_class=None, score=None, far_hz=None, evidence={"candidate_id": name},
        state=CandidateState.STANDING, alert_type=None, created=now, updated=now, ra_deg=ra, dec_deg=dec,
        pos_err_arcsec=1.0, detection_id="s0", counts=30, livetime_s=1e3, false_alarm_probability=None,
        extrapolated=None, mission="M", instrument="I", obs_id="1", start=None, observation_id=1, drop_id=1, url="",
    )  # fmt: skip


def decide_on(result: FileResult, prior: PriorState) -> tuple[list[CandidateChange], Any]:
    found: list[CandidateChange] = []

    def build_alerts(changes: Any) -> tuple[()]:
        found.extend(changes)
        return ()

    return found, make_decision(result, "saffron", 0.1, 1e-3, build_alerts)(prior)


def test_false_discovery_control_continues_across_files() -> None:
    p_values = (0.4, 1e-9, 0.8, 5e-4, 0.02)
    changes, outcome = decide_on(make_result(*p_values), make_prior())
    assert [one.id for one in outcome.candidates] == ["c1", "c3"]
    plain, _, _ = false_discovery.run(np.array(p_values), false_discovery.start("saffron", 0.1))
    assert [one.candidate_id for one in changes] == [f"c{i}" for i in np.flatnonzero(plain) if p_values[i] <= 1e-3]
    state = outcome.shared_states[FALSE_DISCOVERY_STATE]
    assert state["tested"] == len(p_values)
    # The next file continues from there.
    _, after = decide_on(make_result(0.3, 0.9), make_prior(state))
    assert after.shared_states[FALSE_DISCOVERY_STATE]["tested"] == len(p_values) + 2


def test_only_candidates_are_announced() -> None:
    rich = false_discovery.Control("saffron", 0.1, tested=9, spent=0, discoveries=(0,) * 9)
    _, outcome = decide_on(make_result(2e-3), make_prior(rich.as_dict()))
    assert false_discovery.next_level(rich) > 2e-3
    assert outcome.shared_states[FALSE_DISCOVERY_STATE]["discoveries"] == [0] * 9


def test_later_processing_updates_and_retracts_candidates() -> None:
    replaced = (
        make_stored("old", 10.0, 5.0 + 0.5 / 3600),
        make_stored("gone", 10.0, 80.0),
        make_stored("dip", 10.0, 6.0, "dip"),
    )
    changes, outcome = decide_on(
        make_result(1e-9, 1e-9), make_prior(None, replaced, old=("mail",), gone=("mail", "file"), dip=())
    )
    assert [one.id for one in outcome.candidates] == ["old", "c1"]
    assert outcome.candidates[0].evidence["candidate_id"] == "old"
    assert [(one.candidate_id, one.alert_type, one.notified_sinks) for one in changes] == [
        ("old", AlertType.UPDATE, ("mail",)),
        ("c1", AlertType.INITIAL, ()),
        ("gone", AlertType.RETRACTION, ("mail", "file")),
    ]
    # The plot sheet of a candidate with an old id was drawn under its own id.
    assert [one.sheet_id for one in changes] == ["c0", "c1", ""]


def test_backfill_does_not_change_false_discovery_control() -> None:
    changes, outcome = [], make_decision(make_result(1e-9), None, 0.1, 1e-3, lambda _: ())(make_prior({"x": 1}))
    assert (changes, dict(outcome.shared_states), len(outcome.candidates)) == ([], {}, 1)


# --- workers --------------------------------------------------------------------------------------------------------


def run_jobs(pool: WorkerPool, jobs: list[Job]) -> dict[int, JobResult]:
    """Submit jobs one by one and collect the results."""
    found: dict[int, JobResult] = {}
    waiting, deadline = list(jobs), time.monotonic() + 60
    while len(found) < len(jobs):
        assert time.monotonic() < deadline
        if waiting and pool.idle:
            pool.submit(waiting.pop(0))
        found |= {one.drop_id: one for one in pool.collect_results(0.1)}
    return found


def test_dead_or_slow_worker_costs_one_attempt(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    names = ("good", "killer", "slow", "other")
    jobs = [Job(i, drop_file(folder, name, name), "here") for i, name in enumerate(names)]
    configuration = configured(folder, None, file_timeout_s=0.2, files_per_worker=1)
    pool = WorkerPool(configuration, configuration.settings.daemon, light)
    pool.start()
    try:
        first = pool.process_ids
        found = run_jobs(pool, jobs)
        assert set(pool.process_ids).isdisjoint(first)
    finally:
        pool.end()
    assert [found[i].fault for i in range(4)] == [None, Fault.DEFECT, Fault.DEFECT, None]
    assert "its worker died" in found[1].reason
    assert "file_timeout_s" in found[2].reason


def test_errors_of_files_and_transient_errors_are_distinguished(demo_files: list[Path], tmp_path: Path) -> None:
    configuration = load_configuration(None, {})
    bad = _written(tmp_path / "bad.fits", b"no fits at all")
    assert process_file(Job(1, bad, ""), configuration).fault is Fault.FILE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xherald.detector.extraction.extracted_sources.open_file", _out_of_memory)
        assert process_file(Job(2, bad, ""), configuration).fault is Fault.TRANSIENT
        patch.setattr("xherald.detector.extraction.extracted_sources.open_file", _defect)
        failed = process_file(Job(3, bad, ""), configuration)
    assert (failed.fault, "ZeroDivisionError" in failed.trace) == (Fault.DEFECT, True)
    found = process_file(Job(4, demo_files[1], ""), configuration)
    assert found.result is not None
    (record,) = found.result.observations
    assert (record.mission, record.obs_id) == ("SWIFT", "00099001001")
    assert record.start is not None
    assert record.stop is not None
    assert record.stop > record.start
    assert "PHOTON" in record.part
    assert len(found.result.tested) <= len(record.detections)
    for one in found.result.candidates:
        assert one.evidence["detection_id"] == record.detections[one.detection_index].detection_id


def _out_of_memory(*_: Any) -> Any:
    raise MemoryError


def _defect(*_: Any) -> Any:
    raise ZeroDivisionError("x")


# --- the daemon, in this process ------------------------------------------------------------------------------------


def test_bad_files_do_not_affect_good_ones(given_folder: Callable[..., Given]) -> None:
    here = given_folder(max_attempts=2, retry_delay_s=0.05, workers=1)
    for number in range(9):
        drop_file(here.folder, f"{number}", burst=number % 3 == 0)
    for name in ("bad", "killer", "defect"):
        drop_file(here.folder, name, name)
    summary = here.daemon().once()
    assert (summary.processed, summary.quarantined, summary.was_stopped) == (9, 3, False)
    states = here.states()
    assert {states[f"{number}.csv"] for number in range(9)} == {DropState.PROCESSED, DropState.ALERTED}
    assert "invalid photons" in here.reason("bad.csv")
    assert "failed 2 times" in here.reason("defect.csv")
    assert "failed 2 times" in here.reason("killer.csv")
    lines = (here.folder.parent / "alerts.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["candidate_id"] for line in lines) == ["XH-0", "XH-3", "XH-6"]
    assert [one.name for one in here.store.check() if one.is_error] == []
    # A second pass finds nothing to do.
    assert here.daemon().once().processed == 0


def test_later_processing_version_supersedes(given_folder: Callable[..., Given]) -> None:
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


def test_file_is_processed_again_with_late_companions(
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
    assert [one.name for one in here.store.check() if one.is_error] == []


def test_companion_seen_half_copied_is_not_a_drop(given_folder: Callable[..., Given], demo_files: list[Path]) -> None:
    here = given_folder(companions_wait_s=3600)
    drop_file(here.folder, "7")
    time.sleep(0.12)
    assert here.intake.poll().stable == 1
    _written(here.folder / "7_gti.csv", b"")
    here.intake.poll()
    assert here.states() == {"7.csv": DropState.STABLE, "7_gti.csv": DropState.SEEN}
    _written(here.folder / "7_gti.csv", demo_files[2].with_name("eventfiles_table_gti.csv").read_bytes())
    looks = []
    until(lambda: looks.append(here.intake.poll()) or looks[-1].stable == 1)
    assert [(Path(one.url).name, one.state) for one in here.store.drops()] == [("7.csv", DropState.STABLE)] * 2


def test_companions_that_arrive_while_no_daemon_runs_are_used_once(
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

    def run(**settings: Any) -> tuple[Given, Daemon]:
        here = given_folder(**settings)
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
        assert time.monotonic() < deadline, "timeout"
        time.sleep(0.05)


def done(here: Given, *names: str) -> bool:
    states = here.states()
    return all(states.get(f"{name}.csv") in (DropState.PROCESSED, DropState.ALERTED) for name in names)


def test_locked_store_and_full_disk_lose_nothing(
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
    # A limit of the file size looks like a full disk to the database.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = _errors(daemon, "store")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        (here.folder / "c.csv").symlink_to(drop_file(here.folder.parent, "c"))
        until(lambda: _errors(daemon, "store") > before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    until(lambda: done(here, "a", "b", "c"))
    assert [one.name for one in here.store.check() if one.is_error] == []


def _errors(daemon: Daemon, kind: str) -> float:
    return daemon.metrics.registry.get_sample_value("xherald_errors_total", {"kind": kind}) or 0.0


def test_transient_failure_is_retried_until_it_passes(
    running: Callable[..., tuple[Given, Daemon]],
) -> None:
    here, daemon = running(retry_delay_s=0.1, max_attempts=2)
    obstacle = here.folder / ".obstacle"
    obstacle.touch()
    drop_file(here.folder, "a", "obstructed")
    drop_file(here.folder, "b")
    until(lambda: done(here, "b") and _errors(daemon, "transient") >= 4)
    assert here.states()["a.csv"] is DropState.CLAIMED
    obstacle.unlink()
    until(lambda: done(here, "a"))


def test_missing_source_does_not_affect_others(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    settings = here.configuration.settings.daemon
    gone = here.folder.parent / "gone"
    other = SourceSettings.model_validate({"kind": "folder", "path": str(gone), "interval_s": 0.2})
    settings = settings.model_copy(update={"sources": {**settings.sources, "gone": other}})
    all_settings = here.configuration.settings.model_copy(update={"daemon": settings})
    here.configuration = replace(here.configuration, settings=all_settings)
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


def test_invalid_sources_are_rejected(tmp_path: Path) -> None:
    def loaded(source: dict[str, Any]) -> Configuration:
        return load_configuration(None, {"XHERALD_DAEMON__SOURCES": json.dumps({"x": source})})

    with pytest.raises(ConfigError, match="no drop source is named 'gopher'; available: folder, fsspec, http"):
        open_sources(loaded({"kind": "gopher"}))
    with pytest.raises(ConfigError, match=r"daemon\.sources\.x\.url"):
        open_sources(loaded({"kind": "http", "url": "ftp://x"}))
    with pytest.raises(ConfigError, match=r"daemon\.sources\.x\.cron"):
        open_sources(loaded({"kind": "folder", "path": "/", "cron": "99 * * * *"}))
    with pytest.raises(ConfigError, match="cron needs five fields"):
        loaded({"kind": "folder", "path": "/", "cron": "every day"})


def test_workers_that_cannot_start_end_the_run(given_folder: Callable[..., Given]) -> None:
    here = given_folder()
    drop_file(here.folder, "a")
    settings = here.configuration.settings
    nowhere = settings.detection.model_copy(update={"calibration": here.folder / "nowhere"})
    here.configuration = replace(here.configuration, settings=settings.model_copy(update={"detection": nowhere}))
    with pytest.raises(PluginError, match="worker processes end before they are ready"):
        Daemon(here.configuration, here.store).once()
    assert here.states() == {"a.csv": DropState.STABLE}


def test_metrics_and_health_are_served() -> None:
    metrics = Metrics()
    server = MetricsServer(metrics, 0)
    try:
        url = f"http://127.0.0.1:{server.port}"
        metrics.count_processed(12, 2, 0.4)
        metrics.count_alert("mail", "sent")
        text = urllib.request.urlopen(f"{url}/metrics").read().decode()
        assert "xherald_detections_total 12.0" in text
        assert 'xherald_alerts_total{outcome="sent",sink="mail"} 1.0' in text
        assert json.load(urllib.request.urlopen(f"{url}/health"))["healthy"] is True
        metrics.set_heartbeat("the store is gone")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(f"{url}/health")
        with caught.value:
            assert (caught.value.code, json.load(caught.value)["problem"]) == (503, "the store is gone")
        with pytest.raises(ConfigError, match="metrics_port"):
            MetricsServer(metrics, server.port)
    finally:
        server.close()


def test_second_daemon_on_sqlite_is_rejected(given_folder: Callable[..., Given]) -> None:
    from xherald.daemon.lock import acquire_lock

    here = given_folder()
    first = acquire_lock(here.store)
    with pytest.raises(StoreError, match="another daemon is using it"):
        acquire_lock(here.store)
    first.release()
    acquire_lock(here.store).release()
