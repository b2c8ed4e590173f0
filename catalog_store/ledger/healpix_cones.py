"""Positions as nested HEALPix indices of the finest order, in which a cone is a few ranges.

A pixel of a coarser order is a range of finer ones in the nested scheme (Górski et al. 2005, ApJ 622, 759, section 4),
so that one indexed column serves cones of any radius. The ranges cover slightly more than the cone; the rest is removed
by the exact separation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import numpy as np
from sqlalchemy import ColumnElement, Row, or_

from xherald.photons.arrays import F64
from xherald.photons.errors import StoreError
from xherald.photons.projection import separation_deg

__all__ = ["ORDER", "Cone", "compute_healpix", "cone_ranges", "in_cone", "separations_from_centre"]

Cone = tuple[float, float, float]
"""Right ascension, declination and radius, deg, ICRS."""

ORDER: Final = 29
"""The finest order whose indices fit a signed 64-bit integer; its pixels measure 0.0004 arcsec."""

PIXELS: Final = 12 * 4**ORDER

ORDER_0_SIDE_DEG: Final = 58.632
"""Side of a pixel of order 0, the root of its area 4π/12; each order halves it."""

MAX_CONE_DEG: Final = 30.0
"""For wider cones the whole sky is read, of which they are a large part."""


def compute_healpix(ra_deg: Sequence[float | None], dec_deg: Sequence[float | None]) -> list[int | None]:
    """Indices of positions; None where a coordinate is None."""
    from astropy import units
    from astropy_healpix import lonlat_to_healpix

    position = np.array([ra_deg, dec_deg], dtype=np.float64)  # None becomes NaN
    known = np.isfinite(position).all(axis=0)
    found: list[int | None] = [None] * position.shape[1]
    if known.any():
        lon, lat = position[:, known] * units.deg
        indices = lonlat_to_healpix(lon, lat, nside=2**ORDER, order="nested")
        for where, index in zip(np.flatnonzero(known).tolist(), indices.tolist(), strict=True):
            found[where] = index
    return found


def cone_ranges(ra_deg: float, dec_deg: float, radius_deg: float) -> list[tuple[int, int]]:
    """Ranges of indices, first and last, that contain every position in a cone.

    Raises
    ------
    StoreError
        A coordinate or the radius is out of range.
    """
    from astropy import units
    from astropy_healpix.core import healpix_cone_search

    if not (0 <= ra_deg <= 360 and -90 <= dec_deg <= 90 and 0 < radius_deg <= 180):
        raise StoreError(
            f"cone with ra {ra_deg}, dec {dec_deg}, radius {radius_deg} deg: not on the sky; ra must be 0 to 360, "
            "dec -90 to 90, radius above 0 and at most 180"
        )
    if radius_deg > MAX_CONE_DEG:
        return [(0, PIXELS - 1)]
    # Pixels of half the radius: about twenty of them cover the cone, with a third more than its area.
    order = int(np.clip(np.ceil(np.log2(ORDER_0_SIDE_DEG / (radius_deg / 2))), 0, ORDER))
    found = healpix_cone_search(
        ra_deg * units.deg, dec_deg * units.deg, radius_deg * units.deg, nside=2**order, order="nested"
    )
    pixels = np.unique(found)
    starts = np.flatnonzero(np.diff(pixels, prepend=pixels[0] - 2) != 1)
    stops = np.append(starts[1:], len(pixels)) - 1
    finer = 2 * (ORDER - order)
    return [
        (int(first) << finer, ((int(last) + 1) << finer) - 1)
        for first, last in zip(pixels[starts].tolist(), pixels[stops].tolist(), strict=True)
    ]


def in_cone(column: ColumnElement[Any], near: Cone) -> ColumnElement[bool]:
    """Condition that a column of HEALPix indices is in a cone, or in a pixel on its edge."""
    return or_(*(column.between(first, last) for first, last in cone_ranges(*near)))


class _Positioned(Protocol):
    @property
    def ra_deg(self) -> float | None: ...

    @property
    def dec_deg(self) -> float | None: ...


def separations_from_centre(rows: Sequence[_Positioned] | Sequence[Row[Any]], near: Cone) -> F64:
    """Exact distances of rows from the centre of a cone, deg."""
    positions = np.array([(row.ra_deg, row.dec_deg) for row in rows], dtype=np.float64).reshape(-1, 2)
    return separation_deg(positions[:, 0], positions[:, 1], near[0], near[1])
