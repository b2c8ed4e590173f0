"""Regions of DS9, of CIAO and of the `regions` package as shapes on the sky: `parse_regions`, `read_regions`.

Circles, ellipses, annuli and polygons remain what they are. Whatever is made of several shapes (exclusions, composites,
sectors, elliptical annuli) becomes one polygon.
"""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError, PhotonError, UnreadableFileError
from xherald.photons.projection import SkyProjection
from xherald.photons.regions import Annulus, Ellipse, Polygon

from .region_rings import Rings, arc_sector, ellipse_ring, polygon_rings
from .region_text import RegionText, ShapeText, parse_region_text

__all__ = ["Point", "SourceRegion", "parse_regions", "place_regions", "read_regions"]

Point = tuple[float, float]
"""Right ascension and declination, deg, of a point region, whose aperture follows the point-spread function."""

Placeable = Ellipse | Polygon | Annulus | Point
"""What a region can be on the sky."""

Given = RegionText | Any
"""A region of a file, or of the `regions` package."""

SECTORS: Final = {"panda": 1, "epanda": 2, "bpanda": 2}
"""Kinds of sectors, and the numbers that each of their two sizes has."""


@dataclass(frozen=True, slots=True)
class SourceRegion:
    """A region in the field of an observation.

    Parameters
    ----------
    name : str — label, or number in the list, counted from 1
    ra, dec : float — deg, centre
    shape : Ellipse, Polygon, Annulus or Point
        A ring is a polygon unless it is a background.
    is_background : bool
    """

    name: str
    ra: float
    dec: float
    shape: Placeable
    is_background: bool = False


def read_regions(path: Path) -> list[Given]:
    """Read the regions of a DS9 or CIAO file.

    Raises
    ------
    UnreadableFileError
        The file has no regions, or one that cannot be read.
    """
    try:
        raw = path.read_bytes()
    except OSError as fault:
        raise UnreadableFileError(path, f"cannot be read ({fault.strerror})") from fault
    if raw.startswith(b"\x1f\x8b"):
        raw = gzip.decompress(raw)
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    try:
        found = parse_region_text(text)
    except ConfigError as fault:
        raise UnreadableFileError(path, str(fault)) from fault
    if not found:
        raise UnreadableFileError(path, "has no region; add one, or leave the list away")
    return list(found)


def parse_regions(given: object, what: str) -> list[Given]:
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
        The file cannot be read.
    """
    from regions import Region

    found: list[Given]
    if isinstance(given, Path):
        found = read_regions(given)
    elif isinstance(given, str):
        if "(" not in given or Path(given).is_file():
            found = read_regions(Path(given))
        else:
            try:
                found = list(parse_region_text(given))
            except ConfigError as fault:
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


def place_regions(
    given: Iterable[Given], projection: SkyProjection, *, are_backgrounds: bool = False
) -> list[SourceRegion]:
    """Regions in the field of an observation; excluded ones are cut out of the others.

    Labels that occur several times get a number.

    Parameters
    ----------
    given : iterable
        See `parse_regions`.
    projection : SkyProjection
    are_backgrounds : bool
        Whether all of them are background regions.

    Raises
    ------
    ConfigError
        A region has a shape or numbers that are not supported.
    """
    placed = [_place(one, number, projection) for number, one in enumerate(given, start=1)]
    if are_backgrounds:
        placed = [replace(one, is_background=True) for one in placed]
    excluded = [one for one in placed if one.is_excluded]
    used: set[str] = set()
    found = []
    for one in placed:
        if one.is_excluded:
            continue
        name, further = one.name, 1
        while name in used:
            further += 1
            name = f"{one.name}_{further}"
        used.add(name)
        shape = _cut_out(one, excluded, projection)
        found.append(SourceRegion(name, one.centre[0], one.centre[1], shape, one.is_background))
    return found


@dataclass(frozen=True, slots=True, eq=False)
class _Placed:
    """A region on the sky, and as rings in sky pixels unless it is a point."""

    name: str
    centre: Point
    shape: Placeable
    rings: Rings | None
    is_background: bool
    is_excluded: bool


def _place(given: Given, number: int, projection: SkyProjection) -> _Placed:
    try:
        if isinstance(given, RegionText):
            return _place_text(given, number, projection)
        centre, shape, rings = _place_region(given, projection)
    except (ValueError, IndexError, PhotonError) as fault:
        where = f"line {given.line}" if isinstance(given, RegionText) else f"region {number}"
        raise ConfigError(f"{where}: {fault}") from fault
    name = str(given.meta.get("text", "")).strip() or str(number)
    return _Placed(name, centre, shape, rings, False, not given.meta.get("include", True))


def _place_text(given: RegionText, number: int, projection: SkyProjection) -> _Placed:
    first = given.shapes[0]
    centre, shape, rings = _place_shape(first, projection)
    for other in given.shapes[1:]:
        _, _, more = _place_shape(other, projection)
        if rings is None or more is None:
            raise ValueError("a point cannot be combined with other shapes")
        rings = rings - more if other.operator == "-" else rings & more if other.operator == "*" else rings + more
        shape = _polygon(rings, projection)
    return _Placed(given.text or str(number), centre, shape, rings, given.is_background, given.is_excluded)


def _cut_out(one: _Placed, excluded: Iterable[_Placed], projection: SkyProjection) -> Placeable:
    """Shape without the excluded regions that it overlaps."""
    rings, shape = one.rings, one.shape
    for other in excluded:
        if rings is None or other.rings is None:
            continue
        left = rings - other.rings
        if len(left.pieces) > len(rings.pieces):
            rings = left
            if rings.area <= 0:
                raise ConfigError(f"region {one.name} lies inside an excluded region")
            shape = _polygon(rings, projection)
    if isinstance(shape, Annulus) and not one.is_background and rings is not None:
        return _polygon(rings, projection)
    return shape


def _polygon(rings: Rings, projection: SkyProjection) -> Polygon:
    if not rings.pieces:
        raise ValueError("its shapes have nothing in common")
    ra, dec = projection.to_sky(*rings.path().T)
    return Polygon(tuple(zip(ra.tolist(), dec.tolist(), strict=True)))


# ------------------------------------------------------------------------------------------------------------- shapes


def _place_shape(one: ShapeText, projection: SkyProjection) -> tuple[Point, Placeable, Rings | None]:
    """Centre, shape and rings of one shape of a file."""
    values = one.values
    if one.name == "rectangle":
        return _rectangle(one, projection)
    if one.name == "pie":
        x, y, inner, outer, start, stop = values
        sectors = ShapeText(one.frame, "panda", (x, y, start, stop, "1", inner, outer, "1"))
        return _place_shape(sectors, projection)
    if one.name in SECTORS:
        return _sector(one, projection)
    if one.name in ("ellipse", "box") and len(values) > 5:
        # The outermost and the innermost of several rings.
        sizes, angle = (values[-3:-1], values[2:4]), values[-1]
        whole, hole = (_parse(one.frame, one.name, (*values[:2], *size, angle)) for size in sizes)
        centre, _, rings = _place_region(whole, projection)
        _, _, empty = _place_region(hole, projection)
        assert rings is not None
        assert empty is not None
        return centre, _polygon(rings - empty, projection), rings - empty
    if one.name == "annulus":
        radii = [value for value in values[2:] if not value.lower().startswith("n=")]
        values = (*values[:2], radii[0], radii[-1])
        if _size(radii[0]) == 0:
            return _place_region(_parse(one.frame, "circle", (*values[:2], radii[-1])), projection)
    return _place_region(_parse(one.frame, one.name, values), projection)


def _size(value: str) -> float:
    return float(value.rstrip("\"'dri"))


def _parse(frame: str, name: str, values: Sequence[str]) -> Any:
    """One shape by the `regions` package."""
    from regions import Regions

    text = f"{frame or 'image'}; {name}({','.join(values)})"
    try:
        with warnings.catch_warnings():
            # The reader skips what it cannot read with a warning; a source must not disappear like that.
            warnings.simplefilter("error")
            found = Regions.parse(text, format="ds9")
    # The reader raises exceptions of all kinds for invalid numbers.
    except Exception as fault:
        raise ValueError(f"{name}({', '.join(values)}) cannot be read: {fault}") from fault
    if len(found) != 1:
        raise ValueError(f"{name}({', '.join(values)}) cannot be read")
    return _mean_ecliptic(found[0]) if frame == "ecliptic" else found[0]


def _mean_ecliptic(region: Any) -> Any:
    """Region in the ecliptic of DS9, that of the mean equinox J2000, where `regions` has the true one of date."""
    from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord

    moved = region.copy()
    for name in ("center", "vertices"):
        sky = getattr(region, name, None)
        if sky is not None:
            setattr(moved, name, SkyCoord(sky.spherical.lon, sky.spherical.lat, frame=BarycentricMeanEcliptic()))
    return moved


def _sector(one: ShapeText, projection: SkyProjection) -> tuple[Point, Polygon, Rings]:
    """Sector between two radii, semi-axes or boxes: a panda, as the union of its parts."""
    values, step = one.values, SECTORS[one.name]
    x, y, start, stop = values[:4]
    inner, outer = values[5 : 5 + step], values[5 + step : 5 + 2 * step]
    angle = values[6 + 2 * step] if len(values) > 6 + 2 * step else "0"
    # The equivalent whole shape has centre, sizes in pixels and the direction of the first axis.
    kind = {"panda": "ellipse", "epanda": "ellipse", "bpanda": "box"}[one.name]
    whole = _pixel_region(_parse(one.frame, kind, (x, y, *(outer * 2)[:2], angle)), projection)
    scale = _size(inner[0]) / _size(outer[0])
    where = float(whole.center.x) + 1.0, float(whole.center.y) + 1.0
    sizes = whole.width / 2, whole.height / 2
    turn = float(whole.angle.to_value("deg"))
    box = one.name == "bpanda"
    rings = arc_sector(*where, sizes, float(start), float(stop), turn, is_box=box)
    if scale > 0:
        rings -= arc_sector(*where, (sizes[0] * scale, sizes[1] * scale), float(start), float(stop), turn, is_box=box)
    ra, dec = projection.to_sky(*where)
    return (float(ra), float(dec)), _polygon(rings, projection), rings


def _rectangle(one: ShapeText, projection: SkyProjection) -> tuple[Point, Polygon, Rings]:
    """CIAO's rectangle, by two opposite corners in sky pixels."""
    if one.frame:
        raise ValueError("a rectangle needs the coordinates of sky pixels")
    x1, y1, x2, y2, *angle = (float(value) for value in one.values)
    corners = np.array([[x1, y1], [x2, y1], [x2, y2], [x1, y2]])
    if angle:
        turn, middle = np.radians(angle[0]), corners.mean(axis=0)
        matrix = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
        corners = (corners - middle) @ matrix + middle
    ra, dec = projection.to_sky(*corners.mean(axis=0))
    rings = polygon_rings(corners)
    return (float(ra), float(dec)), _polygon_of(corners, projection), rings


def _polygon_of(corners: F64, projection: SkyProjection) -> Polygon:
    ra, dec = projection.to_sky(*corners.T)
    return Polygon(tuple(zip(ra.tolist(), dec.tolist(), strict=True)))


def _pixel_region(region: Any, projection: SkyProjection) -> Any:
    import regions

    return region.to_pixel(projection.to_wcs()) if isinstance(region, regions.SkyRegion) else region


def _place_region(region: Any, projection: SkyProjection) -> tuple[Point, Placeable, Rings | None]:
    """Centre, shape and rings of a region of the `regions` package, computed in sky pixels.

    `regions` counts pixels from 0, FITS from 1. Angles of `Ellipse` are those in sky pixels.
    """
    import regions

    pixel, scale = _pixel_region(region, projection), projection.pixel_arcsec
    if isinstance(pixel, regions.PolygonPixelRegion | regions.RectanglePixelRegion):
        if isinstance(pixel, regions.RectanglePixelRegion):
            corners = np.array(pixel.corners) + 1.0
        else:
            corners = np.column_stack([pixel.vertices.x, pixel.vertices.y]) + 1.0
        shape = _polygon_of(corners, projection)
        return (shape.ra, shape.dec), shape, polygon_rings(corners)
    if not hasattr(pixel, "center"):
        what = type(region).__name__.removesuffix("Region").removesuffix("Pixel").removesuffix("Sky").lower()
        raise ValueError(f"a {what} has no area; a region is a circle, ellipse, box, polygon, annulus or point")
    x, y = float(pixel.center.x) + 1.0, float(pixel.center.y) + 1.0
    if not (np.isfinite(x) and np.isfinite(y)):
        raise ValueError("its centre lies outside the projection of the field")
    ra, dec = (float(v) for v in projection.to_sky(x, y))
    if isinstance(pixel, regions.PointPixelRegion):
        return (ra, dec), (ra, dec), None
    if isinstance(pixel, regions.CirclePixelRegion):
        radius = float(pixel.radius)
        return (ra, dec), Ellipse.circle(ra, dec, radius * scale), ellipse_ring(x, y, radius, radius)
    if isinstance(pixel, regions.EllipsePixelRegion):
        axes, angle = (pixel.width / 2, pixel.height / 2), float(pixel.angle.to_value("deg"))
        return (ra, dec), Ellipse(ra, dec, axes[0] * scale, axes[1] * scale, angle), ellipse_ring(x, y, *axes, angle)
    if isinstance(pixel, regions.CircleAnnulusPixelRegion):
        inner, outer = float(pixel.inner_radius), float(pixel.outer_radius)
        rings = ellipse_ring(x, y, outer, outer) - ellipse_ring(x, y, inner, inner)
        return (ra, dec), Annulus(ra, dec, inner * scale, outer * scale), rings
    if isinstance(pixel, regions.EllipseAnnulusPixelRegion | regions.RectangleAnnulusPixelRegion):
        raise ValueError("annuli of ellipses and boxes are read from DS9 text only; give text")
    raise ValueError(f"a {type(region).__name__} is not supported")
