"""Chances, rates and measurements in the words that a duty scientist reads, alike in tables, panels and sheets."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from xherald.detector.results.json_columns import Value68

    from .evidence import Evidence

__all__ = [
    "UNKNOWN",
    "format_false_alarms",
    "format_name",
    "format_rate",
    "headline",
    "length",
    "measured",
    "one_in",
    "per_day",
    "percent",
    "warnings",
]

UNKNOWN: Final = "–"

DAYS_A_YEAR: Final = 365.25

BEYOND_DOUBT: Final = 1e9
"""Odds beyond which more digits tell nobody more; JSON and tables hold the number."""

LONG_YEARS: Final = 1e6
"""The same for waiting times."""


LEAST_HZ: Final = 1e-15
"""The same for rates: once in thirty million years. What lies below is an extrapolated tail's, not measured."""


def format_rate(far_hz: float | None) -> str:
    """A false-alarm rate as "FAR 2.3e-08 Hz"; below `LEAST_HZ` it is not told how far."""
    if far_hz is None:
        return f"FAR {UNKNOWN}"
    return f"FAR {far_hz:.2g} Hz" if far_hz >= LEAST_HZ else f"FAR below {LEAST_HZ:.0e} Hz"


def one_in(probability: float | None) -> str:
    """A probability as "1 in 12,000", two digits of it; below one in 1e9 it is not told how far."""
    if probability is None:
        return UNKNOWN
    odds = 1.0 / probability if probability > 0 else math.inf
    if odds < 9.5:
        return f"1 in {odds:.2g}"
    if odds >= BEYOND_DOUBT:
        return "<1 in 1e9"
    step = 10 ** (math.floor(math.log10(odds)) - 1)
    return f"1 in {round(odds / step) * step:,.0f}"


def per_day(rate: float | None) -> str:
    """A rate a day as "3.2 per day", or where that is rare "0.02 per day, one in 50 days"."""
    if rate is None:
        return UNKNOWN
    if rate * LONG_YEARS * DAYS_A_YEAR < 1:
        return "less than once in a million years"
    told = f"{rate:,.0f} per day" if rate >= 100 else f"{rate:.2g} per day" if rate >= 1e-3 else f"{rate:.1e} per day"
    if rate >= 0.5:
        return told
    days = 1.0 / rate
    often = f"{_two_digits(days)} days" if days < 2 * DAYS_A_YEAR else f"{_two_digits(days / DAYS_A_YEAR)} years"
    return f"{told}, one in {often}"


def _two_digits(value: float) -> str:
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    whole = round(value / step) * step
    return f"{whole:,.0f}" if step >= 1 else f"{whole:.2g}"


def measured(value: Value68 | None, unit: str = "", sign: str = "") -> str:
    """A value with its limits, as many digits as they warrant: "34 +6.9 −5.8 ct"; one number where they agree."""
    if value is None:
        return UNKNOWN
    number, low, high = value["value"], value["low"], value["high"]
    if low is None or high is None:
        return f"{number:{sign}.3g}{unit and ' ' + unit}"
    up, down = max(high - number, 0.0), max(number - low, 0.0)
    least = min(part for part in (up, down, math.inf) if part > 0)
    digits = 0 if math.isinf(least) else max(1 - math.floor(math.log10(least)), 0)
    if digits > 6:
        return f"{number:{sign}.3g} +{up:.2g} −{down:.2g}{unit and ' ' + unit}"
    plus, minus = f"{up:,.{digits}f}", f"{down:,.{digits}f}"
    limits = f"±{plus}" if plus == minus else f"+{plus} −{minus}"
    told = f"{number:{sign},.{digits}f}".replace("-", "−")
    return f"{told} {limits}{unit and ' ' + unit}"


def length(seconds: float) -> str:
    """A stretch of time, s, to four digits or the whole second."""
    return f"{seconds:,.0f} s" if seconds >= 1e3 else f"{seconds:.4g} s"


def percent(chance: float | None) -> str:
    """A probability in per cent; what is nearly certain is not called certain."""
    if chance is None:
        return UNKNOWN
    return ">99.9 %" if chance > 0.999 else "<0.1 %" if chance < 0.001 else f"{100 * chance:.3g} %"


def format_name(evidence: Evidence) -> str:
    """Mission, instrument, observation and detection on one line."""
    parts = (evidence["mission"], evidence["instrument"], evidence["obs_id"], evidence["detection_id"])
    return " ".join(part for part in parts if part)


def headline(evidence: Evidence) -> str:
    """What it is, in capitals, with the class that it is most like."""
    likely = next(iter(evidence["class_probabilities"].items()), None)
    kind = evidence["kind"].upper()
    return kind if likely is None else f"{kind}   most like {likely[0].replace('_', ' ')} ({likely[1]:.0%})"


def format_false_alarms(evidence: Evidence) -> str:
    """How often chance does that: "1 in 12,000 sources by chance; 0.02 per day, one in 50 days"."""
    chance = evidence["false_alarm"]
    if chance["probability"] is None:
        return "not testable"
    told = f"chance does that to {one_in(chance['probability'])} sources"
    return told if chance["per_day"] is None else f"{told}; {per_day(chance['per_day'])}"


def warnings(evidence: Evidence) -> list[str]:
    """All flags, those that reject first, with the numbers behind them."""
    vetoes = [
        f"{one['veto'].replace('_', ' ')}{' (rejects)' if one['rejects'] else ''}: {one['reason']}"
        for one in evidence["vetoes"]
    ]
    return vetoes + [flag.replace("_", " ") for flag in evidence["flags"]]
