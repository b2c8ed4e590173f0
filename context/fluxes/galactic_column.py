"""Column density of hydrogen of the Galaxy in a direction: from a user's all-sky map, or a coarse approximation.

Maps are HEALPix FITS tables, such as HI4PI (HI4PI Collaboration 2016, A&A 594, A116) or those of NASA's LAMBDA; they
are not shipped. Without one the column is that of a plane-parallel layer, wrong by a factor of two or more.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64
from xherald.photons.errors import UnreadableFileError
from xherald.photons.sky_position import TO_GALACTIC

__all__ = ["GalacticColumns", "galactic_columns", "layer_column"]


DENSITIES_CM3: Final = (0.395, 0.107, 0.064)
"""Hydrogen atoms in the plane: two Gaussians and an exponential (Dickey & Lockman 1990, ARA&A 28, 215, vertical
distribution between 4 and 8 kpc from the centre); 3.1e20 cm⁻² from the plane upwards."""

FWHM_PC: Final = (212.0, 530.0)

SCALE_HEIGHT_PC: Final = 403.0

PATH_PC: Final = 10_000.0
"""Length of a line of sight within the plane."""

LOCAL_DEFICIT_CM2: Final = 1.5e20
"""Column that is missing near the Sun: without it, that of high latitudes would be twice the 1.5e20 cm⁻² observed."""

MIN_COLUMN_CM2: Final = 5e19
"""About the smallest column in the sky (Lockman, Jahoda & McCammon 1986, ApJ 302, 432)."""

LAYER_ERROR_DEX: Final = ((10.0, 0.5), (30.0, 0.3), (90.0, 0.25))
"""Standard deviation of log N_H of the layer below each Galactic latitude, deg: from well-known directions."""

MAP_ERROR_DEX: Final = 0.1
"""Of a map: scatter within its beam, molecular hydrogen and helium not counted."""

CM_PER_PC: Final = 3.0857e18


@dataclass(frozen=True, slots=True, eq=False)
class GalacticColumns:
    """Columns of n directions.

    Parameters
    ----------
    nh_cm2 : ndarray, shape (n,) — hydrogen atoms cm⁻² through the whole Galaxy; sources within it have less
    error_dex : ndarray, shape (n,) — standard deviation of log10
    source : str — file name of the map, or "plane-parallel layer"
    """

    nh_cm2: F64
    error_dex: F64
    source: str


def galactic_columns(ra_deg: ArrayLike, dec_deg: ArrayLike, map_path: Path | None = None) -> GalacticColumns:
    """Columns of directions, from a map if there is one.

    Parameters
    ----------
    ra_deg, dec_deg : array_like, shape (n,) — ICRS
    map_path : Path, optional
        HEALPix FITS table; pixels without a value have that of the layer.

    Raises
    ------
    UnreadableFileError
        The map is not a HEALPix table of columns.
    """
    longitude, latitude = _to_galactic(np.asarray(ra_deg, np.float64), np.asarray(dec_deg, np.float64))
    layer = layer_column(latitude)
    limits, errors = np.array(LAYER_ERROR_DEX).T
    error = errors[np.minimum(np.searchsorted(limits, np.abs(latitude)), len(errors) - 1)]
    if map_path is None:
        return GalacticColumns(layer, error, "plane-parallel layer")
    values, ring, is_galactic = _load_map(map_path)
    from astropy_healpix import healpy as hp

    lon, lat = (longitude, latitude) if is_galactic else (np.asarray(ra_deg), np.asarray(dec_deg))
    pixel = hp.ang2pix(hp.npix2nside(len(values)), lon, lat, lonlat=True, nest=not ring)
    found = values[pixel]
    is_known = np.isfinite(found) & (found > 0)
    return GalacticColumns(np.where(is_known, found, layer), np.where(is_known, MAP_ERROR_DEX, error), map_path.name)


def layer_column(latitude_deg: ArrayLike) -> F64:
    """Column of a plane-parallel layer, hydrogen atoms cm⁻².

    Parameters
    ----------
    latitude_deg : array_like — Galactic latitude
    """
    from scipy.special import erf

    sine = np.maximum(np.abs(np.sin(np.radians(np.asarray(latitude_deg, dtype=np.float64)))), 1e-6)
    length = np.zeros_like(sine)
    for density, fwhm in zip(DENSITIES_CM3, FWHM_PC, strict=False):
        sigma = fwhm / 2.354820045
        length = length + density * sigma * np.sqrt(np.pi / 2) / sine * erf(PATH_PC * sine / sigma / np.sqrt(2.0))
    length = length + DENSITIES_CM3[2] * SCALE_HEIGHT_PC / sine * -np.expm1(-PATH_PC * sine / SCALE_HEIGHT_PC)
    column: F64 = np.maximum(length * CM_PER_PC - LOCAL_DEFICIT_CM2, MIN_COLUMN_CM2)
    return column


def _to_galactic(ra: F64, dec: F64) -> tuple[F64, F64]:
    """Galactic longitude and latitude of many positions, deg; astropy takes 0.5 s to start."""
    lon, lat = np.radians(np.atleast_1d(ra)), np.radians(np.atleast_1d(dec))
    vector = np.stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])
    x, y, z = TO_GALACTIC @ vector
    return np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arcsin(np.clip(z, -1.0, 1.0)))


@functools.lru_cache(maxsize=2)
def _load_map(path: Path) -> tuple[F64, bool, bool]:
    """Columns, cm⁻², whether pixels are in ring order, and whether coordinates are Galactic."""
    from astropy.io import fits

    try:
        with fits.open(path) as hdus:
            table = next((one for one in hdus if str(one.header.get("PIXTYPE", "")).upper() == "HEALPIX"), None)
            if table is None:
                raise UnreadableFileError(path, "not a HEALPix table: no extension has PIXTYPE = HEALPIX")
            header, names = table.header, [str(name) for name in table.columns.names]
            name = next((one for one in names if one.upper() in {"NHI", "NH", "LOGNH"}), names[0])
            values = np.asarray(table.data[name], dtype=np.float64).ravel()
    except (OSError, ValueError, TypeError) as fault:
        raise UnreadableFileError(path, f"cannot be read as a map of Galactic columns: {fault}") from fault
    nside = int(header.get("NSIDE", 0))
    if len(values) != 12 * nside**2 or nside < 1:
        raise UnreadableFileError(path, f"{len(values)} pixels, but NSIDE is {nside}: a map of the whole sky is needed")
    if name.upper() == "LOGNH":
        values = 10.0**values
    is_valid = np.isfinite(values) & (values > 0)
    median = float(np.median(values[is_valid])) if is_valid.any() else 0.0
    if not 1e19 < median < 1e23:
        raise UnreadableFileError(path, f"column {name} has the median {median:.3g}, which is not a column in cm^-2")
    coordinates = str(header.get("COORDSYS", "G")).strip().upper()
    if coordinates[:1] not in {"G", "C"}:
        raise UnreadableFileError(path, f"COORDSYS is {coordinates!r}: Galactic (G) and equatorial (C) are supported")
    return values, str(header.get("ORDERING", "RING")).strip().upper() == "RING", coordinates[:1] == "G"
