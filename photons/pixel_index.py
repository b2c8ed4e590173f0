"""Photons sorted into square cells, for fast access to those near a position.

Kernels for extraction and source detection. Coordinates are sky pixels. Imports numba: import this module inside the
function that needs it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

__all__ = ["PixelIndex", "cell_range", "index_pixels", "sort_into_cells"]


class PixelIndex(NamedTuple):
    """Rows of an event list by cell: cell ``iy * nx + ix`` has ``order[starts[cell]:starts[cell + 1]]``, ascending.

    Parameters
    ----------
    order : ndarray, shape (n,), int32
    starts : ndarray, shape (nx * ny + 1,), int32
    x0, y0 : float — sky pixels, lower left corner
    side : float — sky pixels, of a cell
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
    """Sort photons stably by cell: `order` and `starts` of a `PixelIndex`."""
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
    """Half-open ranges of cell columns and rows that a circle overlaps: ``(left, right, bottom, top)``."""
    left = max(int(np.floor((x - radius - index.x0) / index.side)), 0)
    right = min(int(np.floor((x + radius - index.x0) / index.side)) + 1, index.nx)
    bottom = max(int(np.floor((y - radius - index.y0) / index.side)), 0)
    top = min(int(np.floor((y + radius - index.y0) / index.side)) + 1, index.ny)
    return left, right, bottom, top


def index_pixels(
    x: NDArray[np.floating], y: NDArray[np.floating], side: float, *, max_cells: int = 1 << 22
) -> PixelIndex:
    """Sort photons into cells.

    Parameters
    ----------
    x, y : ndarray, shape (n,), n > 0 — sky pixels
    side : float
        Side of a cell, sky pixels; increased if the field needs more than `max_cells` cells.
    """
    x0, y0 = float(x.min()), float(y.min())
    width, height = float(x.max()) - x0, float(y.max()) - y0
    side = max(side, float(np.sqrt(width * height / max_cells)), width / max_cells, height / max_cells)
    nx, ny = int(width / side) + 1, int(height / side) + 1
    order, starts = sort_into_cells(x, y, x0, y0, side, nx, ny)
    return PixelIndex(order, starts, x0, y0, side, nx, ny)
