"""Daily budget of a sink: when days begin, and how much of the budget may be used at a time.

Half of a day's budget is available at once, so that nothing waits on a quiet day; the rest becomes available evenly
over the day, so that many candidates in the morning leave room for later ones. Waiting candidates are sent in the order
of their false-alarm rates.
"""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Final

__all__ = ["DAY", "available_budget", "day_start", "next_available"]

DAY: Final = timedelta(days=1)


def day_start(now: datetime, hour_utc: int) -> datetime:
    """Start of the budget day that contains `now`."""
    start = now.astimezone(UTC).replace(hour=hour_utc, minute=0, second=0, microsecond=0)
    return start if start <= now else start - DAY


def available_budget(per_day: int, now: datetime, start: datetime) -> int:
    """Number of alerts that may have been sent by now: half of the budget at first, all before the day ends."""
    later = per_day // 2
    share = min(max((now - start) / DAY, 0.0), 1.0)
    return per_day - later + min(later, math.floor(share * (later + 1)))


def next_available(per_day: int, now: datetime, start: datetime) -> datetime:
    """When one more alert may be sent, at the latest the end of the day."""
    later = per_day // 2
    released = available_budget(per_day, now, start) - (per_day - later)
    if released >= later:
        return start + DAY
    # One microsecond later, against rounding.
    return start + DAY * ((released + 1) / (later + 1)) + timedelta(microseconds=1)
