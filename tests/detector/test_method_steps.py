"""Steps of the published method by themselves: equal to a build, with all options, from and to files of every kind."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from sklearn.cluster import DBSCAN
from sklearn.manifold import TSNE

from benchmarks import baseline
from xherald.detector.references.method_steps import find_analogues
from xherald.detector.references.step_files import (
    FeatureTable,
    read_embedding,
    read_features,
    read_properties,
    read_representations,
    write_features,
)
from xherald.photons.errors import FileError, ReferenceDataError, UnreadableFileError

SOURCES = 300


@pytest.fixture(scope="module")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The published tables of a simulated population."""
    from xherald.simulation.population.population import write_population

    folder = tmp_path_factory.mktemp("published")
    write_population(None, SOURCES, seed=12, variable_fraction=0.3, published=folder)
    return folder


@pytest.fixture(scope="module")
def steps(tables: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the result of every step."""
    from click.testing import CliRunner

    from xherald.cli import main

    folder = tmp_path_factory.mktemp("steps")
    for words in (
        ("represent", tables, "--representation", "et_map", "--option", "normalise=false", "--out", "maps.npz"),
        ("features", "maps.npz", "--extractor", "pca", "--option", "components=6", "--out", "features.csv"),
        (
            *("embed", "features.csv", "--perplexity", "20", "--learning-rate", "150", "--early-exaggeration", "4"),
            *("--init", "pca", "--n-iter", "260", "--random-state", "5", "--out", "embedding.csv"),
        ),
        ("cluster", "embedding.csv", "--eps", "1.5", "--min-samples", "8", "--out", "clusters.csv"),
    ):
        placed = [str(folder / word) if str(word).endswith((".npz", ".csv")) else str(word) for word in words]
        answer = CliRunner().invoke(main, ["reference", *placed, "--json"])
        assert answer.exit_code == 0, answer.output
        assert json.loads(answer.stdout)["sources"] == SOURCES
    return folder


def photons_of(tables: Path) -> tuple[list[str], list[np.ndarray], list[np.ndarray]]:
    photons: dict[str, list[tuple[float, float]]] = {}
    with (tables / "eventfiles_table.csv").open() as file:
        for row in csv.DictReader(file):
            photons.setdefault(row["obsreg_id"], []).append((float(row["time"]), float(row["energy"])))
    names = sorted(photons)
    lists = [np.array(photons[name]).T for name in names]
    return names, [one[0] for one in lists], [one[1] for one in lists]


def test_steps_are_those_of_the_published_code(tables: Path, steps: Path) -> None:
    names, times, energies = photons_of(tables)
    saved = read_representations(steps / "maps.npz")
    expected_maps = baseline.maps(times, energies)
    assert list(saved.names) == names
    assert np.array_equal([saved.dense(row) for row in range(SOURCES)], expected_maps)
    features = read_features(steps / "features.csv")
    np.testing.assert_allclose(np.abs(features.features), np.abs(baseline.pca(expected_maps, 6)), atol=1e-9)
    settings = {"perplexity": 20, "learning_rate": 150.0, "max_iter": 260, "early_exaggeration": 4, "init": "pca"}
    embedding = read_embedding(steps / "embedding.csv")
    np.testing.assert_array_equal(
        embedding.positions, TSNE(**settings, random_state=5).fit_transform(features.features)
    )
    clusters = read_embedding(steps / "clusters.csv").cluster
    assert np.array_equal(clusters, DBSCAN(eps=1.5, min_samples=8).fit_predict(embedding.positions) + 1)
    header = (steps / "clusters.csv").read_text().splitlines()[0]
    assert header == "tsne1,tsne2,obsreg_id,cluster"


def test_plots_are_written(tables: Path, steps: Path, tmp_path: Path, xherald: Callable[..., Any]) -> None:
    known = ("--bona-fide", tables / "bonafide_transients.json")
    properties = ("--properties", tables / "properties_table.csv")
    source = read_representations(steps / "maps.npz").names[3]
    for number, words in enumerate(
        (
            ("maps.npz",),
            ("maps.npz", "--source", source),
            ("embedding.csv", *known),
            ("clusters.csv", "--colour-by", "cluster", *known),
            ("embedding.csv", *properties, "--colour-by", "hard_hs"),
            ("embedding.csv", *properties, "--colour-by", "obsid"),
        )
    ):
        target = tmp_path / f"{number}.png"
        answer = xherald("reference", "plot", steps / words[0], *words[1:], "--out", target)
        assert answer.exit_code == 0, answer.stderr
        assert target.read_bytes().startswith(b"\x89PNG")
    answer = xherald(
        "reference", "plot", steps / "embedding.csv", "--colour-by", "cluster", "--out", tmp_path / "x.png"
    )
    assert "has no clusters; add them with `xherald reference cluster`" in answer.stderr
    answer = xherald(
        *("reference", "plot", steps / "embedding.csv", *properties, "--colour-by", "hard"),
        *("--out", tmp_path / "x.png"),
    )
    assert "has no column 'hard'; available: obsid, " in answer.stderr


def test_analogues_are_the_nearest_neighbours(tables: Path, steps: Path, xherald: Callable[..., Any]) -> None:
    words = ("reference", "analogues", steps / "features.csv", "-k", "4", "--json")
    answer = xherald(*words, "--bona-fide", tables / "bonafide_transients.json")
    rows = json.loads(answer.stdout)
    table = read_features(steps / "features.csv")
    listed = json.loads((tables / "bonafide_transients.json").read_text())
    transients = [name for names in listed.values() for name in names]
    assert [row["transient"] for row in rows[::4]] == transients
    for transient in transients:
        own = table.names.index(transient)
        away = np.linalg.norm(table.features - table.features[own], axis=1)
        order = [row for row in np.argsort(away, kind="stable") if row != own][:4]
        mine = [row for row in rows if row["transient"] == transient]
        assert [row["distance"] for row in mine] == pytest.approx(away[order], rel=1e-5)
        assert [row["rank"] for row in mine] == [1, 2, 3, 4]
    one = json.loads(xherald(*words, "--transient", table.names[0]).stdout)
    assert {row["transient"] for row in one} == {table.names[0]}
    assert xherald("reference", "analogues", steps / "features.csv").exit_code == 2
    answer = xherald(*words, "--transient", "9_9")
    assert (answer.exit_code, "9_9 has no features in this table" in answer.stderr) == (1, True)


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".npz"])
def test_features_are_read_as_they_were_written(suffix: str, tmp_path: Path) -> None:
    values = np.random.default_rng(1).normal(size=(7, 3)).astype(np.float32)
    names = (*(f"{number}_1" for number in range(6)), "odd, name")
    write_features(FeatureTable(names, values), tmp_path / f"f{suffix}")
    table = read_features(tmp_path / f"f{suffix}")
    assert table.names == names
    assert np.array_equal(table.features.astype(np.float32), values)


def test_embedders_take_their_own_options(steps: Path, tmp_path: Path, xherald: Callable[..., Any]) -> None:
    base = ("reference", "embed", steps / "features.csv", "--out", tmp_path / "e.parquet")
    umap = ("--embedder", "umap", "--neighbours", "10", "--min-dist", "0.3", "--epochs", "30", "--random-state", "4")
    assert xherald(*base, *umap).exit_code == 0
    assert pq.read_table(tmp_path / "e.parquet").column_names == ["tsne1", "tsne2", "obsreg_id"]
    fast = ("--embedder", "fast_tsne", "--perplexity", "20", "--n-iter", "50", "--option", "threads=1")
    assert xherald(*base, *fast).exit_code == 0
    for words, message in (
        (
            ("--embedder", "umap", "--perplexity", "3"),
            "embedder umap has no option 'perplexity'; available: neighbours",
        ),
        (("--learning-rate", "fast"), "--learning-rate: 'fast' is neither a number nor \"auto\""),
        (("--embedder", "magic"), "no embedder is named 'magic'; available: "),
        (("--case", "9D"), "no case '9D' in the configuration; available: 2D-PCA"),
        (("--perplexity", "-1"), "embedder tsne.perplexity"),
        (("--option", "threads"), "'threads' is not NAME=VALUE"),
    ):
        answer = xherald(*base, *words)
        assert answer.exit_code == 2, words
        assert message in " ".join(answer.stderr.split()), answer.stderr


def test_features_of_photons_go_without_saved_representations(
    tables: Path, steps: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    answer = xherald(
        "reference", "features", tables, "--case", "2D-PCA", "--option", "components=6", "--out", tmp_path / "f.npz"
    )
    assert answer.exit_code == 0, answer.stderr
    direct, saved = read_features(tmp_path / "f.npz"), read_features(steps / "features.csv")
    np.testing.assert_allclose(direct.features, saved.features, atol=1e-9)
    answer = xherald("reference", "features", tables, "--case", "timing", "--out", tmp_path / "t.parquet")
    assert answer.exit_code == 0, answer.stderr
    answer = xherald(
        "reference", "features", steps / "maps.npz", "--extractor", "timing", "--out", tmp_path / "t.parquet"
    )
    assert answer.exit_code == 1
    assert "extractor timing needs photons, which saved representations do not hold" in answer.stderr


def test_files_of_other_forms_are_refused(tmp_path: Path) -> None:
    (tmp_path / "no_name.csv").write_text("a,b\n1,2\n")
    (tmp_path / "twice.csv").write_text("obsreg_id,feature_1\n1_1,2\n1_1,3\n")
    (tmp_path / "text.csv").write_text("obsreg_id,feature_1\n1_1,x\n")
    (tmp_path / "nan.csv").write_text("obsreg_id,feature_1\n1_1,nan\n2_1,3\n")
    for name, message in (
        ("no_name.csv", "has no column obsreg_id"),
        ("twice.csv", "lists 1_1 twice"),
        ("text.csv", "has no columns of features"),
        ("nan.csv", "must be finite numbers"),
    ):
        with pytest.raises(UnreadableFileError, match=message):
            read_features(tmp_path / name)
    with pytest.raises(UnreadableFileError, match="has no column tsne1"):
        read_embedding(tmp_path / "nan.csv")
    with pytest.raises(FileError, match=r"unknown suffix '\.txt'"):
        read_embedding(tmp_path / "x.txt")
    with pytest.raises(ReferenceDataError, match="none of the 1 sources is in this table"):
        read_properties(tmp_path / "nan.csv", "feature_1", ["7_7"])
    np.savez(tmp_path / "f.npz", a=np.ones(3))
    with pytest.raises(UnreadableFileError, match="holds no representations"):
        read_representations(tmp_path / "f.npz")


def test_analogues_of_absent_transients_are_refused() -> None:
    table = FeatureTable(("a", "b", "c"), np.eye(3, dtype=np.float32))
    with pytest.raises(ReferenceDataError, match="none of the bona-fide transients has features"):
        find_analogues(table, {"d": "flare"})
    assert find_analogues(table, {"a": "flare", "d": "dip"}, 1)["transient"] == ["a"]
