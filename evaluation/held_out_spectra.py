"""Telescopes and spectra of the held-out sources: effective areas, emission and absorption in a few lines each.

Nothing here is shared with `simulation`: no area, line or absorption table, so that what was trained on the simulator
is measured on photons of another origin. The telescopes are like SVOM/MXT, XRISM/Xtend and a proposed wide-field
Chandra, with other bands, frame times, orbits and backgrounds than the simulator's.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from xherald.photons.arrays import F64

__all__ = ["ENERGY_KEV", "TELESCOPES", "HeldOutTelescope", "absorption", "black_body", "plasma", "power_law"]

ENERGY_KEV: Final = np.geomspace(0.15, 14.0, 96)
"""Centres of energy bins of equal logarithmic width."""


@dataclass(frozen=True, slots=True)
class HeldOutTelescope:
    """A telescope.

    Parameters
    ----------
    band_kev : (float, float)
    frame_s : float — time between read-outs, to whose middle photons are assigned
    rise_kev, fall_kev, fall_power : float
        Effective area proportional to 1 − exp(−(E / rise)²) times exp(−(E / fall)^power).
    edge : float — part of the area that is lost above the edge of iridium or gold at 2.1 keV
    resolution_kev : float — standard deviation of measured energies at 1 keV, growing as the square root of energy
    orbit_s, visible : float — orbital period, and the part of it with good time; 0 and 1 without occultation
    exposure_s : (float, float) — range of elapsed times, log-uniform
    area_ratio : float — area of the aperture over that of the background region
    background_index : float — photon index of the background's spectrum
    """

    band_kev: tuple[float, float]
    frame_s: float
    rise_kev: float
    fall_kev: float
    fall_power: float
    edge: float
    resolution_kev: float
    orbit_s: float
    visible: float
    exposure_s: tuple[float, float]
    area_ratio: float
    background_index: float

    def area(self) -> F64:
        """Relative effective area in the bins of `ENERGY_KEV`; 0 outside the band."""
        low, high = self.band_kev
        rise = 1.0 - np.exp(-((ENERGY_KEV / self.rise_kev) ** 2))
        fall = np.exp(-((ENERGY_KEV / self.fall_kev) ** self.fall_power))
        kept = np.where(ENERGY_KEV > 2.1, 1.0 - self.edge, 1.0)
        area: F64 = np.where((low <= ENERGY_KEV) & (high >= ENERGY_KEV), rise * fall * kept, 0.0)
        return area


TELESCOPES: Final[Mapping[str, HeldOutTelescope]] = MappingProxyType(
    {
        "mxt": HeldOutTelescope((0.2, 10.0), 0.1, 0.5, 3.0, 1.0, 0.1, 0.03, 5_790.0, 0.55, (4e3, 6e4), 0.2, 0.4),
        "xtend": HeldOutTelescope((0.4, 12.0), 4.0, 1.2, 9.0, 2.0, 0.25, 0.05, 5_700.0, 0.6, (2e4, 1.5e5), 0.1, 0.8),
        "axis": HeldOutTelescope((0.3, 9.0), 0.2, 0.6, 6.5, 2.5, 0.35, 0.04, 0.0, 1.0, (5e3, 1e5), 0.05, 1.2),
    }
)


def absorption(nh_1e22: float | F64) -> F64:
    """Transmission of a column: a broken power law close to solar abundances, with the edge of oxygen."""
    column = np.asarray(nh_1e22, dtype=np.float64)[..., None]
    section = 2.2 * ENERGY_KEV**-2.6 * np.where(ENERGY_KEV < 0.54, 0.55, 1.0)
    transmitted: F64 = np.exp(-column * section)
    return transmitted


def power_law(index: float | F64) -> F64:
    """Photons in each bin of a power law."""
    photons: F64 = ENERGY_KEV ** (1.0 - np.asarray(index, dtype=np.float64)[..., None])
    return photons


def black_body(kt_kev: float | F64) -> F64:
    """Photons in each bin of a black body."""
    photons: F64 = ENERGY_KEV**3 / np.expm1(ENERGY_KEV / np.asarray(kt_kev, dtype=np.float64)[..., None])
    return photons


def plasma(kt_kev: float | F64) -> F64:
    """Photons in each bin of bremsstrahlung with the iron L and K complexes as broad lines."""
    kt = np.asarray(kt_kev, dtype=np.float64)[..., None]
    continuum = ENERGY_KEV**-0.4 * np.exp(-ENERGY_KEV / kt) / np.sqrt(kt)
    iron_l = 1.5 * np.exp(-0.5 * ((ENERGY_KEV - 0.9) / 0.13) ** 2) * np.exp(-((kt - 0.7) ** 2) / 0.8)
    iron_k = 0.25 * np.exp(-0.5 * ((ENERGY_KEV - 6.7) / 0.12) ** 2) * np.exp(-2.5 / kt)
    photons: F64 = (continuum + iron_l + iron_k) * ENERGY_KEV
    return photons
