"""Small files that a worker is given together: each comes to what it does alone, and none costs another anything."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest
from fast_pipeline import configured, drop_file, light

from xherald.daemon.jobs.processing import Fault, Job, JobResult, process_batch, process_file
from xherald.daemon.jobs.worker_pool import WorkerPool
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.photons import EventBatch
from xherald.photons.statistics import assess

VETO = """
import numpy as np
from xherald.plugins import Flags, Veto, hookimpl

class Touchy(Veto):
    name = "touchy"
    rejects = True
    reason = "never"
    def flags(self, subjects, options):
        if any("touchy" in str(one.source_path) for one in subjects.batch.identities):
            raise ZeroDivisionError("touched")
        return Flags(np.zeros(len(subjects), dtype=bool), {})

@hookimpl
def register_vetoes(register):
    register(Touchy())
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory, demo_files: list[Path]) -> list[Path]:
    """Tables of one source and of several, some bursting, some with gaps; two missions' event files; two bad files."""
    folder = tmp_path_factory.mktemp("together")
    random = np.random.default_rng(17)
    made = [_table(folder, f"table{number}", random, 1 + number % 3, gaps=number % 4 == 0) for number in range(24)]
    (folder / "bad.fits").write_bytes(b"no fits at all")
    (folder / "lonely.csv").write_text("obsreg_id,time,energy\na,1.0,900\n")
    return [*made[:12], folder / "bad.fits", *demo_files, folder / "lonely.csv", *made[12:]]


def _table(folder: Path, name: str, random: np.random.Generator, sources: int, *, gaps: bool) -> Path:
    path = folder / f"{name}.csv"
    rows, good = [], []
    for number in range(sources):
        times = random.uniform(0, 18_000, random.integers(5, 80))
        if number == 0:
            times = np.append(
                times, random.uniform(7_000, 7_000 + 200 * random.uniform(0.1, 1), random.integers(0, 60))
            )
        if gaps:
            times = times[(times % 5_000) < 3_000]
            good += [(f"{name}_{number}", start, start + 3_000) for start in (0, 5_000, 10_000, 15_000)]
        rows += [(f"{name}_{number}", t, random.uniform(500, 7_000)) for t in np.sort(times)]
    path.write_text("obsreg_id,time,energy\n" + "".join(f"{a},{t:.3f},{e:.1f}\n" for a, t, e in rows))
    if good:
        text = "obsreg_id,start,stop\n" + "".join(f"{a},{b:.1f},{c:.1f}\n" for a, b, c in good)
        path.with_name(f"{name}_gti.csv").write_text(text)
    return path


@pytest.fixture(scope="module")
def configuration() -> Configuration:
    return load_configuration(None, {})


def test_batch_gives_the_results_of_single_files(files: list[Path], configuration: Configuration) -> None:
    tasks = [Job(number, path, "") for number, path in enumerate(files)]
    drawn_alone: list[Path] = []
    drawn_together: list[Path] = []
    alone = [process_file(task, configuration, lambda scan: drawn_alone.append(scan.photons.path)) for task in tasks]
    together = process_batch(tasks, configuration, lambda scan: drawn_together.append(scan.photons.path))
    assert [one.drop_id for one in together] == [task.drop_id for task in tasks]
    assert together == alone
    assert sum(one.fault is Fault.FILE for one in alone) == 2
    assert sorted(drawn_together) == sorted(drawn_alone)
    assert len(drawn_alone) >= 6  # there was something to compare


def test_timing_does_not_depend_on_the_batch(files: list[Path], configuration: Configuration) -> None:
    batches = [extract_sources(path, configuration).batch for path in files if path.name.startswith("table")]
    whole = assess(EventBatch.concatenate(batches), configuration.settings.timing)
    stop = 0
    for batch in batches:
        first, stop = stop, stop + len(batch)
        part, own = whole.part(first, stop), assess(batch, configuration.settings.timing)
        np.testing.assert_array_equal(part.block_offsets, own.block_offsets)
        np.testing.assert_array_equal(part.block_rates, own.block_rates)
        np.testing.assert_array_equal(part.p_value, own.p_value)
        for mine, theirs in zip(part.tests, own.tests, strict=True):
            assert mine.name == theirs.name
            np.testing.assert_array_equal(mine.statistic, theirs.statistic)
            np.testing.assert_array_equal(mine.intervals.start, theirs.intervals.start)
    assert stop == len(whole.p_value)


def test_plugin_failure_affects_one_file_of_a_batch(tmp_path: Path) -> None:
    (tmp_path / "touchy_veto.py").write_text(VETO)
    with_veto = load_configuration(None, {"XHERALD_PLUGINS__FILES": json.dumps([str(tmp_path / "touchy_veto.py")])})
    random = np.random.default_rng(3)
    names = ("one", "touchy", "other")
    paths = [_table(tmp_path, name, random, 2, gaps=False) for name in names]
    tasks = [Job(number, path, "") for number, path in enumerate(paths)]
    together = process_batch(tasks, with_veto)
    assert [one.plugin_failures for one in together] == [(), (("vetoes", "touchy", 1),), ()]
    assert together == [process_file(task, with_veto) for task in tasks]


def test_batch_of_a_dead_worker_is_repeated_one_by_one(tmp_path: Path) -> None:
    folder = tmp_path / "drop"
    folder.mkdir()
    tasks = [Job(i, drop_file(folder, name, name), "here") for i, name in enumerate(("good", "killer", "other"))]
    configuration = configured(folder, None, workers=1)
    pool = WorkerPool(configuration, configuration.settings.daemon, light)
    pool.start()
    told: list[JobResult] = []
    try:
        deadline = time.monotonic() + 60
        given = False
        while len(told) < 3:
            assert time.monotonic() < deadline
            if pool.idle and not given:
                pool.submit(*tasks)
                given = True
                assert {one.drop_id for one in pool.running_jobs} == {0, 1, 2}
            told += pool.collect_results(0.1)
        assert pool.running_jobs == ()
    finally:
        pool.end()
    found = {one.drop_id: one for one in told}
    assert [found[i].fault for i in range(3)] == [None, Fault.DEFECT, None]
    assert "its worker died" in found[1].reason
