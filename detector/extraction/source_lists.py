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
from xherald.photons.errors import ConfigError, UnreadableFileError
from xherald.photons.footprint import field_footprint
from xherald.photons.observation import Observation
from xherald.photons.projection import SkyProjection
from xherald.photons.regions import Annulus, Aperture, Ellipse, Polygon

from .sky_regions import read_regions, region_name, shape_from_region

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["SourceList", "aperture_from_region", "apertures_from_table", "listed_in_field", "read_source_list"]

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
    if not path.is_file():
        raise UnreadableFileError(path, "no such source list" if not path.exists() else "not a file but a directory")
    kind = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind == ".reg":
        listed = _from_regions(path, observation, settings)
    elif kind in _TABLE_FORMATS:
        listed = apertures_from_table(_read_table(path, _TABLE_FORMATS[kind]), path, observation, settings)
    else:
        known = ", ".join([*_TABLE_FORMATS, ".reg"])
        raise UnreadableFileError(path, f"a source list ends in one of {known}; this ends in {kind or 'nothing'}")
    return listed_in_field(listed, path, observation)


def listed_in_field(listed: Sequence[Aperture], where: Path, observation: Observation) -> SourceList:
    """Divide a list into the sources that a detector can have seen and the others.

    Parameters
    ----------
    listed : sequence of Aperture
    where : Path
        What the list was read from, for error messages.
    observation : Observation

    Raises
    ------
    UnreadableFileError
        Two sources have one name.
    """
    _refuse_doubles(where, listed)
    seen = _in_field(observation, observation.require_projection(), listed)
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


def _from_regions(path: Path, observation: Observation, settings: ApertureSettings) -> list[Aperture]:
    try:
        return [
            aperture_from_region(region, number, observation, settings)
            for number, region in enumerate(read_regions(path), start=1)
        ]
    except ConfigError as fault:
        raise UnreadableFileError(path, str(fault)) from fault


# ---------------------------------------------------------------------------------------------------- Python objects


def aperture_from_region(
    region: Any, number: int, observation: Observation, settings: ApertureSettings | None = None
) -> Aperture:
    """Aperture of a region of the `regions` package.

    Parameters
    ----------
    region : regions.Region
    number : int
        Its number in the list, counted from 1: its name where it has no text.
    observation : Observation
    settings : ApertureSettings, optional

    Raises
    ------
    ConfigError
        The region is excluded, or of a kind that is no source.
    """
    projection, settings = observation.require_projection(), settings or ApertureSettings()
    if not region.meta.get("include", True):
        raise ConfigError(f"region {number} is excluded (-); a source list holds sources only")
    shape = shape_from_region(region, projection, projection.to_wcs())
    name = region_name(region, number)
    if isinstance(shape, tuple):
        return aperture_at(observation, *shape, name, "source list", None, settings)
    if shape is None or isinstance(shape, Annulus):
        what = type(region).__name__.removesuffix("Region").removesuffix("Pixel").removesuffix("Sky").lower()
        raise ConfigError(f"region {number} is a {what}; a source is a circle, ellipse, box, polygon or point")
    return _shaped(observation, shape, name, None, settings)


def apertures_from_table(
    table: Table, where: Path, observation: Observation, settings: ApertureSettings | None = None
) -> list[Aperture]:
    """Apertures of the rows of a table of positions.

    Parameters
    ----------
    table : astropy.table.Table
        Columns ra and dec, deg, and where given id or name, radius_arcsec and pos_err_arcsec.
    where : Path
        File the table was read from, or a name for it: for error messages.
    observation : Observation
    settings : ApertureSettings, optional

    Raises
    ------
    UnreadableFileError
        A column is missing or a value cannot be used; the message names row and column.
    """
    settings = settings or ApertureSettings()
    ra_name, dec_name = _column(table, _RA), _column(table, _DEC)
    if ra_name is None or dec_name is None:
        missing = "right ascension (ra)" if ra_name is None else "declination (dec)"
        raise UnreadableFileError(where, f"no column of {missing}; it has {', '.join(table.colnames) or 'none'}")
    ra, dec = _numbers(where, table, ra_name, "deg"), _numbers(where, table, dec_name, "deg")
    _refuse_rows(where, ra_name, ra, (ra < -360) | (ra > 360), "is not a right ascension in deg")
    _refuse_rows(where, dec_name, dec, np.abs(dec) > 90, "is not a declination in deg")
    names = _names(table)
    radii, errors = _optional(where, table, _RADIUS), _optional(where, table, _ERROR)
    return [
        _aperture(observation, ra[i] % 360, dec[i], names[i], radii[i], errors[i], settings) for i in range(len(table))
    ]
