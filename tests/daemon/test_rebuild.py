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
from rebuilt_calibration import (
    TELESCOPE,
    confirm_steady_sources,
    confirm_transients,
    report_calibration,
    small_calibration,
    store_vetted_file,
)

from xherald.catalog_store.ledger.states import CandidateState, VettingDecision
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.daemon import Daemon
from xherald.daemon.logs import SilentLog
from xherald.daemon.nightly.calibration_versions import (
    CONFIGURED,
    activate,
    read_active_name,
    record_version,
    with_active_calibration,
    with_usable_calibration,
)
from xherald.daemon.nightly.training_sources import collect_training_sources
from xherald.detector.calibration.calibration import load_calibration
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.scoring.detect import calibration_of
from xherald.evaluation.calibration_comparison import Figure
from xherald.photons.errors import ArtefactError, ConfigError
from xherald.simulation.published_templates import TEMPLATES

NULLS = 1500
TEST_SOURCES = 2400

# t-SNE and scikit-learn warn about populations of a few hundred sources
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
        "XHERALD_DAEMON__REBUILD_TEST_SOURCES": str(TEST_SOURCES),
    }


def record_earlier(store: Store, name: str, folder: Path, *, activated: bool, configured: str = "") -> None:
    """Record an earlier version."""
    folder.mkdir(parents=True, exist_ok=True)
    entry = {"name": name, "folder": str(folder), "configured": configured, "created_utc": "2026-01-01T00:00:00+00:00"}
    record_version(store, entry | {"rebuilt_from": "x@1", "activated": activated, "reason": "words", "digest": name})


def test_confirmed_candidates_join_the_reference(
    tmp_path: Path, environment: dict[str, str], xherald: Callable[..., CliResult]
) -> None:
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        confirmed = store_vetted_file(store, tmp_path / "new.parquet", 300, confirm_transients)
        assert confirmed > 20
    rebuilt = json.loads(xherald("nightly", "--rebuild", "--json", environment=environment).stdout)["rebuilt"]
    assert (rebuilt["name"], rebuilt["activated"]) == ("rebuilt-1", True), rebuilt["reason"]
    assert "none of" in rebuilt["reason"]
    real = rebuilt["version"]["real_sources"][TELESCOPE]
    # All but those with too few or too many photons for a reference.
    assert 0.8 * confirmed <= real["flare"] + real["dip"] <= confirmed
    assert real["ordinary"] > 100
    used = load_active(environment)
    reference = used.load_reference(used.groups[TELESCOPE], load_configuration(None, {}).host)
    assert reference is not None
    assert reference.version == "3"
    table = reference.sources.to_pydict()
    names = dict(zip(table["obsreg_id"], table["bona_fide"], strict=True))
    assert sum(
        bool(kind) and not name.startswith("simulated-") and name not in TEMPLATES for name, kind in names.items()
    ) == (real["flare"] + real["dip"])
    # Both are listed, and the earlier one can be activated again.
    listed = xherald("calibration", "list", environment=environment).stdout
    assert "* rebuilt-1" in listed
    assert "no worse" in listed
    figures = json.loads(xherald("calibration", "list", "--json", environment=environment).stdout)["versions"][0]
    assert len(figures["comparison"]["figures"]) > 10
    # The next night there are no new sources.
    again = json.loads(xherald("nightly", "--rebuild", "--json", environment=environment).stdout)["rebuilt"]
    assert (again["name"], again["activated"]) == (None, False)
    assert "no new sources" in again["reason"]
    assert xherald("calibration", "activate", CONFIGURED, environment=environment).exit_code == 0
    assert f"* {CONFIGURED}" in xherald("calibration", "list", environment=environment).stdout
    assert load_active(environment).name == "small"
    assert xherald("calibration", "activate", "rebuilt-1", environment=environment).exit_code == 0
    assert load_active(environment).name == "rebuilt-1"


def test_worse_reference_is_not_activated(
    tmp_path: Path, environment: dict[str, str], xherald: Callable[..., CliResult]
) -> None:
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        assert store_vetted_file(store, tmp_path / "new.parquet", 500, confirm_steady_sources) > 200
    answer = xherald("nightly", "--rebuild", environment=environment)
    assert answer.exit_code == 0
    assert "rebuilt-1 not activated: " in answer.stdout
    assert "resemble known ones" in answer.stdout
    assert load_active(environment).name == "small"
    (version,) = json.loads(xherald("calibration", "list", "--json", environment=environment).stdout)["versions"]
    assert not version["activated"]
    assert any(one["is_worse"] for one in version["comparison"]["figures"])
    # It is kept, and can be activated all the same.
    assert load_calibration(Path(version["folder"])).about["rebuilt_from"].startswith("small@")
    assert xherald("calibration", "activate", "rebuilt-1", environment=environment).exit_code == 0


def load_active(environment: dict[str, str]):
    configuration = load_configuration(None, environment)
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        return calibration_of(with_active_calibration(configuration, store))


def test_verdicts_decide_what_candidates_teach(tmp_path: Path, environment: dict[str, str]) -> None:
    configuration = load_configuration(None, environment)
    calibration = calibration_of(configuration)
    found: dict[str, tuple[int, int]] = {}
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        vetted = store_vetted_file(store, tmp_path / "new.parquet", 60, confirm_transients)
        names = [one.id for one in store.candidates(states=list(CandidateState))]
        for verdict in VettingDecision:
            if verdict is not VettingDecision.UNSURE:
                for name in names:
                    store.record_vetting(name, "duty", verdict, "why")
                kinds = collect_training_sources(store, configuration, calibration).sources[TELESCOPE].kinds
                found[verdict] = len(kinds) - kinds.count(""), kinds.count("")
    transients, ordinary = found["real"]
    assert 0.5 * vetted <= transients <= vetted  # some have too few or too many photons for a reference
    assert found == {
        "real": (transients, ordinary),
        "known": (transients, ordinary),
        "artefact": (0, ordinary),
        "not_variable": (0, ordinary + transients),
        "rejected": (0, ordinary),
    }


def test_missing_or_changed_files_are_skipped(
    tmp_path: Path, environment: dict[str, str], xherald: Callable[..., CliResult]
) -> None:
    path = tmp_path / "new.parquet"
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        store_vetted_file(store, path, 60, confirm_transients)
        configuration = load_configuration(None, environment)
        calibration = calibration_of(configuration)
        complete = collect_training_sources(store, configuration, calibration)
        assert (complete.files_read, complete.files_skipped, set(complete.sources)) == (1, 0, {TELESCOPE})
        few = load_configuration(None, environment | {"XHERALD_DAEMON__REBUILD_SOURCES": "7"})
        assert collect_training_sources(store, few, calibration).sources[TELESCOPE].kinds.count("") == 7
        os.utime(path, (1.0, 1.0))
        changed = collect_training_sources(store, configuration, calibration)
        assert (changed.files_read, dict(changed.sources)) == (0, {})
        assert "has changed since it was processed" in changed.reasons[0]
        path.unlink()
        assert "No such file" in collect_training_sources(store, configuration, calibration).reasons[0]
    rebuilt = json.loads(xherald("nightly", "--rebuild", "--json", environment=environment).stdout)["rebuilt"]
    assert rebuilt["name"] is None
    assert "No such file" in rebuilt["reason"]


def test_figure_is_worse_beyond_its_error() -> None:
    assert Figure("x", "all", 0.5, 0.4, 0.1, 0.04, 100).is_worse
    assert not Figure("x", "all", 0.5, 0.4, 0.1, 0.06, 100).is_worse
    assert not Figure("x", "all", 0.4, 0.5, -0.1, 0.001, 100).is_worse


def test_newly_configured_calibration_takes_precedence(tmp_path: Path, environment: dict[str, str]) -> None:
    with open_store(environment["XHERALD_STORE__URL"]) as store:
        ours = load_configuration(None, environment)
        record_earlier(
            store,
            "rebuilt-1",
            tmp_path / "one",
            activated=True,
            configured=environment["XHERALD_DETECTION__CALIBRATION"],
        )
        assert active_folder(ours, store) == tmp_path / "one"
        other = load_configuration(None, environment | {"XHERALD_DETECTION__CALIBRATION": str(tmp_path)})
        assert with_active_calibration(other, store) is other
        (tmp_path / "one").rmdir()
        with pytest.raises(ArtefactError, match=r"calibration rebuilt-1, active on .*, is missing; restore it"):
            with_active_calibration(ours, store)
        assert with_usable_calibration(ours, store, SilentLog()) is ours
        with pytest.raises(ConfigError, match="is missing; restore it"):
            activate(store, "rebuilt-1")
        with pytest.raises(ConfigError, match="available: configured, rebuilt-1"):
            activate(store, "rebuilt-9")


def test_latest_rejected_versions_are_kept(tmp_path: Path) -> None:
    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        for number in range(1, 7):
            record_earlier(store, f"rebuilt-{number}", tmp_path / str(number), activated=number == 2)
        assert read_active_name(store) == "rebuilt-2"
        assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["2", "4", "5", "6"]


def active_folder(configuration: Configuration, store: Store) -> Path | None:
    return with_active_calibration(configuration, store).settings.detection.calibration


def test_daemon_uses_a_newly_activated_calibration(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    drop_file(folder, "first")
    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        daemon = Daemon(configured(folder, None, nightly_cron=None), store, work=report_calibration)
        thread = threading.Thread(target=daemon.watch)
        thread.start()
        try:
            wait_for(lambda: len(store.processed_files(9)) == 1)
            record_earlier(store, "rebuilt-1", tmp_path / "rebuilt-1", activated=True)
            time.sleep(6.0)  # it checks every 5 s
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
