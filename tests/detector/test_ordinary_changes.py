"""What ordinary sources do between exposures: the null hypothesis of new, vanished and strongly changed sources."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from xherald.detector.candidates.ordinary_changes import decline_probability, lag_days, ordinary_scatter
from xherald.photons.statistics.rates import ObservedCounts

MONTH, YEAR, TEN_YEARS = 30.0, 365.25, 3652.5


def draw_p_values(rng: np.random.Generator, n: int, days: float, background_error: float) -> np.ndarray:
    """P-values of ordinary sources that were detected in one exposure, and measured in one three times as long."""
    dex, share = np.array(ordinary_scatter(days)).T
    rate = rng.random(40 * n) ** (-1 / 1.2)  # N(> s) ~ s^-1.2, above 1
    scatter = rng.choice(dex, len(rate), p=share)
    backgrounds = np.array([[1.0], [3.0]]) * (1.0 + background_error * rng.normal(size=(2, len(rate))))
    means = np.array([[1.0], [3.0]]) * rate * 10 ** (scatter * rng.normal(size=(2, len(rate)))) + backgrounds
    counts = rng.poisson(means)
    return np.array(
        [
            decline_probability(
                ObservedCounts(int(bright), 1.0, 1e4, background_error),
                ObservedCounts(int(faint), 3.0, 3e4, 3 * background_error),
                ordinary_scatter(days),
            )
            for bright, faint in counts[:, counts[0] >= 8].T[:n]
        ]
    )


@pytest.mark.parametrize(("days", "background_error"), [(MONTH, 0.0), (TEN_YEARS, 0.1)])
def test_p_values_of_detected_sources_are_as_stated(days: float, background_error: float) -> None:
    p = draw_p_values(np.random.default_rng(8), 800, days, background_error)
    assert len(p) == 800
    for level in (0.01, 0.03, 0.1):
        error = np.sqrt(level / len(p))
        # Counts are discrete: somewhat fewer than stated, never more.
        assert 0.5 * level - 3 * error <= (p <= level).mean() <= level + 3 * error


def test_new_source_is_no_ordinary_change() -> None:
    # 40 counts where an exposure three times as long had none.
    bright, faint = ObservedCounts(40, 0.5, 1e4), ObservedCounts(1, 1.5, 3e4)
    month, year, ten_years = (
        decline_probability(bright, faint, ordinary_scatter(days)) for days in (MONTH, YEAR, 3652.5)
    )
    assert month < year < ten_years < 1e-3
    # A scatter of 0.15 dex alone does not make it.
    assert decline_probability(bright, faint, [(0.15, 1.0)]) < 1e-6
    # A source that has not changed.
    assert decline_probability(bright, ObservedCounts(115, 1.5, 3e4), ordinary_scatter(YEAR)) > 0.3
    # The other exposure is too short to tell.
    assert decline_probability(bright, ObservedCounts(0, 0.0, 300.0), ordinary_scatter(YEAR)) > 0.3


def test_chance_excess_of_the_background_is_no_new_source() -> None:
    # However deep the other exposure: 7 counts over 0.8 occur by chance in one of 10,000 places.
    deep = ObservedCounts(1000, 1000.0, 1e7)
    assert decline_probability(ObservedCounts(7, 0.8, 1e4), deep, ordinary_scatter(YEAR)) > 0.01
    assert decline_probability(ObservedCounts(20, 0.8, 1e4), deep, ordinary_scatter(YEAR)) < 1e-3


def test_background_errors_make_changes_less_significant() -> None:
    def probability(bright_error: float, faint_error: float) -> float:
        bright = ObservedCounts(60, 30.0, 1e4, bright_error)
        return decline_probability(bright, ObservedCounts(92, 90.0, 3e4, faint_error), ordinary_scatter(MONTH))

    assert probability(0.0, 0.0) < probability(6.0, 0.0) < probability(6.0, 18.0)


def test_scatter_grows_with_the_time_between_exposures() -> None:
    def rms(days: float) -> float:
        (dex, share), (broad, broad_share) = ordinary_scatter(days)
        assert share + broad_share == pytest.approx(1)
        assert broad == pytest.approx(2 * dex)
        return float(np.sqrt(np.expm1((dex * np.log(10)) ** 2)))

    # Maughan & Reiprich 2019: from 0.25 for tens of days to about 0.45 for ten years.
    assert 0.25 < rms(1.0) == rms(MONTH) < rms(YEAR) < rms(TEN_YEARS) == pytest.approx(0.45, abs=0.01)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    assert lag_days(start, [start - timedelta(days=3), start + timedelta(days=9)]) == 9
    assert lag_days(start, [start, None]) == lag_days(None, [start]) == TEN_YEARS
