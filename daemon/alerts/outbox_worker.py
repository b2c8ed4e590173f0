"""A thread that sends the alerts in the outbox, so that a slow sink does not delay files: `OutboxWorker`."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xherald.photons.errors import StoreUnavailableError

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.daemon.logs import Log
    from xherald.daemon.metrics import Metrics

    from .dispatch import Dispatcher

__all__ = ["OutboxWorker", "send_due_alerts"]

MAX_WAIT_S: Final = 30.0
MIN_WAIT_S: Final = 0.05
STORE_RETRY_S: Final = 2.0


def send_due_alerts(dispatcher: Dispatcher, metrics: Metrics, log: Log) -> int:
    """Send the alerts that are due, log and count the outcomes; returns the number of alerts sent."""
    sent = 0
    for one in dispatcher.send_due():
        metrics.count_alert(one.sink, one.result)
        sent += one.result in ("sent", "digested")
        write = log.warning if one.result in ("deferred", "failed") else log.info
        write("alert", result=one.result, sink=one.sink, alert=one.alert_id, reason=one.reason or None)
    return sent


class OutboxWorker:
    """Sends alerts as they become due, in a thread of its own.

    Parameters
    ----------
    dispatcher : Dispatcher
    store : Store
    metrics : Metrics
    log : Log
    """

    def __init__(self, dispatcher: Dispatcher, store: Store, metrics: Metrics, log: Log) -> None:
        self._dispatcher, self._store, self._metrics, self._log = dispatcher, store, metrics, log
        self._wake_up = threading.Event()
        self._is_stopping = False
        self._thread = threading.Thread(target=self._run, name="xherald-alerts", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """Check the outbox at once."""
        self._wake_up.set()

    def end(self, timeout_s: float) -> None:
        """Stop, after waiting for alerts being sent for at most `timeout_s`; the others remain in the outbox."""
        self._is_stopping = True
        self._wake_up.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._is_stopping:
            self._wake_up.clear()
            self._wake_up.wait(self._send())

    def _send(self) -> float:
        """Send what is due; returns the time until the next alert, s."""
        try:
            send_due_alerts(self._dispatcher, self._metrics, self._log)
            due = self._store.next_alert_due()
        except StoreUnavailableError as fault:
            self._metrics.count_error("store")
            self._log.warning("store unavailable", reason=str(fault))
            return STORE_RETRY_S
        except Exception as fault:  # the daemon continues; the alerts remain in the outbox
            self._metrics.count_error("alerts")
            self._log.error("alerts not sent", reason=f"{type(fault).__name__}: {fault}")
            return MAX_WAIT_S
        if due is None:
            return MAX_WAIT_S
        return min(max((due - datetime.now(UTC)).total_seconds(), MIN_WAIT_S), MAX_WAIT_S)
