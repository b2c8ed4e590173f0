"""Search of a neighbours' graph: from where many sources are, along edges to ever nearer ones (`ApproximateIndex`).

The search is that of Malkov & Yashunin 2020 (IEEE TPAMI 42, 824), algorithm 2, on a single layer: it keeps the
`breadth` nearest sources met so far and looks at the neighbours of each, nearest first, until all have been looked at.
It works on plain arrays and is compiled once for all processes, so that nothing has to be restored but the arrays.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I32, I64

__all__ = ["join_both_ways", "search_graph"]

U8 = NDArray[np.uint8]


def join_both_ways(neighbours: NDArray[np.integer]) -> tuple[I64, I32]:
    """Edges of a graph of neighbours, taken both ways, once each, without those from a source to itself.

    However many have a source among their neighbours, it keeps its edges to all of them: a source far from all others
    is nobody's neighbour, and would not be found if edges were pruned where there are many.

    Parameters
    ----------
    neighbours : ndarray, shape (n, k), integer — rows of each source's neighbours; negative where there are fewer

    Returns
    -------
    starts : ndarray, shape (n + 1,), int64 — where each source's edges begin
    edges : ndarray, int32 — rows at their other ends, ascending for each source
    """
    n, k = neighbours.shape
    here, there = np.repeat(np.arange(n, dtype=np.int64), k), neighbours.ravel().astype(np.int64)
    real = (there >= 0) & (there != here)
    here, there = here[real], there[real]
    both = np.unique(np.concatenate([here * n + there, there * n + here]))
    starts = np.searchsorted(both, np.arange(n + 1, dtype=np.int64) * n).astype(np.int64)
    return starts, (both % n).astype(np.int32)


@njit(cache=True, nogil=True, fastmath={"contract", "reassoc", "nsz"})
def _square(a: F32, b: F32) -> np.float32:
    """Squared distance in single precision."""
    total = np.float32(0.0)
    for c in range(a.size):
        apart = a[c] - b[c]
        total += apart * apart
    return total


@njit(cache=True, nogil=True)
def _push(keys: F32, rows: I32, size: int, key: np.float32, row: int) -> None:
    """Add an entry to a heap of `size` entries with the smallest key first."""
    i = size
    while i > 0:
        parent = (i - 1) >> 1
        if keys[parent] <= key:
            break
        keys[i], rows[i] = keys[parent], rows[parent]
        i = parent
    keys[i], rows[i] = key, row


@njit(cache=True, nogil=True)
def _pop(keys: F32, rows: I32, size: int) -> None:
    """Drop the first entry of a heap of `size` entries with the smallest key first."""
    last = size - 1
    key, row = keys[last], rows[last]
    i = 0
    while True:
        child = 2 * i + 1
        if child >= last:
            break
        if child + 1 < last and keys[child + 1] < keys[child]:
            child += 1
        if keys[child] >= key:
            break
        keys[i], rows[i] = keys[child], rows[child]
        i = child
    keys[i], rows[i] = key, row


@njit(cache=True, nogil=True)
def _walk(
    features: F32, starts: I64, edges: I32, entries: I32, query: F32, seen: U8, near: F32, near_rows: I32
) -> tuple[int, I32, int]:
    """Find the nearest of one query.

    `near` holds distances squared with a minus sign, so that the farthest is the first of its heap. Marks set in `seen`
    are returned to be cleared.
    """
    breadth = near.size
    held = waiting = marked = 0
    ahead, ahead_rows = np.empty(1024, dtype=np.float32), np.empty(1024, dtype=np.int32)
    marks = np.empty(4096, dtype=np.int32)
    begin, end, from_entries = 0, entries.size, True
    while True:
        if marked + (end - begin) > marks.size:
            marks = np.concatenate((marks, np.empty(marks.size + end - begin, dtype=np.int32)))
        if waiting + (end - begin) > ahead.size:
            more = ahead.size + end - begin
            ahead = np.concatenate((ahead, np.empty(more, dtype=np.float32)))
            ahead_rows = np.concatenate((ahead_rows, np.empty(more, dtype=np.int32)))
        for e in range(begin, end):
            row = entries[e] if from_entries else edges[e]
            if seen[row >> 3] & (1 << (row & 7)):
                continue
            seen[row >> 3] |= 1 << (row & 7)
            marks[marked] = row
            marked += 1
            square = _square(features[row], query)
            if held == breadth:
                if square >= -near[0]:
                    continue
                _pop(near, near_rows, held)
                held -= 1
            _push(near, near_rows, held, -square, row)
            held += 1
            _push(ahead, ahead_rows, waiting, square, row)
            waiting += 1
        if waiting == 0 or (held == breadth and ahead[0] > -near[0]):
            return held, marks, marked
        row = ahead_rows[0]
        _pop(ahead, ahead_rows, waiting)
        waiting -= 1
        begin, end, from_entries = starts[row], starts[row + 1], False


@njit(cache=True, nogil=True)
def search_graph(
    features: F32,
    starts: I64,
    edges: I32,
    entries: I32,
    closed: U8,
    queries: F32,
    breadth: int,
    rows: I64,
    squares: F64,
) -> None:
    """Fill in the nearest sources of each query, nearest first, those at one distance by row.

    Parameters
    ----------
    features : ndarray, shape (n, d), float32
    starts : ndarray, shape (n + 1,), int64
    edges : ndarray, int32
        As `join_both_ways` gives them.
    entries : ndarray, int32
        Rows to start from.
    closed : ndarray, shape (n / 8 rounded up,), uint8
        A bit a source that the search neither finds nor passes through.
    queries : ndarray, shape (m, d), float32
    breadth : int
        Sources kept while searching, no fewer than are wanted: the more, the fewer are missed.
    rows : ndarray, shape (m, k), int64
        Filled in; −1 where fewer were found.
    squares : ndarray, shape (m, k), float64
        Filled in with squared distances, in double precision; infinity where fewer were found.
    """
    k = rows.shape[1]
    seen = closed.copy()
    near, near_rows = np.empty(breadth, dtype=np.float32), np.empty(breadth, dtype=np.int32)
    exact = np.empty(breadth, dtype=np.float64)
    for q in range(len(queries)):
        held, marks, marked = _walk(features, starts, edges, entries, queries[q], seen, near, near_rows)
        for m in range(marked):
            seen[marks[m] >> 3] &= 255 ^ (1 << (marks[m] & 7))
        for i in range(held):
            square = 0.0
            for c in range(features.shape[1]):
                apart = np.float64(features[near_rows[i], c]) - np.float64(queries[q, c])
                square += apart * apart
            exact[i] = square
        by_row = np.argsort(near_rows[:held])
        order = by_row[np.argsort(exact[by_row], kind="mergesort")]
        for i in range(k):
            rows[q, i] = near_rows[order[i]] if i < held else -1
            squares[q, i] = exact[order[i]] if i < held else np.inf
