"""Shared states: JSON objects by name that all daemons of a store read and write, such as false-discovery control."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, select

from . import outbox
from .records import Json
from .tables import shared_states

__all__ = ["read_state", "write_state"]


def read_state(connection: Connection, name: str, now: datetime, *, lock: bool = False) -> Json | None:
    """Value of a shared state, None if it was never set; if asked for, locked until the end of the transaction."""
    query = select(shared_states.c.value).where(shared_states.c.name == name)
    if not lock:
        return _value(connection.execute(query).one_or_none())
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:  # insert an empty row to lock
        empty = outbox.insert_unless_exists(connection, shared_states).values(name=name, value=None, updated=now)
        connection.execute(empty)
        row = connection.execute(query.with_for_update()).one_or_none()
    return _value(row)


def write_state(connection: Connection, name: str, value: Json, run_id: int | None, now: datetime) -> None:
    """Set a shared state."""
    values = {"value": dict(value), "run_id": run_id, "updated": now}
    row = outbox.dialect_insert(connection, shared_states).values(name=name, **values)
    connection.execute(row.on_conflict_do_update(index_elements=["name"], set_=values))


def _value(row: Row[Any] | None) -> Json | None:
    value: Json | None = None if row is None else row[0]
    return value
