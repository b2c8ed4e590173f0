"""The daemon in this process: bad files, a locked store, a full disk, missing sources, invalid settings."""

from __future__ import annotations

import json
import resource
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fast_pipeline import drop_file
from watched_folder import WatchedFolder, count_errors, is_processed, wait_until

from xherald.catalog_store.ledger.states import DropState
from xherald.daemon.configured_sources import open_sources
from xherald.daemon.daemon import Daemon
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.configuration.daemon_settings import SourceSettings
from xherald.photons.errors import ConfigError, StoreError


def test_bad_files_do_not_affect_good_ones(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder(max_attempts=2, retry_delay_s=0.05, workers=1)
    for number in range(9):
        drop_file(watched.folder, f"{number}", burst=number % 3 == 0)
    for name in ("bad", "killer", "defect"):
        drop_file(watched.folder, name, name)
    summary = watched.daemon().once()
    assert (summary.processed, summary.quarantined, summary.was_stopped) == (9, 3, False)
    states = watched.states()
    assert {states[f"{number}.csv"] for number in range(9)} == {DropState.PROCESSED, DropState.ALERTED}
    assert "invalid photons" in watched.reason("bad.csv")
    assert "failed 2 times" in watched.reason("defect.csv")
    assert "failed 2 times" in watched.reason("killer.csv")
    lines = (watched.folder.parent / "alerts.jsonl").read_text().splitlines()
    assert sorted(json.loads(line)["candidate_id"] for line in lines) == ["XH-0", "XH-3", "XH-6"]
    assert [one.name for one in watched.store.check() if one.is_error] == []
    # A second pass finds nothing to do.
    assert watched.daemon().once().processed == 0


def test_later_processing_version_supersedes(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder()
    drop_file(watched.folder, "7_v1", burst=True)
    watched.daemon().once()
    drop_file(watched.folder, "7_v2", burst=True)
    watched.daemon().once()
    assert watched.states() == {"7_v1.csv": DropState.SUPERSEDED, "7_v2.csv": DropState.ALERTED}
    lines = [json.loads(one) for one in (watched.folder.parent / "alerts.jsonl").read_text().splitlines()]
    # The second processing changes nothing that the first alert states.
    assert [(one["candidate_id"], one["alert_type"]) for one in lines] == [("XH-7_v1", "initial")]


def test_locked_store_and_full_disk_lose_nothing(
    run_daemon: Callable[..., tuple[WatchedFolder, Daemon]],
) -> None:
    watched, daemon = run_daemon()
    drop_file(watched.folder, "a", burst=True)
    wait_until(lambda: is_processed(watched, "a"))
    other = sqlite3.connect(str(watched.store.path), isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    drop_file(watched.folder, "b")
    wait_until(lambda: count_errors(daemon, "store") > 0)
    other.execute("ROLLBACK")
    other.close()
    wait_until(lambda: is_processed(watched, "a", "b"))
    # For the database, a limit on the file size is a full disk.
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = count_errors(daemon, "store")
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        (watched.folder / "c.csv").symlink_to(drop_file(watched.folder.parent, "c"))
        wait_until(lambda: count_errors(daemon, "store") > before)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    wait_until(lambda: is_processed(watched, "a", "b", "c"))
    assert [one.name for one in watched.store.check() if one.is_error] == []


def test_transient_failure_is_retried_until_it_passes(
    run_daemon: Callable[..., tuple[WatchedFolder, Daemon]],
) -> None:
    watched, daemon = run_daemon(retry_delay_s=0.1, max_attempts=2)
    obstacle = watched.folder / ".obstacle"
    obstacle.touch()
    drop_file(watched.folder, "a", "obstructed")
    drop_file(watched.folder, "b")
    wait_until(lambda: is_processed(watched, "b") and count_errors(daemon, "transient") >= 4)
    assert watched.states()["a.csv"] is DropState.CLAIMED
    obstacle.unlink()
    wait_until(lambda: is_processed(watched, "a"))


def test_missing_source_does_not_affect_others(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder()
    settings = watched.configuration.settings.daemon
    gone = watched.folder.parent / "gone"
    other = SourceSettings.model_validate({"kind": "folder", "path": str(gone), "interval_s": 0.2})
    settings = settings.model_copy(update={"sources": {**settings.sources, "gone": other}})
    all_settings = watched.configuration.settings.model_copy(update={"daemon": settings})
    watched.configuration = replace(watched.configuration, settings=all_settings)
    daemon = watched.daemon()
    thread = threading.Thread(target=daemon.watch)
    thread.start()
    try:
        drop_file(watched.folder, "a")
        wait_until(lambda: is_processed(watched, "a") and count_errors(daemon, "source") > 0)
        assert set(watched.states()) == {"a.csv"}
        gone.mkdir()
        drop_file(gone, "b")
        wait_until(lambda: is_processed(watched, "b"))
    finally:
        daemon.end()
        thread.join(60)
    assert not thread.is_alive()
    assert set(watched.states()) == {"a.csv", "b.csv"}


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


def test_second_daemon_on_sqlite_is_rejected(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    from xherald.daemon.lock import acquire_lock

    watched = make_watched_folder()
    first = acquire_lock(watched.store)
    with pytest.raises(StoreError, match="another daemon is using it"):
        acquire_lock(watched.store)
    first.release()
    acquire_lock(watched.store).release()
