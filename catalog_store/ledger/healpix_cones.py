"""Places on the sky as whole numbers: nested HEALPix indices of the finest order, so that a cone is a few ranges.

A pixel of a coarser order is a range of finer ones in the nested scheme (Górski et al. 2005, ApJ 622, 759, section 4):
one indexed column answers cones of any radius. The ranges cover the cone and a little more, which is cut by separation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from xherald.photons.errors import StoreError

__all__ = ["ORDER", "cone_ranges", "healpix_of"]

ORDER: Final = 29
"""The finest whose indices a signed 64-bit integer holds: pixels of 0.0004 arcsec."""

PIXELS: Final = 12 * 4**ORDER

COARSEST_DEG: Final = 58.632
"""Side of a pixel of order 0, the root of its area of 4π/12; each order halves it."""

WIDE_DEG: Final = 30.0
"""Cones wider than this are most of what they would leave out: the whole sky is read."""


def healpix_of(ra: Sequence[float | None], dec: Sequence[float | None]) -> list[int | None]:
    """Indices of places, deg; None where either is None."""
    from astropy import units
    from astropy_healpix import lonlat_to_healpix

    place = np.array([ra, dec], dtype=np.float64)  # None becomes NaN
    known = np.isfinite(place).all(axis=0)
    found: list[int | None] = [None] * place.shape[1]
    if known.any():
        lon, lat = place[:, known] * units.deg
        indices = lonlat_to_healpix(lon, lat, nside=2**ORDER, order="nested")
        for where, index in zip(np.flatnonzero(known).tolist(), indices.tolist(), strict=True):
            found[where] = index
    return found


def cone_ranges(ra: float, dec: float, radius: float) -> list[tuple[int, int]]:
    """Ranges of indices, first and last, that every place within `radius` of (`ra`, `dec`), deg, falls in.

    Raises
    ------
    StoreError
        It is no cone.
    """
    from astropy import units
    from astropy_healpix.core import healpix_cone_search

    if not (0 <= ra <= 360 and -90 <= dec <= 90 and 0 < radius <= 180):
        raise StoreError(
            f"no cone: ra {ra}, dec {dec}, radius {radius} deg; ra 0 to 360, dec -90 to 90, radius above 0"
        )
    if radius > WIDE_DEG:
        return [(0, PIXELS - 1)]
    # Pixels of half the radius: some twenty of them cover the cone, with a third more than its area.
    order = int(np.clip(np.ceil(np.log2(COARSEST_DEG / (radius / 2))), 0, ORDER))
    found = healpix_cone_search(ra * units.deg, dec * units.deg, radius * units.deg, nside=2**order, order="nested")
    pixels = np.unique(found)
    starts = np.flatnonzero(np.diff(pixels, prepend=pixels[0] - 2) != 1)
    stops = np.append(starts[1:], len(pixels)) - 1
    finer = 2 * (ORDER - order)
    return [
        (int(first) << finer, ((int(last) + 1) << finer) - 1)
        for first, last in zip(pixels[starts].tolist(), pixels[stops].tolist(), strict=True)
    ]
