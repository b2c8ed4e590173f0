"""The daemon's log on standard error, one event per line: JSON for machines, or pretty for people."""

from __future__ import annotations

import sys
from typing import Any, Literal, Protocol, TextIO

__all__ = ["Log", "SilentLog", "make_log"]


class Log(Protocol):
    """A log of events with their properties."""

    def info(self, event: str, **properties: Any) -> Any:
        """Log normal operation."""

    def warning(self, event: str, **properties: Any) -> Any:
        """Log a problem from which the daemon recovers."""

    def error(self, event: str, **properties: Any) -> Any:
        """Log a problem that needs attention."""


class SilentLog:
    """A log that discards all events."""

    def info(self, event: str, **properties: Any) -> None:
        """Discard the event."""

    def warning(self, event: str, **properties: Any) -> None:
        """Discard the event."""

    def error(self, event: str, **properties: Any) -> None:
        """Discard the event."""


def make_log(log_format: Literal["pretty", "json"], stream: TextIO | None = None, *, quiet: bool = False) -> Log:
    """Make a log.

    Parameters
    ----------
    log_format : {"pretty", "json"}
    stream : file, optional
        Standard error by default.
    quiet : bool
        Whether to log warnings and errors only.
    """
    import structlog

    target = stream or sys.stderr
    renderer: Any = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=target.isatty(), pad_event_to=14)
    )
    log: Log = structlog.wrap_logger(
        structlog.WriteLogger(target),
        processors=[
            _drop_unknown,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("warning" if quiet else "info"),
    )
    return log


def _drop_unknown(_logger: Any, _method: str, event: Any) -> Any:
    return {key: value for key, value in event.items() if value is not None}
