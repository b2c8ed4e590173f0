"""Projection on principal components, a source at a time in a fixed order of sums.

A library's matrix product adds in an order that depends on how many rows it is given, so that a source's last digits
would depend on its company.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64
from xherald.photons.threads import run_in_threads

if TYPE_CHECKING:
    from xherald.plugins.contract import Values

__all__ = ["projected"]


@njit(cache=True, nogil=True)
def _project_sparse(
    data: F32, indices: NDArray[np.integer], starts: NDArray[np.integer], columns: F64, first: int, stop: int, out: F64
) -> None:
    for s in range(first, stop):
        for i in range(starts[s], starts[s + 1]):
            for k in range(columns.shape[1]):
                out[s, k] += data[i] * columns[indices[i], k]


@njit(cache=True, nogil=True)
def _project_dense(values: F32, columns: F64, first: int, stop: int, out: F64) -> None:
    for s in range(first, stop):
        for i in range(values.shape[1]):
            if values[s, i] != 0:
                for k in range(columns.shape[1]):
                    out[s, k] += values[s, i] * columns[i, k]


def projected(values: Values | F64, components: F64) -> F64:
    """Products of every source's values with every component, shape (n, d).

    Parameters
    ----------
    values : Values
        Dense of shape (n, *shape), or CSR.
    components : ndarray, shape (d, product of shape)
    """
    columns = np.ascontiguousarray(components.T)
    out = np.zeros((values.shape[0], columns.shape[1]))
    if isinstance(values, np.ndarray):
        flat = np.ascontiguousarray(values).reshape(len(values), -1)
        starts = np.arange(len(flat) + 1) * flat.shape[1]
        run_in_threads(lambda first, stop: _project_dense(flat, columns, first, stop, out), starts)
    else:
        run_in_threads(
            lambda first, stop: _project_sparse(values.data, values.indices, values.indptr, columns, first, stop, out),
            values.indptr,
        )
    return out
