"""The nearest sources of a reference catalogue: exactly, by a graph built offline, and with newer sources beside it.

`build_index` makes what `save_index` keeps and `load_index` reads; features are kept once, by whoever keeps the
reference. An index never changes: sources that come after it was built go to the exact side of a `CatalogueIndex`, and
into the graph when that is built anew. Every index gives the nearest first, and of those at one distance the lower row.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I32, I64
from xherald.photons.artefact_folders import load_arrays, load_json, save_arrays, save_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.photons.threads import run_in_threads
from xherald.plugins.contract import Features
from xherald.plugins.embedders.exact_neighbours import FEW, Tiles, check_features, find_nearest, make_tiles
from xherald.plugins.reference import NeighbourIndex

from .graph_search import join_both_ways, search_graph

__all__ = ["ApproximateIndex", "CatalogueIndex", "ExactIndex", "build_index", "load_index", "save_index"]


DESCRIPTION: Final = "index.json"
GRAPH: Final = "graph.npz"
EXACT, APPROXIMATE = "exact", "approximate"

GRAPH_NEIGHBOURS: Final = 20
"""Neighbours of each source that the graph is made of."""
ENTRIES: Final = 512
"""Sources that a search starts from; with far fewer, small groups far from all others are missed."""
LEAST: Final = 2000
"""Sources below which a graph is not worth the trouble, nor its recall measurable."""
HELD_OUT: Final = 1000
"""Sources that recall is measured with, a tenth of all at most."""
RECALL_AT: Final = 10
WANTED_RECALL, LEAST_RECALL = 0.995, 0.99
BREADTHS: Final = (32, 48, 64, 96, 128, 192, 256, 384, 512)
"""Sources kept while searching, of which the first that gives the wanted recall is taken."""


class ExactIndex:
    """Finds neighbours exactly, by going through all sources.

    Parameters
    ----------
    features : ndarray, shape (n, d), float32

    Raises
    ------
    ReferenceDataError
        Features are no table of finite numbers.
    """

    def __init__(self, features: Features) -> None:
        self._tiles: Tiles = make_tiles(features)

    def __len__(self) -> int:
        return len(self._tiles.rows)

    @property
    def width(self) -> int:
        """Features a source."""
        return int(self._tiles.rows.shape[1])

    def query(self, features: Features, k: int) -> tuple[I64, F64]:
        """The k nearest sources of each row: see `NeighbourIndex.query`.

        Raises
        ------
        ReferenceDataError
            There are fewer than k sources, or queries have other features, or such as are not finite.
        """
        return find_nearest(self._tiles, features, k, threads=0)


@dataclass(frozen=True, slots=True, eq=False)
class ApproximateIndex:
    """Finds almost all neighbours by a graph in which every source is joined to its own.

    pynndescent (Dong, Charikar & Li 2011, WWW 2011, 577) finds the graph when the index is built; searching it takes
    the arrays below and `graph_search` alone.

    Parameters
    ----------
    features : ndarray, shape (n, d), float32
    starts : ndarray, shape (n + 1,), int64 — where each source's edges begin
    edges : ndarray, int32 — rows at their other ends
    entries : ndarray, int32 — rows that a search starts from: some at random, and one of every part of the graph
    breadth : int — sources kept while searching
    """

    features: F32
    starts: I64
    edges: I32
    entries: I32
    breadth: int

    @classmethod
    def build(cls, features: Features, seed: int = 0) -> tuple[ApproximateIndex, float]:
        """Build an index, and measure its recall.

        Recall is the part of the ten nearest sources that are found, or of others as near, averaged over sources that
        take no part in the graph while they are looked up.

        Parameters
        ----------
        features : ndarray, shape (n, d), float32
        seed : int

        Returns
        -------
        ApproximateIndex
            With the least breadth that gives a recall of 0.995, or the greatest tried.
        float
            Its recall.

        Raises
        ------
        ReferenceDataError
            There are too few sources, or features are no table of finite numbers.
        """
        from pynndescent import NNDescent

        table = check_features(features)
        if len(table) < LEAST:
            raise ReferenceDataError(
                f"{len(table)} sources are too few for an approximate index, which needs {LEAST}; search exactly"
            )
        graph, _ = NNDescent(table, n_neighbors=GRAPH_NEIGHBOURS + 1, random_state=seed).neighbor_graph
        starts, edges = join_both_ways(graph)
        random = np.random.default_rng(seed)
        index = cls(table, starts, edges, _entries(starts, edges, random), BREADTHS[0])
        return _broad_enough(index, random)

    def __len__(self) -> int:
        return len(self.features)

    @property
    def width(self) -> int:
        """Features a source."""
        return int(self.features.shape[1])

    def query(self, features: Features, k: int) -> tuple[I64, F64]:
        """The k nearest sources of each row that the graph leads to: see `NeighbourIndex.query`.

        Raises
        ------
        ReferenceDataError
            There are fewer than k sources, or queries have other features, or such as are not finite.
        """
        queries = check_features(features)
        _refuse_width(queries, self.width)
        _refuse_count(k, len(self))
        return self._search(queries, k, np.zeros(0, dtype=np.int64))

    def _search(self, queries: F32, k: int, without: I64) -> tuple[I64, F64]:
        """Search as if the sources of some rows were not there."""
        closed = np.zeros(-(-len(self) // 8), dtype=np.uint8)
        np.bitwise_or.at(closed, without >> 3, np.left_shift(1, without & 7).astype(np.uint8))
        rows, squares = np.empty((len(queries), k), dtype=np.int64), np.empty((len(queries), k))
        breadth = min(max(self.breadth, 2 * k), len(self))

        def some(first: int, stop: int) -> None:
            these, graph = slice(first, stop), (self.starts, self.edges, self.entries)
            search_graph(self.features, *graph, closed, queries[these], breadth, rows[these], squares[these])

        run_in_threads(some, np.arange(len(queries) + 1), 0 if len(queries) > FEW else 1)
        distances: F64 = np.sqrt(squares)
        return rows, distances


BaseIndex: TypeAlias = ExactIndex | ApproximateIndex


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueIndex:
    """A reference's index, and beside it the sources that have come since it was built, which are searched exactly.

    Parameters
    ----------
    base : ExactIndex or ApproximateIndex
    added : ndarray, shape (a, d), float32
        Features of newer sources, whose rows count on after the base's.
    """

    base: BaseIndex
    added: F32
    _side: ExactIndex = field(init=False, repr=False)

    def __post_init__(self) -> None:
        added = np.array(self.added, dtype=np.float32)
        added.setflags(write=False)
        object.__setattr__(self, "added", added)
        object.__setattr__(self, "_side", ExactIndex(added))
        _refuse_width(added, self.base.width)

    @classmethod
    def of(cls, base: BaseIndex) -> CatalogueIndex:
        """An index that nothing has been added to."""
        return cls(base, np.empty((0, base.width), dtype=np.float32))

    def __len__(self) -> int:
        return len(self.base) + len(self._side)

    def with_added(self, features: Features) -> CatalogueIndex:
        """The index with more sources, of features of shape (a, d); this one stays as it is.

        Raises
        ------
        ReferenceDataError
            Features are no table of finite numbers, or not as wide as the index.
        """
        more = check_features(features)
        _refuse_width(more, self.base.width)
        return CatalogueIndex(self.base, np.concatenate([self.added, more]))

    def query(self, features: Features, k: int) -> tuple[I64, F64]:
        """The k nearest sources of each row, old and new: see `NeighbourIndex.query`.

        Raises
        ------
        ReferenceDataError
            There are fewer than k sources, or queries have other features, or such as are not finite.
        """
        _refuse_count(k, len(self))
        found = [
            (first, *index.query(features, min(k, len(index))))
            for first, index in ((0, self.base), (len(self.base), self._side))
            if len(index)
        ]
        rows = np.concatenate([first + rows for first, rows, _ in found], axis=1)
        distances = np.concatenate([distances for *_, distances in found], axis=1)
        # Stable, and newer rows come after the base's, so that those at one distance stay in the order of their rows.
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)


def build_index(features: Features, *, exact_below: int = 30_000, seed: int = 0) -> tuple[BaseIndex, dict[str, Any]]:
    """Build the index that suits a population.

    Parameters
    ----------
    features : ndarray, shape (n, d), float32
    exact_below : int
        Populations smaller than this are searched exactly.
    seed : int

    Returns
    -------
    ExactIndex or ApproximateIndex
        Exact too where a graph is too small or would miss more than one neighbour in a hundred.
    dict
        For the manifest, in JSON's own types: `index`, "exact" or "approximate", and `recall_at_10`.

    Raises
    ------
    ReferenceDataError
        Features are no table of finite numbers.
    """
    if len(features) >= max(exact_below, LEAST):
        index, recall = ApproximateIndex.build(features, seed)
        if recall >= LEAST_RECALL:
            return index, {"index": APPROXIMATE, "recall_at_10": recall}
    return ExactIndex(features), {"index": EXACT, "recall_at_10": 1.0}


def save_index(index: NeighbourIndex, folder: Path) -> None:
    """Write an index, but for its features, into an existing folder.

    Raises
    ------
    ArtefactError
        It is none that `build_index` gives.
    """
    if not isinstance(index, ExactIndex | ApproximateIndex):
        raise ArtefactError(f"{folder}: an index of kind {type(index).__name__} is not kept; build one of all sources")
    about: dict[str, Any] = {"kind": EXACT, "sources": len(index), "width": index.width}
    if isinstance(index, ApproximateIndex):
        about |= {"kind": APPROXIMATE, "breadth": index.breadth}
        save_arrays(folder / GRAPH, starts=index.starts, edges=index.edges, entries=index.entries)
    save_json(folder / DESCRIPTION, about)


def load_index(folder: Path, features: Features) -> BaseIndex:
    """Read an index of features that are kept elsewhere.

    Raises
    ------
    ArtefactError
        It is not what `save_index` wrote, or of other features.
    """
    about = load_json(folder / DESCRIPTION)
    try:
        table = check_features(features)
    except ReferenceDataError as fault:
        raise ArtefactError(f"{folder}: {fault}; build the reference anew") from fault
    if [about.get("sources"), about.get("width")] != list(table.shape):
        raise ArtefactError(
            f"{folder}: is the index of {about.get('sources')} sources of {about.get('width')} features, "
            f"not of {len(table)} of {table.shape[1]}; build the reference anew"
        )
    if about.get("kind") == EXACT:
        return ExactIndex(table)
    if about.get("kind") != APPROXIMATE:
        raise ArtefactError(f"{folder}: is an index of unknown kind {about.get('kind')!r}; build the reference anew")
    return _load_graph(folder / GRAPH, table, about)


def _refuse_width(features: F32, width: int) -> None:
    if features.shape[1] != width:
        raise ReferenceDataError(f"sources of {features.shape[1]} features cannot be held against ones of {width}")


def _refuse_count(k: int, sources: int) -> None:
    if not 1 <= k <= sources:
        raise ReferenceDataError(f"{k} neighbours were asked for among {sources} sources; ask for 1 to {sources}")


def _load_graph(path: Path, features: F32, about: Mapping[str, Any]) -> ApproximateIndex:
    """Read a graph and refuse one that the search would leave its arrays with."""
    arrays = load_arrays(path, "starts", "edges", "entries")
    starts, edges, entries, breadth = arrays["starts"], arrays["edges"], arrays["entries"], about.get("breadth")
    n = len(features)

    def are_rows(array: NDArray[Any]) -> bool:
        within = array.dtype == np.int32 and array.ndim == 1 and array.size > 0
        return bool(within and array.min() >= 0 and array.max() < n)

    true = (
        starts.dtype == np.int64
        and starts.shape == (n + 1,)
        and starts[0] == 0
        and starts[-1] == len(edges)
        and bool((np.diff(starts) >= 0).all())
        and are_rows(edges)
        and are_rows(entries)
        and isinstance(breadth, int)
        and 1 <= breadth <= BREADTHS[-1]
    )
    if not true or not isinstance(breadth, int):
        raise ArtefactError(f"{path}: is no graph of {n} sources; build the reference anew")
    return ApproximateIndex(features, starts, edges, entries, breadth)


def _entries(starts: I64, edges: I32, random: np.random.Generator) -> I32:
    """Rows to start from: some of all, and the first of every part of the graph that no edge leads to from others."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import connected_components

    n = len(starts) - 1
    joined = csr_array((np.ones(len(edges), dtype=np.uint8), edges, starts), shape=(n, n))
    _, part = connected_components(joined, directed=False)
    _, firsts = np.unique(part, return_index=True)
    chosen = random.choice(n, size=min(ENTRIES, n), replace=False)
    return np.unique(np.concatenate([chosen, firsts])).astype(np.int32)


def _broad_enough(index: ApproximateIndex, random: np.random.Generator) -> tuple[ApproximateIndex, float]:
    """Choose the breadth, by sources held out of the graph, and say what recall it gives."""
    n = len(index)
    held_out = np.sort(random.choice(n, size=min(HELD_OUT, n // 10), replace=False))
    rest = np.setdiff1d(np.arange(n), held_out)
    queries = index.features[held_out]
    _, true = find_nearest(make_tiles(index.features[rest]), queries, RECALL_AT, threads=0)
    recall = 0.0
    for breadth in BREADTHS:
        index = ApproximateIndex(index.features, index.starts, index.edges, index.entries, breadth)
        _, found = index._search(queries, RECALL_AT, held_out)
        recall = float((found <= true[:, -1:]).mean())
        if recall >= WANTED_RECALL:
            break
    return index, recall
