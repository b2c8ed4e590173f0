"""Every command that opens the store finds it by one rule: --store, then store.url of the settings, then the user's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from cli_result import CliResult

from xherald.catalog_store.ledger.store import open_store

Run = Callable[..., CliResult]

READERS = {
    "alert list": (),
    "alert replay": ("XH-1",),
    "alert retract": ("XH-1", "--reason", "a hot pixel"),
    "alert send": (),
    "calibration list": (),
    "calibration activate": ("configured",),
    "candidate show": ("XH-1",),
    "nightly": (),
    "status": (),
    "store show": (),
    "store check": (),
    "store backup": ("{folder}/backup.sqlite",),
    "store prune": ("--older-than", "365d"),
    "store release": ("1",),
}
"""Commands that need an existing store, with their other arguments."""

CREATORS = {
    "ingest": ("{folder}/empty", "--quiet"),
    "store restore": ("{folder}/backup.sqlite",),
    "store upgrade": (),
    "watch": ("--once", "{folder}/empty", "--quiet"),
}
"""Commands that create a missing store."""


class Stores:
    """The three places where the store can be, and a call of a command."""

    def __init__(self, xherald: Run, folder: Path) -> None:
        self._xherald, self._folder = xherald, folder
        self.option, self.settings = folder / "option.sqlite", folder / "settings.sqlite"
        self.user = folder / "data" / "xherald" / "store.sqlite"
        self._config = folder / "config.yaml"
        self._config.write_text(f"store: {{url: 'sqlite:///{self.settings}'}}\n", encoding="utf-8")
        (folder / "empty").mkdir()
        open_store(f"sqlite:///{folder / 'backup.sqlite'}").close()

    def run(self, command: str, words: tuple[str, ...], *, option: bool, settings: str) -> CliResult:
        """Call a command; `settings` says how ``store.url`` is given: by "file", "environment" or "nothing"."""
        environment = {
            "XDG_DATA_HOME": str(self._folder / "data"),
            "XHERALD_DAEMON__METRICS_PORT": "0",
            "XHERALD_DAEMON__WORKERS": "1",
        }
        if settings == "environment":
            environment["XHERALD_STORE__URL"] = f"sqlite:///{self.settings}"
        given = [one.format(folder=self._folder) for one in words]
        given += ["--config", str(self._config)] if settings == "file" else []
        given += ["--store", f"sqlite:///{self.option}"] if option else []
        return self._xherald(*command.split(), *given, environment=environment)


@pytest.fixture
def stores(xherald: Run, tmp_path: Path) -> Stores:
    return Stores(xherald, tmp_path)


@pytest.mark.parametrize("command", READERS)
def test_reading_command_finds_the_store(stores: Stores, command: str) -> None:
    cases = [
        (True, "file", stores.option),
        (True, "environment", stores.option),
        (False, "file", stores.settings),
        (False, "environment", stores.settings),
        (False, "nothing", stores.user),
    ]
    for option, settings, expected in cases:
        result = stores.run(command, READERS[command], option=option, settings=settings)
        assert result.exit_code == 1, result.stderr
        assert f"{expected}: " in result.stderr, (option, settings)


@pytest.mark.parametrize(
    ("option", "settings"), [(True, "file"), (False, "file"), (False, "environment"), (False, "nothing")]
)
@pytest.mark.parametrize("command", ["store restore", "store upgrade"])
def test_creating_command_creates_the_store(stores: Stores, command: str, option: bool, settings: str) -> None:
    result = stores.run(command, CREATORS[command], option=option, settings=settings)
    assert result.exit_code == 0, result.stderr
    expected = stores.option if option else stores.user if settings == "nothing" else stores.settings
    made = [path for path in (stores.option, stores.settings, stores.user) if path.exists()]
    assert made == [expected]


@pytest.mark.parametrize("command", ["ingest", "watch"])
def test_daemon_works_on_the_store_of_the_settings(stores: Stores, command: str) -> None:
    from unittest.mock import patch

    with patch("xherald.daemon.daemon.Daemon.once") as once:
        once.return_value.quarantined = once.return_value.was_stopped = once.return_value.processed = 0
        result = stores.run(command, CREATORS[command], option=False, settings="file")
    assert result.exit_code == 0, result.stderr
    assert once.called
    assert stores.settings.exists()
    assert not stores.user.exists()
