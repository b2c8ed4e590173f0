"""How many alerts a day a sink is sent, and which: days, what of the budget is open by now, the order of precedence.

Half of a day's budget is open at once, so that on a quiet day nothing waits; the rest opens bit by bit, so that a
flood in the morning leaves something for what comes at night. Whatever waits stands in order of its false-alarm rate.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["DAY", "day_start", "next_opening", "open_budget"]

DAY: Final = timedelta(days=1)


def day_start(now: datetime, hour_utc: int) -> datetime:
    """When the day of budgets that `now` is in began."""
    start = now.astimezone(UTC).replace(hour=hour_utc, minute=0, second=0, microsecond=0)
    return start if start <= now else start - DAY


def open_budget(per_day: int, now: datetime, start: datetime) -> int:
    """How many of a day's alerts may have been sent by now: half at first, all of them before the day ends."""
    later = per_day // 2
    share = min(max((now - start) / DAY, 0.0), 1.0)
    return per_day - later + min(later, math.floor(share * (later + 1)))


def next_opening(per_day: int, now: datetime, start: datetime) -> datetime:
    """When the next one of a day's alerts may be sent, or else the day's end."""
    later = per_day // 2
    opened = open_budget(per_day, now, start) - (per_day - later)
    if opened >= later:
        return start + DAY
    # A microsecond later, lest rounding keep it shut.
    return start + DAY * ((opened + 1) / (later + 1)) + timedelta(microseconds=1)
