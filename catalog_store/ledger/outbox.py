"""The outbox of alerts: each alert goes to one dispatcher at a time until it is sent, digested or given up.

An alert is delivered at least once and keeps its id in all attempts, so that sinks recognize repetitions. An alert
waits for the earlier ones of the same candidate and sink, so that a retraction never arrives before what it retracts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Table, exists, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from xherald.photons.errors import StoreError

from .records import AlertRecord, Json, StoredAlert
from .states import AlertState, AlertType, DropState
from .tables import alerts, candidates, drops, observations

__all__ = [
    "close",
    "count_by_state",
    "count_sent",
    "dialect_insert",
    "enqueue",
    "find_next_due",
    "find_notified_sinks",
    "insert_unless_exists",
    "list_alerts",
    "mark_drops_alerted",
    "record_failure",
    "release_dispatcher",
    "requeue",
    "take_due",
    "withdraw",
]

UNLEASED: dict[str, Any] = {"leased_by": None, "leased_until": None}


def dialect_insert(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT of the connection's dialect, which supports ON CONFLICT."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return make(table)


def insert_unless_exists(connection: Connection, table: Table) -> sqlite.Insert | postgresql.Insert:
    """An INSERT that leaves existing rows unchanged."""
    return dialect_insert(connection, table).on_conflict_do_nothing()


def enqueue(
    connection: Connection,
    records: Sequence[AlertRecord],
    run_id: int | None,
    now: datetime,
    suppressed_ids: Collection[str] = (),
) -> None:
    """Add alerts to the outbox; existing ones are left unchanged.

    Parameters
    ----------
    suppressed_ids : collection of str
        Candidates that are not standing: their alerts are stored as withdrawn, and so are retractions to sinks that
        were never notified of the candidate.

    Raises
    ------
    StoreError
        An alert refers to a candidate that is not in the store.
    """
    if not records:
        return
    wanted = {one.candidate_id for one in records}
    existing = set(connection.execute(select(candidates.c.id).where(candidates.c.id.in_(wanted))).scalars())
    if missing := sorted(wanted - existing):
        raise StoreError(f"candidate {missing[0]}: has an alert but is not in the store")
    notified = find_notified_sinks(
        connection, [one.candidate_id for one in records if one.alert_type is AlertType.RETRACTION]
    )
    latest: dict[str, AlertType] = {}
    rows: list[dict[str, Any]] = []
    for one in records:
        is_retraction = one.alert_type is AlertType.RETRACTION
        is_needless = is_retraction and one.sink not in notified[one.candidate_id]
        is_withdrawn = is_needless or bool(one.withheld) or one.candidate_id in suppressed_ids
        if not is_withdrawn:
            latest[one.candidate_id] = one.alert_type
        rows.append(
            {
                "id": one.id,
                "sink": one.sink,
                "candidate_id": one.candidate_id,
                "run_id": run_id,
                "alert_type": one.alert_type,
                "payload": dict(one.payload),
                "state": AlertState.WITHDRAWN if is_withdrawn else AlertState.PENDING,
                "attempts": 0,
                "next_attempt": now,
                "created": now,
                "closed": now if is_withdrawn else None,
                "error": one.withheld or None,
            }
        )
    connection.execute(insert_unless_exists(connection, alerts), rows)
    for alert_type in set(latest.values()):
        ids = [candidate_id for candidate_id, its_type in latest.items() if its_type is alert_type]
        connection.execute(update(candidates).where(candidates.c.id.in_(ids)).values(alert_type=alert_type))


def take_due(
    connection: Connection, dispatcher: str, limit: int, now: datetime, lease: timedelta, sinks: Collection[str] | None
) -> list[StoredAlert]:
    """Lease alerts that are due to a dispatcher, oldest first; no other dispatcher gets them until the lease ends."""
    earlier = alerts.alias("earlier")
    is_blocked = exists().where(
        earlier.c.candidate_id == alerts.c.candidate_id,
        earlier.c.sink == alerts.c.sink,
        earlier.c.seq < alerts.c.seq,
        earlier.c.state == AlertState.PENDING,
    )
    query = select(alerts.c.seq).where(
        alerts.c.state == AlertState.PENDING,
        alerts.c.next_attempt <= now,
        or_(alerts.c.leased_until.is_(None), alerts.c.leased_until <= now),
        ~is_blocked,
    )
    if sinks is not None:
        query = query.where(alerts.c.sink.in_(sinks))
    query = query.order_by(alerts.c.next_attempt, alerts.c.seq).limit(limit)
    taken = connection.execute(query.with_for_update(skip_locked=True, of=alerts)).scalars().all()
    is_taken = alerts.c.seq.in_(taken)
    values = {"leased_by": dispatcher, "leased_until": now + lease, "attempts": alerts.c.attempts + 1}
    connection.execute(update(alerts).where(is_taken).values(**values))
    rows = connection.execute(select(alerts).where(is_taken).order_by(alerts.c.next_attempt, alerts.c.seq))
    return _make_alerts(rows)


def close(
    connection: Connection, keys: Iterable[tuple[str, str]], state: AlertState, receipt: Json | None, now: datetime
) -> None:
    """Close alerts, given by id and sink; a drop whose last open alert this was becomes ``alerted``."""
    for alert_id, sink in keys:
        row = _lock(connection, alert_id, sink)
        if row.state == AlertState.SENT:
            continue
        values: dict[str, Any] = {"state": state, "closed": now, **UNLEASED}
        if receipt is not None:
            values["receipt"] = dict(receipt)
        connection.execute(update(alerts).where(alerts.c.seq == row.seq).values(**values))
        _mark_drop_alerted(connection, row.candidate_id, now)


def record_failure(
    connection: Connection, alert_id: str, sink: str, error: str, next_attempt: datetime | None, now: datetime
) -> None:
    """Record a failed attempt: retry at a later time, or give up if that is None."""
    row = _lock(connection, alert_id, sink)
    if row.state != AlertState.PENDING:
        return
    values: dict[str, Any] = {"error": error, **UNLEASED}
    values |= {"state": AlertState.FAILED, "closed": now} if next_attempt is None else {"next_attempt": next_attempt}
    connection.execute(update(alerts).where(alerts.c.seq == row.seq).values(**values))


def requeue(connection: Connection, alert_id: str, sink: str | None, now: datetime) -> int:
    """Send an alert again, to one sink or to all of its sinks; returns their number."""
    conditions = [alerts.c.id == alert_id]
    if sink is not None:
        conditions.append(alerts.c.sink == sink)
    count = connection.execute(
        update(alerts)
        .where(*conditions)
        .values(state=AlertState.PENDING, next_attempt=now, closed=None, error=None, **UNLEASED)
    ).rowcount
    if not count:
        raise _make_missing_error(alert_id, sink)
    return count


def withdraw(connection: Connection, candidate_ids: Collection[str], now: datetime) -> None:
    """Withdraw alerts that no dispatcher has taken, except for retractions."""
    is_untried = (
        alerts.c.candidate_id.in_(candidate_ids),
        alerts.c.state == AlertState.PENDING,
        alerts.c.attempts == 0,
        alerts.c.alert_type != AlertType.RETRACTION,
    )
    connection.execute(update(alerts).where(*is_untried).values(state=AlertState.WITHDRAWN, closed=now))


def find_notified_sinks(connection: Connection, candidate_ids: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Sinks that may have received an alert of each candidate; locks the alerts until the end of the transaction."""
    notified: dict[str, list[str]] = {one: [] for one in candidate_ids}
    if not notified:
        return {}
    query = select(alerts).where(alerts.c.candidate_id.in_(candidate_ids)).order_by(alerts.c.seq).with_for_update()
    for row in connection.execute(query):
        if (row.attempts or row.state == AlertState.DIGESTED) and row.sink not in notified[row.candidate_id]:
            notified[row.candidate_id].append(row.sink)
    return {candidate_id: tuple(sinks) for candidate_id, sinks in notified.items()}


def release_dispatcher(connection: Connection, dispatcher: str) -> int:
    """Release the alerts leased to a dead dispatcher; returns their number."""
    is_leased = (alerts.c.state == AlertState.PENDING, alerts.c.leased_by == dispatcher)
    return connection.execute(update(alerts).where(*is_leased).values(**UNLEASED)).rowcount


def find_next_due(connection: Connection) -> datetime | None:
    """When the next alert can be taken, leases considered; None if the outbox is empty."""
    greatest = func.greatest if connection.dialect.name == "postgresql" else func.max
    when = greatest(alerts.c.next_attempt, func.coalesce(alerts.c.leased_until, alerts.c.next_attempt))
    first = select(func.min(when, type_=alerts.c.next_attempt.type)).where(alerts.c.state == AlertState.PENDING)
    return connection.execute(first).scalar()


def list_alerts(
    connection: Connection,
    *,
    candidate_id: str | None = None,
    state: AlertState | None = None,
    limit: int | None = None,
    alert_id: str | None = None,
) -> list[StoredAlert]:
    """The latest alerts that match, in the order of their creation."""
    conditions: list[ColumnElement[bool]] = []
    if candidate_id is not None:
        conditions.append(alerts.c.candidate_id == candidate_id)
    if alert_id is not None:
        conditions.append(alerts.c.id == alert_id)
    if state is not None:
        conditions.append(alerts.c.state == state)
    query = select(alerts).where(*conditions).order_by(alerts.c.seq.desc()).limit(limit)
    return _make_alerts(connection.execute(query))[::-1]


def count_by_state(connection: Connection) -> dict[AlertState, int]:
    """Number of alerts in each state."""
    query = select(alerts.c.state, func.count()).group_by(alerts.c.state)
    found = {row[0]: row[1] for row in connection.execute(query)}
    return {state: found.get(state, 0) for state in AlertState}


def count_sent(connection: Connection, since: datetime, sink: str | None, alert_type: AlertType | None) -> int:
    """Number of alerts sent since a time."""
    query = select(func.count()).where(alerts.c.state == AlertState.SENT, alerts.c.closed >= since)
    if sink is not None:
        query = query.where(alerts.c.sink == sink)
    if alert_type is not None:
        query = query.where(alerts.c.alert_type == alert_type)
    return int(connection.execute(query).scalar_one())


def mark_drops_alerted(connection: Connection, candidate_ids: Collection[str], now: datetime) -> None:
    """Mark processed drops as ``alerted`` whose candidates were announced before, with nothing new to send."""
    sent = select(alerts.c.candidate_id).where(
        alerts.c.candidate_id.in_(candidate_ids), alerts.c.state == AlertState.SENT
    )
    for candidate_id in sorted(set(connection.execute(sent).scalars())):
        _mark_drop_alerted(connection, candidate_id, now)


def _mark_drop_alerted(connection: Connection, candidate_id: str, now: datetime) -> None:
    """Mark a processed drop as ``alerted`` if none of its alerts is open."""
    drop_id = connection.execute(
        select(observations.c.drop_id)
        .select_from(candidates.join(observations, observations.c.id == candidates.c.observation_id))
        .where(candidates.c.id == candidate_id)
    ).scalar_one()
    # Lock first: of two dispatchers that send the last two alerts of a drop, the second must see the first one's row.
    connection.execute(select(drops.c.id).where(drops.c.id == drop_id).with_for_update())
    has_open = exists().where(
        observations.c.drop_id == drop_id,
        candidates.c.observation_id == observations.c.id,
        alerts.c.candidate_id == candidates.c.id,
        alerts.c.state.in_([AlertState.PENDING, AlertState.FAILED]),
    )
    connection.execute(
        update(drops)
        .where(drops.c.id == drop_id, drops.c.state == DropState.PROCESSED, ~has_open)
        .values(state=DropState.ALERTED, updated=now)
    )


def _lock(connection: Connection, alert_id: str, sink: str) -> Row[Any]:
    query = select(alerts).where(alerts.c.id == alert_id, alerts.c.sink == sink).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        raise _make_missing_error(alert_id, sink)
    return row


def _make_alerts(rows: Iterable[Row[Any]]) -> list[StoredAlert]:
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
            row.closed,
        )
        for row in rows
    ]


def _make_missing_error(alert_id: str, sink: str | None) -> StoreError:
    return StoreError(f"alert {alert_id}{f' to {sink}' if sink else ''}: not in the outbox")
