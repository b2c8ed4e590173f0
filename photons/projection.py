"""Sky pixels to sky and back: the tangent (TAN) and orthographic (SIN) projections of event-list columns.

Equations: Calabretta & Greisen 2002, A&A 395, 1077, §5.1.3 (TAN), §5.1.5 (SIN with no obliqueness), native pole at the
reference point. Columns of event lists never carry a rotation or distortion, so a reference and two steps are enough.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64

from .errors import ProjectionError

__all__ = ["SkyProjection", "separation_deg"]


def separation_deg(ra1: ArrayLike, dec1: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> F64:
    """Angle between positions, deg (haversine: exact for small angles)."""
    ra1, dec1, ra2, dec2 = (np.radians(np.asarray(v, dtype=np.float64)) for v in (ra1, dec1, ra2, dec2))
    h = np.sin((dec2 - dec1) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * np.sin((ra2 - ra1) / 2) ** 2
    angle: F64 = np.degrees(2 * np.arcsin(np.sqrt(np.clip(h, 0, 1))))
    return angle


@dataclass(frozen=True, slots=True)
class SkyProjection:
    """A linear pixel grid on a tangent or orthographic plane.

    Parameters
    ----------
    kind : {"TAN", "SIN"}
    ra, dec : float
        Reference position, deg (TCRVL).
    x_reference, y_reference : float
        Its pixel (TCRPX).
    x_step, y_step : float
        deg a pixel (TCDLT); x_step is negative where x grows to the west.
    """

    kind: str
    ra: float
    dec: float
    x_reference: float
    y_reference: float
    x_step: float
    y_step: float

    def __post_init__(self) -> None:
        if self.kind not in ("TAN", "SIN"):
            raise ProjectionError(f"sky projection {self.kind!r} is not supported; expected TAN or SIN")
        values = (self.ra, self.dec, self.x_reference, self.y_reference, self.x_step, self.y_step)
        if not all(math.isfinite(v) for v in values):
            raise ProjectionError("sky projection holds a value that is not finite")
        if self.x_step == 0 or self.y_step == 0 or abs(self.dec) > 90:
            raise ProjectionError(
                f"sky projection cannot be true: Dec {self.dec} deg, steps {self.x_step}, {self.y_step}"
            )

    @property
    def pixel_arcsec(self) -> float:
        """Side of a pixel, arcsec."""
        return math.sqrt(abs(self.x_step * self.y_step)) * 3600.0

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[F64, F64]:
        """Right ascension in [0, 360) and declination, deg, of pixel positions."""
        xi = np.radians((np.asarray(x, dtype=np.float64) - self.x_reference) * self.x_step)
        eta = np.radians((np.asarray(y, dtype=np.float64) - self.y_reference) * self.y_step)
        sin0, cos0 = math.sin(math.radians(self.dec)), math.cos(math.radians(self.dec))
        rho2 = xi**2 + eta**2
        if self.kind == "TAN":
            zeta = 1.0 / np.sqrt(1.0 + rho2)
            xi, eta = xi * zeta, eta * zeta
        else:
            if np.any(rho2 > 1):
                raise ProjectionError("a pixel lies beyond the horizon of the SIN projection")
            zeta = np.sqrt(1.0 - rho2)
        dec = np.arcsin(np.clip(zeta * sin0 + eta * cos0, -1, 1))
        ra = math.radians(self.ra) + np.arctan2(xi, zeta * cos0 - eta * sin0)
        return np.degrees(ra) % 360.0, np.degrees(dec)

    def to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[F64, F64]:
        """Pixel position of sky positions, deg; NaN behind the plane (more than 90 deg away)."""
        dra = np.radians(np.asarray(ra, dtype=np.float64) - self.ra)
        dec = np.radians(np.asarray(dec, dtype=np.float64))
        sin0, cos0 = math.sin(math.radians(self.dec)), math.cos(math.radians(self.dec))
        zeta = np.sin(dec) * sin0 + np.cos(dec) * cos0 * np.cos(dra)
        xi = np.cos(dec) * np.sin(dra)
        eta = np.sin(dec) * cos0 - np.cos(dec) * sin0 * np.cos(dra)
        front = np.where(zeta > 1e-9, zeta, np.nan)
        scale = 1.0 / front if self.kind == "TAN" else np.where(np.isnan(front), np.nan, 1.0)
        return (
            np.degrees(xi * scale) / self.x_step + self.x_reference,
            np.degrees(eta * scale) / self.y_step + self.y_reference,
        )
