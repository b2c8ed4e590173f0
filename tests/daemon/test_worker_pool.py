"""Worker processes: those that die, are slow or cannot start, and the faults of files."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fast_pipeline import configured, drop_file, light
from watched_folder import WatchedFolder, write_file

from xherald.catalog_store.ledger.states import DropState
from xherald.daemon.daemon import Daemon
from xherald.daemon.jobs.processing import Fault, Job, JobResult, process_file
from xherald.daemon.jobs.worker_pool import WorkerPool
from xherald.detector.configuration.configuration import load_configuration
from xherald.photons.errors import PluginError


def run_jobs(pool: WorkerPool, jobs: list[Job]) -> dict[int, JobResult]:
    """Submit jobs one by one and collect the results."""
    found: dict[int, JobResult] = {}
    waiting, deadline = list(jobs), time.monotonic() + 60
    while len(found) < len(jobs):
        assert time.monotonic() < deadline
        if waiting and pool.idle:
            pool.submit(waiting.pop(0))
        found |= {one.drop_id: one for one in pool.collect_results(0.1)}
    return found


def test_dead_or_slow_worker_costs_one_attempt(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    names = ("good", "killer", "slow", "other")
    jobs = [Job(i, drop_file(folder, name, name), "here") for i, name in enumerate(names)]
    configuration = configured(folder, None, file_timeout_s=0.2, files_per_worker=1)
    pool = WorkerPool(configuration, configuration.settings.daemon, light)
    pool.start()
    try:
        first = pool.process_ids
        found = run_jobs(pool, jobs)
        assert set(pool.process_ids).isdisjoint(first)
    finally:
        pool.end()
    assert [found[i].fault for i in range(4)] == [None, Fault.DEFECT, Fault.DEFECT, None]
    assert "its worker died" in found[1].reason
    assert "file_timeout_s" in found[2].reason


def test_errors_of_files_and_transient_errors_are_distinguished(demo_files: list[Path], tmp_path: Path) -> None:
    configuration = load_configuration(None, {})
    bad = write_file(tmp_path / "bad.fits", b"not a FITS file")
    assert process_file(Job(1, bad, ""), configuration).fault is Fault.FILE
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("xherald.detector.extraction.extracted_sources.open_file", _out_of_memory)
        assert process_file(Job(2, bad, ""), configuration).fault is Fault.TRANSIENT
        patch.setattr("xherald.detector.extraction.extracted_sources.open_file", _defect)
        failed = process_file(Job(3, bad, ""), configuration)
    assert (failed.fault, "ZeroDivisionError" in failed.trace) == (Fault.DEFECT, True)
    found = process_file(Job(4, demo_files[1], ""), configuration)
    assert found.result is not None
    (record,) = found.result.observations
    assert (record.mission, record.obs_id) == ("SWIFT", "00099001001")
    assert record.start is not None
    assert record.stop is not None
    assert record.stop > record.start
    assert "PHOTON" in record.part
    assert len(found.result.tested) <= len(record.detections)
    for one in found.result.candidates:
        assert one.evidence["detection_id"] == record.detections[one.detection_index].detection_id


def _out_of_memory(*_: Any) -> Any:
    raise MemoryError


def _defect(*_: Any) -> Any:
    raise ZeroDivisionError("x")


def test_workers_that_cannot_start_end_the_run(make_watched_folder: Callable[..., WatchedFolder]) -> None:
    watched = make_watched_folder()
    drop_file(watched.folder, "a")
    settings = watched.configuration.settings
    nowhere = settings.detection.model_copy(update={"calibration": watched.folder / "nowhere"})
    watched.configuration = replace(watched.configuration, settings=settings.model_copy(update={"detection": nowhere}))
    with pytest.raises(PluginError, match="worker processes end before they are ready"):
        Daemon(watched.configuration, watched.store).once()
    assert watched.states() == {"a.csv": DropState.STABLE}
