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

__all__ = ["MAX_ORDER", "MIN_ORDER", "SkyMap", "SkyMapSample", "healpix_centre", "healpix_index", "pixel_side_arcsec"]


ENCLOSED_FRACTION: Final = 0.90
"""Fraction of the point spread whose pixels are summed."""

MIN_EXPOSURE_FRACTION: Final = 0.3
"""Fraction of the largest livetime of the map below which a position counts as not observed."""

N_RADII, N_ANGLES = 40, 32
"""Sample points of the point spread, each representing the same number of photons."""

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
        """Sum the map over the point spread at a position; None outside the field.

        The sum includes all pixels that the inner 90 % of the point spread overlaps, with the position error (68 %
        radius) added to all radii in quadrature. The exposure is the mean livetime of these pixels weighted by the
        point spread, without vignetting. Photons of nearby sources are included, so that an upper limit there is
        conservative.
        """
        if not len(self.pixels):
            return None
        sampled, is_inner = self._sample_pixels(ra, dec, error_arcsec)
        summed = np.unique(sampled[is_inner])
        rows = np.minimum(np.searchsorted(self.pixels, summed), len(self.pixels) - 1)
        rows = rows[self.pixels[rows] == summed]
        if not rows.size:
            return None
        index = np.searchsorted(self.pixels[rows], sampled)
        is_mapped = self.pixels[rows][np.minimum(index, len(rows) - 1)] == sampled
        exposure = float(self.livetime[rows[np.where(is_mapped, index, 0)]] @ is_mapped) / len(sampled)
        if exposure < MIN_EXPOSURE_FRACTION * float(self.livetime.max()):
            return None
        return SkyMapSample(
            int(self.counts[rows].sum()), float(self.background[rows].sum()), exposure, self.pixels[rows]
        )

    def _sample_pixels(self, ra: float, dec: float, error_arcsec: float) -> tuple[I64, NDArray[np.bool_]]:
        """Pixels of equally weighted sample points of the point spread, and which of these are in its inner part."""
        angle = 0.0 if self.pointing is None else float(separation_deg(ra, dec, *self.pointing)) * 60.0
        core, slope = self.point_spread.king(angle)
        fraction = (np.arange(N_RADII) + 0.5) / N_RADII
        radius = np.hypot(core * np.sqrt((1.0 - fraction) ** (-1.0 / slope) - 1.0), error_arcsec)
        turn = 2 * np.pi * (np.arange(N_ANGLES)[None, :] + 0.5 * (np.arange(N_RADII)[:, None] % 2)) / N_ANGLES
        east, north = (radius[:, None] * np.cos(turn)).ravel(), (radius[:, None] * np.sin(turn)).ravel()
        lat = np.clip(dec + north / 3600.0, -90.0, 90.0)
        lon = (ra + east / 3600.0 / np.maximum(np.cos(np.radians(lat)), 1e-9)) % 360.0
        return healpix_index(lon, lat, self.order), np.repeat(fraction <= ENCLOSED_FRACTION, N_ANGLES)
