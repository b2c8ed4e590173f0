"""From photons' bins to arrays: counting, scaling, the rows of a sparse array; what the kernels have in common.

A cube has thousands of bins and most sources have dozens of photons, so most cubes are never written out: a source's
bins are sorted, and runs of equal ones counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F32, F64, I32, I64
from xherald.photons.threads import run_in_threads

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = [
    "COUNTS",
    "MINMAX",
    "NONE",
    "SQRT",
    "UNIT",
    "finish_dense",
    "finish_runs",
    "joined_rows",
    "unit_bin",
]


FEW: Final = 512
"""Photons up to which moving them one by one is the fastest way of sorting what is nearly in order."""

MANY: Final = 16
"""Bins a photon below which it is faster to write all bins out than to sort photons."""

COUNTS: Final = 0
SQRT: Final = 1
"""Values of bins: counts, or their square roots, whose Poisson noise is the same whatever the counts."""

NONE: Final = 0
MINMAX: Final = 1
UNIT: Final = 2
"""Values of a source's array as they are, brought to [0, 1], or divided by the root of the sum of their squares."""


@njit(cache=True, nogil=True, error_model="numpy")
def unit_bin(value: float, span: float, edges: F64) -> int:
    """Bin of ``value / span`` among edges over [0, 1], the last edge included; 0 on an axis without a length.

    The same bin as ``searchsorted(edges, value / span, side="right") - 1``.
    """
    last = edges.size - 2
    if not 0.0 < span < np.inf:
        return 0
    part = value / span
    k = min(int(part * (last + 1)), last)
    # One off at most: the product rounds, and so do the edges.
    if part < edges[k]:
        k -= 1
    elif k < last and part >= edges[k + 1]:
        k += 1
    return k


@njit(cache=True, nogil=True, error_model="numpy")
def _value(count: float, scale: int) -> float:
    return np.sqrt(count) if scale == SQRT else count


@njit(cache=True, nogil=True, error_model="numpy")
def _range_of(counts: F32, bins: int, scale: int, normalise: int) -> tuple[float, float]:
    """What to take off the values and what to divide them by then, for the counts of those bins that are not empty."""
    if normalise == NONE or counts.size == 0:
        return 0.0, 1.0
    most = counts[0]
    least = counts[0] if counts.size == bins else np.float32(0.0)
    squares = 0.0
    for count in counts:
        least = min(least, count)
        most = max(most, count)
        squares += _value(count, scale) ** 2
    if normalise == UNIT:
        return 0.0, np.sqrt(squares) if squares > 0 else 1.0
    low, high = _value(least, scale), _value(most, scale)
    return low, high - low if high > low else 1.0


@njit(cache=True, nogil=True, error_model="numpy")
def finish_dense(row: F32, scale: int, normalise: int) -> None:
    """Turn the counts of all of a source's bins into values, in place."""
    if scale == COUNTS and normalise == NONE:
        return
    low, width = _range_of(row, row.size, scale, normalise)
    for i in range(row.size):
        row[i] = (_value(row[i], scale) - low) / width


@njit(cache=True, nogil=True)
def _sort(codes: I32) -> None:
    """Sort in place. Photons come in order of time, the first of most axes: few are moved, and none far."""
    if codes.size > FEW:
        codes.sort()
        return
    for i in range(1, codes.size):
        code = codes[i]
        k = i
        while k > 0 and codes[k - 1] > code:
            codes[k] = codes[k - 1]
            k -= 1
        codes[k] = code


@njit(cache=True, nogil=True)
def _count_runs(codes: I32, values: F32) -> int:
    """Bins and their photons by sorting: for few photons among many bins."""
    _sort(codes)
    size = 0
    for code in codes:
        if size > 0 and codes[size - 1] == code:
            values[size - 1] += 1
        else:
            codes[size] = code
            values[size] = 1
            size += 1
    return size


@njit(cache=True, nogil=True)
def _count_all(codes: I32, values: F32, bins: int) -> int:
    """Bins and their photons by writing all bins out: for many photons."""
    counts = np.zeros(bins, np.int32)
    for code in codes:
        counts[code] += 1
    size = 0
    for code in range(bins):
        if counts[code] > 0:
            codes[size] = code
            values[size] = counts[code]
            size += 1
    return size


@njit(cache=True, nogil=True, error_model="numpy")
def finish_runs(codes: I32, values: F32, bins: int, scale: int, normalise: int) -> int:
    """Turn the bins of a source's photons into bins and values of its row, in place, and say how many there are.

    Parameters
    ----------
    codes : ndarray, shape (photons,), int32
        Bin of each photon, in any order; ascending bins, each once, afterwards.
    values : ndarray, shape (photons,), float32
        Their values afterwards.
    bins : int
        Of the whole array.
    scale, normalise : int
    """
    many = codes.size * MANY > bins
    size: int = _count_all(codes, values, bins) if many else _count_runs(codes, values)
    if scale == COUNTS and normalise == NONE:
        return size
    low, width = _range_of(values[:size], bins, scale, normalise)
    kept = 0
    for i in range(size):
        value = (_value(values[i], scale) - low) / width
        if value > 0:
            codes[kept] = codes[i]
            values[kept] = value
            kept += 1
    return kept


@njit(cache=True, nogil=True)
def _copy_rows(
    codes: I32, values: F32, offsets: I64, starts: I64, first: int, stop: int, indices: I32, data: F32
) -> None:
    for s in range(first, stop):
        size = starts[s + 1] - starts[s]
        indices[starts[s] : starts[s + 1]] = codes[offsets[s] : offsets[s] + size]
        data[starts[s] : starts[s + 1]] = values[offsets[s] : offsets[s] + size]


def joined_rows(codes: I32, values: F32, offsets: I64, sizes: I64, bins: int) -> csr_array:
    """A sparse array of the rows that `finish_runs` left at the beginnings of the sources' slices.

    Parameters
    ----------
    codes, values : ndarray, shape (photons,)
    offsets : ndarray, shape (n + 1,)
        Where each source's slice begins.
    sizes : ndarray, shape (n,)
        Bins of each source that are not 0.
    bins : int
        Of a whole row.
    """
    from scipy.sparse import csr_array

    starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
    indices = np.empty(starts[-1], dtype=np.int32)
    data = np.empty(starts[-1], dtype=np.float32)
    run_in_threads(lambda first, stop: _copy_rows(codes, values, offsets, starts, first, stop, indices, data), offsets)
    # Both kinds of index are of one width, or scipy widens a copy.
    narrow = starts[-1] <= np.iinfo(np.int32).max
    pointers = starts.astype(np.int32) if narrow else starts
    rows = csr_array((data, indices if narrow else indices.astype(np.int64), pointers), shape=(len(sizes), bins))
    rows.has_canonical_format = True
    return rows
