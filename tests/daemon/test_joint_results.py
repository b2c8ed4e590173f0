"""Cameras of one observation in a drop folder: each file is tested together with those that are there already."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from camera_files import write_camera_files
from fast_pipeline import drop_file, light_camera
from sqlalchemy import select
from store_rows import store_errors
from test_supersession import commit_file
from watched_folder import WatchedFolder

from xherald.catalog_store.ledger.states import AlertType
from xherald.catalog_store.ledger.store import Store
from xherald.catalog_store.ledger.tables import observations
from xherald.daemon.daemon import Daemon
from xherald.daemon.jobs.processing import Job, process_file
from xherald.detector.configuration.configuration import load_configuration


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """MOS1, MOS2 and pn of an observation with one flare, which MOS2 and pn do not find alone."""
    return write_camera_files(tmp_path_factory.mktemp("cameras"), 4.0)


def test_cameras_that_arrive_one_by_one_update_one_candidate(store: Store, cameras: list[Path]) -> None:
    for number, path in enumerate(cameras):
        commit_file(store, path, tuple(cameras[:number]))
    (one,) = store.candidates()
    assert one.evidence["instrument"] == "EMOS1+EMOS2+EPN"
    assert sorted(row["instrument"] for row in one.evidence["detections"]) == ["EMOS1", "EMOS2", "EPN"]
    assert one.counts < one.evidence["counts"]
    initial = [alert for alert in store.alerts() if alert.alert_type is AlertType.INITIAL]
    assert len(initial) == 1
    assert not [alert for alert in store.alerts() if alert.alert_type is AlertType.RETRACTION]
    assert store_errors(store) == []


def test_unusable_file_of_another_camera_is_left_out(cameras: list[Path], tmp_path: Path) -> None:
    bad = tmp_path / "bad.fits"
    bad.write_bytes(b"no fits at all")
    configuration = load_configuration(None, {})
    alone = process_file(Job(1, cameras[0], ""), configuration)
    beside = process_file(Job(1, cameras[0], "", (bad,)), configuration)
    assert alone.result is not None
    assert beside.result is not None
    assert beside.result.candidates == alone.result.candidates
    (note,) = set(beside.result.observations[0].details["notes"]) - set(alone.result.observations[0].details["notes"])
    assert "not tested together with bad.fits" in note


def test_daemon_processes_a_file_with_its_siblings(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder(workers=1)

    def read_siblings() -> dict[str, Any]:
        with watched.store._database.read() as connection:
            rows = connection.execute(select(observations.c.instrument, observations.c.obs_id, observations.c.details))
            return {f"{row.instrument}_{row.obs_id}": row.details["siblings"] for row in rows}

    def run(*names: str) -> None:
        for name in names:
            drop_file(watched.folder, name)
        Daemon(watched.configuration, watched.store, work=light_camera).once()

    run("mos1_1", "pn_2")
    assert read_siblings() == {"mos1_1": [], "pn_2": []}
    run("mos2_1", "pn_1")
    found = read_siblings()
    assert sorted(map(len, (found["mos2_1"], found["pn_1"]))) in ([1, 2], [2, 2])
    assert all("mos1_1" in found[name] for name in ("mos2_1", "pn_1"))
    assert found["pn_2"] == []
