"""Scattering of photons by the mirrors: King profiles of encircled-energy tables, and arms of a lobster eye."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons import PointSpread
from xherald.photons.arrays import F64

from .telescope import Telescope

__all__ = ["ARM_ARCSEC", "king_of", "scatter"]


ARM_ARCSEC: Final = 2_400.0
"""Scale of the exponential profile of a lobster-eye arm, arcsec; arms reach beyond a degree (Angel
1979, ApJ 233, 364; Cheng et al. 2024, Exp. Astron. 57, 10), approximate."""

_SLOPES: Final = np.geomspace(0.15, 50.0, 400)
_RATIOS: Final = np.sqrt(np.expm1(-np.log(0.1) / _SLOPES) / np.expm1(-np.log(0.5) / _SLOPES))
"""r90 over r50 of King profiles of these slopes, descending."""


def king_of(spread: PointSpread, off_axis_arcmin: ArrayLike, energy_kev: ArrayLike) -> tuple[F64, F64]:
    """Core radii, arcsec, and slopes of the King profiles at each off-axis angle and energy, shape (n,) each.

    The encircled fraction within r is ``1 − (1 + (r/core)²)^−slope``; as `PointSpread.king`, for many photons at once.
    """
    angle, energy = np.broadcast_arrays(np.asarray(off_axis_arcmin, float), np.asarray(energy_kev, float))
    r50, r90 = (_read(spread, table, angle, energy) for table in (spread.r50_arcsec, spread.r90_arcsec))
    ratio = np.clip(r90 / r50, np.sqrt(3.4), 20.0)
    slope = np.exp(np.interp(ratio, _RATIOS[::-1], np.log(_SLOPES[::-1])))
    return r50 / np.sqrt(np.expm1(np.log(2.0) / slope)), slope


def scatter(
    telescope: Telescope, off_axis_arcmin: ArrayLike, energy_kev: F64, rng: np.random.Generator
) -> tuple[F64, F64]:
    """Displacement of each photon, arcsec in focal u and v, shape (n,) each.

    Parameters
    ----------
    telescope : Telescope
    off_axis_arcmin : array_like, shape (n,) or a number
    energy_kev : ndarray, shape (n,)
    rng : numpy.random.Generator
    """
    core, slope = king_of(telescope.point_spread, off_axis_arcmin, energy_kev)
    n = len(energy_kev)
    # log1p(−u) is finite, since u < 1.
    radius = core * np.sqrt(np.expm1(-np.log1p(-rng.random(n)) / slope))
    angle = rng.uniform(0.0, 2 * np.pi, n)
    du, dv = radius * np.cos(angle), radius * np.sin(angle)
    if telescope.arm_fraction > 0:
        in_arm = rng.random(n) < telescope.arm_fraction
        along_u = rng.random(n) < 0.5
        reach = rng.exponential(ARM_ARCSEC, n) * np.where(rng.random(n) < 0.5, -1.0, 1.0)
        du = np.where(in_arm & along_u, reach, du)
        dv = np.where(in_arm & ~along_u, reach, dv)
    return du, dv


def _read(spread: PointSpread, table: tuple[tuple[float, ...], ...], angle: F64, energy: F64) -> F64:
    """A radius of a table, bilinear and constant beyond its ends, as `PointSpread.r50_and_r90`."""
    rows = np.stack([np.interp(angle, spread.off_axis_arcmin, row) for row in table])
    if len(table) == 1:
        only: F64 = rows[0]
        return only
    grid = np.array(spread.energy_kev)
    high = np.clip(np.searchsorted(grid, energy), 1, len(grid) - 1)
    weight = np.clip((energy - grid[high - 1]) / (grid[high] - grid[high - 1]), 0.0, 1.0)
    take = np.arange(energy.size).reshape(energy.shape)
    flat = rows.reshape(len(grid), -1)
    low_value, high_value = flat[(high - 1).ravel(), take.ravel()], flat[high.ravel(), take.ravel()]
    value: F64 = (low_value.reshape(energy.shape) * (1 - weight)) + high_value.reshape(energy.shape) * weight
    return value
