"""Alerts of every kind, and how tests send them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alert_servers import SECRET, evidence_of_a_flare

from xherald.daemon.alerts.payload import alert_of, trial_alert
from xherald.plugins import Options, PluginHost
from xherald.plugins.alerts import Alert, Facts, Receipt

HOST = PluginHost()
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def flare_alert(name: str = "XH-CHANDRA-ACIS-29128-110-7446eb-F", kind: Any = "initial", **changes: Any) -> Alert:
    """An alert of a flare; keyword arguments change its evidence."""
    return alert_of(evidence_of_a_flare(name, **changes), kind, "current", "drop", NOW)


def digest_alert() -> Alert:
    """A digest of two flares."""
    members = (flare_alert("a"), flare_alert("b"))
    return Alert("XH-DIGEST-1", "", "digest", "current", "2026-03-01T00:00:00.000Z", "2 more", members=members)


def minimal_alert() -> Alert:
    """An alert that has the required values only."""
    return Alert("x-initial", "x", "initial", "archival", "2026-03-01T00:00:00.000Z", "Dip", Facts(kind="dip"))


ALERT_EXAMPLES = [
    flare_alert(),
    flare_alert(kind="update"),
    flare_alert(kind="retraction"),
    trial_alert(NOW),
    digest_alert(),
    minimal_alert(),
]


def send(kind: str, alert: Alert, **options: Any) -> Receipt:
    """Send an alert by a sink of that kind with these options."""
    sink = HOST.alert_sinks[kind]
    return sink.send(alert, HOST.validate_options(sink, options))


def validate_options(kind: str, **options: Any) -> Options:
    """Validate options of a sink of that kind."""
    return HOST.validate_options(HOST.alert_sinks[kind], options)


def private_file(path: Path, text: str = SECRET, mode: int = 0o600) -> Path:
    """Write a file that only its owner may read, by default."""
    path.write_text(text + "\n")
    path.chmod(mode)
    return path
