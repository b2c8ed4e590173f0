"""Drift check and nightly job: false and true alarms, and every report of them."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
import time_machine
from cli_result import CliResult
from fast_pipeline import configured, light
from hypothesis import given
from hypothesis import strategies as st
from store_rows import NOW, claimed, detection, observation

from xherald.catalog_store.ledger.nightly_queries import CalibrationKey
from xherald.catalog_store.ledger.records import Run
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.daemon import Daemon
from xherald.daemon.metrics import Metrics
from xherald.daemon.nightly.drift import (
    ACCURACY,
    ALL_INSTRUMENTS,
    MAX_VARIABLE_P,
    MIN_SOURCES,
    DriftReport,
    compute_drift,
)
from xherald.daemon.nightly.nightly_job import NIGHTLY_STATE, run_nightly_job
from xherald.daemon.nightly.nightly_scheduler import NightlyScheduler, make_nightly_trigger
from xherald.detector.calibration.calibration import Calibration, cached_calibration
from xherald.detector.calibration.simulated_samples import simulate_sources
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.scoring.detect import score_batch
from xherald.photons import EventBatch
from xherald.photons.errors import ConfigError
from xherald.photons.statistics import assess

LEVEL = 1e-3
DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def shipped() -> Calibration:
    return cached_calibration()


def name_of(calibration: Calibration, group: str) -> str:
    return f"{calibration.name}@{calibration.about['created_utc']} {group}"


def check(calibration: Calibration, **samples: np.ndarray) -> DriftReport:
    """Drift report on probabilities by group of the calibration."""
    groups = {group.replace("_", "-"): p for group, p in samples.items()}
    probabilities = {CalibrationKey("M", group, name_of(calibration, group)): p for group, p in groups.items()}
    return compute_drift(probabilities, calibration, LEVEL, NOW - DAY, NOW)


@pytest.fixture(scope="module")
def swift() -> EventBatch:
    sources = simulate_sources("swift-xrt", 8000, 3050, 0.0)
    return sources.select(sources.steady).batch


def probabilities_of(batch: EventBatch) -> np.ndarray:
    configuration = load_configuration(None, {})
    return score_batch(batch, assess(batch), configuration).false_alarm_probability


# --- drift check ---


def test_no_drift_alarm_for_null_sources(shipped: Calibration) -> None:
    # 100 windows of three instruments, resampled from the null sources: at a level of 1e-3 per window at most
    # 0.1 alarms are expected; two or more have a probability of 0.5 %.
    random = np.random.default_rng(11)
    names = ("chandra-acis-i", "swift-xrt", "ep-wxt")
    nulls = {name: shipped.compute_null_probabilities(shipped.groups[name]) for name in names}
    alarms = 0
    for _ in range(100):
        samples = {name.replace("-", "_"): random.choice(p, 800) for name, p in nulls.items()}
        alarms += bool(check(shipped, **samples).alarms)
    assert alarms <= 1


def test_drift_alarm_for_inflated_scores_only(shipped: Calibration, swift: EventBatch) -> None:
    p = probabilities_of(swift)
    assert len(p) > 3000
    honest = check(shipped, swift_xrt=p)
    assert honest.alarms == ()
    assert abs(honest.groups[0].effect or 0.0) < ACCURACY
    # Scores, that is −ln p, 30 % too high.
    for inflated, sign in ((p**1.3, 1), (p ** (1 / 1.3), -1)):
        (alarm,) = check(shipped, swift_xrt=inflated).alarms
        assert np.sign(alarm.effect or 0.0) == sign
        assert abs(alarm.effect or 0.0) > ACCURACY
        assert (alarm.p_value or 1.0) < LEVEL
        assert "swift-xrt" in alarm.description


def test_power_of_the_drift_check_is_as_stated(shipped: Calibration) -> None:
    # docs/detection.md: nine in ten windows of 3,000 sources with scores 30 % too high give an alarm.
    random, nulls = np.random.default_rng(12), shipped.compute_null_probabilities(shipped.groups["ep-wxt"])
    found = [bool(check(shipped, ep_wxt=random.choice(nulls, 3000) ** 1.3).alarms) for _ in range(100)]
    assert np.mean(found) >= 0.9


def test_no_drift_alarm_for_a_small_effect(shipped: Calibration) -> None:
    p = np.random.default_rng(13).uniform(0, 1, 400_000) ** 1.1
    report = check(shipped, chandra_acis_i=p).groups[0]
    assert 0.05 < (report.effect or 0.0) < ACCURACY
    assert not report.alarm


def test_no_drift_alarm_for_variable_sources(shipped: Calibration) -> None:
    random = np.random.default_rng(14)
    p = np.concatenate([random.uniform(0, 1, 3000), 10 ** random.uniform(-12, -1, 2000)])
    report = check(shipped, ep_wxt=p)
    assert report.alarms == ()
    assert (report.groups[0].tail_ratio or 0.0) > 3


def test_too_few_sources_are_not_tested(shipped: Calibration) -> None:
    report = check(shipped, ep_wxt=np.full(MIN_SOURCES - 1, 0.11))
    assert report.alarms == ()
    assert report.groups[0].p_value is None
    assert "too few sources" in report.groups[0].description
    assert check(shipped).groups == ()


def test_detections_with_another_calibration_are_excluded(shipped: Calibration) -> None:
    p = np.random.default_rng(15).uniform(0, 1, 1000)
    probabilities = {
        CalibrationKey("A", "X", name_of(shipped, "ep-wxt")): p,
        CalibrationKey("A", "X", "older@2020 ep-wxt"): p**2,
        CalibrationKey("B", "Y", name_of(shipped, "swift-xrt")): p,
    }
    report = compute_drift(probabilities, shipped, LEVEL, NOW - DAY, NOW)
    assert report.excluded == 1000
    assert [one.group for one in report.groups] == ["A/X", "B/Y", ALL_INSTRUMENTS]
    assert report.alarms == ()


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 3.0), st.integers(0, 3000))
def test_drift_report_is_stored_unchanged(seed: int, power: float, number: int) -> None:
    report = check(cached_calibration(), ep_wxt=np.random.default_rng(seed).uniform(0, 1, number) ** power)
    assert DriftReport.from_dict(json.loads(json.dumps(report.as_dict(), allow_nan=False))) == report
    for one in report.groups:
        assert one.compared <= one.detections
        assert one.p_value is None or 0 <= one.p_value <= 1


# --- nightly job ---


def fill(store: Store, p: np.ndarray, calibration: str, now: datetime) -> None:
    """Store detections with these probabilities in one observation."""
    (drop,) = claimed(store, "one", now=now)
    rows = [detection(f"s{i}", false_alarm_probability=float(one)) for i, one in enumerate(p)]
    store.commit_result(drop.id, Run("x", "y", calibration), [observation("1", detections=rows)], now=now)


@pytest.fixture
def drifted(tmp_path: Path) -> str:
    """URL of a store whose last hour gives a drift alarm."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    p = np.random.default_rng(16).uniform(MAX_VARIABLE_P, 1, 1500) ** 2
    with open_store(url) as store:
        fill(store, p, name_of(cached_calibration(), "ep-wxt"), datetime.now(UTC) - timedelta(hours=1))
    return url


def test_nightly_and_status_report_a_drift_alarm(drifted: str, xherald: Callable[..., CliResult]) -> None:
    quiet = {"XHERALD_STORE__URL": drifted, "XHERALD_DAEMON__METRICS_PORT": "0"}
    answer = xherald("nightly", "--json", environment=quiet)
    assert answer.exit_code == 1
    report = json.loads(answer.stdout)["drift"]
    assert report["alarm"]
    (group,) = report["groups"]
    assert (group["group"], group["detections"], group["alarm"]) == ("CHANDRA/ACIS-I", 1500, True)
    text = xherald("nightly", environment=quiet)
    assert text.exit_code == 1
    assert "DRIFT CHANDRA/ACIS-I: " in text.stdout
    status = xherald("status", environment=quiet)
    assert "DRIFT        CHANDRA/ACIS-I: " in status.stdout
    stored = json.loads(xherald("status", "--json", environment=quiet).stdout)["drift"]
    assert stored["groups"] == report["groups"]
    # A window without detections.
    early = xherald("nightly", "--json", environment=quiet | {"XHERALD_DAEMON__DRIFT_WINDOW_DAYS": "0.01"})
    assert (early.exit_code, json.loads(early.stdout)["drift"]["groups"]) == (0, [])


def test_nightly_job_runs_once_at_a_time_and_once_a_night(tmp_path: Path, xherald: Callable[..., CliResult]) -> None:
    configuration = load_configuration(None, {})
    url = f"sqlite:///{tmp_path}/store.sqlite"
    due = datetime.now(UTC)
    with open_store(url) as store:
        assert run_nightly_job(store, configuration, due=due) is not None
        # Another daemon, later for the same night; and for the next.
        assert run_nightly_job(store, configuration, due=due) is None
        assert run_nightly_job(store, configuration, due=due + DAY) is not None
        assert run_nightly_job(store, configuration) is not None
        # A job is running on another host.
        until = (datetime.now(UTC) + DAY).isoformat()
        running = {"by": {"host": "elsewhere", "process": 1}, "until": until, "due": None, "ended": None, "error": None}
        store.set_shared_states({NIGHTLY_STATE: running})
        assert run_nightly_job(store, configuration) is None
        answer = xherald("nightly", environment={"XHERALD_STORE__URL": url})
        assert answer.exit_code == 1
        assert "is already running" in answer.stderr
        # It has not ended, and its time is over.
        store.set_shared_states({NIGHTLY_STATE: running | {"until": datetime.now(UTC).isoformat()}})
        assert run_nightly_job(store, configuration) is not None


def test_error_of_the_nightly_job_is_stored(tmp_path: Path, xherald: Callable[..., CliResult]) -> None:
    environment = {
        "XHERALD_STORE__URL": f"sqlite:///{tmp_path}/store.sqlite",
        "XHERALD_DETECTION__CALIBRATION": str(tmp_path / "nowhere"),
        "XHERALD_DAEMON__METRICS_PORT": "0",
    }
    open_store(environment["XHERALD_STORE__URL"]).close()
    answer = xherald("nightly", environment=environment)
    assert answer.exit_code == 1
    assert "no such folder" in answer.stderr
    assert "nightly job  failed" in xherald("status", environment=environment).stdout


def test_invalid_nightly_schedule_is_rejected(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"daemon.nightly_cron: '99 3 \* \* \*'"):
        make_nightly_trigger("99 3 * * *")
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite")
    with store, pytest.raises(ConfigError, match=r"daemon.nightly_cron"):
        Daemon(configured(tmp_path, None, nightly_cron="at night"), store)


class RecordingLog:
    """A log that records events."""

    def __init__(self) -> None:
        self.events: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, **facts: object) -> None:
        self.events.append((event, facts))

    warning = error = info


def test_daemon_runs_the_nightly_job_and_reports_drift(tmp_path: Path, drifted: str) -> None:
    (tmp_path / "drop").mkdir()
    night = datetime.now(UTC) + timedelta(seconds=6)
    cron = f"{night.minute + (night.second > 0)} * * * *" if night.minute < 59 else "0 * * * *"
    log = RecordingLog()
    with open_store(drifted) as store:
        # The clock starts some seconds before the scheduled minute.
        start = night.replace(second=56, microsecond=0)
        with time_machine.travel(start, tick=True):
            daemon = Daemon(
                configured(tmp_path / "drop", None, nightly_cron=cron, metrics_port=0), store, log, work=light
            )
            thread = threading.Thread(target=daemon.watch)
            thread.start()
            try:
                wait_for(lambda: any(event == "drift" for event, _ in log.events))
            finally:
                daemon.end()
                thread.join()
        properties = next(properties for event, properties in log.events if event == "drift")
        assert properties["group"] == "CHANDRA/ACIS-I"
        is_healthy, report = daemon.metrics.health()
        assert is_healthy
        assert "CHANDRA/ACIS-I" in report["drift_alarms"][0]
        registry = daemon.metrics.registry
        assert registry.get_sample_value("xherald_drift_alarm") == 1
        assert (registry.get_sample_value("xherald_drift_p_value", {"group": "CHANDRA/ACIS-I"}) or 1.0) < LEVEL
        state = store.shared_state(NIGHTLY_STATE)
        assert state is not None
        assert state["due"].endswith(":00+00:00")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"XHERALD_DETECTION__CALIBRATION": "/nowhere"}, "no such folder"),
        ({"XHERALD_DAEMON__NIGHTLY_TIMEOUT_S": "0.01"}, "took longer than daemon.nightly_timeout_s = 0.01"),
        ({}, "the daemon was stopped"),
    ],
)
def test_nightly_job_reports_its_failures(tmp_path: Path, changes: dict[str, str], expected: str) -> None:
    log, metrics = RecordingLog(), Metrics()
    start = datetime.now(UTC).replace(second=59, microsecond=0)
    configuration = load_configuration(None, {"XHERALD_DAEMON__NIGHTLY_CRON": "'* * * * *'", **changes})
    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store, time_machine.travel(start, tick=True):
        scheduler = NightlyScheduler(configuration, store, metrics, log)
        assert not scheduler.is_running

        def begun() -> bool:
            scheduler.step()
            return scheduler.is_running

        def over() -> bool:
            scheduler.step()
            return not scheduler.is_running

        wait_for(begun)
        if changes:
            wait_for(over)
        scheduler.end()
        assert not scheduler.is_running
        assert expected in f"{log.events} {store.shared_state(NIGHTLY_STATE)}"
        assert (metrics.registry.get_sample_value("xherald_errors_total", {"kind": "nightly"}) or 0) == 1
        assert metrics.health()[0]


def wait_for(come: Callable[[], bool], seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < until
        time.sleep(0.2)
