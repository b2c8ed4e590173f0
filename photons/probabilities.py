"""Probabilities and rates as text, and the smallest probability that a number of null sources can measure.

Every surface that people read (tables, panels, plot sheets, alerts, mail) formats probabilities here, so that all of
them state the same value. A probability below the smallest one that was measured is stated as an upper limit.
"""

from __future__ import annotations

import math
from typing import Final

from xherald.photons.times import SECONDS_A_DAY

__all__ = [
    "PROBABILITY_FLOOR",
    "UNKNOWN",
    "format_count_per_1000",
    "format_count_rate",
    "format_false_alarm_probability",
    "format_percent",
    "format_probability",
    "format_rate",
    "format_rate_hz",
    "smallest_measured_probability",
]

PROBABILITY_FLOOR: Final = 1e-6
"""No probability below this is ever stated, whatever it was measured with."""

UNKNOWN: Final = "–"
"""Text in place of an unknown value."""

DAYS_PER_YEAR: Final = 365.25

SHORTEST_WAIT_DAYS: Final = 1.0
LONGEST_WAIT_DAYS: Final = 1e4 * DAYS_PER_YEAR
"""Mean times between false alarms outside this range are not added to a rate."""


def smallest_measured_probability(n_null_sources: int) -> float:
    """Smallest probability that so many null sources measure, 1 / (n + 1), but at least `PROBABILITY_FLOOR`.

    Below it, a calibration follows an exponential tail that no null source confirms.
    """
    return max(1.0 / (n_null_sources + 1.0), PROBABILITY_FLOOR)


def format_probability(probability: float | None, *, extrapolated: bool | None = False) -> str:
    """Format a probability as "0.032", "3.2e-5" or "< 1e-4".

    Parameters
    ----------
    probability : float or None
        None gives `UNKNOWN`.
    extrapolated : bool
        Whether the value is only an upper limit, because nothing smaller was measured.
    """
    if probability is None:
        return UNKNOWN
    if probability < PROBABILITY_FLOOR:
        probability, extrapolated = PROBABILITY_FLOOR, True
    return _upper_limit(probability) if extrapolated else _two_digits(probability)


def format_false_alarm_probability(probability: float | None, *, extrapolated: bool | None = False) -> str:
    """Format a false-alarm probability as "false-alarm probability < 1e-4 per source"."""
    if probability is None:
        return "false-alarm probability unknown"
    return f"false-alarm probability {format_probability(probability, extrapolated=extrapolated)} per source"


def format_count_per_1000(count: float | None, *, extrapolated: bool | None = False) -> str:
    """Format an expected number of false alarms per 1,000 sources as "0.32" or "< 0.1"."""
    if count is None:
        return UNKNOWN
    if count < 1e3 * PROBABILITY_FLOOR:
        count, extrapolated = 1e3 * PROBABILITY_FLOOR, True
    return _upper_limit(count) if extrapolated else _two_digits(count)


def format_rate_hz(rate_hz: float | None, *, extrapolated: bool | None = False) -> str:
    """Format a false-alarm rate as "2.3e-8 Hz" or "< 1e-6 Hz"."""
    if rate_hz is None:
        return UNKNOWN
    return f"{_upper_limit(rate_hz) if extrapolated else _two_digits(rate_hz)} Hz"


def format_rate(rate_hz: float | None, *, extrapolated: bool | None = False) -> str:
    """Format a false-alarm rate with the time between two false alarms: "2.3e-7 Hz (1 per 50 days)"."""
    text = format_rate_hz(rate_hz, extrapolated=extrapolated)
    if rate_hz is None or not SHORTEST_WAIT_DAYS < (days := _days_between(rate_hz)) < LONGEST_WAIT_DAYS:
        return text
    time = f"{_round_two_digits(days)} days" if days < 2 * DAYS_PER_YEAR else f"{_years(days)} years"
    return f"{text} ({'< ' if extrapolated else ''}1 per {time})"


def format_count_rate(net_ct_s: float | None, background_ct_s: float | None = None) -> str:
    """Format a count rate as "0.031 ct/s net (background 0.0008 ct/s)"."""
    if net_ct_s is None:
        return UNKNOWN
    background = "" if background_ct_s is None else f" (background {background_ct_s:.2g} ct/s)"
    return f"{net_ct_s:.2g} ct/s net{background}"


def format_percent(probability: float | None) -> str:
    """Format a probability in per cent as "98.1 %"; values next to 0 and 1 become "< 0.1 %" and "> 99.9 %"."""
    if probability is None:
        return UNKNOWN
    if probability > 0.999:
        return "> 99.9 %"
    return "< 0.1 %" if probability < 0.001 else f"{100 * probability:.3g} %"


def _upper_limit(value: float) -> str:
    """An upper limit with one digit, rounded up so that it stays one: "< 1e-4"."""
    if value <= 0:
        return f"< {_exponent_text(PROBABILITY_FLOOR)}"
    exponent = math.floor(math.log10(value))
    # The tiny amount keeps 1e-4 from becoming 2e-4 by rounding errors of the logarithm.
    digit = math.ceil(value / 10.0**exponent - 1e-9)
    return f"< {_exponent_text(digit * 10.0**exponent)}"


def _two_digits(value: float) -> str:
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value >= 0.01 or value == 0 else _exponent_text(value, 1)


def _exponent_text(value: float, decimals: int = 0) -> str:
    """Text such as "3.2e-5"; plain decimals from 0.001 on."""
    if value >= 1e-3:
        return f"{value:.2g}"
    mantissa, exponent = f"{value:.{decimals}e}".split("e")
    return f"{mantissa.removesuffix('.0')}e{int(exponent)}"


def _days_between(rate_hz: float) -> float:
    return 1.0 / (rate_hz * SECONDS_A_DAY) if rate_hz > 0 else math.inf


def _years(days: float) -> str:
    return _round_two_digits(days / DAYS_PER_YEAR)


def _round_two_digits(value: float) -> str:
    step = 10.0 ** (math.floor(math.log10(value)) - 1)
    rounded = round(value / step) * step
    return f"{rounded:,.0f}" if step >= 1 else f"{rounded:.2g}"
