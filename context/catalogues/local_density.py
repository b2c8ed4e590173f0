"""Number of sources of a catalogue per square degree around positions, with its Poisson error: `measure_density`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xherald.photons.arrays import F64

from .catalogue import Catalogue

__all__ = ["MIN_COUNT", "LocalDensity", "measure_density"]

MIN_COUNT: Final = 25
"""Sources in the annulus, for an error of 20 %."""

EXPECTED_OVER_MIN: Final = 4.0
"""Expected sources in the first annulus, relative to the smallest number, so that few have to be enlarged."""

MIN_OUTER_ARCSEC: Final = 60.0
MAX_OUTER_ARCSEC: Final = 9_600.0
SQUARE_DEG_PER_SR: Final = (180.0 / np.pi) ** 2
TAIL: Final = 0.158655254
"""Probability beyond 1 sigma, on either side."""


@dataclass(frozen=True, slots=True, eq=False)
class LocalDensity:
    """Densities around n positions.

    Parameters
    ----------
    count : ndarray, shape (n,), int64 — sources in the annulus
    outer_arcsec : ndarray, shape (n,) — outer radius of the annulus
    per_deg2 : ndarray, shape (n,) — sources per square degree
    low_per_deg2, high_per_deg2 : ndarray, shape (n,)
        68 % confidence limits of the Poisson distribution (Gehrels 1986, ApJ 303, 336, equations 7 and 12); the upper
        one is positive also where there is no source.
    """

    count: NDArray[np.int64]
    outer_arcsec: F64
    per_deg2: F64
    low_per_deg2: F64
    high_per_deg2: F64


def measure_density(
    catalogue: Catalogue, ra_deg: ArrayLike, dec_deg: ArrayLike, inner_arcsec: ArrayLike, *, min_count: int = MIN_COUNT
) -> LocalDensity:
    """Measure the density of a catalogue in annuli around positions.

    The outer radius is that at which four times the smallest number is expected from the density of the surroundings,
    at least 1 arcmin and four times the inner radius; it doubles up to 2.7 deg until the annulus holds enough sources.
    Where an annulus reaches beyond the area that the catalogue covers, the density is too low.

    Parameters
    ----------
    catalogue : Catalogue
    ra_deg, dec_deg : array_like, shape (n,)
    inner_arcsec : array_like, shape (n,) or a number
        Radius within which sources are not counted, because one may be the counterpart.
    min_count : int
        Smallest number of sources in an annulus.
    """
    from scipy.special import gammaincinv

    ra, dec = (np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in (ra_deg, dec_deg))
    inner = np.broadcast_to(np.asarray(inner_arcsec, dtype=np.float64), ra.shape)
    expected = EXPECTED_OVER_MIN * min_count / np.maximum(catalogue.coarse_density(ra, dec), 1e-9)
    outer = np.clip(3600 * np.sqrt(expected / np.pi), MIN_OUTER_ARCSEC, MAX_OUTER_ARCSEC)
    outer = np.maximum(outer, 4 * inner)
    count = np.zeros(len(ra), dtype=np.int64)
    todo = np.arange(len(ra))
    while len(todo):
        count[todo] = catalogue.count(ra[todo], dec[todo], inner[todo], outer[todo])
        todo = todo[(count[todo] < min_count) & (2 * outer[todo] <= MAX_OUTER_ARCSEC)]
        outer[todo] *= 2
    inside, outside = (np.radians(one / 3600) for one in (inner, outer))
    # 1 - cos r = 2 sin² (r / 2), which is accurate for small radii.
    area = 4 * np.pi * (np.sin(outside / 2) ** 2 - np.sin(inside / 2) ** 2) * SQUARE_DEG_PER_SR
    low = np.where(count > 0, gammaincinv(np.maximum(count, 1), TAIL), 0.0)
    high = gammaincinv(count + 1.0, 1 - TAIL)
    return LocalDensity(count, outer, count / area, low / area, high / area)
