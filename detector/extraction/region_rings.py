"""Regions of several shapes as one polygon: shapes that are added, cut out or intersected.

A region is a sum of convex polygons with signs, in sky pixels: indicator functions multiply where regions intersect,
and A ∪ B = A + B − A ∩ B. By the even–odd rule such a sum is one closed path, whose pieces are joined by edges that
are traversed twice.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np

from xherald.photons.arrays import F64

__all__ = ["Rings", "arc_sector", "ellipse_ring", "polygon_rings"]

VERTICES: Final = 96
"""Vertices of a circle; its polygon has the circle's area."""

MIN_AREA: Final = 1e-9
"""Smaller pieces, square pixels, are rounding errors of the intersection."""


@dataclass(frozen=True, slots=True, eq=False)
class Rings:
    """Sum of convex polygons with signs.

    Parameters
    ----------
    pieces : tuple of (int, ndarray)
        Sign, and vertices of shape (k, 2), counter-clockwise.
    """

    pieces: tuple[tuple[int, F64], ...]

    def __add__(self, other: Rings) -> Rings:
        """Union."""
        return Rings((*self.pieces, *other.pieces, *_negated(self & other)))

    def __sub__(self, other: Rings) -> Rings:
        """What is cut out of this by the other."""
        return Rings((*self.pieces, *_negated(self & other)))

    def __and__(self, other: Rings) -> Rings:
        """Intersection."""
        pieces = []
        for sign, mine in self.pieces:
            for other_sign, theirs in other.pieces:
                common = _clip(mine, theirs)
                if len(common) > 2 and _signed_area(common) > MIN_AREA:
                    pieces.append((sign * other_sign, common))
        return Rings(tuple(pieces))

    @property
    def area(self) -> float:
        """Area, square pixels."""
        return math.fsum(sign * _signed_area(vertices) for sign, vertices in self.pieces)

    def path(self) -> F64:
        """One closed path with this area under the even–odd rule, shape (k, 2)."""
        start = self.pieces[0][1][:1]
        parts = []
        for sign, vertices in self.pieces:
            ring = vertices if sign > 0 else vertices[::-1]
            parts += [ring, ring[:1], start]
        return np.concatenate(parts)


def _negated(rings: Rings) -> tuple[tuple[int, F64], ...]:
    return tuple((-sign, vertices) for sign, vertices in rings.pieces)


def _signed_area(vertices: F64) -> float:
    x, y = (vertices - vertices[0]).T
    return float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2


def _clip(subject: F64, window: F64) -> F64:
    """Part of a convex polygon inside another one (Sutherland & Hodgman 1974)."""
    kept: list[F64] = list(subject)
    for a, b in zip(window, np.roll(window, -1, axis=0), strict=True):
        points, kept = kept, []
        if not points:
            break
        edge = b - a
        depth = [float(edge[0] * (p[1] - a[1]) - edge[1] * (p[0] - a[0])) for p in points]
        for i, point in enumerate(points):
            before, here = depth[i - 1], depth[i]
            if (before < 0) != (here < 0):
                kept.append(points[i - 1] + (point - points[i - 1]) * (before / (before - here)))
            if here >= 0:
                kept.append(point)
    return np.array(kept).reshape(-1, 2)


def ellipse_ring(x: float, y: float, first: float, second: float, angle: float = 0.0) -> Rings:
    """Ellipse with semi-axes in pixels, the first at an angle in deg from the x axis."""
    step = 2 * np.pi / VERTICES
    grow = math.sqrt(step / math.sin(step))
    t = np.arange(VERTICES) * step
    u, v = first * grow * np.cos(t), second * grow * np.sin(t)
    return Rings(((1, _turned(x, y, u, v, angle)),))


def _turned(x: float, y: float, u: F64, v: F64, angle: float) -> F64:
    cos, sin = math.cos(math.radians(angle)), math.sin(math.radians(angle))
    return np.column_stack([x + u * cos - v * sin, y + u * sin + v * cos])


def polygon_rings(vertices: F64) -> Rings:
    """Polygon of any form, as triangles from its first vertex."""
    pieces = []
    for b, c in pairwise(vertices[1:]):
        triangle = np.array([vertices[0], b, c])
        area = _signed_area(triangle)
        if abs(area) > MIN_AREA:
            pieces.append((1, triangle) if area > 0 else (-1, triangle[::-1]))
    # A clockwise polygon is the negative of its counter-clockwise reverse.
    if math.fsum(sign * _signed_area(one) for sign, one in pieces) < 0:
        pieces = [(-sign, one) for sign, one in pieces]
    return Rings(tuple(pieces))


def arc_sector(
    x: float, y: float, sizes: Sequence[float], start: float, stop: float, angle: float = 0.0, *, is_box: bool = False
) -> Rings:
    """Sector of an ellipse or a box around its centre.

    Parameters
    ----------
    x, y : float — sky pixels
    sizes : (float, float) — semi-axes
    start, stop : float — deg, counter-clockwise from the first axis
    angle : float — deg, of the first axis
    is_box : bool
    """
    span = (stop - start) % 360.0 or 360.0
    # Corners of a box are among the directions; an arc is as dense as that of a circle.
    directions = np.linspace(start, start + span, max(int(VERTICES * span / 360.0), 4) + 1)
    first, second = sizes
    if is_box:
        corners = np.degrees(np.arctan2([second, second, -second, -second], [first, -first, -first, first]))
        corners = start + (corners - start) % 360.0
        directions = np.unique(np.concatenate([directions, corners[corners < start + span]]))
    t = np.radians(directions)
    if is_box:
        reach = 1.0 / np.maximum(np.abs(np.cos(t)) / first, np.abs(np.sin(t)) / second)
    else:
        step = np.diff(t).mean()
        reach = math.sqrt(step / math.sin(step)) / np.hypot(np.cos(t) / first, np.sin(t) / second)
    edge = _turned(x, y, reach * np.cos(t), reach * np.sin(t), angle)
    if span == 360.0:
        edge = edge[:-1]
        return Rings(((1, edge),))
    return polygon_rings(np.concatenate([[[x, y]], edge]))
