"""A thread that sends what the outbox holds, so that a slow sink never delays a file: `OutboxWorker`."""

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

__all__ = ["OutboxWorker", "send_pass"]

LOOKED_EVERY_S: Final = 30.0
SHORTEST_WAIT_S: Final = 0.05
STORE_WAIT_S: Final = 2.0


def send_pass(dispatcher: Dispatcher, metrics: Metrics, log: Log) -> int:
    """Send what is due, once; answers how many alerts went out."""
    sent = 0
    for one in dispatcher.send_due():
        metrics.alert(one.sink, one.what)
        sent += one.what in ("sent", "digested")
        say = log.warning if one.what in ("deferred", "failed") else log.info
        say(f"alert {one.what}", sink=one.sink, alert=one.alert_id, reason=one.reason or None)
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
        self._awake = threading.Event()
        self._over = False
        self._thread = threading.Thread(target=self._run, name="xherald-alerts", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        """There may be something to send."""
        self._awake.set()

    def end(self, timeout_s: float) -> None:
        """Let it finish what it is sending, for so long at most; what it could not is sent by the next daemon."""
        self._over = True
        self._awake.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._over:
            self._awake.clear()
            self._awake.wait(self._pass())

    def _pass(self) -> float:
        """Send, and answer how long there will be nothing to send."""
        try:
            send_pass(self._dispatcher, self._metrics, self._log)
            due = self._store.next_alert_due()
        except StoreUnavailableError as fault:
            self._metrics.error("store")
            self._log.warning("store unavailable", reason=str(fault))
            return STORE_WAIT_S
        except Exception as fault:  # the daemon goes on without alerts rather than end: they stay in the outbox
            self._metrics.error("alerts")
            self._log.error("alerts cannot be sent", reason=f"{type(fault).__name__}: {fault}")
            return LOOKED_EVERY_S
        if due is None:
            return LOOKED_EVERY_S
        return min(max((due - datetime.now(UTC)).total_seconds(), SHORTEST_WAIT_S), LOOKED_EVERY_S)
