"""Locks of the daemons of a store: one on SQLite; on PostgreSQL several, each with a name of its own."""

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

__all__ = ["StoreLock", "acquire_lock"]

MAX_DAEMONS_PER_HOST: Final = 64


@dataclass(frozen=True, slots=True)
class StoreLock:
    """Lock held by a daemon; the system releases it when the process ends.

    Parameters
    ----------
    name : str — worker name of the daemon; no other live daemon has it, so claims under this name were a dead daemon's
    file : open file — locked
    """

    name: str
    file: IO[str]

    def release(self) -> None:
        """Release the lock."""
        self.file.close()


def acquire_lock(store: Store) -> StoreLock:
    """Acquire the lock of a daemon on a store.

    Raises
    ------
    StoreError
        The store is on SQLite and another daemon uses it, or the lock file cannot be created.
    """
    host = socket.gethostname()
    if store.path is not None:
        path = store.path.with_name(f"{store.path.name}.lock")
        file = _lock(path)
        if file is None:
            raise StoreError(
                f"{store.name}: another daemon is using it (process {path.read_text().strip() or 'unknown'}); "
                "a store on SQLite allows one daemon, PostgreSQL several"
            )
        return StoreLock("watch", file)
    from platformdirs import user_runtime_path

    folder = user_runtime_path("xherald", ensure_exists=True)
    digest = hashlib.sha256(store.name.encode()).hexdigest()[:12]
    for number in range(1, MAX_DAEMONS_PER_HOST + 1):
        if (file := _lock(folder / f"store-{digest}-{number}.lock")) is not None:
            return StoreLock(f"{host}/{number}", file)
    raise StoreError(f"{store.name}: {MAX_DAEMONS_PER_HOST} daemons of this host are using it, which is the limit")


def _lock(path: Path) -> IO[str] | None:
    try:
        file = path.open("a+", encoding="utf-8")
    except OSError as fault:
        raise StoreError(f"{path}: the lock file cannot be created: {fault.strerror or fault}") from fault
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        return None
    file.truncate(0)
    file.write(f"{os.getpid()}\n")
    file.flush()
    return file
