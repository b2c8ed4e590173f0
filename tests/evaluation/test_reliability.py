"""Reliability of stated false-alarm probabilities, classes and false-discovery fractions."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_samples import make_scored_sources

from xherald.evaluation import reliability
from xherald.evaluation.stream_replay import replay


def test_false_alarm_check_accepts_exact_and_rejects_underestimated_probabilities() -> None:
    scored = make_scored_sources(3.0, n=20_000)
    rows = reliability.false_alarms(scored)
    whole = [row for row in rows if row["by"] == "all"]
    assert [row["nominal"] for row in whole] == list(reliability.NOMINAL)
    assert all(row["holds"] for row in whole)
    underestimated = replace(scored, false_alarm_probability=scored.false_alarm_probability / 2)
    assert not any(
        row["holds"] for row in reliability.false_alarms(underestimated) if row["by"] == "all" and row["tells"]
    )


@given(st.integers(0, 200))
def test_poisson_interval_agrees_with_garwood(number: int) -> None:
    from scipy.stats import poisson

    low, high = reliability.poisson_interval(number)
    assert low <= number <= high
    assert poisson.cdf(number, high) == pytest.approx(0.1587, abs=1e-6)
    if number:
        assert poisson.sf(number - 1, low) == pytest.approx(0.1587, abs=1e-6)


def test_class_accuracy_counts_recovered_transients() -> None:
    scored = make_scored_sources(6.0)
    right = np.zeros((len(scored), 2))
    right[:, 0], right[:, 1] = scored.facts["label"] == "flat", scored.facts["label"] == "v_shaped"
    tables = reliability.confusion(replace(scored, class_probabilities=right))
    assert [one["accuracy"] for one in tables] == [1.0, 1.0]
    assert sum(one["recovered"] for one in tables) > 3000
    guessed = reliability.confusion(scored)
    assert all(abs(one["accuracy"] - 0.5) < 4 * np.sqrt(0.25 / one["recovered"]) for one in guessed)
    nameless = reliability.confusion(replace(scored, classes=("a", "b")))
    assert all(one["accuracy"] is None for one in nameless)


def test_replayed_stream_keeps_the_false_discovery_fraction() -> None:
    scored = make_scored_sources(6.0, n=20_000)
    row = replay(scored, 10_000, 10, np.random.default_rng(1))
    assert row["false_fraction"] <= row["level"] + 3 * row["error"]
    assert row["power"] > 0.5
    assert row["at"][-1] == 10_000
    underestimated = replace(scored, false_alarm_probability=scored.false_alarm_probability**2)
    assert replay(underestimated, 10_000, 5, np.random.default_rng(1))["false_fraction"] > 0.2
