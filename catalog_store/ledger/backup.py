"""Backup of a store, its restoration into an empty store, and deletion of old rows.

A backup is a store on SQLite, whichever database it was made from: every command works on it, and it can be restored
into either database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Table, delete, exists, func, insert, select, text, update

from xherald.photons.errors import StoreError

from .candidate_queries import IS_ONE_OF_ITS_DETECTIONS
from .states import AlertState, DropState
from .tables import alerts, candidate_detections, detections, drops, map_tiles, metadata, observations

__all__ = ["Pruned", "copy_rows", "prune", "require_empty"]

ROWS_PER_FETCH: Final = 10_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """Numbers of deleted rows.

    Parameters
    ----------
    detections : int — of older observations, without a candidate
    tiles : int — of the sky maps of these observations
    payloads : int — of alerts closed before
    sightings : int — of files seen before that never became complete
    """

    detections: int
    tiles: int
    payloads: int
    sightings: int


def require_empty(connection: Connection, name: str) -> None:
    """Require a store without rows.

    Raises
    ------
    StoreError
    """
    for table in metadata.sorted_tables:
        if connection.execute(select(1).select_from(table).limit(1)).scalar() is not None:
            raise StoreError(f"{name}: table {table.name} is not empty; restore into an empty store")


def copy_rows(source: Connection, target: Connection) -> dict[str, int]:
    """Copy all rows into empty tables; returns the number of rows of each."""
    copied: dict[str, int] = {}
    for table in metadata.sorted_tables:
        copied[table.name] = 0
        # A row may be superseded by a later one: set the link when both are inserted.
        links = table.c.superseded_by if "superseded_by" in table.c else None
        later: list[dict[str, int]] = []
        order = table.primary_key.columns
        rows = source.execution_options(yield_per=ROWS_PER_FETCH).execute(select(table).order_by(*order))
        for some in rows.mappings().partitions():
            plain = [dict(row) for row in some]
            if links is not None:
                later += [{"row": row["id"], "by": row["superseded_by"]} for row in plain if row["superseded_by"]]
                plain = [{**row, "superseded_by": None} for row in plain]
            target.execute(insert(table), plain)
            copied[table.name] += len(plain)
        for link in later:
            target.execute(update(table).where(table.c.id == link["row"]).values(superseded_by=link["by"]))
        _continue_ids(target, table)
    return copied


def prune(connection: Connection, before: datetime) -> Pruned:
    """Delete sky maps and detections of old observations, payloads of old alerts, and old sightings.

    Drops are kept, so that a file that is still in its archive is not processed again; so are candidates with their
    detections, verdicts, and the fact that an alert was sent.
    """
    old = select(observations.c.id).where(observations.c.created < before, observations.c.pruned.is_(None))
    is_candidate = exists(
        select(1).select_from(candidate_detections).where(IS_ONE_OF_ITS_DETECTIONS).correlate(detections)
    )
    removed = connection.execute(delete(detections).where(detections.c.observation_id.in_(old), ~is_candidate)).rowcount
    tiles = connection.execute(delete(map_tiles).where(map_tiles.c.observation_id.in_(old))).rowcount
    connection.execute(update(observations).where(observations.c.id.in_(old)).values(pruned=before))
    is_closed = (alerts.c.closed < before, alerts.c.state != AlertState.PENDING)
    emptied = connection.execute(
        update(alerts).where(*is_closed, alerts.c.payload != text("'{}'")).values(payload={})
    ).rowcount
    is_incomplete = (drops.c.state == DropState.SEEN, drops.c.unchanged_since < before)
    sightings = connection.execute(delete(drops).where(*is_incomplete)).rowcount
    return Pruned(removed, tiles, emptied, sightings)


def _continue_ids(connection: Connection, table: Table) -> None:
    """Continue the ids of new rows after the copied ones in PostgreSQL; SQLite does so by itself."""
    key = table.primary_key.columns[0]
    if connection.dialect.name != "postgresql" or len(table.primary_key.columns) > 1 or key.name not in ("id", "seq"):
        return
    sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, key.name))).scalar()
    if sequence is not None:
        last = select(func.setval(sequence, func.coalesce(func.max(key), 1), func.max(key).is_not(None)))
        connection.execute(last)
