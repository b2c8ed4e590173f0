"""Which current observations a new one replaces, and whether one of them is valid in its place: `find_predecessors`.

Of two lists of one observation, the later one replaces the earlier one if it holds what the earlier one holds. A
fragment of the good time or of the field is current beside the whole list.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sqlalchemy import Connection, exists, select, update

from .coverage import holds
from .records import ObservationRecord
from .states import DropState
from .tables import drops, observations

__all__ = ["IDENTITY", "Predecessors", "Processing", "find_predecessors", "supersede_drops", "version_key"]

IDENTITY: Final = ("mission", "instrument", "obs_id", "part")
"""Columns that identify an observation, whatever its processing."""


@dataclass(frozen=True, slots=True)
class Processing:
    """A current processing of an observation, and its drop."""

    id: int
    drop_id: int


@dataclass(frozen=True, slots=True)
class Predecessors:
    """Current processings of an observation that is being committed.

    Parameters
    ----------
    replaced : tuple of Processing — those that it replaces
    later : Processing or None — one that is later and holds what it holds; then it replaces none
    """

    replaced: tuple[Processing, ...] = ()
    later: Processing | None = None


def find_predecessors(connection: Connection, record: ObservationRecord, drop_id: int) -> Predecessors:
    """Current processings of the same observation; of equal versions the drop that was seen last is later."""
    if not record.obs_id:
        return Predecessors()
    same = [observations.c[name] == getattr(record, name) for name in IDENTITY]
    query = select(
        observations.c.id, observations.c.drop_id, observations.c.processing_version, observations.c.coverage
    ).where(*same, observations.c.is_current)
    replaced: list[Processing] = []
    ours = version_key(record.processing_version)
    for row in connection.execute(query.order_by(observations.c.id).with_for_update()):
        theirs = version_key(row.processing_version)
        if theirs > ours or (theirs == ours and row.drop_id > drop_id):
            if holds(row.coverage, record.coverage):
                return Predecessors(later=Processing(row.id, row.drop_id))
        elif holds(record.coverage, row.coverage):
            replaced.append(Processing(row.id, row.drop_id))
    return Predecessors(tuple(replaced))


def version_key(version: str) -> tuple[tuple[int, str], ...]:
    """Sort key of processing versions: digits compare as numbers and sort after text."""
    return tuple((int(part), "") if part.isdecimal() else (-1, part) for part in re.findall(r"\d+|\D+", version))


def supersede_drops(
    connection: Connection, drop_id: int, replaced: Sequence[Processing], now: datetime
) -> tuple[int, ...]:
    """Mark drops without a current observation as superseded; returns their ids."""
    concerned = sorted({one.drop_id for one in replaced})
    if not concerned:
        return ()
    has_current = exists().where(observations.c.drop_id == drops.c.id, observations.c.is_current)
    condition = (drops.c.id.in_(concerned), drops.c.id != drop_id, ~has_current)
    done = connection.execute(select(drops.c.id).where(*condition)).scalars().all()
    values = {"state": DropState.SUPERSEDED, "superseded_by": drop_id, "updated": now}
    connection.execute(update(drops).where(drops.c.id.in_(done)).values(**values))
    return tuple(done)
