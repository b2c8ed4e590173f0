"""Text of probabilities and rates: one floor, one form."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from xherald.photons.probabilities import (
    PROBABILITY_FLOOR,
    format_count_per_1000,
    format_count_rate,
    format_false_alarm_probability,
    format_percent,
    format_probability,
    format_rate,
    format_rate_hz,
    smallest_measured_probability,
)


@pytest.mark.parametrize(
    ("probability", "extrapolated", "text"),
    [
        (None, False, "–"),
        (1.0, False, "1"),
        (0.234, False, "0.23"),
        (0.00912, False, "0.0091"),
        (1.2345e-4, False, "1.2e-4"),
        (1e-5, False, "1e-5"),
        (1e-195, False, "< 1e-6"),
        (0.0, False, "< 1e-6"),
        (1e-4, True, "< 1e-4"),
        (1 / 10_001, True, "< 1e-4"),
        (1 / 16_001, True, "< 7e-5"),
        (1e-9, True, "< 1e-6"),
    ],
)
def test_probabilities_are_stated_down_to_the_floor(probability: float | None, extrapolated: bool, text: str) -> None:
    assert format_probability(probability, extrapolated=extrapolated) == text


@given(st.floats(0, 1), st.booleans())
def test_upper_limits_are_never_below_the_value(probability: float, extrapolated: bool) -> None:
    text = format_probability(probability, extrapolated=extrapolated)
    value = float(text.removeprefix("< "))
    assert value >= PROBABILITY_FLOOR
    assert value == pytest.approx(probability, rel=0.06) or (text.startswith("<") and value >= probability)


def test_null_sources_measure_no_less_than_one_in_their_number() -> None:
    assert smallest_measured_probability(9_999) == 1e-4
    assert smallest_measured_probability(10**9) == PROBABILITY_FLOOR


def test_rates_and_numbers_follow_the_probability() -> None:
    assert format_false_alarm_probability(1e-4, extrapolated=True) == "false-alarm probability < 1e-4 per source"
    assert format_false_alarm_probability(None) == "false-alarm probability unknown"
    assert format_count_per_1000(0.1, extrapolated=True) == "< 0.1"
    assert format_count_per_1000(500.0) == "500"
    assert format_rate_hz(2.34e-8) == "2.3e-8 Hz"
    assert format_rate(2.34e-7) == "2.3e-7 Hz (1 per 49 days)"
    assert format_rate(1e-6, extrapolated=True) == "< 1e-6 Hz (< 1 per 12 days)"
    assert format_rate(0.01) == "0.01 Hz"
    assert format_percent(0.9999) == "> 99.9 %"
    assert format_percent(0.991) == "99.1 %"
    assert format_count_rate(0.0311, 0.000796) == "0.031 ct/s net (background 0.0008 ct/s)"
