"""The index of a reference's neighbours: exact, by a graph, with newer sources beside; kept as arrays and refused if
they are not sound."""

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
from xherald.catalog_store.references.graph_search import join_both_ways
from xherald.catalog_store.references.neighbour_index import (
    ApproximateIndex,
    CatalogueIndex,
    ExactIndex,
    build_index,
    load_index,
    save_index,
)
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


def graph_of(features: np.ndarray, edges_each: int, breadth: int) -> ApproximateIndex:
    """An index whose graph is exact, entered at the first source of every part of it."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n = len(features)
    rows, _ = find_nearest_others(features, edges_each)
    starts, edges = join_both_ways(rows)
    _, part = connected_components(csr_array((np.ones(len(edges)), edges, starts), shape=(n, n)), directed=False)
    _, entries = np.unique(part, return_index=True)
    return ApproximateIndex(features, starts, edges, entries.astype(np.int32), breadth)


@st.composite
def populations(draw):
    """Features on a coarse lattice, with equal sources and equal distances, or scattered; and queries."""
    n, d, seed = draw(st.integers(12, 300)), draw(st.integers(1, 6)), draw(st.integers(0, 2**32 - 1))
    random = np.random.default_rng(seed)
    values = random.integers(-2, 3, (n + 5, d)) if draw(st.booleans()) else random.normal(size=(n + 5, d))
    return values[:n].astype(np.float32), values[n:].astype(np.float32)


def by_going_through(features: np.ndarray, queries: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows and distances of all sources for each query, nearest first, equal ones by row."""
    away = np.linalg.norm(queries[:, None].astype(np.float64) - features[None].astype(np.float64), axis=2)
    # Rounded, so that sums taken in another order leave equal distances equal.
    rows = np.argsort(away.round(9), axis=1, kind="stable")
    return rows, np.take_along_axis(away, rows, axis=1)


# --- exact ---


@given(populations(), st.integers(1, 12))
def test_the_exact_index_is_going_through_all(population: tuple[np.ndarray, np.ndarray], k: int) -> None:
    features, queries = population
    rows, distances = ExactIndex(features).query(queries, k)
    true, away = by_going_through(features, queries)
    assert np.array_equal(rows, true[:, :k])
    assert distances == pytest.approx(away[:, :k], rel=1e-12)


# --- by a graph ---


def test_edges_go_both_ways_once_and_never_back() -> None:
    starts, edges = join_both_ways(np.array([[0, 1, 2], [2, 0, -1], [2, 1, 0], [0, 0, -1]], dtype=np.int32))
    assert [edges[a:b].tolist() for a, b in pairwise(starts)] == [
        [1, 2, 3],
        [0, 2],
        [0, 1],
        [0],
    ]


@given(populations(), st.integers(1, 12), st.integers(1, 10))
def test_a_search_as_broad_as_the_population_is_exact(
    population: tuple[np.ndarray, np.ndarray], k: int, edges_each: int
) -> None:
    features, queries = population
    rows, distances = graph_of(features, edges_each, breadth=len(features)).query(queries, k)
    true, exact = ExactIndex(features).query(queries, k)
    assert np.array_equal(distances, exact)
    assert np.array_equal(rows, true)


def test_a_search_finds_most_of_what_is_near_and_says_how_far_it_is() -> None:
    features, queries = components(SOURCES, 1), components(300, 2)
    rows, distances = graph_of(features, 20, breadth=64).query(queries, 10)
    _, true = ExactIndex(features).query(queries, 10)
    assert (np.diff(distances, axis=1) >= 0).all()
    assert distances == pytest.approx(np.linalg.norm(features[rows].astype(float) - queries[:, None], axis=2), rel=1e-6)
    assert all(len(set(found)) == 10 for found in rows)
    assert (distances <= true[:, -1:]).mean() > 0.98


def test_a_query_does_not_depend_on_those_beside_it() -> None:
    queries = components(100, 2)
    index = graph_of(components(SOURCES, 1), 10, breadth=16)
    together = index.query(queries, 5)
    alone = [index.query(queries[[i]], 5) for i in range(len(queries))]
    assert np.array_equal(together[0], np.concatenate([rows for rows, _ in alone]))
    assert np.array_equal(together[1], np.concatenate([distances for _, distances in alone]))


def test_more_neighbours_than_the_breadth_are_found() -> None:
    features = components(SOURCES, 1)
    rows, distances = graph_of(features, 20, breadth=16).query(features[:20], 200)
    _, true = ExactIndex(features).query(features[:20], 200)
    assert (rows >= 0).all()
    assert (distances <= true[:, -1:]).mean() > 0.98


def test_a_graph_built_offline_finds_new_sources_neighbours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # One test for all that pynndescent takes part in: it compiles for half a minute in every process.
    features = components(SOURCES, 1)
    index, measured = build_index(features, exact_below=SOURCES)
    assert isinstance(index, ApproximateIndex)
    assert measured["index"] == "approximate"
    assert measured["recall_at_10"] >= 0.99
    queries = components(1000, 2)
    _, distances = index.query(queries, 10)
    _, true = ExactIndex(features).query(queries, 10)
    # Measured with 400 sources, here with 1,000 from elsewhere, tenfold each: three standard deviations of both.
    spread = 3 * (0.01 * 0.99) ** 0.5 * (1 / 400 + 1 / 1000) ** 0.5
    assert (distances <= true[:, -1:]).mean() > measured["recall_at_10"] - spread
    save_index(index, tmp_path)
    for mine, kept in zip(index.query(queries, 10), load_index(tmp_path, features).query(queries, 10), strict=True):
        assert np.array_equal(mine, kept)
    again, _ = ApproximateIndex.build(features, seed=0)
    assert np.array_equal(again.edges, index.edges)
    monkeypatch.setattr(neighbour_index, "LEAST_RECALL", 1.1)
    refused, measured = build_index(features, exact_below=SOURCES)
    assert isinstance(refused, ExactIndex)
    assert measured == {"index": "exact", "recall_at_10": 1.0}


def test_small_populations_are_searched_exactly() -> None:
    features = components(100, 1)
    for below in (101, 0):
        index, measured = build_index(features, exact_below=below)
        assert isinstance(index, ExactIndex)
        assert measured == {"index": "exact", "recall_at_10": 1.0}
    with pytest.raises(ReferenceDataError, match="100 sources are too few for an approximate index"):
        ApproximateIndex.build(features)


# --- newer sources beside ---


@given(populations(), populations(), st.integers(1, 40), st.booleans())
def test_newer_sources_are_found_as_if_they_had_been_there(
    old: tuple[np.ndarray, np.ndarray], new: tuple[np.ndarray, np.ndarray], k: int, by_graph: bool
) -> None:
    features, queries = old
    width = min(features.shape[1], new[0].shape[1])
    features, queries, added = (np.ascontiguousarray(each[:, :width]) for each in (features, queries, new[0]))
    base = graph_of(features, 5, breadth=len(features)) if by_graph else ExactIndex(features)
    k = min(k, len(features) + len(added))
    empty = CatalogueIndex.of(base)
    index = empty.with_added(added[:3]).with_added(added[3:])
    assert len(empty) == len(features)
    assert len(index) == len(features) + len(added)
    together = ExactIndex(np.concatenate([features, added]))
    for found, true in zip(index.query(queries, k), together.query(queries, k), strict=True):
        assert np.array_equal(found, true)
    few = min(k, len(features))
    for found, true in zip(empty.query(queries, few), base.query(queries, few), strict=True):
        assert np.array_equal(found, true)


def test_an_index_is_not_changed_from_outside() -> None:
    added = components(5, 2)
    index = CatalogueIndex.of(ExactIndex(components(20, 1))).with_added(added)
    kept = added.copy()
    added += 1
    assert np.array_equal(index.query(kept, 1)[1], np.zeros((5, 1)))
    with pytest.raises(ValueError, match="read-only"):
        index.added[0] = 0


# --- what is refused ---

INDICES: dict[str, Callable[[np.ndarray], ExactIndex | ApproximateIndex | CatalogueIndex]] = {
    "exact": ExactIndex,
    "graph": lambda features: graph_of(features, 5, 16),
    "catalogue": lambda features: CatalogueIndex.of(ExactIndex(features)),
}


@pytest.mark.parametrize("kind", INDICES)
def test_queries_that_cannot_be_answered_are_refused(kind: str) -> None:
    features = components(30, 1)
    index = INDICES[kind](features)
    for k in (0, 31):
        with pytest.raises(ReferenceDataError, match=rf"{k} neighbours were asked for among 30 sources"):
            index.query(features, k)
    with pytest.raises(ReferenceDataError, match="of 14 features cannot be held against ones of 15"):
        index.query(features[:, :14], 3)
    broken = features.copy()
    broken[4, 0] = np.nan
    with pytest.raises(ReferenceDataError, match="source 4 are not finite"):
        index.query(broken, 3)
    assert index.query(features[:0], 3)[0].shape == (0, 3)


def test_newer_sources_that_do_not_fit_are_refused() -> None:
    index = CatalogueIndex.of(ExactIndex(components(30, 1)))
    with pytest.raises(ReferenceDataError, match="of 14 features cannot be held against ones of 15"):
        index.with_added(components(3, 2)[:, :14])
    with pytest.raises(ReferenceDataError, match="not finite"):
        index.with_added(np.full((1, 15), np.inf))


@pytest.mark.parametrize("kind", ["exact", "graph"])
def test_an_index_is_kept_and_read(kind: str, tmp_path: Path) -> None:
    features = components(500, 1)
    index = INDICES[kind](features)
    save_index(index, tmp_path)
    kept = load_index(tmp_path, features)
    assert type(kept) is type(index)
    for mine, read in zip(index.query(features, 7), kept.query(features, 7), strict=True):
        assert np.array_equal(mine, read)
    for other in (features[1:], features[:, 1:]):
        with pytest.raises(ArtefactError, match="is the index of 500 sources of 15 features"):
            load_index(tmp_path, other)


def test_newer_sources_are_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ArtefactError, match="CatalogueIndex"):
        save_index(CatalogueIndex.of(ExactIndex(components(30, 1))), tmp_path)


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
def test_a_graph_that_leads_out_of_its_arrays_is_refused(
    array: str, change: Callable[[np.ndarray], np.ndarray], tmp_path: Path
) -> None:
    features = components(500, 1)
    save_index(graph_of(features, 5, 16), tmp_path)
    with np.load(tmp_path / "graph.npz", allow_pickle=False) as file:
        arrays = dict(file)
    arrays[array] = change(arrays[array])
    np.savez(tmp_path / "graph.npz", **arrays)
    with pytest.raises(ArtefactError, match="no graph of 500 sources"):
        load_index(tmp_path, features)


@pytest.mark.parametrize(
    "change", [{"kind": "magic"}, {"breadth": 0}, {"breadth": 10**9}, {"breadth": "16"}, {"breadth": None}]
)
def test_an_index_that_describes_itself_wrongly_is_refused(change: dict[str, object], tmp_path: Path) -> None:
    features = components(500, 1)
    save_index(graph_of(features, 5, 16), tmp_path)
    path = tmp_path / "index.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ArtefactError, match=r"build the reference anew"):
        load_index(tmp_path, features)


def test_features_that_are_not_finite_are_refused_at_loading(tmp_path: Path) -> None:
    features = components(50, 1)
    save_index(ExactIndex(features), tmp_path)
    features[3, 3] = np.nan
    with pytest.raises(ArtefactError, match="source 3 are not finite"):
        load_index(tmp_path, features)


def test_searching_loads_neither_what_built_the_graph_nor_anything_like_it(tmp_path: Path) -> None:
    features = components(500, 1)
    save_index(graph_of(features, 5, 16), tmp_path)
    np.save(tmp_path / "features.npy", features)
    code = """
import sys
from pathlib import Path
import numpy as np
from xherald.catalog_store.references.neighbour_index import CatalogueIndex, load_index
features = np.load(Path(sys.argv[1]) / "features.npy")
index = CatalogueIndex.of(load_index(Path(sys.argv[1]), features)).with_added(features[:5])
print(index.query(features[:1], 2)[0].tolist())
print([name for name in ("pynndescent", "umap", "tensorflow", "sklearn", "openTSNE") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == ["[[0, 500]]", "[]"]
