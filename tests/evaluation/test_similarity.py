"""Precision and clusters are measured as stated, on held-out sources that are what they say."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest

from xherald.evaluation import held_out_shapes, held_out_sources, held_out_spectra
from xherald.evaluation.held_out_sources import HeldOutSources, draw_held_out
from xherald.evaluation.similarity import RANK, cluster_quality, precision_at_rank


@pytest.fixture(scope="module", params=list(held_out_spectra.TELESCOPES))
def held_out(request: pytest.FixtureRequest) -> HeldOutSources:
    return draw_held_out(250, request.param, 5)


@pytest.mark.parametrize("module", [held_out_shapes, held_out_sources, held_out_spectra])
def test_held_out_sources_share_nothing_with_the_simulator(module) -> None:
    tree = ast.parse(Path(module.__file__).read_text())
    names = [node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    assert not [name for name in names if "simulation" in name or "injection" in name]


def test_held_out_sources_have_their_photons_in_good_time(held_out: HeldOutSources) -> None:
    assert len(held_out.batch) == 250
    for source in held_out.batch:
        inside = (source.time[:, None] >= source.exposure.gti[:, 0]) & (
            source.time[:, None] <= source.exposure.gti[:, 1]
        )
        assert inside.any(axis=1).all()
        assert (np.diff(source.time) >= 0).all()
        assert ((source.energy >= source.band[0] - 1e-6) & (source.energy <= source.band[1] + 1e-6)).all()


def test_the_first_sources_do_not_depend_on_their_number(held_out: HeldOutSources) -> None:
    few = draw_held_out(20, held_out.batch.identities[0].obs_id, 5)
    assert np.array_equal(few.batch.time, held_out.batch.time[: len(few.batch.time)])
    assert few.classes.tolist() == held_out.classes[:20].tolist()


def test_an_independent_test_sees_the_detectable_events(held_out: HeldOutSources) -> None:
    from xherald.photons.statistics import assess

    p = assess(held_out.batch).p_value
    found = held_out.is_transient
    steady = held_out.kinds == "steady"
    # Of events of at least 5 expected σ nearly all are found at p ≤ 1 %, of steady sources about 1 % are.
    assert (p[found] <= 0.01).mean() > 0.85
    assert (p[steady] <= 0.01).sum() <= 6  # 1.3 expected of 125; more has a probability below 1 %


def test_precision_is_that_of_the_labels_near_by() -> None:
    random = np.random.default_rng(2)
    labels = np.repeat(np.array(["a", "b"]), 300)
    apart = np.where(labels == "a", 0.0, 50.0)[:, None] + random.normal(size=(600, 3))
    everywhere = random.normal(size=(600, 3))
    all_of_them = np.ones(600, np.bool_)
    sure = precision_at_rank(apart.astype(np.float32), labels, all_of_them, all_of_them)
    chance = precision_at_rank(everywhere.astype(np.float32), labels, all_of_them, all_of_them)
    assert (sure.value, sure.error, sure.random) == (1.0, 0.0, 0.5)
    # Neighbours are shared by about ten queries, so that the error is that of 600 independent labels.
    assert chance.value == pytest.approx(0.5, abs=4 * np.sqrt(0.25 / 600))
    assert chance.error == pytest.approx(np.sqrt(0.25 / RANK / 600), rel=0.3)


def test_queries_are_not_their_own_neighbours() -> None:
    features = np.arange(40, dtype=np.float32)[:, None]
    labels = np.array([f"{number}" for number in range(40)])
    everything = np.ones(40, np.bool_)
    assert precision_at_rank(features, labels, everything, everything).value == 0


def test_cluster_quality_counts_members_and_transients() -> None:
    cluster = np.array([0, 0, 1, 1, 1, 1, 2, 2, 2, 2])
    kinds = np.array(["flare", "steady", "flare", "flare", "flare", "steady", "steady", "steady", "dip", "steady"])
    transient = np.isin(kinds, ("flare", "dip"))
    quality = cluster_quality(cluster, {1: "flare"}, kinds, transient)
    assert (quality.purity, quality.completeness, quality.outliers) == (0.75, 0.6, 0.2)
    assert (quality.clusters, quality.dominant) == (2, 1)
    none = cluster_quality(cluster, {}, kinds, transient)
    assert np.isnan(none.purity)
    assert none.completeness == 0


def test_tables_show_every_case_with_errors() -> None:
    from benchmarks.similarity_document import with_tables

    row = {"case": "events", "reference": "held-out, all", "value": 0.9, "error": 0.01, "random": 0.2, "queries": 500}
    quality = cluster_quality(np.ones(20, int), {}, np.full(20, "flare"), np.ones(20, np.bool_))
    cluster = {"clusters": 1, "dominant": 0, "outliers": quality.outliers, "completeness": 0.5}
    errors = {"purity": None, "purity_error": None, "completeness_error": 0.1}
    report = {
        "seed": 1,
        "sizes": {"queries": 500},
        "precision": [
            row | {"label": label, "least_counts": least} for label in ("kind", "class") for least in (0, 50)
        ],
        "clusters": [{"case": "events", "method": "density", "telescope": "axis", **cluster, **errors}],
    }
    text = with_tables("# Title\n\n## Measured\n\nold\n", report)
    assert "| events | 0.900 ± 0.010 | 0.900 ± 0.010 | 0.900 ± 0.010 | 0.900 ± 0.010 |" in text
    assert "| events | density | axis | 1 | 0 | 0.00 | – | 0.50 ± 0.10 |" in text
    assert "old" not in text
    assert with_tables(text, report) == text
