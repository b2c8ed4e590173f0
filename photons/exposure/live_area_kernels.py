"""Kernels of `live_area`: sums over the pixels of a detector unit.

Imports numba: import this module inside the function that needs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["BLOCK", "count_sensitive", "find_sparse_runs", "sum_dead_blocks"]

BLOCK = 4
"""Side of a block of pixels in `LiveArea.dead_sums`: smaller than the apertures that are compared with it."""


@njit(cache=True, nogil=True)
def sum_dead_blocks(live: Any) -> Any:
    """Number of blocks with insensitive pixels below and left of each corner, shape (nx / BLOCK + 1, ny / BLOCK + 1).

    Sizes are rounded up: pixels beyond the unit are insensitive.
    """
    nx, ny = live.shape
    mx, my = -(-nx // BLOCK), -(-ny // BLOCK)
    sums = np.zeros((mx + 1, my + 1), np.int32)
    sensitive = np.empty(my * BLOCK, np.uint8)
    for bx in range(mx):
        first, last = bx * BLOCK, bx * BLOCK + BLOCK
        sensitive[:] = last <= nx
        sensitive[ny:] = 0
        for i in range(first, min(last, nx)):
            for j in range(ny):
                sensitive[j] &= live[i, j]
        total = 0
        for by in range(my):
            whole = np.uint8(1)
            for j in range(by * BLOCK, by * BLOCK + BLOCK):
                whole &= sensitive[j]
            total += whole == 0
            sums[bx + 1, by + 1] = sums[bx, by + 1] + total
    return sums


@njit(cache=True, nogil=True)
def count_sensitive(live: Any, axis: int) -> Any:
    """Sensitive pixels at each index along an axis."""
    nx, ny = live.shape
    out = np.zeros(live.shape[axis], np.int32)
    for i in range(nx):
        if axis == 1:
            for j in range(ny):
                out[j] += live[i, j]
        else:
            total = np.int32(0)
            for j in range(ny):
                total += live[i, j]
            out[i] = total
    return out


@njit(cache=True, nogil=True)
def find_sparse_runs(
    counts: Any, areas: Any, density_counts: Any, length: int, density: float, neighbours: int, limits: Any
) -> Any:
    """Runs of adjacent columns that have few events for their area.

    Parameters
    ----------
    counts, areas, density_counts : ndarray, shape (k + 1,)
        Cumulative events, sensitive pixels, and events that determine the density of the neighbours.
    length : int — columns of a run
    density : float
        Events per sensitive pixel; NaN for the lower of those in the neighbouring columns on the left and the right.
    neighbours : int — number of these on each side, of which half must exist
    limits : (float, float) — largest ratio of events to expected events, and smallest number of expected events

    Returns
    -------
    first : ndarray, int64 — first columns
    expected : ndarray — events expected in each run
    """
    k = len(counts) - 1
    first, expected = np.empty(k, np.int64), np.empty(k)
    found = 0
    for begin in range(k - length + 1):
        end = begin + length
        typical = density
        if np.isnan(density):
            typical = np.inf
            for low, high in ((max(begin - neighbours, 0), begin), (end, min(end + neighbours, k))):
                area = areas[high] - areas[low]
                if high - low >= neighbours // 2 and area > 0:
                    typical = min(typical, (density_counts[high] - density_counts[low]) / area)
            if np.isinf(typical):
                continue
        mean = typical * (areas[end] - areas[begin])
        if mean > limits[1] and counts[end] - counts[begin] <= limits[0] * mean:
            first[found], expected[found] = begin, mean
            found += 1
    return first[:found].copy(), expected[:found].copy()
