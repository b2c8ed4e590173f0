"""The part of the store that holds the outbox of alerts: `AlertStore`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final

from . import outbox
from .records import AlertRecord, Json, StoredAlert
from .states import AlertState, AlertType
from .store_base import StoreBase, resolve_time

__all__ = ["AlertStore"]

ALERT_LEASE: Final = timedelta(minutes=2)


class AlertStore(StoreBase):
    """Methods on the alerts of the outbox."""

    def enqueue(self, alerts: Sequence[AlertRecord], now: datetime | None = None) -> None:
        """Add alerts to the outbox; existing ones are left unchanged."""
        when = resolve_time(now)
        self._database.write(lambda connection: outbox.enqueue(connection, alerts, None, when))

    def take_due_alerts(
        self,
        dispatcher: str,
        limit: int = 100,
        *,
        sinks: Collection[str] | None = None,
        lease: timedelta = ALERT_LEASE,
        now: datetime | None = None,
    ) -> list[StoredAlert]:
        """Lease up to `limit` alerts that are due to a dispatcher, oldest first."""
        when = resolve_time(now)
        return self._database.write(
            lambda connection: outbox.take_due(connection, dispatcher, limit, when, lease, sinks)
        )

    def next_alert_due(self) -> datetime | None:
        """When the next alert can be taken; None if the outbox is empty."""
        with self._database.read() as connection:
            return outbox.find_next_due(connection)

    def mark_sent(self, alert_id: str, sink: str, receipt: Json | None = None, now: datetime | None = None) -> None:
        """Record that a sink accepted an alert, with its receipt."""
        when = resolve_time(now)
        self._database.write(
            lambda connection: outbox.close(connection, [(alert_id, sink)], AlertState.SENT, receipt, when)
        )

    def mark_digested(
        self, keys: Iterable[tuple[str, str]], receipt: Json | None = None, now: datetime | None = None
    ) -> None:
        """Record that alerts, given by id and sink, were sent as part of a digest."""
        members, when = list(keys), resolve_time(now)
        self._database.write(lambda connection: outbox.close(connection, members, AlertState.DIGESTED, receipt, when))

    def mark_failed(
        self, alert_id: str, sink: str, error: str, next_attempt: datetime | None, now: datetime | None = None
    ) -> None:
        """Record a failed attempt: retry at a later time, or give up if that is None."""
        when = resolve_time(now)
        self._database.write(
            lambda connection: outbox.record_failure(connection, alert_id, sink, error, next_attempt, when)
        )

    def requeue(self, alert_id: str, sink: str | None = None, now: datetime | None = None) -> int:
        """Send an alert again under its id, to one sink or to all of its sinks; returns their number."""
        when = resolve_time(now)
        return self._database.write(lambda connection: outbox.requeue(connection, alert_id, sink, when))

    def alerts(
        self,
        *,
        alert_id: str | None = None,
        candidate_id: str | None = None,
        state: AlertState | None = None,
        limit: int | None = None,
    ) -> list[StoredAlert]:
        """The latest alerts that match, in the order of their creation."""
        with self._database.read() as connection:
            return outbox.list_alerts(
                connection, candidate_id=candidate_id, state=state, limit=limit, alert_id=alert_id
            )

    def alert_counts(self) -> dict[AlertState, int]:
        """Number of alerts in each state."""
        with self._database.read() as connection:
            return outbox.count_by_state(connection)

    def count_sent(self, since: datetime, sink: str | None = None, alert_type: AlertType | None = None) -> int:
        """Number of alerts sent since a time."""
        with self._database.read() as connection:
            return outbox.count_sent(connection, since, sink, alert_type)
