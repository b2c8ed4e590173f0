"""An archive drop arrives file by file, the daemon finds it, and its alerts stand beside the truth: ``make demo``.

``python examples/demo.py FOLDER``: simulates exposures of all missions into FOLDER/drop while ``xherald watch`` is at
work on it, and prints every alert as it is written, with its false-alarm rate and what was put into the file there.
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

from xherald.catalog_store.ledger.records import DropState
from xherald.catalog_store.ledger.store import Store, open_store
from xherald.photons.probabilities import format_probability, format_rate_hz
from xherald.simulation.drop import simulate_drop
from xherald.simulation.writers import Written
from xherald.simulation.writers.truth import read_truth

MISSIONS: Final = ("chandra-acis-i", "xmm-mos1", "swift-xrt", "erosita-pointed", "ep-wxt", "ep-fxt")
SEED: Final = 4
PATIENCE_S: Final = 600.0
SAME_ARCMIN: Final = {"ep": 5.0, "erosita": 0.5, "xmm": 0.25, "swift": 0.25, "chandra": 0.1}
"""How far an alert's place may be from the truth's: about the width of each mission's point spread."""

WAITING: Final = (DropState.SEEN, DropState.STABLE, DropState.CLAIMED)


def main(folder: Path) -> int:
    """Run it; answers 0 if every file was done."""
    shutil.rmtree(folder, ignore_errors=True)
    drop, alerts = folder / "drop", folder / "alerts.jsonl"
    drop.mkdir(parents=True)
    url = f"sqlite:///{folder.absolute()}/store.sqlite"
    say(f"An archive drop of {len(MISSIONS)} instruments arrives in {drop}; `xherald watch` is at work on it.\n")
    daemon = subprocess.Popen(
        [
            *(str(Path(sys.executable).with_name("xherald")), "watch", "--quiet", "--dir", str(drop)),
            *("--exclude", "*.truth.json", "--store", url, "--alerts", str(alerts)),
        ],
        env={**os.environ, "XHERALD_STREAM__SETTLE_S": "0.5", "XHERALD_STREAM__METRICS_PORT": "0"},
    )
    written: list[Written] = []
    over = threading.Event()
    arriving = threading.Thread(target=arrive, args=(drop, written, over), daemon=True)
    arriving.start()
    told: list[dict[str, Any]] = []
    try:
        with opened(url) as store:
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline and daemon.poll() is None:
                everything_is_there = over.is_set()
                told += tell(alerts, len(told), written)
                if everything_is_there and all_done(store, len(written)):
                    break
                time.sleep(0.2)
            told += tell(alerts, len(told), written)
            return summed_up(store, written, told)
    finally:
        daemon.send_signal(signal.SIGTERM)
        daemon.wait()


def arrive(drop: Path, written: list[Written], over: threading.Event) -> None:
    """Make exposures, one file after another."""
    try:
        for one in simulate_drop(drop, missions=MISSIONS, seed=SEED):
            written.append(one)
            say(f"{clock()}  arrives  {one.events.name}")
    finally:
        over.set()


def opened(url: str) -> Store:
    """The daemon's store, as soon as it is there."""
    deadline = time.monotonic() + PATIENCE_S
    path = Path(url.removeprefix("sqlite:///"))
    while not path.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    return open_store(url)


def all_done(store: Store, files: int) -> bool:
    """Whether every file is processed and every alert out."""
    counts = store.drop_counts()
    ended = sum(number for state, number in counts.items() if state not in WAITING)
    return ended >= files and store.next_due() is None


def tell(alerts: Path, known: int, written: list[Written]) -> list[dict[str, Any]]:
    """Print alerts that are new, each with the truth beside it."""
    lines = alerts.read_text(encoding="utf-8").splitlines() if alerts.exists() else []
    new = [json.loads(line) for line in lines[known:]]
    for one in new:
        facts = one["facts"]
        truth = truth_beside(facts, written)
        one["truth"] = truth
        extrapolated = bool(facts["extrapolated"])
        probability = format_probability(facts["false_alarm_probability"], extrapolated=extrapolated)
        rate = format_rate_hz(facts["far_hz"], extrapolated=extrapolated)
        place = "" if facts["ra_deg"] is None else f"{facts['ra_deg']:.4f} {facts['dec_deg']:+.4f}"
        what = f"{facts['kind']:<5} {facts['mission']:<8} {facts['obs_id']:<12} {place:<18}"
        say(f"{clock()}  ALERT    {what} false-alarm probability {probability} per source, rate {rate}")
        say(f"{'':19}in truth {truth['said']}")
    return new


def truth_beside(facts: Mapping[str, Any], written: list[Written]) -> dict[str, Any]:
    """What was put into the file at the place of an alert."""
    truth = next((one for one in truths(written) if one["obs_id"] == facts["obs_id"]), None)
    if truth is None or facts["ra_deg"] is None:
        return {"said": "not known", "name": None}
    cos = np.cos(np.radians(facts["dec_deg"]))
    away = [
        60 * float(np.hypot((one["ra_deg"] - facts["ra_deg"]) * cos, one["dec_deg"] - facts["dec_deg"]))
        for one in truth["sources"]
    ]
    nearest = int(np.argmin(away)) if away else -1
    if nearest < 0 or away[nearest] > SAME_ARCMIN.get(str(truth["mission"]), 0.25):
        artefacts = ", ".join(sorted({str(one["kind"]) for one in truth["artefacts"]}))
        return {"said": f"no source there{f'; artefacts: {artefacts}' if artefacts else ''}", "name": None}
    source = truth["sources"][nearest]
    name = (truth["obs_id"], source["name"])
    return {"said": f"{source['class'].replace('_', ' ')}, {source['counts_kept']} counts", "name": name}


def truths(written: list[Written]) -> Iterator[dict[str, Any]]:
    """Truths of the exposures so far."""
    for one in list(written):
        yield read_truth(one.truth)


def summed_up(store: Store, written: list[Written], told: list[dict[str, Any]]) -> int:
    """Say which transients of the truth were found, and which files were set aside."""
    found = {one["truth"]["name"] for one in told}
    say("\nTransients that were put in:")
    for truth in truths(written):
        for source in truth["sources"]:
            if source["direction"] not in (None, "steady", "") and source["event"] is not None:
                mark = "found " if (truth["obs_id"], source["name"]) in found else "missed"
                what = f"{source['class'].replace('_', ' ')}, {source['counts_kept']} counts"
                say(f"  {mark}  {truth['mission']:<8} {truth['obs_id']:<12} {what}")
    others = sum(one["truth"]["name"] is None for one in told)
    say(f"{len(told)} alerts, {others} of them of no source of the truth.")
    counts = store.drop_counts()
    for one in store.drops(DropState.QUARANTINED):
        say(f"set aside: {one.url}: {one.reason}")
    left = sum(counts[state] for state in WAITING)
    say(f"{len(written)} files, {left} not done. `xherald candidate list --store {store.name}` lists what was kept.")
    return 1 if left else 0


def clock() -> str:
    """Time of day."""
    return time.strftime("%H:%M:%S")


def say(line: str) -> None:
    """Print a line at once."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "build/demo")))
