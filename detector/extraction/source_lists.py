"""Source lists (``--sources``): tables of positions and DS9 regions as apertures of one exposure.

Tables (FITS, VOTable, CSV, ECSV) give positions in ICRS degrees and may give a name, a radius and a position error.
Region files of DS9 and CIAO are in any celestial frame or in the sky pixels (X, Y) of the event list. A list takes the
place of source detection.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from xherald.photons.apertures import ApertureSettings, aperture_at, off_axis_arcmin, surrounding_annulus
from xherald.photons.errors import ConfigError, UnreadableFileError
from xherald.photons.footprint import field_footprint
from xherald.photons.observation import Observation
from xherald.photons.projection import SkyProjection, separation_deg
from xherald.photons.regions import Annulus, Aperture, Ellipse, Polygon

from .list_tables import TABLE_FORMATS, read_positions, read_table
from .sky_regions import place_regions, read_regions

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["SourceList", "apertures_from_regions", "apertures_from_table", "listed_in_field", "read_source_list"]

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
    notes : tuple of str
        Remarks on rows without a position.
    """

    apertures: tuple[Aperture, ...]
    outside: tuple[str, ...]
    notes: tuple[str, ...] = ()


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
    notes: tuple[str, ...] = ()
    if kind == ".reg":
        listed = _from_regions(path, observation, settings)
    elif kind in TABLE_FORMATS:
        listed, notes = apertures_from_table(read_table(path, TABLE_FORMATS[kind]), path, observation, settings)
    else:
        allowed = ", ".join([*TABLE_FORMATS, ".reg"])
        raise UnreadableFileError(path, f"unknown format of source list {kind!r}; allowed suffixes: {allowed}")
    return listed_in_field(listed, observation, notes)


def listed_in_field(listed: Sequence[Aperture], observation: Observation, notes: tuple[str, ...] = ()) -> SourceList:
    """Divide a list into the sources that lie on a detector and the others.

    Parameters
    ----------
    listed : sequence of Aperture
    observation : Observation
    notes : tuple of str — remarks on the list
    """
    seen = _in_field(observation, observation.require_projection(), listed)
    return SourceList(
        apertures=tuple(one for one, kept in zip(listed, seen, strict=True) if kept),
        outside=tuple(one.detection_id for one, kept in zip(listed, seen, strict=True) if not kept),
        notes=notes,
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


def _from_regions(path: Path, observation: Observation, settings: ApertureSettings) -> list[Aperture]:
    try:
        return apertures_from_regions(read_regions(path), observation, settings)
    except ConfigError as fault:
        raise UnreadableFileError(path, str(fault)) from fault


# ---------------------------------------------------------------------------------------------------- Python objects


def apertures_from_regions(
    regions: Iterable[Any], observation: Observation, settings: ApertureSettings | None = None
) -> list[Aperture]:
    """Apertures of regions, of a file or of the `regions` package.

    Excluded regions are cut out of the others. A region that is marked as background belongs to the source next to it;
    sources without one get an annulus.

    Parameters
    ----------
    regions : iterable
        See `parse_regions`.
    observation : Observation
    settings : ApertureSettings, optional

    Raises
    ------
    ConfigError
        A region has a shape or numbers that are not supported.
    """
    settings = settings or ApertureSettings()
    placed = place_regions(regions, observation.require_projection())
    backgrounds = [one for one in placed if one.is_background and not isinstance(one.shape, tuple)]
    found = []
    for one in placed:
        if one.is_background:
            continue
        if isinstance(one.shape, tuple):
            aperture = aperture_at(observation, one.ra, one.dec, one.name, "source list", None, settings)
        else:
            assert not isinstance(one.shape, Annulus)
            aperture = _shaped(observation, one.shape, one.name, None, settings)
            aperture = replace(aperture, ra=one.ra, dec=one.dec)
        if backgrounds:
            apart = [float(separation_deg(one.ra, one.dec, other.ra, other.dec)) for other in backgrounds]
            shape = backgrounds[int(np.argmin(apart))].shape
            assert not isinstance(shape, tuple)
            aperture = replace(aperture, background=shape)
        found.append(aperture)
    if not found:
        raise ConfigError("has no source region, only excluded ones and backgrounds")
    return found


def apertures_from_table(
    table: Table, where: Path, observation: Observation, settings: ApertureSettings | None = None
) -> tuple[list[Aperture], tuple[str, ...]]:
    """Apertures of the rows of a table of positions.

    Parameters
    ----------
    table : astropy.table.Table
        Columns ra and dec, deg, and optionally id or name, radius_arcsec and pos_err_arcsec.
    where : Path
        File of the table, or a name for it, for error messages.
    observation : Observation
    settings : ApertureSettings, optional

    Returns
    -------
    list of Aperture
    tuple of str
        Remarks on rows that were left out.

    Raises
    ------
    UnreadableFileError
        A column is missing or a value cannot be used; the message names row and column.
    """
    settings = settings or ApertureSettings()
    listed = read_positions(table, where)
    columns = zip(listed.names, listed.ra, listed.dec, listed.radius, listed.error, strict=True)
    return [_aperture(observation, ra, dec, name, size, error, settings) for name, ra, dec, size, error in columns], (
        listed.notes
    )
