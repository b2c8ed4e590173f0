"""Demonstration, ``make demo``: an archive drop arrives, the daemon processes it, alerts are printed beside the truth.

``python examples/demo.py FOLDER`` simulates exposures of all missions into FOLDER/drop while ``xherald watch`` runs on
it, and prints every alert with its false-alarm probability and with the source that was simulated at its position.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from xherald.catalog_store.ledger.states import DropState
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.photons.probabilities import format_probability, format_rate_hz
from xherald.simulation.drop import simulate_drop
from xherald.simulation.writers import WrittenFiles
from xherald.simulation.writers.truth import read_truth

ROOT: Final = Path(__file__).resolve().parent.parent
MISSIONS: Final = ("chandra-acis-i", "xmm-mos1", "swift-xrt", "erosita-pointed", "ep-wxt", "ep-fxt")
SEED: Final = 4
TIMEOUT_S: Final = 600.0
PROGRESS_S: Final = 4.0
"""Longest silence."""

MATCH_ARCMIN: Final = {"ep": 5.0, "erosita": 0.5, "xmm": 0.25, "swift": 0.25, "chandra": 0.1}
"""Largest distance between an alert and its source: about the width of each mission's point spread function."""

WAITING: Final = (DropState.SEEN, DropState.STABLE, DropState.CLAIMED)


def main(folder: Path) -> int:
    """Run the demonstration; returns 0 if every file was processed."""
    shutil.rmtree(folder, ignore_errors=True)
    drop, alerts = folder / "drop", folder / "alerts.jsonl"
    drop.mkdir(parents=True)
    url = f"sqlite:///{folder.absolute()}/store.sqlite"
    say(f"Files of {len(MISSIONS)} instruments arrive in {drop}, where `xherald watch` processes them.")
    say("The first run compiles numerical kernels, which are cached: 2 to 3 minutes on two cores.\n")
    daemon = subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("xherald")), "watch", "--quiet", "--dir", str(drop)),
            *("--exclude", "*.truth.json", "--store", url, "--alerts", str(alerts)),
        ],
        env={**os.environ, "XHERALD_DAEMON__STABLE_AFTER_S": "0.5", "XHERALD_DAEMON__METRICS_PORT": "0"},
    )
    written: list[WrittenFiles] = []
    everything_written = threading.Event()
    threading.Thread(target=write_files, args=(drop, written, everything_written), daemon=True).start()
    printed: list[dict[str, Any]] = []
    progress = Progress()
    try:
        with wait_for_store(url, daemon, progress) as store:
            deadline = time.monotonic() + TIMEOUT_S
            while time.monotonic() < deadline and daemon.poll() is None:
                is_complete = everything_written.is_set()
                new = print_alerts(alerts, len(printed), written)
                printed += new
                progress.update(f"{count_processed(store)} of {len(written)} files processed", reset=bool(new))
                if is_complete and is_everything_done(store, len(written)):
                    break
                time.sleep(0.2)
            printed += print_alerts(alerts, len(printed), written)
            return print_summary(store, written, printed)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()


class Progress:
    """Prints a line of progress after every few seconds without another line."""

    def __init__(self) -> None:
        self._last = time.monotonic()

    def update(self, text: str, *, reset: bool = False) -> None:
        """Print `text` if nothing was printed for a while; `reset` if something was printed just now."""
        if reset:
            self._last = time.monotonic()
        elif time.monotonic() - self._last > PROGRESS_S:
            self._last = time.monotonic()
            say(f"{clock()}  working  {text}; {count_kernels()} kernels compiled")


def count_kernels() -> int:
    """Count the compiled kernels in numba's caches beside the modules."""
    return sum(1 for path in ROOT.rglob("__pycache__/*.nbc") if ".venv" not in path.parts)


def write_files(drop: Path, written: list[WrittenFiles], done: threading.Event) -> None:
    """Simulate exposures and write them, one after another."""
    try:
        for one in simulate_drop(drop, missions=MISSIONS, seed=SEED):
            written.append(one)
            say(f"{clock()}  arrives  {one.events.name}")
    finally:
        done.set()


def wait_for_store(url: str, daemon: subprocess.Popen[bytes], progress: Progress) -> Store:
    """Open the daemon's store as soon as it exists."""
    path = Path(url.removeprefix("sqlite:///"))
    while not path.exists():
        if daemon.poll() is not None:
            raise SystemExit(f"the daemon stopped with exit code {daemon.returncode} before it made a store")
        progress.update("the daemon starts")
        time.sleep(0.1)
    return open_store(url)


def count_processed(store: Store) -> int:
    """Count the files that are done, whether processed or quarantined."""
    return sum(number for state, number in store.drop_counts().items() if state not in WAITING)


def is_everything_done(store: Store, files: int) -> bool:
    """Whether every file is processed and every alert sent."""
    return count_processed(store) >= files and store.next_alert_due() is None


def print_alerts(alerts: Path, known: int, written: list[WrittenFiles]) -> list[dict[str, Any]]:
    """Print new alerts, each with the simulated source at its position."""
    lines = alerts.read_text(encoding="utf-8").splitlines() if alerts.exists() else []
    new = [json.loads(line) for line in lines[known:]]
    for one in new:
        facts = one["facts"]
        truth = find_truth(facts, written)
        one["truth"] = truth
        is_extrapolated = bool(facts["extrapolated"])
        probability = format_probability(facts["false_alarm_probability"], extrapolated=is_extrapolated)
        rate = format_rate_hz(facts["far_hz"], extrapolated=is_extrapolated)
        position = "" if facts["ra_deg"] is None else f"{facts['ra_deg']:.4f} {facts['dec_deg']:+.4f}"
        event = f"{facts['kind']:<5} {facts['mission']:<8} {facts['obs_id']:<12} {position:<18}"
        say(f"{clock()}  ALERT    {event} false-alarm probability {probability} per source, rate {rate}")
        say(f"{'':19}simulated: {truth['text']}")
    return new


def find_truth(facts: Mapping[str, Any], written: list[WrittenFiles]) -> dict[str, Any]:
    """Find the simulated source at the position of an alert."""
    truth = next((one for one in read_truths(written) if one["obs_id"] == facts["obs_id"]), None)
    if truth is None or facts["ra_deg"] is None:
        return {"text": "unknown", "name": None}
    cos = np.cos(np.radians(facts["dec_deg"]))
    distances = [
        60 * float(np.hypot((one["ra_deg"] - facts["ra_deg"]) * cos, one["dec_deg"] - facts["dec_deg"]))
        for one in truth["sources"]
    ]
    nearest = int(np.argmin(distances)) if distances else -1
    if nearest < 0 or distances[nearest] > MATCH_ARCMIN.get(str(truth["mission"]), 0.25):
        artefacts = ", ".join(sorted({str(one["kind"]) for one in truth["artefacts"]}))
        return {"text": f"no source{f'; artefacts: {artefacts}' if artefacts else ''}", "name": None}
    source = truth["sources"][nearest]
    name = (truth["obs_id"], source["name"])
    return {"text": f"{source['class'].replace('_', ' ')}, {source['counts_kept']} counts", "name": name}


def read_truths(written: list[WrittenFiles]) -> Iterator[dict[str, Any]]:
    """Read the truth of every exposure written so far."""
    for one in list(written):
        yield read_truth(one.truth)


def print_summary(store: Store, written: list[WrittenFiles], printed: list[dict[str, Any]]) -> int:
    """Print which simulated transients were found, and which files were quarantined."""
    found = {one["truth"]["name"] for one in printed}
    say("\nSimulated transients:")
    for truth in read_truths(written):
        for source in truth["sources"]:
            if source["direction"] not in (None, "steady", "") and source["event"] is not None:
                mark = "found " if (truth["obs_id"], source["name"]) in found else "missed"
                what = f"{source['class'].replace('_', ' ')}, {source['counts_kept']} counts"
                say(f"  {mark}  {truth['mission']:<8} {truth['obs_id']:<12} {what}")
    unmatched = sum(one["truth"]["name"] is None for one in printed)
    say(f"{len(printed)} alerts, {unmatched} of them not of a simulated source.")
    counts = store.drop_counts()
    for one in store.drops(DropState.QUARANTINED):
        say(f"quarantined: {one.url}: {one.reason}")
    left = sum(counts[state] for state in WAITING)
    say(
        f"{len(written)} files, {left} not processed. "
        f"List the candidates with `xherald candidate list --store {store.name}`."
    )
    return 1 if left else 0


def clock() -> str:
    """Format the time of day."""
    return time.strftime("%H:%M:%S")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo")))
