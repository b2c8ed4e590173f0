"""Efficiencies at a false-positive rate and their errors."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scored_samples import find_row, make_scored_sources

from xherald.evaluation import metrics
from xherald.evaluation.method_scores import DETECTOR


def test_thresholds_allow_the_stated_number_of_steady_sources() -> None:
    scored = make_scored_sources(3.0)
    counts, null = scored.facts["counts"], scored.of_kind("steady")
    number, of = metrics.exceeding(scored.scores["flare"][DETECTOR], counts, null)
    for low, high in zip(metrics.COUNTS[:-1], metrics.COUNTS[1:], strict=True):
        inside = null & (counts >= low) & (counts < high)
        for rate in metrics.RATES:
            assert (number[inside] <= np.floor(rate * inside.sum())).sum() == np.floor(rate * inside.sum())
        assert (of[inside] == inside.sum()).all()


def test_efficiency_of_a_normal_score_agrees_with_theory() -> None:
    from scipy.stats import norm

    rows = metrics.efficiencies(make_scored_sources(3.0))
    row = find_row(rows, direction="flare", rate=0.01, group="all", counts=[10, 501], method=DETECTOR)
    true = norm.sf(norm.isf(0.01) - 3.0)
    assert abs(row["efficiency"] - true) < 4 * (row["threshold_error"] + row["high"] - row["low"])
    assert row["low"] < row["efficiency"] < row["high"]
    scan = find_row(rows, direction="flare", rate=0.01, group="all", counts=[10, 501], method="flare_scan")
    assert scan["difference"] == pytest.approx(scan["efficiency"] - row["efficiency"])
    assert scan["difference"] < -5 * scan["difference_error"]


def test_efficiency_without_steady_sources_is_zero() -> None:
    scored = make_scored_sources(6.0)
    null = scored.of_kind("steady")
    counts = np.where(null, 15, scored.facts["counts"])
    blind = replace(scored, facts={**scored.facts, "counts": counts})
    rows = metrics.efficiencies(blind)
    row = find_row(rows, direction="flare", rate=0.01, group="all", counts=[200, 501], method=DETECTOR)
    assert (row["events"] > 100, row["found"], row["steady"]) == (True, 0, 0)
    curves = metrics.roc(blind)
    assert find_row(curves, direction="flare", method=DETECTOR)["efficiency"][-1] == 1.0


def test_ties_and_missing_scores_are_not_found() -> None:
    counts, null = np.full(300, 15), np.arange(300) < 200
    number, of = metrics.exceeding(np.zeros(300), counts, null)
    assert (number == 200).all()
    assert (of == 200).all()
    unscored = metrics.exceeding(np.where(null, 0.0, np.nan), counts, null)[0]
    assert (unscored[~null] == 200).all()


@given(st.integers(1, 500), st.data())
def test_wilson_interval_contains_the_fraction(of: int, data: st.DataObject) -> None:
    found = data.draw(st.integers(0, of))
    low, high = metrics.wilson(found, of)
    assert 0 <= low <= found / of <= high <= 1
    # At its ends, the observed fraction deviates from the true one by one standard deviation.
    for end in (low, high):
        if 0 < end < 1 and 0 < found < of:
            assert abs(found / of - end) == pytest.approx(np.sqrt(end * (1 - end) / of), rel=1e-6)


def test_paired_difference_scatters_by_its_error() -> None:
    rng = np.random.default_rng(4)
    changes, errors = [], []
    for _ in range(500):
        hard = rng.random(400)
        first, second = hard < 0.6, hard < np.where(rng.random(400) < 0.1, rng.random(400), 0.55)
        change, error = metrics.difference(first, second)
        changes.append(change)
        errors.append(error)
    assert np.std(changes) == pytest.approx(np.mean(errors), rel=0.15)
