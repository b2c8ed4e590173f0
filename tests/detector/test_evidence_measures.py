"""Arithmetic of evidence against published and analytic values; text of measurements; ids of candidates."""

from __future__ import annotations

import dataclasses
import math
import re

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from xherald.detector.candidates.candidate_id import candidate_id
from xherald.detector.candidates.durations import event_windows, middle_90
from xherald.detector.candidates.evidence_measures import excess, hardness_change, poisson_interval, rate_ratio
from xherald.detector.candidates.formatting import format_measurement
from xherald.photons import Identity
from xherald.photons.statistics import DIP, FLARE

COVERED = 0.6827


def binomial_slack(n: int, sigmas: float = 4.0) -> float:
    """Tolerance of a measured coverage."""
    return sigmas * math.sqrt(COVERED * (1 - COVERED) / n)


# --- arithmetic ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("counts", "low", "high"),
    [(0, 0.0, 1.841), (1, 0.1727, 3.300), (2, 0.708, 4.638), (5, 2.840, 8.382), (10, 6.891, 14.27), (50, 42.95, 58.12)],
)
def test_poisson_limits_are_those_of_gehrels(counts: int, low: float, high: float) -> None:
    # Gehrels 1986, ApJ 303, 336, tables 1 (upper) and 2 (lower), S = 1
    assert poisson_interval([counts]) == (pytest.approx(low, rel=2e-3), pytest.approx(high, rel=2e-3))


def test_unknown_counts_have_unknown_limits() -> None:
    low, high = poisson_interval([np.nan, 3.0])
    assert np.isnan([low[0], high[0]]).all()
    assert np.isfinite([low[1], high[1]]).all()


def test_ratio_of_two_rates_covers_the_truth() -> None:
    rng, n, truth, scale = np.random.default_rng(3), 4_000, 6.0, 0.1
    outside = rng.poisson(40.0, n)
    inside = rng.poisson(40.0 * truth * scale, n)
    value, low, high = rate_ratio(inside, outside, np.full(n, scale))
    inner = (low <= value) & (value <= high)
    assert inner.all()
    # exact limits never cover less than they say; discreteness makes them cover a little more
    covered = ((low <= truth) & (truth <= high)).mean()
    assert COVERED - binomial_slack(n) < covered < COVERED + 0.08


def test_ratio_without_counts_is_unknown() -> None:
    value, low, high = rate_ratio([0, 5, 0], [0, 0, 5], [0.1, 0.1, 0.1])
    assert np.isnan([value[0], low[0], high[0], value[1], high[1]]).all()
    # five counts against none: the ratio has a lower limit only
    assert low[1] > 0
    assert (value[2], low[2]) == (0.0, 0.0)
    assert high[2] > 0


def test_excess_covers_the_truth() -> None:
    rng, n, signal, background = np.random.default_rng(4), 4_000, 12.0, 6.0
    counts, around = rng.poisson(signal + background, n), rng.poisson(background * 5, n)
    limits = poisson_interval(around)
    value, low, high = excess(counts, around / 5, limits[0] / 5, limits[1] / 5)
    covered = ((low <= signal) & (signal <= high)).mean()
    # Two exact intervals in quadrature stay conservative: of a single mean near 18 they cover 0.73 on average.
    assert COVERED - binomial_slack(n) < covered < COVERED + 0.1
    assert value.mean() == pytest.approx(signal, abs=4 * math.sqrt((signal + background * 1.2) / n))


def test_hardness_change_is_a_test_of_two_proportions_for_many_photons() -> None:
    from xherald.photons.statistics.hardness import hardness_posterior

    soft, hard = np.array([2_000, 1_900]), np.array([3_000, 3_200])
    none, ratio = np.zeros(2, dtype=np.int64), np.zeros(2)
    parts = hardness_posterior(soft, hard, none, none, ratio)
    inside, outside = (tuple(part[i : i + 1] for part in parts) for i in (0, 1))
    *_, sigma = hardness_change(inside, outside)
    share = hard / (soft + hard)
    plain = (share[0] - share[1]) / math.sqrt((share * (1 - share) / (soft + hard)).sum())
    assert sigma[0] == pytest.approx(plain, rel=0.02)


def test_constant_hardness_is_rarely_significant() -> None:
    from xherald.photons.statistics.hardness import hardness_posterior

    rng, n = np.random.default_rng(6), 3_000
    none, ratio = np.zeros(n, dtype=np.int64), np.zeros(n)
    inside, outside = (
        hardness_posterior(rng.poisson(12.0, n), rng.poisson(18.0, n), none, none, ratio) for _ in range(2)
    )
    *_, sigma = hardness_change(inside, outside)
    beyond = (np.abs(sigma) > 2).mean()
    assert 0.02 < beyond < 0.0455 + 4 * math.sqrt(0.0455 / n)


def bursts(kind: str, counts: float, steady: float, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, float]:
    """Bursts on the unit clock, the windows about them, and their true T90."""
    rng = np.random.default_rng(int(counts) + len(kind))
    lists, width = [], 0.02
    if kind == "exponential":
        window, truth = (0.3, 0.3 + 6 * width), math.log(19) * width
    else:
        window, truth = (0.5 - 4 * width, 0.5 + 4 * width), 2 * 1.6448536 * width
    for _ in range(n):
        k = rng.poisson(counts)
        burst = 0.3 + rng.exponential(width, k) if kind == "exponential" else rng.normal(0.5, width, k)
        lists.append(np.sort(np.concatenate([burst, rng.uniform(0, 1, rng.poisson(steady))])))
    offsets = np.cumsum([0, *(len(one) for one in lists)])
    return np.concatenate(lists), offsets, np.tile(window, (n, 1)), truth


@pytest.mark.parametrize("kind", ["exponential", "gaussian"])
@pytest.mark.parametrize(("counts", "steady"), [(20, 0), (100, 50), (1_000, 100)])
def test_t90_and_its_coverage(kind: str, counts: float, steady: float) -> None:
    n = 400
    u, offsets, window, truth = bursts(kind, counts, steady, n)
    start, stop, low, high = middle_90(u, offsets, window)
    width = stop - start
    assert np.isfinite(width).all()
    assert ((low <= width) & (width <= high)).all()
    assert np.median(width) == pytest.approx(truth, rel=0.12 if counts < 100 else 0.04)
    covered = ((low <= truth) & (truth <= high)).mean()
    assert 0.62 - binomial_slack(n, 3) < covered < 0.82 + binomial_slack(n, 3)


def test_t90_without_an_excess_is_unknown() -> None:
    u = np.linspace(0.01, 0.99, 50)
    start, stop, low, high = middle_90(u, np.array([0, 50]), np.array([[0.4, 0.41]]))
    assert np.isnan([start[0], stop[0], low[0], high[0]]).all()


@given(shift=st.floats(0, 0.3), squeeze=st.floats(0.1, 1))
def test_t90_moves_and_scales_with_the_burst(shift: float, squeeze: float) -> None:
    x = np.sort(np.random.default_rng(1).uniform(0.1, 0.4, 30))
    window = np.array([[0.05, 0.45]])
    offsets = np.array([0, 30])
    start, stop, low, high = middle_90(x, offsets, window)
    moved = middle_90(shift + squeeze * x, offsets, shift + squeeze * window)
    np.testing.assert_allclose(moved[1] - moved[0], squeeze * (stop - start), rtol=1e-9)
    np.testing.assert_allclose([moved[2], moved[3]], [squeeze * low, squeeze * high], rtol=1e-9)


def test_window_of_a_burst_includes_its_tail() -> None:
    edges = np.array([0.0, 0.3, 0.32, 0.4, 1.0])
    u = np.sort(np.concatenate([np.linspace(a, b, k, endpoint=False) + 1e-6 for a, b, k in (
        (0.0, 0.3, 6), (0.3, 0.32, 30), (0.32, 0.4, 10), (0.4, 1.0, 12))]))  # fmt: skip
    spike = np.array([[0.301, 0.319]])
    found = event_windows(spike, edges, np.array([0, 5]), u, np.array([0, len(u)]))
    np.testing.assert_allclose(found, [[0.3, 0.4]])
    plain = event_windows(spike, np.array([0.0, 1.0]), np.array([0, 2]), u, np.array([0, len(u)]))
    np.testing.assert_array_equal(plain, spike)


# --- text ------------------------------------------------------------------------------------------------------------


def test_values_have_the_digits_that_their_limits_warrant() -> None:
    assert format_measurement(34.0, 28.2, 40.9, "ct") == "34.0 +6.9 −5.8 ct"
    assert format_measurement(-0.153, -0.33, 0.113) == "−0.15 +0.27 −0.18"
    assert format_measurement(10.0, 8.0, 12.0) == "10.0 ±2.0"
    assert format_measurement(3.2, None, None) == "3.2"
    assert format_measurement(None, None, None) == "–"


# --- the id ----------------------------------------------------------------------------------------------------------


TIMES = np.array([100.0, 100.0003, 250.25])


def test_ids_have_the_documented_form() -> None:
    identity = Identity("CHANDRA", "ACIS", "23022", "23022_122")
    assert re.fullmatch(r"XH-CHANDRA-ACIS-23022-23022_122-[0-9a-f]{6}-F", candidate_id(identity, TIMES, FLARE))
    plain = candidate_id(Identity("", "", "90001", "J0535.1-0525"), TIMES, DIP)
    assert re.fullmatch(r"XH-unknown-unknown-90001-J0535.1-0525-[0-9a-f]{6}-D", plain)
    odd = candidate_id(Identity("SWIFT", "XRT", "../1", "a b/c"), TIMES, FLARE)
    assert "/" not in odd
    assert " " not in odd


NAMES = st.text(max_size=12)
IDENTITIES = st.builds(Identity, mission=NAMES, instrument=NAMES, obs_id=NAMES, detection_id=NAMES)


@given(first=IDENTITIES, second=IDENTITIES)
def test_different_detections_have_different_ids(first: Identity, second: Identity) -> None:
    def spoken(one: Identity) -> tuple[str, ...]:
        # what is not named at all is "unknown", whatever white space stands for it
        parts = (one.mission, one.instrument, one.obs_id, one.detection_id)
        return tuple(part if part.split() else "unknown" for part in parts)

    assume(spoken(first) != spoken(second))
    assert candidate_id(first, TIMES, FLARE) != candidate_id(second, TIMES, FLARE)


@given(identity=IDENTITIES)
def test_ids_are_safe_in_file_names_urls_and_shells(identity: Identity) -> None:
    name = candidate_id(identity, TIMES, DIP)
    assert name == candidate_id(dataclasses.replace(identity, flags=("seen",), source_path="elsewhere"), TIMES, DIP)
    assert set(name) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.+_-~")


def test_other_photons_have_another_id() -> None:
    identity = Identity("EP", "WXT", "06800000181", "1")
    name = candidate_id(identity, TIMES, FLARE)
    assert name == candidate_id(identity, TIMES + 1e-6, FLARE)
    assert name != candidate_id(identity, TIMES[:2], FLARE)
    assert name != candidate_id(identity, TIMES + 3.2, FLARE)
