"""Transitions of a drop from seen to stable to claimed, or to quarantined; each function works inside a transaction.

`commit_results` stores the results of a claimed drop.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, or_, select, update

from xherald.photons.errors import StoreError

from .coverage import name_camera
from .records import Drop, ObservationRecord, Sighting
from .states import DropState
from .tables import drops, observations

__all__ = [
    "COMMITTED",
    "UNCLAIMED",
    "claim",
    "count_by_state",
    "delete_seen",
    "find_by_content",
    "find_oldest_waiting",
    "find_seen_ids",
    "list_drops",
    "list_locations",
    "list_siblings",
    "lock_drop",
    "lookup",
    "mark_stable",
    "postpone",
    "quarantine",
    "record_sightings",
    "release",
    "release_worker",
    "renew_claims",
]

COMMITTED: Final = frozenset({DropState.PROCESSED, DropState.ALERTED, DropState.SUPERSEDED})
"""States of a drop whose results are stored."""

WAITING: Final = (DropState.SEEN, DropState.STABLE, DropState.CLAIMED)

UNCLAIMED: Final[Mapping[str, Any]] = {"claimed_by": None, "claim_expires": None}

MAX_URLS_PER_QUERY: Final = 500
"""Databases limit the number of parameters of a query."""

Key = tuple[str, str, int, float, str]


def lookup(connection: Connection, sightings: Collection[Sighting]) -> dict[Sighting, Drop]:
    """Drops that were recorded for exactly these sightings."""
    by_key, _ = _find_by_urls(connection, {one.url for one in sightings})
    return {one: by_key[key] for one in sightings if (key := _key(one)) in by_key}


def record_sightings(connection: Connection, sightings: Collection[Sighting], now: datetime) -> dict[Sighting, Drop]:
    """Record sightings: a new file becomes a drop; a drop in state ``seen`` whose file has changed is updated."""
    by_key, seen_ids = _find_by_urls(connection, {one.url for one in sightings})
    new: dict[Key, dict[str, Any]] = {}
    for one in sightings:
        key = _key(one)
        if key in by_key or key in new:
            continue
        values = {"size": one.size, "mtime": one.mtime, "etag": one.etag, "unchanged_since": now, "updated": now}
        if (drop_id := seen_ids.pop((one.source, one.url), None)) is not None:
            connection.execute(update(drops).where(drops.c.id == drop_id).values(**values))
        else:
            origin = {"source": one.source, "url": one.url, "first_seen": now}
            new[key] = {**values, **origin, "state": DropState.SEEN, "attempts": 0}
    if new:
        connection.execute(insert(drops), list(new.values()))
    return lookup(connection, sightings)


def mark_stable(connection: Connection, drop_id: int, sha256: str, now: datetime) -> Drop:
    """Record the content of a complete drop: ``stable``, or ``duplicate`` if another drop has the same content."""
    drop = lock_drop(connection, drop_id)
    if drop.state is not DropState.SEEN:
        if drop.sha256 == sha256:
            return drop
        raise _make_error(drop, "cannot become stable with different content")
    first = find_by_content(connection, sha256)
    state = DropState.STABLE if first is None else DropState.DUPLICATE
    superseded_by = None if first is None else first.id
    return _update(connection, drop_id, now, state=state, sha256=sha256, superseded_by=superseded_by)


def find_seen_ids(connection: Connection, source: str, urls: Collection[str]) -> list[int]:
    """Ids of the drops in state ``seen`` at these URLs of a source."""
    _, seen_ids = _find_by_urls(connection, urls)
    return [drop_id for (name, _), drop_id in seen_ids.items() if name == source]


def delete_seen(connection: Connection, drop_ids: Collection[int]) -> None:
    """Delete drops in state ``seen``; those that have become stable in the meantime stay."""
    connection.execute(delete(drops).where(drops.c.id.in_(drop_ids), drops.c.state == DropState.SEEN))


def find_by_content(connection: Connection, sha256: str) -> Drop | None:
    """The drop with this content, duplicates excluded; None if there is none."""
    row = connection.execute(
        select(drops).where(drops.c.sha256 == sha256, drops.c.state != DropState.DUPLICATE)
    ).first()
    return None if row is None else _make_drop(row)


def claim(
    connection: Connection, worker: str, limit: int, now: datetime, lease: timedelta, max_attempts: int
) -> list[Drop]:
    """Claim drops for a worker, oldest first: those that are due, and those whose claim has expired."""
    expired = and_(drops.c.state == DropState.CLAIMED, drops.c.claim_expires <= now)
    waiting = and_(drops.c.state == DropState.STABLE, or_(drops.c.not_before.is_(None), drops.c.not_before <= now))
    ready = select(drops).where(or_(waiting, expired)).order_by(drops.c.id).with_for_update(skip_locked=True)
    claimed: list[Drop] = []
    while len(claimed) < limit:
        found = [_make_drop(row) for row in connection.execute(ready.limit(limit - len(claimed)))]
        if not found:
            break
        for drop in found:
            if drop.attempts >= max_attempts:
                reason = f"failed {drop.attempts} times: {drop.reason or 'no attempt was completed'}"
                _update(
                    connection, drop.id, now, state=DropState.QUARANTINED, reason=reason, not_before=None, **UNCLAIMED
                )
        ids = [drop.id for drop in found if drop.attempts < max_attempts]
        values = {"claimed_by": worker, "claim_expires": now + lease, "updated": now, "not_before": None}
        connection.execute(
            update(drops)
            .where(drops.c.id.in_(ids))
            .values(state=DropState.CLAIMED, attempts=drops.c.attempts + 1, **values)
        )
        again = select(drops).where(drops.c.id.in_(ids)).order_by(drops.c.id)
        claimed += [_make_drop(row) for row in connection.execute(again)]
    return claimed


def renew_claims(connection: Connection, worker: str, drop_ids: Collection[int], until: datetime) -> set[int]:
    """Extend claims; returns the ids of the drops that this worker still holds."""
    held = (drops.c.id.in_(drop_ids), drops.c.state == DropState.CLAIMED, drops.c.claimed_by == worker)
    connection.execute(update(drops).where(*held).values(claim_expires=until))
    return set(connection.execute(select(drops.c.id).where(*held)).scalars())


def postpone(connection: Connection, drop_id: int, worker: str, reason: str, until: datetime, now: datetime) -> Drop:
    """Return a claimed drop to ``stable`` until a later time; no effect if another worker holds it."""
    drop = lock_drop(connection, drop_id)
    if drop.state is not DropState.CLAIMED or drop.claimed_by != worker:
        return drop
    return _update(connection, drop_id, now, state=DropState.STABLE, reason=reason, not_before=until, **UNCLAIMED)


def release(connection: Connection, drop_id: int, now: datetime) -> Drop:
    """Undo a claim, or return a quarantined or skipped drop to the queue."""
    drop = lock_drop(connection, drop_id)
    match drop.state:
        case DropState.SEEN | DropState.STABLE:
            return drop
        case DropState.CLAIMED:
            attempts = max(drop.attempts - 1, 0)
            return _update(connection, drop_id, now, state=DropState.STABLE, attempts=attempts, **UNCLAIMED)
        case DropState.QUARANTINED | DropState.SKIPPED:
            state = DropState.SEEN if drop.sha256 is None else DropState.STABLE
            return _update(connection, drop_id, now, state=state, attempts=0, reason=None, unchanged_since=now)
        case _:
            raise _make_error(drop, "cannot be released")


def release_worker(connection: Connection, worker: str, now: datetime) -> int:
    """Release all claims of a dead worker, whose attempts count; returns their number."""
    held = update(drops).where(drops.c.state == DropState.CLAIMED, drops.c.claimed_by == worker)
    return connection.execute(held.values(state=DropState.STABLE, updated=now, **UNCLAIMED)).rowcount


def quarantine(
    connection: Connection, drop_id: int, reason: str, now: datetime, state: DropState = DropState.QUARANTINED
) -> Drop:
    """Quarantine a drop that cannot be used, or skip one that is not an event list."""
    drop = lock_drop(connection, drop_id)
    if drop.state is state:
        return drop
    if drop.state not in WAITING:
        raise _make_error(drop, f"cannot be {state.value}")
    return _update(connection, drop_id, now, state=state, reason=reason, not_before=None, **UNCLAIMED)


def list_locations(connection: Connection, drop_id: int) -> tuple[tuple[str, str], ...]:
    """Locations of a drop's content as (source, url): its own first, then those of its duplicates."""
    query = select(drops.c.source, drops.c.url).where(
        or_(drops.c.id == drop_id, and_(drops.c.superseded_by == drop_id, drops.c.state == DropState.DUPLICATE))
    )
    return tuple((row.source, row.url) for row in connection.execute(query.order_by(drops.c.id)))


def list_drops(connection: Connection, state: DropState | None, limit: int | None) -> list[Drop]:
    """Drops, the last updated first."""
    query = select(drops).order_by(drops.c.updated.desc(), drops.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(drops.c.state == state)
    return [_make_drop(row) for row in connection.execute(query)]


def count_by_state(connection: Connection) -> dict[DropState, int]:
    """Number of drops in each state."""
    query = select(drops.c.state, func.count()).group_by(drops.c.state)
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in DropState}


def find_oldest_waiting(connection: Connection) -> datetime | None:
    """When the unprocessed drop that has waited longest was first seen; None if none is waiting."""
    return connection.execute(select(func.min(drops.c.first_seen)).where(drops.c.state.in_(WAITING))).scalar()


def list_siblings(connection: Connection, present: ObservationRecord) -> list[Drop]:
    """Drops with current lists of other cameras of an observation that overlap with it in time."""
    if not present.obs_id or present.start is None or present.stop is None:
        return []
    table = observations.c
    query = (
        select(drops, table.instrument, table.coverage)
        .join(observations, table.drop_id == drops.c.id)
        .where(
            table.is_current,
            table.mission == present.mission,
            table.obs_id == present.obs_id,
            table.start < present.stop,
            table.stop > present.start,
        )
        .order_by(drops.c.id)
    )
    camera = name_camera(present.instrument, present.coverage.get("good_times", ()))
    found: list[Drop] = []
    for row in connection.execute(query):
        values = dict(row._mapping)
        instrument, coverage = values.pop("instrument"), values.pop("coverage")
        if name_camera(instrument, coverage.get("good_times", ())) != camera:
            found.append(Drop(**values))
    return found


def lock_drop(connection: Connection, drop_id: int) -> Drop:
    """Read a drop and lock its row until the end of the transaction.

    Raises
    ------
    StoreError
        There is no such drop.
    """
    row = connection.execute(select(drops).where(drops.c.id == drop_id).with_for_update()).one_or_none()
    if row is None:
        raise StoreError(f"drop {drop_id}: not in the store")
    return _make_drop(row)


def _make_drop(row: Row[Any]) -> Drop:
    return Drop(**row._mapping)


def _update(connection: Connection, drop_id: int, now: datetime, **values: Any) -> Drop:
    statement = update(drops).where(drops.c.id == bindparam("drop_id"))
    connection.execute(statement, {"drop_id": drop_id, "updated": now, **values})
    return _make_drop(connection.execute(select(drops).where(drops.c.id == drop_id)).one())


def _key(one: Sighting | Drop) -> Key:
    return one.source, one.url, one.size, one.mtime, one.etag


def _find_by_urls(connection: Connection, urls: Collection[str]) -> tuple[dict[Key, Drop], dict[tuple[str, str], int]]:
    """Drops at these URLs by sighting, and the ids of those in state ``seen`` by (source, url)."""
    by_key: dict[Key, Drop] = {}
    seen_ids: dict[tuple[str, str], int] = {}
    ordered = sorted(urls)
    for first in range(0, len(ordered), MAX_URLS_PER_QUERY):
        some = ordered[first : first + MAX_URLS_PER_QUERY]
        for row in connection.execute(select(drops).where(drops.c.url.in_(some))):
            drop = _make_drop(row)
            by_key[_key(drop)] = drop
            if drop.state is DropState.SEEN:
                seen_ids[drop.source, drop.url] = drop.id
    return by_key, seen_ids


def _make_error(drop: Drop, what: str) -> StoreError:
    return StoreError(f"drop {drop.id} ({drop.url}): is {drop.state.value} and {what}")
