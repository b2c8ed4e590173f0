"""Built-in alert sinks, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from ..alerts import AlertSink
from ..hookspecs import hookimpl

__all__ = ["register_alert_sinks"]


@hookimpl
def register_alert_sinks(register: Callable[[AlertSink], None]) -> None:
    """Register the built-in alert sinks."""
