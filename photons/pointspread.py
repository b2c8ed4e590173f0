"""Point-spread function of an instrument as a table of encircled-energy radii: `PointSpread`."""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import dataclass
from functools import cache

import numpy as np

from .arrays import F64
from .errors import PhotonError

__all__ = ["PointSpread"]


@dataclass(frozen=True, slots=True)
class PointSpread:
    """Encircled-energy radii as a function of off-axis angle and energy.

    Parameters
    ----------
    source : str
        Reference of the values (paper, equation, mission document).
    off_axis_arcmin : tuple of float
        Grid of off-axis angles, ascending.
    energy_kev : tuple of float
        Grid of energies, ascending.
    r50_arcsec, r90_arcsec : tuple of tuple of float
        Radii of 50 % and 90 % encircled energy, one row per energy, one column per off-axis angle.
    astrometry_arcsec : float
        Systematic error of the aspect solution, 68 % radius.
    """

    source: str
    off_axis_arcmin: tuple[float, ...]
    energy_kev: tuple[float, ...]
    r50_arcsec: tuple[tuple[float, ...], ...]
    r90_arcsec: tuple[tuple[float, ...], ...]
    astrometry_arcsec: float

    def __post_init__(self) -> None:
        shape = (len(self.energy_kev), len(self.off_axis_arcmin))
        for name in ("r50_arcsec", "r90_arcsec"):
            table = np.array(getattr(self, name))
            if table.shape != shape or not np.all(table > 0):
                raise PhotonError(f"point spread: {name} must be {shape[0]} rows of {shape[1]} positive radii")

    def radius(self, fraction: float, off_axis_arcmin: float, energy_kev: float = 1.5) -> float:
        """Radius that encloses a fraction of the photons, arcsec.

        The profile is a King profile, ``1 - (1 + (r/a)^2)^-b``, through the two tabulated radii.

        Parameters
        ----------
        fraction : float
            In (0, 1).
        off_axis_arcmin, energy_kev : float
            Clipped to the range of the table.
        """
        if not 0 < fraction < 1:
            raise PhotonError(f"encircled fraction {fraction} is not in (0, 1)")
        core, slope = self.king(off_axis_arcmin, energy_kev)
        return float(core * np.sqrt((1 - fraction) ** (-1 / slope) - 1))

    def king(self, off_axis_arcmin: float, energy_kev: float = 1.5) -> tuple[float, float]:
        """Core radius, arcsec, and slope of the King profile through the tabulated radii."""
        return _king(*self.r50_and_r90(off_axis_arcmin, energy_kev))

    def kings(self, off_axis_arcmin: F64, energy_kev: float = 1.5) -> tuple[F64, F64]:
        """Core radii, arcsec, and slopes as `king`, for many off-axis angles."""
        (low, high), share = _bracket(self.energy_kev, energy_kev)
        r50, r90 = (
            np.interp(
                off_axis_arcmin,
                self.off_axis_arcmin,
                (1 - share) * np.array(table[low]) + share * np.array(table[high]),
            )
            for table in (self.r50_arcsec, self.r90_arcsec)
        )
        slope = np.interp(np.clip((r90 / r50) ** 2, 3.4, 400.0), *_slopes())
        return r50 / np.sqrt(0.5 ** (-1 / slope) - 1), slope

    def r50_and_r90(self, off_axis_arcmin: float, energy_kev: float = 1.5) -> tuple[float, float]:
        """Radii of 50 % and 90 % encircled energy, arcsec."""
        a, x = _bracket(self.off_axis_arcmin, off_axis_arcmin)
        e, y = _bracket(self.energy_kev, energy_kev)

        def interpolate(table: tuple[tuple[float, ...], ...]) -> float:
            low, high = (table[row][a[0]] * (1 - x) + table[row][a[1]] * x for row in e)
            return low * (1 - y) + high * y

        return interpolate(self.r50_arcsec), interpolate(self.r90_arcsec)


def _bracket(grid: tuple[float, ...], value: float) -> tuple[tuple[int, int], float]:
    """Indices of the grid points around a value and its fractional position between them, clipped to the grid."""
    high = min(max(bisect(grid, value), 1), len(grid) - 1)
    low = max(high - 1, 0)
    if low == high:
        return (low, high), 0.0
    return (low, high), min(max((value - grid[low]) / (grid[high] - grid[low]), 0.0), 1.0)


@cache
def _slopes() -> tuple[F64, F64]:
    """Ratio of the squared 90 % and 50 % radii, ascending, and slope of the King profile with it."""
    slope = np.geomspace(50.0, 0.15, 4001)
    return (0.1 ** (-1 / slope) - 1) / (0.5 ** (-1 / slope) - 1), slope


def _king(r50: float, r90: float) -> tuple[float, float]:
    """Core radius and slope of the King profile with the given 50 % and 90 % radii."""
    slope = float(np.interp(min(max((r90 / r50) ** 2, 3.4), 400.0), *_slopes()))
    return r50 / math.sqrt(0.5 ** (-1 / slope) - 1), slope
