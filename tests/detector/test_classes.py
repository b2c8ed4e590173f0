"""Classes of significant sources: sets that cover, priors that only weigh, novelty, and features that answer."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from xherald.detector.calibration.build_classes import reliability
from xherald.detector.calibration.calibration import cached_calibration
from xherald.detector.candidates.formatting import MAX_NAMED_CLASSES, format_classes
from xherald.detector.scoring.class_features import CLASS_COLUMNS, TimedSources, class_columns
from xherald.detector.scoring.class_model import (
    ClassModel,
    class_thresholds,
    compute_conformity,
    softmax,
    telescope_thresholds,
)
from xherald.detector.scoring.classify import classify
from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ArtefactError, ConfigError
from xherald.photons.statistics import Timing, TimingSettings, assess

DURATION = 30_000.0
LEAST_P = 1e-5


def source(rng: np.random.Generator, times: F64, energies: F64, *, name: str = "1") -> EventList:
    """A Chandra source with a few background photons."""
    order = np.argsort(times)
    around = np.sort(rng.uniform(0.0, DURATION, 20))
    return EventList(
        time=times[order],
        energy=energies[order].astype(np.float32),
        exposure=Exposure(np.array([[0.0, DURATION]])),
        identity=Identity("CHANDRA", "ACIS", "1", name),
        frame_time=0.0,
        band=(0.5, 7.0),
        background=Background(around, rng.uniform(0.5, 7.0, 20).astype(np.float32), 0.05),
    )


def flare(rng: np.random.Generator, decay: float, hot: tuple[float, float], steady: int = 30) -> EventList:
    """An exponential decay whose mean energy falls, on a steady soft source; energies are log-normal, keV."""
    late = np.sort(rng.exponential(decay, 80))
    event = 8_000.0 + late[late < 20_000.0]
    mean = hot[0] + (hot[1] - hot[0]) * (event - 8_000.0) / 20_000.0
    energy = np.exp(rng.normal(np.log(mean), 0.4))
    quiet = np.exp(rng.normal(0.0, 0.3, steady))
    times = np.concatenate([event, rng.uniform(0.0, DURATION, steady)])
    return source(rng, times, np.clip(np.concatenate([energy, quiet]), 0.5, 7.0))


def timed(batch: EventBatch) -> tuple[Timing, dict[str, F64]]:
    timing = assess(batch, TimingSettings(threads=1))
    return timing, class_columns(TimedSources.select(batch, timing, np.arange(len(batch))))


TELESCOPES = ("chandra-acis-i", "xmm-mos1", "swift-xrt", "erosita-pointed", "ep-wxt", "ep-fxt")


@pytest.fixture(scope="module")
def flares() -> EventBatch:
    rng = np.random.default_rng(4)
    return EventBatch.from_lists(flare(rng, 2_000.0, (3.0, 1.2)) for _ in range(12))


@pytest.fixture(scope="module")
def model() -> ClassModel:
    return cached_calibration().class_model


# Thresholds


def toy(rng: np.random.Generator, n: int) -> tuple[F64, I64, I64]:
    """Probabilities of three overlapping classes of which the third is rare, and counts."""
    truth = rng.choice(3, n, p=[0.6, 0.35, 0.05])
    raw = rng.normal(0.0, 1.0, (n, 3))
    raw[np.arange(n), truth] += rng.choice([0.3, 2.0], n)
    return softmax(raw), truth.astype(np.int64), rng.choice([10, 50, 500], n).astype(np.int64)


@pytest.mark.parametrize("coverage", [0.8, 0.9])
def test_sets_cover_every_class_at_every_brightness(coverage: float) -> None:
    rng = np.random.default_rng(2)
    edges = np.array([0.0, 30.0, 100.0, np.inf])
    table = class_thresholds(*toy(rng, 20_000), edges, coverage)
    probabilities, truth, counts = toy(rng, 20_000)
    row = np.searchsorted(edges, counts, side="right") - 1
    covered = (probabilities >= table[row])[np.arange(len(truth)), truth]
    for kind in range(3):
        for bin_ in range(3):
            own = (truth == kind) & (row == bin_)
            # Thresholds have a sampling error of their own, as large as that of the test.
            margin = 5.0 * np.sqrt(2.0 * coverage * (1 - coverage) / own.sum())
            assert covered[own].mean() == pytest.approx(coverage, abs=margin)


def test_a_class_without_enough_events_is_in_every_set() -> None:
    probabilities = np.tile([0.9, 0.1], (20, 1))
    truth = np.array([0] * 15 + [1] * 5)
    table = class_thresholds(probabilities, truth, np.full(20, 40), np.array([0.0, np.inf]), 0.9)
    assert table.tolist() == [[0.9, 0.0]]


def telescope_toy(rng: np.random.Generator, n: int) -> tuple[F64, I64, I64, np.ndarray]:
    """As `toy`, of two telescopes, the second of which, with a quarter of the events, tells classes apart less well."""
    truth = rng.integers(0, 3, n)
    is_poor = rng.random(n) < 0.25
    raw = rng.normal(0.0, 1.0, (n, 3))
    raw[np.arange(n), truth] += np.where(is_poor, 0.5, 2.0)
    return softmax(raw), truth.astype(np.int64), rng.choice([10, 50, 500], n).astype(np.int64), is_poor


def test_sets_of_a_telescope_cover_where_pooled_ones_do_not() -> None:
    rng = np.random.default_rng(5)
    edges = np.array([0.0, 30.0, 100.0, np.inf])
    probabilities, truth, counts, is_poor = telescope_toy(rng, 8_000)
    conformity = compute_conformity(probabilities)
    own = telescope_thresholds(conformity, truth, counts, is_poor, edges, 0.9)
    pooled = class_thresholds(conformity, truth, counts, edges, 0.9)
    probabilities, truth, counts, is_poor = telescope_toy(rng, 20_000)
    conformity = compute_conformity(probabilities)[np.arange(len(truth)), truth]
    row = np.searchsorted(edges, counts, side="right") - 1
    covered, too_few = ((conformity >= table[row, truth])[is_poor] for table in (own, pooled))
    margin = 5.0 * np.sqrt(0.09 * (1.0 / is_poor.sum() + 1.0 / 2_000))
    assert covered.mean() == pytest.approx(0.9, abs=margin)
    assert too_few.mean() < 0.9 - margin
    for kind in range(3):
        assert covered[truth[is_poor] == kind].mean() == pytest.approx(0.9, abs=2.0 * margin)


def test_an_unknown_telescope_has_the_thresholds_of_all(model: ClassModel) -> None:
    assert set(model.telescopes) == set(TELESCOPES)
    probabilities = softmax(np.random.default_rng(3).normal(0.0, 2.0, (400, len(model.names))))
    counts = np.full(400, 60)
    unknown = model.sets(probabilities, counts, "a plugin's")
    np.testing.assert_array_equal(unknown, model.sets(probabilities, counts))
    pooled = replace(model, thresholds=np.repeat(model.thresholds[:1], len(model.telescopes) + 1, axis=0))
    np.testing.assert_array_equal(unknown, pooled.sets(probabilities, counts, "ep-wxt"))
    assert (unknown != model.sets(probabilities, counts, "ep-wxt")).any()


# The model


def test_only_significant_sources_have_classes(flares: EventBatch, model: ClassModel) -> None:
    timing, _ = timed(flares)
    significant = np.arange(len(flares)) % 2 == 0
    found = classify(model, flares, timing, significant)
    assert found.probabilities[significant].sum(axis=1) == pytest.approx(np.ones(significant.sum()))
    assert np.isnan(found.probabilities[~significant]).all()
    assert not found.members[~significant].any()
    assert np.isnan(found.novelty[~significant]).all()
    assert ((found.novelty[significant] >= 0) & (found.novelty[significant] <= 1)).all()
    best = found.probabilities[significant].argmax(axis=1)
    assert found.members[significant][np.arange(len(best)), best].all()
    assert 0.8 <= found.coverage < 1


def test_a_source_has_the_same_classes_alone_and_among_others(flares: EventBatch, model: ClassModel) -> None:
    timing, _ = timed(flares)
    every = np.full(len(flares), True)
    together = classify(model, flares, timing, every)
    single = flares.select(np.array([5]))
    alone = classify(model, single, timed(single)[0], every[:1])
    np.testing.assert_array_equal(alone.probabilities[0], together.probabilities[5])
    np.testing.assert_array_equal(together.part(5, 6).members, alone.members)
    np.testing.assert_array_equal(alone.novelty[0], together.novelty[5])


def test_stellar_flares_are_seldom_anything_else(model: ClassModel) -> None:
    """Hot plasma that cools within half an hour on a soft corona: what young stars do."""
    rng = np.random.default_rng(8)
    batch = EventBatch.from_lists(flare(rng, 2_500.0, (2.2, 1.2)) for _ in range(40))
    found = classify(model, batch, timed(batch)[0], np.full(len(batch), True))
    covered = int(found.members[:, found.names.index("stellar_flare")].sum())
    # Of 40 at a coverage of 0.9 at least this many, but for one chance in 1e5.
    assert covered >= binom.ppf(LEAST_P, len(batch), model.coverage)
    magnetars = found.probabilities[:, found.names.index("magnetar_burst")]
    assert np.median(magnetars) < 0.1


def test_priors_weigh_probabilities_and_nothing_else(flares: EventBatch, model: ClassModel) -> None:
    timing, _ = timed(flares)
    every = np.full(len(flares), True)
    equal, weighed = (classify(model, flares, timing, every, priors) for priors in (None, {"qpe": 50.0}))
    column = model.names.index("qpe")
    rest = np.arange(len(model.names)) != column
    odds = equal.probabilities[:, column] / equal.probabilities[:, rest].sum(axis=1)
    expected = 50.0 * odds / (1.0 + 50.0 * odds)
    np.testing.assert_allclose(weighed.probabilities[:, column], expected, rtol=1e-9)
    np.testing.assert_array_equal(weighed.members, equal.members)
    np.testing.assert_array_equal(weighed.novelty, equal.novelty)
    with pytest.raises(ConfigError, match=r"class_priors.*'unicorn'.*stellar_flare"):
        classify(model, flares, timing, every, {"unicorn": 2.0})


def test_a_model_is_the_same_after_it_was_stored(flares: EventBatch, model: ClassModel) -> None:
    _, columns = timed(flares)
    arrays = model.to_arrays()
    again = ClassModel.from_arrays(model.names, model.telescopes, model.trees.inputs, arrays)
    probabilities = model.probabilities(columns, len(flares))
    np.testing.assert_array_equal(again.probabilities(columns, len(flares)), probabilities)
    np.testing.assert_array_equal(
        again.rank_novelty(columns, probabilities), model.rank_novelty(columns, probabilities)
    )
    with pytest.raises(ArtefactError, match="class_thresholds is missing"):
        ClassModel.from_arrays(
            model.names,
            model.telescopes,
            model.trees.inputs,
            {k: v for k, v in arrays.items() if k != "class_thresholds"},
        )
    for names, telescopes in ((model.names[:-1], model.telescopes), (model.names, model.telescopes[1:])):
        with pytest.raises(ArtefactError, match="not those of the classes"):
            ClassModel.from_arrays(names, telescopes, model.trees.inputs, arrays)


@pytest.mark.parametrize("name", TELESCOPES)
def test_the_shipped_classes_are_calibrated_for_every_telescope(name: str) -> None:
    """What the build measured on shapes that its trees did not have."""
    one = cached_calibration().about["classes_measured"]["telescopes"][name]
    assert one["expected_calibration_error"] < 0.05
    assert one["coverage"] == pytest.approx(0.9, abs=0.03)


def test_the_shipped_classes_are_calibrated_across_shapes() -> None:
    """What the build measured on shapes that its trees did not have."""
    measured = cached_calibration().about["classes_measured"]
    for name, one in measured["classes"].items():
        margin = 5.0 * np.sqrt(0.09 / one["events"])
        assert one["coverage"] > 0.9 - margin, name
        assert one["single_wrong"] < 0.05, name


# Columns


def test_columns_are_complete_and_depend_on_the_source_alone(flares: EventBatch) -> None:
    _, columns = timed(flares)
    assert set(columns) == set(CLASS_COLUMNS)
    _, single = timed(flares.select(np.array([3])))
    for name in CLASS_COLUMNS:
        np.testing.assert_array_equal(single[name][0], columns[name][3])


def test_columns_tell_heat_and_time() -> None:
    rng = np.random.default_rng(6)
    cooling, heating = ((4.0, 0.8), (0.8, 4.0))
    batch = EventBatch.from_lists(
        [flare(rng, 2_000.0, cooling), flare(rng, 2_000.0, heating), flare(rng, 300.0, cooling, steady=3)]
    )
    _, columns = timed(batch)
    assert columns["energy_early_late"][0] < 0 < columns["energy_early_late"][1]
    assert columns["energy_flare_sigma"][0] > 3
    assert columns["flare_log10_s"][2] < columns["flare_log10_s"][0]
    assert columns["quiet_share"][2] < columns["quiet_share"][0]
    assert columns["log10_shortest_50"][2] == pytest.approx(np.log10(300 * np.log(2)), abs=0.25)


def test_columns_find_the_period_of_a_pulsar_and_none_in_noise() -> None:
    rng = np.random.default_rng(7)
    period = 113.0
    phases = np.floor(rng.uniform(0.0, DURATION / period, 300)) + rng.normal(0.0, 0.1, 300)
    pulsed = np.clip(phases * period, 0.0, DURATION)
    energies = rng.uniform(0.6, 6.0, 300)
    batch = EventBatch.from_lists(
        [source(rng, pulsed, energies), source(rng, rng.uniform(0.0, DURATION, 300), energies)]
    )
    _, columns = timed(batch)
    assert columns["log10_period_s"][0] == pytest.approx(np.log10(period), abs=0.01)
    # Powers are exponential of mean 2: beyond 2 ln(number) by 25 in one of 3e5.
    assert columns["period_power"][0] > 100
    assert columns["period_power"][1] < 25


def test_few_photons_give_columns_without_a_value() -> None:
    rng = np.random.default_rng(1)
    few = source(rng, np.array([10.0, 20.0, 30.0]), np.array([1.0, 2.0, 3.0]))
    _, columns = timed(EventBatch.from_lists([few]))
    assert np.isnan(columns["energy_flare"][0])
    assert columns["log10_counts"][0] == pytest.approx(np.log10(3))


# Words and measures


def test_sets_are_named_as_far_as_they_inform() -> None:
    assert format_classes([]) == ""
    assert format_classes(["stellar_flare"]) == "stellar flare"
    assert format_classes(["stellar_flare", "xray_burst"]) == "stellar flare or X-ray burst"
    assert format_classes(["qpe", "nova", "other_flare"]) == (
        "quasi-periodic eruption, nova or flare of no known class"
    )
    many = ["agn", "dip", "eclipse", "nova", "qpe", "sfxt", "transit"][: MAX_NAMED_CLASSES + 1]
    assert format_classes(many) == f"unclassified ({len(many)} classes possible)"


def test_reliability_is_weighted() -> None:
    stated, right = np.array([0.55, 0.55, 0.95]), np.array([1.0, 0.0, 1.0])
    low, high = reliability(stated, right, np.array([3.0, 1.0, 4.0]))
    assert (low["right"], low["weight"], low["events"]) == (0.75, 0.5, 2)
    assert (high["stated"], high["right"], high["weight"]) == (pytest.approx(0.95), 1.0, 0.5)


def test_a_model_with_another_temperature_is_as_sure_of_the_order(flares: EventBatch, model: ClassModel) -> None:
    _, columns = timed(flares)
    usual = model.probabilities(columns, len(flares))
    warm = replace(model, temperatures=3.0 * model.temperatures).probabilities(columns, len(flares))
    np.testing.assert_array_equal(usual.argmax(axis=1), warm.argmax(axis=1))
    assert (warm.max(axis=1) <= usual.max(axis=1)).all()
