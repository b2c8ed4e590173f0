"""Built-in alert sinks, registered by the same hook as those of other packages."""

from __future__ import annotations

from collections.abc import Callable

from xherald.plugins.alerts import AlertSink
from xherald.plugins.hookspecs import hookimpl

from .jsonl_sink import JsonLinesSink
from .kafka_sink import KafkaSink
from .mail_sink import MailSink
from .stdout_sink import StandardOutputSink
from .voevent_sink import VOEventSink
from .webhook_sink import WebhookSink

__all__ = [
    "JsonLinesSink",
    "KafkaSink",
    "MailSink",
    "StandardOutputSink",
    "VOEventSink",
    "WebhookSink",
    "register_alert_sinks",
]


@hookimpl
def register_alert_sinks(register: Callable[[AlertSink], None]) -> None:
    """Register the built-in alert sinks."""
    for sink in (JsonLinesSink, StandardOutputSink, WebhookSink, MailSink, VOEventSink, KafkaSink):
        register(sink())
