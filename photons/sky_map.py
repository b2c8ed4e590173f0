"""Coarse map of an exposure, for upper limits at positions without a detection: `SkyMap`.

In HEALPix pixels about as large as the point spread, the map has the counts, the expected background counts and the
livetime. `source_detection.map_field` creates it after extraction; the store keeps it with the detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xherald.photons.arrays import F64, I64

from .pointspread import PointSpread
from .projection import separation_deg

__all__ = [
    "MAX_ORDER",
    "MIN_ORDER",
    "SkyMap",
    "SkyMapSample",
    "SkyMapSamples",
    "healpix_centre",
    "healpix_index",
    "pixel_side_arcsec",
]


ENCLOSED_FRACTION: Final = 0.90
"""Fraction of the point spread whose pixels are summed."""

MIN_EXPOSURE_FRACTION: Final = 0.3
"""Fraction of the largest livetime of the map below which a position counts as not observed."""

N_RADII, N_ANGLES = 20, 24
"""Sample points of the point spread, each representing the same number of photons: exposures to 1 %."""

MAX_SAMPLED_TOGETHER: Final = 500
"""Positions that are sampled at once, which bounds the memory to some 50 MB."""

MIN_ORDER, MAX_ORDER = 6, 18
"""Range of HEALPix orders: pixels of 55 arcmin to 0.8 arcsec."""

ORDER_0_SIDE_ARCSEC: Final = 58.632 * 3600
"""Side of a pixel of order 0, arcsec; each order halves it."""


def pixel_side_arcsec(order: int) -> float:
    """Side of a HEALPix pixel, the square root of its area."""
    return float(ORDER_0_SIDE_ARCSEC / 2**order)


def healpix_index(ra: ArrayLike, dec: ArrayLike, order: int) -> I64:
    """Nested HEALPix indices of positions in deg (Górski et al. 2005, ApJ 622, 759)."""
    from astropy import units
    from astropy_healpix import lonlat_to_healpix

    lon, lat = np.asarray(ra, dtype=np.float64) * units.deg, np.asarray(dec, dtype=np.float64) * units.deg
    return np.asarray(lonlat_to_healpix(lon, lat, nside=2**order, order="nested"), dtype=np.int64)


def healpix_centre(pixels: I64, order: int) -> tuple[F64, F64]:
    """Right ascension and declination, deg, of the centres of nested HEALPix pixels."""
    from astropy_healpix import healpix_to_lonlat

    lon, lat = healpix_to_lonlat(pixels, nside=2**order, order="nested")
    return np.asarray(lon.to_value("deg")), np.asarray(lat.to_value("deg"))


@dataclass(frozen=True, slots=True, eq=False)
class SkyMapSample:
    """Counts and exposure of a position in a `SkyMap`.

    Parameters
    ----------
    counts : int
    background : float — expected background counts
    exposure_s : float — s, livetime times the fraction of the point spread in the pixels
    pixels : ndarray, shape (p,), int64 — nested indices of the summed pixels
    """

    counts: int
    background: float
    exposure_s: float
    pixels: I64


@dataclass(frozen=True, slots=True, eq=False)
class SkyMapSamples:
    """Counts and exposure of positions in a `SkyMap`.

    Parameters
    ----------
    counts : ndarray, shape (n,), int64
    background : ndarray, shape (n,), float64 — expected background counts
    exposure_s : ndarray, shape (n,), float64
        Livetime times the fraction of the point spread in the pixels, s; 0 outside the field.
    pixels : ndarray, shape (p,), int64 — nested indices of the summed pixels of all positions, one after another
    offsets : ndarray, shape (n + 1,), int64 — where those of each position begin
    """

    counts: I64
    background: F64
    exposure_s: F64
    pixels: I64
    offsets: I64


@dataclass(frozen=True, slots=True, eq=False)
class SkyMap:
    """Counts, background and livetime of a field, or of a part of it.

    Parameters
    ----------
    order : int — HEALPix order of the pixels
    pixels : ndarray, shape (k,), int64 — nested indices, ascending
    counts : ndarray, shape (k,), int32 — photons in the instrument's band
    background : ndarray, shape (k,), float64 — expected background counts
    livetime : ndarray, shape (k,), float64 — s, averaged over the pixel, 0 off the detectors
    point_spread : PointSpread
    pointing : (float, float) or None — deg, the optical axis
    """

    order: int
    pixels: I64
    counts: NDArray[np.int32]
    background: F64
    livetime: F64
    point_spread: PointSpread
    pointing: tuple[float, float] | None

    def sample(self, ra: float, dec: float, error_arcsec: float = 0.0) -> SkyMapSample | None:
        """Sum the map over the point spread at one position, as `sample_many`; None outside the field."""
        found = self.sample_many([ra], [dec], [error_arcsec])
        if not found.exposure_s[0] > 0:
            return None
        return SkyMapSample(int(found.counts[0]), float(found.background[0]), float(found.exposure_s[0]), found.pixels)

    def sample_many(self, ra: ArrayLike, dec: ArrayLike, error_arcsec: ArrayLike) -> SkyMapSamples:
        """Sum the map over the point spread at positions.

        The sum includes all pixels that the inner 90 % of the point spread overlaps, with the position error (68 %
        radius) added to all radii in quadrature. The exposure is the mean livetime of these pixels weighted by the
        point spread, without vignetting. Photons of nearby sources are included, so that an upper limit there is
        conservative.

        Parameters
        ----------
        ra, dec, error_arcsec : array_like, shape (n,) — deg, arcsec

        Returns
        -------
        SkyMapSamples
        """
        places = [np.asarray(part, dtype=np.float64) for part in (ra, dec, error_arcsec)]
        parts = [
            self._sum_pixels(*(part[begin : begin + MAX_SAMPLED_TOGETHER] for part in places))
            for begin in range(0, len(places[0]), MAX_SAMPLED_TOGETHER)
        ]
        if not parts:
            parts = [self._sum_pixels(*places)]
        counts, background, exposure, pixels, lengths = (np.concatenate(part) for part in zip(*parts, strict=True))
        return SkyMapSamples(counts, background, exposure, pixels, np.concatenate([[0], np.cumsum(lengths)]))

    def _sum_pixels(self, ra: F64, dec: F64, error_arcsec: F64) -> tuple[I64, F64, F64, I64, I64]:
        """Counts, background and exposure at positions; the pixels that are summed, and how many at each position."""
        n, size = len(ra), len(self.pixels)
        if not (n and size):
            return np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(n), np.zeros(0, np.int64), np.zeros(n, np.int64)
        sampled, is_inner = self._sample_pixels(ra, dec, error_arcsec)
        row = np.minimum(np.searchsorted(self.pixels, sampled), size - 1)
        is_mapped = self.pixels[row] == sampled
        key = np.arange(n)[:, None] * size + row
        summed = np.unique(key[:, is_inner][is_mapped[:, is_inner]])
        place, rows = np.divmod(summed, size)
        # Beyond the inner part only photons in the pixels that are summed are counted.
        is_counted = is_mapped & (is_inner | np.isin(key, summed))
        exposure = (self.livetime[row] * is_counted).sum(axis=1) / sampled.shape[1]
        exposure[exposure < MIN_EXPOSURE_FRACTION * float(self.livetime.max())] = 0.0
        counts = np.bincount(place, self.counts[rows], n).astype(np.int64)
        background = np.asarray(np.bincount(place, self.background[rows], n), dtype=np.float64)
        lengths = np.bincount(place, minlength=n).astype(np.int64)
        return counts, background, exposure, self.pixels[rows], lengths

    def _sample_pixels(self, ra: F64, dec: F64, error_arcsec: F64) -> tuple[I64, NDArray[np.bool_]]:
        """Pixels of equally weighted sample points of the point spread, and which of these are in its inner part.

        Shapes (n, points), (points,).
        """
        angle = np.zeros(len(ra)) if self.pointing is None else separation_deg(ra, dec, *self.pointing) * 60.0
        core, slope = self.point_spread.kings(angle)
        fraction = (np.arange(N_RADII) + 0.5) / N_RADII
        radius = core[:, None] * np.sqrt((1.0 - fraction) ** (-1.0 / slope[:, None]) - 1.0)
        radius = np.hypot(radius, error_arcsec[:, None])[:, :, None]
        turn = 2 * np.pi * (np.arange(N_ANGLES)[None, :] + 0.5 * (np.arange(N_RADII)[:, None] % 2)) / N_ANGLES
        east, north = ((radius * part).reshape(len(ra), -1) for part in (np.cos(turn), np.sin(turn)))
        lat = np.clip(dec[:, None] + north / 3600.0, -90.0, 90.0)
        lon = (ra[:, None] + east / 3600.0 / np.maximum(np.cos(np.radians(lat)), 1e-9)) % 360.0
        return healpix_index(lon, lat, self.order), np.repeat(fraction <= ENCLOSED_FRACTION, N_ANGLES)
