"""The daemon after a warm-up: time from a new file to its alert at the sink, and throughput."""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.daemon.daemon import Daemon
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import open_file

__all__ = ["bench_stream"]

WORKERS = 2
SETTLE_S = 0.2
"""Files are renamed when they are complete, so they need to be unchanged for this time only."""

SINGLE, LARGE, MANY = 20, 6, 400
SOURCES = 1000
DURATION_S = 18_000.0
PATIENCE_S = 600.0


def bench_stream() -> dict[str, float]:
    """Latency of files with one and with 1,000 sources; throughput of files and of detections."""
    random = np.random.default_rng(8)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with _watching(folder) as (drop, sink, store):
            _timed(drop, sink, "warm", random, 1)
            _timed(drop, sink, "warmer", random, SOURCES)
            one = [_timed(drop, sink, f"one{i}", random, 1) for i in range(SINGLE)]
            large = [_timed(drop, sink, f"large{i}", random, SOURCES) for i in range(LARGE)]
            figures = {
                "single_source_median_s": float(np.median(one)),
                "single_source_p95_s": float(np.percentile(one, 95)),
                "drop_of_1000_median_s": float(np.median(large)),
                "drop_of_1000_p95_s": float(np.percentile(large, 95)),
            }
            for what, count, sources in (("files", MANY, 1), ("detections", LARGE, SOURCES)):
                spare = [_table(folder, f"{what}{i}", random, sources) for i in range(count)]
                figures |= _throughput(drop, store, what, spare, sources)
    return figures


@contextmanager
def _watching(folder: Path) -> Iterator[tuple[Path, Path, Store]]:
    drop, sink = folder / "drop", folder / "alerts.jsonl"
    drop.mkdir()
    stream: dict[str, Any] = {
        "sources": {"bench": {"kind": "folder", "path": str(drop), "interval_s": 1}},
        "stable_after_s": SETTLE_S,
        "workers": WORKERS,
        "metrics_port": 0,
    }
    environment = {f"XHERALD_DAEMON__{key.upper()}": json.dumps(value) for key, value in stream.items()}
    environment["XHERALD_ALERTS__SINKS"] = json.dumps({"file": {"kind": "jsonl", "path": str(sink)}})
    with open_store(f"sqlite:///{folder}/store.sqlite") as store:
        daemon = Daemon(load_configuration(None, environment), store)
        thread = threading.Thread(target=daemon.watch)
        thread.start()
        try:
            yield drop, sink, store
        finally:
            daemon.end()
            thread.join()


def _timed(drop: Path, sink: Path, name: str, random: np.random.Generator, sources: int) -> float:
    """Time from the renaming of a file to the line of its alert, s."""
    made = _table(drop.parent, name, random, sources)
    before = sink.stat().st_size if sink.exists() else 0
    began = time.perf_counter()
    made.replace(drop / made.name)
    _until(lambda: sink.exists() and sink.stat().st_size > before)
    return time.perf_counter() - began


def _throughput(drop: Path, store: Store, what: str, files: list[Path], sources: int) -> dict[str, float]:
    """Files and detections per second if all files are present, compared with reading only."""
    configuration = load_configuration()
    began = time.perf_counter()
    for path in files:
        open_file(path, configuration)
    reading = time.perf_counter() - began
    before = _done(store)
    began = time.perf_counter()
    for path in files:
        path.replace(drop / path.name)
    _until(lambda: _done(store) >= before + len(files), 0.05)
    taken = time.perf_counter() - began
    return {
        f"{what}_files_per_s": len(files) / taken,
        f"{what}_detections_per_min": 60 * len(files) * sources / taken,
        f"{what}_against_reading_alone": taken / reading,
    }


def _done(store: Store) -> int:
    counts = store.drop_counts()
    return counts[DropState.PROCESSED] + counts[DropState.ALERTED]


def _until(condition: Callable[[], bool], pause_s: float = 0.005) -> None:
    deadline = time.perf_counter() + PATIENCE_S
    while not condition():
        if time.perf_counter() > deadline:
            raise TimeoutError("the daemon did not get there")
        time.sleep(pause_s)


def _table(folder: Path, name: str, random: np.random.Generator, sources: int) -> Path:
    """A table of photons, median 30 per source; the first source has a burst."""
    path = folder / f"{name}.csv"
    counts = np.clip(random.lognormal(np.log(30), 1.0, sources), 5, 2_000).astype(int)
    with path.open("w") as file:
        file.write("obsreg_id,time,energy\n")
        for number, count in enumerate(counts.tolist()):
            times = random.uniform(0, DURATION_S, count)
            if number == 0 and (sources > 1 or not name.startswith("files") or int(name[5:]) % 100 == 0):
                times = np.append(times, random.uniform(6_000, 6_100, 60))
            energies = random.uniform(500, 7_000, len(times))
            rows = zip(np.sort(times).tolist(), energies.tolist(), strict=True)
            file.writelines(f"{name}_{number},{t:.3f},{e:.1f}\n" for t, e in rows)
    return path
