"""`map_field` creates the `SkyMap` of an exposure, from which upper limits are computed later.

It runs after extraction, and excludes the sources from the background.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numba import njit
from numpy.typing import ArrayLike, NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.gti import combine_exposures
from xherald.photons.observation import DetectorUnit, Observation
from xherald.photons.projection import separation_deg
from xherald.photons.regions import Aperture
from xherald.photons.sky_map import (
    MAX_ORDER,
    MIN_ORDER,
    ORDER_0_SIDE_ARCSEC,
    SkyMap,
    healpix_centre,
    healpix_index,
    pixel_side_arcsec,
)

if TYPE_CHECKING:
    from .field_model import Field

__all__ = ["enclosed_fractions", "map_field"]


PATCH_ORDERS: Final = 3
"""The field is covered with patches that are coarser than the pixels by so many HEALPix orders."""

MAX_PIXELS: Final = 40_000
"""Largest number of pixels of a field, some 10 kB compressed; larger fields have larger pixels."""

N_ANGLES: Final = 64
"""Off-axis angles at which the point spread is evaluated for interpolation."""


def enclosed_fractions(observation: Observation, apertures: Sequence[Aperture], energy_kev: float) -> F64 | None:
    """Fraction of the point spread in each aperture, approximated by a circle of its area; None if unknown."""
    spread = observation.point_spread
    if spread is None or not apertures:
        return None
    angle = np.zeros(len(apertures))
    if observation.pointing is not None:
        places = np.array([(one.ra, one.dec) for one in apertures])
        angle = separation_deg(places[:, 0], places[:, 1], *observation.pointing) * 60.0
    grid = np.linspace(0.0, float(angle.max()), N_ANGLES)
    core, slope = np.array([spread.king(float(one), energy_kev) for one in grid]).T
    area = np.array([one.region.area for one in apertures])
    ratio = area / np.pi / np.interp(angle, grid, core) ** 2
    enclosed: F64 = 1.0 - (1.0 + ratio) ** -np.interp(angle, grid, slope)
    return enclosed


def map_field(
    observation: Observation,
    apertures: Sequence[Aperture],
    counts: ArrayLike,
    background_counts: ArrayLike,
    energy_kev: float,
) -> SkyMap | None:
    """Map the counts, expected background and livetime of an exposure.

    Pixels measure between half and all of the 90 % radius in mid-field, or more in large fields. Livetimes agree with
    those of extracted apertures on the same detectors.

    Parameters
    ----------
    observation : Observation
    apertures : sequence of Aperture
        Apertures of its n sources, excluded from the background.
    counts, background_counts : array_like, shape (n,)
        Counts and expected background counts of each aperture.
    energy_kev : float
        Energy at which the point spread is evaluated.

    Returns
    -------
    SkyMap or None
        None without an image, a point-spread table, or enough photons for a footprint.
    """
    spread = observation.point_spread
    if observation.projection is None or spread is None or observation.per_source_id:
        return None

    from .field_model import Field

    field = Field(observation, energy_kev)
    if not field.footprint.hulls:
        return None
    order = _order(field)
    pixels, quarters = _pixels(field, order)
    covered = _covered(field, *quarters)
    densities = field.background(_masks(field, apertures, counts, background_counts))
    quarter = (pixel_side_arcsec(order + 1) / field.pixel) ** 2
    expected = np.zeros(covered.shape[1])
    for grid, density, inside in zip(field.grids, densities, covered, strict=True):
        column = np.clip(((quarters[0][inside] - grid.x0) / grid.side).astype(np.int64), 0, grid.nx - 1)
        row = np.clip(((quarters[1][inside] - grid.y0) / grid.side).astype(np.int64), 0, grid.ny - 1)
        expected[inside] += density[row, column] * quarter
    livetime = _livetimes(field, covered).reshape(-1, 4).mean(axis=1)
    background = expected.reshape(-1, 4).sum(axis=1)
    seen = livetime > 0
    pixels, livetime, background = pixels[seen], livetime[seen], background[seen]
    return SkyMap(order, pixels, _photons(field, order, pixels), background, livetime, spread, observation.pointing)


def _order(field: Field) -> int:
    r90 = float(np.mean([field.shape_at(*hull.vertices.mean(axis=0)).r90 for hull in field.footprint.hulls]))
    order = min(max(math.ceil(math.log2(ORDER_0_SIDE_ARCSEC / (r90 * field.pixel))), MIN_ORDER), MAX_ORDER)
    area = sum(hull.area for hull in field.footprint.hulls) * field.pixel**2
    while order > MIN_ORDER and area / pixel_side_arcsec(order) ** 2 > MAX_PIXELS:
        order -= 1
    return order


def _pixels(field: Field, order: int) -> tuple[I64, tuple[F64, F64]]:
    """Pixels of all patches that overlap the field, and the sky pixels of the centres of their four quarters."""
    projection = field.observation.require_projection()
    left, right, bottom, top = field.corners
    side = pixel_side_arcsec(order - PATCH_ORDERS) / field.pixel
    # A grid finer than the narrowest patch, extended beyond the field by the size of a patch.
    x, y = np.meshgrid(np.arange(left - side, right + side, side / 4), np.arange(bottom - side, top + side, side / 4))
    near = (field.footprint.depth(x.ravel(), y.ravel()) > -side).any(axis=0)
    patches = np.unique(healpix_index(*projection.to_sky(x.ravel()[near], y.ravel()[near]), order - PATCH_ORDERS))
    pixels = _subdivide(patches, PATCH_ORDERS)
    return pixels, projection.to_pixel(*healpix_centre(_subdivide(pixels, 1), order + 1))


def _subdivide(pixels: I64, orders: int) -> I64:
    """Subdivide pixels by a number of orders, in ascending order if the input is."""
    subpixels: I64 = (pixels[:, None] * 4**orders + np.arange(4**orders)).ravel()
    return subpixels


def _covered(field: Field, x: F64, y: F64) -> NDArray[np.bool_]:
    """Whether each position is in the footprint of each detector, shape (detectors, positions)."""
    edges, begins = field.footprint.flat_edges()
    covered: NDArray[np.bool_] = _inside(edges, begins, x, y)
    return covered


@njit(cache=True, nogil=True)
def _inside(edges: Any, begins: Any, x: Any, y: Any) -> Any:
    """Whether positions lie in each hull; NaN lies in none."""
    covered = np.zeros((len(begins) - 1, len(x)), np.bool_)
    for hull in range(len(begins) - 1):
        for i in range(len(x)):
            within = True
            for k in range(begins[hull], begins[hull + 1]):
                if not edges[k, 0] * x[i] + edges[k, 1] * y[i] <= edges[k, 2]:
                    within = False
                    break
            covered[hull, i] = within
    return covered


def _livetimes(field: Field, covered: NDArray[np.bool_]) -> F64:
    """Livetime of each position, computed once for each set of detectors that cover a position."""
    detectors = [field.observation.detector(number) for number in field.footprint.numbers]
    seen = np.flatnonzero(covered.any(axis=0))
    which = np.zeros(len(seen), dtype=np.int64)
    for eight in np.packbits(covered[:, seen], axis=0):
        _, first, which = np.unique(which * 256 + eight, return_index=True, return_inverse=True)
    times = np.zeros(covered.shape[1])
    if seen.size:
        times[seen] = np.array([_livetime(detectors, members) for members in covered[:, seen[first]].T])[which]
    return times


def _livetime(detectors: Sequence[DetectorUnit], members: NDArray[np.bool_]) -> float:
    """Livetime of several detectors together, s."""
    mine = [one for one, is_member in zip(detectors, members, strict=True) if is_member]
    exposure = combine_exposures([one.gti for one in mine], [1.0] * len(mine))
    live = np.average([one.live_fraction for one in mine], weights=[one.good_time for one in mine])
    return float(np.diff(exposure.gti, axis=1).ravel() @ exposure.fraction) * float(live)


def _masks(field: Field, apertures: Sequence[Aperture], counts: ArrayLike, background_counts: ArrayLike) -> F64:
    """Discs around the sources: where their wings exceed the background, and at least their apertures."""
    from .image_search import source_masks

    if not apertures:
        return np.empty((0, 3))
    projection = field.observation.require_projection()
    x, y = projection.to_pixel([one.ra for one in apertures], [one.dec for one in apertures])
    area = np.array([one.region.area for one in apertures]) / field.pixel**2
    background = np.asarray(background_counts, dtype=np.float64)
    net = np.maximum(np.asarray(counts, dtype=np.float64) - background, 0.0)
    masks = source_masks(np.column_stack([x, y, np.zeros_like(x), net, background / area]), field)
    masks[:, 2] = np.maximum(masks[:, 2], np.array([one.region.extent for one in apertures]) / field.pixel)
    return masks


def _photons(field: Field, order: int, pixels: I64) -> NDArray[np.int32]:
    events = field.observation.events
    mine = np.isin(events.detector, field.footprint.numbers)
    where = healpix_index(*field.observation.require_projection().to_sky(events.x[mine], events.y[mine]), order)
    row = np.minimum(np.searchsorted(pixels, where), len(pixels) - 1)
    there = pixels[row] == where
    return np.bincount(row[there], minlength=len(pixels)).astype(np.int32)
