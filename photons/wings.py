"""Photons beyond the edges of apertures, and the weights of all photons of an extraction.

An aperture holds 90 % of a source's photons; most of the rest lie within twice its radius, where each is less likely to
be the source's. `find_isolated` selects the circular apertures around which there is nothing else: no other source,
whose burst would be taken for this one's, and no edge of a detector. `weigh_photons` gives the weights of both.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.photons.arrays import F32, F64, I32, I64, Mask

from .projection import separation_deg
from .regions import Annulus, Aperture, Ellipse

if TYPE_CHECKING:
    from .footprint import Footprint
    from .observation import FieldEvents, Observation
    from .pointspread import PointSpread
    from .shape_table import ShapeTable

__all__ = ["WING_RADIUS", "find_isolated", "weigh_photons", "wing_of"]

WING_RADIUS: Final = 2.0
"""Outer radius of the wings in units of the aperture's: the inner edge of the default background annulus."""

ERROR_68: Final = 1.515
"""68 % radius of a two-dimensional Gaussian, in units of its standard deviation on each axis."""


def wing_of(aperture: Aperture) -> Annulus:
    """The ring around a circular aperture in which its wings are collected."""
    radius = aperture.region.extent
    return Annulus(aperture.region.ra, aperture.region.dec, radius, WING_RADIUS * radius)


def find_isolated(apertures: Sequence[Aperture], sources: ShapeTable, footprint: Footprint | None) -> Mask:
    """Whether wings can be collected around each aperture.

    Parameters
    ----------
    apertures : sequence of Aperture, length n
    sources : ShapeTable
        Of their regions.
    footprint : Footprint, optional
        Of the detectors, without which nothing is known of their edges.

    Returns
    -------
    ndarray, shape (n,), bool
    """
    from scipy.spatial import KDTree

    is_circle = np.array(
        [isinstance(one.region, Ellipse) and one.region.semi_axis_1 == one.region.semi_axis_2 for one in apertures]
    )
    if footprint is None or not footprint.hulls:
        return np.zeros(len(apertures), dtype=np.bool_)
    reach = WING_RADIUS * sources.extent
    on_detector = (footprint.depth(*sources.centre.T) >= reach).any(axis=0)
    isolated: Mask = is_circle & on_detector
    pairs = KDTree(sources.centre).query_pairs(2.0 * float(reach.max()), output_type="ndarray")
    away = np.hypot(*(sources.centre[pairs[:, 0]] - sources.centre[pairs[:, 1]]).T)
    isolated[pairs[away < reach[pairs].sum(axis=1)]] = False
    return isolated


def weigh_photons(
    observation: Observation,
    apertures: Sequence[Aperture],
    photons: tuple[I32, I64],
    wings: tuple[I32, I64],
    background: tuple[I32, I64],
    source_area: F64,
    area_ratio: F64,
) -> tuple[F32, F32]:
    """Probability of each photon to be the source's, for the photons of apertures and of wings.

    Parameters
    ----------
    observation : Observation
    apertures : sequence of Aperture, length n
    photons, wings, background : tuple of ndarray
        Events of all sources, and the offsets at which each source's begin: in the apertures, in the wings, in the
        background regions.
    source_area : ndarray, shape (n,)
        Area of each source region on the detectors, square sky pixels.
    area_ratio : ndarray, shape (n,)
        Source over background area; 0 without a background region.

    Returns
    -------
    ndarray, shape (photons,), float32
    ndarray, shape (wing photons,), float32
        All 1 where point spread or background are unknown.
    """
    from .photon_weights import photon_weights

    (rows, offsets), (wing_rows, wing_offsets) = photons, wings
    if observation.point_spread is None or not area_ratio.any():
        return np.ones(len(rows), dtype=np.float32), np.ones(len(wing_rows), dtype=np.float32)
    n, events = len(apertures), observation.events
    counts, wing_counts = np.diff(offsets), np.diff(wing_offsets)
    # Aperture and wings of each source one after the other.
    source = np.concatenate([np.repeat(np.arange(n), counts), np.repeat(np.arange(n), wing_counts)])
    order = np.argsort(source, kind="stable")
    together = np.concatenate([rows, wing_rows])[order]
    core, slope = _king_profiles(observation, observation.point_spread, apertures)
    weight = photon_weights(
        _squared_distance(events, observation, apertures, together, source[order]),
        events.energy[together],
        np.concatenate([[0], np.cumsum(counts + wing_counts)]).astype(np.int64),
        events.energy[background[0]],
        background[1],
        np.where(wing_counts > 0, source_area * WING_RADIUS**2, source_area),
        np.divide(source_area, area_ratio, out=np.zeros(n), where=area_ratio > 0),
        core,
        slope,
    )
    restored = np.empty(len(order), np.float32)
    restored[order] = weight
    return restored[: len(rows)], restored[len(rows) :]


def _squared_distance(
    events: FieldEvents, observation: Observation, apertures: Sequence[Aperture], rows: I32, source: I64
) -> F64:
    """Squared distance of each event from the position of its source, square sky pixels."""
    sky = np.array([(one.ra, one.dec) for one in apertures]).reshape(-1, 2)
    x, y = observation.require_projection().to_pixel(sky[:, 0], sky[:, 1])
    out: F64 = (events.x[rows] - x[source]) ** 2 + (events.y[rows] - y[source]) ** 2
    return out


def _king_profiles(observation: Observation, spread: PointSpread, apertures: Sequence[Aperture]) -> tuple[F64, F64]:
    """Core, sky pixels, and slope of the point spread at each aperture, blurred by the error of the position."""
    pixel = observation.require_projection().pixel_arcsec
    angles = np.zeros(len(apertures))
    if observation.pointing is not None:
        sky = np.array([(one.ra, one.dec) for one in apertures])
        angles = separation_deg(sky[:, 0], sky[:, 1], *observation.pointing) * 60.0
    width, slope = spread.kings(angles)
    error = np.array([one.pos_err_arcsec or 0.0 for one in apertures]) / ERROR_68
    return np.hypot(width, error) / pixel, slope
