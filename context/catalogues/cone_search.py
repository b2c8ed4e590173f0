"""Arithmetic of cone searches: HEALPix ranges that cover cones, rows within ranges, proper motion.

All functions are vectorised over positions; there is no special case at the poles or at RA = 0.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from xherald.photons.arrays import F64, I64
from xherald.photons.projection import separation_deg

from .standard_rows import HEALPIX_ORDER

__all__ = ["carry_to_epoch", "cover_cones", "expand_ranges", "separation_arcsec"]

MIN_WIDTH: Final = 0.5
"""Lower limit of the width of a HEALPix pixel, in units of 1/nside rad: from its interior, the eight neighbours extend
at least as far. The smallest distance from a pixel to beyond its neighbours is 0.69, beside the poles."""

MAS_PER_DEG: Final = 3_600_000.0


def cover_cones(ra_deg: F64, dec_deg: F64, radius_deg: F64) -> tuple[I64, I64, I64]:
    """Ranges of nested indices of order 29 that contain all positions within cones.

    The pixel of a cone's centre and its neighbours cover it if they are at least as wide as its radius. All cones have
    pixels of the same order, that of the widest one.

    Parameters
    ----------
    ra_deg, dec_deg, radius_deg : ndarray, shape (n,)

    Returns
    -------
    (first, stop, cone) : ndarray of int64
        Indices from ``first`` to below ``stop``, in ascending order, and the cone that each range belongs to; those of
        one cone do not overlap.
    """
    from astropy import units
    from astropy_healpix import lonlat_to_healpix, neighbours

    widest = np.radians(float(radius_deg.max(initial=0.0)))
    order = int(np.clip(np.floor(np.log2(MIN_WIDTH / max(widest, 1e-12))), -1, HEALPIX_ORDER))
    if order < 0:
        everything = np.full(len(ra_deg), 12 << (2 * HEALPIX_ORDER), dtype=np.int64)
        return np.zeros(len(ra_deg), dtype=np.int64), everything, np.arange(len(ra_deg), dtype=np.int64)
    centre = lonlat_to_healpix(ra_deg * units.deg, dec_deg * units.deg, 2**order, order="nested")
    with np.errstate(invalid="ignore"):
        around = neighbours(centre, 2**order, order="nested")  # -1 where a pixel has only seven
    pixels = np.sort(np.concatenate([centre[np.newaxis], around]).T.astype(np.int64), axis=1)
    is_new = (np.diff(pixels, axis=1, prepend=-1) != 0) & (pixels >= 0)
    cone, _ = np.nonzero(is_new)
    first = pixels[is_new] << (2 * (HEALPIX_ORDER - order))
    by_index = np.argsort(first, kind="stable")
    first = first[by_index]
    return first, first + (1 << (2 * (HEALPIX_ORDER - order))), cone[by_index].astype(np.int64)


def expand_ranges(start: I64, stop: I64) -> tuple[I64, I64]:
    """All integers of ranges.

    Parameters
    ----------
    start, stop : ndarray, shape (n,)

    Returns
    -------
    (value, range) : ndarray, shape (total,)
        Each integer, and the index of the range it belongs to.
    """
    lengths = np.maximum(stop - start, 0)
    which = np.repeat(np.arange(len(start), dtype=np.int64), lengths)
    before = np.cumsum(lengths) - lengths
    return start[which] + np.arange(len(which), dtype=np.int64) - before[which], which


def carry_to_epoch(ra_deg: F64, dec_deg: F64, pm_ra_mas_yr: F64, pm_dec_mas_yr: F64, years: F64) -> tuple[F64, F64]:
    """Positions after some years of uniform motion on a straight line tangential to the sphere.

    As in the Hipparcos and Gaia catalogues (ESA SP-1200, volume 1, section 1.5.5) with parallax and radial velocity
    neglected. Sources without a known motion or epoch do not move.

    Parameters
    ----------
    ra_deg, dec_deg : ndarray
    pm_ra_mas_yr, pm_dec_mas_yr : ndarray — the former times cos(dec); NaN if unknown
    years : ndarray — NaN if unknown

    Returns
    -------
    (ra_deg, dec_deg)
    """
    still = ~np.isfinite(pm_ra_mas_yr + pm_dec_mas_yr + years)
    moved_mas = (np.where(still, 0.0, pm * years) for pm in (pm_ra_mas_yr, pm_dec_mas_yr))
    east, north = (np.radians(one / MAS_PER_DEG) for one in moved_mas)
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    sin_ra, cos_ra, sin_dec, cos_dec = np.sin(ra), np.cos(ra), np.sin(dec), np.cos(dec)
    x = cos_dec * cos_ra - east * sin_ra - north * sin_dec * cos_ra
    y = cos_dec * sin_ra + east * cos_ra - north * sin_dec * sin_ra
    z = sin_dec + north * cos_dec
    moved_ra = np.degrees(np.arctan2(y, x)) % 360
    moved_dec = np.degrees(np.arctan2(z, np.hypot(x, y)))
    return np.where(still, ra_deg, moved_ra), np.where(still, dec_deg, moved_dec)


def separation_arcsec(ra1: F64, dec1: F64, ra2: F64, dec2: F64) -> F64:
    """Angular separations, arcsec."""
    return 3600.0 * separation_deg(ra1, dec1, ra2, dec2)
