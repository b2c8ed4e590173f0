"""Real processes on one store: several at once share the work, and one that is killed loses and doubles nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from store_rows import DATABASES, fresh_url, stable

from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store, open_store

WORKER = Path(__file__).parent.parent / "helpers" / "store_worker.py"


@pytest.fixture(params=DATABASES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return fresh_url(request.param, tmp_path)


def start(url: str, name: str, sink: Path, *more: Path) -> subprocess.Popen[str]:
    words = [sys.executable, str(WORKER), url, name, str(sink), *map(str, more)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def end(worker: subprocess.Popen[str]) -> list[int]:
    """Wait for a worker; answers which drops it finished."""
    out, err = worker.communicate(timeout=120)
    assert worker.returncode == 0, err
    return [int(line) for line in out.split()]


def assert_all_is_done(store: Store, count: int, sink: Path) -> None:
    """Every drop is done, every alert is at the sink, each once."""
    expected = dict.fromkeys(DropState, 0)
    expected |= {DropState.PROCESSED: count // 2, DropState.ALERTED: count - count // 2}
    assert store.drop_counts() == expected
    assert store.shared_state("count") == {"n": count}
    assert sorted(sink.read_text().split()) == sorted(f"{i}-1" for i in range(0, count, 2))
    rows = store.row_counts()
    assert (rows["observations"], rows["candidates"], rows["alerts"]) == (count, count - count // 2, count - count // 2)
    assert store.check() == []


def test_workers_share_drops_and_state(url: str, tmp_path: Path) -> None:
    count = 48
    with open_store(url) as store:
        stable(store, *map(str, range(count)))
        # Each to a file of its own: two that look and then write one file would be the sink's race, not the store's.
        sinks = [tmp_path / f"sink{i}" for i in range(3)]
        workers = [start(url, f"w{i}", sink) for i, sink in enumerate(sinks)]
        done = [end(worker) for worker in workers]
        together = sorted(drop for some in done for drop in some)
        assert together == sorted(drop.id for drop in store.drops())
        everything = tmp_path / "everything"
        everything.write_text("".join(sink.read_text() for sink in sinks if sink.exists()))
        assert_all_is_done(store, count, everything)


def test_worker_killed_during_commit_changes_nothing(url: str, tmp_path: Path) -> None:
    sink, hang = tmp_path / "sink", tmp_path / "hang"
    with open_store(url) as store:
        stable(store, "0", "1")
        worker = start(url, "w", sink, hang)
        until = time.monotonic() + 60
        while not hang.exists():
            assert worker.poll() is None, worker.communicate()[1]
            assert time.monotonic() < until
            time.sleep(0.01)
        worker.send_signal(signal.SIGKILL)
        worker.communicate()
        assert store.drop_counts()[DropState.CLAIMED] == 2
        rows = store.row_counts()
        assert rows["observations"] == rows["candidates"] == rows["alerts"] == rows["shared_states"] == 0
        assert [one.name for one in store.check() if one.is_error] == []
        end(start(url, "w", sink))
        assert_all_is_done(store, 2, sink)


def test_killed_worker_loses_and_duplicates_nothing(url: str, tmp_path: Path) -> None:
    count, kills = 60, 6
    sink = tmp_path / "sink"
    random = np.random.default_rng(12)
    with open_store(url) as store:
        stable(store, *map(str, range(count)))
        for _ in range(kills):
            worker = start(url, "w", sink)
            assert worker.stdout is not None
            # Killed while at work, not while Python starts: once it has said that it finished its first drop.
            if not worker.stdout.readline():
                worker.communicate()
                break
            time.sleep(random.uniform(0, 0.06))
            worker.send_signal(signal.SIGKILL)
            worker.communicate()
            assert [one.name for one in store.check() if one.is_error] == []
        end(start(url, "w", sink))
        assert_all_is_done(store, count, sink)
        assert all(drop.attempts <= 5 for drop in store.drops())
