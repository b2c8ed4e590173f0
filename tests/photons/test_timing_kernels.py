"""Kernels of the timing tests against direct evaluations of their definitions."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats

from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.statistics import (
    assess,
    bayesian_blocks,
)
from xherald.photons.statistics.averaged import (
    BANDS,
    averaged_likelihood_ratio,
    dip_family,
    energy_bands,
    flare_family,
)
from xherald.photons.statistics.gregory_loredo import gregory_loredo, variability_index
from xherald.photons.statistics.hardness import hardness_posterior
from xherald.photons.statistics.ordered import kolmogorov_probability, kuiper_probability, ordered_distances
from xherald.photons.statistics.scans import deficit_scan, flare_scan, log_likelihood_ratio, longest_gap_probability

uniforms = st.lists(st.floats(0, 1), min_size=2, max_size=40, unique=True).map(lambda x: np.sort(np.array(x)))


def source(time, gti, frame_time=0.0, background=None, energy=None):
    energy = np.full(len(time), 1.0, np.float32) if energy is None else energy
    return EventList(
        np.sort(np.array(time, dtype=float)), energy, Exposure(np.array(gti)), Identity("M", "I", "1", "1"), frame_time,
        (0.5, 7.0), background=background,
    )  # fmt: skip


def run_tests(*lists):
    return assess(EventBatch.from_lists(lists))


@given(uniforms)
def test_flare_scan_is_the_best_of_all_windows(u):
    n = len(u)
    widths = u[None, :] - u[:, None]
    best = 0.0
    for i in range(n):
        for j in range(i + 1, n):
            width = max(widths[i, j], 1e-6)
            if width <= 0.5 and (j - i + 1) > n * width:
                best = max(best, log_likelihood_ratio(j - i + 1, n, width))
    ratio, first, last = flare_scan(u, 1e-6)
    assert ratio == pytest.approx(best, rel=1e-9)
    if ratio > 0:
        again = log_likelihood_ratio(last - first + 1, n, max(u[last] - u[first], 1e-6))
        assert again == pytest.approx(ratio, rel=1e-9)


@given(uniforms)
def test_deficit_scan_is_the_best_of_all_windows(u):
    n = len(u)
    v = np.concatenate([[0.0], u, [1.0]])
    best = 0.0
    for i in range(n + 1):
        for j in range(i + 1, n + 2):
            k, width = j - i - 1, v[j] - v[i]
            if width > 0 and (k == 0 or width <= 0.5) and k < n * min(width, 0.5):
                best = max(best, log_likelihood_ratio(k, n, min(width, 1 - 1e-12)))
    ratio, before, after, gap, gap_after = deficit_scan(u)
    assert ratio == pytest.approx(best, rel=1e-9)
    assert gap == pytest.approx(np.diff(v).max())
    assert v[gap_after + 2] - v[gap_after + 1] == pytest.approx(gap)
    if ratio > 0:
        width = v[after + 1] - v[before + 1]
        assert log_likelihood_ratio(after - before - 1, n, min(width, 1 - 1e-12)) == pytest.approx(ratio, rel=1e-9)


@pytest.mark.parametrize("family", [flare_family(3), dip_family(3)], ids=["flares", "dips"])
@given(u=uniforms, data=st.data())
@settings(max_examples=25, deadline=None)
def test_averaged_ratio_agrees_with_its_definition(family, u, data):
    rows = np.array(data.draw(st.lists(st.integers(0, family.share.shape[1] - 1), min_size=len(u), max_size=len(u))))
    steps = family.shape.shape[1]
    total = 0.0
    for level, bins in enumerate(family.bins.tolist()):
        at = np.minimum((u * bins).astype(int), bins - 1)
        starts = range(1 - steps, bins)
        for b in starts:
            inside = np.arange(max(b, 0), min(b + steps, bins))
            for c, (share, shape) in enumerate(zip(family.share, family.shape, strict=True)):
                profile = np.zeros(bins)
                profile[inside] = shape[inside - b]
                if family.flare:
                    density = 1 - share[:, None] + share[:, None] * profile * bins / steps
                else:
                    density = 1 - share[:, None] * profile
                density /= density.mean(axis=1, keepdims=True)
                total += family.weight[level, c] / len(starts) * np.prod(density[rows, at])
    assert averaged_likelihood_ratio(u, rows, family)[0] == pytest.approx(np.log(total), abs=1e-8)


@given(energy=hnp.arrays(np.float32, st.integers(1, 60), elements=st.sampled_from([0.5, 1.0, 1.5, 2.0, 4.0, 6.5])))
def test_energy_bands_are_quartiles(energy):
    band = energy_bands(energy)
    order = np.argsort(energy, kind="stable")
    assert np.all(np.diff(band[order]) >= 0)
    for value in np.unique(energy):
        assert len(np.unique(band[energy == value])) == 1
    distinct = energy_bands(np.random.default_rng(len(energy)).permutation(len(energy)).astype(np.float32))
    assert np.ptp(np.bincount(distinct, minlength=BANDS)) <= 1


@pytest.mark.parametrize("n", [20, 60, 200, 400])
@pytest.mark.parametrize("burst", [0.0, 0.3])
def test_bayesian_blocks_change_where_astropy_does(n, burst):
    from astropy.stats import bayesian_blocks as reference

    random = np.random.default_rng(n)
    time = random.uniform(0, 1000, n)
    time[: int(burst * n)] = random.uniform(400, 430, int(burst * n))
    time.sort()
    p0 = 0.05
    penalty = 4 - np.log(73.53 * p0 * n**-0.478)  # Scargle et al. 2013, eq. 21, as astropy has it
    assert np.array_equal(bayesian_blocks(time, penalty=penalty), reference(time, fitness="events", p0=p0))


def test_longest_gap_probability_is_exact():
    # Two photons: the longest of three spacings exceeds x with 3 (1-x)^2 - 3 (1-2x)^2 + (1-3x)^2 for x < 1/3 …
    for x in (0.5, 0.7, 0.9):
        exact = 3 * (1 - x) ** 2 - 3 * max(1 - 2 * x, 0) ** 2
        assert longest_gap_probability(x, 2) == pytest.approx(exact)
    assert longest_gap_probability(0.2, 2) == pytest.approx(1.0, abs=0.01)
    assert longest_gap_probability(0.01, 10_000) == pytest.approx(10_001 * 0.99**10_000, rel=1e-9)


@given(uniforms)
def test_ordered_distances_agree_with_scipy(u):
    ks, kuiper, _, _ = ordered_distances(u)
    assert ks == pytest.approx(stats.kstest(u, "uniform").statistic)
    n = len(u)
    steps = np.arange(n + 1) / n
    assert kuiper == pytest.approx((steps[1:] - u).max() + (u - steps[:-1]).max())


@pytest.mark.parametrize("n", [3, 5, 12, 40, 300, 3000])
def test_kolmogorov_probability_agrees_with_scipy(n):
    p = np.array([0.9, 0.5, 0.3, 0.1, 0.01, 1e-4, 1e-9])
    distance = stats.kstwo.isf(p, n)
    assert kolmogorov_probability(distance, np.full(len(p), n)) == pytest.approx(p, rel=0.03 if n == 3 else 0.01)


def test_kuiper_probability_matches_published_quantiles():
    # Upper 10, 5 and 1 % points of V* = V (sqrt n + 0.155 + 0.24 / sqrt n): Stephens 1970, table 1.
    for quantile, p in ((1.620, 0.10), (1.747, 0.05), (2.001, 0.01)):
        n = 50
        distance = quantile / (np.sqrt(n) + 0.155 + 0.24 / np.sqrt(n))
        found = kuiper_probability(np.array([distance]), np.array([n]))
        assert found[0] == pytest.approx(p, rel=0.02)


def test_gregory_loredo_odds_by_hand():
    # Odds of one binning: m^N (m-1)! prod n_j! / (N+m-1)! (GL92 eq. 5.27, flat prior), averaged.
    from math import lgamma

    u = np.array([0.1, 0.15, 0.2, 0.22, 0.9])
    total = 0.0
    for m in range(2, 41):
        for phase in range(4):
            cells = np.minimum((u * m * 4).astype(int), 4 * m - 1)
            held = np.bincount(((cells - phase) % (4 * m)) // 4, minlength=m)
            total += np.exp(5 * np.log(m) + lgamma(m) + sum(lgamma(k + 1) for k in held) - lgamma(5 + m)) / (39 * 4)
    assert gregory_loredo(u)[0] == pytest.approx(np.log(total))


def test_variability_index_follows_the_catalogue():
    odds = np.log([0.9, 1.4, 1.4, 1.8, 3.0, 3.0, 20.0, 1e3, 1e6, 1e20, 1e40])
    within_3 = np.array([1, 1, 0.9, 0.9, 1, 0.9, 1, 1, 1, 1, 1])
    assert variability_index(odds, within_3, np.ones(11)).tolist() == [0, 1, 3, 4, 2, 5, 6, 7, 8, 9, 10]
    assert variability_index(np.array([np.nan]), np.ones(1), np.ones(1)).tolist() == [-1]


# --- hardness ---


def test_hardness_without_background_is_a_beta_distribution():
    value, low, high = (x[0] for x in hardness_posterior(*(np.array([k]) for k in (3, 12, 0, 0)), np.array([0.0])))
    beta = stats.beta(13, 4)
    assert (value, low, high) == pytest.approx(tuple(2 * beta.ppf(q) - 1 for q in (0.5, 0.158655, 0.841345)))


def test_hardness_is_background_corrected_and_calibrated():
    random = np.random.default_rng(5)
    n, ratio = 1000, 0.1
    soft_rate, hard_rate, around_rate = 8.0, 12.0, 40.0
    draw = [random.poisson(r, n) for r in (soft_rate + 4, hard_rate + 4, around_rate, around_rate)]
    value, low, high = hardness_posterior(*draw, np.full(n, ratio))
    truth = (hard_rate - soft_rate) / (hard_rate + soft_rate)
    covered = np.mean((low <= truth) & (truth <= high))
    # Flat priors pull towards 0 by about one photon in twenty; 68 % ± 3 σ of 1,000 trials is 63.8–72.7 %.
    assert 0.63 < covered < 0.75
    assert np.median(value) == pytest.approx(truth, abs=0.06)
    for threads in (1, 3):
        again = hardness_posterior(*draw, np.full(n, ratio), threads)
        assert np.array_equal(again[0], value)


@pytest.mark.parametrize(
    "counts",
    [
        (0, 1, 0, 6, 0.09),
        (0, 2, 0, 21, 0.12),
        (3, 9, 40, 12, 0.05),
        (400, 90, 700, 900, 0.1),
        (20_000, 18_000, 90_000, 80_000, 0.2),
    ],
)
def test_hardness_is_that_of_draws_from_the_mixture_of_gamma_distributions(counts):
    """Park et al. 2006, eq. 10: the source counts of a band are a mixture over the number of background photons."""
    random = np.random.default_rng(8)
    *numbers, ratio = counts

    def draw_rates(total, behind):
        lost = np.arange(total + 1)
        log_weight = special.gammaln(lost + behind + 1) - special.gammaln(lost + 1) + lost * np.log(ratio / (1 + ratio))
        weight = np.exp(log_weight - log_weight.max())
        return random.gamma(total - random.choice(lost, 200_000, p=weight / weight.sum()) + 1.0)

    soft, hard = draw_rates(numbers[0], numbers[2]), draw_rates(numbers[1], numbers[3])
    drawn = np.quantile((hard - soft) / (hard + soft), (0.5, 0.158655, 0.841345))
    found = [x[0] for x in hardness_posterior(*(np.array([k]) for k in numbers), np.array([ratio]))]
    # The quantiles of 200,000 draws have errors of up to 0.002; the table of the posterior is accurate to 0.005.
    assert found == pytest.approx(drawn, abs=0.008)


def test_hardness_without_photons_is_nan():
    assert np.isnan(hardness_posterior(*(np.array([0]) for _ in range(4)), np.array([0.1]))[0][0])
