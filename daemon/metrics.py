"""What the daemon tells of itself on localhost: numbers for Prometheus at ``/metrics``, and ``/health``."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from xherald.photons.errors import ConfigError

__all__ = ["Metrics", "Served"]

LATENCIES: Final = (0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1800, 7200)
STALE_S: Final = 60.0
"""A daemon whose loop has not come round for so long is not well."""


class Metrics:
    """Numbers of one daemon, in a registry of its own."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        add: dict[str, Any] = {"registry": self.registry}
        self._seen = Counter("xherald_drops_seen", "Files that a source listed and that are drops", ["source"], **add)
        self._stable = Counter("xherald_drops_stable", "Drops found whole", ["source"], **add)
        self._done = Counter("xherald_drops_processed", "Drops whose results are kept", **add)
        self._aside = Counter("xherald_drops_quarantined", "Drops set aside", ["kind"], **add)
        self._sources = Counter("xherald_detections", "Sources tested", **add)
        self._candidates = Counter("xherald_candidates", "Candidates kept", **add)
        self._alerts = Counter("xherald_alerts", "What became of alerts handed to sinks", ["sink", "what"], **add)
        self._errors = Counter("xherald_errors", "What went wrong and was survived", ["kind"], **add)
        self._notices = Counter("xherald_notices", "Notices of new data, by what became of them", ["what"], **add)
        self._latency = Histogram(
            "xherald_latency_seconds", "From first sight of a file to its results", buckets=LATENCIES, **add
        )
        self._queue = Gauge("xherald_queue_drops", "Drops by state", ["state"], **add)
        self._age = Gauge("xherald_queue_age_seconds", "Age of the drop that has waited longest", **add)
        self._memory = Gauge("xherald_resident_bytes", "Resident memory of the daemon and its workers", **add)
        self._drift_p = Gauge("xherald_drift_p_value", "Chance of what the drift watch found", ["group"], **add)
        self._drift_alarm = Gauge("xherald_drift_alarm", "Groups of detections that give drift alarm", **add)
        self._broke = Counter("xherald_plugin_failures", "Plugins that broke in use", ["kind", "plugin"], **add)
        self._broken: dict[tuple[str, str], int] = {}
        self._drifting: tuple[str, ...] = ()
        self._heartbeat = time.monotonic()
        self._trouble: str | None = None

    def looked(self, source: str, seen: int, stable: int, quarantined: int) -> None:
        """A source was looked through."""
        self._seen.labels(source).inc(seen)
        self._stable.labels(source).inc(stable)
        self._aside.labels("not whole").inc(quarantined)

    def processed(self, sources: int, candidates: int, latency_s: float) -> None:
        """A drop was finished."""
        self._done.inc()
        self._sources.inc(sources)
        self._candidates.inc(candidates)
        self._latency.observe(latency_s)

    def quarantined(self, kind: str) -> None:
        """A drop was set aside."""
        self._aside.labels(kind).inc()

    def alert(self, sink: str, what: str) -> None:
        """An alert was handed to a sink."""
        self._alerts.labels(sink, what).inc()

    def error(self, kind: str) -> None:
        """Something went wrong."""
        self._errors.labels(kind).inc()

    def broke(self, kind: str, plugin: str, times: int = 1) -> None:
        """A plugin broke in use, here or in a worker."""
        self._broke.labels(kind, plugin).inc(times)
        self._broken[kind, plugin] = self._broken.get((kind, plugin), 0) + times

    def notice(self, what: str) -> None:
        """A notice of new data was read."""
        self._notices.labels(what).inc()

    def queue(self, states: dict[str, int], age_s: float, resident_bytes: float) -> None:
        """How the queue and the memory stand."""
        for state, number in states.items():
            self._queue.labels(state).set(number)
        self._age.set(age_s)
        self._memory.set(resident_bytes)

    def drift(self, chances: Mapping[str, float], alarms: Sequence[str]) -> None:
        """What the drift watch found: chances by group, and in words whatever gives alarm."""
        self._drift_p.clear()
        for group, chance in chances.items():
            self._drift_p.labels(group).set(chance)
        self._drift_alarm.set(len(alarms))
        self._drifting = tuple(alarms)

    def beat(self, trouble: str | None = None) -> None:
        """The loop came round, with trouble or without."""
        self._heartbeat, self._trouble = time.monotonic(), trouble

    def health(self) -> tuple[bool, dict[str, Any]]:
        """Whether the daemon is well, and why not; drift is told, and no trouble of the daemon's own."""
        silent = time.monotonic() - self._heartbeat
        plugins = [{"kind": kind, "name": name, "times": times} for (kind, name), times in self._broken.items()]
        trouble = f"its loop has stood still for {silent:.0f} s" if silent > STALE_S else self._trouble
        told = {"well": trouble is None, "trouble": trouble, "seconds_since_beat": round(silent, 1)}
        return trouble is None, told | {"drift": list(self._drifting), "plugins": plugins}


class Served:
    """Metrics on a port of localhost, for as long as this is open.

    Parameters
    ----------
    metrics : Metrics
    port : int
        0 takes any free one, told by `port`.

    Raises
    ------
    ConfigError
        The port is taken.
    """

    def __init__(self, metrics: Metrics, port: int) -> None:
        handler = _handler(lambda: generate_latest(metrics.registry), metrics.health)
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        except OSError as fault:
            raise ConfigError(
                f"daemon.metrics_port = {port}: {fault.strerror or fault}; name another, or 0 for none"
            ) from fault
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, name="xherald-metrics", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Give the port back."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(
    numbers: Callable[[], bytes], health: Callable[[], tuple[bool, dict[str, Any]]]
) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/metrics":
                self._answer(200, numbers(), "text/plain; version=0.0.4; charset=utf-8")
            elif self.path == "/health":
                well, told = health()
                self._answer(200 if well else 503, (json.dumps(told) + "\n").encode(), "application/json")
            else:
                self._answer(404, b"there are /metrics and /health\n", "text/plain")

        def _answer(self, code: int, body: bytes, kind: str) -> None:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            """Requests are nobody's business."""

    return Handler
