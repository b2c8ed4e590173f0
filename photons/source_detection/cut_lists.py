"""Lists of one source, cut out of a field with a region: `cut_out_aperture`.

All photons of such a list belong to the source or to the background under it, and no other background is left.
"""

from __future__ import annotations

import math
from typing import Final

import numpy as np

from xherald.photons.apertures import ApertureSettings, centroid_error_arcsec, off_axis_arcmin
from xherald.photons.arrays import F64
from xherald.photons.observation import Observation
from xherald.photons.regions import Aperture, Ellipse, Polygon

__all__ = ["cut_out_aperture", "cut_radius_arcsec"]


MAX_RADII_OF_REGION: Final = 5.0
"""Largest radius of a cut of one source, in 90 % radii of the point spread; larger ones are searched."""

MAX_RADIUS_OF_REGION_ARCSEC: Final = 30.0
"""Cuts up to this radius are of one source, however sharp the point spread."""

MAX_RADII_OF_EVENTS: Final = 2.0
"""Largest radius, in the same unit, of a list without a named region that is taken for a cut."""

MIN_EVENTS: Final = 5
"""Fewer events do not show the extent of a list."""

MARGIN_PIXELS: Final = 0.1
"""Distance between the outermost photons and the edge of the aperture."""


def cut_out_aperture(
    observation: Observation, settings: ApertureSettings | None = None, *, force: bool = False, named: bool = False
) -> Aperture | None:
    """Aperture that holds every photon of a list with a single source; None for the list of a field.

    Parameters
    ----------
    observation : Observation
        With a sky projection.
    settings : ApertureSettings, optional
        Its energy applies to the point spread.
    force : bool
        Take the list as one source, whatever its extent.
    named : bool
        Recognise lists by the region that the file names only, not by the extent of their events.

    Returns
    -------
    Aperture or None
        Without a background region. Its region is the convex hull of the photons, its position their centre.
    """
    settings = settings or ApertureSettings()
    events = observation.events
    if not len(events) or observation.projection is None:
        return None
    x, y = events.x.astype(np.float64), events.y.astype(np.float64)
    if not force and not _is_one_source(observation, x, y, settings, named):
        return None
    ra, dec = _centre(observation, x, y, settings)
    return Aperture(
        detection_id="1",
        ra=ra,
        dec=dec,
        region=_hull(observation, x, y, ra, dec),
        pos_err_arcsec=centroid_error_arcsec(observation, ra, dec, len(x)),
        origin="whole list",
    )


def cut_radius_arcsec(observation: Observation) -> float | None:
    """Radius of a circle of the area of the region that the list was cut with, arcsec; None without one."""
    cut = observation.cut_region
    return None if cut is None else math.sqrt(cut.shape.area / math.pi)


def _is_one_source(observation: Observation, x: F64, y: F64, settings: ApertureSettings, named: bool) -> bool:
    radius, spread = cut_radius_arcsec(observation), observation.point_spread
    if observation.cut_region is not None and observation.cut_region.is_hollow:
        return False
    if spread is None:
        return radius is not None
    ra, dec = (float(v) for v in observation.require_projection().to_sky(np.median(x), np.median(y)))
    _, r90 = spread.r50_and_r90(off_axis_arcmin(observation, ra, dec) or 0.0, settings.energy_kev)
    if radius is not None:
        return radius <= max(MAX_RADII_OF_REGION * r90, MAX_RADIUS_OF_REGION_ARCSEC)
    if named or len(x) < MIN_EVENTS:
        return False
    extent = math.sqrt(float(np.ptp(x) * np.ptp(y)) / math.pi) * observation.require_projection().pixel_arcsec
    return extent <= MAX_RADII_OF_EVENTS * r90


def _centre(observation: Observation, x: F64, y: F64, settings: ApertureSettings) -> tuple[float, float]:
    """Centre of the photons, each weighted as in a fit of the point spread, so that background and wings count less."""
    projection, spread = observation.require_projection(), observation.point_spread
    at = np.array([np.median(x), np.median(y)])
    if spread is not None:
        ra, dec = (float(v) for v in projection.to_sky(*at))
        core = spread.king(off_axis_arcmin(observation, ra, dec) or 0.0, settings.energy_kev)[0]
        for _ in range(25):
            weight = 1.0 / (1.0 + ((x - at[0]) ** 2 + (y - at[1]) ** 2) * (projection.pixel_arcsec / core) ** 2)
            at = np.array([weight @ x, weight @ y]) / weight.sum()
    ra, dec = (float(v) for v in projection.to_sky(*at))
    return ra, dec


def _hull(observation: Observation, x: F64, y: F64, ra: float, dec: float) -> Ellipse | Polygon:
    """Convex hull of the photons with a margin; a circle where they are on a line."""
    from scipy.spatial import ConvexHull, QhullError

    projection = observation.require_projection()
    step = MARGIN_PIXELS * np.array([(1, 1), (1, -1), (-1, 1), (-1, -1)])
    corners = (np.unique(np.column_stack([x, y]), axis=0)[:, None, :] + step).reshape(-1, 2)
    try:
        hull = corners[ConvexHull(corners).vertices]
    except QhullError:
        reach = float(np.hypot(x - x.mean(), y - y.mean()).max()) + MARGIN_PIXELS
        return Ellipse.circle(ra, dec, reach * projection.pixel_arcsec)
    sky = np.column_stack(projection.to_sky(*hull.T))
    return Polygon(tuple((float(a), float(d)) for a, d in sky))
