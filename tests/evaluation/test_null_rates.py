"""Rates of steady sources under stress, as `xherald evaluate --nulls` measures them."""

from __future__ import annotations

import json

import numpy as np
import pytest

from xherald.detector.configuration.configuration import load_configuration
from xherald.evaluation.null_rates import (
    LEVELS,
    NullRate,
    calibrated_instruments,
    make_null_report,
    null_tables,
    total_rates,
)
from xherald.evaluation.null_skies import SKIES, draw_sky


def test_every_sky_has_photons_within_its_exposure_and_counts() -> None:
    for name, sky in SKIES.items():
        batch = draw_sky(sky, 40, np.random.default_rng(1))  # refuses photons outside the good times
        low, high = sky.counts
        assert 0.3 * low < np.median(batch.counts) < 1.5 * high, name
        assert (batch.area_ratio > 0).all() == (sky.region > 0), name


def test_report_states_measured_over_stated_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("xherald.evaluation.null_skies.SKIES", {"quiet": SKIES["quiet"]})
    configuration = load_configuration()
    instruments = calibrated_instruments(configuration)
    report = make_null_report(100 * len(instruments), 2, configuration, lambda _: None)
    json.dumps(report, allow_nan=False)
    assert [one["instrument"] for one in report["rates"]] == [str(one) for one in instruments]
    (sky,) = total_rates(report, "sky")
    assert sky.sources + sky.untested == 100 * len(instruments)
    assert list(sky.found) == sorted(sky.found, reverse=True)
    by_sky, by_instrument = (table for _, table in null_tables(report))
    assert [len(rows) for _, rows in (by_sky, by_instrument)] == [1, len(instruments)]
    assert all(len(row) == len(head) == 4 + len(LEVELS) for head, rows in (by_sky, by_instrument) for row in rows)


def test_ratio_has_the_binomial_error_of_the_stated_rate() -> None:
    value, error = NullRate("quiet", "all", 10_000, 0, (1_000, 120, 5), 4, 9).ratio(1)
    assert value == pytest.approx(1.2)
    assert error == pytest.approx(np.sqrt(0.99 / (0.01 * 10_000)))


@pytest.mark.prove
@pytest.mark.timeout(14_400)
def test_stated_rates_hold_under_every_stress() -> None:
    """20,000 steady sources of each kind: within 20 % at 1 % and 50 % at 0.1 %, but for regions up to the aperture.

    Rates under a flaring background with a region no larger than the aperture miss the goal, since such a region says
    little about it (docs/false-alarm-rates.md). They are only bounded here.
    """
    report = make_null_report(20_000, 1, load_configuration(), lambda _: None)
    for rate in total_rates(report, "sky"):
        sky = SKIES[rate.sky]
        if not sky.knows_good_times:
            assert rate.candidates == 0
            continue
        is_missed = sky.profile is not None and sky.region <= 1.0
        for level, tolerance in ((1, 0.2), (2, 0.5)):
            value, error = rate.ratio(level)
            assert value < (6.0 if is_missed else 1.0 + tolerance) + 2 * error, rate
