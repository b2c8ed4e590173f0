"""Files of a day of five missions, processed by the daemon: `bench_day`.

How many files a day brings is estimated from what the missions' archives hold: Chandra some 20 exposures every three
days, XMM-Newton some 600 a year with three cameras each, Swift-XRT a list for each of its some 100 sequences, eROSITA
six erodays, Einstein Probe twelve WXT detectors in each of some 45 pointings, and both of FXT's in half of them. One
file in `PART` of each is simulated and carried down the road, and the time taken as many times over.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.configured_sources import with_daemon_settings
from xherald.daemon.daemon import Daemon
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.configuration.daemon_settings import SourceSettings
from xherald.simulation.drop import simulate_drop

__all__ = ["bench_day"]

FILES_A_DAY: Final[Mapping[str, int]] = {
    "chandra-acis-i": 8,
    "xmm-mos1": 6,
    "swift-xrt": 100,
    "erosita-pointed": 6,
    "ep-wxt": 540,
    "ep-fxt": 44,
}
PART: Final = 10


def bench_day() -> dict[str, float]:
    """Minutes for the files of a day, from the start of workers to the last alert."""
    with tempfile.TemporaryDirectory() as name:
        drop = Path(name) / "drop"
        files = 0
        for number, (telescope, a_day) in enumerate(FILES_A_DAY.items()):
            some = -(-a_day // PART)
            files += sum(1 for _ in simulate_drop(drop, missions=(telescope,), files=some, seed=100 + number))
        source = SourceSettings(kind="folder", path=str(drop), exclude=["*.truth.json"])  # type: ignore[call-arg]
        configuration = with_daemon_settings(load_configuration(), sources={"day": source}, metrics_port=0)
        with open_store(f"sqlite:///{name}/store.sqlite") as store:
            began = time.perf_counter()
            done = Daemon(configuration, store).once()
            taken = time.perf_counter() - began
            rows = store.row_counts()
    if done.processed + done.quarantined != files:
        raise RuntimeError(f"{files} files, of which {done.processed} were processed and {done.quarantined} set aside")
    return {
        "files_a_day": float(sum(FILES_A_DAY.values())),
        "files_taken": float(files),
        "quarantined": float(done.quarantined),
        "detections_a_day": float(rows["detections"] * PART),
        "s_a_file": taken / files,
        "minutes_a_day": taken * sum(FILES_A_DAY.values()) / files / 60,
    }
