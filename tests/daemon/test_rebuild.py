"""Rebuild of references: of what it is made, whether it comes into use, and that a daemon takes it up."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_result import CliResult
from fast_pipeline import configured, drop_file
from rebuilt_calibration import TELESCOPE, looked_at, naming, small_calibration, what_it_is, what_it_is_not

from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.daemon import Daemon
from xherald.daemon.logs import SilentLog
from xherald.daemon.nightly.calibration_versions import CONFIGURED, activate, in_use, name_in_use, noted, serving
from xherald.daemon.nightly.training_sources import gather
from xherald.detector.calibration.calibration import load_calibration
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.scoring.detect import calibration_of
from xherald.evaluation.calibration_comparison import Figure
from xherald.photons.errors import ArtefactError, ConfigError

NULLS = 1500
JUDGED = 2400

# t-SNE's and scikit-learn's words about populations of a few hundred sources
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("calibration") / "small"
    small_calibration(folder, NULLS)
    return folder


@pytest.fixture
def environment(tmp_path: Path, base: Path) -> dict[str, str]:
    return {
        "XHERALD_STORE__URL": f"sqlite:///{tmp_path}/store.sqlite",
        "XHERALD_DETECTION__CALIBRATION": str(base),
        "XHERALD_DAEMON__CALIBRATIONS_FOLDER": str(tmp_path / "calibrations"),
        "XHERALD_DAEMON__REBUILD_NULLS": str(NULLS),
        "XHERALD_DAEMON__REBUILD_TEST_SOURCES": str(JUDGED),
    }


def kept(store: Store, name: str, folder: Path, *, activated: bool, of: str = "") -> None:
    """Note a version that was judged before."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"name": name, "folder": str(folder), "configured": of, "created_utc": "2026-01-01T00:00:00+00:00"}
    noted(store, entry | {"rebuilt_from": "x@1", "activated": activated, "reason": "words", "digest": name})


def test_what_persons_confirmed_joins_the_reference_and_serves(
    tmp_path: Path, environment: dict[str, str], xherald: Callable[..., CliResult]
) -> None:
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        confirmed = looked_at(store, tmp_path / "new.parquet", 300, what_it_is)
        assert confirmed > 20
    told = json.loads(xherald("nightly", "--rebuild", "--json", environment=environment).stdout)["rebuilt"]
    assert (told["name"], told["activated"]) == ("rebuilt-1", True), told["reason"]
    assert "none of" in told["reason"]
    real = told["version"]["real"][TELESCOPE]
    # All but those with fewer or more photons than a reference takes.
    assert 0.8 * confirmed <= real["flare"] + real["dip"] <= confirmed
    assert real["ordinary"] > 100
    used = in_use_of(environment)
    reference = used.reference(used.groups[TELESCOPE], load_configuration(None, {}).host)
    assert reference is not None
    assert reference.version == "3"
    table = reference.sources.to_pydict()
    names = dict(zip(table["obsreg_id"], table["bona_fide"], strict=True))
    assert sum(bool(kind) and not name.startswith("simulated-") for name, kind in names.items()) == (
        real["flare"] + real["dip"]
    )
    # Both stand in the list, and one can go back.
    listed = xherald("calibration", "list", environment=environment).stdout
    assert "* rebuilt-1" in listed
    assert "no worse" in listed
    figures = json.loads(xherald("calibration", "list", "--json", environment=environment).stdout)["versions"][0]
    assert len(figures["comparison"]["figures"]) > 10
    # The next night has nothing new to build of.
    again = json.loads(xherald("nightly", "--rebuild", "--json", environment=environment).stdout)["rebuilt"]
    assert (again["name"], again["activated"]) == (None, False)
    assert "nothing is new" in again["reason"]
    assert xherald("calibration", "activate", CONFIGURED, environment=environment).exit_code == 0
    assert f"* {CONFIGURED}" in xherald("calibration", "list", environment=environment).stdout
    assert in_use_of(environment).name == "small"
    assert xherald("calibration", "activate", "rebuilt-1", environment=environment).exit_code == 0
    assert in_use_of(environment).name == "rebuilt-1"


def test_a_reference_of_what_is_no_transient_does_not_serve(
    tmp_path: Path, environment: dict[str, str], xherald: Callable[..., CliResult]
) -> None:
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        assert looked_at(store, tmp_path / "new.parquet", 500, what_it_is_not) > 200
    answer = xherald("nightly", "--rebuild", environment=environment)
    assert answer.exit_code == 0
    assert "rebuilt-1 is not taken into use: " in answer.stdout
    assert "resemble known ones" in answer.stdout
    assert in_use_of(environment).name == "small"
    (version,) = json.loads(xherald("calibration", "list", "--json", environment=environment).stdout)["versions"]
    assert not version["activated"]
    assert any(one["is_worse"] for one in version["comparison"]["figures"])
    # It is kept, and a person may know better.
    assert load_calibration(Path(version["folder"])).about["rebuilt_from"].startswith("small@")
    assert xherald("calibration", "activate", "rebuilt-1", environment=environment).exit_code == 0


def in_use_of(environment: dict[str, str]):
    configuration = load_configuration(None, environment)
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        return calibration_of(in_use(configuration, store))


def test_files_that_are_gone_or_changed_are_left_out(
    tmp_path: Path, environment: dict[str, str], xherald: Callable[..., CliResult]
) -> None:
    path = tmp_path / "new.parquet"
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        looked_at(store, path, 60, what_it_is)
        configuration = load_configuration(None, environment)
        calibration = calibration_of(configuration)
        whole = gather(store, configuration, calibration)
        assert (whole.read, whole.skipped, set(whole.sources)) == (1, 0, {TELESCOPE})
        few = load_configuration(None, environment | {"XHERALD_DAEMON__REBUILD_SOURCES": "7"})
        assert gather(store, few, calibration).sources[TELESCOPE].kinds.count("") == 7
        os.utime(path, (1.0, 1.0))
        changed = gather(store, configuration, calibration)
        assert (changed.read, dict(changed.sources)) == (0, {})
        assert "has changed since it was taken" in changed.reasons[0]
        path.unlink()
        assert "No such file" in gather(store, configuration, calibration).reasons[0]
    told = json.loads(xherald("nightly", "--rebuild", "--json", environment=environment).stdout)["rebuilt"]
    assert told["name"] is None
    assert "No such file" in told["reason"]


def test_worse_is_what_is_worse_by_more_than_its_error() -> None:
    assert Figure("x", "all", 0.5, 0.4, 0.1, 0.04, 100).is_worse
    assert not Figure("x", "all", 0.5, 0.4, 0.1, 0.06, 100).is_worse
    assert not Figure("x", "all", 0.4, 0.5, -0.1, 0.001, 100).is_worse


def test_a_calibration_that_is_configured_anew_goes_first(tmp_path: Path, environment: dict[str, str]) -> None:
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        mine = load_configuration(None, environment)
        kept(store, "rebuilt-1", tmp_path / "one", activated=True, of=environment["XHERALD_DETECTION__CALIBRATION"])
        assert folder_in_use(mine, store) == tmp_path / "one"
        other = load_configuration(None, environment | {"XHERALD_DETECTION__CALIBRATION": str(tmp_path)})
        assert in_use(other, store) is other
        (tmp_path / "one").rmdir()
        with pytest.raises(ArtefactError, match=r"rebuilt-1 is in use .* and is gone; bring it back"):
            in_use(mine, store)
        assert serving(mine, store, SilentLog()) is mine
        with pytest.raises(ConfigError, match="is gone; bring it back"):
            activate(store, "rebuilt-1")
        with pytest.raises(ConfigError, match="there are: configured, rebuilt-1"):
            activate(store, "rebuilt-9")


def test_of_what_was_refused_the_latest_are_kept(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        for number in range(1, 7):
            kept(store, f"rebuilt-{number}", tmp_path / str(number), activated=number == 2)
        assert name_in_use(store) == "rebuilt-2"
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["2", "4", "5", "6"]


def folder_in_use(configuration: Configuration, store: Store) -> Path | None:
    return in_use(configuration, store).settings.detection.calibration


def test_a_daemon_takes_up_what_came_into_use(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    drop_file(folder, "first")
    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        daemon = Daemon(configured(folder, None, nightly_cron=None), store, work=naming)
        thread = threading.Thread(target=daemon.watch)
        thread.start()
        try:
            wait_for(lambda: len(store.processed_files(9)) == 1)
            kept(store, "rebuilt-1", tmp_path / "rebuilt-1", activated=True)
            time.sleep(6.0)  # it asks every 5 s
            drop_file(folder, "second")
            wait_for(lambda: len(store.processed_files(9)) == 2)
        finally:
            daemon.end()
            thread.join()
    import sqlite3

    with sqlite3.connect(tmp_path / "store.sqlite") as raw:
        query = "SELECT calibration FROM runs JOIN observations ON runs.id = run_id ORDER BY observations.id"
        assert [row[0] for row in raw.execute(query)] == ["None", str(tmp_path / "rebuilt-1")]


def wait_for(come: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not come():
        assert time.monotonic() < until
        time.sleep(0.2)
