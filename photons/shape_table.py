"""Regions as flat arrays in sky pixels, for kernels over many sources.

The shapes are those of `regions`; a test compares the two implementations of "inside". Imports numba: import this
module inside the function that needs it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from .projection import SkyProjection
from .regions import Annulus, Ellipse, Polygon, Shape

__all__ = ["ShapeTable", "inside", "shape_table"]

NOTHING, ELLIPSE, ANNULUS, POLYGON = 0, 1, 2, 3


class ShapeTable(NamedTuple):
    """Shapes in sky pixels.

    Parameters
    ----------
    kind : ndarray, shape (n,), int8 — 0 for no shape
    centre : ndarray, shape (n, 2)
    extent : ndarray, shape (n,) — radius of a concentric circle that contains the shape
    sizes : ndarray, shape (n, 4)
        Ellipse: semi-axes, cosine and sine of the angle. Annulus: inner and outer radius.
    area : ndarray, shape (n,) — square pixels
    vertices : ndarray, shape (v, 2)
    begins : ndarray, shape (n + 1,), int64 — polygon i has ``vertices[begins[i]:begins[i + 1]]``
    """

    kind: NDArray[np.int8]
    centre: NDArray[np.float64]
    extent: NDArray[np.float64]
    sizes: NDArray[np.float64]
    area: NDArray[np.float64]
    vertices: NDArray[np.float64]
    begins: NDArray[np.int64]


def shape_table(shapes: Sequence[Shape | None], projection: SkyProjection, growth: float = 1.0) -> ShapeTable:
    """Table of shapes, enlarged about their centres by a factor."""
    n, scale = len(shapes), growth / projection.pixel_arcsec
    kind, sizes, extent, area = np.zeros(n, np.int8), np.zeros((n, 4)), np.zeros(n), np.zeros(n)
    sky = np.array([(s.ra, s.dec) if s else (projection.ra, projection.dec) for s in shapes]).reshape(n, 2)
    centre = np.column_stack(projection.to_pixel(sky[:, 0], sky[:, 1]))
    corners: list[NDArray[np.float64]] = []
    for i, shape in enumerate(shapes):
        polygon = np.empty((0, 2))
        match shape:
            case Ellipse():
                turn = math.radians(shape.angle)
                kind[i] = ELLIPSE
                sizes[i] = shape.semi_axis_1 * scale, shape.semi_axis_2 * scale, math.cos(turn), math.sin(turn)
            case Annulus():
                kind[i] = ANNULUS
                sizes[i, :2] = shape.inner * scale, shape.outer * scale
            case Polygon():
                kind[i] = POLYGON
                polygon = np.column_stack(projection.to_pixel(*np.array(shape.vertices).T))
                polygon = centre[i] + growth * (polygon - centre[i])
        if shape is not None:
            extent[i], area[i] = shape.extent * scale * 1.0001, shape.area * scale * scale
        corners.append(polygon)
    begins = np.cumsum([0, *(len(c) for c in corners)]).astype(np.int64)
    vertices = np.concatenate(corners) if corners else np.empty((0, 2))
    return ShapeTable(kind, centre, extent, sizes, area, vertices, begins)


@njit(cache=True, nogil=True)
def inside(shapes: Any, i: int, x: float, y: float) -> bool:
    """Whether a sky pixel lies in shape i."""
    dx, dy = x - shapes.centre[i, 0], y - shapes.centre[i, 1]
    if shapes.kind[i] == ELLIPSE:
        u = (dx * shapes.sizes[i, 2] + dy * shapes.sizes[i, 3]) / shapes.sizes[i, 0]
        v = (-dx * shapes.sizes[i, 3] + dy * shapes.sizes[i, 2]) / shapes.sizes[i, 1]
        return bool(u * u + v * v <= 1.0)
    if shapes.kind[i] == ANNULUS:
        r2 = dx * dx + dy * dy
        return bool(shapes.sizes[i, 0] ** 2 < r2 <= shapes.sizes[i, 1] ** 2)
    within = False
    last = shapes.begins[i + 1] - 1
    for k in range(shapes.begins[i], shapes.begins[i + 1]):
        x1, y1 = shapes.vertices[last, 0], shapes.vertices[last, 1]
        x2, y2 = shapes.vertices[k, 0], shapes.vertices[k, 1]
        if (y1 > y) != (y2 > y) and x < (x2 - x1) * (y - y1) / (y2 - y1) + x1:
            within = not within
        last = k
    return within
