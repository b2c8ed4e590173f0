"""A worker process for tests that kill it: claims drops, commits results and sends alerts until nothing is waiting.

``python store_worker.py URL NAME SINK [HANG]``: SINK is a file with one line for each alert, which ignores repetitions.
With HANG, a file name, the worker creates that file during the commit of its first drop and hangs.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from store_rows import RUN, alert, candidate, observation

from xherald.catalog_store.ledger.drop_outcome import DropOutcome, PriorState
from xherald.catalog_store.ledger.records import Drop
from xherald.catalog_store.ledger.store import Store, open_store


def commit(store: Store, drop: Drop, hang: Path | None) -> None:
    """Commit a drop; every second one has a candidate."""
    name = Path(drop.url).name

    def decide(prior: PriorState) -> DropOutcome:
        number = (prior.shared_state("count") or {"n": 0})["n"]
        if hang is not None:
            hang.touch()
            time.sleep(600)
        state = {"count": {"n": number + 1}}
        if int(name) % 2:
            return DropOutcome(shared_states=state)
        return DropOutcome([candidate(name)], [alert(f"{name}-1", name)], state)

    store.commit_result(drop.id, RUN, [observation(name)], decide)


def send(store: Store, worker: str, sink: Path) -> None:
    """Send the alerts that are due; the sink ignores repetitions."""
    for out in store.take_due_alerts(worker, 5):
        have = set(sink.read_text().split()) if sink.exists() else set()
        if out.id not in have:
            with sink.open("a") as file:
                file.write(f"{out.id}\n")
                file.flush()
                os.fsync(file.fileno())
        store.mark_sent(out.id, out.sink, {"line": len(have)})


def main(url: str, worker: str, sink: Path, hang: Path | None) -> None:
    """Work until nothing is waiting."""
    with open_store(url) as store:
        store.release_worker(worker)  # held by an earlier process of this name
        while True:
            drops = store.claim(worker, 3)
            for drop in drops:
                commit(store, drop, hang)
                sys.stdout.write(f"{drop.id}\n")
                sys.stdout.flush()
            send(store, worker, sink)
            if not drops and store.next_alert_due() is None:
                return


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]) if len(sys.argv) > 4 else None)
