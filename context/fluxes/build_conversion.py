"""Build the energy conversion factors of every telescope from the simulator's effective areas.

``python -m xherald.context.fluxes.build_conversion`` writes ``energy_conversion.json`` beside this module. A spectrum
is folded with the effective area on axis of all telescope modules, scaled to published factors where there are some
(`published_factors`), and with the energy resolution. The factor is the energy flux in a band, before the telescope and
behind the absorbing column, over the count rate in the instrument's band.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.energies import EDGES_KEV, MIDDLE_KEV
from xherald.simulation.spectra import absorbed_power_law, absorption, black_body, thermal_plasma
from xherald.simulation.telescope import Telescope
from xherald.simulation.telescopes import TELESCOPES

from .conversion import TABLE_PATH, table_hash
from .published_factors import scaled_area

__all__ = ["build_table", "detected", "energy_flux", "telescope_area"]


FLUX_BANDS_KEV: Final = ((0.5, 2.0), (2.0, 10.0), (0.3, 10.0))

LOG10_NH: Final = tuple(np.round(np.arange(19.5, 23.01, 0.25), 2).tolist())

HARDNESS_SPLIT_KEV: Final = {"ep-wxt": 1.5, "erosita": 2.3, "erosita-pointed": 2.3}
"""Boundary of soft and hard photons, as the adapters have it; 2 keV for the others."""

CALIBRATION_ERROR: Final = {"xmm-pn": 0.1, "xmm-mos1": 0.1, "xmm-mos2": 0.1, "swift-xrt": 0.1, "erosita": 0.15}
"""Relative error of the factors: filters, epochs and cross-calibration (telescopes differ by 10 %: Nevalainen et al.
2010, A&A 523, A22); 15 % for eROSITA, whose area changes along a scan."""

UNSCALED_CALIBRATION_ERROR: Final = 0.3
"""The same for areas that are not scaled to published factors: read from figures, and of Chandra's contamination in the
2020s; before 2010, Chandra's area below 1 keV was up to twice as large."""

ERG_PER_KEV: Final = 1.602176634e-9

SPECTRA: Final[dict[str, Callable[[float], F64]]] = {
    "power law, photon index 1.7": lambda nh: absorbed_power_law(1.7, nh),
    "power law, photon index 2.0": lambda nh: absorbed_power_law(2.0, nh),
    "power law, photon index 2.5": lambda nh: absorbed_power_law(2.5, nh),
    "thermal plasma, kT 1 keV": lambda nh: thermal_plasma(1.0, nh),
    "thermal plasma, kT 3 keV": lambda nh: thermal_plasma(3.0, nh),
    "black body, kT 0.2 keV": lambda nh: black_body(0.2, nh),
}


def build_table() -> dict[str, Any]:
    """Energy conversion factors, ready for JSON; numbers to five digits."""
    content: dict[str, Any] = {
        "flux_bands_kev": FLUX_BANDS_KEV,
        "log10_nh_cm2": LOG10_NH,
        "spectra": list(SPECTRA),
        "telescopes": {name: _of_telescope(one) for name, one in TELESCOPES.items()},
    }
    rounded: dict[str, Any] = json.loads(json.dumps(content))
    return {**rounded, "sha256": table_hash(rounded)}


def _of_telescope(telescope: Telescope) -> dict[str, Any]:
    split = HARDNESS_SPLIT_KEV.get(telescope.name, 2.0)
    low, high = telescope.band
    area = telescope_area(telescope)
    counted, soft = detected(telescope, area, low, high), detected(telescope, area, low, split)
    factors, unabsorbed, fractions = [], [], []
    for spectrum in SPECTRA.values():
        photons = [spectrum(10.0 ** (value - 22.0)) for value in LOG10_NH]
        rate = np.array([(one * counted).sum() for one in photons])
        flux = np.array([[energy_flux(one, *band) for band in FLUX_BANDS_KEV] for one in photons])
        # Spectra are normalised after absorption.
        bare = spectrum(0.0)
        passed = np.array([(bare * absorption(10.0 ** (value - 22.0))).sum() for value in LOG10_NH])
        source = np.array([energy_flux(bare, *band) for band in FLUX_BANDS_KEV]) / passed[:, None]
        factors.append(_digits(flux / rate[:, None]))
        unabsorbed.append(_digits(source / rate[:, None]))
        fractions.append(_digits(np.array([(one * soft).sum() for one in photons]) / rate))
    return {
        "band_kev": list(telescope.band),
        "hardness_split_kev": split,
        "modules": len(telescope.modules),
        "calibration_error": CALIBRATION_ERROR.get(telescope.name.removesuffix("-pointed"), UNSCALED_CALIBRATION_ERROR),
        "erg_cm2_per_count": factors,
        "unabsorbed_erg_cm2_per_count": unabsorbed,
        "soft_fraction": fractions,
    }


def telescope_area(telescope: Telescope) -> F64:
    """Effective area of all modules on axis, cm², shape (400,); scaled to published factors where there are some."""
    reference = absorbed_power_law(1.7, 0.03)

    def counts(area: F64, low_kev: float, high_kev: float) -> float:
        rate = float((reference * detected(telescope, area, low_kev, high_kev)).sum())
        return rate / energy_flux(reference, low_kev, high_kev)

    return scaled_area(telescope.name, counts, telescope.area_cm2 * len(telescope.modules))


def detected(telescope: Telescope, area: F64, low_kev: float, high_kev: float) -> F64:
    """Area for photons of each true energy that are measured in a band, cm², shape (400,)."""
    from scipy.special import ndtr

    noise, fano = telescope.resolution_ev
    sigma = np.sqrt(noise**2 + fano * MIDDLE_KEV) * 1e-3 / 2.354820045
    inside: F64 = area * (ndtr((high_kev - MIDDLE_KEV) / sigma) - ndtr((low_kev - MIDDLE_KEV) / sigma))
    return inside


def energy_flux(photons: F64, low_kev: float, high_kev: float) -> float:
    """Energy of photons in a band, erg; bins that the band cuts count by their part in it."""
    part = np.clip(
        (np.minimum(EDGES_KEV[1:], high_kev) - np.maximum(EDGES_KEV[:-1], low_kev)) / np.diff(EDGES_KEV), 0, 1
    )
    return float((photons * part * MIDDLE_KEV).sum()) * ERG_PER_KEV


def _digits(values: F64) -> Any:
    return [[float(f"{v:.4e}") for v in row] if np.ndim(row) else float(f"{row:.4e}") for row in values]


def main() -> None:
    """Write the table."""
    TABLE_PATH.write_text(json.dumps(build_table(), indent=None, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
