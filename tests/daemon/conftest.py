"""Stores and watched folders for the tests of the daemon."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from watched_folder import WatchedFolder

from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.daemon import Daemon


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """An empty store."""
    with open_store(f"sqlite:///{tmp_path / 'store.sqlite'}") as opened:
        yield opened


@pytest.fixture
def make_watched_folder(tmp_path: Path) -> Iterator[Callable[..., WatchedFolder]]:
    """Make a drop folder with a store; keyword arguments are settings of the daemon."""
    folders: list[WatchedFolder] = []

    def make(**settings: Any) -> WatchedFolder:
        folders.append(WatchedFolder(tmp_path, **settings))
        return folders[-1]

    yield make
    for one in folders:
        one.store.close()


@pytest.fixture
def run_daemon(
    make_watched_folder: Callable[..., WatchedFolder],
) -> Iterator[Callable[..., tuple[WatchedFolder, Daemon]]]:
    """Watch a drop folder by a daemon in a thread; keyword arguments are settings of the daemon."""
    threads: list[tuple[Daemon, threading.Thread]] = []

    def run(**settings: Any) -> tuple[WatchedFolder, Daemon]:
        watched = make_watched_folder(**settings)
        daemon = watched.daemon()
        thread = threading.Thread(target=daemon.watch)
        threads.append((daemon, thread))
        thread.start()
        return watched, daemon

    yield run
    for daemon, thread in threads:
        daemon.end()
        thread.join(60)
        assert not thread.is_alive()
