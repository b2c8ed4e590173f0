"""Sky pixels to sky positions and back, and angular separations.

The plain tangent (TAN) and orthographic (SIN) projections, which nearly all event lists use, are computed here in
closed form: Calabretta & Greisen 2002, A&A 395, 1077, §5.1.3 and §5.1.5 (no obliqueness), LONPOLE = 180. Everything
else (rotation and skew matrices, other projections) goes through `astropy.wcs`. A test compares the two.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64

from .errors import ProjectionError

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["SkyProjection", "separation_deg"]


def separation_deg(ra1: ArrayLike, dec1: ArrayLike, ra2: ArrayLike, dec2: ArrayLike) -> F64:
    """Angular separations of positions in deg, broadcast against each other.

    Haversine formula: accurate to rounding for small separations, to 1e-6 deg near the antipode.
    """
    ra1, dec1, ra2, dec2 = (np.radians(np.asarray(v, dtype=np.float64)) for v in (ra1, dec1, ra2, dec2))
    h = np.sin((dec2 - dec1) / 2) ** 2 + np.cos(dec1) * np.cos(dec2) * np.sin((ra2 - ra1) / 2) ** 2
    angle: F64 = np.degrees(2 * np.arcsin(np.sqrt(np.clip(h, 0, 1))))
    return angle


@dataclass(frozen=True, slots=True)
class SkyProjection:
    """World coordinate system (ICRS) of the sky-pixel columns of an event list.

    Parameters
    ----------
    kind : str
        Projection code of CTYPE: "TAN" or "SIN"; any that astropy supports if ``wcs`` is given.
    ra, dec : float
        Reference position, deg (TCRVL).
    x_reference, y_reference : float
        Reference pixel (TCRPX), the first pixel centred on 1.
    x_step, y_step : float
        deg per pixel (TCDLT); x_step is negative where x grows to the west.
    wcs : astropy.wcs.WCS, optional
        Used for every conversion if given; see `from_wcs`.

    Raises
    ------
    ProjectionError
        The projection is not supported, or a value is invalid.
    """

    kind: str
    ra: float
    dec: float
    x_reference: float
    y_reference: float
    x_step: float
    y_step: float
    wcs: WCS | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if self.wcs is None and self.kind not in ("TAN", "SIN"):
            raise ProjectionError(f"sky projection {self.kind!r} is not supported in closed form; use from_wcs")
        values = (self.ra, self.dec, self.x_reference, self.y_reference, self.x_step, self.y_step)
        if not all(math.isfinite(v) for v in values):
            raise ProjectionError("sky projection has a value that is not finite")
        if self.x_step == 0 or self.y_step == 0 or abs(self.dec) > 90:
            raise ProjectionError(
                f"invalid sky projection: declination {self.dec} deg, steps {self.x_step}, {self.y_step} deg"
            )

    @classmethod
    def from_wcs(cls, wcs: WCS) -> SkyProjection:
        """Projection of a two-axis celestial WCS, right ascension first, with one-based pixels.

        The closed form is used where it is exact: TAN or SIN without matrix, parameters or native pole of its own.

        Raises
        ------
        ProjectionError
            The WCS is invalid, singular, or not of right ascension and declination.
        """
        p = wcs.wcs
        try:
            p.set()
            matrix = np.asarray(wcs.pixel_scale_matrix)
        except ValueError as error:
            raise ProjectionError(f"invalid sky projection: {' '.join(str(error).split())}") from error
        kind = str(p.ctype[0])[-3:]
        if p.naxis != 2 or (p.lng, p.lat) != (0, 1) or tuple(p.ctype) != (f"RA---{kind}", f"DEC--{kind}"):
            raise ProjectionError(f"invalid sky projection: axes {', '.join(p.ctype)} are not right ascension, Dec")
        if not abs(float(np.linalg.det(matrix))) > 0:
            raise ProjectionError("invalid sky projection: its matrix is singular")
        is_plain = (
            kind in ("TAN", "SIN")
            and np.count_nonzero(matrix - np.diag(np.diag(matrix))) == 0
            and p.lonpole == 180.0
            and not any(value for _, _, value in p.get_pv())
        )
        # Lengths of the steps along x and y, with the signs of the diagonal of the matrix.
        steps = np.hypot(matrix[0], matrix[1])
        signs = np.where(np.diag(matrix) < 0, -1.0, 1.0)
        ra, dec, x_reference, y_reference, x_step, y_step = map(float, (*p.crval, *p.crpix, *(steps * signs)))
        return cls(kind, ra, dec, x_reference, y_reference, x_step, y_step, wcs=None if is_plain else wcs)

    @property
    def pixel_arcsec(self) -> float:
        """Side of a square of the area of a pixel, arcsec, at the reference position."""
        if self.wcs is not None:
            return math.sqrt(abs(float(np.linalg.det(self.wcs.pixel_scale_matrix)))) * 3600.0
        return math.sqrt(abs(self.x_step * self.y_step)) * 3600.0

    def to_wcs(self) -> WCS:
        """The same projection as an astropy WCS."""
        from astropy.wcs import WCS

        if self.wcs is not None:
            return self.wcs
        wcs = WCS(naxis=2)
        wcs.wcs.ctype = [f"RA---{self.kind}", f"DEC--{self.kind}"]
        wcs.wcs.crval = [self.ra, self.dec]
        wcs.wcs.crpix = [self.x_reference, self.y_reference]
        wcs.wcs.cdelt = [self.x_step, self.y_step]
        wcs.wcs.lonpole = 180.0
        wcs.wcs.radesys = "ICRS"
        wcs.wcs.set()
        return wcs

    def to_sky(self, x: ArrayLike, y: ArrayLike) -> tuple[F64, F64]:
        """Right ascension in [0, 360) and declination, deg, of pixel positions.

        Raises
        ------
        ProjectionError
            A pixel lies outside the projection.
        """
        if self.wcs is not None:
            ra, dec = (np.asarray(v, dtype=np.float64) for v in self.wcs.wcs_pix2world(x, y, 1))
            if np.any(np.isnan(ra) & np.isfinite(x) & np.isfinite(y)):
                raise ProjectionError(f"a pixel lies outside the {self.kind} projection")
            return ra % 360.0, dec
        xi = np.radians((np.asarray(x, dtype=np.float64) - self.x_reference) * self.x_step)
        eta = np.radians((np.asarray(y, dtype=np.float64) - self.y_reference) * self.y_step)
        sin0, cos0 = math.sin(math.radians(self.dec)), math.cos(math.radians(self.dec))
        rho2 = xi**2 + eta**2
        if self.kind == "TAN":
            zeta = 1.0 / np.sqrt(1.0 + rho2)
            xi, eta = xi * zeta, eta * zeta
        else:
            if np.any(rho2 > 1):
                raise ProjectionError("a pixel lies outside the SIN projection")
            zeta = np.sqrt(1.0 - rho2)
        dec = np.arcsin(np.clip(zeta * sin0 + eta * cos0, -1, 1))
        ra = math.radians(self.ra) + np.arctan2(xi, zeta * cos0 - eta * sin0)
        return np.degrees(ra) % 360.0, np.degrees(dec)

    def to_pixel(self, ra: ArrayLike, dec: ArrayLike) -> tuple[F64, F64]:
        """Pixel positions of sky positions in deg; NaN where the projection does not reach them."""
        if self.wcs is not None:
            x, y = self.wcs.wcs_world2pix(ra, dec, 1)
            return np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
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
