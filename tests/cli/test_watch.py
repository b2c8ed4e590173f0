"""`xherald watch --once`, `ingest` and `status` on real files and the real road, in processes of their own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.jobs.decisions import FALSE_DISCOVERY_STATE

XHERALD = Path(sys.executable).with_name("xherald")


@pytest.fixture
def drop(tmp_path: Path, demo_files: list[Path]) -> Path:
    """Snapshots of XRT with a flare in them, a table of photons with its good times, and half a file."""
    folder = tmp_path / "drop"
    folder.mkdir()
    _, swift, table = demo_files
    for path in (swift, table, table.with_name("eventfiles_table_gti.csv")):
        shutil.copy2(path, folder)
    (folder / "sw00099001002xpcw3po_cl.evt.gz").write_bytes(swift.read_bytes()[:-2000])
    return folder


def run(tmp_path: Path, *words: object) -> subprocess.CompletedProcess[str]:
    environment = {
        **os.environ,
        "XHERALD_STORE__URL": f"sqlite:///{tmp_path}/store.sqlite",
        "XHERALD_DAEMON__STABLE_AFTER_S": "0.1",
        "XHERALD_DAEMON__METRICS_PORT": "0",
        "XHERALD_DAEMON__WORKERS": "1",
    }
    command = [str(XHERALD), *map(str, words)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


def test_one_pass_announces_once_and_sets_aside_what_is_broken(tmp_path: Path, drop: Path) -> None:
    alerts = tmp_path / "alerts.jsonl"
    first = run(tmp_path, "watch", "--once", drop, "--alerts", alerts, "--json-log")
    assert first.returncode == 1, first.stderr
    events = [json.loads(line) for line in first.stderr.splitlines()]
    assert sum(one["event"] == "processed" for one in events) == 2
    lines = [json.loads(line) for line in alerts.read_text().splitlines()]
    assert len({one["id"] for one in lines}) == len(lines) > 0
    status = json.loads(run(tmp_path, "status", "--json").stdout)
    drops = status["drops"]
    assert (drops["processed"] + drops["alerted"], drops["quarantined"], sum(drops.values())) == (2, 1, 3)
    assert status["alerts"]["sent"] == len(lines)
    assert status["daemon"] is None
    (aside,) = status["quarantined"]
    assert "truncated gzip" in aside["reason"]
    again = run(tmp_path, "watch", "--once", drop, "--alerts", alerts, "--quiet")
    assert (again.returncode, again.stderr) == (0, "")
    assert len(alerts.read_text().splitlines()) == len(lines)
    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        assert [one.name for one in store.check() if one.is_error] == []


def test_a_back_fill_keeps_candidates_and_announces_nothing(tmp_path: Path, drop: Path) -> None:
    first = run(tmp_path, "ingest", drop, "--workers", 1, "--include", "*_table*")
    assert (first.returncode, first.stdout) == (0, "1 files processed, 0 quarantined\n"), first.stderr
    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        assert store.drop_counts()[DropState.PROCESSED] == 1
        assert store.alerts() == []
        assert store.shared_state(FALSE_DISCOVERY_STATE) is None
        assert store.candidates()


def test_what_cannot_be_watched_is_reported_in_one_line(tmp_path: Path) -> None:
    answer = run(tmp_path, "watch")
    assert answer.returncode == 2
    assert answer.stderr.count("\n") == 1
    assert "no drop source" in answer.stderr
