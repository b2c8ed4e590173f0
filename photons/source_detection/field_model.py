"""Model of an exposure for source detection: point spread, zones of similar resolution, background maps.

All lengths are in sky pixels.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numba import njit

from xherald.photons.arrays import F32, F64
from xherald.photons.footprint import Footprint, Hull, field_footprint
from xherald.photons.observation import Observation
from xherald.photons.pixel_index import PixelIndex, cell_range, index_pixels
from xherald.photons.pointspread import PointSpread

__all__ = ["Field", "Grid", "PointShape", "Spread", "Zone", "bin_counts", "fill_coverage", "mask_discs", "spread_at"]


_ZONE_STEP = math.sqrt(2.0)
"""Largest ratio of half-energy radii within a zone."""


class Spread(NamedTuple):
    """Point spread on a grid of off-axis distances, for linear interpolation.

    Parameters
    ----------
    x, y : float — the optical axis
    step : float — step of the grid
    table : ndarray, shape (grid, 5) — r50, r80, r90, and the core and slope of the King profile
    """

    x: float
    y: float
    step: float
    table: F64


@njit(cache=True, nogil=True, inline="always")
def spread_at(spread: Any, x: float, y: float, column: int) -> float:
    """Interpolate a column of the point-spread table at a position."""
    where = math.hypot(x - spread.x, y - spread.y) / spread.step
    low = min(int(where), spread.table.shape[0] - 2)
    part = min(where - low, 1.0)
    return float(spread.table[low, column] * (1 - part) + spread.table[low + 1, column] * part)


class PointShape(NamedTuple):
    """Point spread at a position: radii of 50, 80 and 90 %, core and slope of the King profile."""

    r50: float
    r80: float
    r90: float
    core: float
    slope: float

    def density(self, radius: float) -> float:
        """Fraction of a source's photons per square pixel at a distance from it."""
        return float(self.slope / (math.pi * self.core**2) * (1 + (radius / self.core) ** 2) ** (-self.slope - 1))


@dataclass(frozen=True, slots=True)
class Zone:
    """A ring around the optical axis in which the point spread is nearly constant.

    Parameters
    ----------
    inner, outer : float — radii of the ring
    r80 : float — largest 80 % radius in the ring
    reach : float — largest distance of photons from the centre of a cell
    block : float — side of an image block, an integer
    """

    inner: float
    outer: float
    r80: float
    reach: float
    block: float


@dataclass(frozen=True, eq=False)
class Field:
    """An exposure prepared for source detection."""

    observation: Observation
    energy_kev: float

    @cached_property
    def pixel(self) -> float:
        """Side of a sky pixel, arcsec."""
        return self.observation.require_projection().pixel_arcsec

    @cached_property
    def footprint(self) -> Footprint:
        """Footprint of each detector."""
        return field_footprint(self.observation)

    @cached_property
    def corners(self) -> tuple[float, float, float, float]:
        """Left, right, bottom and top of the footprint."""
        vertices = np.concatenate([hull.vertices for hull in self.footprint.hulls])
        (left, bottom), (right, top) = vertices.min(axis=0), vertices.max(axis=0)
        return float(left), float(right), float(bottom), float(top)

    @cached_property
    def spread(self) -> Spread:
        """The instrument's point spread across this field."""
        psf = self.observation.point_spread
        assert isinstance(psf, PointSpread)  # verified by find_sources
        left, right, bottom, top = self.corners
        if self.observation.pointing is None:
            # Without a pointing, the on-axis point spread applies everywhere, as in aperture_at.
            row = self._row(psf, 0.0)
            return Spread((left + right) / 2, (bottom + top) / 2, right - left + top - bottom, np.array([row, row]))
        x, y = (float(v) for v in self.observation.require_projection().to_pixel(*self.observation.pointing))
        farthest = max(math.hypot(cx - x, cy - y) for cx in (left, right) for cy in (bottom, top))
        step = farthest / 128
        rows = [self._row(psf, k * step * self.pixel / 60.0) for k in range(130)]
        return Spread(x, y, step, np.array(rows))

    def shape_at(self, x: float, y: float) -> PointShape:
        """Point spread at a position."""
        return PointShape(*(spread_at(self.spread, x, y, column) for column in range(5)))

    def _row(self, psf: PointSpread, angle: float) -> list[float]:
        r50, r90 = psf.r50_and_r90(angle, self.energy_kev)
        core, slope = psf.king(angle, self.energy_kev)
        r80 = core * math.sqrt(0.2 ** (-1 / slope) - 1)
        return [r50 / self.pixel, r80 / self.pixel, r90 / self.pixel, core / self.pixel, slope]

    @cached_property
    def zones(self) -> tuple[Zone, ...]:
        """Rings from the axis outward."""
        table, step = self.spread.table, self.spread.step
        r50 = table[:, 0]
        zones: list[Zone] = []
        begin = 0
        for k in range(1, len(r50) + 1):
            zone = r50[begin:k]
            if k < len(r50) and max(r50[k], zone.max()) <= _ZONE_STEP * min(r50[k], zone.min()):
                continue
            last = k == len(r50)
            ring = table[begin : min(k + 1, len(r50))]
            zones.append(
                Zone(
                    inner=begin * step,
                    outer=math.inf if last else k * step,
                    r80=float(ring[:, 1].max()),
                    reach=float(3.0 * ring[:, 1].max()) + 4.0,
                    block=float(max(1, round(ring[:, 0].min() / 2))),
                )
            )
            begin = k
        return tuple(zones)

    @cached_property
    def index(self) -> PixelIndex:
        """Photons by position."""
        events = self.observation.events
        return index_pixels(events.x, events.y, max(float(np.median(self.spread.table[:, 1])), 1.0))

    def near(self, x: float, y: float, radius: float) -> tuple[F64, F64]:
        """Positions of the photons in the cells that a circle overlaps."""
        index, events = self.index, self.observation.events
        left, right, bottom, top = cell_range(index, x, y, radius)
        pieces = [
            index.order[index.starts[row * index.nx + left] : index.starts[row * index.nx + max(right, left)]]
            for row in range(bottom, top)
        ]
        rows = np.concatenate([*pieces, np.empty(0, dtype=np.int32)])
        return events.x[rows].astype(np.float64), events.y[rows].astype(np.float64)

    def background(self, sources: F64) -> tuple[F32, ...]:
        """Background counts per square pixel on the grid of each detector, without the sources; see `Grid`.

        Parameters
        ----------
        sources : ndarray, shape (s, 3) — x, y and radius of discs to mask
        """
        return tuple(
            _smooth_background(grid, counts, seen, sources)
            for grid, (counts, seen) in zip(self.grids, self._grid_counts, strict=True)
        )

    @cached_property
    def grids(self) -> tuple[Grid, ...]:
        """Grid of each detector."""
        numbers = self.footprint.numbers
        sizes = [int(np.count_nonzero(self.observation.events.detector == number)) for number in numbers]
        return tuple(self._grid(hull, n) for hull, n in zip(self.footprint.hulls, sizes, strict=True))

    def _grid(self, hull: Hull, photons: int) -> Grid:
        (left, bottom), (right, top) = hull.vertices.min(axis=0), hull.vertices.max(axis=0)
        middle = hull.vertices.mean(axis=0)
        r90 = spread_at(self.spread, float(middle[0]), float(middle[1]), 2)
        size = float(max(right - left, top - bottom))
        # A Gaussian averages over an area of 4π σ²: larger than a source's wings, and with about a hundred photons.
        sigma = max(2.5 * r90, math.sqrt(100.0 * hull.area / (4 * math.pi * max(photons, 1))))
        sigma = min(max(sigma, size / 64), size / 3)
        side = sigma / 4
        return Grid(
            float(left), float(bottom), side, int((right - left) / side) + 1, int((top - bottom) / side) + 1, sigma
        )

    @cached_property
    def _grid_counts(self) -> tuple[tuple[F32, F32], ...]:
        events = self.observation.events
        found = []
        for number, hull, grid in zip(self.footprint.numbers, self.footprint.hulls, self.grids, strict=True):
            mine = events.detector == number
            counts = bin_counts(events.x[mine], events.y[mine], grid.x0, grid.y0, grid.side, grid.nx, grid.ny)
            seen = np.zeros((grid.ny, grid.nx), dtype=np.float32)
            fill_coverage(seen, hull.edges, grid.x0, grid.y0, grid.side)
            found.append((counts.astype(np.float32), seen))
        return tuple(found)


class Grid(NamedTuple):
    """Grid of a background map: lower left corner, side and number of cells, sigma of the Gaussian smoothing."""

    x0: float
    y0: float
    side: float
    nx: int
    ny: int
    sigma: float


@njit(cache=True, nogil=True)
def bin_counts(x: Any, y: Any, x0: float, y0: float, side: float, nx: int, ny: int) -> Any:
    """Counts per block, shape (ny, nx), int32, without photons off the grid."""
    image = np.zeros((ny, nx), np.int32)
    for i in range(len(x)):
        ix, iy = math.floor((x[i] - x0) / side), math.floor((y[i] - y0) / side)
        if 0 <= ix < nx and 0 <= iy < ny:
            image[int(iy), int(ix)] += 1
    return image


@njit(cache=True, nogil=True)
def _row_span(edges: Any, y: float) -> Any:
    """Intersections of a line of constant y with a hull; the first exceeds the second if there are none."""
    left, right = -np.inf, np.inf
    for k in range(len(edges)):
        normal, room = edges[k, 0], edges[k, 2] - edges[k, 1] * y
        if normal > 1e-12:
            right = min(right, room / normal)
        elif normal < -1e-12:
            left = max(left, room / normal)
        elif room < 0:
            return 1.0, 0.0
    return left, right


@njit(cache=True, nogil=True)
def fill_coverage(seen: Any, edges: Any, x0: float, y0: float, side: float) -> None:
    """Add the fraction of each cell inside a hull, from four lines per row, to `seen`."""
    ny, nx = seen.shape
    for iy in range(ny):
        for line in range(4):
            left, right = _row_span(edges, y0 + (iy + (line + 0.5) / 4) * side)
            if left > right:
                continue
            left, right = (left - x0) / side, (right - x0) / side
            for ix in range(max(int(left), 0), min(int(right) + 1, nx)):
                seen[iy, ix] += 0.25 * max(min(ix + 1.0, right) - max(float(ix), left), 0.0)


def _smooth_background(grid: Grid, counts: F32, seen: F32, sources: F64) -> F32:
    """Smoothed counts over smoothed area, without sources and with single bright cells clipped."""
    from scipy.ndimage import gaussian_filter

    free = seen.copy()
    mask_discs(free, sources, grid.x0, grid.y0, grid.side)
    kept = np.where(free > 0, counts, 0).astype(np.float32)
    mean = float(kept.sum() / max(float(free.sum()), 1e-9))
    # Clipping at five sigma above the mean limits the effect of sources that are not masked yet.
    np.minimum(kept, max(mean + 5 * math.sqrt(mean), 2.0), out=kept)
    mean = float(kept.sum() / max(float(free.sum()), 1e-9))
    width = grid.sigma / grid.side
    above = gaussian_filter(kept, width, mode="constant", truncate=3.0)
    below = gaussian_filter(free, width, mode="constant", truncate=3.0)
    # Where nearly all is masked, the result approaches the mean of the detector.
    regularisation = 0.02
    return np.asarray((above + regularisation * mean) / (below + regularisation) / grid.side**2, dtype=np.float32)


@njit(cache=True, nogil=True)
def mask_discs(free: Any, sources: Any, x0: float, y0: float, side: float) -> None:
    """Set cells of a grid within discs (rows of x, y, radius) to 0."""
    ny, nx = free.shape
    for s in range(len(sources)):
        x, y, r = (sources[s, 0] - x0) / side, (sources[s, 1] - y0) / side, sources[s, 2] / side
        for iy in range(max(int(y - r), 0), min(int(y + r) + 1, ny)):
            for ix in range(max(int(x - r), 0), min(int(x + r) + 1, nx)):
                # Cells half inside a disc are excluded, photons and area alike.
                if (ix + 0.5 - x) ** 2 + (iy + 0.5 - y) ** 2 <= (r + 0.35) ** 2:
                    free[iy, ix] = 0.0
