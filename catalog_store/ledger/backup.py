"""A store's copy in one file, its return into an empty store, and the removal of what is old.

A backup is itself a store on SQLite, whatever database it was made of: it can be looked into with every command, and
brought back into either database.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, Table, delete, exists, func, insert, select, text, update

from xherald.photons.errors import StoreError

from .records import AlertState, DropState
from .tables import alerts, candidates, detections, drops, fields, metadata, observations

__all__ = ["Pruned", "copy_rows", "prune", "require_empty"]

LOT: Final = 10_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """How many rows were removed.

    Parameters
    ----------
    detections : int — of observations older than that, and of no candidate
    tiles : int — of the maps of these observations
    payloads : int — of alerts settled before that
    sightings : int — of files that were seen before that and never became whole
    """

    detections: int
    tiles: int
    payloads: int
    sightings: int


def require_empty(connection: Connection, name: str) -> None:
    """Refuse a store that has anything in it.

    Raises
    ------
    StoreError
    """
    for table in metadata.sorted_tables:
        if connection.execute(select(1).select_from(table).limit(1)).scalar() is not None:
            raise StoreError(f"{name}: has {table.name} already; restore into an empty store")


def copy_rows(source: Connection, target: Connection) -> dict[str, int]:
    """Copy all rows into empty tables; answers how many of each."""
    copied: dict[str, int] = {}
    for table in metadata.sorted_tables:
        copied[table.name] = 0
        # A drop or observation may be superseded by a later one: the link is set when both are there.
        links = table.c.superseded_by if "superseded_by" in table.c else None
        later: list[dict[str, int]] = []
        order = table.primary_key.columns
        rows = source.execution_options(yield_per=LOT).execute(select(table).order_by(*order))
        for some in rows.mappings().partitions():
            plain = [dict(row) for row in some]
            if links is not None:
                later += [{"row": row["id"], "by": row["superseded_by"]} for row in plain if row["superseded_by"]]
                plain = [{**row, "superseded_by": None} for row in plain]
            target.execute(insert(table), plain)
            copied[table.name] += len(plain)
        for link in later:
            target.execute(update(table).where(table.c.id == link["row"]).values(superseded_by=link["by"]))
        _continue_numbers(target, table)
    return copied


def prune(connection: Connection, before: datetime) -> Pruned:
    """Remove what nobody asks for any longer: old observations' maps and detections, and old payloads.

    Drops stay, so that a file that is still in its archive is not taken again; candidates with their detections, what
    people said of them, and the fact that an alert was sent stay, too.
    """
    old = select(observations.c.id).where(observations.c.stored < before, observations.c.pruned.is_(None))
    is_candidate = exists().where(
        candidates.c.observation_id == detections.c.observation_id, candidates.c.place == detections.c.place
    )
    gone = connection.execute(delete(detections).where(detections.c.observation_id.in_(old), ~is_candidate)).rowcount
    tiles = connection.execute(delete(fields).where(fields.c.observation_id.in_(old))).rowcount
    connection.execute(update(observations).where(observations.c.id.in_(old)).values(pruned=before))
    settled = (alerts.c.settled < before, alerts.c.state != AlertState.PENDING)
    emptied = connection.execute(
        update(alerts).where(*settled, alerts.c.payload != text("'{}'")).values(payload={})
    ).rowcount
    never_whole = (drops.c.state == DropState.SEEN, drops.c.steady_since < before)
    sightings = connection.execute(delete(drops).where(*never_whole)).rowcount
    return Pruned(gone, tiles, emptied, sightings)


def _continue_numbers(connection: Connection, table: Table) -> None:
    """Let PostgreSQL number new rows after those that brought their numbers; SQLite does so by itself."""
    key = table.primary_key.columns[0]
    if connection.dialect.name != "postgresql" or len(table.primary_key.columns) > 1 or key.name not in ("id", "seq"):
        return
    sequence = connection.execute(select(func.pg_get_serial_sequence(table.name, key.name))).scalar()
    if sequence is not None:
        last = select(func.setval(sequence, func.coalesce(func.max(key), 1), func.max(key).is_not(None)))
        connection.execute(last)
