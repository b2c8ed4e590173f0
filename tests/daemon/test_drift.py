"""Drift watch: no alarm for nothing, alarm where rates are wrong, and everywhere that it is told."""

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
from xherald.daemon.nightly.drift import ACCURACY, ALL, LEAST, TAIL, Drift, drift_of
from xherald.daemon.nightly.nightly import NIGHTLY, Nights, run_night, trigger_of_nights
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


def watched(calibration: Calibration, **samples: np.ndarray) -> Drift:
    """DropOutcome on chances by group of the calibration."""
    groups = {group.replace("_", "-"): p for group, p in samples.items()}
    chances = {CalibrationKey("M", group, name_of(calibration, group)): p for group, p in groups.items()}
    return drift_of(chances, calibration, LEVEL, NOW - DAY, NOW)


@pytest.fixture(scope="module")
def swift() -> EventBatch:
    sources = simulate_sources("swift-xrt", 4000, 3050, 0.0)
    return sources.select(sources.steady).batch


def chances_of(batch: EventBatch) -> np.ndarray:
    configuration = load_configuration(None, {})
    return score_batch(batch, assess(batch), configuration).false_alarm_probability


# --- the verdict ---


def test_calibrated_null_sources_give_no_alarm(shipped: Calibration) -> None:
    # 100 windows of three instruments, drawn again from the null sources: at a level of 1e-3 a window 0.1 alarms are
    # expected at most, and two or more come with a chance of 0.5 %.
    random = np.random.default_rng(11)
    names = ("chandra-acis-i", "swift-xrt", "ep-wxt")
    nulls = {name: shipped.null_probabilities(shipped.groups[name]) for name in names}
    alarms = 0
    for _ in range(100):
        samples = {name.replace("-", "_"): random.choice(p, 800) for name, p in nulls.items()}
        alarms += bool(watched(shipped, **samples).alarms)
    assert alarms <= 1


def test_steady_sources_down_the_whole_road_give_no_alarm_and_inflated_scores_do(
    shipped: Calibration, swift: EventBatch
) -> None:
    p = chances_of(swift)
    assert len(p) > 3000
    honest = watched(shipped, swift_xrt=p)
    assert honest.alarms == ()
    assert abs(honest.groups[0].effect or 0.0) < ACCURACY
    # Scores 30 % too high: −ln p is.
    for inflated, sign in ((p**1.3, 1), (p ** (1 / 1.3), -1)):
        (told,) = watched(shipped, swift_xrt=inflated).alarms
        assert np.sign(told.effect or 0.0) == sign
        assert abs(told.effect or 0.0) > ACCURACY
        assert (told.p_value or 1.0) < LEVEL
        assert "swift-xrt" in told.words


def test_power_against_inflated_scores_is_as_stated(shipped: Calibration) -> None:
    # docs/detection.md: of 3,000 sources whose scores are 30 % too high nine windows in ten give alarm.
    random, nulls = np.random.default_rng(12), shipped.null_probabilities(shipped.groups["ep-wxt"])
    found = [bool(watched(shipped, ep_wxt=random.choice(nulls, 3000) ** 1.3).alarms) for _ in range(100)]
    assert np.mean(found) >= 0.9


def test_what_is_certain_but_small_is_no_alarm(shipped: Calibration) -> None:
    p = np.random.default_rng(13).uniform(0, 1, 400_000) ** 1.1
    told = watched(shipped, chandra_acis_i=p).groups[0]
    assert 0.05 < (told.effect or 0.0) < ACCURACY
    assert not told.alarm


def test_variable_sources_are_no_drift(shipped: Calibration) -> None:
    random = np.random.default_rng(14)
    p = np.concatenate([random.uniform(0, 1, 3000), 10 ** random.uniform(-12, -1, 2000)])
    told = watched(shipped, ep_wxt=p)
    assert told.alarms == ()
    assert (told.groups[0].tail_ratio or 0.0) > 3


def test_too_few_are_told_as_too_few(shipped: Calibration) -> None:
    told = watched(shipped, ep_wxt=np.full(LEAST - 1, 0.11))
    assert told.alarms == ()
    assert told.groups[0].p_value is None
    assert "too few to tell" in told.groups[0].words
    assert watched(shipped).groups == ()


def test_what_another_calibration_judged_is_left_out(shipped: Calibration) -> None:
    p = np.random.default_rng(15).uniform(0, 1, 1000)
    chances = {
        CalibrationKey("A", "X", name_of(shipped, "ep-wxt")): p,
        CalibrationKey("A", "X", "older@2020 ep-wxt"): p**2,
        CalibrationKey("B", "Y", name_of(shipped, "swift-xrt")): p,
    }
    told = drift_of(chances, shipped, LEVEL, NOW - DAY, NOW)
    assert told.left_out == 1000
    assert [one.group for one in told.groups] == ["A/X", "B/Y", ALL]
    assert told.alarms == ()


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 3.0), st.integers(0, 3000))
def test_a_verdict_is_kept_as_it_was(seed: int, power: float, number: int) -> None:
    told = watched(cached_calibration(), ep_wxt=np.random.default_rng(seed).uniform(0, 1, number) ** power)
    assert Drift.from_dict(json.loads(json.dumps(told.as_dict(), allow_nan=False))) == told
    for one in told.groups:
        assert one.watched <= one.detections
        assert one.p_value is None or 0 <= one.p_value <= 1


# --- the job ---


def filled(store: Store, p: np.ndarray, calibration: str, now: datetime) -> None:
    """A store with detections of these chances in one observation."""
    (drop,) = claimed(store, "one", now=now)
    rows = [detection(f"s{i}", false_alarm_probability=float(one)) for i, one in enumerate(p)]
    store.commit_result(drop.id, Run("x", "y", calibration), [observation("1", detections=rows)], now=now)


@pytest.fixture
def drifted(tmp_path: Path) -> str:
    """URL of a store whose last hour gives alarm."""
    url = f"sqlite:///{tmp_path}/store.sqlite"
    p = np.random.default_rng(16).uniform(TAIL, 1, 1500) ** 2
    with open_store(url) as store:
        filled(store, p, name_of(cached_calibration(), "ep-wxt"), datetime.now(UTC) - timedelta(hours=1))
    return url


def test_an_alarm_is_told_by_the_command_and_by_status(drifted: str, xherald: Callable[..., CliResult]) -> None:
    quiet = {"XHERALD_STORE__URL": drifted, "XHERALD_DAEMON__METRICS_PORT": "0"}
    answer = xherald("nightly", "--json", environment=quiet)
    assert answer.exit_code == 1
    told = json.loads(answer.stdout)["drift"]
    assert told["alarm"]
    (group,) = told["groups"]
    assert (group["group"], group["detections"], group["alarm"]) == ("CHANDRA/ACIS-I", 1500, True)
    text = xherald("nightly", environment=quiet)
    assert text.exit_code == 1
    assert "DRIFT CHANDRA/ACIS-I: " in text.stdout
    status = xherald("status", environment=quiet)
    assert "DRIFT   CHANDRA/ACIS-I: " in status.stdout
    kept = json.loads(xherald("status", "--json", environment=quiet).stdout)["drift"]
    assert kept["groups"] == told["groups"]
    # Before that hour nothing was judged.
    early = xherald("nightly", "--json", environment=quiet | {"XHERALD_DAEMON__DRIFT_WINDOW_DAYS": "0.01"})
    assert (early.exit_code, json.loads(early.stdout)["drift"]["groups"]) == (0, [])


def test_one_at_a_time_and_one_a_night(tmp_path: Path, xherald: Callable[..., CliResult]) -> None:
    configuration = load_configuration(None, {})
    url = f"sqlite:///{tmp_path}/store.sqlite"
    due = datetime.now(UTC)
    with open_store(url) as store:
        assert run_night(store, configuration, due=due) is not None
        # Another daemon, later for the same night; and for the next.
        assert run_night(store, configuration, due=due) is None
        assert run_night(store, configuration, due=due + DAY) is not None
        assert run_night(store, configuration) is not None
        # One is at work on another host.
        until = (datetime.now(UTC) + DAY).isoformat()
        at_work = {"by": {"host": "elsewhere", "process": 1}, "until": until, "due": None, "ended": None, "fault": None}
        store.set_shared_states({NIGHTLY: at_work})
        assert run_night(store, configuration) is None
        answer = xherald("nightly", environment={"XHERALD_STORE__URL": url})
        assert answer.exit_code == 1
        assert "being done already" in answer.stderr
        # It never said that it ended, and its time is over.
        store.set_shared_states({NIGHTLY: at_work | {"until": datetime.now(UTC).isoformat()}})
        assert run_night(store, configuration) is not None


def test_a_job_that_fails_is_kept_with_its_reason(tmp_path: Path, xherald: Callable[..., CliResult]) -> None:
    environment = {
        "XHERALD_STORE__URL": f"sqlite:///{tmp_path}/store.sqlite",
        "XHERALD_DETECTION__CALIBRATION": str(tmp_path / "nowhere"),
        "XHERALD_DAEMON__METRICS_PORT": "0",
    }
    open_store(environment["XHERALD_STORE__URL"]).close()
    answer = xherald("nightly", environment=environment)
    assert answer.exit_code == 1
    assert "no such folder" in answer.stderr
    assert "nightly job failed" in xherald("status", environment=environment).stdout


def test_a_schedule_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"daemon.nightly_cron: '99 3 \* \* \*'"):
        trigger_of_nights("99 3 * * *")
    store = open_store(f"sqlite:///{tmp_path}/store.sqlite")
    with store, pytest.raises(ConfigError, match=r"daemon.nightly_cron"):
        Daemon(configured(tmp_path, None, nightly_cron="at night"), store)


class Remembering:
    """A log that keeps warnings and errors."""

    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def info(self, event: str, **facts: object) -> None:
        self.said.append((event, facts))

    warning = error = info


def test_the_daemon_does_it_in_the_night_and_tells_of_drift(tmp_path: Path, drifted: str) -> None:
    (tmp_path / "drop").mkdir()
    night = datetime.now(UTC) + timedelta(seconds=6)
    cron = f"{night.minute + (night.second > 0)} * * * *" if night.minute < 59 else "0 * * * *"
    log = Remembering()
    with open_store(drifted) as store:
        # The clock stands some seconds before the minute of the schedule, and runs.
        start = night.replace(second=56, microsecond=0)
        with time_machine.travel(start, tick=True):
            daemon = Daemon(
                configured(tmp_path / "drop", None, nightly_cron=cron, metrics_port=0), store, log, work=light
            )
            thread = threading.Thread(target=daemon.watch)
            thread.start()
            try:
                wait_for(lambda: any(event == "drift" for event, _ in log.said))
            finally:
                daemon.end()
                thread.join()
        facts = next(facts for event, facts in log.said if event == "drift")
        assert facts["group"] == "CHANDRA/ACIS-I"
        well, told = daemon.metrics.health()
        assert well
        assert "CHANDRA/ACIS-I" in told["drift"][0]
        registry = daemon.metrics.registry
        assert registry.get_sample_value("xherald_drift_alarm") == 1
        assert (registry.get_sample_value("xherald_drift_p_value", {"group": "CHANDRA/ACIS-I"}) or 1.0) < LEVEL
        state = store.shared_state(NIGHTLY)
        assert state is not None
        assert state["due"].endswith(":00+00:00")


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"XHERALD_DETECTION__CALIBRATION": "/nowhere"}, "no such folder"),
        ({"XHERALD_DAEMON__NIGHTLY_TIMEOUT_S": "0.01"}, "took longer than daemon.nightly_timeout_s = 0.01"),
        ({}, "ended with the daemon"),
    ],
)
def test_a_night_that_goes_wrong_is_survived_and_told(tmp_path: Path, changes: dict[str, str], expected: str) -> None:
    log, metrics = Remembering(), Metrics()
    start = datetime.now(UTC).replace(second=59, microsecond=0)
    configuration = load_configuration(None, {"XHERALD_DAEMON__NIGHTLY_CRON": "'* * * * *'", **changes})
    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store, time_machine.travel(start, tick=True):
        nights = Nights(configuration, store, metrics, log)
        assert not nights.at_work

        def begun() -> bool:
            nights.step()
            return nights.at_work

        def over() -> bool:
            nights.step()
            return not nights.at_work

        wait_for(begun)
        if changes:
            wait_for(over)
        nights.end()
        assert not nights.at_work
        assert expected in f"{log.said} {store.shared_state(NIGHTLY)}"
        assert (metrics.registry.get_sample_value("xherald_errors_total", {"kind": "nightly"}) or 0) == 1
        assert metrics.health()[0]


def wait_for(come: Callable[[], bool], seconds: float = 90.0) -> None:
    until = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < until
        time.sleep(0.2)
