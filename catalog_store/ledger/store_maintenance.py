"""The part of the store for its maintenance: counts, checks, backups, pruning: `StoreMaintenance`."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path

from sqlalchemy import Connection, func, select

from xherald.photons.errors import StoreError

from . import backup, consistency_checks
from .backup import Pruned
from .consistency_checks import Inconsistency
from .store_base import StoreBase, resolve_time
from .tables import metadata
from .upgrade import open_database, read_schema_version

__all__ = ["StoreMaintenance"]


class StoreMaintenance(StoreBase):
    """Methods for the maintenance of a store."""

    def schema_version(self) -> str:
        """Schema version of the tables."""
        with self._database.read() as connection:
            return str(read_schema_version(connection, self._database.name))

    def row_counts(self) -> dict[str, int]:
        """Number of rows in each table."""
        with self._database.read() as connection:
            return {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
                for table in metadata.sorted_tables
            }

    def check(self, now: datetime | None = None) -> list[Inconsistency]:
        """Inconsistencies in the store, each with an explanation."""
        with self._database.read() as connection:
            return consistency_checks.check(connection, resolve_time(now))

    def backup(self, target: Path) -> None:
        """Write a consistent copy to a file, which is a store on SQLite; this store can be used in the meantime.

        Raises
        ------
        StoreError
            The file exists, its folder does not, or it cannot be written.
        """
        if target.exists():
            raise StoreError(f"{target}: exists already; choose another file")
        if not target.parent.is_dir():
            raise StoreError(f"{target}: its folder does not exist; create it or choose another")
        part = target.with_name(f".{target.name}.{os.getpid()}.part")
        try:
            if self._database.is_sqlite:
                with self._database.exclusive() as raw:
                    raw.execute("VACUUM INTO ?", (str(part),))
            else:
                copy = open_database(f"sqlite:///{part}")
                try:
                    with self._database.read() as source:
                        copy.write(lambda connection: backup.copy_rows(source, connection))
                    with copy.exclusive() as raw:
                        raw.execute("PRAGMA journal_mode=DELETE")  # everything in one file
                finally:
                    copy.close()
            part.replace(target)
        except OSError as fault:
            raise StoreError(f"{target}: cannot be written: {fault.strerror or fault}") from fault
        finally:
            part.unlink(missing_ok=True)

    def restore(self, source: Path) -> dict[str, int]:
        """Restore a backup into this store, which must be empty; returns the number of rows in each table.

        Raises
        ------
        StoreError
            The store is not empty, or the file is not a backup.
        """
        copy = open_database(f"sqlite:///{source}", create=False)
        try:
            with copy.read() as rows:

                def step(connection: Connection) -> dict[str, int]:
                    backup.require_empty(connection, self._database.name)
                    return backup.copy_rows(rows, connection)

                return self._database.write(step)
        finally:
            copy.close()

    def prune(self, older_than: datetime) -> Pruned:
        """Delete maps and non-candidate detections of older observations, payloads of old alerts and old sightings.

        Drops, candidates, verdicts and the fact that an alert was sent are kept.
        """
        pruned = self._database.write(lambda connection: backup.prune(connection, older_than))
        if self._database.is_sqlite:
            with self._database.exclusive() as raw:
                raw.execute("PRAGMA incremental_vacuum").fetchall()
        return pruned
