"""Footprint of each detector on the sky, from its photons alone: no aspect file is needed.

CCDs and telescope fields are convex on the sky, so the convex hull of a detector's photons is its footprint, enlarged
by some arcseconds of dither. Extraction computes areas from it, source detection its background maps.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64

from .observation import Observation

__all__ = ["Footprint", "Hull", "field_footprint", "hull_of"]


_DIRECTIONS = 96
"""Directions in which the outermost photon is taken; corners of a square are missed by at most 0.05 % of its side."""


@dataclass(frozen=True, slots=True, eq=False)
class Hull:
    """Convex polygon in sky pixels: the points with ``normals @ (x, y) <= offsets``.

    Parameters
    ----------
    vertices : ndarray, shape (k, 2) — counter-clockwise
    normals : ndarray, shape (k, 2) — outward unit vectors
    offsets : ndarray, shape (k,)
    """

    vertices: F64
    normals: F64
    offsets: F64

    @property
    def area(self) -> float:
        """Area, square sky pixels."""
        x, y = self.vertices.T
        return float(abs(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1))) / 2)

    @property
    def edges(self) -> F64:
        """Rows of normal x, normal y, offset, for kernels, shape (k, 3)."""
        return np.column_stack([self.normals, self.offsets])

    def depth(self, x: F64, y: F64) -> F64:
        """Distance from the nearest edge, sky pixels, negative outside."""
        inside = self.offsets - (np.multiply.outer(x, self.normals[:, 0]) + np.multiply.outer(y, self.normals[:, 1]))
        return np.asarray(inside.min(axis=-1), dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class Footprint:
    """Hulls of the detectors with enough photons.

    Parameters
    ----------
    numbers : tuple of int
        `DetectorUnit.number` of each hull.
    hulls : tuple of Hull
    good_time : tuple of float
        Good time of each of those detectors, s.
    """

    numbers: tuple[int, ...]
    hulls: tuple[Hull, ...]
    good_time: tuple[float, ...]

    def depth(self, x: F64, y: F64) -> F64:
        """Distance from the nearest edge of each detector, sky pixels, negative outside; shape (detectors, n)."""
        return np.array([hull.depth(x, y) for hull in self.hulls]).reshape(len(self.hulls), *np.shape(x))

    def flat_edges(self) -> tuple[F64, NDArray[np.int64]]:
        """`Hull.edges` of all hulls, and the row at which each hull's begin."""
        rows = [hull.edges for hull in self.hulls]
        begins = np.cumsum([0, *(len(one) for one in rows)])
        return (np.concatenate(rows) if rows else np.empty((0, 3))), begins.astype(np.int64)


def field_footprint(observation: Observation) -> Footprint:
    """Footprint of an exposure.

    Detectors without good times or with photons at fewer than three positions have none.
    """
    events = observation.events
    numbers: list[int] = []
    hulls: list[Hull] = []
    times: list[float] = []
    for detector in observation.detectors:
        if not len(detector.gti):
            continue
        mine = events.detector == detector.number
        hull = hull_of(events.x[mine], events.y[mine])
        if hull is not None:
            numbers.append(detector.number)
            hulls.append(hull)
            times.append(detector.good_time)
    return Footprint(tuple(numbers), tuple(hulls), tuple(times))


def hull_of(x: NDArray[np.floating], y: NDArray[np.floating]) -> Hull | None:
    """Convex hull of the largest patch of positions; None with fewer than three."""
    if len(x) < 3:
        return None
    outer = _outer_photons(x, y)
    x, y = x[outer].astype(np.float64), y[outer].astype(np.float64)
    angles = 2 * np.pi * np.arange(_DIRECTIONS) / _DIRECTIONS
    outermost = np.unique([int(np.argmax(x * c + y * s)) for c, s in zip(np.cos(angles), np.sin(angles), strict=True)])
    points = np.unique(np.column_stack([x[outermost], y[outermost]]), axis=0)
    spread = points - points.mean(axis=0)
    if len(points) < 3 or np.linalg.matrix_rank(spread, tol=1e-3) < 2:
        return None
    from scipy.spatial import ConvexHull

    hull = ConvexHull(points)
    return Hull(points[hull.vertices], hull.equations[:, :2].copy(), -hull.equations[:, 2])


def _outer_photons(x: NDArray[np.floating], y: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Mask of the photons in the outermost cells of the largest connected patch.

    The hull needs no others, and stray photons far from the patch would enlarge it.
    """
    from scipy.ndimage import binary_dilation, label

    # About eight photons per cell, so that few cells on the detector are empty.
    cells = int(np.clip(np.sqrt(len(x) / 8), 4, 256))
    low = np.array([x.min(), y.min()], dtype=np.float64)
    side = max(float(x.max() - low[0]), float(y.max() - low[1]), 1e-6) / cells * 1.000001
    ix, iy = ((x - low[0]) / side).astype(np.int32), ((y - low[1]) / side).astype(np.int32)
    counts = np.bincount(iy * cells + ix, minlength=cells * cells).reshape(cells, cells)
    occupied = counts > 0
    patches, _ = label(binary_dilation(occupied, iterations=2), structure=np.ones((3, 3)))
    patches = patches * occupied
    patch = patches == int(np.argmax(np.bincount(patches.ravel())[1:])) + 1
    edge = np.zeros_like(patch)
    rows, columns = np.flatnonzero(patch.any(axis=1)), np.flatnonzero(patch.any(axis=0))
    edge[rows, patch.argmax(axis=1)[rows]] = True
    edge[rows, cells - 1 - patch[:, ::-1].argmax(axis=1)[rows]] = True
    edge[patch.argmax(axis=0)[columns], columns] = True
    edge[cells - 1 - patch[::-1].argmax(axis=0)[columns], columns] = True
    outer: NDArray[np.bool_] = edge[iy, ix]
    return outer
