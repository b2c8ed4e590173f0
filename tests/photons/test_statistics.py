"""Timing tests: calibration of the p-values, power, intervals, settings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from steady_sources import steady_batch

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.photons.statistics import (
    DIP,
    FLARE,
    STEADY,
    TESTS,
    TimingSettings,
    assess,
    load_null_tables,
    raw_statistics,
)
from xherald.photons.statistics.averaged import (
    BANDS,
    DIP_FAMILY,
    FLARE_FAMILY,
    WEIGHTS,
    averaged_likelihood_ratio,
)

uniforms = st.lists(st.floats(0, 1), min_size=2, max_size=40, unique=True).map(lambda x: np.sort(np.array(x)))


def source(time, gti, frame_time=0.0, background=None, energy=None):
    energy = np.full(len(time), 1.0, np.float32) if energy is None else energy
    return EventList(
        np.sort(np.array(time, dtype=float)), energy, Exposure(np.array(gti)), Identity("M", "I", "1", "1"), frame_time,
        (0.5, 7.0), background=background,
    )  # fmt: skip


def run_tests(*lists):
    return assess(EventBatch.from_lists(lists))


# --- calibration of p-values ---


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


def test_background_flare_is_not_a_source_flare():
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
    informed = run_tests(*lists)
    blind = run_tests(*(source(one.time, [[0, 1e4]]) for one in lists))
    # Without background most are flares; with it, no more than 1 % of 400 plus 3 σ.
    assert np.mean(blind.p_value < 0.01) > 0.5
    assert np.mean(informed.p_value < 0.01) < 0.01 + 3 * np.sqrt(0.01 / 400)


def test_probabilities_decrease_with_the_statistic():
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
    level = np.where(random.random((5000, 1)) < 0.5, len(WEIGHTS) - 1, random.integers(0, len(WEIGHTS), (5000, 12)))
    for family in (FLARE_FAMILY, DIP_FAMILY):
        ratios = np.array(
            [averaged_likelihood_ratio(*one, family)[0] for one in zip(u, band + BANDS * level, strict=True)]
        )
        for bound in (2.0, 10.0, 100.0):
            # p(ratio >= b) <= 1/b whatever the calibration says; 4 σ of 5,000 trials on top.
            assert np.mean(ratios >= np.log(bound)) <= 1 / bound + 4 * np.sqrt(1 / bound / 5000)


# --- power, intervals, batches ---


def test_burst_is_located():
    random = np.random.default_rng(1)
    gti = [[0, 9000], [12_000, 20_000]]
    steady = Exposure(np.array(gti)).time_at(random.uniform(0, 17_000, 40))
    time = np.concatenate([steady, random.uniform(13_000, 13_050, 15)])
    timing = run_tests(source(time, gti))
    assert timing.kind[0] == FLARE
    assert timing.p_value[0] < 1e-12
    start, stop = timing.intervals.start[0], timing.intervals.stop[0]
    assert 12_950 < start < 13_010
    assert 13_040 < stop < 13_100
    assert timing.intervals.counts[0] >= 15
    assert timing.intervals.expected[0] < 1.5
    assert timing.variability_index[0] >= 6


def test_eclipse_is_located():
    random = np.random.default_rng(2)
    time = random.uniform(0, 20_000, 150)
    time = time[(time < 8000) | (time > 11_000)]
    timing = run_tests(source(time, [[0, 20_000]]))
    assert timing.kind[0] == DIP
    assert timing.p_value[0] < 1e-4
    assert timing.intervals.start[0] == pytest.approx(8000, abs=600)
    assert timing.intervals.stop[0] == pytest.approx(11_000, abs=600)
    assert timing.intervals.counts[0] < 3 < timing.intervals.expected[0]


def test_source_off_most_of_the_time_is_a_flare():
    random = np.random.default_rng(13)
    timing = run_tests(source(random.uniform(15_000, 19_000, 25), [[0, 20_000]]))
    assert timing.kind[0] == FLARE
    assert timing.intervals.start[0] > 14_000


def test_peak_is_the_brightest_block():
    random = np.random.default_rng(14)
    parts = ((0, 20_000, 40), (5000, 9000, 80), (5000, 5010, 30))
    time = np.concatenate([random.uniform(*part) for part in parts])
    timing = run_tests(source(time, [[0, 20_000]]))
    assert timing.peak.start[0] == pytest.approx(5000, abs=2)
    assert timing.peak.stop[0] == pytest.approx(5010, abs=2)
    assert timing.peak.counts[0] >= 28
    assert np.isnan(run_tests(source(np.linspace(50, 9950, 40), [[0, 10_000]])).peak.start[0])


def test_p_value_is_limited_by_selection_p():
    # A clump of four photons that a search of the whole field would offer by chance every third time.
    time = np.append(np.linspace(500, 9500, 4), [3001.0, 3002.0, 3003.0, 3004.0])
    plain = source(time, [[0, 10_000]])
    chosen = replace(plain, selection_p=0.3)
    searched = replace(plain, selection_p=0.3, selection_trials=12.0)
    timing = run_tests(plain, chosen, searched)
    assert timing.p_value[0] < 1e-3
    assert timing.p_value[1] == pytest.approx(0.3)
    assert timing.p_value[2] == pytest.approx(12.0 * timing.p_value[0])
    assert timing.kind.tolist() == [FLARE, STEADY, FLARE if 12.0 * timing.p_value[0] <= 1e-3 else STEADY]


def test_selection_p_never_overrides_decisive_timing():
    # A burst that the search rates as chance, because its own photons were most of what it compared with.
    time = np.append(np.linspace(500, 9500, 4), np.linspace(3001.0, 3040.0, 60))
    plain = source(time, [[0, 10_000]])
    timing = run_tests(plain, replace(plain, selection_p=0.12, selection_trials=3.0 * 64))
    assert timing.p_value[1] < 1e-20
    assert timing.kind[1] == FLARE
    assert timing.p_value[1] >= timing.p_value[0]


def test_orbit_gap_is_not_a_dip():
    random = np.random.default_rng(4)
    gti = [[0, 1000], [5700, 6700], [11_400, 12_400]]
    time = Exposure(np.array(gti)).time_at(random.uniform(0, 3000, 90))
    assert run_tests(source(time, gti)).kind[0] == STEADY


def test_photons_of_one_frame_are_not_a_burst():
    steady = np.random.default_rng(1).uniform(0.0, 1000.0, 10)
    timing = run_tests(source(np.sort(np.concatenate([steady, np.full(8, 505.0)])), [[0, 1000]], frame_time=3.2))
    assert timing.kind[0] == FLARE
    assert timing.intervals.stop[0] - timing.intervals.start[0] >= 3.2 - 1e-6
    assert timing.intervals.livetime[0] >= 3.2 - 1e-6


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=10, deadline=None)
def test_results_do_not_depend_on_the_batch(seed):
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


def test_blocks_contain_all_photons():
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
    timing = run_tests(source(np.linspace(100, 900, photons), [[0, 1000]]))
    assert np.isnan(timing.p_value[0])
    assert timing.kind[0] == STEADY
    assert timing.variability_index[0] == -1
    assert timing.best[0] == -1


def test_empty_batch_gives_empty_results():
    timing = assess(EventBatch.from_lists([]))
    assert timing.p_value.shape == (0,)
    assert timing.hardness.value.shape == (0, 3)


def test_unknown_good_times_exclude_two_photons():
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


def test_settings_are_validated():
    for wrong in ({"significance": 0.0}, {"blocks_p0": 1.0}, {"threads": -1}):
        with pytest.raises(ValueError, match=next(iter(wrong))):
            TimingSettings(**wrong)


def test_results_do_not_depend_on_threads():
    random = np.random.default_rng(6)
    counts = random.integers(3, 300, 200)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    u = np.concatenate([np.sort(random.random(n)) for n in counts])
    energy = random.random(len(u), dtype=np.float32)
    one, many = (raw_statistics(u, energy, offsets, np.full(200, 1e-6), threads)[0] for threads in (1, 3))
    assert np.array_equal(one, many)
