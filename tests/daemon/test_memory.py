"""What the daemon holds in memory does not grow with the files that it has seen: 50,000 of one source each."""

from __future__ import annotations

import logging
import os
from pathlib import Path

import numpy as np
import pytest

from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.configured_sources import with_daemon_settings
from xherald.daemon.daemon import Daemon
from xherald.daemon.jobs.worker_pool import measure_resident_gib
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.configuration.daemon_settings import SourceSettings

log = logging.getLogger(__name__)

FILES = 50_000
LOOKED_EVERY = 500
SETTLED = 10_000
"""Files after which what is loaded once is loaded."""

MIB_A_FILE = 0.001
"""What the daemon may keep of each file: where it was and that it is done, 1 kiB."""


def small_table(folder: Path, number: int, random: np.random.Generator) -> None:
    """One steady source of 20 photons."""
    rows = zip(np.sort(random.uniform(0, 18_000, 20)), random.uniform(500, 7_000, 20), strict=True)
    lines = [f"{number},{time:.3f},{energy:.1f}\n" for time, energy in rows]
    (folder / f"{number:06d}.csv").write_text("obsreg_id,time,energy\n" + "".join(lines))


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_memory_stays_flat_over_50_000_files(tmp_path: Path) -> None:
    drop, random = tmp_path / "drop", np.random.default_rng(5)
    drop.mkdir()
    for number in range(FILES):
        small_table(drop, number, random)
    source = SourceSettings(kind="folder", path=str(drop))  # type: ignore[call-arg]
    changes = {"sources": {"drop": source}, "metrics_port": 0, "stable_after_s": 0.0}
    configuration = with_daemon_settings(load_configuration(), **changes)
    held: list[tuple[int, float]] = []
    done = 0

    def finished(_: object) -> None:
        nonlocal done
        done += 1
        if done % LOOKED_EVERY == 0:
            held.append((done, 1024 * measure_resident_gib(os.getpid())))

    with open_store(f"sqlite:///{tmp_path}/store.sqlite") as store:
        summary = Daemon(configuration, store, on_done=finished).once()
        assert store.drop_counts()[DropState.PROCESSED] == summary.processed == FILES
        assert [fault.name for fault in store.check() if fault.is_error] == []
    files, mib = np.array([one for one in held if one[0] >= SETTLED]).T
    slope = np.polyfit(files, mib, 1)[0]
    log.info("held %.0f MiB at %d files, %.0f at %d: %.2f kiB a file", mib[0], SETTLED, mib[-1], FILES, 1024 * slope)
    assert slope < MIB_A_FILE
    assert mib[-1] < 1.25 * mib[0]
