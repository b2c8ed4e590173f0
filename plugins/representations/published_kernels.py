"""Kernels of the published representations; exact, so that they stand in for numpy's histograms.

Divisions round as numpy's do, times are compared with numpy's own edges and energies with thresholds found by numpy's
own logarithm (`axes.energy_thresholds`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64, I32, I64
from xherald.photons.threads import run_in_threads

from .binning import COUNTS, MINMAX, NONE, finish_dense, finish_runs, joined_rows, unit_bin

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["cubes", "maps"]


@njit(cache=True, nogil=True, error_model="numpy")
def _energy_bin(bits: int, thresholds: I32) -> int:
    """Bin of an energy by its bits; -1 outside the axis."""
    last = thresholds.size - 2
    if not thresholds[0] <= bits < thresholds[-1]:
        return -1
    # A float's bits rise about as its logarithm does, so the bin is near; the thresholds say which it is.
    span = np.float64(thresholds[-1]) - np.float64(thresholds[0])
    k = min(int((np.float64(bits) - np.float64(thresholds[0])) / span * (last + 1)), last)
    while bits < thresholds[k]:
        k -= 1
    while bits >= thresholds[k + 1]:
        k += 1
    return k


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_maps(
    time: F64,
    energy: I32,
    offsets: I64,
    time_edges: F64,
    thresholds: I32,
    normalise: int,
    first: int,
    stop: int,
    out: F32,
) -> None:
    """Fill rows first to stop - 1 of `out`, shape (n, time × energy), which is 0 before; energies as bits."""
    width = thresholds.size - 1
    for s in range(first, stop):
        a, b = offsets[s], offsets[s + 1]
        if a == b:
            continue
        start, span = time[a], time[b - 1] - time[a]
        for i in range(a, b):
            e = _energy_bin(energy[i], thresholds)
            if e >= 0:
                out[s, unit_bin(time[i] - start, span, time_edges) * width + e] += 1
        finish_dense(out[s], COUNTS, normalise)


def maps(batch: EventBatch, time_edges: F64, thresholds: I32, normalise: bool) -> F32:
    """Energy–time maps of a batch.

    Parameters
    ----------
    batch : EventBatch
    time_edges : ndarray, shape (time bins + 1,)
        Over [0, 1].
    thresholds : ndarray, shape (energy bins + 1,), int32
        Bits of energies, of `energy_thresholds`.
    normalise : bool

    Returns
    -------
    ndarray, shape (n, time bins, energy bins), float32
    """
    shape = (len(batch), len(time_edges) - 1, len(thresholds) - 1)
    out = np.zeros((shape[0], shape[1] * shape[2]), dtype=np.float32)
    energy, how = batch.energy.view(np.int32), MINMAX if normalise else NONE
    run_in_threads(
        lambda first, stop: _fill_maps(
            batch.time, energy, batch.offsets, time_edges, thresholds, how, first, stop, out
        ),
        batch.offsets,
    )
    return out.reshape(shape)


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_cubes(
    time: F64,
    energy: I32,
    offsets: I64,
    time_edges: F64,
    thresholds: I32,
    wait_edges: F64,
    normalise: int,
    first: int,
    stop: int,
    codes: I32,
    values: F32,
    sizes: I64,
) -> None:
    """Write the rows of sources first to stop - 1 to the beginnings of their slices of `codes` and `values`.

    Energies as bits.
    """
    deep, width = wait_edges.size - 1, thresholds.size - 1
    bins = (time_edges.size - 1) * width * deep
    for s in range(first, stop):
        a, b = offsets[s], offsets[s + 1]
        last = b - 1  # waits for none
        if last <= a:
            continue
        start, span = time[a], time[last - 1] - time[a]
        shortest = longest = time[a + 1] - time[a]
        for i in range(a + 1, last):
            wait = time[i + 1] - time[i]
            shortest = min(shortest, wait)
            longest = max(longest, wait)
        held = a
        for i in range(a, last):
            e = _energy_bin(energy[i], thresholds)
            if e >= 0:
                t = unit_bin(time[i] - start, span, time_edges)
                w = unit_bin(time[i + 1] - time[i] - shortest, longest - shortest, wait_edges)
                codes[held] = (t * width + e) * deep + w
                held += 1
        sizes[s] = finish_runs(codes[a:held], values[a:held], bins, COUNTS, normalise)


def cubes(batch: EventBatch, time_edges: F64, thresholds: I32, wait_edges: F64, normalise: bool) -> csr_array:
    """Energy–time–waiting-time cubes of a batch.

    Parameters
    ----------
    batch : EventBatch
    time_edges, wait_edges : ndarray, shape (bins + 1,)
        Over [0, 1].
    thresholds : ndarray, shape (energy bins + 1,), int32
        Bits of energies, of `energy_thresholds`.
    normalise : bool

    Returns
    -------
    csr_array, shape (n, time × energy × waiting-time bins), float32
        Indices ascend within a row, each once; nothing that is 0 is written.
    """
    bins = (len(time_edges) - 1) * (len(thresholds) - 1) * (len(wait_edges) - 1)
    codes = np.empty(len(batch.time), dtype=np.int32)
    values = np.empty(len(batch.time), dtype=np.float32)
    sizes = np.zeros(len(batch), dtype=np.int64)
    energy, how = batch.energy.view(np.int32), MINMAX if normalise else NONE
    run_in_threads(
        lambda first, stop: _fill_cubes(
            *(batch.time, energy, batch.offsets, time_edges, thresholds, wait_edges),
            *(how, first, stop, codes, values, sizes),
        ),
        batch.offsets,
    )
    return joined_rows(codes, values, batch.offsets, sizes, bins)
