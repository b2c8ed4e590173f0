"""Times and lengths of time as people write them: `parse_since`, `parse_duration`, `parse_end`."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from xherald.photons.errors import ConfigError

__all__ = ["parse_duration", "parse_end", "parse_since"]

UNITS: Final = {
    "y": timedelta(days=365.25),
    "w": timedelta(weeks=1),
    "d": timedelta(days=1),
    "h": timedelta(hours=1),
    "m": timedelta(minutes=1),
}

EXAMPLES: Final = "1y, 30d, 36h, 90m"


def _parse_length(text: str) -> timedelta | None:
    """A length of time; None if the text is not one."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([ywdhm])", text.strip())
    if match is None:
        return None
    try:
        return float(match[1]) * UNITS[match[2]]
    except OverflowError:
        return timedelta.max


def _parse_date(text: str) -> datetime | None:
    """A date, UTC if it has no zone; None if the text is not one."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def parse_since(since: str | datetime | timedelta) -> datetime:
    """An instant out of a length of time before now, or a date.

    Raises
    ------
    ConfigError
        It is neither a length such as "2d", "36h" or "90m" nor a date.
    """
    if isinstance(since, datetime):
        return since if since.tzinfo else since.replace(tzinfo=UTC)
    length = since if isinstance(since, timedelta) else _parse_length(since)
    if length is not None:
        try:
            return datetime.now(UTC) - length
        except OverflowError:
            raise ConfigError(f"since: {str(since)!r} is too long ago") from None
    if (moment := _parse_date(str(since))) is None:
        raise ConfigError(f"since: {since!r} is neither a time such as 2d, 36h or 90m nor a date")
    return moment


def parse_duration(text: str | timedelta) -> timedelta:
    """A positive length of time.

    Raises
    ------
    ConfigError
        It is not a length such as "1y", "30d", "36h" or "90m", or not positive.
    """
    length = text if isinstance(text, timedelta) else _parse_length(text)
    if length is None:
        raise ConfigError(f"{text!r} is not a length of time such as {EXAMPLES}")
    if length <= timedelta(0):
        raise ConfigError(f"{str(text)!r}: the length of time must be positive")
    return length


def parse_end(until: str | datetime | None, duration: str | timedelta | None, now: datetime | None = None) -> datetime:
    """An instant in the future, from a date or a length of time from now; one of them must be given.

    Raises
    ------
    ConfigError
        Neither or both are given, one cannot be used, or the instant has passed.
    """
    if (until is None) == (duration is None):
        raise ConfigError("say when it ends: until a date such as 2027-03-01, or for a length of time such as 1y")
    start = datetime.now(UTC) if now is None else now
    if duration is not None:
        try:
            return start + parse_duration(duration)
        except OverflowError:
            raise ConfigError(f"{str(duration)!r} is too long") from None
    moment = until if isinstance(until, datetime) else _parse_date(str(until))
    if moment is None:
        raise ConfigError(f"until: {until!r} is not a date such as 2027-03-01")
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if moment <= start:
        raise ConfigError(f"until: {moment:%Y-%m-%d %H:%M} has passed already")
    return moment
