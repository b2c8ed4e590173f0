"""The timing tests: exactness of the kernels, honesty of the probabilities, power on what they are for."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import stats
from steady_sources import steady_batch

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.photons.statistics import (
    DIP,
    FLARE,
    STEADY,
    TESTS,
    TimingSettings,
    assess,
    bayesian_blocks,
    load_null_tables,
    raw_statistics,
)
from xherald.photons.statistics.averaged import (
    BANDS,
    DIP_FAMILY,
    FLARE_FAMILY,
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


def verdict(*lists):
    return assess(EventBatch.from_lists(lists))


# --- kernels against plain readings of their definitions ---


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
def test_averaged_ratio_is_the_average(family, u, data):
    band = np.array(data.draw(st.lists(st.integers(0, BANDS - 1), min_size=len(u), max_size=len(u))))
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
                total += family.weight[level, c] / len(starts) * np.prod(density[band, at])
    assert averaged_likelihood_ratio(u, band, family)[0] == pytest.approx(np.log(total), abs=1e-8)


@given(energy=hnp.arrays(np.float32, st.integers(1, 60), elements=st.sampled_from([0.5, 1.0, 1.5, 2.0, 4.0, 6.5])))
def test_energy_bands_are_quarters_and_equal_energies_share_one(energy):
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
def test_ordered_distances_are_scipys(u):
    ks, kuiper, _, _ = ordered_distances(u)
    assert ks == pytest.approx(stats.kstest(u, "uniform").statistic)
    n = len(u)
    steps = np.arange(n + 1) / n
    assert kuiper == pytest.approx((steps[1:] - u).max() + (u - steps[:-1]).max())


@pytest.mark.parametrize("n", [3, 5, 12, 40, 300, 3000])
def test_kolmogorov_probability_is_scipys_exact_one(n):
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


def test_hardness_takes_the_background_off_and_covers_the_truth():
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


def test_hardness_of_nothing_is_unknown():
    assert np.isnan(hardness_posterior(*(np.array([0]) for _ in range(4)), np.array([0.1]))[0][0])


# --- honesty of the probabilities ---


def fractions_below(timing, level):
    tested = np.isfinite(timing.p_value)
    columns = {test.name: test.p for test in timing.tests} | {"p_value": timing.p_value}
    return {name: float(np.mean(p[tested] <= level)) for name, p in columns.items()}


@pytest.mark.timeout(600)
def test_steady_sources_with_gaps_stay_steady():
    # 20,000 sources at 1 %: the binomial error is 0.07 %; 0.5–1.5 % also allows for the calibration's own samples.
    timing = assess(steady_batch(20_000, seed=11, frame_time=3.14104))
    found = fractions_below(timing, 0.01)
    assert len(found) == len(TESTS) + 1
    assert {name: f for name, f in found.items() if not 0.005 <= f <= 0.015} == {}


@pytest.mark.prove
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(
    "pattern", [{"frame_time": 0.0}, {"frame_time": 0.44104}, {"frame_time": 3.14104, "background": 0.9}], ids=str
)
def test_steady_sources_of_every_pattern_stay_steady(pattern):
    timing = assess(steady_batch(20_000, seed=12, **pattern))
    for level, low, high in ((0.01, 0.005, 0.015), (0.1, 0.08, 0.12)):
        found = fractions_below(timing, level)
        assert {name: f for name, f in found.items() if not low <= f <= high} == {}


def test_a_background_flare_is_no_source_flare():
    # The whole field lights up for a tenth of the time, as in a soft-proton flare; the sources are steady.
    random = np.random.default_rng(8)
    lists = []

    def field(rate):
        burst = random.uniform(4e3, 5e3, random.poisson(2 * rate))
        return np.concatenate([random.uniform(0, 1e4, random.poisson(rate)), burst])

    for _ in range(400):
        own = random.uniform(0, 1e4, 20)
        around = np.sort(field(400))
        background = Background(around, np.full(len(around), 1.0, np.float32), 0.05)
        lists.append(source(np.concatenate([own, field(20)]), [[0, 1e4]], background=background))
    informed = verdict(*lists)
    blind = verdict(*(source(one.time, [[0, 1e4]]) for one in lists))
    # Blind, most are taken for flares; told of the background, no more than chance allows (3 σ above 1 % of 400).
    assert np.mean(blind.p_value < 0.01) > 0.5
    assert np.mean(informed.p_value < 0.01) < 0.01 + 3 * np.sqrt(0.01 / 400)


def test_probabilities_fall_with_the_statistic_and_interpolate_between_sizes():
    tables = load_null_tables()
    x = np.linspace(0, 200, 500)
    for name in tables.names:
        for frame in (0.0, 1e-3):
            p = tables.log_probability(name, x, np.full(500, 37), np.full(500, frame))
            assert np.all(np.diff(p) <= 1e-9)
            assert p[0] <= 0
    assert np.isnan(tables.log_probability("ks", np.array([0.5]), np.array([2]), np.zeros(1)))[0]


def test_averaged_ratio_obeys_markov():
    random = np.random.default_rng(3)
    u = np.sort(random.random((5000, 12)), axis=1)
    band = random.permuted(np.tile(np.repeat(np.arange(BANDS), 3), (5000, 1)), axis=1)
    for family in (FLARE_FAMILY, DIP_FAMILY):
        ratios = np.array(
            [averaged_likelihood_ratio(row, bands, family)[0] for row, bands in zip(u, band, strict=True)]
        )
        for bound in (2.0, 10.0, 100.0):
            # p(ratio >= b) <= 1/b whatever the calibration says; 4 σ of 5,000 trials on top.
            assert np.mean(ratios >= np.log(bound)) <= 1 / bound + 4 * np.sqrt(1 / bound / 5000)


# --- power, intervals, batches ---


def test_a_burst_is_found_where_it_is():
    random = np.random.default_rng(1)
    gti = [[0, 9000], [12_000, 20_000]]
    steady = Exposure(np.array(gti)).time_at(random.uniform(0, 17_000, 40))
    time = np.concatenate([steady, random.uniform(13_000, 13_050, 15)])
    timing = verdict(source(time, gti))
    assert timing.kind[0] == FLARE
    assert timing.p_value[0] < 1e-12
    start, stop = timing.intervals.start[0], timing.intervals.stop[0]
    assert 12_950 < start < 13_010
    assert 13_040 < stop < 13_100
    assert timing.intervals.counts[0] >= 15
    assert timing.intervals.expected[0] < 1.5
    assert timing.variability_index[0] >= 6


def test_an_eclipse_is_found_where_it_is():
    random = np.random.default_rng(2)
    time = random.uniform(0, 20_000, 150)
    time = time[(time < 8000) | (time > 11_000)]
    timing = verdict(source(time, [[0, 20_000]]))
    assert timing.kind[0] == DIP
    assert timing.p_value[0] < 1e-4
    assert timing.intervals.start[0] == pytest.approx(8000, abs=600)
    assert timing.intervals.stop[0] == pytest.approx(11_000, abs=600)
    assert timing.intervals.counts[0] < 3 < timing.intervals.expected[0]


def test_a_source_that_is_off_for_most_of_the_time_is_a_flare():
    random = np.random.default_rng(13)
    timing = verdict(source(random.uniform(15_000, 19_000, 25), [[0, 20_000]]))
    assert timing.kind[0] == FLARE
    assert timing.intervals.start[0] > 14_000


def test_the_peak_is_the_brightest_block():
    random = np.random.default_rng(14)
    parts = ((0, 20_000, 40), (5000, 9000, 80), (5000, 5010, 30))
    time = np.concatenate([random.uniform(*part) for part in parts])
    timing = verdict(source(time, [[0, 20_000]]))
    assert timing.peak.start[0] == pytest.approx(5000, abs=2)
    assert timing.peak.stop[0] == pytest.approx(5010, abs=2)
    assert timing.peak.counts[0] >= 28
    assert np.isnan(verdict(source(np.linspace(50, 9950, 40), [[0, 10_000]])).peak.start[0])


def test_a_source_chosen_for_its_burst_claims_no_more_than_its_choice():
    # A clump of four photons that a search of the whole field would offer by chance every third time.
    time = np.append(np.linspace(500, 9500, 4), [3001.0, 3002.0, 3003.0, 3004.0])
    plain = source(time, [[0, 10_000]])
    chosen = replace(plain, selection_p=0.3)
    timing = verdict(plain, chosen)
    assert timing.p_value[0] < 1e-3
    assert timing.p_value[1] == pytest.approx(0.3)
    assert timing.kind.tolist() == [FLARE, STEADY]


def test_an_orbit_gap_is_no_dip():
    random = np.random.default_rng(4)
    gti = [[0, 1000], [5700, 6700], [11_400, 12_400]]
    time = Exposure(np.array(gti)).time_at(random.uniform(0, 3000, 90))
    assert verdict(source(time, gti)).kind[0] == STEADY


def test_photons_of_one_frame_make_no_burst_shorter_than_it():
    time = np.concatenate([np.arange(5.0, 1000.0, 100.0), np.full(8, 505.0)])
    timing = verdict(source(time, [[0, 1000]], frame_time=3.2))
    assert timing.kind[0] == FLARE
    assert timing.intervals.stop[0] - timing.intervals.start[0] >= 3.2 - 1e-6
    assert timing.intervals.livetime[0] >= 3.2 - 1e-6


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_a_batch_is_tested_as_its_sources_are_one_by_one(seed):
    batch = steady_batch(12, seed=seed, frame_time=3.2, background=0.5)
    whole = assess(batch, TimingSettings(threads=2))
    for i in range(len(batch)):
        one = assess(batch.select([i]), TimingSettings(threads=1))
        assert one.p_value[0] == whole.p_value[i]
        assert one.kind[0] == whole.kind[i]
        for a, b in zip(one.tests, whole.tests, strict=True):
            assert a.p[0] == b.p[i]
            assert np.array_equal(a.intervals.start, b.intervals.start[[i]], equal_nan=True)
        edges = slice(whole.block_offsets[i], whole.block_offsets[i + 1])
        assert np.array_equal(one.block_edges, whole.block_edges[edges])


def test_blocks_hold_all_photons():
    batch = steady_batch(50, seed=3, frame_time=3.2)
    timing = assess(batch, TimingSettings(blocks_p0=0.5))
    for i, one in enumerate(batch):
        edges = timing.block_edges[timing.block_offsets[i] : timing.block_offsets[i + 1]]
        rates = timing.block_rates[timing.block_offsets[i] : timing.block_offsets[i + 1]]
        live = np.diff(one.exposure.livetime_at(edges))
        assert np.isnan(rates[-1])
        assert np.sum(rates[:-1] * live) == pytest.approx(len(one))


@pytest.mark.parametrize("photons", [0, 1, 2])
def test_too_few_photons_are_not_tested(photons):
    timing = verdict(source(np.linspace(100, 900, photons), [[0, 1000]]))
    assert np.isnan(timing.p_value[0])
    assert timing.kind[0] == STEADY
    assert timing.variability_index[0] == -1
    assert timing.best[0] == -1


def test_an_empty_batch_is_an_empty_answer():
    timing = assess(EventBatch.from_lists([]))
    assert timing.p_value.shape == (0,)
    assert timing.hardness.value.shape == (0, 3)


def test_unknown_good_times_leave_their_two_photons_out():
    # First and last photon define the exposure: kept in, they would sit on its edges in every single source.
    random = np.random.default_rng(9)
    lists = []
    for _ in range(3000):
        time = np.sort(random.uniform(0, 1000, 12))
        lists.append(
            EventList(
                time,
                np.full(12, 1.0, np.float32),
                Exposure([[time[0], time[-1]]]),
                Identity("M", "I", "1", "1"),
                0.0,
                (0.5, 7.0),
                good_times_known=False,
            )
        )
    found = fractions_below(assess(EventBatch.from_lists(lists)), 0.05)
    # 3,000 sources at 5 %: σ = 0.4 %.
    assert {name: f for name, f in found.items() if not 0.035 <= f <= 0.065} == {}


def test_settings_are_checked():
    for wrong in ({"significance": 0.0}, {"blocks_p0": 1.0}, {"threads": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TimingSettings(**wrong)


def test_threads_change_nothing():
    random = np.random.default_rng(6)
    counts = random.integers(3, 300, 200)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    u = np.concatenate([np.sort(random.random(n)) for n in counts])
    energy = random.random(len(u), dtype=np.float32)
    one, many = (raw_statistics(u, energy, offsets, np.full(200, 1e-6), threads)[0] for threads in (1, 3))
    assert np.array_equal(one, many)
