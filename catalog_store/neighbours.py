"""A reference's nearest neighbours: exact, or through a graph of neighbours that pynndescent built; newer ones beside.

Small populations are searched exactly. For large ones pynndescent finds every source's neighbours when the reference is
built, which takes a minute, more than half of it compiling; what is kept are the neighbours, as plain arrays. A query
then walks that graph from the nearest of some entry points to ever nearer sources, by a kernel of our own
(`neighbour_kernels`), so that whoever searches neither loads pynndescent nor restores its private state.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.artefacts import load_arrays, load_json, save_arrays, save_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins.embedders.nearest import Tiles, nearest, tiles_of

__all__ = ["ApproximateIndex", "CatalogueIndex", "ExactIndex", "build_index", "load_index", "save_index"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

FACTS: Final = "index.json"
ARRAYS: Final = "index.npz"

GRAPH_NEIGHBOURS: Final = 24
"""Neighbours a source in pynndescent's graph."""

MOST_EDGES: Final = 64
"""Edges a source in the graph that is searched: its neighbours, and those that it is a neighbour of, nearest first."""

ENTRY_EVERY: Final = 12
"""One in so many sources is an entry point: looking at all of them costs a tenth of an exact search."""

BEAMS: Final = (32, 64, 128, 256, 512)
"""Sources kept during a walk; the first that reaches `LEAST_RECALL` is taken."""

RECALLED: Final = 10
LEAST_RECALL: Final = 0.99
TRIALS: Final = 2000


@dataclass(frozen=True, slots=True, eq=False)
class ExactIndex:
    """Looks at every source.

    Parameters
    ----------
    tiles : Tiles
    """

    tiles: Tiles

    @classmethod
    def of(cls, features: F32) -> ExactIndex:
        """Index of features, shape (n, d)."""
        return cls(tiles_of(features))

    @property
    def size(self) -> int:
        """Sources in it."""
        return len(self.tiles.rows)

    @property
    def width(self) -> int:
        """Features a source."""
        return int(self.tiles.rows.shape[1])

    def query(self, features: F32, k: int) -> tuple[I64, F64]:
        """The k nearest sources of each row: see `NeighbourIndex.query`."""
        return nearest(self.tiles, features, k, threads=0)


@dataclass(frozen=True, slots=True, eq=False)
class ApproximateIndex:
    """Walks a graph of neighbours; misses one neighbour in a hundred at most (`LEAST_RECALL`).

    Parameters
    ----------
    features : ndarray, shape (n, d), float32
    offsets : ndarray, shape (n + 1,), int64
        Where each source's edges begin.
    edges : ndarray, int32
        Rows of sources near it.
    entries : ndarray, int32
        Rows where walks may begin.
    entry_tiles : Tiles
        Features of these.
    beam : int
        Sources kept during a walk.
    """

    features: F32
    offsets: I64
    edges: I32
    entries: I32
    entry_tiles: Tiles
    beam: int

    @classmethod
    def of(cls, features: F32, seed: int) -> ApproximateIndex:
        """Build the graph of a population, shape (n, d), and find the beam that its recall needs.

        Raises
        ------
        ReferenceDataError
            The population is too small for a graph, or no beam reaches `LEAST_RECALL`.
        """
        from pynndescent import NNDescent

        from .neighbour_kernels import joined_edges

        features = np.ascontiguousarray(features, dtype=np.float32)
        exact = ExactIndex.of(features)
        if len(features) <= GRAPH_NEIGHBOURS:
            raise ReferenceDataError(f"index: {len(features)} sources are too few for a graph; search them exactly")
        found, _ = NNDescent(features, n_neighbors=GRAPH_NEIGHBOURS, random_state=seed).neighbor_graph
        offsets, edges = joined_edges(found.astype(np.int32), features, MOST_EDGES)
        random = np.random.default_rng(seed)
        number = max(len(features) // ENTRY_EVERY, 1)
        entries = np.sort(random.choice(len(features), number, replace=False)).astype(np.int32)
        queries = _between(features, exact, random)
        truth, _ = exact.query(queries, RECALLED)
        for beam in BEAMS:
            index = cls(features, offsets, edges, entries, tiles_of(features[entries]), int(beam or 0))
            if _recall(index, queries, truth) >= LEAST_RECALL:
                return index
        raise ReferenceDataError(
            f"index: {LEAST_RECALL:.0%} of neighbours are not found with a beam of {BEAMS[-1]}; "
            "search exactly: raise reference.exact_below"
        )

    @property
    def size(self) -> int:
        """Sources in it."""
        return len(self.features)

    @property
    def width(self) -> int:
        """Features a source."""
        return int(self.features.shape[1])

    def query(self, features: F32, k: int) -> tuple[I64, F64]:
        """The k nearest sources of each row: see `NeighbourIndex.query`."""
        from .neighbour_kernels import walk

        queries = np.ascontiguousarray(features, dtype=np.float32)
        if not 1 <= k <= self.size:
            raise ReferenceDataError(f"{k} neighbours were asked for among {self.size} sources")
        starts, _ = nearest(self.entry_tiles, queries, min(4, len(self.entries)), threads=0)
        beam = min(max(self.beam, 2 * k), self.size)
        rows, distances = walk(self.features, self.offsets, self.edges, self.entries[starts], queries, k, beam)
        if (rows < 0).any():
            # An island of fewer sources than were asked for: rare, and small enough to look at everything.
            lost = (rows < 0).any(axis=1)
            rows[lost], distances[lost] = ExactIndex.of(self.features).query(queries[lost], k)
        return rows, distances


@dataclass(frozen=True, slots=True, eq=False)
class CatalogueIndex:
    """What the road searches: an index that does not change, and the sources that came after it, exactly.

    Parameters
    ----------
    base : ExactIndex or ApproximateIndex
    newer : ExactIndex or None
        Its rows count on after those of the base.
    """

    base: ExactIndex | ApproximateIndex
    newer: ExactIndex | None = None

    @property
    def size(self) -> int:
        """Sources in it."""
        return self.base.size + (self.newer.size if self.newer is not None else 0)

    def with_added(self, features: F32) -> CatalogueIndex:
        """An index that has these sources too, shape (m, d); this one stays as it is."""
        held = features if self.newer is None else np.concatenate([self.newer.tiles.rows, features])
        if features.ndim != 2 or features.shape[1] != self.base.width:
            raise ReferenceDataError(f"features of shape {features.shape} for an index of {self.base.width} features")
        return CatalogueIndex(self.base, ExactIndex.of(held))

    def query(self, features: F32, k: int) -> tuple[I64, F64]:
        """The k nearest sources of each row: see `NeighbourIndex.query`.

        Raises
        ------
        ReferenceDataError
            There are fewer than k sources, or the features are of another number or not finite.
        """
        if not 1 <= k <= self.size:
            raise ReferenceDataError(f"{k} neighbours were asked for among {self.size} sources")
        rows, distances = self.base.query(features, min(k, self.base.size))
        if self.newer is None:
            return rows, distances
        more, farther = self.newer.query(features, min(k, self.newer.size))
        rows, distances = np.hstack([rows, more + self.base.size]), np.hstack([distances, farther])
        order = np.lexsort((rows, distances))[:, :k]
        return np.take_along_axis(rows, order, axis=1), np.take_along_axis(distances, order, axis=1)


def build_index(features: F32, *, exact_below: int, seed: int = 11) -> tuple[CatalogueIndex, dict[str, Any]]:
    """Index a population.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    exact_below : int
        Populations smaller than this are searched exactly.
    seed : int

    Returns
    -------
    (CatalogueIndex, dict)
        The index; its kind and its recall of the ten nearest, measured on places between neighbours.

    Raises
    ------
    ReferenceDataError
        Features are not finite, or no approximate index is good enough.
    """
    exact = ExactIndex.of(features)
    if len(features) < exact_below:
        return CatalogueIndex(exact), {"index": "exact", "recall_at_10": 1.0}
    index = ApproximateIndex.of(features, seed)
    queries = _between(features, exact, np.random.default_rng(seed + 1))
    truth, _ = exact.query(queries, RECALLED)
    measured = {"index": "approximate", "recall_at_10": _recall(index, queries, truth), "beam": index.beam}
    return CatalogueIndex(index), measured


def _between(features: F32, exact: ExactIndex, random: np.random.Generator) -> F32:
    """Places where new sources may be: halfway between a source and one of its nearest."""
    n = len(features)
    rows = random.choice(n, min(TRIALS, n), replace=False)
    near, _ = exact.query(features[rows], min(RECALLED, n))
    other = near[np.arange(len(rows)), random.integers(0, near.shape[1], len(rows))]
    return (0.5 * (features[rows] + features[other])).astype(np.float32)


def _recall(index: ApproximateIndex, queries: F32, truth: I64) -> float:
    """Part of the true nearest that an index finds; one as near as the farthest of these counts as it."""
    rows, _ = index.query(queries, truth.shape[1])
    last = np.linalg.norm(index.features[truth[:, -1]].astype(np.float64) - queries, axis=1)
    away = np.linalg.norm(index.features[rows].astype(np.float64) - queries[:, None], axis=2)
    return float((away <= last[:, None] * (1 + 1e-12)).mean())


def save_index(index: Any, folder: Path) -> None:
    """Write an index without its features, which stand beside it, and without newer sources."""
    base = index.base
    if isinstance(base, ExactIndex):
        save_json(folder / FACTS, {"kind": "exact", "sources": base.size, "features": base.width})
        return
    facts = {"kind": "approximate", "sources": base.size, "features": base.width, "beam": base.beam}
    save_json(folder / FACTS, facts)
    save_arrays(folder / ARRAYS, offsets=base.offsets, edges=base.edges, entries=base.entries)


def load_index(folder: Path, features: F32) -> CatalogueIndex:
    """Read an index.

    Parameters
    ----------
    folder : Path
    features : ndarray, shape (n, d), float32
        That it was built of.

    Raises
    ------
    ArtefactError
        It is damaged, or of other features.
    """
    facts = load_json(folder / FACTS)
    if (facts.get("sources"), facts.get("features")) != features.shape:
        raise ArtefactError(f"{folder}: an index of other features than those beside it; build the reference anew")
    if facts.get("kind") == "exact":
        return CatalogueIndex(ExactIndex.of(features))
    arrays = load_arrays(folder / ARRAYS, "offsets", "edges", "entries")
    beam, n = facts.get("beam"), len(features)
    offsets, edges, entries = arrays["offsets"], arrays["edges"], arrays["entries"]
    sound = (
        facts.get("kind") == "approximate"
        and isinstance(beam, int)
        and beam > 0
        and [str(array.dtype) for array in (offsets, edges, entries)] == ["int64", "int32", "int32"]
        and offsets.shape == (n + 1,)
        and offsets[0] == 0
        and offsets[-1] == len(edges)
        and bool((np.diff(offsets) >= 0).all())
        and all(len(rows) and rows.min() >= 0 and rows.max() < n for rows in (edges, entries))
    )
    if not sound:
        raise ArtefactError(f"{folder / ARRAYS}: is no graph of {n} sources; build the reference anew")
    features = np.ascontiguousarray(features, dtype=np.float32)
    return CatalogueIndex(
        ApproximateIndex(features, offsets, edges, entries, tiles_of(features[entries]), int(beam or 0))
    )
