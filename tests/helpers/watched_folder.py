"""A drop folder with a store, which tests of the daemon fill and process."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from fast_pipeline import configured, light

from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.configured_sources import open_sources
from xherald.daemon.daemon import Daemon
from xherald.daemon.intake.intake import Intake
from xherald.daemon.intake.spool import DropFiles


def write_file(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


class WatchedFolder:
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

    def daemon(self, **arguments: Any) -> Daemon:
        return Daemon(self.configuration, self.store, work=light, **arguments)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "timeout"
        time.sleep(0.05)


def is_processed(watched: WatchedFolder, *names: str) -> bool:
    states = watched.states()
    return all(states.get(f"{name}.csv") in (DropState.PROCESSED, DropState.ALERTED) for name in names)


def count_errors(daemon: Daemon, kind: str) -> float:
    return daemon.metrics.registry.get_sample_value("xherald_errors_total", {"kind": kind}) or 0.0
