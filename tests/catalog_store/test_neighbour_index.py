"""The neighbour index of a reference: exact, by a graph, stored as arrays that are checked when they are read."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xherald.catalog_store.references import neighbour_index
from xherald.catalog_store.references.neighbour_index import FeatureIndex, Graph, join_both_ways
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins.embedders.exact_neighbours import find_nearest_others

SOURCES = 4000


def components(n: int, seed: int) -> np.ndarray:
    """What principal components of count maps are like: widths that fall off, long tails, small groups far away."""
    random = np.random.default_rng(seed)
    strength = random.lognormal(0, 1, (n, 1))
    features = strength * random.normal(size=(n, 15)) * np.linspace(3, 0.5, 15)
    features[: n // 100] += 40 + 5 * random.normal(size=15)
    return features.astype(np.float32)


def graph_of(features: np.ndarray, edges_each: int, breadth: int) -> FeatureIndex:
    """An index whose graph is exact, entered at the first source of every part of it."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n = len(features)
    rows, _ = find_nearest_others(features, edges_each)
    starts, edges = join_both_ways(rows)
    _, part = connected_components(csr_array((np.ones(len(edges)), edges, starts), shape=(n, n)), directed=False)
    _, entries = np.unique(part, return_index=True)
    return FeatureIndex(features, Graph(starts, edges, entries.astype(np.int32), breadth), recall=0.99)


@st.composite
def populations(draw):
    """Features on a coarse lattice, with equal sources and equal distances, or scattered; and queries."""
    n, d, seed = draw(st.integers(12, 300)), draw(st.integers(1, 6)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    values = random.integers(-2, 3, (n + 5, d)) if draw(st.booleans()) else random.normal(size=(n + 5, d))
    return values[:n].astype(np.float32), values[n:].astype(np.float32)


def brute_force(features: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and distances of all sources for each query, nearest first, equal distances by row."""
    away = np.linalg.norm(queries[:, None].astype(np.float64) - features[None].astype(np.float64), axis=2)
    # Rounded, so that sums taken in another order leave equal distances equal.
    rows = np.argsort(away.round(9), axis=1, kind="stable")
    return rows, np.take_along_axis(away, rows, axis=1)


# --- exact ---


@given(populations(), st.integers(1, 12))
def test_exact_search_equals_brute_force(population: tuple[np.ndarray, np.ndarray], k: int) -> None:
    features, queries = population
    rows, distances = FeatureIndex(features).query(queries, k)
    true, away = brute_force(features, queries)
    assert np.array_equal(rows, true[:, :k])
    assert distances == pytest.approx(away[:, :k], rel=1e-12)


# --- by a graph ---


def test_edges_are_joined_both_ways_once() -> None:
    starts, edges = join_both_ways(np.array([[0, 1, 2], [2, 0, -1], [2, 1, 0], [0, 0, -1]], dtype=np.int32))
    assert [edges[a:b].tolist() for a, b in pairwise(starts)] == [
        [1, 2, 3],
        [0, 2],
        [0, 1],
        [0],
    ]


@given(populations(), st.integers(1, 12), st.integers(1, 10))
def test_search_with_a_pool_of_all_sources_is_exact(
    population: tuple[np.ndarray, np.ndarray], k: int, edges_each: int
) -> None:
    features, queries = population
    rows, distances = graph_of(features, edges_each, breadth=len(features)).query(queries, k)
    true, exact = FeatureIndex(features).query(queries, k)
    assert np.array_equal(distances, exact)
    assert np.array_equal(rows, true)


def test_graph_search_finds_most_neighbours_with_their_distances() -> None:
    features, queries = components(SOURCES, 1), components(300, 2)
    rows, distances = graph_of(features, 20, breadth=64).query(queries, 10)
    _, true = FeatureIndex(features).query(queries, 10)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert distances == pytest.approx(np.linalg.norm(features[rows].astype(float) - queries[:, None], axis=2), rel=1e-6)
    assert all(len(set(found)) == 10 for found in rows)
    assert (distances <= true[:, -1:]).mean() > 0.98


def test_query_is_independent_of_its_batch() -> None:
    queries = components(100, 2)
    index = graph_of(components(SOURCES, 1), 10, breadth=16)
    together = index.query(queries, 5)
    alone = [index.query(queries[[i]], 5) for i in range(len(queries))]
    assert np.array_equal(together[0], np.concatenate([rows for rows, _ in alone]))
    assert np.array_equal(together[1], np.concatenate([distances for _, distances in alone]))


def test_more_neighbours_than_the_pool_are_found() -> None:
    features = components(SOURCES, 1)
    rows, distances = graph_of(features, 20, breadth=16).query(features[:20], 200)
    _, true = FeatureIndex(features).query(features[:20], 200)
    assert (rows >= 0).all()
    assert (distances <= true[:, -1:]).mean() > 0.98


def test_built_graph_finds_the_neighbours_of_new_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One test for all that pynndescent takes part in: it compiles for half a minute in every process.
    features = components(SOURCES, 1)
    index = FeatureIndex.build(features, exact_below=SOURCES)
    assert index.graph is not None
    assert index.kind == "approximate"
    assert index.recall >= 0.99
    queries = components(1000, 2)
    _, distances = index.query(queries, 10)
    _, true = FeatureIndex(features).query(queries, 10)
    # Measured with 400 sources, here with 1,000 from elsewhere, tenfold each: three standard deviations of both.
    spread = 3 * (0.01 * 0.99) ** 0.5 * (1 / 400 + 1 / 1000) ** 0.5
    assert (distances <= true[:, -1:]).mean() > index.recall - spread
    index.save(tmp_path)
    for mine, kept in zip(
        index.query(queries, 10), FeatureIndex.load(tmp_path, features).query(queries, 10), strict=True
    ):
        assert np.array_equal(mine, kept)
    again = FeatureIndex.build(features, exact_below=0, seed=0)
    assert again.graph is not None
    assert np.array_equal(again.graph.edges, index.graph.edges)
    monkeypatch.setattr(neighbour_index, "MIN_RECALL", 1.1)
    refused = FeatureIndex.build(features, exact_below=SOURCES)
    assert (refused.kind, refused.recall) == ("exact", 1.0)


def test_small_populations_are_searched_exactly() -> None:
    features = components(100, 1)
    for below in (101, 0):
        index = FeatureIndex.build(features, exact_below=below)
        assert (index.kind, index.recall) == ("exact", 1.0)


# --- what is refused ---

INDICES: dict[str, Callable[[np.ndarray], FeatureIndex]] = {
    "exact": FeatureIndex,
    "graph": lambda features: graph_of(features, 5, 16),
}


@pytest.mark.parametrize("kind", INDICES)
def test_wrong_queries_are_refused(kind: str) -> None:
    features = components(30, 1)
    index = INDICES[kind](features)
    for k in (0, 31):
        with pytest.raises(ReferenceDataError, match=rf"k = {k} neighbours among 30 sources"):
            index.query(features, k)
    with pytest.raises(ReferenceDataError, match=r"queries have 14 features, the (index has|sources have) 15"):
        index.query(features[:, :14], 3)
    broken = features.copy()
    broken[4, 0] = np.nan
    with pytest.raises(ReferenceDataError, match="source 4 are not finite"):
        index.query(broken, 3)
    assert index.query(features[:0], 3)[0].shape == (0, 3)


@pytest.mark.parametrize("kind", INDICES)
def test_index_is_saved_and_loaded(kind: str, tmp_path: Path) -> None:
    features = components(500, 1)
    index = INDICES[kind](features)
    index.save(tmp_path)
    kept = FeatureIndex.load(tmp_path, features)
    assert (kept.kind, kept.recall) == (index.kind, index.recall)
    for mine, read in zip(index.query(features, 7), kept.query(features, 7), strict=True):
        assert np.array_equal(mine, read)
    for other in (features[1:], features[:, 1:]):
        with pytest.raises(ArtefactError, match="is the index of 500 sources with 15 features"):
            FeatureIndex.load(tmp_path, other)


def outside(array: np.ndarray, value: int) -> np.ndarray:
    """An array whose middle entry is another."""
    changed = array.copy()
    changed[len(changed) // 2] = value
    return changed


@pytest.mark.parametrize(
    ("array", "change"),
    [
        ("edges", lambda edges: outside(edges, 500)),
        ("edges", lambda edges: outside(edges, -1)),
        ("edges", lambda edges: edges[:-1]),
        ("edges", lambda edges: edges.astype(np.int64)),
        ("entries", lambda entries: outside(entries, 500)),
        ("entries", lambda entries: outside(entries, -2)),
        ("entries", lambda entries: entries[:0]),
        ("starts", lambda starts: outside(starts, -1)),
        ("starts", lambda starts: outside(starts, 2**40)),
        ("starts", lambda starts: starts + 1),
        ("starts", lambda starts: starts[:-1]),
        ("starts", lambda starts: starts.reshape(3, -1)),
        ("starts", lambda starts: starts.astype(np.float64)),
    ],
)
def test_graph_with_rows_out_of_range_is_refused(
    array: str, change: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    features = components(500, 1)
    graph_of(features, 5, 16).save(tmp_path)
    with np.load(tmp_path / "graph.npz", allow_pickle=False) as file:
        arrays = dict(file)
    arrays[array] = change(arrays[array])
    np.savez(tmp_path / "graph.npz", **arrays)
    with pytest.raises(ArtefactError, match="is not a graph of 500 sources"):
        FeatureIndex.load(tmp_path, features)


@pytest.mark.parametrize(
    "change", [{"kind": "magic"}, {"breadth": 0}, {"breadth": 10**9}, {"breadth": "16"}, {"breadth": None}]
)
def test_index_with_a_wrong_description_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    features = components(500, 1)
    graph_of(features, 5, 16).save(tmp_path)
    path = tmp_path / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtefactError, match="rebuild the reference"):
        FeatureIndex.load(tmp_path, features)


def test_loading_features_that_are_not_finite_is_refused(tmp_path: Path) -> None:
    features = components(50, 1)
    FeatureIndex(features).save(tmp_path)
    features[3, 3] = np.nan
    with pytest.raises(ArtefactError, match="source 3 are not finite"):
        FeatureIndex.load(tmp_path, features)


def test_searching_imports_no_builder(tmp_path: Path) -> None:
    features = components(500, 1)
    graph_of(features, 5, 16).save(tmp_path)
    np.save(tmp_path / "features.npy", features)
    code = """
import sys
from pathlib import Path
import numpy as np
from xherald.catalog_store.references.neighbour_index import FeatureIndex
features = np.load(Path(sys.argv[1]) / "features.npy")
index = FeatureIndex.load(Path(sys.argv[1]), features)
print(index.query(features[:1], 1)[0].tolist())
print([name for name in ("pynndescent", "umap", "tensorflow", "sklearn", "openTSNE") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[[0]]", "[]"]
