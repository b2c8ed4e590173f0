"""Reproduction of the four published cases from their tables."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from reference_builds import SOURCES

from benchmarks import baseline
from xherald.encoders.inference import Encoder, find_encoder


@pytest.fixture(scope="module")
def published(reference_population: Path) -> Path:
    """The published tables, with maps and clusters of the four cases computed by plain scikit-learn calls."""
    folder = reference_population.parent / "published"
    photons: dict[str, list[tuple[float, float]]] = {}
    with (folder / "eventfiles_table.csv").open() as file:
        for row in csv.DictReader(file):
            photons.setdefault(row["obsreg_id"], []).append((float(row["time"]), float(row["energy"])))
    names = sorted(photons)
    lists = [np.array(photons[name]).T for name in names]
    times, energies = [one[0] for one in lists], [one[1] for one in lists]

    def encoded(name: str, values: np.ndarray) -> np.ndarray:
        return Encoder.load(find_encoder(name)).encode(values.astype(np.float32))

    features = {
        "2DPCA": baseline.pca(baseline.maps(times, energies), 15),
        "3DPCA": baseline.pca(baseline.cubes(times, energies), 22),
        "2DAE": encoded("et_map_12", baseline.maps(times, energies, normalise=True)),
        "3DAE": encoded("etdt_cube_24", baseline.cubes(times, energies, normalise=True)),
    }
    # Rows are in another order than in the population, since they are matched by name.
    order = np.random.default_rng(1).permutation(len(names))
    for case, values in features.items():
        seed = 2412 if case.endswith("AE") else 11
        embedding = baseline.tsne(values, perplexity=30, max_iter=300, random_state=seed)
        cluster = baseline.clusters(embedding, min_samples=10)
        for what, header in (("embedding", "tsne1,tsne2,obsreg_id"), ("clusters", "tsne1,tsne2,obsreg_id,cluster")):
            lines = [header]
            for row in order:
                x, y = (repr(float(value)) for value in embedding[row])
                lines.append(f"{x},{y},{names[row]}" + (f",{cluster[row]}" if what == "clusters" else ""))
            (folder / f"paper{case}_{what}.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_published_cases_are_reproduced(published: Path, reference_settings: Path, xherald: Callable[..., Any]) -> None:
    answer = xherald("reference", "reproduce", published, "--json", "--config", reference_settings)
    assert answer.exit_code == 0, answer.stderr
    rows = json.loads(answer.stdout)
    assert [row["case"] for row in rows] == ["2D-PCA", "3D-PCA", "2D-AE", "3D-AE"]
    for row in rows:
        # The same calls on the same features: only the rounding of the written text differs.
        assert row["agreement"] > 0.999999, row
        assert row["neighbours_kept"] > 0.999, row
        assert row["rand_index"] > 0.999, row
        assert row["sources"] == SOURCES
    assert Path(rows[0]["embedding_file"]).name == "paper2DPCA_embedding.csv"


def test_unpublished_case_is_rebuilt_without_comparison(
    published: Path, reference_settings: Path, xherald: Callable[..., Any]
) -> None:
    answer = xherald("reference", "reproduce", published, "--cases", "quick", "--config", reference_settings)
    assert answer.exit_code == 0, answer.stderr
    assert "quick" in answer.stdout
    assert "–" in answer.stdout


def test_published_table_of_other_sources_is_refused(
    published: Path, reference_settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    import shutil

    shutil.copytree(published, tmp_path / "p")
    path = tmp_path / "p" / "paper2DPCA_embedding.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    answer = xherald("reference", "reproduce", tmp_path / "p", "--cases", "2D-PCA", "--config", reference_settings)
    assert answer.exit_code == 1
    assert "has other sources than the tables: it lacks" in answer.stderr
    path.write_text("x,y\n1,2\n")
    answer = xherald("reference", "reproduce", tmp_path / "p", "--cases", "2D-PCA", "--config", reference_settings)
    assert "is not in the published form (tsne1, tsne2, obsreg_id)" in answer.stderr
    answer = xherald("reference", "reproduce", tmp_path, "--config", reference_settings)
    assert answer.exit_code == 1
    assert "has no eventfiles_table.csv" in answer.stderr
