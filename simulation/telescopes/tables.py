"""Tables on the energy grid from short lists of published values, for all telescope modules."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.energies import MIDDLE_KEV, WIDTH_KEV
from xherald.simulation.spectra import absorbed_power_law, thermal_plasma

__all__ = ["SKY_SOURCE", "flat_background", "log_table", "proton_background", "sky_background"]


SR_PER_ARCMIN2 = (np.pi / 180 / 60) ** 2

SKY_SOURCE = (
    "extragalactic: 11.6 photons cm⁻² s⁻¹ sr⁻¹ keV⁻¹ at 1 keV, photon index 1.41 (De Luca & Molendi 2004, "
    "A&A 419, 837); "
    "Galactic: plasma of 0.2 keV with 5e-7 photons cm⁻² s⁻¹ arcmin⁻² in 0.4–1.2 keV, about the high-latitude mean of "
    "ROSAT's 3/4 keV band (Snowden et al. 1997, ApJ 485, 125), approximate"
)


def log_table(points: Sequence[tuple[float, float]]) -> F64:
    """Values on the energy grid, linear in log–log between (keV, value) points, with steep cut-offs beyond them."""
    energy, value = np.log(np.array(points).T)
    table: F64 = np.exp(np.interp(np.log(MIDDLE_KEV), energy, value))
    below, above = np.exp(energy[0]), np.exp(energy[-1])
    table *= np.minimum(1.0, MIDDLE_KEV / below) ** 3 * np.minimum(1.0, above / MIDDLE_KEV) ** 6
    return _fixed(table)


def sky_background(galactic: float = 5e-7) -> F64:
    """Sky photons s⁻¹ cm⁻² arcmin⁻² per bin before the mirrors (`SKY_SOURCE`).

    Parameters
    ----------
    galactic : float — photons cm⁻² s⁻¹ arcmin⁻² of the Galaxy in 0.4–1.2 keV
    """
    shape = absorbed_power_law(1.41, 0.02)
    extragalactic = 11.6 * SR_PER_ARCMIN2 * MIDDLE_KEV**-1.41 * WIDTH_KEV
    extragalactic = shape * extragalactic[_near(5.0)] / shape[_near(5.0)]
    plasma = thermal_plasma(0.2, 0.01)
    soft = (MIDDLE_KEV >= 0.4) & (MIDDLE_KEV <= 1.2)
    return _fixed(extragalactic + plasma * galactic / plasma[soft].sum())


def flat_background(
    rate: float, band: tuple[float, float], lines: Sequence[tuple[float, float, float]] = (), slope: float = 0.2
) -> F64:
    """Particles: counts s⁻¹ arcmin⁻² per bin, nearly flat in energy, with fluorescence lines.

    Parameters
    ----------
    rate : float — counts s⁻¹ arcmin⁻² in the band, lines included
    band : (float, float) — keV
    lines : sequence of (keV, fraction of the rate, sigma in eV)
    slope : float — the continuum falls as E^−slope
    """
    inside = (band[0] <= MIDDLE_KEV) & (band[1] >= MIDDLE_KEV)
    continuum = MIDDLE_KEV**-slope * WIDTH_KEV
    table = continuum / continuum[inside].sum() * (1 - sum(part for _, part, _ in lines))
    for energy, part, sigma_ev in lines:
        shape = np.exp(-0.5 * ((MIDDLE_KEV - energy) / (sigma_ev * 1e-3)) ** 2) * WIDTH_KEV
        table = table + part * shape / shape.sum()
    return _fixed(rate * table)


def proton_background(rate: float, band: tuple[float, float]) -> F64:
    """Soft protons at their quiescent level: counts s⁻¹ arcmin⁻² per bin, E^−0.8 with a cut-off at 6 keV.

    The spectrum of quiescent residual protons of Kuntz & Snowden 2008, A&A 478, 575, approximate.
    """
    shape = MIDDLE_KEV**-0.8 * np.exp(-MIDDLE_KEV / 6.0) * WIDTH_KEV
    inside = (band[0] <= MIDDLE_KEV) & (band[1] >= MIDDLE_KEV)
    return _fixed(rate * shape / shape[inside].sum())


def _near(kev: float) -> int:
    return int(np.argmin(np.abs(MIDDLE_KEV - kev)))


def _fixed(table: F64) -> F64:
    table.setflags(write=False)
    return table
