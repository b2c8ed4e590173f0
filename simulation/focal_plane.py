"""Transformations between the sky and pixels of chips, for a telescope with a moving boresight.

Offsets on the sky are arcsec to the west and to the north of the nominal pointing, in the projection of the exposure;
focal-plane positions are arcsec from the optical axis (`telescope`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError

from .exposure import ObservingPlan
from .telescope import Chip, Telescope

__all__ = ["arcmin2", "chips_hit", "offset_of", "onto_focal", "onto_sky", "sky_of_pixels"]


def offset_of(telescope: Telescope, observing: ObservingPlan, ra: float, dec: float) -> tuple[float, float]:
    """Offset of a position to the west and north of the nominal pointing, arcsec.

    Raises
    ------
    PhotonError
        It is more than 90° away.
    """
    sky = telescope.projection_at(observing.ra, observing.dec)
    x, y = (float(value) for value in sky.to_pixel(ra, dec))
    if not (math.isfinite(x) and math.isfinite(y)):
        raise PhotonError(
            f"position {ra:.5f} {dec:+.5f} is more than 90 deg from the pointing {observing.ra:.5f} "
            f"{observing.dec:+.5f}; choose a nearer one"
        )
    return -(x - sky.x_reference) * sky.x_step * 3600.0, (y - sky.y_reference) * sky.y_step * 3600.0


def onto_focal(observing: ObservingPlan, west: ArrayLike, north: ArrayLike, time: F64) -> tuple[F64, F64]:
    """Focal-plane positions of sky offsets at mission seconds, arcsec, shape (n,) each."""
    aim_west, aim_north = observing.boresight(time)
    a, b = np.asarray(west) - aim_west, np.asarray(north) - aim_north
    cos, sin = math.cos(math.radians(observing.roll)), math.sin(math.radians(observing.roll))
    return a * cos + b * sin, b * cos - a * sin


def onto_sky(telescope: Telescope, observing: ObservingPlan, u: F64, v: F64, time: F64) -> tuple[F64, F64]:
    """ICRS positions, deg, of focal-plane positions at mission seconds; the inverse of `offset_of` and `onto_focal`."""
    aim_west, aim_north = observing.boresight(time)
    cos, sin = math.cos(math.radians(observing.roll)), math.sin(math.radians(observing.roll))
    west, north = u * cos - v * sin + aim_west, u * sin + v * cos + aim_north
    sky = telescope.projection_at(observing.ra, observing.dec)
    return sky.to_sky(sky.x_reference - west / 3600.0 / sky.x_step, sky.y_reference + north / 3600.0 / sky.y_step)


def chips_hit(
    chips: Sequence[Chip], module: NDArray[np.int64], u: F64, v: F64
) -> tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64]]:
    """Chip and pixel on which photons fall, in their telescope module.

    Parameters
    ----------
    chips : sequence of Chip
    module : ndarray, shape (n,) — of each photon
    u, v : ndarray, shape (n,) — focal-plane positions, arcsec

    Returns
    -------
    index : ndarray, shape (n,) — into `chips`; −1 if a photon misses all chips
    x, y : ndarray, shape (n,) — pixels, counted from 1; 0 if index is −1
    """
    index = np.full(len(u), -1, dtype=np.intp)
    x, y = np.zeros(len(u), dtype=np.int64), np.zeros(len(u), dtype=np.int64)
    for number, chip in enumerate(chips):
        own = np.flatnonzero((module == chip.module) & (index < 0))
        px, py = (np.floor(value + 0.5).astype(np.int64) for value in chip.to_pixel(u[own], v[own]))
        on = (px >= 1) & (px <= chip.width) & (py >= 1) & (py <= chip.height)
        index[own[on]], x[own[on]], y[own[on]] = number, px[on], py[on]
    return index, x, y


def sky_of_pixels(
    telescope: Telescope, observing: ObservingPlan, index: NDArray[np.intp], x: F64, y: F64, time: F64
) -> tuple[F64, F64]:
    """ICRS positions, deg, of positions on chips (in fractional pixels) at mission seconds.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    index : ndarray, shape (n,) — into `Telescope.chips`
    x, y, time : ndarray, shape (n,)
    """
    u, v = np.empty(len(x)), np.empty(len(x))
    for number, chip in enumerate(telescope.chips):
        own = index == number
        u[own], v[own] = chip.to_focal(x[own], y[own])
    return onto_sky(telescope, observing, u, v, time)


def arcmin2(chip: Chip) -> float:
    """Solid angle of a chip, arcmin²."""
    return chip.width * chip.height * (chip.pixel_arcsec / 60.0) ** 2
