"""The store of drops, observations, detections, candidates and alerts: `open_store`, `Store`.

Each method is one transaction and can be repeated: a process that is killed at any instant has completed a step or not
begun it, and repeating a completed step changes nothing. Several processes may share a store; they hold drops and
alerts by claims that expire.
"""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Self

from .alert_store import AlertStore
from .candidate_store import CandidateStore
from .drop_store import DropStore
from .place_store import PlaceStore
from .shared_state_store import SharedStateStore
from .store_maintenance import StoreMaintenance
from .upgrade import open_database

__all__ = ["Store", "open_store"]


class Store(DropStore, CandidateStore, AlertStore, PlaceStore, SharedStateStore, StoreMaintenance):
    """A store, opened by `open_store`; a context manager.

    Every method raises `StoreUnavailableError` if the store is missing, locked or full, and then has changed nothing.
    `now` is the present if not given.
    """

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, fault: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections to the database."""
        self._database.close()

    @property
    def name(self) -> str:
        """URL without the password."""
        return self._database.name

    @property
    def url(self) -> str:
        """URL with the password, for a process that opens the same store; never show it."""
        return self._database.url

    @property
    def path(self) -> Path | None:
        """File of a store on SQLite; None for PostgreSQL."""
        return self._database.path


def open_store(url: str, *, create: bool = True, upgrade: bool = False, wait_s: float = 30.0) -> Store:
    """Open a store; an empty database gets its tables.

    Parameters
    ----------
    url : str
        ``sqlite:////absolute/path``, ``sqlite:///relative/path`` or ``postgresql://user@host/name``.
    create : bool
        Whether to create a missing SQLite file.
    upgrade : bool
        Whether to bring the tables of an older store up to date.
    wait_s : float
        How long a step waits for another process, s.

    Raises
    ------
    ConfigError
        The URL cannot be that of a store.
    StoreError
        The database is not a store, or has another schema version.
    StoreUnavailableError
        The database is missing or locked.
    """
    return Store(open_database(url, create=create, upgrade=upgrade, wait_s=wait_s))
