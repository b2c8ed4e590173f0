"""Source lists delivered with event files: positions from a FITS table, apertures from the point spread."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Aperture, Observation
from xherald.photons.errors import UnreadableFileError
from xherald.plugins import ReadLimits

from .fits_files import FitsFile, Hdu, open_fits

__all__ = ["SourceListLayout", "read_source_list"]

_ARCSEC = {"arcsec": 1.0, "arcmin": 60.0, "deg": 3600.0}


@dataclass(frozen=True, slots=True)
class SourceListLayout:
    """Columns of a mission's source list.

    Parameters
    ----------
    ra, dec : str — deg
    error : tuple of str
        Columns of the 68 % position error, in order of preference; TUNIT must be an angle.
    identifier : tuple of str
        Columns of the source number, in order of preference; the row number without any.
    summary : tuple of str
        Columns that are 0 in the summary row of a source; other rows are of one camera or band.
    """

    ra: str = "RA"
    dec: str = "DEC"
    error: tuple[str, ...] = ()
    identifier: tuple[str, ...] = ()
    summary: tuple[str, ...] = ()


def read_source_list(observation: Observation, path: Path, layout: SourceListLayout) -> list[Aperture]:
    """Apertures of the sources in a list, named by observation and source number.

    Raises
    ------
    UnreadableFileError
        The file has no table with the position columns.
    """
    from xherald.photons.apertures import aperture_at

    with open_fits(path, ReadLimits()) as file:
        table = _table(file, layout)
        selected = np.ones(table.rows, dtype=np.bool_)
        for name in layout.summary:
            if name.upper() in table.columns:
                selected &= file.column(table, name) == 0
        ra, dec = (file.column(table, name)[selected].astype(np.float64) for name in (layout.ra, layout.dec))
        numbers = _first(file, table, layout.identifier)
        numbers = (np.arange(1, table.rows + 1) if numbers is None else numbers)[selected]
        errors = _errors(file, table, layout.error, selected)
    spread = observation.point_spread
    astrometry = spread.astrometry_arcsec if spread else 0.0
    return [
        aperture_at(
            observation,
            float(ra[i]),
            float(dec[i]),
            f"{observation.obs_id}_{numbers[i]}",
            "source list",
            None if errors is None or not np.isfinite(errors[i]) else math.hypot(float(errors[i]), astrometry),
        )
        for i in np.flatnonzero(np.isfinite(ra) & np.isfinite(dec))
    ]


def _table(file: FitsFile, layout: SourceListLayout) -> Hdu:
    for hdu in file.hdus:
        if layout.ra.upper() in hdu.columns and layout.dec.upper() in hdu.columns:
            return hdu
    raise UnreadableFileError(file.path, f"source list has no table with columns {layout.ra}, {layout.dec}")


def _first(file: FitsFile, table: Hdu, names: Sequence[str]) -> NDArray[np.generic] | None:
    return next((file.column(table, name) for name in names if name.upper() in table.columns), None)


def _errors(file: FitsFile, table: Hdu, names: Sequence[str], chosen: NDArray[np.bool_]) -> NDArray[np.float64] | None:
    """Position errors, arcsec; None without such a column or with an unknown unit."""
    for name in names:
        if name.upper() not in table.columns:
            continue
        unit = str(table.header.get(f"TUNIT{table.require(name).number}", "")).lower()
        if unit in _ARCSEC:
            return file.column(table, name)[chosen].astype(np.float64) * _ARCSEC[unit]
    return None
