"""What an exposure saw at every place of its field, coarsely: `SkyMap`, from which a place can be looked at later.

Where nothing was found at a place there is no aperture to read a limit from. The map keeps what such a limit needs: in
HEALPix pixels about as large as the point spread the photons, those expected of the background, and the livetime. On
the road `finding.mapping` makes it of a scanned exposure, and the store keeps it for as long as the detections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xherald.photons.arrays import F64, I64

from .pointspread import PointSpread
from .projection import separation_deg

__all__ = ["COARSEST", "FINEST", "Look", "SkyMap", "middle_of", "pixel_of", "pixel_side_arcsec"]


HELD: Final = 0.90
"""Part of a point source's photons whose pixels are summed."""

LEAST_EXPOSURE: Final = 0.3
"""Part of the map's best exposure below which a place counts as not seen: it lies beside the detectors, or nearly."""

RINGS, SPOKES = 40, 32
"""Sample points of the point spread: each stands for as many photons."""

COARSEST, FINEST = 6, 18
"""Orders that pixels may have: 55 arcmin to 0.8 arcsec."""

COARSEST_ARCSEC: Final = 58.632 * 3600
"""Side of a pixel of order 0; each order halves it."""


def pixel_side_arcsec(order: int) -> float:
    """Side of a HEALPix pixel: the root of its area."""
    return float(COARSEST_ARCSEC / 2**order)


def pixel_of(ra: ArrayLike, dec: ArrayLike, order: int) -> I64:
    """Nested HEALPix indices of places, deg (Górski et al. 2005, ApJ 622, 759)."""
    from astropy import units
    from astropy_healpix import lonlat_to_healpix

    lon, lat = np.asarray(ra, dtype=np.float64) * units.deg, np.asarray(dec, dtype=np.float64) * units.deg
    return np.asarray(lonlat_to_healpix(lon, lat, nside=2**order, order="nested"), dtype=np.int64)


def middle_of(pixels: I64, order: int) -> tuple[F64, F64]:
    """Right ascension and declination, deg, of the middles of nested HEALPix pixels."""
    from astropy_healpix import healpix_to_lonlat

    lon, lat = healpix_to_lonlat(pixels, nside=2**order, order="nested")
    return np.asarray(lon.to_value("deg")), np.asarray(lat.to_value("deg"))


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """What an exposure saw at a place.

    Parameters
    ----------
    counts : int
    background : float — counts expected of the background among them
    exposure_s : float — livetime times the part of a point source's photons that the pixels hold, s
    pixels : ndarray, shape (p,), int64 — nested indices of those summed
    """

    counts: int
    background: float
    exposure_s: float
    pixels: I64


@dataclass(frozen=True, slots=True, eq=False)
class SkyMap:
    """Photons, background and livetime of a field, or of a part of it.

    Parameters
    ----------
    order : int — HEALPix order of the pixels
    pixels : ndarray, shape (k,), int64 — nested indices, ascending
    counts : ndarray, shape (k,), int32 — photons in the instrument's band
    background : ndarray, shape (k,), float64 — photons expected without any source
    livetime : ndarray, shape (k,), float64 — s, averaged over the pixel; what lies beside the detectors counts as 0
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

    def look(self, ra: float, dec: float, error_arcsec: float = 0.0) -> Look | None:
        """What was seen of a point source at a place; None where the field does not hold it.

        All pixels are summed that the inner 90 % of the point spread touch, wherever in its pixel the source lies, the
        position's error (68 % radius) added to every radius in quadrature. The exposure is that of the source: the
        livetime of each of these pixels times the part of the photons that falls into it. It knows no vignetting.
        Photons of other sources nearby count as this one's, so that a limit is too high there, never too low.
        """
        if not len(self.pixels):
            return None
        where, inner = self._sampled(ra, dec, error_arcsec)
        summed = np.unique(where[inner])
        rows = np.minimum(np.searchsorted(self.pixels, summed), len(self.pixels) - 1)
        rows = rows[self.pixels[rows] == summed]
        if not rows.size:
            return None
        place = np.searchsorted(self.pixels[rows], where)
        there = self.pixels[rows][np.minimum(place, len(rows) - 1)] == where
        exposure = float(self.livetime[rows[np.where(there, place, 0)]] @ there) / len(where)
        if exposure < LEAST_EXPOSURE * float(self.livetime.max()):
            return None
        return Look(int(self.counts[rows].sum()), float(self.background[rows].sum()), exposure, self.pixels[rows])

    def _sampled(self, ra: float, dec: float, error_arcsec: float) -> tuple[I64, NDArray[np.bool_]]:
        """Pixels that a source's photons fall into, each sample as many, and which are of its inner part."""
        angle = 0.0 if self.pointing is None else float(separation_deg(ra, dec, *self.pointing)) * 60.0
        core, slope = self.point_spread.king(angle)
        part = (np.arange(RINGS) + 0.5) / RINGS
        radius = np.hypot(core * np.sqrt((1.0 - part) ** (-1.0 / slope) - 1.0), error_arcsec)
        turn = 2 * np.pi * (np.arange(SPOKES)[None, :] + 0.5 * (np.arange(RINGS)[:, None] % 2)) / SPOKES
        east, north = (radius[:, None] * np.cos(turn)).ravel(), (radius[:, None] * np.sin(turn)).ravel()
        lat = np.clip(dec + north / 3600.0, -90.0, 90.0)
        lon = (ra + east / 3600.0 / np.maximum(np.cos(np.radians(lat)), 1e-9)) % 360.0
        return pixel_of(lon, lat, self.order), np.repeat(part <= HELD, SPOKES)
