"""Kernels of `extraction`: areas on each detector and photons inside, for all apertures at once.

Imports numba: import this module inside the function that needs it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

from .pixel_index import cell_range
from .shape_table import ANNULUS, inside

__all__ = ["areas", "events_inside", "photons_in_shapes"]

_SOURCE_CELLS = 40
"""Cells across a source region when its area on each detector is counted: 1,250 in a circle."""

_BACKGROUND_CELLS = 72


@njit(cache=True, nogil=True, inline="always")
def _depth(edges: Any, begin: int, end: int, x: float, y: float) -> float:
    """Distance from the nearest edge of a hull, sky pixels, negative outside; infinite for a hull without edges."""
    depth = np.inf
    for k in range(begin, end):
        depth = min(depth, edges[k, 2] - (edges[k, 0] * x + edges[k, 1] * y))
    return depth


@njit(cache=True, nogil=True)
def _paint(mask: Any, shapes: Any, j: int, left: float, bottom: float, step: float) -> None:
    """Mark the cells of a grid that lie inside shape j."""
    cells = mask.shape[0]
    x, y, r = shapes.centre[j, 0], shapes.centre[j, 1], shapes.extent[j]
    for iy in range(max(int((y - r - bottom) / step) - 1, 0), min(int((y + r - bottom) / step) + 2, cells)):
        for ix in range(max(int((x - r - left) / step) - 1, 0), min(int((x + r - left) / step) + 2, cells)):
            if not mask[iy, ix] and inside(shapes, j, left + (ix + 0.5) * step, bottom + (iy + 0.5) * step):
                mask[iy, ix] = True


@njit(cache=True, nogil=True)
def _paint_neighbours(mask: Any, others: Any, own: int, x: float, y: float, r: float, step: float) -> None:
    """Paint every other shape that touches the square about (x, y); `own` = -1 paints all."""
    for j in range(len(others.kind)):
        reach = r + others.extent[j]
        near = abs(others.centre[j, 0] - x) < reach and abs(others.centre[j, 1] - y) < reach
        if j != own and others.kind[j] != 0 and near:
            _paint(mask, others, j, x - r, y - r, step)


@njit(cache=True, nogil=True)
def _area_on_detectors(shapes: Any, i: int, mask: Any, edges: Any, begins: Any, out: Any) -> Any:
    """Fill `out` with the area of shape i on each detector, without masked cells.

    Returns the fraction of the unmasked shape that lies on any detector, and whether the mask touches the shape.
    """
    cells = mask.shape[0]
    x0, y0, r = shapes.centre[i, 0], shapes.centre[i, 1], shapes.extent[i]
    step = 2 * r / cells
    detectors = len(begins) - 1
    near = np.empty(detectors, np.int8)  # 0: off the detector, 1: across its edge, 2: fully on it
    for d in range(detectors):
        depth = _depth(edges, begins[d], begins[d + 1], x0, y0)
        near[d] = 2 if depth >= r else (0 if depth <= -r else 1)
    crosses_edge, is_whole = (near == 1).any(), (near == 2).any()
    if not crosses_edge and not mask.any():
        out[:] = np.where(near == 2, shapes.area[i], 0.0)
        return (1.0 if is_whole else 0.0), False
    is_annulus, inner2, outer2 = shapes.kind[i] == ANNULUS, shapes.sizes[i, 0] ** 2, shapes.sizes[i, 1] ** 2
    total, free, seen = 0, 0, 0
    count = np.zeros(detectors, np.int64)
    for iy in range(cells):
        y = y0 - r + (iy + 0.5) * step
        for ix in range(cells):
            x = x0 - r + (ix + 0.5) * step
            if is_annulus:
                r2 = (x - x0) * (x - x0) + (y - y0) * (y - y0)
                if r2 <= inner2 or r2 > outer2:
                    continue
            elif not inside(shapes, i, x, y):
                continue
            total += 1
            if mask[iy, ix]:
                continue
            free += 1
            on_any = is_whole
            if crosses_edge:
                for d in range(detectors):
                    if near[d] == 1 and _depth(edges, begins[d], begins[d + 1], x, y) >= 0:
                        count[d] += 1
                        on_any = True
            seen += on_any
    for d in range(detectors):
        out[d] = shapes.area[i] * (free if near[d] == 2 else count[d]) / max(total, 1)
    return seen / max(free, 1), free < total


@njit(cache=True, nogil=True)
def areas(sources: Any, grown: Any, backgrounds: Any, edges: Any, begins: Any) -> Any:
    """Areas of source and background regions on each detector.

    Parameters
    ----------
    sources, grown, backgrounds : ShapeTable, n shapes each
        Source regions, the same enlarged (excluded from every background), background regions.
    edges, begins : ndarray
        `Footprint.flat_edges`.

    Returns
    -------
    source_area, background_area : ndarray, shape (n, detectors) — square sky pixels
    seen : ndarray, shape (n,) — fraction of the source region on any detector
    overlaps : ndarray, shape (n,), bool — whether another source region overlaps this one
    """
    n, detectors = len(sources.kind), len(begins) - 1
    source_area, background_area = np.zeros((n, detectors)), np.zeros((n, detectors))
    seen, overlaps = np.zeros(n), np.zeros(n, np.bool_)
    nothing = np.zeros((_SOURCE_CELLS, _SOURCE_CELLS), np.bool_)
    for i in range(n):
        x, y, r = sources.centre[i, 0], sources.centre[i, 1], sources.extent[i]
        seen[i], _ = _area_on_detectors(sources, i, nothing, edges, begins, source_area[i])
        mask = np.zeros((_SOURCE_CELLS, _SOURCE_CELLS), np.bool_)
        _paint_neighbours(mask, sources, i, x, y, r, 2 * r / _SOURCE_CELLS)
        if mask.any():
            _, overlaps[i] = _area_on_detectors(sources, i, mask, edges, begins, np.empty(detectors))
        if backgrounds.kind[i] != 0:
            x, y, r = backgrounds.centre[i, 0], backgrounds.centre[i, 1], backgrounds.extent[i]
            mask = np.zeros((_BACKGROUND_CELLS, _BACKGROUND_CELLS), np.bool_)
            _paint_neighbours(mask, grown, -1, x, y, r, 2 * r / _BACKGROUND_CELLS)
            _area_on_detectors(backgrounds, i, mask, edges, begins, background_area[i])
    return source_area, background_area, seen, overlaps


@njit(cache=True, nogil=True)
def events_inside(shapes: Any, index: Any, x: Any, y: Any) -> Any:
    """Mask of the photons that lie in any of the shapes."""
    marked = np.zeros(len(x), np.bool_)
    for i in range(len(shapes.kind)):
        if shapes.kind[i] == 0:
            continue
        left, right, bottom, top = cell_range(index, shapes.centre[i, 0], shapes.centre[i, 1], shapes.extent[i])
        for row in range(bottom, top):
            for k in range(index.starts[row * index.nx + left], index.starts[row * index.nx + max(right, left)]):
                e = index.order[k]
                if not marked[e] and inside(shapes, i, x[e], y[e]):
                    marked[e] = True
    return marked


@njit(cache=True, nogil=True)
def photons_in_shapes(shapes: Any, index: Any, x: Any, y: Any, column: Any, allowed: Any, barred: Any) -> Any:
    """Rows of the photons inside each shape.

    Parameters
    ----------
    shapes : ShapeTable, n shapes
    index : PixelIndex of the photons at sky pixels x, y
    column : ndarray, shape (photons,), int16
        Column in `allowed` of each photon's detector; -1 for none.
    allowed : ndarray, shape (n, detectors), bool
        Detectors whose photons a shape takes.
    barred : ndarray, shape (photons,) or (0,), bool
        Photons excluded from all shapes; none if empty.

    Returns
    -------
    rows : ndarray, int32 — photons of all shapes, sorted by time within each shape
    offsets : ndarray, shape (n + 1,), int64
    """
    n = len(shapes.kind)
    offsets = np.zeros(n + 1, np.int64)
    rows = np.empty(max(len(x), 16), np.int32)
    filled = 0
    for i in range(n):
        begin = filled
        if shapes.kind[i] != 0:
            left, right, bottom, top = cell_range(index, shapes.centre[i, 0], shapes.centre[i, 1], shapes.extent[i])
            for row in range(bottom, top):
                first, last = index.starts[row * index.nx + left], index.starts[row * index.nx + max(right, left)]
                if filled + last - first > len(rows):
                    larger = np.empty(2 * (filled + last - first), np.int32)
                    larger[:filled] = rows[:filled]
                    rows = larger
                for k in range(first, last):
                    e = index.order[k]
                    if column[e] < 0 or not allowed[i, column[e]] or (len(barred) and barred[e]):
                        continue
                    if inside(shapes, i, x[e], y[e]):
                        rows[filled] = e
                        filled += 1
            rows[begin:filled].sort()
        offsets[i + 1] = filled
    return rows[:filled].copy(), offsets
