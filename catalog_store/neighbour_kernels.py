"""Kernels of the approximate index: joining the edges of a graph of neighbours, and walking it."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.threads import in_threads

__all__ = ["joined_edges", "walk"]

F32 = NDArray[np.float32]
F64 = NDArray[np.float64]
I32 = NDArray[np.int32]
I64 = NDArray[np.int64]

BATCH = 32
"""Queries a thread takes at a time."""


@njit(cache=True, nogil=True)
def _square(a: F32, b: F32) -> float:
    """Squared distance in double precision."""
    total = 0.0
    for c in range(a.size):
        apart = np.float64(a[c]) - np.float64(b[c])
        total += apart * apart
    return total


@njit(cache=True, nogil=True)
def joined_edges(neighbours: I32, features: F32, most: int) -> tuple[I64, I32]:
    """Edges of every source to its neighbours and from those it is a neighbour of, each once, the nearest `most`.

    Parameters
    ----------
    neighbours : ndarray, shape (n, k) — rows; negative where there is none
    features : ndarray, shape (n, d)
    most : int

    Returns
    -------
    (offsets of shape (n + 1,), edges)
    """
    n = neighbours.shape[0]
    degree = np.zeros(n + 1, np.int64)
    for i in range(n):
        for j in neighbours[i]:
            if j >= 0 and j != i:
                degree[i + 1] += 1
                degree[j + 1] += 1
    starts = np.cumsum(degree)
    both = np.empty(starts[n], np.int32)
    filled = starts[:-1].copy()
    for i in range(n):
        for j in neighbours[i]:
            if j >= 0 and j != i:
                both[filled[i]] = j
                filled[i] += 1
                both[filled[j]] = i
                filled[j] += 1
    offsets = np.zeros(n + 1, np.int64)
    edges = np.empty(both.size, np.int32)
    held = 0
    for i in range(n):
        own = np.unique(both[starts[i] : starts[i + 1]])
        if own.size > most:
            away = np.empty(own.size)
            for e in range(own.size):
                away[e] = _square(features[i], features[own[e]])
            own = own[np.argsort(away, kind="mergesort")[:most]]
        edges[held : held + own.size] = own
        held += own.size
        offsets[i + 1] = held
    return offsets, edges[:held].copy()


@njit(cache=True, nogil=True)
def _insert(squares: F64, rows: I64, open_: NDArray[np.bool_], size: int, square: float, row: int) -> int:
    """Put a source among the nearest, ordered by distance, then row; says how many there are then."""
    last = size - 1
    if size == squares.size:
        if square > squares[last] or (square == squares[last] and row > rows[last]):
            return size
        last -= 1
    else:
        size += 1
    i = last
    while i >= 0 and (squares[i] > square or (squares[i] == square and rows[i] > row)):
        squares[i + 1], rows[i + 1], open_[i + 1] = squares[i], rows[i], open_[i]
        i -= 1
    squares[i + 1], rows[i + 1], open_[i + 1] = square, row, True
    return size


@njit(cache=True, nogil=True)
def _walk(
    features: F32, offsets: I64, edges: I32, starts: I32, queries: F32, beam: int, rows: I64, distances: F64
) -> None:
    """From the starts to ever nearer sources, until no source in the beam has an unseen neighbour."""
    k = rows.shape[1]
    seen = np.full(features.shape[0], -1, np.int32)
    squares, near, open_ = np.empty(beam), np.empty(beam, np.int64), np.empty(beam, np.bool_)
    for q in range(queries.shape[0]):
        size = 0
        for row in starts[q]:
            if seen[row] != q:
                seen[row] = q
                size = _insert(squares, near, open_, size, _square(features[row], queries[q]), row)
        at = 0
        while at < size:
            if not open_[at]:
                at += 1
                continue
            open_[at] = False
            nearest_changed = size
            row = near[at]
            for e in range(offsets[row], offsets[row + 1]):
                other = edges[e]
                if seen[other] == q:
                    continue
                seen[other] = q
                square = _square(features[other], queries[q])
                if size < beam or square <= squares[size - 1]:
                    size = _insert(squares, near, open_, size, square, other)
                    if square <= squares[at]:
                        nearest_changed = 0
            at = 0 if nearest_changed == 0 else at + 1
        for i in range(min(size, k)):
            rows[q, i], distances[q, i] = near[i], np.sqrt(squares[i])


def walk(features: F32, offsets: I64, edges: I32, starts: I32, queries: F32, k: int, beam: int) -> tuple[I64, F64]:
    """The k nearest sources of each query that a walk finds; row −1 where it finds fewer.

    Parameters
    ----------
    features : ndarray, shape (n, d), float32
    offsets, edges : ndarray
        Of `joined_edges`.
    starts : ndarray, shape (m, s), int32 — rows
    queries : ndarray, shape (m, d), float32
    k, beam : int

    Returns
    -------
    (rows, int64; distances, float64), both of shape (m, k)
    """
    m = len(queries)
    rows, distances = np.full((m, k), -1, np.int64), np.full((m, k), np.inf)

    def work(first: int, stop: int) -> None:
        for start in range(first * BATCH, min(stop * BATCH, m), BATCH):
            part = slice(start, min(start + BATCH, m))
            _walk(features, offsets, edges, starts[part], queries[part], beam, rows[part], distances[part])

    in_threads(work, np.arange(-(-m // BATCH) + 1))
    return rows, distances
