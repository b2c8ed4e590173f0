"""Source lists (``--sources``): tables of positions and DS9 regions as apertures of one exposure.

Tables (FITS, VOTable, CSV, ECSV) give positions in ICRS degrees and may give a name, a radius and a position error. DS9
files are read by the `regions` package, in any celestial frame or in image coordinates, which are the sky pixels (X, Y)
of the event list. A list takes the place of source detection.
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
    """Sources of a list, divided into those inside and outside the field.

    Parameters
    ----------
    apertures : tuple of Aperture
        In the order of the list.
    outside : tuple of str
        Ids of the sources that lie on no detector, which are left out.
    """

    apertures: tuple[Aperture, ...]
    outside: tuple[str, ...]


def read_source_list(path: Path, observation: Observation, settings: ApertureSettings | None = None) -> SourceList:
    """Read a source list for one exposure.

    Parameters
    ----------
    path : Path
        ``.fits``, ``.vot``, ``.xml``, ``.csv``, ``.ecsv`` (each also ``.gz``) with columns ra and dec, in deg, and
        optionally id or name, radius_arcsec and pos_err_arcsec; or ``.reg`` with circles, ellipses, boxes, polygons
        and points. Apertures of points and of rows without a radius follow the point-spread function.
    observation : Observation
    settings : ApertureSettings, optional

    Raises
    ------
    UnreadableFileError
        The file cannot be read, a column is missing, or a value cannot be used; the message names row and column.
    FileError
        The observation has no sky coordinates, or lacks a point-spread table that is needed.
    """
    settings = settings or ApertureSettings()
    if not path.is_file():
        raise UnreadableFileError(path, "source list not found" if not path.exists() else "not a file but a directory")
    kind = Path(path.stem).suffix.lower() if path.suffix.lower() == ".gz" else path.suffix.lower()
    if kind == ".reg":
        listed = _from_regions(path, observation, settings)
    elif kind in _TABLE_FORMATS:
        listed = apertures_from_table(_read_table(path, _TABLE_FORMATS[kind]), path, observation, settings)
    else:
        allowed = ", ".join([*_TABLE_FORMATS, ".reg"])
        raise UnreadableFileError(path, f"unknown format of source list {kind!r}; allowed suffixes: {allowed}")
    return listed_in_field(listed, path, observation)


def listed_in_field(listed: Sequence[Aperture], where: Path, observation: Observation) -> SourceList:
    """Divide a list into the sources that lie on a detector and the others.

    Parameters
    ----------
    listed : sequence of Aperture
    where : Path
        File of the list, for error messages.
    observation : Observation

    Raises
    ------
    UnreadableFileError
        Two sources have the same name.
    """
    _check_unique_names(where, listed)
    seen = _in_field(observation, observation.require_projection(), listed)
    return SourceList(
        apertures=tuple(one for one, kept in zip(listed, seen, strict=True) if kept),
        outside=tuple(one.detection_id for one, kept in zip(listed, seen, strict=True) if not kept),
    )


def _in_field(observation: Observation, projection: SkyProjection, listed: Sequence[Aperture]) -> NDArray[np.bool_]:
    """Whether any part of each region lies on a detector."""
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


def _check_unique_names(path: Path, listed: Sequence[Aperture]) -> None:
    first: dict[str, int] = {}
    for row, one in enumerate(listed, start=1):
        if one.detection_id in first:
            rows = f"rows {first[one.detection_id]} and {row}"
            raise UnreadableFileError(path, f"{rows} have the same name {one.detection_id!r}; names must be unique")
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
    """Aperture of one row; NaN stands for a missing radius or error."""
    ra, dec = float(ra), float(dec)
    pos_err = None if np.isnan(error) else float(error)
    if np.isnan(radius):
        return aperture_at(observation, ra, dec, name, "source list", pos_err, settings)
    return _shaped(observation, Ellipse.circle(ra, dec, float(radius)), name, pos_err, settings)


def _shaped(
    observation: Observation, region: Ellipse | Polygon, name: str, error: float | None, settings: ApertureSettings
) -> Aperture:
    """Aperture of a region that the list gives."""
    spread = 0.0
    if observation.point_spread is not None:
        angle = off_axis_arcmin(observation, region.ra, region.dec) or 0.0
        spread = observation.point_spread.r50_and_r90(angle, settings.energy_kev)[1]
    annulus = surrounding_annulus(region.ra, region.dec, region.extent, spread, settings)
    return Aperture(name, region.ra, region.dec, region, annulus, error, "source list")


def _read_table(path: Path, file_format: str) -> Table:
    from astropy.table import Table

    try:
        with warnings.catch_warnings():
            # Warnings on units and keywords do no harm here; values are checked below.
            warnings.simplefilter("ignore")
            return Table.read(path, format=file_format)
    # The readers of four formats raise various exceptions; each means that the file is not of this format.
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
    """Read an optional column of positive angles, arcsec; NaN where the table or the row has none."""
    column = _column(table, accepted)
    if column is None:
        return np.full(len(table), np.nan)
    values = _numbers(path, table, column, "arcsec", gaps=True)
    _check_rows(path, column, values, values <= 0, "is not a positive angle in arcsec")
    return values


def _numbers(path: Path, table: Table, name: str, unit: str, *, gaps: bool = False) -> NDArray[np.float64]:
    """Read a column in the given unit; its own unit is converted, a column without one is in the given unit."""
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
        _check_rows(path, name, values, ~np.isfinite(values), "is not a number")
    if column.unit is not None and str(column.unit):
        try:
            return np.asarray((values * units.Unit(str(column.unit))).to_value(unit), dtype=np.float64)
        except (ValueError, TypeError):
            raise UnreadableFileError(path, f"column {name!r} is in {column.unit}; expected {unit}") from None
    return values


def _check_rows(path: Path, name: str, values: NDArray[np.float64], wrong: NDArray[np.bool_], why: str) -> None:
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
        Number in the list, from 1: the name of a region without text.
    observation : Observation
    settings : ApertureSettings, optional

    Raises
    ------
    ConfigError
        The region is excluded, or its shape is not that of a source.
    """
    projection, settings = observation.require_projection(), settings or ApertureSettings()
    if not region.meta.get("include", True):
        raise ConfigError(f"region {number} is excluded (-); remove it from the source list")
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
        Columns ra and dec, deg, and optionally id or name, radius_arcsec and pos_err_arcsec.
    where : Path
        File of the table, or a name for it, for error messages.
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
        raise UnreadableFileError(where, f"no column of {missing}; columns: {', '.join(table.colnames) or 'none'}")
    ra, dec = _numbers(where, table, ra_name, "deg"), _numbers(where, table, dec_name, "deg")
    _check_rows(where, ra_name, ra, (ra < -360) | (ra > 360), "is not a right ascension in deg")
    _check_rows(where, dec_name, dec, np.abs(dec) > 90, "is not a declination in deg")
    names = _names(table)
    radii, errors = _optional(where, table, _RADIUS), _optional(where, table, _ERROR)
    return [
        _aperture(observation, ra[i] % 360, dec[i], names[i], radii[i], errors[i], settings) for i in range(len(table))
    ]
