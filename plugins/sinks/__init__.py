"""Built-in alert sinks, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from ..alerts import AlertSink
from ..hookspecs import hookimpl
from .kafka import KafkaSink
from .lines import JsonLinesSink
from .mail import MailSink
from .output import StandardOutputSink
from .packets import VOEventSink
from .webhook import WebhookSink

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
