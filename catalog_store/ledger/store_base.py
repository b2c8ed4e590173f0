"""Base of the parts of `Store`: the database they work on."""

from __future__ import annotations

from datetime import UTC, datetime

from xherald.photons.errors import StoreError

from .database import Database

__all__ = ["StoreBase", "resolve_time"]


class StoreBase:
    """Holds the database; each part of the store adds the methods of one subject.

    Parameters
    ----------
    database : Database
    """

    def __init__(self, database: Database) -> None:
        self._database = database


def resolve_time(now: datetime | None) -> datetime:
    """The given time, or the present if it is None."""
    moment = datetime.now(UTC) if now is None else now
    if moment.tzinfo is None:
        raise StoreError(f"{moment}: has no time zone")
    return moment
