"""The methods that are compared: the likelihood-ratio limit, the baselines, the detector used in tests."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom
from scored_samples import draw_sample

from xherald.evaluation import baselines
from xherald.evaluation.detector_under_test import averaged_detector
from xherald.evaluation.event_profiles import CELLS, DIPS, FLARES
from xherald.evaluation.timing_limit import oracle_scores
from xherald.photons import EventBatch, unweighted
from xherald.photons.statistics import DIP, FLARE, assess


@pytest.mark.parametrize(("kind", "column"), [("flare", 0), ("dip", 1)])
def test_limit_score_is_the_log_odds_of_an_event(kind: str, column: int) -> None:
    """With equally many events and steady sources, a fraction 1 / (1 + e^−L) of those with log ratio L are events; only
    the true ratio has this property at every L.
    """
    steady, events = draw_sample("swift-xrt", "steady", 600), draw_sample("swift-xrt", kind, 600)
    ratio = np.concatenate([oracle_scores(one.batch, one.events)[column] for one in (steady, events)])
    event = np.repeat([False, True], 600)
    chance = 1 / (1 + np.exp(-ratio))
    for low, high in ((0, 0.1), (0.1, 0.3), (0.3, 0.5), (0.5, 0.9), (0.9, 1.01)):
        own = (chance >= low) & (chance < high)
        if own.sum() >= 20:
            error = np.sqrt((chance[own] * (1 - chance[own])).sum()) / own.sum()
            assert abs(event[own].mean() - chance[own].mean()) < 4 * error + 0.01


def test_event_profiles_are_densities() -> None:
    for one in FLARES:
        assert one.density.shape == (CELLS,)
        assert one.cumulative[-1] == pytest.approx(1.0)
        low, high = one.core
        assert np.interp([low, high], np.linspace(0, 1, CELLS + 1), one.cumulative) == pytest.approx([0.05, 0.95])
    assert all(one.density.max() <= 1 for one in DIPS)


def at_times(livetime_fractions: list[float]) -> EventBatch:
    """A source of 1,000 s without gaps with photons at these fractions of it."""
    template = draw_sample("chandra-acis-i", "steady").batch.select([0])
    n = len(livetime_fractions)
    return replace(
        template,
        time=np.sort(1000.0 * np.array(livetime_fractions)),
        energy=np.full(n, 1.0, dtype=np.float32),
        offsets=np.array([0, n]),
        gti=np.array([[0.0, 1000.0]]),
        gti_fraction=np.ones(1),
        gti_offsets=np.array([0, 1]),
        background_time=np.empty(0),
        background_energy=np.empty(0, dtype=np.float32),
        background_offsets=np.array([0, 0]),
        area_ratio=np.zeros(1),
        **unweighted(n, 1),
        frame_time=np.array([1e-3]),
    )


def test_halves_and_quarters_agree_with_the_paper() -> None:
    first_half = [0.01 * k for k in range(1, 13)] + [0.6, 0.9]
    middle = [0.3 + 0.02 * k for k in range(12)] + [0.1, 0.9]
    score = [float(baselines.halves_and_quarters(at_times(one))[0]) for one in (first_half, middle)]
    by_hand = [-np.log(2 * binom.cdf(fewer, 14, 0.5)) for fewer in (1, 2)]
    assert score == pytest.approx(by_hand)


def test_halves_and_quarters_score_of_a_flat_source_is_zero() -> None:
    flat = at_times([(k + 0.5) / 40 for k in range(40)])
    assert float(baselines.halves_and_quarters(flat)[0]) == pytest.approx(0.0)


def test_averaged_detector_finds_the_direction_of_events() -> None:
    for kind, code in (("flare", FLARE), ("dip", DIP)):
        batch = draw_sample("chandra-acis-i", kind).batch
        verdicts = averaged_detector(batch, assess(batch))
        sure = verdicts.false_alarm_probability < 1e-4
        assert (verdicts.direction[sure] == code).mean() > 0.9
        assert np.isfinite(verdicts.score_flare).all()
