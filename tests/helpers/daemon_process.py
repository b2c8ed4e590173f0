"""A daemon in a process of its own, to be killed: ``python stream_daemon.py URL FOLDER SINK``.

It says "up" when it has its store, and a line for every drop that it ends.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path

from fast_pipeline import configured, light

from xherald.catalog_store.ledger.records import Drop
from xherald.catalog_store.ledger.store import open_store
from xherald.daemon.daemon import Daemon


def said(drop: Drop) -> None:
    """Tell of a drop that was ended."""
    sys.stdout.write(f"{drop.id} {drop.state.value}\n")
    sys.stdout.flush()


def main(url: str, folder: Path, sink: Path) -> None:
    """Watch until told to end."""
    with open_store(url) as store:
        daemon = Daemon(configured(folder, sink), store, finished=said, work=light)
        signal.signal(signal.SIGTERM, lambda *_: daemon.end())
        signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
        sys.stdout.write("up\n")
        sys.stdout.flush()
        daemon.watch()


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]))
