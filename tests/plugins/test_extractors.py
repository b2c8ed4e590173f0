"""Extractors: components are scikit-learn's, features are a source's own, what was learned survives being kept."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from paths import ROOT
from pydantic import ValidationError
from scipy.sparse import csr_array
from sklearn.decomposition import PCA
from steady_sources import steady_batch
from variable_sources import simulated_source

from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.artefact_folders import save_arrays, save_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins import FeatureExtractor, FittedExtractor, PluginHost, Sample
from xherald.plugins.extractors import PcaExtractor, TimingExtractor
from xherald.plugins.extractors.timing_names import NAMES
from xherald.plugins.representations import EtdtCube, EtMap

SOURCES = 300
BATCH = steady_batch(SOURCES, seed=3, frame_time=3.14)


def sample_of(kind, batch: EventBatch = BATCH, **options) -> Sample:
    chosen = kind.options_model(**options)
    return Sample(batch, kind.transform(batch, chosen), kind.shape(chosen))


MAPS, CUBES = sample_of(EtMap()), sample_of(EtdtCube())
EITHER = pytest.mark.parametrize("sample", [MAPS, CUBES], ids=["maps", "cubes"])
SOLVERS = pytest.mark.parametrize("solver", ["sparse", "published"])


def dense(sample: Sample) -> np.ndarray:
    values = sample.values.toarray() if isinstance(sample.values, csr_array) else sample.values
    return values.reshape(len(sample), -1).astype(np.float64)


def part_of(sample: Sample, chosen) -> Sample:
    return Sample(sample.batch.select(chosen), sample.values[chosen], sample.shape)


def fit(extractor: FeatureExtractor, sample: Sample, **options):
    return extractor.fit(sample, extractor.options_model(**options))


# --- principal components ---


@EITHER
def test_the_published_solver_is_scikit_learn_s_to_the_last_bit(sample) -> None:
    fitted, features = fit(PcaExtractor(), sample, components=15, solver="published")
    expected = PCA(n_components=15, random_state=11)
    assert np.array_equal(features, expected.fit_transform(dense(sample)))
    assert features.dtype == np.float64
    assert np.array_equal(fitted.explained_variance_ratio, expected.explained_variance_ratio_)
    np.testing.assert_allclose(fitted.transform(sample), expected.transform(dense(sample)), rtol=0, atol=1e-10)


@EITHER
def test_the_sparse_solver_finds_the_components_of_a_full_decomposition(sample) -> None:
    fitted, features = fit(PcaExtractor(), sample, components=10)
    exact = PCA(n_components=10, svd_solver="full").fit(dense(sample))
    np.testing.assert_allclose(fitted.explained_variance, exact.explained_variance_, rtol=1e-10)
    np.testing.assert_allclose(fitted.explained_variance_ratio, exact.explained_variance_ratio_, rtol=1e-10)
    np.testing.assert_allclose(fitted.components, exact.components_, rtol=0, atol=1e-7)
    np.testing.assert_allclose(features, exact.transform(dense(sample)), rtol=1e-5, atol=1e-4)
    assert features.dtype == np.float32


@SOLVERS
def test_dense_and_sparse_arrays_give_the_same(solver) -> None:
    rows = replace(MAPS, values=csr_array(dense(MAPS).astype(np.float32)))
    (from_maps, features), (from_rows, others) = (
        fit(PcaExtractor(), sample, components=8, solver=solver) for sample in (MAPS, rows)
    )
    assert np.array_equal(from_maps.components, from_rows.components)
    assert np.array_equal(features, others)
    assert np.array_equal(from_maps.transform(MAPS), from_maps.transform(rows))


@SOLVERS
def test_standardised_features_have_unit_spread(solver) -> None:
    _, features = fit(PcaExtractor(), CUBES, components=6, solver=solver, standardise=True)
    np.testing.assert_allclose(features.std(axis=0, ddof=1), 1.0, rtol=1e-5)
    np.testing.assert_allclose(features.mean(axis=0), 0.0, atol=1e-5)


@SOLVERS
def test_too_few_sources_or_values_are_refused(solver) -> None:
    few = part_of(MAPS, np.arange(15))
    with pytest.raises(ReferenceDataError, match=r"15 sources have no 15 principal components; bring at least 16"):
        fit(PcaExtractor(), few, components=15, solver=solver)
    narrow = sample_of(EtMap(), bins=(3, 2))
    with pytest.raises(ReferenceDataError, match=r"6 values a source have no 6 principal components"):
        fit(PcaExtractor(), narrow, components=6, solver=solver)
    with pytest.raises(ReferenceDataError, match="name one in the case"):
        fit(PcaExtractor(), Sample(BATCH), solver=solver)


@SOLVERS
def test_sources_that_are_alike_are_refused(solver) -> None:
    alike = replace(MAPS, values=np.repeat(MAPS.values[:1], SOURCES, axis=0))
    with pytest.raises(ReferenceDataError, match="alike"):
        fit(PcaExtractor(), alike, components=3, solver=solver)
    doubled = alike.values * (1 + np.arange(SOURCES) % 2)[:, None, None].astype(np.float32)
    along_one = replace(MAPS, values=doubled)
    _, features = fit(PcaExtractor(), along_one, components=3, solver=solver)
    assert np.isfinite(features).all()
    assert np.ptp(features[:, 0]) > 1e6 * np.ptp(features[:, 1:])
    with pytest.raises(ReferenceDataError, match="do not vary along component 2 of 3"):
        fit(PcaExtractor(), along_one, components=3, solver=solver, standardise=True)


def test_values_that_are_no_numbers_are_refused_by_the_source_s_name() -> None:
    values = MAPS.values.copy()
    values[7, 3, 3] = np.nan
    broken = replace(MAPS, values=values)
    with pytest.raises(ReferenceDataError, match=r"features of 1 sources are not finite, the first of them 0/7;"):
        fit(PcaExtractor(), broken, components=3)
    fitted, _ = fit(PcaExtractor(), MAPS, components=3)
    with pytest.raises(ReferenceDataError, match="0/7"):
        fitted.transform(broken)


def test_another_representation_s_values_are_refused() -> None:
    fitted, _ = fit(PcaExtractor(), MAPS, components=3)
    with pytest.raises(ReferenceDataError, match="learned from 384 values a source and was given 6144"):
        fitted.transform(CUBES)


# --- timing ---


def test_timing_features_are_finite_for_any_source() -> None:
    nothing = Identity("NONE", "NONE", "0", "few")
    few = [
        EventList(np.arange(n) * 50.0, np.full(n, 1.0, np.float32), Exposure([[-1.0, 500.0]]), nothing, 3.2, (0.5, 7.0))
        for n in range(6)
    ]
    unknown = [replace(one, good_times_known=False) for one in few]
    batch = EventBatch.concatenate([BATCH, EventBatch.from_lists([*few, *unknown])])
    fitted, features = fit(TimingExtractor(), Sample(batch))
    assert features.shape == (len(batch), len(NAMES)) == (len(batch), fitted.width)
    assert features.dtype == np.float32
    assert np.isfinite(features).all()


def test_flares_and_dips_stand_out_and_stand_apart() -> None:
    flare = simulated_source("flare", 1, 0.005, (3000.0, 3200.0, 0.5))
    bright = simulated_source("dip", 2, 0.05)
    lost = (bright.time > 8_000) & (bright.time < 10_000)
    dip = replace(bright, time=bright.time[~lost], energy=bright.energy[~lost])
    fitted, steady = fit(TimingExtractor(), Sample(BATCH))
    flaring, dipping = fitted.transform(Sample(EventBatch.from_lists([flare, dip])))
    p, livetime, counts = (NAMES.index(name) for name in ("p_value", "interval_livetime", "interval_counts"))
    # A p-value of 1e-3 is met in fewer than one of the 300 steady sources on average.
    assert np.quantile(np.abs(steady[:, p]), 0.98) < min(flaring[p], -dipping[p])
    assert flaring[NAMES.index("flare_averaged")] > dipping[NAMES.index("flare_averaged")]
    raw = fitted.centre + fitted.scale * np.array([flaring, dipping])
    assert raw[0, livetime] < 0.1 < 0.5 < raw[0, counts]
    assert raw[1, counts] < 0.02 < 0.15 < raw[1, livetime] < 0.3


def test_timing_features_have_the_scale_of_their_population() -> None:
    fitted, features = fit(TimingExtractor(), Sample(BATCH), cap=5.0)
    low, middle, high = np.quantile(features, (0.25, 0.5, 0.75), axis=0)
    np.testing.assert_allclose(middle, 0.0, atol=1e-6)
    spread = high - low
    np.testing.assert_allclose(spread[spread > 0], 1.3489795, rtol=1e-5)
    raw = fitted.centre + fitted.scale * features
    tests = [NAMES.index(name) for name in (*NAMES[:9], "p_value")]
    assert np.abs(raw[:, tests]).max() <= 5.0 * (1 + 1e-6)


def test_timing_needs_a_population() -> None:
    with pytest.raises(ReferenceDataError, match=r"19 sources have no scale; bring at least 20"):
        fit(TimingExtractor(), Sample(BATCH.select(np.arange(19))))


def test_hardness_tells_soft_from_hard_and_where_it_changed() -> None:
    calm = simulated_source("calm", 4, 0.02)
    soft, hard = (replace(calm, energy=np.full(len(calm), kev, np.float32)) for kev in (1.0, 5.0))
    flare = simulated_source("flare", 1, 0.01, (3000.0, 3300.0, 0.5))
    inside = (flare.time > 3000) & (flare.time < 3300)
    turned = replace(flare, energy=np.where(inside, 5.0, 1.0).astype(np.float32))
    fitted, _ = fit(TimingExtractor(), Sample(BATCH))
    features = fitted.transform(Sample(EventBatch.from_lists([soft, hard, turned])))
    softest, hardest, between = features[:, NAMES.index("hardness")]
    assert softest < between < hardest
    # Inside and outside are sure to a few hundredths: many standard errors apart.
    raw = fitted.centre + fitted.scale * features
    assert raw[2, NAMES.index("hardness_change")] > 5


# --- both ---

FITTED = {
    "pca of maps": (PcaExtractor(), MAPS, {"components": 7}),
    "pca of cubes": (PcaExtractor(), CUBES, {"components": 7, "solver": "published", "standardise": True}),
    "timing": (TimingExtractor(), Sample(BATCH), {"cap": 8.0}),
}
ANY = pytest.mark.parametrize(("extractor", "sample", "options"), FITTED.values(), ids=FITTED)


@pytest.fixture
def fitted(extractor, sample, options) -> FittedExtractor:
    return fit(extractor, sample, **options)[0]


@ANY
def test_another_extractor_s_files_are_refused(fitted, extractor, sample, options, tmp_path: Path) -> None:
    fitted.save(tmp_path)
    other = TimingExtractor() if extractor.name == "pca" else PcaExtractor()
    with pytest.raises(ArtefactError):
        other.load(tmp_path)


@ANY
def test_what_was_spoilt_is_refused(fitted, extractor, sample, options, tmp_path: Path) -> None:
    facts, arrays = tmp_path / f"{extractor.name}.json", tmp_path / f"{extractor.name}.npz"
    fitted.save(tmp_path)
    whole, said = dict(np.load(arrays)), json.loads(facts.read_text())
    for name in whole:
        for spoilt in (whole[name][..., :-1], whole[name].astype(np.float32)):
            save_arrays(arrays, **{**whole, name: spoilt})
            with pytest.raises(ArtefactError, match=f"{extractor.name}.npz"):
                extractor.load(tmp_path)
    save_arrays(arrays, **{**whole, "scale": -whole["scale"]})
    with pytest.raises(ArtefactError, match="a scale is not positive"):
        extractor.load(tmp_path)
    save_arrays(arrays, **whole)
    for key in said:
        save_json(facts, {**said, key: None})
        with pytest.raises(ArtefactError, match=f"{extractor.name}.json"):
            extractor.load(tmp_path)
    save_json(facts, said)
    assert np.array_equal(extractor.load(tmp_path).transform(sample), fitted.transform(sample))


def test_options_that_cannot_be_are_refused() -> None:
    for options in ({"components": 0}, {"solver": "fast"}, {"random_state": -1}, {"whiten": True}):
        with pytest.raises(ValidationError):
            PcaExtractor.options_model(**options)
    for cap in (0.0, 301.0, float("nan")):
        with pytest.raises(ValidationError):
            TimingExtractor.options_model(cap=cap)


def test_extractors_are_registered_like_any_plugin() -> None:
    assert {"pca", "timing"} <= set(PluginHost().extractors)


@pytest.mark.parametrize("kind", ["representations", "extractors"])
def test_every_option_is_documented(kind: str) -> None:
    document = (ROOT / "docs" / "representations.md").read_text()
    ours = {"et_map", "etdt_cube", "livetime_map", "livetime_cube", "pca", "timing"}
    for name, plugin in getattr(PluginHost(), kind).items():
        if name in ours:
            assert f"`{name}`" in document
            for option, field in plugin.options_model.model_fields.items():
                rows = [line for line in document.splitlines() if line.startswith(f"| `{option}` | ")]
                default = "null" if field.default is None else str(field.default).lower().removesuffix(".0")
                shown = [row.split(" | ")[1].strip("`").replace("[", "(").replace("]", ")") for row in rows]
                assert default in shown or (option == "bins" and shown.count("as above") == 2)
