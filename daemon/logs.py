"""The daemon's log on standard error: one event a line, as JSON for machines or pretty for people."""

from __future__ import annotations

import sys
from typing import Any, Literal, Protocol, TextIO

__all__ = ["Log", "SilentLog", "make_log"]


class Log(Protocol):
    """Takes events with what belongs to them."""

    def info(self, event: str, **facts: Any) -> Any:
        """Something was done."""

    def warning(self, event: str, **facts: Any) -> Any:
        """Something was in the way, and was survived."""

    def error(self, event: str, **facts: Any) -> Any:
        """Something is wrong that somebody should look at."""


class SilentLog:
    """Takes events and says nothing."""

    def info(self, event: str, **facts: Any) -> None:
        """Nothing is said."""

    def warning(self, event: str, **facts: Any) -> None:
        """Nothing is said."""

    def error(self, event: str, **facts: Any) -> None:
        """Nothing is said."""


def make_log(form: Literal["pretty", "json"], stream: TextIO | None = None, *, quiet: bool = False) -> Log:
    """A log that writes to a stream, standard error if none is given; if quiet, warnings and errors only."""
    import structlog

    target = stream or sys.stderr
    last: Any = (
        structlog.processors.JSONRenderer()
        if form == "json"
        else structlog.dev.ConsoleRenderer(colors=target.isatty(), pad_event_to=14)
    )
    log: Log = structlog.wrap_logger(
        structlog.WriteLogger(target),
        processors=[
            _without_unknown,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            last,
        ],
        wrapper_class=structlog.make_filtering_bound_logger("warning" if quiet else "info"),
    )
    return log


def _without_unknown(_logger: Any, _method: str, event: Any) -> Any:
    return {key: value for key, value in event.items() if value is not None}
