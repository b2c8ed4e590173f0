"""Exact nearest neighbours in feature space, for embeddings of large sets and for the index of a reference.

Features are stored in tiles, so that one pass computes the distances to `TILE` sources with vector instructions in
single precision. These only preselect: distances of possible neighbours are computed again in double precision, which
decides their order. Sources at equal distance are ordered by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.errors import ReferenceDataError
from xherald.photons.threads import run_in_threads
from xherald.plugins.contract import Features

__all__ = [
    "MAX_EXACT_SOURCES",
    "MAX_SINGLE_THREAD_QUERIES",
    "Tiles",
    "check_features",
    "find_nearest",
    "find_nearest_others",
    "make_tiles",
]


TILE: Final = 256
"""Sources in a tile; 24 features of them fill half of a first-level cache."""

QUERY_BLOCK: Final = 256
"""Queries compared with a tile before the next tile is loaded."""

MAX_SINGLE_THREAD_QUERIES: Final = 32
"""Queries up to which starting threads costs more than it saves."""

MAX_EXACT_SOURCES: Final = 200_000
"""Sources up to which embedders find neighbours exactly by default: a minute on two cores, growing with the square."""


@dataclass(frozen=True, slots=True, eq=False)
class Tiles:
    """Features in rows and in tiles.

    Parameters
    ----------
    rows : ndarray, shape (n, d), float32
    tiles : ndarray, shape (n / TILE rounded up, d, TILE), float32 — the last one padded with infinity
    """

    rows: F32
    tiles: F32


def make_tiles(features: Features) -> Tiles:
    """Arrange features for `find_nearest`.

    Raises
    ------
    ReferenceDataError
        They are not a table of finite numbers.
    """
    rows = check_features(features)
    n, d = rows.shape
    padded = np.full((-(-n // TILE) * TILE, d), np.inf, dtype=np.float32)
    padded[:n] = rows
    return Tiles(rows, np.ascontiguousarray(padded.reshape(-1, TILE, d).transpose(0, 2, 1)))


def find_nearest(among: Tiles, queries: Features, k: int, own: I64 | None = None, threads: int = 1) -> tuple[I64, F64]:
    """The k nearest sources of each query.

    Parameters
    ----------
    among : Tiles
    queries : ndarray, shape (m, d), float32
    k : int
    own : ndarray, shape (m,), int64, optional
        Row of the query itself, which is excluded; −1 for none.
    threads : int
        0 for one for each core.

    Returns
    -------
    rows : ndarray, shape (m, k), int64 — nearest first, at equal distance by row
    distances : ndarray, shape (m, k), float64 — Euclidean

    Raises
    ------
    ReferenceDataError
        There are fewer than k sources, or the queries have other features or ones that are not finite.
    """
    queries = check_features(queries)
    (n, d), m = among.rows.shape, len(queries)
    if queries.shape[1] != d:
        raise ReferenceDataError(f"queries have {queries.shape[1]} features, the sources have {d}")
    others = n if own is None else n - 1
    if not 1 <= k <= others:
        raise ReferenceDataError(f"k = {k} neighbours among {others} sources; ask for 1 to {others}")
    own = np.full(m, -1, dtype=np.int64) if own is None else np.asarray(own, dtype=np.int64)
    squares, rows = np.full((m, k), np.inf), np.full((m, k), n, dtype=np.int64)
    # Twice the rounding error of a sum of d squares in single precision, and the loss of squares that underflow.
    margin, floor = 1 + (d + 4) * 2.0**-23, d * float(np.finfo(np.float32).tiny)

    def some(first: int, stop: int) -> None:
        for start in range(first, stop, QUERY_BLOCK):
            these = slice(start, min(start + QUERY_BLOCK, stop))
            _search(among.tiles, among.rows, queries[these], own[these], squares[these], rows[these], margin, floor)

    run_in_threads(some, np.arange(m + 1), threads if m > MAX_SINGLE_THREAD_QUERIES else 1)
    distances: F64 = np.sqrt(squares)
    return rows, distances


def find_nearest_others(features: Features, k: int, threads: int = 0) -> tuple[I64, F64]:
    """The k nearest of each source among all others, as `find_nearest` gives them."""
    among = make_tiles(features)
    return find_nearest(among, among.rows, k, np.arange(len(among.rows), dtype=np.int64), threads)


def check_features(features: Features) -> F32:
    """Features as a contiguous table in single precision.

    Raises
    ------
    ReferenceDataError
        They are not a table of finite numbers.
    """
    rows: F32 = np.ascontiguousarray(features, dtype=np.float32)
    if rows.ndim != 2 or not rows.shape[1]:
        raise ReferenceDataError(f"features must have a row for each source, not the shape {rows.shape}")
    if not np.isfinite(rows).all():
        raise ReferenceDataError(f"features of source {int(np.argmin(np.isfinite(rows).all(axis=1)))} are not finite")
    return rows


@njit(cache=True, nogil=True, fastmath={"contract"})
def _squares_in_tile(tile: F32, query: F32, out: F32) -> None:
    """Squared distances to the sources of a tile; the inner loop is vectorised."""
    for j in range(TILE):
        out[j] = np.float32(0.0)
    for c in range(tile.shape[0]):
        value, column = query[c], tile[c]
        for j in range(TILE):
            apart = column[j] - value
            out[j] += apart * apart


@njit(cache=True, nogil=True)
def _sink(squares: F64, rows: I64, size: int, square: float, row: int) -> None:
    """Replace the first entry of a heap, its farthest; at equal distance the later row is farther."""
    i = 0
    while True:
        child = 2 * i + 1
        if child >= size:
            break
        other = child + 1
        if other < size and (
            squares[other] > squares[child] or (squares[other] == squares[child] and rows[other] > rows[child])
        ):
            child = other
        if squares[child] < square or (squares[child] == square and rows[child] < row):
            break
        squares[i], rows[i] = squares[child], rows[child]
        i = child
    squares[i], rows[i] = square, row


@njit(cache=True, nogil=True)
def _sort(squares: F64, rows: I64) -> None:
    """Sort a heap, nearest first."""
    for last in range(squares.size - 1, 0, -1):
        square, row = squares[last], rows[last]
        squares[last], rows[last] = squares[0], rows[0]
        _sink(squares, rows, last, square, row)


@njit(cache=True, nogil=True)
def _search(
    tiles: F32, features: F32, queries: F32, own: I64, squares: F64, rows: I64, margin: float, floor: float
) -> None:
    """Fill a heap with the nearest sources of each query, then sort it; heaps start at infinity."""
    n, d = features.shape
    rough = np.empty(TILE, dtype=np.float32)
    bounds = np.full(len(queries), np.inf, dtype=np.float32)
    for t in range(len(tiles)):
        start = t * TILE
        size = min(TILE, n - start)
        for i in range(len(queries)):
            _squares_in_tile(tiles[t], queries[i], rough)
            heap, held, bound = squares[i], rows[i], bounds[i]
            for j in range(size):
                if rough[j] <= bound:
                    row = start + j
                    if row == own[i]:
                        continue
                    square = 0.0
                    for c in range(d):
                        apart = np.float64(features[row, c]) - np.float64(queries[i, c])
                        square += apart * apart
                    if square < heap[0] or (square == heap[0] and row < held[0]):
                        _sink(heap, held, heap.size, square, row)
                        bound = np.float32(heap[0] * margin + floor)
            bounds[i] = bound
    for i in range(len(queries)):
        _sort(squares[i], rows[i])
