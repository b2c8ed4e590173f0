"""Where a source's photons and its background are taken: a circle cut by the point spread, an annulus around it.

On the road this stands between finding sources (or reading a list of them) and extraction.
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
    """How apertures are cut.

    Parameters
    ----------
    encircled_fraction : float
        Part of a point source's photons that the circle holds, in (0, 1).
    energy_kev : float
        Energy at which the point-spread table is read, keV.
    min_radius_pixels : float
        The circle's radius is never below this many sky (or, where they are coarser, detector) pixels.
    background_inner, background_outer : float
        Radii of the background annulus in units of the larger of the circle's radius and the 90 % radius.
    min_area_ratio : float
        The annulus is widened until it has this many times the area of the circle.
    """

    __pydantic_config__: ClassVar[dict[str, Any]] = {"extra": "forbid"}

    encircled_fraction: float = 0.90
    energy_kev: float = 1.5
    min_radius_pixels: float = 1.5
    background_inner: float = 2.0
    background_outer: float = 5.0
    min_area_ratio: float = 12.0


def off_axis_arcmin(observation: Observation, ra: float, dec: float) -> float | None:
    """Angle of a position from the optical axis, arcmin; None where the observation names no pointing."""
    if observation.pointing is None:
        return None
    return float(separation_deg(ra, dec, *observation.pointing)) * 60.0


def centroid_error_arcsec(observation: Observation, ra: float, dec: float, counts: int) -> float | None:
    """68 % radius of a position measured as the middle of so many photons, the astrometry included, arcsec.

    For lists whose positions were measured on this exposure but state no error. The point spread's core is taken as a
    Gaussian of the same half-energy radius (r50 = 1.177 σ), so the middle of N photons scatters by σ / √N on each axis
    and 68 % of middles lie within 1.515 of that. None without photons or a point-spread table.
    """
    if observation.point_spread is None or counts < 1:
        return None
    r50, _ = observation.point_spread.half_and_ninety(off_axis_arcmin(observation, ra, dec) or 0.0)
    return math.hypot(1.515 * r50 / 1.177 / math.sqrt(counts), observation.point_spread.astrometry_arcsec)


def surrounding_annulus(
    ra: float, dec: float, radius_arcsec: float, spread_arcsec: float, settings: ApertureSettings
) -> Annulus:
    """Background annulus around a source region.

    Parameters
    ----------
    ra, dec : float — deg
    radius_arcsec : float — radius of the source region (of the circle about it, if it is none)
    spread_arcsec : float — radius that holds 90 % of a point source's photons; 0 where it is not known
    """
    unit = max(radius_arcsec, spread_arcsec)
    inner = settings.background_inner * unit
    roomy = math.hypot(inner, math.sqrt(settings.min_area_ratio) * radius_arcsec)
    return Annulus(ra, dec, inner, max(settings.background_outer * unit, roomy))


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
        How the source was found.
    pos_err_arcsec : float or None
        68 % radius.
    settings : ApertureSettings, optional

    Returns
    -------
    Aperture
        Flagged "off_axis_unknown" where the observation names no pointing and the table is read on axis.

    Raises
    ------
    FileError
        The observation has no point-spread table or no sky.
    """
    settings = settings or ApertureSettings()
    if observation.point_spread is None:
        raise FileError(
            observation.path,
            "no point-spread table for this instrument; give a source list with radius_arcsec or region shapes",
        )
    angle = off_axis_arcmin(observation, ra, dec)
    spread = observation.point_spread
    pixel = max(observation.require_projection().pixel_arcsec, observation.detector_pixel_arcsec or 0.0)
    radius = max(
        spread.radius(settings.encircled_fraction, angle or 0.0, settings.energy_kev),
        settings.min_radius_pixels * pixel,
    )
    _, r90 = spread.half_and_ninety(angle or 0.0, settings.energy_kev)
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
