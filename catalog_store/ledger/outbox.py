"""The alert outbox: what is to be sent, handed to one dispatcher at a time, until it is sent, digested or given up.

An alert is handed out at least once and bears one id for all its tries, by which sinks know it again. One that follows
another of the same candidate to the same sink waits for it: a retraction never overtakes what it retracts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from xherald.photons.errors import StoreError

from .records import AlertRecord, AlertState, AlertType, DropState, Json, StoredAlert
from .tables import alerts, candidates, drops, observations

__all__ = [
    "abandon",
    "announced",
    "counts",
    "dialect_insert",
    "due",
    "enqueue",
    "insert_unless_there",
    "listed",
    "next_due",
    "requeue",
    "settle",
    "settled_since",
    "try_again",
    "withdraw",
]

UNLEASED: dict[str, Any] = {"leased_by": None, "leased_until": None}


def dialect_insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that can say what is to be done where the row is there already."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return make(table)


def insert_unless_there(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that leaves what is there as it is."""
    return dialect_insert(connection, table).on_conflict_do_nothing()


def enqueue(
    connection: Connection,
    records: Sequence[AlertRecord],
    run_id: int | None,
    now: datetime,
    suppressed_ids: Collection[str] = (),
) -> None:
    """Put alerts into the outbox; one that is there already stays as it is.

    Parameters
    ----------
    stillborn : collection of str
        Candidates that do not stand: what there is to say of them is kept as withdrawn. So is a retraction to a sink
        that never heard of the candidate.

    Raises
    ------
    StoreError
        Of a candidate that is not there.
    """
    if not records:
        return
    wanted = {one.candidate_id for one in records}
    there = set(connection.execute(select(candidates.c.id).where(candidates.c.id.in_(wanted))).scalars())
    if missing := sorted(wanted - there):
        raise StoreError(f"candidate {missing[0]}: has an alert, but the store holds no such candidate")
    told = announced(connection, [one.candidate_id for one in records if one.alert_type is AlertType.RETRACTION])
    latest: dict[str, AlertType] = {}
    rows: list[dict[str, Any]] = []
    for one in records:
        unheard = one.alert_type is AlertType.RETRACTION and one.sink not in told[one.candidate_id]
        dead = unheard or one.candidate_id in suppressed_ids
        if not dead:
            latest[one.candidate_id] = one.alert_type
        rows.append(
            {
                "id": one.id,
                "sink": one.sink,
                "candidate_id": one.candidate_id,
                "run_id": run_id,
                "alert_type": one.alert_type,
                "payload": dict(one.payload),
                "state": AlertState.WITHDRAWN if dead else AlertState.PENDING,
                "attempts": 0,
                "next_attempt": now,
                "created": now,
                "settled": now if dead else None,
            }
        )
    connection.execute(insert_unless_there(connection, alerts), rows)
    for alert_type in set(latest.values()):
        these = [candidate for candidate, its in latest.items() if its is alert_type]
        connection.execute(update(candidates).where(candidates.c.id.in_(these)).values(alert_type=alert_type))


def due(
    connection: Connection, dispatcher: str, limit: int, now: datetime, lease: timedelta, sinks: Collection[str] | None
) -> list[StoredAlert]:
    """Hand out alerts to be sent now, oldest first; no other dispatcher gets them while the lease lasts."""
    earlier = alerts.alias("earlier")
    blocked = exists().where(
        earlier.c.candidate_id == alerts.c.candidate_id,
        earlier.c.sink == alerts.c.sink,
        earlier.c.seq < alerts.c.seq,
        earlier.c.state == AlertState.PENDING,
    )
    query = select(alerts.c.seq).where(
        alerts.c.state == AlertState.PENDING,
        alerts.c.next_attempt <= now,
        or_(alerts.c.leased_until.is_(None), alerts.c.leased_until <= now),
        ~blocked,
    )
    if sinks is not None:
        query = query.where(alerts.c.sink.in_(sinks))
    query = query.order_by(alerts.c.next_attempt, alerts.c.seq).limit(limit)
    taken = connection.execute(query.with_for_update(skip_locked=True, of=alerts)).scalars().all()
    mine = alerts.c.seq.in_(taken)
    hold = {"leased_by": dispatcher, "leased_until": now + lease, "attempts": alerts.c.attempts + 1}
    connection.execute(update(alerts).where(mine).values(**hold))
    return _stored(connection.execute(select(alerts).where(mine).order_by(alerts.c.next_attempt, alerts.c.seq)))


def settle(
    connection: Connection, keys: Iterable[tuple[str, str]], state: AlertState, receipt: Json | None, now: datetime
) -> None:
    """Have done with alerts, by id and sink; the drop whose last one it was is alerted."""
    for alert_id, sink in keys:
        row = _locked(connection, alert_id, sink)
        if row.state == AlertState.SENT:
            continue
        values: dict[str, Any] = {"state": state, "settled": now, **UNLEASED}
        if receipt is not None:
            values["receipt"] = dict(receipt)
        connection.execute(update(alerts).where(alerts.c.seq == row.seq).values(**values))
        _end_drop(connection, row.candidate_id, now)


def try_again(
    connection: Connection, alert_id: str, sink: str, error: str, next_attempt: datetime | None, now: datetime
) -> None:
    """Write down that a try failed: again at a later time, or given up where none is named."""
    row = _locked(connection, alert_id, sink)
    if row.state != AlertState.PENDING:
        return
    values: dict[str, Any] = {"error": error, **UNLEASED}
    values |= {"state": AlertState.FAILED, "settled": now} if next_attempt is None else {"next_attempt": next_attempt}
    connection.execute(update(alerts).where(alerts.c.seq == row.seq).values(**values))


def requeue(connection: Connection, alert_id: str, sink: str | None, now: datetime) -> int:
    """Send an alert again, to one sink or to all that it is for; answers how many."""
    these = [alerts.c.id == alert_id]
    if sink is not None:
        these.append(alerts.c.sink == sink)
    done = connection.execute(
        update(alerts)
        .where(*these)
        .values(state=AlertState.PENDING, next_attempt=now, settled=None, error=None, **UNLEASED)
    ).rowcount
    if not done:
        raise _unknown(alert_id, sink)
    return done


def withdraw(connection: Connection, candidate_ids: Collection[str], now: datetime) -> None:
    """Take back what no dispatcher ever had, but for retractions: what was announced stays to be retracted."""
    never = (
        alerts.c.candidate_id.in_(candidate_ids),
        alerts.c.state == AlertState.PENDING,
        alerts.c.attempts == 0,
        alerts.c.alert_type != AlertType.RETRACTION,
    )
    connection.execute(update(alerts).where(*never).values(state=AlertState.WITHDRAWN, settled=now))


def announced(connection: Connection, candidate_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Sinks that may have heard of these candidates; their alerts stay as they are while the transaction lasts."""
    told: dict[str, list[str]] = {one: [] for one in candidate_ids}
    if not told:
        return {}
    query = select(alerts).where(alerts.c.candidate_id.in_(candidate_ids)).order_by(alerts.c.seq).with_for_update()
    for row in connection.execute(query):
        if (row.attempts or row.state == AlertState.DIGESTED) and row.sink not in told[row.candidate_id]:
            told[row.candidate_id].append(row.sink)
    return {one: tuple(sinks) for one, sinks in told.items()}


def abandon(connection: Connection, dispatcher: str) -> int:
    """Give back what a dispatcher that is known to be dead had in hand."""
    mine = (alerts.c.state == AlertState.PENDING, alerts.c.leased_by == dispatcher)
    return connection.execute(update(alerts).where(*mine).values(**UNLEASED)).rowcount


def next_due(connection: Connection) -> datetime | None:
    """When the next alert is to be sent, leases reckoned with."""
    later_of = func.greatest if connection.dialect.name == "postgresql" else func.max
    when = later_of(alerts.c.next_attempt, func.coalesce(alerts.c.leased_until, alerts.c.next_attempt))
    first = select(func.min(when, type_=alerts.c.next_attempt.type)).where(alerts.c.state == AlertState.PENDING)
    return connection.execute(first).scalar()


def listed(
    connection: Connection,
    *,
    candidate_id: str | None,
    state: AlertState | None,
    limit: int | None,
    alert_id: str | None = None,
) -> list[StoredAlert]:
    """Alerts, in the order in which they came; of a limited number the latest."""
    chosen: list[ColumnElement[bool]] = []
    if candidate_id is not None:
        chosen.append(alerts.c.candidate_id == candidate_id)
    if alert_id is not None:
        chosen.append(alerts.c.id == alert_id)
    if state is not None:
        chosen.append(alerts.c.state == state)
    query = select(alerts).where(*chosen).order_by(alerts.c.seq.desc()).limit(limit)
    return _stored(connection.execute(query))[::-1]


def counts(connection: Connection) -> dict[AlertState, int]:
    """How many alerts there are of each state."""
    query = select(alerts.c.state, func.count()).group_by(alerts.c.state)
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in AlertState}


def settled_since(connection: Connection, since: datetime, sink: str | None, alert_type: AlertType | None) -> int:
    """How many alerts were sent since then, for budgets."""
    query = select(func.count()).where(alerts.c.state == AlertState.SENT, alerts.c.settled >= since)
    if sink is not None:
        query = query.where(alerts.c.sink == sink)
    if alert_type is not None:
        query = query.where(alerts.c.alert_type == alert_type)
    return int(connection.execute(query).scalar_one())


def _end_drop(connection: Connection, candidate_id: str, now: datetime) -> None:
    """A processed drop none of whose alerts is left to be sent is alerted."""
    drop_id = connection.execute(
        select(observations.c.drop_id)
        .select_from(candidates.join(observations, observations.c.id == candidates.c.observation_id))
        .where(candidates.c.id == candidate_id)
    ).scalar_one()
    # Locked first: of two dispatchers that send a drop's last two alerts, the second must see what the first did.
    connection.execute(select(drops.c.id).where(drops.c.id == drop_id).with_for_update())
    left = exists().where(
        observations.c.drop_id == drop_id,
        candidates.c.observation_id == observations.c.id,
        alerts.c.candidate_id == candidates.c.id,
        alerts.c.state.in_([AlertState.PENDING, AlertState.FAILED]),
    )
    connection.execute(
        update(drops)
        .where(drops.c.id == drop_id, drops.c.state == DropState.PROCESSED, ~left)
        .values(state=DropState.ALERTED, changed=now)
    )


def _locked(connection: Connection, alert_id: str, sink: str) -> Row[Any]:
    one = select(alerts).where(alerts.c.id == alert_id, alerts.c.sink == sink).with_for_update()
    row = connection.execute(one).one_or_none()
    if row is None:
        raise _unknown(alert_id, sink)
    return row


def _stored(rows: Iterable[Row[Any]]) -> list[StoredAlert]:
    return [
        StoredAlert(
            row.id,
            row.candidate_id,
            row.sink,
            row.alert_type,
            row.payload,
            row.state,
            row.attempts,
            row.next_attempt,
            row.receipt,
            row.error,
            row.created,
            row.settled,
        )
        for row in rows
    ]


def _unknown(alert_id: str, sink: str | None) -> StoreError:
    return StoreError(f"alert {alert_id}{f' to {sink}' if sink else ''}: the outbox holds no such alert")
