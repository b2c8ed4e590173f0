"""A user's own source list (``--sources``): tables of positions and DS9 regions, made into apertures of one exposure.

Tables (FITS, VOTable, CSV, ECSV) give positions in ICRS degrees and may give a name, a radius and a position error. DS9
files are read by the `regions` package, in any celestial frame or in image coordinates, which are the sky pixels (X, Y)
of the event list. On the road this stands in for source finding.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xherald.photons.apertures import ApertureSettings, aperture_at, off_axis_arcmin, surrounding_annulus
from xherald.photons.errors import UnreadableFileError
from xherald.photons.footprint import field_footprint
from xherald.photons.observation import Observation
from xherald.photons.projection import SkyProjection
from xherald.photons.regions import Aperture, Ellipse, Polygon

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["SourceList", "read_source_list"]

_RA = ("ra", "raj2000", "_raj2000", "ra_j2000", "ra_icrs", "_ra", "radeg", "ra_deg")
_DEC = ("dec", "dej2000", "decj2000", "_dej2000", "dec_j2000", "de_icrs", "dec_icrs", "_de", "decdeg", "dec_deg")
_NAME = ("id", "name", "detection_id", "source_id", "srcid", "src_id", "source", "iauname")
_RADIUS = ("radius_arcsec", "radius")
_ERROR = ("pos_err_arcsec", "pos_err", "poserr", "pos_error", "radec_err", "error_radius")

_TABLE_FORMATS = {
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
}

_FIELD_MARGIN_PIXELS = 1.0


@dataclass(frozen=True, slots=True)
class SourceList:
    """Sources of a list that lie in the field.

    Parameters
    ----------
    apertures : tuple of Aperture
        In the order of the list.
    outside : tuple of str
        Ids of the list's sources that were left out because no detector saw them.
    """

    apertures: tuple[Aperture, ...]
    outside: tuple[str, ...]


def read_source_list(path: Path, observation: Observation, settings: ApertureSettings | None = None) -> SourceList:
    """Read a source list for one exposure.

    Parameters
    ----------
    path : Path
        ``.fits``, ``.vot``, ``.xml``, ``.csv``, ``.ecsv`` (each also ``.gz``) with columns ra and dec, in deg, and
        where given id or name, radius_arcsec and pos_err_arcsec; or ``.reg`` with circles, ellipses, boxes, polygons
        and points. Points and rows without a radius get an aperture cut by the point spread.
    observation : Observation
    settings : ApertureSettings, optional

    Raises
    ------
    UnreadableFileError
        The file cannot be read, a column is missing, or a value cannot be used; the message names row and column.
    FileError
        The observation has no sky, or no point-spread table where one is needed.
    """
    settings = settings or ApertureSettings()
    projection = observation.require_projection()
    if not path.is_file():
        raise UnreadableFileError(path, "no such source list" if not path.exists() else "not a file but a directory")
    kind = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind == ".reg":
        listed = _from_regions(path, observation, projection, settings)
    elif kind in _TABLE_FORMATS:
        listed = _from_table(path, _TABLE_FORMATS[kind], observation, settings)
    else:
        known = ", ".join([*_TABLE_FORMATS, ".reg"])
        raise UnreadableFileError(path, f"a source list ends in one of {known}; this ends in {kind or 'nothing'}")
    _refuse_doubles(path, listed)
    seen = _in_field(observation, projection, listed)
    return SourceList(
        apertures=tuple(one for one, kept in zip(listed, seen, strict=True) if kept),
        outside=tuple(one.detection_id for one, kept in zip(listed, seen, strict=True) if not kept),
    )


def _in_field(observation: Observation, projection: SkyProjection, listed: Sequence[Aperture]) -> NDArray[np.bool_]:
    """Whether any part of each region can lie on a detector."""
    if not listed:
        return np.zeros(0, dtype=np.bool_)
    x, y = projection.to_pixel([one.ra for one in listed], [one.dec for one in listed])
    reach = np.array([one.region.extent for one in listed]) / projection.pixel_arcsec + _FIELD_MARGIN_PIXELS
    on_plane = np.isfinite(x) & np.isfinite(y)
    footprint = field_footprint(observation)
    if not footprint.hulls:
        return on_plane
    depth = footprint.depth(np.where(on_plane, x, 0.0), np.where(on_plane, y, 0.0)).max(axis=0)
    seen: NDArray[np.bool_] = on_plane & (depth > -reach)
    return seen


def _refuse_doubles(path: Path, listed: Sequence[Aperture]) -> None:
    first: dict[str, int] = {}
    for row, one in enumerate(listed, start=1):
        if one.detection_id in first:
            raise UnreadableFileError(
                path,
                f"row {row} is named {one.detection_id!r} as row {first[one.detection_id]} is; names must be unique",
            )
        first[one.detection_id] = row


# ---------------------------------------------------------------------------------------------------------- tables


def _from_table(path: Path, file_format: str, observation: Observation, settings: ApertureSettings) -> list[Aperture]:
    table = _read_table(path, file_format)
    ra_name, dec_name = _column(table, _RA), _column(table, _DEC)
    if ra_name is None or dec_name is None:
        missing = "right ascension (ra)" if ra_name is None else "declination (dec)"
        raise UnreadableFileError(path, f"no column of {missing}; it has {', '.join(table.colnames) or 'none'}")
    ra, dec = _numbers(path, table, ra_name, "deg"), _numbers(path, table, dec_name, "deg")
    _refuse_rows(path, ra_name, ra, (ra < -360) | (ra > 360), "is not a right ascension in deg")
    _refuse_rows(path, dec_name, dec, np.abs(dec) > 90, "is not a declination in deg")
    names = _names(table)
    radii, errors = _optional(path, table, _RADIUS), _optional(path, table, _ERROR)
    return [
        _aperture(observation, ra[i] % 360, dec[i], names[i], radii[i], errors[i], settings) for i in range(len(table))
    ]


def _aperture(
    observation: Observation,
    ra: float,
    dec: float,
    name: str,
    radius: float,
    error: float,
    settings: ApertureSettings,
) -> Aperture:
    """Aperture of one row; NaN radius or error means that the list has none."""
    ra, dec = float(ra), float(dec)
    known_error = None if np.isnan(error) else float(error)
    if np.isnan(radius):
        return aperture_at(observation, ra, dec, name, "source list", known_error, settings)
    return _shaped(observation, Ellipse.circle(ra, dec, float(radius)), name, known_error, settings)


def _shaped(
    observation: Observation, region: Ellipse | Polygon, name: str, error: float | None, settings: ApertureSettings
) -> Aperture:
    """Aperture of a region that the list drew itself."""
    spread = 0.0
    if observation.point_spread is not None:
        angle = off_axis_arcmin(observation, region.ra, region.dec) or 0.0
        spread = observation.point_spread.half_and_ninety(angle, settings.energy_kev)[1]
    annulus = surrounding_annulus(region.ra, region.dec, region.extent, spread, settings)
    return Aperture(name, region.ra, region.dec, region, annulus, error, "source list")


def _read_table(path: Path, file_format: str) -> Table:
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            # Units and keywords that astropy grumbles about do no harm here; what is wrong with values is told below.
            warnings.simplefilter("ignore")
            return Table.read(path, format=file_format)
    # The readers of four formats raise what they like; each means that this file is not what its name says.
    except Exception as fault:
        raise UnreadableFileError(path, f"cannot be read as {file_format}: {fault}") from fault


def _column(table: Table, accepted: Sequence[str]) -> str | None:
    names = {str(name).lower(): str(name) for name in table.colnames}
    return next((names[name] for name in accepted if name in names), None)


def _names(table: Table) -> list[str]:
    column = _column(table, _NAME)
    if column is None:
        return [str(row) for row in range(1, len(table) + 1)]
    values = table[column]
    texts = [v.decode() if isinstance(v, bytes) else str(v) for v in values.tolist()]
    return [text.strip() or str(row) for row, text in enumerate(texts, start=1)]


def _optional(path: Path, table: Table, accepted: Sequence[str]) -> NDArray[np.float64]:
    """Read an optional column of positive arcsec; NaN where the table or the row has none."""
    column = _column(table, accepted)
    if column is None:
        return np.full(len(table), np.nan)
    values = _numbers(path, table, column, "arcsec", gaps=True)
    _refuse_rows(path, column, values, values <= 0, "is not a positive angle in arcsec")
    return values


def _numbers(path: Path, table: Table, name: str, unit: str, *, gaps: bool = False) -> NDArray[np.float64]:
    """Read a column in the given unit; a unit of its own is converted, none is taken to be the given one."""
    from astropy import units

    column = table[name]
    masked = np.asarray(getattr(column, "mask", np.zeros(len(table), dtype=bool)))
    values = np.full(len(table), np.nan)
    for row in np.flatnonzero(~masked):
        try:
            values[row] = float(column[row] if column.unit is None else getattr(column[row], "value", column[row]))
        except (TypeError, ValueError):
            raise UnreadableFileError(
                path, f"row {row + 1}, column {name!r}: {str(column[row])!r} is not a number; give decimal {unit}"
            ) from None
    if not gaps:
        _refuse_rows(path, name, values, ~np.isfinite(values), "is not a number")
    if column.unit is not None and str(column.unit):
        try:
            return np.asarray((values * units.Unit(str(column.unit))).to_value(unit), dtype=np.float64)
        except (ValueError, TypeError):
            raise UnreadableFileError(path, f"column {name!r} is in {column.unit}; expected {unit}") from None
    return values


def _refuse_rows(path: Path, name: str, values: NDArray[np.float64], wrong: NDArray[np.bool_], why: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        raise UnreadableFileError(path, f"row {rows[0] + 1}, column {name!r}: {values[rows[0]]:g} {why}")


# ---------------------------------------------------------------------------------------------------------- DS9 regions


def _from_regions(
    path: Path, observation: Observation, projection: SkyProjection, settings: ApertureSettings
) -> list[Aperture]:
    from regions import Regions

    try:
        with warnings.catch_warnings():
            # The reader skips what it does not know with a warning; a source must not vanish like that.
            warnings.simplefilter("error")
            shapes = list(Regions.read(str(path), format="ds9"))
    except Exception as fault:
        raise UnreadableFileError(path, f"cannot be read as DS9 regions: {fault}") from fault
    wcs = _wcs(projection)
    return [
        _from_shape(path, row, shape, observation, projection, wcs, settings)
        for row, shape in enumerate(shapes, start=1)
    ]


def _wcs(projection: SkyProjection) -> Any:
    """Make astropy's form of the projection, for the conversions of `regions`."""
    from astropy.wcs import WCS

    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{projection.kind}", f"DEC--{projection.kind}"]
    wcs.wcs.crval = [projection.ra, projection.dec]
    wcs.wcs.crpix = [projection.x_reference, projection.y_reference]
    wcs.wcs.cdelt = [projection.x_step, projection.y_step]
    wcs.wcs.radesys = "ICRS"
    wcs.wcs.set()
    return wcs


def _from_shape(
    path: Path,
    row: int,
    shape: Any,
    observation: Observation,
    projection: SkyProjection,
    wcs: Any,
    settings: ApertureSettings,
) -> Aperture:
    """Make an aperture of a DS9 region, through sky pixels, where angles mean what they do in `Ellipse`."""
    import regions

    name = str(shape.meta.get("text", "")).strip() or str(row)
    if not shape.meta.get("include", True):
        raise UnreadableFileError(path, f"region {row} is excluded (-); a source list holds sources only")
    pixel = shape.to_pixel(wcs) if isinstance(shape, regions.SkyRegion) else shape
    scale = projection.pixel_arcsec

    def sky(x: Any, y: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        # `regions` counts pixels from 0, FITS from 1.
        return projection.to_sky(np.asarray(x) + 1.0, np.asarray(y) + 1.0)

    if isinstance(pixel, regions.PolygonPixelRegion | regions.RectanglePixelRegion):
        if isinstance(pixel, regions.RectanglePixelRegion):
            x, y = np.array(pixel.corners).T
        else:
            x, y = pixel.vertices.x, pixel.vertices.y
        corners = np.column_stack(sky(x, y))
        polygon = Polygon(tuple((float(a), float(d)) for a, d in corners))
        return _shaped(observation, polygon, name, None, settings)
    if not isinstance(pixel, regions.CirclePixelRegion | regions.EllipsePixelRegion | regions.PointPixelRegion):
        what = type(shape).__name__.removesuffix("Region").removesuffix("Pixel").removesuffix("Sky").lower()
        raise UnreadableFileError(
            path, f"region {row} is a {what}; a source is a circle, ellipse, box, polygon or point"
        )
    ra, dec = (float(v) for v in sky(pixel.center.x, pixel.center.y))
    if isinstance(pixel, regions.CirclePixelRegion):
        return _shaped(observation, Ellipse.circle(ra, dec, pixel.radius * scale), name, None, settings)
    if isinstance(pixel, regions.EllipsePixelRegion):
        ellipse = Ellipse(
            ra, dec, pixel.width / 2 * scale, pixel.height / 2 * scale, float(pixel.angle.to_value("deg"))
        )
        return _shaped(observation, ellipse, name, None, settings)
    return aperture_at(observation, ra, dec, name, "source list", None, settings)
