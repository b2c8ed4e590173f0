"""Photons sorted into square cells, so that those near a place are found without looking at all of them.

Kernels for extraction and source finding. Coordinates are sky pixels. numba: import inside the function that needs it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["PixelIndex", "cell_range", "index_pixels", "sort_into_cells"]


class PixelIndex(NamedTuple):
    """Rows of an event list by cell: cell ``iy * nx + ix`` holds ``order[starts[cell]:starts[cell + 1]]``, ascending.

    Parameters
    ----------
    order : ndarray, shape (n,), int32
    starts : ndarray, shape (nx * ny + 1,), int32
    x0, y0 : float — lower left corner, sky pixels
    side : float — of a cell, sky pixels
    nx, ny : int
    """

    order: NDArray[np.int32]
    starts: NDArray[np.int32]
    x0: float
    y0: float
    side: float
    nx: int
    ny: int


@njit(cache=True, nogil=True)
def sort_into_cells(x: Any, y: Any, x0: float, y0: float, side: float, nx: int, ny: int) -> Any:
    """Order photons by cell, keeping their order within each: `order` and `starts` of a `PixelIndex`."""
    n = len(x)
    starts = np.zeros(nx * ny + 1, np.int32)
    for i in range(n):
        cell = int((y[i] - y0) / side) * nx + int((x[i] - x0) / side)
        starts[cell + 1] += 1
    for cell in range(nx * ny):
        starts[cell + 1] += starts[cell]
    fill = starts[:-1].copy()
    order = np.empty(n, np.int32)
    for i in range(n):
        cell = int((y[i] - y0) / side) * nx + int((x[i] - x0) / side)
        order[fill[cell]] = i
        fill[cell] += 1
    return order, starts


@njit(cache=True, nogil=True, inline="always")
def cell_range(index: Any, x: float, y: float, radius: float) -> Any:
    """Half-open ranges of cell columns and rows that a circle can touch: ``(left, right, bottom, top)``."""
    left = max(int(np.floor((x - radius - index.x0) / index.side)), 0)
    right = min(int(np.floor((x + radius - index.x0) / index.side)) + 1, index.nx)
    bottom = max(int(np.floor((y - radius - index.y0) / index.side)), 0)
    top = min(int(np.floor((y + radius - index.y0) / index.side)) + 1, index.ny)
    return left, right, bottom, top


def index_pixels(
    x: NDArray[np.floating], y: NDArray[np.floating], side: float, *, most_cells: int = 1 << 22
) -> PixelIndex:
    """Sort photons into cells.

    Parameters
    ----------
    x, y : ndarray, shape (n,), n > 0 — sky pixels
    side : float
        Wished side of a cell, sky pixels; widened where the field would need more than `most_cells`.
    """
    x0, y0 = float(x.min()), float(y.min())
    width, height = float(x.max()) - x0, float(y.max()) - y0
    side = max(side, float(np.sqrt(width * height / most_cells)), width / most_cells, height / most_cells)
    nx, ny = int(width / side) + 1, int(height / side) + 1
    order, starts = sort_into_cells(x, y, x0, y0, side, nx, ny)
    return PixelIndex(order, starts, x0, y0, side, nx, ny)
