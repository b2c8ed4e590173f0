"""Probabilities of counts against scipy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, poisson


@given(st.integers(0, 200), st.floats(1e-3, 150.0))
def test_count_probabilities_agree_with_poisson(count: int, mean: float) -> None:
    from xherald.plugins.vetoes.count_probability import poisson_at_least, poisson_at_most

    assert poisson_at_least(count, mean) == pytest.approx(poisson.sf(count - 1, mean), rel=1e-8, abs=1e-15)
    assert poisson_at_most(count, mean) == pytest.approx(poisson.cdf(count, mean), rel=1e-8, abs=1e-15)


@given(st.integers(1, 150), st.floats(1e-4, 0.6), st.floats(0, 1))
def test_fraction_probabilities_agree_with_binomial(trials: int, share: float, part: float) -> None:
    from xherald.plugins.vetoes.count_probability import binomial_at_least

    count = int(np.ceil(trials * share + part * (trials - trials * share)))
    if count > trials * share:
        assert binomial_at_least(count, trials, share) == pytest.approx(binom.sf(count - 1, trials, share), rel=1e-7)


def test_expectations_from_few_photons_are_uncertain() -> None:
    from xherald.plugins.vetoes.count_probability import falls, rises

    share = np.array([0.25, 0.25, 0.25])
    inside, outside = np.array([2.0, 2.0, 30.0]), np.array([0.0, 6.0, 0.0])
    # Two photons of two, with nothing outside: one chance in sixteen, not an impossibility.
    assert rises(inside, outside, share)[0] == pytest.approx(0.25**2)
    assert rises(inside, outside, share)[1] == 1.0
    assert rises(inside, outside, share)[2] < 1e-15
    assert falls(np.array([0.0]), np.array([20.0]), np.array([0.25]))[0] == pytest.approx(0.75**20)
