"""The daemon as a process: killed at random instants, told to end, two on one store; nothing is lost or doubled."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fast_pipeline import drop_file
from store_rows import fresh_url

from xherald.catalog_store.ledger.states import AlertState, DropState
from xherald.catalog_store.ledger.store import Store, open_store

DAEMON = Path(__file__).parent.parent / "helpers" / "daemon_process.py"
DEADLINE_S = 60.0


class Daemons:
    """Daemons on one folder and one store, one after another."""

    def __init__(self, tmp_path: Path, url: str) -> None:
        self.folder, self.sink, self.url = tmp_path / "drop", tmp_path / "alerts.jsonl", url
        self.folder.mkdir()
        self.running: list[subprocess.Popen[str]] = []

    def start(self, sink: Path | None = None) -> subprocess.Popen[str]:
        """Start one; it has its store when this comes back."""
        words = [sys.executable, str(DAEMON), self.url, str(self.folder), str(sink or self.sink)]
        one = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.running.append(one)
        assert one.stdout is not None
        if one.stdout.readline() != "up\n":
            pytest.fail(one.communicate()[1])
        return one

    def sent(self) -> list[str]:
        """Ids of the alerts at the sink, in their order."""
        lines = self.sink.read_text().splitlines() if self.sink.exists() else []
        return [json.loads(line)["candidate_id"] for line in lines]


@pytest.fixture
def daemons(tmp_path: Path) -> Iterator[Daemons]:
    made = Daemons(tmp_path, fresh_url("sqlite", tmp_path))
    yield made
    for one in made.running:
        one.kill()
        one.communicate()


def until(condition: Callable[[], bool]) -> None:
    """Wait for something to become so."""
    end = time.monotonic() + DEADLINE_S
    while not condition():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.05)


def ended(one: subprocess.Popen[str]) -> None:
    """Tell a daemon to end, and wait until it has."""
    one.send_signal(signal.SIGTERM)
    _, err = one.communicate(timeout=DEADLINE_S)
    assert one.returncode == 0, err


def settled(store: Store, files: int) -> bool:
    """Whether every file is done and every alert out."""
    counts = store.drop_counts()
    return (
        counts[DropState.PROCESSED] + counts[DropState.ALERTED] == files
        and not store.alert_counts()[AlertState.PENDING]
    )


def killed_at_random(daemons: Daemons, files: int, kills: int, seed: int) -> dict[str, Any]:
    """Kill a daemon again and again while files arrive; what the store and the sink hold when a last one is done."""
    random = np.random.default_rng(seed)
    for kill in range(kills):
        for number in range(kill * files // kills, (kill + 1) * files // kills):  # so that there is work in every life
            drop_file(daemons.folder, f"{number:04d}", burst=number % 3 == 0)
        one = daemons.start()
        if kill % 2:  # in the middle of its work, not while it gets ready for it
            assert one.stdout is not None
            one.stdout.readline()
        time.sleep(random.uniform(0, 0.3 if kill % 2 else 1.2))
        one.kill()
        one.communicate()
        if kill % 5 == 0:
            with open_store(daemons.url) as store:
                assert [fault.name for fault in store.check() if fault.is_error] == []
    last = daemons.start()
    with open_store(daemons.url) as store:
        until(lambda: settled(store, files))
        ended(last)
        control = store.shared_state("false_discovery_control")
        return {
            "faults": [fault.name for fault in store.check() if fault.is_error],
            "quarantined": store.drop_counts()[DropState.QUARANTINED],
            "observations": store.row_counts()["observations"],
            "tested": control and control["tested"],
            "sent": sorted(daemons.sent()),
        }


def all_of(files: int) -> dict[str, Any]:
    """What there is where nothing was lost and nothing done twice."""
    return {
        "faults": [],
        "quarantined": 0,
        "observations": files,
        "tested": files,
        "sent": [f"XH-{number:04d}" for number in range(0, files, 3)],
    }


def test_killed_daemon_loses_and_duplicates_nothing(daemons: Daemons) -> None:
    assert killed_at_random(daemons, files=30, kills=10, seed=3) == all_of(30)


@pytest.mark.prove
@pytest.mark.timeout(3600)
def test_200_kills_during_500_files_lose_and_duplicate_nothing(daemons: Daemons) -> None:
    assert killed_at_random(daemons, files=500, kills=200, seed=4) == all_of(500)


def test_sigterm_finishes_the_running_job(daemons: Daemons) -> None:
    drop_file(daemons.folder, "a", "slow", burst=True)
    one = daemons.start()
    with open_store(daemons.url) as store:
        until(lambda: store.drop_counts()[DropState.CLAIMED] == 1)
        drop_file(daemons.folder, "b")
        ended(one)
        counts = store.drop_counts()
        assert counts[DropState.PROCESSED] + counts[DropState.ALERTED] == 1
        assert counts[DropState.CLAIMED] == 0
        ended_again = daemons.start()
        until(lambda: settled(store, 2))
        ended(ended_again)
    assert daemons.sent() == ["XH-a"]


def test_sqlite_store_allows_one_daemon(daemons: Daemons) -> None:
    first = daemons.start()
    words = [sys.executable, str(DAEMON), daemons.url, str(daemons.folder), str(daemons.sink)]
    time.sleep(0.2)
    second = subprocess.run(words, capture_output=True, text=True, timeout=DEADLINE_S)
    assert second.returncode != 0
    assert f"another daemon is using it (process {first.pid})" in second.stderr
    ended(first)


def test_two_daemons_share_a_postgresql_store(tmp_path: Path) -> None:
    daemons = Daemons(tmp_path, fresh_url("postgresql", tmp_path))
    for number in range(20):
        drop_file(daemons.folder, f"{number:04d}", burst=number % 2 == 0)
    both = [daemons.start(), daemons.start()]
    with open_store(daemons.url) as store:
        until(lambda: settled(store, 20))
        for one in both:
            ended(one)
        assert [fault.name for fault in store.check() if fault.is_error] == []
        control = store.shared_state("false_discovery_control")
        assert control is not None
        assert control["tested"] == 20
    assert sorted(daemons.sent()) == [f"XH-{number:04d}" for number in range(0, 20, 2)]


def test_sighup_reloads_the_configuration(daemons: Daemons) -> None:
    one = daemons.start()
    with open_store(daemons.url) as store:
        drop_file(daemons.folder, "a", burst=True)
        until(lambda: settled(store, 1))
        one.send_signal(signal.SIGHUP)
        drop_file(daemons.folder, "b", burst=True)
        until(lambda: settled(store, 2))
    ended(one)
    assert daemons.sent() == ["XH-a", "XH-b"]
