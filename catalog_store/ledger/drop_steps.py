"""The life of a drop, from seen to stable to claimed, or to quarantine; each function is one step inside a transaction.

What a claimed drop becomes is `finishing`'s business.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import Connection, Row, and_, bindparam, delete, func, insert, or_, select, update

from xherald.photons.errors import StoreError

from .records import Drop, DropState, Sighting
from .tables import drops

__all__ = [
    "DONE",
    "abandon",
    "claim",
    "counts",
    "first_of",
    "known",
    "listed",
    "locked",
    "merely_seen",
    "oldest_waiting",
    "places",
    "postpone",
    "quarantine",
    "release",
    "renew",
    "see",
    "settle",
    "withdraw",
]

DONE: Final = frozenset({DropState.PROCESSED, DropState.ALERTED, DropState.SUPERSEDED})
"""States of a drop whose results are kept."""

WAITING: Final = (DropState.SEEN, DropState.STABLE, DropState.CLAIMED)

UNCLAIMED: Final[Mapping[str, Any]] = {"claimed_by": None, "claim_expires": None}

ASKED_AT_ONCE: Final = 500
"""URLs in one query; databases bound the number of parameters."""

Key = tuple[str, str, int, float, str]


def known(connection: Connection, sightings: Collection[Sighting]) -> dict[Sighting, Drop]:
    """Drops of those sightings that were recorded before, exactly as they are now."""
    exactly, _ = _of_urls(connection, {one.url for one in sightings})
    return {one: exactly[key] for one in sightings if (key := _key(one)) in exactly}


def see(connection: Connection, sightings: Collection[Sighting], now: datetime) -> dict[Sighting, Drop]:
    """Record sightings: a new one is a drop; one that was only seen and has changed since is seen anew, from now on."""
    exactly, growing = _of_urls(connection, {one.url for one in sightings})
    new: dict[Key, dict[str, Any]] = {}
    for one in sightings:
        key = _key(one)
        if key in exactly or key in new:
            continue
        facts = {"size": one.size, "mtime": one.mtime, "mark": one.mark, "steady_since": now, "changed": now}
        if (before := growing.pop((one.source, one.url), None)) is not None:
            connection.execute(update(drops).where(drops.c.id == before).values(**facts))
        else:
            origin = {"source": one.source, "url": one.url, "seen": now}
            new[key] = {**facts, **origin, "state": DropState.SEEN, "attempts": 0}
    if new:
        connection.execute(insert(drops), list(new.values()))
    return known(connection, sightings)


def settle(connection: Connection, drop_id: int, sha256: str, now: datetime) -> Drop:
    """Take a drop as whole, of this content; a duplicate if that content is known, also to this transaction alone."""
    drop = locked(connection, drop_id)
    if drop.state is not DropState.SEEN:
        if drop.sha256 == sha256:
            return drop
        raise _refusal(drop, "cannot become stable with other content")
    first = first_of(connection, sha256)
    state = DropState.STABLE if first is None else DropState.DUPLICATE
    return _set(connection, drop_id, now, state=state, sha256=sha256, superseded_by=None if first is None else first.id)


def merely_seen(connection: Connection, source: str, urls: Collection[str]) -> list[int]:
    """Numbers of those drops at these places of a source that are only seen."""
    _, growing = _of_urls(connection, urls)
    return [number for (theirs, _), number in growing.items() if theirs == source]


def withdraw(connection: Connection, numbers: Collection[int]) -> None:
    """Forget drops that turned out to be none; those that went further in the meantime stay."""
    connection.execute(delete(drops).where(drops.c.id.in_(numbers), drops.c.state == DropState.SEEN))


def first_of(connection: Connection, sha256: str) -> Drop | None:
    """The drop that this content was taken as first; None if it is new."""
    row = connection.execute(
        select(drops).where(drops.c.sha256 == sha256, drops.c.state != DropState.DUPLICATE)
    ).first()
    return None if row is None else _drop(row)


def claim(
    connection: Connection, worker: str, limit: int, now: datetime, lease: timedelta, most_attempts: int
) -> list[Drop]:
    """Take drops to work on, oldest first: those that wait, and those whose claim has run out."""
    expired = and_(drops.c.state == DropState.CLAIMED, drops.c.claim_expires <= now)
    waiting = and_(drops.c.state == DropState.STABLE, or_(drops.c.not_before.is_(None), drops.c.not_before <= now))
    ready = select(drops).where(or_(waiting, expired)).order_by(drops.c.id).with_for_update(skip_locked=True)
    taken: list[Drop] = []
    while len(taken) < limit:
        found = [_drop(row) for row in connection.execute(ready.limit(limit - len(taken)))]
        if not found:
            break
        for drop in found:
            if drop.attempts >= most_attempts:
                why = f"given up after {drop.attempts} attempts: {drop.reason or 'each ended without a word'}"
                _set(connection, drop.id, now, state=DropState.QUARANTINED, reason=why, not_before=None, **UNCLAIMED)
        fresh = [drop.id for drop in found if drop.attempts < most_attempts]
        values = {"claimed_by": worker, "claim_expires": now + lease, "changed": now, "not_before": None}
        connection.execute(
            update(drops)
            .where(drops.c.id.in_(fresh))
            .values(state=DropState.CLAIMED, attempts=drops.c.attempts + 1, **values)
        )
        again = select(drops).where(drops.c.id.in_(fresh)).order_by(drops.c.id)
        taken += [_drop(row) for row in connection.execute(again)]
    return taken


def renew(connection: Connection, worker: str, drop_ids: Collection[int], until: datetime) -> set[int]:
    """Hold claims longer; answers which of them this worker still has."""
    mine = (drops.c.id.in_(drop_ids), drops.c.state == DropState.CLAIMED, drops.c.claimed_by == worker)
    connection.execute(update(drops).where(*mine).values(claim_expires=until))
    return set(connection.execute(select(drops.c.id).where(*mine)).scalars())


def postpone(connection: Connection, drop_id: int, worker: str, reason: str, until: datetime, now: datetime) -> Drop:
    """Put back a drop that something passing stood in the way of; nothing happens if another has it by now."""
    drop = locked(connection, drop_id)
    if drop.state is not DropState.CLAIMED or drop.claimed_by != worker:
        return drop
    return _set(connection, drop_id, now, state=DropState.STABLE, reason=reason, not_before=until, **UNCLAIMED)


def release(connection: Connection, drop_id: int, now: datetime) -> Drop:
    """Give back a claim as if it had not been, or let a quarantined drop try anew."""
    drop = locked(connection, drop_id)
    match drop.state:
        case DropState.SEEN | DropState.STABLE:
            return drop
        case DropState.CLAIMED:
            return _set(
                connection, drop_id, now, state=DropState.STABLE, attempts=max(drop.attempts - 1, 0), **UNCLAIMED
            )
        case DropState.QUARANTINED:
            state = DropState.SEEN if drop.sha256 is None else DropState.STABLE
            return _set(connection, drop_id, now, state=state, attempts=0, reason=None, steady_since=now)
        case _:
            raise _refusal(drop, "cannot be released")


def abandon(connection: Connection, worker: str, now: datetime) -> int:
    """Give back all claims of a worker that is known to be dead; the attempts count."""
    mine = update(drops).where(drops.c.state == DropState.CLAIMED, drops.c.claimed_by == worker)
    return connection.execute(mine.values(state=DropState.STABLE, changed=now, **UNCLAIMED)).rowcount


def quarantine(connection: Connection, drop_id: int, reason: str, now: datetime) -> Drop:
    """Set a drop aside that cannot be used."""
    drop = locked(connection, drop_id)
    if drop.state is DropState.QUARANTINED:
        return drop
    if drop.state not in WAITING:
        raise _refusal(drop, "cannot be quarantined")
    return _set(connection, drop_id, now, state=DropState.QUARANTINED, reason=reason, not_before=None, **UNCLAIMED)


def places(connection: Connection, drop_id: int) -> tuple[tuple[str, str], ...]:
    """Where a drop's content was seen, as (source, url), its own place first."""
    mine = select(drops.c.source, drops.c.url).where(
        or_(drops.c.id == drop_id, and_(drops.c.superseded_by == drop_id, drops.c.state == DropState.DUPLICATE))
    )
    return tuple((row.source, row.url) for row in connection.execute(mine.order_by(drops.c.id)))


def listed(connection: Connection, state: DropState | None, limit: int | None) -> list[Drop]:
    """Drops, the latest change first."""
    query = select(drops).order_by(drops.c.changed.desc(), drops.c.id.desc()).limit(limit)
    if state is not None:
        query = query.where(drops.c.state == state)
    return [_drop(row) for row in connection.execute(query)]


def counts(connection: Connection) -> dict[DropState, int]:
    """How many drops there are of each state."""
    query = select(drops.c.state, func.count()).group_by(drops.c.state)
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in DropState}


def oldest_waiting(connection: Connection) -> datetime | None:
    """When that drop was first seen which has waited longest."""
    return connection.execute(select(func.min(drops.c.seen)).where(drops.c.state.in_(WAITING))).scalar()


def locked(connection: Connection, drop_id: int) -> Drop:
    """A drop, no other transaction may change while this one lasts.

    Raises
    ------
    StoreError
        There is none.
    """
    row = connection.execute(select(drops).where(drops.c.id == drop_id).with_for_update()).one_or_none()
    if row is None:
        raise StoreError(f"drop {drop_id}: the store holds no such drop")
    return _drop(row)


def _drop(row: Row[Any]) -> Drop:
    return Drop(**row._mapping)


def _set(connection: Connection, drop_id: int, now: datetime, **values: Any) -> Drop:
    this = update(drops).where(drops.c.id == bindparam("this"))
    connection.execute(this, {"this": drop_id, "changed": now, **values})
    return _drop(connection.execute(select(drops).where(drops.c.id == drop_id)).one())


def _key(one: Sighting | Drop) -> Key:
    return one.source, one.url, one.size, one.mtime, one.mark


def _of_urls(connection: Connection, urls: Collection[str]) -> tuple[dict[Key, Drop], dict[tuple[str, str], int]]:
    """Drops of these URLs by what they were seen as, and by place those that are only seen."""
    exactly: dict[Key, Drop] = {}
    growing: dict[tuple[str, str], int] = {}
    asked = sorted(urls)
    for first in range(0, len(asked), ASKED_AT_ONCE):
        some = asked[first : first + ASKED_AT_ONCE]
        for row in connection.execute(select(drops).where(drops.c.url.in_(some))):
            drop = _drop(row)
            exactly[_key(drop)] = drop
            if drop.state is DropState.SEEN:
                growing[drop.source, drop.url] = drop.id
    return exactly, growing


def _refusal(drop: Drop, what: str) -> StoreError:
    return StoreError(f"drop {drop.id} ({drop.url}): is {drop.state.value}, and {what}")
