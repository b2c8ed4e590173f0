"""Apertures of point sources: a circle that encloses a fraction of the point spread, and an annulus around it.

Used for detected sources and for source lists without regions, before extraction.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

from .errors import FileError
from .observation import Observation
from .projection import separation_deg
from .regions import Annulus, Aperture, Ellipse

__all__ = ["ApertureSettings", "aperture_at", "off_axis_arcmin", "surrounding_annulus"]


@dataclass(frozen=True, slots=True)
class ApertureSettings:
    """Settings of apertures.

    Parameters
    ----------
    encircled_fraction : float
        Fraction of a point source's photons in the circle, in (0, 1).
    energy_kev : float
        Energy at which the point spread is evaluated, keV.
    min_radius_pixels : float
        Smallest radius of the circle, in sky pixels or, if these are smaller, detector pixels.
    background_inner, background_outer : float
        Radii of the background annulus, in units of the larger of the circle's radius and the 90 % radius.
    min_area_ratio : float
        Smallest ratio of the areas of annulus and circle; the outer radius grows to reach it.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    encircled_fraction: float = 0.90
    energy_kev: float = 1.5
    min_radius_pixels: float = 1.5
    background_inner: float = 2.0
    background_outer: float = 5.0
    min_area_ratio: float = 12.0


def off_axis_arcmin(observation: Observation, ra: float, dec: float) -> float | None:
    """Off-axis angle of a position, arcmin; None if the pointing is unknown."""
    if observation.pointing is None:
        return None
    return float(separation_deg(ra, dec, *observation.pointing)) * 60.0


def centroid_error_arcsec(observation: Observation, ra: float, dec: float, counts: int) -> float | None:
    """Error of a centroid of so many photons, 68 % radius with astrometry, arcsec.

    For source lists measured on this exposure that state no errors. The core of the point spread is approximated by a
    Gaussian of the same half-energy radius (r50 = 1.177 σ): the centroid of N photons scatters by σ / √N on each axis,
    and 68 % of centroids lie within 1.515 times that. None without photons or a point-spread table.
    """
    if observation.point_spread is None or counts < 1:
        return None
    r50, _ = observation.point_spread.r50_and_r90(off_axis_arcmin(observation, ra, dec) or 0.0)
    return math.hypot(1.515 * r50 / 1.177 / math.sqrt(counts), observation.point_spread.astrometry_arcsec)


def surrounding_annulus(
    ra: float, dec: float, radius_arcsec: float, spread_arcsec: float, settings: ApertureSettings
) -> Annulus:
    """Background annulus around a source region.

    Parameters
    ----------
    ra, dec : float — deg
    radius_arcsec : float — radius of the source region, or of a circle around it
    spread_arcsec : float — 90 % encircled-energy radius; 0 if unknown
    """
    unit = max(radius_arcsec, spread_arcsec)
    inner = settings.background_inner * unit
    large_enough = math.hypot(inner, math.sqrt(settings.min_area_ratio) * radius_arcsec)
    return Annulus(ra, dec, inner, max(settings.background_outer * unit, large_enough))


def aperture_at(
    observation: Observation,
    ra: float,
    dec: float,
    detection_id: str,
    origin: str,
    pos_err_arcsec: float | None = None,
    settings: ApertureSettings | None = None,
) -> Aperture:
    """Aperture of a point source.

    Parameters
    ----------
    observation : Observation
    ra, dec : float — ICRS deg
    detection_id : str
    origin : str
        Origin of the position, such as "source list".
    pos_err_arcsec : float or None
        68 % radius.
    settings : ApertureSettings, optional

    Returns
    -------
    Aperture
        Flagged "off_axis_unknown" if the pointing is unknown and the on-axis point spread was used.

    Raises
    ------
    FileError
        The observation has no point-spread table or no sky projection.
    """
    settings = settings or ApertureSettings()
    if observation.point_spread is None:
        raise FileError(
            observation.path,
            "no point-spread table for this instrument; give a source list with radius_arcsec or regions",
        )
    angle = off_axis_arcmin(observation, ra, dec)
    spread = observation.point_spread
    pixel = max(observation.require_projection().pixel_arcsec, observation.detector_pixel_arcsec or 0.0)
    radius = max(
        spread.radius(settings.encircled_fraction, angle or 0.0, settings.energy_kev),
        settings.min_radius_pixels * pixel,
    )
    _, r90 = spread.r50_and_r90(angle or 0.0, settings.energy_kev)
    return Aperture(
        detection_id=detection_id,
        ra=ra,
        dec=dec,
        region=Ellipse.circle(ra, dec, radius),
        background=surrounding_annulus(ra, dec, radius, r90, settings),
        pos_err_arcsec=pos_err_arcsec,
        origin=origin,
        flags=() if angle is not None else ("off_axis_unknown",),
    )
