"""Rates over known backgrounds: Kraft, Burrows & Nousek's intervals, ratios of two rates, and whether they are one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, special, stats

from xherald.photons.errors import PhotonError
from xherald.photons.statistics.rates import (
    ObservedCounts,
    rate_ratio,
    same_rate_probability,
    source_interval,
    source_quantile,
    upper_limit,
)

counts = st.integers(0, 200)
backgrounds = st.floats(0, 100)


def test_published_intervals() -> None:
    # Kraft, Burrows & Nousek 1991, tables 1 and 2, as far as other codes test themselves against them (astropy).
    low, high = source_interval([5, 98], [2.5, 3.8], np.array([0.99, 0.95]))
    assert low == pytest.approx([0.0, 76.04], abs=0.006)
    assert high == pytest.approx([10.67, 114.92], abs=0.006)
    low, high = source_interval([5, 6], [2.5, 2.0], np.array([0.99, 0.9]))
    assert low == pytest.approx([0.0, 0.81], abs=0.006)
    assert high == pytest.approx([10.67, 8.99], abs=0.006)


@given(st.floats(0, 1e4), st.floats(0.5, 0.999))
def test_upper_limit_of_zero_counts_does_not_depend_on_background(background: float, level: float) -> None:
    low, high = source_interval(0, background, level)
    assert float(low) == 0
    # A quantile of exp(-b), which has lost ten digits to b where b is large.
    assert float(high) == pytest.approx(-np.log1p(-level), rel=1e-5)
    assert float(upper_limit(0, background, level)) == pytest.approx(-np.log1p(-level), rel=1e-5)


@given(counts, st.floats(0.01, 0.99))
def test_posterior_without_background_is_gamma(n: int, chance: float) -> None:
    assert float(source_quantile(n, 0.0, chance)) == pytest.approx(stats.gamma(n + 1).ppf(chance), rel=1e-9)


@given(counts, backgrounds, st.sampled_from([0.6827, 0.9, 0.95, 0.99]))
def test_interval_has_its_probability_and_is_the_shortest(n: int, b: float, level: float) -> None:
    low, high = (float(end) for end in source_interval(n, b, level))

    def density(s: float) -> float:
        return float(np.exp(special.xlogy(n, s + b) - (s + b) - special.gammaln(n + 1)))

    # By steps, not by gamma functions: the posterior beyond 12 standard deviations is nothing.
    most = max(n - b, 0.0) + 12 * np.sqrt(n + 1) + 40
    middle = max(n - b, 0.0)
    whole = sum(integrate.quad(density, *ends, limit=200)[0] for ends in ((0, middle), (middle, most)))
    held = sum(integrate.quad(density, *ends)[0] for ends in ((low, max(low, middle)), (max(low, middle), high)))
    assert held / whole == pytest.approx(level, abs=2e-5)
    if low > 1e-6:
        assert density(low) == pytest.approx(density(high), rel=1e-5)
    else:
        assert density(0.0) >= density(high) * (1 - 1e-6)


def test_inconsistent_background_gives_an_upper_bound() -> None:
    # 3 counts where 800 are expected: the true posterior, by steps, lies below the limit told, and hardly so.
    s = np.linspace(0, 30, 300_001)
    density = np.exp(3 * np.log1p(s / 800) - s)
    held = np.cumsum(density) / density.sum()
    told = float(upper_limit(3, 800.0))
    true = float(s[np.searchsorted(held, 0.95)])
    assert true <= told + 1e-3
    assert told == pytest.approx(true, rel=1e-3)


def test_credible_intervals_are_calibrated_for_a_flat_prior() -> None:
    rng, draws = np.random.default_rng(20260101), 20_000
    source = rng.uniform(0, 60, draws)
    background = rng.uniform(0, 10, draws)
    seen = rng.poisson(source + background)
    for level in (0.6827, 0.95):
        low, high = source_interval(seen, background, level)
        # Rates beyond 60 never occur, so what lies near that end is covered a little less.
        inner = source < 40
        hit = ((low <= source) & (source <= high))[inner].mean()
        assert hit == pytest.approx(level, abs=4 * np.sqrt(level * (1 - level) / inner.sum()))


@pytest.mark.parametrize("background", [0.0, 0.5, 3.0, 20.0])
def test_upper_limits_cover_every_rate(background: float) -> None:
    n = np.arange(300)
    limits = upper_limit(n, background)
    for source in (0.1, 1.0, 3.0, 8.0, 30.0):
        chances = stats.poisson(source + background).pmf(n)
        assert chances[limits >= source].sum() >= 0.95 - 1e-9


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.1, 10))
def test_ratio_without_background_is_beta_distributed(one: int, other: int, times: float) -> None:
    chances = np.array([0.05, 0.16, 0.5, 0.84, 0.95])
    part = special.betaincinv(one + 1, other + 1, chances)
    exact = part / (1 - part) * times
    assert rate_ratio(ObservedCounts(one, 0.0, 1e4), ObservedCounts(other, 0.0, times * 1e4), chances) == pytest.approx(
        exact, rel=0.02
    )


def test_ratios_are_calibrated() -> None:
    rng, draws = np.random.default_rng(20260102), 400
    first, second = rng.uniform(0, 80, draws), rng.uniform(0, 80, draws)
    b = rng.uniform(0, 10, (2, draws))
    seen = rng.poisson(first + b[0]), rng.poisson(second + b[1])
    below = np.array(
        [
            rate_ratio(ObservedCounts(n, x, 1.0), ObservedCounts(m, y, 3.0), [0.15866, 0.5, 0.84134]) > 3 * s / t
            for n, m, x, y, s, t in zip(*(one.tolist() for one in (*seen, *b, first, second)), strict=True)
        ]
    ).mean(axis=0)
    assert below == pytest.approx([0.15866, 0.5, 0.84134], abs=4 * np.sqrt(0.25 / draws))


RATES = [(2, 6, 0.5, 1), (5, 5, 3, 3), (0.5, 0.5, 5, 5), (20, 10, 1, 1), (1, 20, 0.1, 2)]


@pytest.mark.parametrize(("one", "other", "b0", "b1"), RATES)
def test_equal_rates_have_calibrated_p_values(one: float, other: float, b0: float, b1: float) -> None:
    means = one + b0, other + b1
    sizes = [int(mean + 8 * np.sqrt(mean) + 8) for mean in means]
    chance = np.array(
        [
            [same_rate_probability(ObservedCounts(n, b0, one), ObservedCounts(m, b1, other)) for m in range(sizes[1])]
            for n in range(sizes[0])
        ]
    )
    weight = np.outer(*(stats.poisson(mean).pmf(np.arange(size)) for mean, size in zip(means, sizes, strict=True)))
    for level in (0.1, 0.01, 1e-3, 1e-5):
        assert weight[chance <= level].sum() <= 1.3 * level


def test_equal_rates_without_background_agree_with_binomial_test() -> None:
    for one, other, times in ((30, 3, 1.0), (12, 20, 3.0), (8, 0, 2.0), (200, 150, 1.0)):
        exact = stats.binomtest(one, one + other, 1 / (1 + times)).pvalue
        told = same_rate_probability(ObservedCounts(one, 0.0, 1e3), ObservedCounts(other, 0.0, times * 1e3))
        # The binomial test holds the sum of counts fixed: the same evidence, a little more cautious.
        assert exact / 5 < told < 2 * exact


@given(st.integers(0, 60), st.integers(0, 60), st.floats(0, 5), st.floats(0, 5), st.floats(0.01, 1e6))
def test_equal_rates_test_is_symmetric_and_unit_free(n: int, m: int, b: float, c: float, unit: float) -> None:
    one, other = ObservedCounts(n, b, 2.0), ObservedCounts(m, c, 5.0)
    told = same_rate_probability(one, other)
    assert 0 < told <= 1
    assert same_rate_probability(other, one) == pytest.approx(told, rel=1e-6)
    found = same_rate_probability(ObservedCounts(n, b, 2 * unit), ObservedCounts(m, c, 5 * unit))
    assert found == pytest.approx(told, rel=1e-6)


def test_large_counts_approach_wilks_theorem() -> None:
    told = same_rate_probability(ObservedCounts(4000, 20.0, 1e4), ObservedCounts(4300, 10.0, 1e4))
    gauss = 2 * stats.norm.sf((4300 - 10 - (4000 - 20)) / np.sqrt(8300))
    assert told == pytest.approx(gauss, rel=0.05)


@pytest.mark.parametrize("wrong", [(-1, 0.0, 1.0), (1, -0.1, 1.0), (1, np.nan, 1.0), (1, 0.0, 0.0), (1, 0.0, np.inf)])
def test_invalid_counts_are_refused(wrong: tuple[int, float, float]) -> None:
    with pytest.raises(PhotonError, match="invalid counts"):
        ObservedCounts(*wrong)
