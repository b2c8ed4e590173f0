"""A daemon process for tests that kill it: ``python daemon_process.py URL FOLDER SINK``.

It prints "up" when it has opened its store, and a line for every drop that is done.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from fast_pipeline import configured, light

from xherald.catalog_store.ledger.records import Drop
from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.daemon import Daemon


def print_drop(drop: Drop) -> None:
    """Print a drop that is done."""
    sys.stdout.write(f"{drop.id} {drop.state.value}\n")
    sys.stdout.flush()


def main(url: str, folder: Path, sink: Path) -> None:
    """Watch until stopped by a signal."""
    with open_store(url) as store:
        daemon = Daemon(configured(folder, sink), store, on_done=print_drop, work=light)
        signal.signal(signal.SIGTERM, lambda *_: daemon.end())
        signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
        sys.stdout.write("up\n")
        sys.stdout.flush()
        daemon.watch()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
