"""Regions on the sky: source apertures and their background regions.

Positions are in ICRS degrees, sizes in arcseconds. Whether photons are inside is tested in sky pixels, which is exact
over the few arcminutes of an aperture.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64, Mask

from .errors import PhotonError
from .projection import SkyProjection

__all__ = ["Annulus", "Aperture", "CutRegion", "Ellipse", "Polygon", "Shape"]


@dataclass(frozen=True, slots=True)
class Ellipse:
    """An ellipse, or a circle if both semi-axes are equal.

    Parameters
    ----------
    ra, dec : float — deg
    semi_axis_1, semi_axis_2 : float — arcsec
    angle : float
        deg, from the pixel x axis to the first semi-axis, counter-clockwise on the pixel grid, as in FITS region tables
        and DS9 image regions.
    """

    ra: float
    dec: float
    semi_axis_1: float
    semi_axis_2: float
    angle: float = 0.0

    def __post_init__(self) -> None:
        if not (self.semi_axis_1 > 0 and self.semi_axis_2 > 0 and math.isfinite(self.ra) and math.isfinite(self.dec)):
            raise PhotonError(
                f"invalid ellipse at {self.ra}, {self.dec}: semi-axes {self.semi_axis_1}, {self.semi_axis_2}″"
            )

    @classmethod
    def circle(cls, ra: float, dec: float, radius: float) -> Ellipse:
        """Circle with a radius in arcsec."""
        return cls(ra, dec, radius, radius)

    @property
    def extent(self) -> float:
        """Radius of the smallest concentric circle that contains the ellipse, arcsec."""
        return max(self.semi_axis_1, self.semi_axis_2)

    @property
    def area(self) -> float:
        """Area, square arcsec."""
        return math.pi * self.semi_axis_1 * self.semi_axis_2

    def contains(self, projection: SkyProjection, x: ArrayLike, y: ArrayLike) -> Mask:
        """Whether sky pixels lie inside or on the edge."""
        x0, y0 = projection.to_pixel(self.ra, self.dec)
        scale = projection.pixel_arcsec
        dx = (np.asarray(x, dtype=np.float64) - float(x0)) * scale
        dy = (np.asarray(y, dtype=np.float64) - float(y0)) * scale
        cos, sin = math.cos(math.radians(self.angle)), math.sin(math.radians(self.angle))
        u = (dx * cos + dy * sin) / self.semi_axis_1
        v = (-dx * sin + dy * cos) / self.semi_axis_2
        inside: Mask = u * u + v * v <= 1.0
        return inside


@dataclass(frozen=True, slots=True)
class Annulus:
    """A ring between two radii in arcsec."""

    ra: float
    dec: float
    inner: float
    outer: float

    def __post_init__(self) -> None:
        if not 0 <= self.inner < self.outer:
            raise PhotonError(f"invalid annulus at {self.ra}, {self.dec}: radii {self.inner}, {self.outer}″")

    @property
    def extent(self) -> float:
        """Outer radius, arcsec."""
        return self.outer

    @property
    def area(self) -> float:
        """Area, square arcsec."""
        return math.pi * (self.outer**2 - self.inner**2)

    def contains(self, projection: SkyProjection, x: ArrayLike, y: ArrayLike) -> Mask:
        """Whether sky pixels lie in the ring."""
        x0, y0 = projection.to_pixel(self.ra, self.dec)
        scale = projection.pixel_arcsec
        dx = (np.asarray(x, dtype=np.float64) - float(x0)) * scale
        dy = (np.asarray(y, dtype=np.float64) - float(y0)) * scale
        r2 = dx * dx + dy * dy
        inside: Mask = (r2 > self.inner**2) & (r2 <= self.outer**2)
        return inside


@dataclass(frozen=True, slots=True)
class Polygon:
    """A polygon of three or more vertices on the sky, deg."""

    vertices: tuple[tuple[float, float], ...]

    def __post_init__(self) -> None:
        if len(self.vertices) < 3:
            raise PhotonError(f"invalid polygon: {len(self.vertices)} vertices, expected three or more")

    def _centre(self) -> tuple[float, float]:
        """Mean of the vertices as directions, right ascension and declination, deg."""
        ra, dec = np.radians(np.array(self.vertices, dtype=np.float64)).T
        x, y, z = (float(v.mean()) for v in (np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)))
        return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))

    @property
    def ra(self) -> float:
        """Right ascension of the mean vertex, deg."""
        return self._centre()[0]

    @property
    def dec(self) -> float:
        """Declination of the mean vertex, deg."""
        return self._centre()[1]

    def _offsets(self) -> tuple[F64, F64]:
        """Offsets of the vertices from the mean vertex in its tangent plane, arcsec."""
        plane = SkyProjection("TAN", *self._centre(), 0.0, 0.0, 1.0 / 3600, 1.0 / 3600)
        return plane.to_pixel(*np.array(self.vertices, dtype=np.float64).T)

    @property
    def extent(self) -> float:
        """Largest distance of a vertex from the mean vertex, arcsec."""
        east, north = self._offsets()
        return float(np.hypot(east, north).max())

    @property
    def area(self) -> float:
        """Area, square arcsec."""
        east, north = self._offsets()
        return float(abs(np.dot(east, np.roll(north, 1)) - np.dot(north, np.roll(east, 1))) / 2)

    def contains(self, projection: SkyProjection, x: ArrayLike, y: ArrayLike) -> Mask:
        """Whether sky pixels lie inside (even–odd rule)."""
        x, y = np.asarray(x, dtype=np.float64), np.asarray(y, dtype=np.float64)
        px, py = projection.to_pixel(*np.array(self.vertices).T)
        inside = np.zeros(x.shape, dtype=bool)
        for i in range(len(px)):
            x1, y1, x2, y2 = px[i - 1], py[i - 1], px[i], py[i]
            if y1 == y2:
                continue
            crosses = ((y1 > y) != (y2 > y)) & (x < (x2 - x1) * (y - y1) / (y2 - y1) + x1)
            inside ^= crosses
        return inside


Shape = Ellipse | Annulus | Polygon


@dataclass(frozen=True, slots=True)
class CutRegion:
    """Region that a list of events was cut with.

    Parameters
    ----------
    shape : Ellipse, Annulus or Polygon
    area : float
        Square arcsec, without parts that are excluded.
    is_hollow : bool
        Whether the centre of the shape is excluded, as around a source.
    """

    shape: Shape
    area: float
    is_hollow: bool = False


@dataclass(frozen=True, slots=True)
class Aperture:
    """Source region and background region of one source.

    Parameters
    ----------
    detection_id : str
        Unique within the observation.
    ra, dec : float — ICRS deg, position of the source, not necessarily the centre of the region
    region : Ellipse or Polygon
    background : Annulus, Ellipse, Polygon or None
        Extraction excludes all source regions from it.
    pos_err_arcsec : float or None
        68 % error radius with the astrometric error; None if unknown.
    origin : str
        "companion region", "source list", "detected on the image", "detected in 10 s slices", …
    flags : tuple of str
    selection_p : float
        For a source detected by its variability (in time slices alone), the probability of such a burst anywhere in a
        steady field, for each of its sources (`source_detection`). 0 for sources detected otherwise.
    selection_trials : float
        Number of places and times at which the search could have found such a source, likewise. The p-value of a source
        is not smaller than `selection_p`, or than its timing p-value times this number if that is smaller.
    """

    detection_id: str
    ra: float
    dec: float
    region: Ellipse | Polygon
    background: Shape | None = None
    pos_err_arcsec: float | None = None
    origin: str = "source list"
    flags: tuple[str, ...] = ()
    selection_p: float = 0.0
    selection_trials: float = math.inf
