"""Regions of DS9 and of the `regions` package as shapes on the sky: `parse_regions`, `shape_from_region`.

Any celestial frame is accepted, and image coordinates, which are the sky pixels (X, Y) of the event list.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError, UnreadableFileError
from xherald.photons.projection import SkyProjection
from xherald.photons.regions import Annulus, Ellipse, Polygon

__all__ = ["Point", "parse_regions", "read_regions", "region_name", "shape_from_region"]

Point = tuple[float, float]
"""Right ascension and declination, deg, of a point region, whose aperture follows the point-spread function."""


def read_regions(path: Path) -> list[Any]:
    """Read the regions of a DS9 file.

    Raises
    ------
    UnreadableFileError
        The file cannot be read as DS9 regions, or has one that the reader does not support.
    """
    from regions import Regions

    try:
        with warnings.catch_warnings():
            # The reader skips unsupported regions with a warning; a source must not disappear like that.
            warnings.simplefilter("error")
            return list(Regions.read(str(path), format="ds9"))
    except Exception as fault:
        raise UnreadableFileError(path, f"cannot be read as DS9 regions: {fault}") from fault


def parse_regions(given: object, what: str) -> list[Any]:
    """Parse a path, a DS9 string, a region or a sequence of regions.

    Parameters
    ----------
    given : str, Path, regions.Region or sequence of regions.Region
        A string that names a file is read, any other is parsed as DS9 text such as ``fk5; circle(83.8, -5.4, 3")``.
    what : str
        Name of the argument, for error messages.

    Raises
    ------
    ConfigError
        The argument is none of these, or has no region.
    UnreadableFileError
        The file cannot be read as DS9 regions.
    """
    from regions import Region, Regions

    if isinstance(given, Path):
        found = read_regions(given)
    elif isinstance(given, str):
        if "(" not in given or Path(given).is_file():
            found = read_regions(Path(given))
        else:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("error")
                    found = list(Regions.parse(given, format="ds9"))
            except Exception as fault:
                raise ConfigError(f"{what}: {given!r} cannot be parsed as a DS9 region: {fault}") from fault
    elif isinstance(given, Region):
        found = [given]
    elif isinstance(given, Sequence) and all(isinstance(one, Region) for one in given):
        found = list(given)
    else:
        raise ConfigError(f"{what}: expected a path, DS9 text or a regions.Region, got {type(given).__name__}")
    if not found:
        raise ConfigError(f"{what}: {given!r} has no region")
    return found


def region_name(region: Any, number: int) -> str:
    """Text of a region, or its number in the list, counted from 1."""
    return str(region.meta.get("text", "")).strip() or str(number)


def shape_from_region(region: Any, projection: SkyProjection, wcs: Any) -> Ellipse | Polygon | Annulus | Point | None:
    """Shape of a region on the sky, computed in sky pixels, in which the angles of `Ellipse` are defined.

    Parameters
    ----------
    region : regions.Region
    projection : SkyProjection
    wcs : astropy.wcs.WCS
        ``projection.to_wcs()``

    Returns
    -------
    Ellipse, Polygon, Annulus, Point or None
        None for regions without such a shape.
    """
    import regions

    pixel = region.to_pixel(wcs) if isinstance(region, regions.SkyRegion) else region
    scale = projection.pixel_arcsec

    def sky(x: Any, y: Any) -> tuple[F64, F64]:
        # `regions` counts pixels from 0, FITS from 1.
        return projection.to_sky(np.asarray(x) + 1.0, np.asarray(y) + 1.0)

    if isinstance(pixel, regions.PolygonPixelRegion | regions.RectanglePixelRegion):
        if isinstance(pixel, regions.RectanglePixelRegion):
            x, y = np.array(pixel.corners).T
        else:
            x, y = pixel.vertices.x, pixel.vertices.y
        corners = np.column_stack(sky(x, y))
        return Polygon(tuple((float(a), float(d)) for a, d in corners))
    if not hasattr(pixel, "center"):
        return None
    ra, dec = (float(v) for v in sky(pixel.center.x, pixel.center.y))
    if isinstance(pixel, regions.CirclePixelRegion):
        return Ellipse.circle(ra, dec, pixel.radius * scale)
    if isinstance(pixel, regions.EllipsePixelRegion):
        return Ellipse(ra, dec, pixel.width / 2 * scale, pixel.height / 2 * scale, float(pixel.angle.to_value("deg")))
    if isinstance(pixel, regions.CircleAnnulusPixelRegion):
        return Annulus(ra, dec, pixel.inner_radius * scale, pixel.outer_radius * scale)
    return (ra, dec) if isinstance(pixel, regions.PointPixelRegion) else None
