"""Rates of steady sources under stress, as `xherald evaluate --nulls` measures them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from xherald.detector.configuration.configuration import load_configuration
from xherald.evaluation.null_rates import LEVELS, NullRate, make_null_report, null_table
from xherald.evaluation.null_skies import SKIES, draw_sky


def test_every_sky_has_photons_within_its_exposure_and_counts() -> None:
    for name, sky in SKIES.items():
        batch = draw_sky(sky, 40, np.random.default_rng(1))  # refuses photons outside the good times
        low, high = sky.counts
        assert 0.3 * low < np.median(batch.counts) < 1.5 * high, name
        assert (batch.area_ratio > 0).all() == (sky.region > 0), name


def test_report_states_measured_over_stated_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xherald.evaluation.null_skies.SKIES", {"quiet": SKIES["quiet"]})
    report = make_null_report(500, 2, load_configuration(), lambda _: None)
    json.dumps(report, allow_nan=False)
    (sky,) = report["skies"]
    assert sky["sources"] + sky["untested"] == 500
    assert list(sky["found"]) == sorted(sky["found"], reverse=True)
    head, rows = null_table(report)
    assert len(head) == len(rows[0]) == 4 + len(LEVELS)


def test_ratio_has_the_binomial_error_of_the_stated_rate() -> None:
    value, error = NullRate("quiet", 10_000, 0, (1_000, 120, 5), 4, 9).ratio(1)
    assert value == pytest.approx(1.2)
    assert error == pytest.approx(np.sqrt(0.99 / (0.01 * 10_000)))


@pytest.mark.prove
@pytest.mark.timeout(7200)
def test_stated_rates_hold_under_every_stress() -> None:
    """20,000 steady sources of each kind: within 20 % at 1 % and 50 % at 0.1 %, but for regions up to the aperture.

    Where the background flares and its region is no larger than the aperture, prior knowledge decides; those
    rates miss the goal, as docs/false-alarm-rates.md states, and are only bounded here.
    """
    report = make_null_report(20_000, 1, load_configuration(), lambda _: None)
    for one in report["skies"]:
        rate = NullRate(one["sky"], one["sources"], one["untested"], tuple(one["found"]), one["candidates"], one["own"])
        sky = SKIES[rate.sky]
        if not sky.knows_good_times:
            assert rate.candidates == 0
            continue
        is_missed = sky.profile is not None and sky.region <= 1.0
        for level, tolerance in ((1, 0.2), (2, 0.5)):
            value, error = rate.ratio(level)
            assert value < (6.0 if is_missed else 1.0 + tolerance) + 2 * error, rate
