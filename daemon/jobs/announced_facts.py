"""Whether the evidence of a candidate has changed since it was announced: `is_unchanged`, `is_worth_an_update`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

__all__ = ["is_unchanged", "is_worth_an_update"]

ROUNDING: Final = 0.01
"""Numbers that differ by less than this, relative to the larger one, are equal."""

MIN_TIME_SHIFT_S: Final = 0.1
"""Dates within this are equal."""

MIN_SHIFT_ERRORS: Final = 0.1
"""Positions within this many of their errors are equal."""

MIN_PROBABILITY_RATIO: Final = 0.01
"""A false-alarm probability that falls below this fraction of the announced one is news."""

MAX_ERROR_RATIO: Final = 0.5
"""So is a position error below this fraction of the announced one."""

TEXTS: Final = ("kind", "likely_class", "extrapolated")
NUMBERS: Final = (
    "pos_err_arcsec",
    "interval_livetime_s",
    "t90_s",
    "fluence_counts",
    "peak_rate_ct_s",
    "false_alarm_probability",
    "expected_false_alarms_per_1000",
)
DATES: Final = ("interval_start_utc", "interval_stop_utc")


def is_unchanged(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether what alerts state is the same within rounding: kind, class, position, interval, strength, probability."""
    return (
        all(old.get(name) == new.get(name) for name in TEXTS)
        and all(_is_same_number(old.get(name), new.get(name)) for name in NUMBERS)
        and all(_is_same_date(old.get(name), new.get(name)) for name in DATES)
        and _is_same_position(old, new)
        and _names(old, "vetoes") == _names(new, "vetoes")
        and sorted(old.get("flags") or ()) == sorted(new.get("flags") or ())
    )


def is_worth_an_update(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    """Whether a further detection of an event tells a reader something: its class, a better position, more certainty.

    Parameters
    ----------
    old, new : mapping
        Evidence as announced, and of all detections together.
    """
    if any(old.get(name) != new.get(name) for name in ("kind", "likely_class")):
        return True
    before, after = old.get("false_alarm_probability"), new.get("false_alarm_probability")
    if before is not None and after is not None and after < MIN_PROBABILITY_RATIO * before:
        return True
    error, new_error = old.get("pos_err_arcsec"), new.get("pos_err_arcsec")
    if error is None or new_error is None:
        return new_error is not None
    return bool(new_error < MAX_ERROR_RATIO * error or (new_error < error and _shift_arcsec(old, new) > error))


def _is_same_number(one: float | None, other: float | None) -> bool:
    if one is None or other is None:
        return one is other
    return math.isclose(one, other, rel_tol=ROUNDING)


def _is_same_date(one: str | None, other: str | None) -> bool:
    if one is None or other is None:
        return one is other
    shift = datetime.fromisoformat(one) - datetime.fromisoformat(other)
    return abs(shift.total_seconds()) <= MIN_TIME_SHIFT_S


def _is_same_position(old: Mapping[str, Any], new: Mapping[str, Any]) -> bool:
    if (old.get("ra_deg") is None) != (new.get("ra_deg") is None):
        return False
    return _shift_arcsec(old, new) <= max(MIN_SHIFT_ERRORS * (new.get("pos_err_arcsec") or 0.0), 1e-3)


def _shift_arcsec(old: Mapping[str, Any], new: Mapping[str, Any]) -> float:
    """Distance of two positions, arcsec; 0 where one is unknown."""
    from xherald.photons.projection import separation_deg

    places = [one.get(name) for one in (old, new) for name in ("ra_deg", "dec_deg")]
    return 0.0 if None in places else 3600.0 * float(separation_deg(*(float(v) for v in places if v is not None)))


def _names(evidence: Mapping[str, Any], key: str) -> list[str]:
    return sorted(str(one["veto"]) for one in evidence.get(key) or ())
