"""Scoring: trees as trained, calibrated probabilities, results independent of the batch, real transients."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xherald.detector.calibration.build_calibration import TELESCOPE_INSTRUMENTS, Sizes, build_calibration
from xherald.detector.calibration.calibration import SHIPPED, cached_calibration, load_calibration
from xherald.detector.calibration.group_references import find_reference
from xherald.detector.calibration.null_matching import TAIL_PROBABILITY, MatchedNulls, compute_matched_probability
from xherald.detector.calibration.simulated_samples import SIMULATED, simulate_sources
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.scan import scan_file
from xherald.detector.scoring.boosted_trees import Trees, fit_trees, flatten_booster
from xherald.detector.scoring.detect import score_batch
from xherald.detector.scoring.score_columns import compute_covariates, gap_fraction
from xherald.photons.errors import ArtefactError, ConfigError
from xherald.photons.statistics import DIP, FLARE, assess
from xherald.simulation.classes import CLASSES
from xherald.simulation.published_templates import TEMPLATES

FAR_SEED = 2000
"""Above every seed of a calibration."""


@pytest.fixture(scope="module")
def configuration():
    return load_configuration(None, {})


def score(batch, configuration):
    return score_batch(batch, assess(batch), configuration)


# --- trees ---


@pytest.mark.parametrize("classes", [2, 3])
def test_trees_predict_as_lightgbm_does(classes):
    import lightgbm

    random = np.random.default_rng(1)
    columns = {name: random.normal(size=2000) for name in "abc"}
    columns["b"][::5] = np.nan
    wanted = np.digitize(columns["a"] + np.nan_to_num(columns["b"]), [0.0, 1.0][: classes - 1])
    table = np.column_stack(list(columns.values()))
    kind = {"objective": "binary"} if classes == 2 else {"objective": "multiclass", "num_class": 3}
    model = lightgbm.train({**kind, "verbosity": -1}, lightgbm.Dataset(table, wanted), num_boost_round=20)
    trees = flatten_booster(model.dump_model(), tuple(columns))
    columns["a"][::7] = np.nan  # none were missing in training
    table = np.column_stack(list(columns.values()))
    expected = model.predict(table, raw_score=True).reshape(2000, -1)
    assert trees.evaluate(columns, 2000) == pytest.approx(expected, abs=1e-9)


def test_training_is_reproducible():
    random = np.random.default_rng(4)
    columns = {name: random.normal(size=2000) for name in "abc"}
    wanted = np.digitize(columns["a"] + 0.3 * random.normal(size=2000), [0.0, 1.0])
    first, second = (fit_trees(columns, wanted, dict.fromkeys("abc", 0), column_fraction=0.5) for _ in range(2))
    assert np.array_equal(first.evaluate(columns, 2000), second.evaluate(columns, 2000))
    assert (first.evaluate(columns, 2000).argmax(axis=1) == wanted).mean() > 0.75


def test_trees_are_monotonic_where_required():
    random = np.random.default_rng(2)
    columns = {"a": random.normal(size=3000), "b": random.normal(size=3000)}
    wanted = (np.sin(3 * columns["a"]) + columns["b"] > 0).astype(int)
    trees = fit_trees(columns, wanted, {"a": 1, "b": 0})
    grid = np.linspace(-3, 3, 200)
    for b in (-1.0, 0.0, np.nan):
        raw = trees.evaluate({"a": grid, "b": np.full(200, b)}, 200)[:, 0]
        assert np.all(np.diff(raw) >= 0)
        assert raw[-1] > raw[0]


def test_broken_trees_are_rejected():
    columns = {"a": np.arange(200.0)}
    trees = fit_trees(columns, (columns["a"] > 90).astype(int), {"a": 1}, iterations=3)
    arrays = trees.to_arrays("x_")
    again = Trees.from_arrays(("a",), arrays, "x_")
    assert np.array_equal(again.evaluate(columns, 200), trees.evaluate(columns, 200))
    endless = arrays["x_left"].copy()
    endless[0] = 0
    for broken in (
        {"x_left": endless},
        {"x_feature": arrays["x_feature"] + 5},
        {"x_value": arrays["x_value"] * np.nan},
    ):
        with pytest.raises(ArtefactError, match="build the calibration again"):
            Trees.from_arrays(("a",), {**arrays, **broken}, "x_")
    with pytest.raises(ArtefactError, match="missing"):
        Trees.from_arrays(("a",), {}, "x_")


# --- matched null sources ---


def nulls_that_depend(n, seed):
    """Ranks whose scale depends on the background share, as if the pooled curve were wrong."""
    random = np.random.default_rng(seed)
    covariates = np.column_stack(
        [random.uniform(1, 2.5, n), random.uniform(0, 0.8, n), random.uniform(0, 0.6, n), random.uniform(3, 5, n)]
    )
    return random.exponential(1.0, n) + 0.8 * covariates[:, 1], covariates


def test_matched_probabilities_are_uniform_for_all_covariates():
    z, covariates = nulls_that_depend(20_000, 3)
    matched = MatchedNulls.of(z.astype(np.float32), covariates.astype(np.float32))
    fresh, where = nulls_that_depend(6000, 4)
    p = compute_matched_probability(fresh, where, matched)
    for low, high in ((0.0, 0.25), (0.25, 0.55), (0.55, 0.8)):
        chosen = (where[:, 1] >= low) & (where[:, 1] < high)
        for level in (0.5, 0.1, 0.01):
            part, error = np.mean(p[chosen] <= level), np.sqrt(level * (1 - level) / chosen.sum())
            # 4 σ of the sources, and the slope of the scale over the width within which null sources match.
            assert abs(part - level) <= 4 * error + 0.15 * level


def test_far_tail_is_exponential():
    z, covariates = nulls_that_depend(5000, 5)
    matched = MatchedNulls.of(z.astype(np.float32), covariates.astype(np.float32))
    at = np.repeat(covariates[:1], 3, axis=0)
    p = compute_matched_probability(np.array([20.0, 21.0, 60.0]), at, matched)
    assert np.diff(np.log(p)) == pytest.approx([-1.0, -39.0])
    assert p[0] < TAIL_PROBABILITY


@given(st.lists(st.floats(0, 30), min_size=2, max_size=40))
def test_probability_falls_with_rank(ranks):
    z, covariates = nulls_that_depend(2000, 6)
    matched = MatchedNulls.of(z.astype(np.float32), covariates.astype(np.float32))
    ranks = np.sort(ranks)
    p = compute_matched_probability(ranks, np.repeat(covariates[:1], len(ranks), axis=0), matched)
    assert np.all(np.diff(p) <= 1e-9)
    assert np.all((p > 0) & (p <= 1))


def test_source_unlike_all_null_sources_is_matched_to_the_nearest():
    z, covariates = nulls_that_depend(3000, 7)
    matched = MatchedNulls.of(z.astype(np.float32), covariates.astype(np.float32))
    p = compute_matched_probability(np.array([0.5, 3.0, np.nan]), np.array([[4.0, 1.0, 0.9, 6.0]] * 3), matched)
    assert 0 < p[1] < p[0] <= 1
    assert np.isnan(p[2])


# --- scoring ---


@pytest.mark.parametrize("telescope", ["chandra-acis-i", "swift-xrt", "ep-wxt"])
def test_false_alarm_rates_of_steady_sources(telescope, configuration):
    sources = simulate_sources(telescope, 3000, FAR_SEED, 0.0)
    batch = sources.select(sources.steady).batch
    p = score(batch, configuration).false_alarm_probability
    for level in (0.3, 0.1, 0.01):
        part = np.mean(p <= level)
        # The stated rate must be right within ±20 %, plus 4 σ of the sources.
        assert abs(part - level) <= 0.2 * level + 4 * np.sqrt(level * (1 - level) / len(p))


def test_transients_are_significant_and_in_their_direction(configuration):
    sources = simulate_sources("chandra-acis-i", 1800, FAR_SEED + 1, 0.6)
    bright = sources.select(sources.bona_fide)
    scored = score(bright.batch, configuration)
    flares, dips = bright.direction == FLARE, bright.direction == DIP
    assert flares.sum() > 100
    assert dips.sum() > 10
    # Bona-fide events are expected at 5 σ or more; one at 5 σ, with some fifty trials, is found three times in four,
    # and few are so faint.
    assert np.mean(scored.significant[flares]) > 0.9
    assert np.mean(scored.detection_batch.direction[flares & scored.significant] == FLARE) > 0.97
    assert np.mean(scored.detection_batch.direction[dips & scored.significant] == DIP) > 0.7
    assert np.all(scored.p_astro[scored.significant] > 0.2)
    found = scored.significant
    assert scored.classes.probabilities[found].sum(axis=1) == pytest.approx(np.ones(found.sum()))
    assert np.isnan(scored.classes.probabilities[~found]).all()
    families = np.array([CLASSES[name].family for name in bright.classes])
    assert set(scored.classes.names) >= set(families)
    # Sets of the training's own classes cover nine in ten of them; the tolerance is 4 σ of these events.
    column = np.array([scored.classes.names.index(name) for name in families])
    covered = scored.classes.members[np.arange(len(scored)), column][found]
    assert covered.mean() > 0.9 - 4 * np.sqrt(0.09 / found.sum())


def test_results_do_not_depend_on_the_batch(configuration):
    batch = simulate_sources("chandra-acis-i", 60, FAR_SEED + 2, 0.5).batch
    rows = np.array([40, 3, 17])
    whole, part = score(batch, configuration), score(batch.select(rows), configuration)
    for name in ("score", "tail_probability", "p_astro"):
        assert np.array_equal(getattr(whole, name)[rows], getattr(part, name), equal_nan=True)
    assert np.array_equal(whole.classes.probabilities[rows], part.classes.probabilities, equal_nan=True)
    assert np.array_equal(whole.classes.members[rows], part.classes.members)
    assert np.array_equal(whole.neighbours.names[rows], part.neighbours.names)
    assert np.array_equal(whole.neighbours.places[rows], part.neighbours.places)


def test_unknown_instruments_are_scored_by_timing_alone(configuration):
    sources = simulate_sources("chandra-acis-i", 400, FAR_SEED + 3, 0.5)
    own = score(sources.batch, configuration)
    foreign = replace(sources.batch, identities=tuple(replace(one, mission="NEW") for one in sources.batch.identities))
    scored = score(foreign, configuration)
    assert scored.neighbours is None
    assert scored.calibration.endswith(" any")
    assert own.neighbours.reference.startswith("chandra-acis-i@")
    assert np.array_equal(np.isnan(scored.false_alarm_probability), np.isnan(own.false_alarm_probability))
    strong = sources.bona_fide & (sources.direction == FLARE)
    assert np.mean(scored.significant[strong]) > 0.9


def test_rates_follow_from_the_rate_of_sources(configuration):
    batch = simulate_sources("chandra-acis-i", 40, FAR_SEED + 4, 0.0).batch
    settings = configuration.settings
    daily = replace(
        configuration,
        settings=settings.model_copy(
            update={"detection": settings.detection.model_copy(update={"sources_per_day": 8640.0})}
        ),
    )
    scored, own = score(batch, daily), score(batch, configuration)
    assert scored.far_hz == pytest.approx(scored.false_alarm_probability * 0.1)
    starts, stops = batch.gti[batch.gti_offsets[:-1], 0], batch.gti[batch.gti_offsets[1:] - 1, 1]
    exposures = np.array([one.obs_id for one in batch.identities])
    span = sum(stops[exposures == one].max() - starts[exposures == one].min() for one in np.unique(exposures))
    assert own.far_hz == pytest.approx(own.false_alarm_probability * len(batch) / span)


def test_empty_batch(configuration):
    batch = simulate_sources("chandra-acis-i", 5, FAR_SEED + 5, 0.0).batch
    assert len(score(batch.select(np.array([], dtype=np.int64)), configuration)) == 0


def test_covariates():
    batch = simulate_sources("swift-xrt", 50, FAR_SEED + 6, 0.0).batch
    columns = compute_covariates(batch)
    assert 10 ** columns["log10_counts"] == pytest.approx(batch.counts)
    assert 10 ** columns["log10_livetime"] == pytest.approx(batch.livetime)
    for i in (0, 20, 49):
        gti = batch.gti[batch.gti_offsets[i] : batch.gti_offsets[i + 1]]
        assert gap_fraction(batch)[i] == pytest.approx(1 - np.diff(gti).sum() / (gti[-1, 1] - gti[0, 0]))


# --- the artefact ---


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_calibration_is_built_written_and_read(tmp_path, configuration, xherald):
    answer = xherald(
        "calibration", "build", "--out", tmp_path / "small", "--scale", 0.1, "--telescope", "chandra-acis-i",
        "--seed", 20, "--json",
    )  # fmt: skip
    about = json.loads(answer.stdout)
    assert about["seed"] == 20
    assert set(about["groups"]) == {"chandra-acis-i", "any"}
    assert about["measured"]["flare"]["recovered_at_0.01"] > about["measured"]["flare"]["recovered_at_0.001"] > 0.3
    calibration = load_calibration(tmp_path / "small")
    assert calibration.find_group("CHANDRA", "ACIS").name == "chandra-acis-i"
    assert calibration.find_group("NEW", "CAMERA").name == "any"
    # Members of its reference are published transients, with their classes, or say that they are simulated.
    reference = calibration.load_reference(calibration.groups["chandra-acis-i"], configuration.host)
    members = reference.sources.to_pylist()
    published = {one["obsreg_id"]: one for one in members if not one["obsreg_id"].startswith(SIMULATED)}
    assert {"CDF-S XT1", "XRT 200515", "Proxima Centauri", "M51-ULX-1b"} <= set(published) <= set(TEMPLATES)
    assert all(one["class"] == TEMPLATES[name].kind for name, one in published.items())
    assert published["M51-ULX-1b"]["bona_fide"] == "dip"
    # The calibration read back scores sources, and results name it.
    settings = configuration.settings
    own = replace(
        configuration,
        settings=settings.model_copy(
            update={"detection": settings.detection.model_copy(update={"calibration": tmp_path / "small"})}
        ),
    )
    scored = score(simulate_sources("chandra-acis-i", 30, FAR_SEED + 7, 0.5).batch, own)
    assert scored.calibration.startswith("small@")
    with (tmp_path / "small" / "arrays.npz").open("ab") as file:
        file.write(b"x")
    assert "modified since" in xherald("calibration", "show", tmp_path / "small").stderr


def test_seeds_of_evaluations_are_rejected(configuration):
    for wrong in (-1, 996, 2000):
        with pytest.raises(ConfigError, match="seed"):
            build_calibration("x", configuration, seed=wrong, sizes=Sizes().scaled(0.05))
    with pytest.raises(ConfigError, match="hubble"):
        build_calibration("x", configuration, seed=1, telescopes=("hubble",))


def test_the_reference_that_a_row_names_can_be_opened(configuration):
    calibration = cached_calibration()
    for name in TELESCOPE_INSTRUMENTS:
        own = calibration.load_reference(calibration.groups[name], configuration.host)
        assert (
            find_reference(f"{own.name}@{own.version}", configuration).about["created_utc"] == own.about["created_utc"]
        )
    with pytest.raises(ConfigError, match="no reference 'nothing@1'"):
        find_reference("nothing@1", configuration)


def test_shipped_calibration_serves_every_mission(xherald):
    calibration = cached_calibration()
    assert set(calibration.groups) == {*TELESCOPE_INSTRUMENTS, "any"}
    assert "all other instruments" in xherald("calibration", "show").stdout
    assert sum(path.stat().st_size for path in Path(SHIPPED).rglob("*") if path.is_file()) < 20e6


# --- real sources ---


@pytest.mark.parametrize("name", ["acisf23022_000N027_r0122_regevt3.fits.gz", "acisf23022_0.3-7_evt2_filtered.fits"])
def test_xrt_200515_is_a_candidate(name, data, configuration):
    scored = scan_file(data / "chandra" / name, configuration).detections
    best = int(np.nanargmin(scored.tail_probability))
    assert scored.candidate[best]
    assert scored.detection_batch.direction[best] == FLARE
    assert scored.tail_probability[best] < 1e-6
    # Nothing is stated below what the null sources of the instrument measured.
    assert scored.false_alarm_probability[best] == scored.probability_floor >= 1e-6
    assert scored.extrapolated[best]


def test_the_flare_in_orion_is_a_candidate(data, configuration):
    scan = scan_file(data / "chandra" / "acisf29128N001_evt2.fits.gz", configuration)
    places = np.array([(one.ra, one.dec) for one in scan.photons.batch.identities])
    away = np.hypot((places[:, 0] - 83.833298) * np.cos(np.radians(-5.42)), places[:, 1] + 5.420581) * 3600
    nearest = int(np.argmin(away))
    assert away[nearest] < 2.0
    assert scan.detections.candidate[nearest]
    assert scan.detections.detection_batch.direction[nearest] == FLARE
