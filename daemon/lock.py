"""One daemon on one SQLite store; and a name for each of several on a PostgreSQL store, to know a dead one by."""

from __future__ import annotations

import fcntl
import hashlib
import os
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

from xherald.catalog_store.ledger.store import Store
from xherald.photons.errors import StoreError

__all__ = ["Hold", "hold"]

MOST: Final = 64
"""Daemons of one host on one store."""


@dataclass(frozen=True, slots=True)
class Hold:
    """A place among the daemons of a store, given up when the process ends in whatever way.

    Parameters
    ----------
    name : str — nobody else alive bears it, so that what is claimed under it was a dead daemon's
    file : open file — locked
    """

    name: str
    file: IO[str]

    def release(self) -> None:
        """Give it up."""
        self.file.close()


def hold(store: Store) -> Hold:
    """Take a place on a store.

    Raises
    ------
    StoreError
        It is on SQLite and another daemon works on it, or the lock file cannot be made.
    """
    host = socket.gethostname()
    if store.path is not None:
        path = store.path.with_name(f"{store.path.name}.lock")
        taken = _locked(path)
        if taken is None:
            raise StoreError(
                f"{store.name}: a daemon works on it already (process {path.read_text().strip() or 'unknown'}); "
                "a store on SQLite has one, several can share PostgreSQL"
            )
        return Hold("watch", taken)
    from platformdirs import user_runtime_path

    folder = user_runtime_path("xherald", ensure_exists=True)
    mark = hashlib.sha256(store.name.encode()).hexdigest()[:12]
    for number in range(1, MOST + 1):
        if (taken := _locked(folder / f"store-{mark}-{number}.lock")) is not None:
            return Hold(f"{host}/{number}", taken)
    raise StoreError(f"{store.name}: {MOST} daemons of this host work on it already")


def _locked(path: Path) -> IO[str] | None:
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as fault:
        raise StoreError(f"{path}: the lock file cannot be made: {fault.strerror or fault}") from fault
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
