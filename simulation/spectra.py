"""Photon spectra of simulated sources on the grid of `energies`: absorbed power law, black bodies, thin thermal plasma.

All functions return relative photons per bin before the telescope, shape (400,), with sum 1; `model.PlacedSource` has
the flux.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final, NamedTuple

import numpy as np
from scipy.special import k0e

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError

from .energies import EDGES_KEV, MIDDLE_KEV, WIDTH_KEV

__all__ = [
    "LINES",
    "Line",
    "absorbed_power_law",
    "absorption",
    "black_body",
    "cross_section",
    "disk_black_body",
    "thermal_plasma",
]


_EDGES: Final = np.array([0.100, 0.284, 0.400, 0.532, 0.707, 0.867, 1.303, 1.840, 2.471, 3.210, 4.038, 7.111, 8.331])
_POLYNOMIALS: Final = np.array(
    [
        (17.3, 608.1, -2150.0),
        (34.6, 267.9, -476.1),
        (78.1, 18.8, 4.3),
        (71.4, 66.8, -51.4),
        (95.5, 145.8, -61.1),
        (308.9, -380.6, 294.0),
        (120.6, 169.3, -47.7),
        (141.3, 146.8, -31.5),
        (202.7, 104.7, -17.0),
        (342.7, 18.7, 0.0),
        (352.2, 18.7, 0.0),
        (433.9, -2.4, 0.75),
        (629.0, 30.9, 0.0),
        (701.2, 25.2, 0.0),
    ]
)
"""c0, c1, c2 of Morrison & McCammon 1983, ApJ 270, 119, Table 2; rows begin at absorption edges."""


class Line(NamedTuple):
    """A line, or the unresolved lines of one ion, of a plasma in collisional equilibrium.

    Parameters
    ----------
    ion : str
    energy_kev : float
    peak_kt_kev : float — electron temperature of the largest emissivity
    emissivity : float — photons 10⁻¹⁷ cm³ s⁻¹ at that temperature, solar abundances
    """

    ion: str
    energy_kev: float
    peak_kt_kev: float
    emissivity: float


LINES: Final = (
    Line("O VII", 0.569, 0.17, 200.0),
    Line("O VIII", 0.654, 0.27, 190.0),
    Line("Fe XVII", 0.727, 0.48, 220.0),
    Line("Fe XVII", 0.739, 0.48, 80.0),
    Line("O VIII", 0.774, 0.30, 35.0),
    Line("Fe XVII", 0.826, 0.50, 210.0),
    Line("Fe XVIII", 0.873, 0.62, 110.0),
    Line("Ne IX", 0.915, 0.33, 60.0),
    Line("Fe XIX", 0.920, 0.72, 100.0),
    Line("Fe XX", 0.965, 0.85, 95.0),
    Line("Fe XXI", 1.009, 1.00, 85.0),
    Line("Ne X", 1.022, 0.50, 45.0),
    Line("Fe XXII", 1.053, 1.10, 65.0),
    Line("Fe XXIII", 1.129, 1.30, 60.0),
    Line("Fe XXIV", 1.166, 1.60, 50.0),
    Line("Mg XI", 1.346, 0.55, 30.0),
    Line("Mg XII", 1.472, 0.85, 17.0),
    Line("Si XIII", 1.858, 0.85, 32.0),
    Line("Si XIV", 2.006, 1.40, 18.0),
    Line("S XV", 2.450, 1.35, 15.0),
    Line("S XVI", 2.622, 2.20, 8.0),
    Line("Fe XXV", 6.680, 5.00, 5.0),
    Line("Fe XXVI", 6.966, 10.0, 1.6),
)
"""The strongest lines; nearby lines of one ion are added. Approximate values of the order of those of APEC (Smith et
al. 2001, ApJ 556, L91), probably correct to a factor of two, which has not been checked for each line. `_WIDTH_DEX` was
chosen for a plausible ratio of lines to continuum between 0.5 and 5 keV."""

_LINE_TABLE: Final = np.array([line[1:] for line in LINES])
_LINE_BINS: Final = np.searchsorted(EDGES_KEV, _LINE_TABLE[:, 0]) - 1

_WIDTH_DEX: Final = (0.20, 0.28)
"""Widths of the emissivities in log temperature below and above the peak."""

_FREE_FREE: Final = 4.3e-15
"""Power of bremsstrahlung at 1 keV, keV cm³ s⁻¹ per electron and hydrogen nucleus, without Gaunt factor:
1.426e-27 √T Σ Z²n/n_H erg cm³ s⁻¹ (Rybicki & Lightman 1979, eq. 5.15a) with Σ Z²n/n_H = 1.4 (H, He)."""


@lru_cache(maxsize=1)
def _cross_section() -> F64:
    sigma = cross_section(MIDDLE_KEV)
    sigma.setflags(write=False)
    return sigma


def cross_section(energy_kev: F64) -> F64:
    """Photoelectric cross-section of cold gas of solar abundances, cm² per hydrogen nucleus.

    Morrison & McCammon 1983, ApJ 270, 119, Table 2, valid from 0.03 to 10 keV, extrapolated above.

    Parameters
    ----------
    energy_kev : ndarray — keV
    """
    c = _POLYNOMIALS[np.searchsorted(_EDGES, energy_kev, side="right")]
    sigma: F64 = 1e-24 * (c[..., 0] + c[..., 1] * energy_kev + c[..., 2] * energy_kev**2) / energy_kev**3
    return sigma


def absorption(nh_1e22: float) -> F64:
    """Fraction of the photons transmitted by a column of cold gas, shape (400,).

    Parameters
    ----------
    nh_1e22 : float — column density, 10²² hydrogen nuclei cm⁻², not negative

    Raises
    ------
    ConfigError
    """
    if not 0 <= nh_1e22 < np.inf:
        raise ConfigError(f"column density nh_1e22 is {nh_1e22}: must be finite and not negative (1e22 cm^-2)")
    passed: F64 = np.exp(-nh_1e22 * 1e22 * _cross_section())
    return passed


def absorbed_power_law(photon_index: float, nh_1e22: float) -> F64:
    """Power law E^−Γ in photons, behind cold gas.

    Parameters
    ----------
    photon_index : float — Γ, from −3 to 10
    nh_1e22 : float — column density, 10²² cm⁻²

    Raises
    ------
    ConfigError
    """
    if not -3 <= photon_index <= 10:
        raise ConfigError(f"photon index is {photon_index}: must be from -3 to 10")
    return _normalised(MIDDLE_KEV**-photon_index, nh_1e22, f"power law of index {photon_index}")


def black_body(kt_kev: float, nh_1e22: float) -> F64:
    """Planck spectrum, photons ∝ E² / (exp(E/kT) − 1), behind cold gas.

    Parameters
    ----------
    kt_kev : float — keV, from 0.01 to 100
    nh_1e22 : float — column density, 10²² cm⁻²

    Raises
    ------
    ConfigError
    """
    return _normalised(_planck(MIDDLE_KEV / _temperature(kt_kev)), nh_1e22, f"black body of {kt_kev} keV")


def disk_black_body(kt_kev: float, nh_1e22: float) -> F64:
    """Thin accretion disc of many black bodies, T ∝ r^−3/4 (Mitsuda et al. 1984, PASJ 36, 741), behind cold gas.

    Parameters
    ----------
    kt_kev : float — at the inner edge, keV, from 0.01 to 100
    nh_1e22 : float — column density, 10²² cm⁻²

    Raises
    ------
    ConfigError
    """
    # Rings of temperature τ kT emit in proportion to r dr ∝ τ^(−11/3) dτ; even steps in log τ.
    tau = np.geomspace(1.0, 0.01, 40)
    rings = _planck(MIDDLE_KEV / (_temperature(kt_kev) * tau[:, None])) * tau[:, None] ** (2 - 8 / 3)
    # _planck is in units of its temperature, E² = x² (τ kT)², which the power of τ includes.
    return _normalised(rings.sum(axis=0), nh_1e22, f"disc of {kt_kev} keV")


def thermal_plasma(kt_kev: float, nh_1e22: float, abundance: float = 1.0) -> F64:
    """Optically thin plasma in collisional equilibrium, behind cold gas: an approximation.

    The continuum is bremsstrahlung with the Gaunt factor of Born's approximation averaged over Maxwell's distribution,
    (√3/π) exp(x/2) K₀(x/2) with x = E/kT (Greene 1959, ApJ 130, 693); recombination and two-photon continua are
    not included. Lines are those of `LINES`; each is a log-normal in temperature, steeper below its peak. CCD spectra
    have the right features (O, Fe-L at 0.7–1.2 keV, Mg, Si, S, Fe-K) and their trend with temperature, but cannot be
    used to measure abundances.

    Parameters
    ----------
    kt_kev : float — electron temperature, keV, from 0.01 to 100
    nh_1e22 : float — column density, 10²² cm⁻²
    abundance : float — of all metals, relative to the Sun

    Raises
    ------
    ConfigError
    """
    x = MIDDLE_KEV / _temperature(kt_kev)
    gaunt = np.sqrt(3.0) / np.pi * k0e(x / 2)
    continuum = _FREE_FREE * np.sqrt(kt_kev) / kt_kev * gaunt * np.exp(-x) / MIDDLE_KEV
    offset = np.log10(kt_kev / _LINE_TABLE[:, 1])
    width = np.where(offset < 0, *_WIDTH_DEX)
    emitted = 1e-17 * abundance * _LINE_TABLE[:, 2] * np.exp(-0.5 * (offset / width) ** 2)
    lines = np.bincount(_LINE_BINS, emitted, len(MIDDLE_KEV)) / WIDTH_KEV
    return _normalised(continuum + lines, nh_1e22, f"plasma of {kt_kev} keV")


def _temperature(kt_kev: float) -> float:
    if not 0.01 <= kt_kev <= 100:
        raise ConfigError(f"temperature kt_kev is {kt_kev}: must be from 0.01 to 100 keV")
    return kt_kev


def _planck(x: F64) -> F64:
    """x² / (exp(x) − 1), without overflow."""
    photons: F64 = x**2 * np.exp(-x) / -np.expm1(-x)
    return photons


def _normalised(per_kev: F64, nh_1e22: float, what: str) -> F64:
    """Apply absorption, integrate over bins, and normalise the sum to 1."""
    photons = per_kev * WIDTH_KEV * absorption(nh_1e22)
    total = photons.sum()
    if not total > 0:
        raise ConfigError(f"a {what} behind {nh_1e22}e22 cm^-2 is completely absorbed; lower nh_1e22")
    normalised: F64 = photons / total
    return normalised
