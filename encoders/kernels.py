"""Compiled kernels of an encoder's layers.

The result of a source does not depend on its block: the order of operations is fixed, unlike in a BLAS library. Weights
are in panels of `PANEL` filters, padded with zeros, for a fixed length of the innermost loop; eight rows and four terms
of the sum are processed together, so that arithmetic and not memory limits the speed.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F32, I32, I64

__all__ = [
    "PANEL",
    "ROWS",
    "STEPS",
    "convolve",
    "convolve_sparse",
    "multiply",
    "multiply_nonzero",
    "multiply_rows",
    "rectify",
]


PANEL: Final = 16
"""Filters per panel: one 512-bit register, or two of 256 bits."""

ROWS: Final = 8
"""Rows processed together; their number is padded to a multiple."""

STEPS: Final = 4
"""Terms of a sum processed together; its length is padded to a multiple."""

# `contract` allows fused multiply–add for all sources alike; no other reordering is allowed.
FAST = {"contract"}


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def multiply(rows: F32, panels: F32, bias: F32, slope: float, out: F32) -> None:
    """Products of rows and a matrix, plus a bias, rectified.

    Parameters
    ----------
    rows : ndarray, shape (n, depth)
        n and depth are multiples of `ROWS` and `STEPS`.
    panels : ndarray, shape (panels, depth, PANEL)
    bias : ndarray, shape (panels, PANEL)
    slope : float32
    out : ndarray, shape (≤ n, ≤ panels × PANEL)
        Output; results beyond its shape are discarded.
    """
    count, filters = out.shape
    total = np.empty((ROWS, PANEL), np.float32)
    for p in range(panels.shape[0]):
        w = panels[p]
        for r in range(0, count, ROWS):
            for i in range(ROWS):
                total[i] = bias[p]
            for k in range(0, rows.shape[1], STEPS):
                a0, a1, a2, a3 = rows[r, k], rows[r, k + 1], rows[r, k + 2], rows[r, k + 3]
                b0, b1, b2, b3 = rows[r + 1, k], rows[r + 1, k + 1], rows[r + 1, k + 2], rows[r + 1, k + 3]
                c0, c1, c2, c3 = rows[r + 2, k], rows[r + 2, k + 1], rows[r + 2, k + 2], rows[r + 2, k + 3]
                d0, d1, d2, d3 = rows[r + 3, k], rows[r + 3, k + 1], rows[r + 3, k + 2], rows[r + 3, k + 3]
                e0, e1, e2, e3 = rows[r + 4, k], rows[r + 4, k + 1], rows[r + 4, k + 2], rows[r + 4, k + 3]
                f0, f1, f2, f3 = rows[r + 5, k], rows[r + 5, k + 1], rows[r + 5, k + 2], rows[r + 5, k + 3]
                g0, g1, g2, g3 = rows[r + 6, k], rows[r + 6, k + 1], rows[r + 6, k + 2], rows[r + 6, k + 3]
                h0, h1, h2, h3 = rows[r + 7, k], rows[r + 7, k + 1], rows[r + 7, k + 2], rows[r + 7, k + 3]
                for j in range(PANEL):
                    w0, w1, w2, w3 = w[k, j], w[k + 1, j], w[k + 2, j], w[k + 3, j]
                    total[0, j] = total[0, j] + a0 * w0 + a1 * w1 + a2 * w2 + a3 * w3
                    total[1, j] = total[1, j] + b0 * w0 + b1 * w1 + b2 * w2 + b3 * w3
                    total[2, j] = total[2, j] + c0 * w0 + c1 * w1 + c2 * w2 + c3 * w3
                    total[3, j] = total[3, j] + d0 * w0 + d1 * w1 + d2 * w2 + d3 * w3
                    total[4, j] = total[4, j] + e0 * w0 + e1 * w1 + e2 * w2 + e3 * w3
                    total[5, j] = total[5, j] + f0 * w0 + f1 * w1 + f2 * w2 + f3 * w3
                    total[6, j] = total[6, j] + g0 * w0 + g1 * w1 + g2 * w2 + g3 * w3
                    total[7, j] = total[7, j] + h0 * w0 + h1 * w1 + h2 * w2 + h3 * w3
            for i in range(min(ROWS, count - r)):
                for j in range(min(PANEL, filters - p * PANEL)):
                    value = total[i, j]
                    out[r + i, p * PANEL + j] = value if value > 0 else value * slope


@njit(cache=True, nogil=True)
def _patches(
    values: F32, height: int, width: int, sy: int, sx: int, top: int, left: int, columns: int, out: F32
) -> None:
    """Copy the cells under the kernel at each position to a row of ``out``; cells off the values are not written."""
    rows = out.shape[0]
    channels = values.shape[2]
    for position in range(rows):
        y0 = (position // columns) * sy - top
        x0 = (position % columns) * sx - left
        for dy in range(height):
            y = y0 + dy
            if y < 0 or y >= values.shape[0]:
                continue
            for dx in range(width):
                x = x0 + dx
                if x < 0 or x >= values.shape[1]:
                    continue
                at = (dy * width + dx) * channels
                for c in range(channels):
                    out[position, at + c] = values[y, x, c]


@njit(cache=True, nogil=True)
def convolve(
    values: F32,
    panels: F32,
    bias: F32,
    slope: float,
    window: tuple[int, int, int, int, int, int],
    out: F32,
) -> None:
    """Convolution of every source's values, rectified.

    Parameters
    ----------
    values : ndarray, shape (n, rows, columns, channels)
    panels : ndarray, shape (panels, depth, PANEL)
        Depth is height × width × channels, padded to a multiple of `STEPS`.
    bias : ndarray, shape (panels, PANEL)
    slope : float32
    window : tuple of int
        Height and width of the kernel, strides, padding above and left.
    out : ndarray, shape (n, rows after, columns after, filters)
        Output.
    """
    height, width, sy, sx, top, left = window
    n, down, across, filters = out.shape
    places = down * across
    # Padding remains zero, since it has the same cells for every source.
    scratch = np.zeros((-(-places // ROWS) * ROWS, panels.shape[1]), np.float32)
    for s in range(n):
        _patches(values[s], height, width, sy, sx, top, left, across, scratch[:places])
        multiply(scratch, panels, bias, slope, out[s].reshape(places, filters))


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def convolve_sparse(
    values: F32, panels: F32, bias: F32, slope: float, window: tuple[int, int, int, int, int, int], out: F32
) -> None:
    """Convolution of mostly zero values with one channel: adds the contribution of each non-zero value.

    Parameters
    ----------
    values : ndarray, shape (n, rows, columns, 1)
    panels, bias, slope, window
        See `convolve`.
    out : ndarray, shape (n, rows after, columns after, filters)
        Output.
    """
    height, width, sy, sx, top, left = window
    n, down, across, filters = out.shape
    whole = filters // PANEL
    for s in range(n):
        one = out[s]
        for y in range(down):
            for x in range(across):
                for f in range(filters):
                    one[y, x, f] = bias[f // PANEL, f % PANEL]
        for y in range(values.shape[1]):
            for x in range(values.shape[2]):
                value = values[s, y, x, 0]
                if value == 0:
                    continue
                for dy in range(height):
                    ty = y + top - dy
                    if ty < 0 or ty % sy or ty // sy >= down:
                        continue
                    for dx in range(width):
                        tx = x + left - dx
                        if tx < 0 or tx % sx or tx // sx >= across:
                            continue
                        k = dy * width + dx
                        cell = one[ty // sy, tx // sx]
                        for p in range(whole):
                            w = panels[p, k]
                            for j in range(PANEL):
                                cell[p * PANEL + j] += value * w[j]
                        for f in range(whole * PANEL, filters):
                            cell[f] += value * panels[whole, k, f - whole * PANEL]
    rectify(out.reshape(out.size), slope)


@njit(cache=True, nogil=True, error_model="numpy")
def rectify(values: F32, slope: float) -> None:
    """Multiply negative values by a slope, in place; ``values`` is flat."""
    for i in range(values.size):
        value = values[i]
        values[i] = value if value > 0 else value * slope


@njit(cache=True, nogil=True, fastmath=FAST, error_model="numpy")
def _add_row(total: F32, value: float, panels: F32, k: int) -> None:
    for p in range(panels.shape[0]):
        w = panels[p, k]
        part = total[p]
        for j in range(PANEL):
            part[j] += value * w[j]


@njit(cache=True, nogil=True, error_model="numpy")
def _store(total: F32, slope: float, out: F32) -> None:
    for f in range(out.size):
        value = total[f // PANEL, f % PANEL]
        out[f] = value if value > 0 else value * slope


@njit(cache=True, nogil=True, error_model="numpy")
def multiply_nonzero(rows: F32, panels: F32, bias: F32, slope: float, out: F32) -> None:
    """As `multiply`, for mostly zero rows, whose zeros are skipped."""
    total = np.empty(bias.shape, np.float32)
    for s in range(rows.shape[0]):
        total[:] = bias
        for k in range(rows.shape[1]):
            if rows[s, k] != 0:
                _add_row(total, rows[s, k], panels, k)
        _store(total, slope, out[s])


@njit(cache=True, nogil=True, error_model="numpy")
def multiply_rows(data: F32, columns: I32, starts: I64, panels: F32, bias: F32, slope: float, out: F32) -> None:
    """As `multiply_nonzero`, for rows of a CSR array: source s has ``data[starts[s]:starts[s + 1]]``.

    Parameters
    ----------
    data, columns : ndarray, shape (values,)
        Columns of a row ascend, so that sums are identical to those of `multiply_nonzero`.
    starts : ndarray, shape (n + 1,)
    panels, bias, slope, out
        See `multiply`.
    """
    total = np.empty(bias.shape, np.float32)
    for s in range(starts.size - 1):
        total[:] = bias
        for i in range(starts[s], starts[s + 1]):
            _add_row(total, data[i], panels, columns[i])
        _store(total, slope, out[s])
