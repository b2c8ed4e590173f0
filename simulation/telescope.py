"""Instruments of the simulator, as small tables: `Telescope` with `Chip`s in its focal plane.

Focal-plane coordinates (u, v) are arcsec from the optical axis. At roll 0 u grows to the west (with sky X) and v to the
north (with sky Y); a roll of ρ turns the chips by ρ from north through east.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons import PointSpread, SkyProjection
from xherald.photons.arrays import F64

__all__ = ["Chip", "Telescope"]


@dataclass(frozen=True, slots=True)
class Chip:
    """A detector chip in the focal plane.

    Parameters
    ----------
    number : int — as in event files
    width, height : int — pixels
    centre : (float, float) — arcsec, focal-plane position of its centre
    rotation : float — deg, from focal u to the chip's x, counter-clockwise
    pixel_arcsec : float
    module : int — telescope module; chips of one module do not overlap
    x_sign : int — −1 if chip x is opposite to focal u before rotation (mirrored chips)
    dead_columns : tuple of int — chip x of columns that record no events
    """

    number: int
    width: int
    height: int
    centre: tuple[float, float]
    rotation: float
    pixel_arcsec: float
    module: int = 0
    x_sign: int = 1
    dead_columns: tuple[int, ...] = ()

    def to_pixel(self, u: ArrayLike, v: ArrayLike) -> tuple[F64, F64]:
        """Chip pixels (counted from 1, integers at pixel centres) of focal-plane positions in arcsec."""
        du, dv = np.asarray(u) - self.centre[0], np.asarray(v) - self.centre[1]
        cos, sin = np.cos(np.radians(self.rotation)), np.sin(np.radians(self.rotation))
        x, y = (du * cos + dv * sin) * self.x_sign, -du * sin + dv * cos
        return (
            x / self.pixel_arcsec + 0.5 * (self.width + 1),
            y / self.pixel_arcsec + 0.5 * (self.height + 1),
        )

    def to_focal(self, x: ArrayLike, y: ArrayLike) -> tuple[F64, F64]:
        """Focal-plane position, arcsec, of chip pixels; the inverse of `to_pixel`."""
        a = (np.asarray(x) - 0.5 * (self.width + 1)) * self.pixel_arcsec * self.x_sign
        b = (np.asarray(y) - 0.5 * (self.height + 1)) * self.pixel_arcsec
        cos, sin = np.cos(np.radians(self.rotation)), np.sin(np.radians(self.rotation))
        return a * cos - b * sin + self.centre[0], a * sin + b * cos + self.centre[1]


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Telescope:
    """An instrument: mirrors, detectors, background. Tables on energy use the grid of `energies`.

    Parameters
    ----------
    name : str — "chandra-acis-i", "chandra-acis-s", "xmm-mos1", "xmm-mos2", "xmm-pn", "swift-xrt",
        "erosita" (survey), "erosita-pointed", "ep-wxt", "ep-fxt"
    mission : str — "chandra", "xmm", "swift", "erosita", "ep", as on the command line
    band : (float, float) — keV, as selected by the adapter
    area_cm2 : ndarray, shape (400,) — effective area on axis of one module, detector efficiency included
    off_axis_arcmin : ndarray, shape (a,) — grid of the vignetting
    vignetting : ndarray, shape (a, 2) — area relative to the axis, at `vignetting_kev`
    vignetting_kev : (float, float)
    resolution_ev : (float, float) — noise and Fano term: FWHM² = noise² + fano × E(keV)
    point_spread : PointSpread — the core, as used for apertures
    arm_fraction : float — fraction of the photons in the arms of a lobster-eye cross
    chips : tuple of Chip
    frame_time : float — s
    stamp : {"middle", "random"} — TIME after reading: middle of the frame, or random within it
    live_fraction : float — live time over good time; the rest is read-out
    streaks : bool — whether photons that arrive during read-out get a random row (frame transfer without shutter)
    sky_background : ndarray, shape (400,) — photons s⁻¹ cm⁻² arcmin⁻² per bin, before the mirrors; vignetted
    particle_background : ndarray, shape (400,)
        Counts s⁻¹ arcmin⁻² per bin of measured energy, one module; not vignetted.
    proton_background : ndarray, shape (400,) — the same for soft protons at their quiescent level; vignetted
    projection : SkyProjection — sky pixels of its files about (0, 0); `projection_at` moves it
    pattern : str — its usual observing pattern (`observing.PATTERNS`)
    sources : mapping of str to str — references of the tables
    """

    name: str
    mission: str
    band: tuple[float, float]
    area_cm2: F64
    off_axis_arcmin: F64
    vignetting: F64
    vignetting_kev: tuple[float, float]
    resolution_ev: tuple[float, float]
    point_spread: PointSpread
    arm_fraction: float
    chips: tuple[Chip, ...]
    frame_time: float
    stamp: Literal["middle", "random"]
    live_fraction: float
    streaks: bool
    sky_background: F64
    particle_background: F64
    proton_background: F64
    projection: SkyProjection
    pattern: str
    sources: Mapping[str, str]

    @property
    def modules(self) -> tuple[int, ...]:
        """Numbers of the telescope modules, each with its own mirrors."""
        return tuple(sorted({chip.module for chip in self.chips}))

    def projection_at(self, ra: float, dec: float) -> SkyProjection:
        """Sky pixels of an exposure with a pointing, deg."""
        p = self.projection
        return SkyProjection(p.kind, ra, dec, p.x_reference, p.y_reference, p.x_step, p.y_step)

    def vignetting_at(self, off_axis_arcmin: ArrayLike, energy_kev: ArrayLike) -> F64:
        """Area relative to the axis, in [0, 1]; bilinear, constant beyond the energies, zero beyond the last angle."""
        angle, energy = np.broadcast_arrays(np.asarray(off_axis_arcmin, float), np.asarray(energy_kev, float))
        low, high = self.vignetting_kev
        weight = np.clip((energy - low) / (high - low), 0.0, 1.0)
        soft, hard = (np.interp(angle, self.off_axis_arcmin, self.vignetting[:, k], right=0.0) for k in (0, 1))
        area: F64 = soft * (1 - weight) + hard * weight
        return area

    def measured(self, energy_kev: F64, rng: np.random.Generator) -> F64:
        """Energies as the detector measures them, keV: with Gaussian resolution; not negative."""
        noise, fano = self.resolution_ev
        sigma = np.sqrt(noise**2 + fano * energy_kev) * 1e-3 / 2.354820045
        return np.maximum(energy_kev + sigma * rng.standard_normal(len(energy_kev)), 0.0)
