"""Metrics and health of the daemon, served on localhost: ``/metrics`` for Prometheus, and ``/health``."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from xherald.photons.errors import ConfigError

__all__ = ["Metrics", "MetricsServer"]

LATENCY_BUCKETS_S: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
HEARTBEAT_TIMEOUT_S: Final = 60.0
"""A daemon whose main loop has not run for this long is unhealthy."""


class Metrics:
    """Metrics of one daemon, in their own registry."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        options: dict[str, Any] = {"registry": self.registry}
        self._seen = Counter("xherald_drops_seen", "Drops first listed by a source", ["source"], **options)
        self._stable = Counter("xherald_drops_stable", "Drops found complete", ["source"], **options)
        self._processed = Counter("xherald_drops_processed", "Drops whose results were stored", **options)
        self._quarantined = Counter("xherald_drops_quarantined", "Drops quarantined", ["kind"], **options)
        self._detections = Counter("xherald_detections", "Sources tested", **options)
        self._candidates = Counter("xherald_candidates", "Candidates stored", **options)
        self._alerts = Counter("xherald_alerts", "Alerts passed to sinks", ["sink", "outcome"], **options)
        self._errors = Counter("xherald_errors", "Errors from which the daemon recovered", ["kind"], **options)
        self._notices = Counter("xherald_notices", "Notices of new data", ["outcome"], **options)
        self._latency = Histogram(
            "xherald_latency_seconds",
            "Time from first sight of a file to its results",
            buckets=LATENCY_BUCKETS_S,
            **options,
        )
        self._queue = Gauge("xherald_queue_drops", "Drops in each state", ["state"], **options)
        self._queue_age = Gauge("xherald_queue_age_seconds", "Age of the oldest unprocessed drop", **options)
        self._memory = Gauge("xherald_resident_bytes", "Resident memory of the daemon and its workers", **options)
        self._drift_p_value = Gauge("xherald_drift_p_value", "p-value of the last drift check", ["group"], **options)
        self._drift_alarm = Gauge("xherald_drift_alarm", "Groups of detections with a drift alarm", **options)
        self._failures = Counter("xherald_plugin_failures", "Failures of plugins in use", ["kind", "plugin"], **options)
        self._failure_counts: dict[tuple[str, str], int] = {}
        self._drift_alarms: tuple[str, ...] = ()
        self._heartbeat = time.monotonic()
        self._problem: str | None = None

    def count_poll(self, source: str, seen: int, stable: int, quarantined: int) -> None:
        """Count the drops of a poll."""
        self._seen.labels(source).inc(seen)
        self._stable.labels(source).inc(stable)
        self._quarantined.labels("incomplete").inc(quarantined)

    def count_processed(self, detections: int, candidates: int, latency_s: float) -> None:
        """Count a processed drop."""
        self._processed.inc()
        self._detections.inc(detections)
        self._candidates.inc(candidates)
        self._latency.observe(latency_s)

    def count_quarantined(self, kind: str) -> None:
        """Count a quarantined drop."""
        self._quarantined.labels(kind).inc()

    def count_alert(self, sink: str, outcome: str) -> None:
        """Count an alert passed to a sink."""
        self._alerts.labels(sink, outcome).inc()

    def count_error(self, kind: str) -> None:
        """Count an error."""
        self._errors.labels(kind).inc()

    def count_plugin_failure(self, kind: str, plugin: str, times: int = 1) -> None:
        """Count failures of a plugin, in the daemon or a worker."""
        self._failures.labels(kind, plugin).inc(times)
        self._failure_counts[kind, plugin] = self._failure_counts.get((kind, plugin), 0) + times

    def count_notice(self, outcome: str) -> None:
        """Count a notice of new data."""
        self._notices.labels(outcome).inc()

    def set_queue(self, states: Mapping[str, int], age_s: float, resident_bytes: float) -> None:
        """Set the length and age of the queue, and the resident memory."""
        for state, number in states.items():
            self._queue.labels(state).set(number)
        self._queue_age.set(age_s)
        self._memory.set(resident_bytes)

    def set_drift(self, p_values: Mapping[str, float], alarms: Sequence[str]) -> None:
        """Set the result of the drift check: p-values by group, and descriptions of alarms."""
        self._drift_p_value.clear()
        for group, p_value in p_values.items():
            self._drift_p_value.labels(group).set(p_value)
        self._drift_alarm.set(len(alarms))
        self._drift_alarms = tuple(alarms)

    def set_heartbeat(self, problem: str | None = None) -> None:
        """Record that the main loop runs, with the present problem, if any."""
        self._heartbeat, self._problem = time.monotonic(), problem

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether the daemon is healthy, and a report; drift alarms are reported but do not make it unhealthy."""
        elapsed = time.monotonic() - self._heartbeat
        failures = [
            {"kind": kind, "name": name, "times": times} for (kind, name), times in self._failure_counts.items()
        ]
        problem = (
            f"its main loop has been stuck for {elapsed:.0f} s" if elapsed > HEARTBEAT_TIMEOUT_S else self._problem
        )
        return problem is None, {
            "healthy": problem is None,
            "problem": problem,
            "seconds_since_heartbeat": round(elapsed, 1),
            "drift_alarms": list(self._drift_alarms),
            "plugin_failures": failures,
        }


class MetricsServer:
    """Serves metrics on a port of localhost until closed.

    Parameters
    ----------
    metrics : Metrics
    port : int
        0 for any free one; see attribute `port`.

    Raises
    ------
    ConfigError
        The port is in use.
    """

    def __init__(self, metrics: Metrics, port: int) -> None:
        handler = _make_handler(lambda: generate_latest(metrics.registry), metrics.health)
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as fault:
            raise ConfigError(
                f"daemon.metrics_port = {port}: {fault.strerror or fault}; choose another port, or 0 for none"
            ) from fault
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="xherald-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop serving and release the port."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _make_handler(
    metrics: Callable[[], bytes], health: Callable[[], tuple[bool, dict[str, Any]]]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._respond(200, metrics(), "text/plain; version=0.0.4; charset=utf-8")
            elif self.path == "/health":
                is_healthy, report = health()
                self._respond(200 if is_healthy else 503, (json.dumps(report) + "\n").encode(), "application/json")
            else:
                self._respond(404, b"not found; use /metrics or /health\n", "text/plain")

        def _respond(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - name given by the base class
            """Do not log requests."""

    return Handler
