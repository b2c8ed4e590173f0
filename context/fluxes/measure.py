"""Fluxes, upper limits and luminosities from counts: `measure_fluxes`, `flux_limits`, `luminosity_erg_s`.

The exposure of a flux is that on the axis, to which energy conversion factors refer: live time × the fraction of the
point spread in the aperture × the vignetting × the fraction of telescope modules in use.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64
from xherald.photons.statistics.rates import source_interval, upper_limit

from .conversion import Factors

__all__ = [
    "LIMIT_LEVEL",
    "Fluxes",
    "flux_limits",
    "luminosity_distance_mpc",
    "luminosity_erg_s",
    "measure_fluxes",
]


LIMIT_LEVEL: Final = 0.9973
"""Probability of upper limits: three standard deviations of a Gaussian."""

MIN_REDSHIFT: Final = 0.003
"""Smallest redshift from which a distance follows."""

CM_PER_MPC: Final = 3.0856775814913673e24


@dataclass(frozen=True, slots=True, eq=False)
class Fluxes:
    """Fluxes of n sources in b bands, erg cm⁻² s⁻¹, as observed (absorbed).

    Parameters
    ----------
    value, low, high : ndarray, shape (n, b)
        Limits of 68 %: counting, spectrum and effective area, each side added in quadrature of logarithms. A limit of
        0 stays 0; NaN where the exposure is unknown.
    """

    value: F64
    low: F64
    high: F64


def measure_fluxes(
    counts: ArrayLike, background: ArrayLike, exposure_s: ArrayLike, factors: Factors, calibration_error: ArrayLike
) -> Fluxes:
    """Fluxes of sources.

    Parameters
    ----------
    counts, background : array_like, shape (n,) — in the aperture, and expected background among them
    exposure_s : array_like, shape (n,) — s on the axis; NaN where unknown
    factors : Factors, of n sources
    calibration_error : array_like, broadcast with (n, b) — relative error of the effective area

    Notes
    -----
    The counts have the interval of Kraft, Burrows & Nousek 1991 (ApJ 374, 344); the value is that of the net counts, 0
    where they are negative.
    """
    n, b, exposure = _broadcast(counts, background, exposure_s)
    net = np.maximum(n - b, 0.0)
    rate, rate_low, rate_high = (one[:, None] / exposure[:, None] for one in (net, *source_interval(n, b)))
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.hypot(np.log(rate / rate_low), np.hypot(np.log(factors.value / factors.low), calibration_error))
        above = np.hypot(np.log(rate_high / rate), np.hypot(np.log(factors.high / factors.value), calibration_error))
        value = rate * factors.value
        low, high = value * np.exp(-below), value * np.exp(above)
    # Without net counts there is no logarithm: the upper limit has the upper factor.
    bound = rate_high * factors.high * np.exp(calibration_error)
    return Fluxes(
        value,
        np.where(rate_low > 0, low, np.where(np.isnan(rate), np.nan, 0.0)),
        np.where(rate > 0, high, bound),
    )


def flux_limits(
    counts: ArrayLike,
    background: ArrayLike,
    exposure_s: ArrayLike,
    factors: Factors,
    level: float = LIMIT_LEVEL,
) -> F64:
    """Upper limits of fluxes, erg cm⁻² s⁻¹, shape (n, b).

    The posterior of Kraft, Burrows & Nousek 1991 for the counts; spectrum and effective area are taken as known, as is
    usual for limits: their errors are those of `Factors` and of the telescope.

    Parameters
    ----------
    counts, background, exposure_s : array_like, shape (n,) — as in `measure_fluxes`
    factors : Factors
    level : float — probability that the flux is below the limit
    """
    n, b, exposure = _broadcast(counts, background, exposure_s)
    limits: F64 = upper_limit(n, b, level)[:, None] / exposure[:, None] * factors.value
    return limits


def luminosity_erg_s(flux_erg_cm2_s: ArrayLike, distance_mpc: ArrayLike) -> F64:
    """Isotropic luminosity, erg s⁻¹, in the observer's band, of the flux as given.

    Parameters
    ----------
    flux_erg_cm2_s, distance_mpc : array_like — luminosity distance, Mpc
    """
    distance = np.asarray(distance_mpc, dtype=np.float64) * CM_PER_MPC
    luminosity: F64 = 4.0 * np.pi * distance**2 * np.asarray(flux_erg_cm2_s, dtype=np.float64)
    return luminosity


def luminosity_distance_mpc(distance_pc: float | None, redshift: float | None) -> float | None:
    """Luminosity distance: a measured distance, else that of a positive redshift (Planck 2018 cosmology).

    Redshifts below 0.003 are no distances: peculiar velocities are a third of the recession there, or more.

    Parameters
    ----------
    distance_pc : float or None — pc
    redshift : float or None
    """
    if distance_pc is not None and distance_pc > 0:
        return distance_pc * 1e-6
    if redshift is None or not redshift >= MIN_REDSHIFT:
        return None
    from astropy.cosmology import Planck18

    return float(Planck18.luminosity_distance(redshift).to_value("Mpc"))


def _broadcast(counts: ArrayLike, background: ArrayLike, exposure_s: ArrayLike) -> tuple[F64, F64, F64]:
    n, b, exposure = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in (counts, background, exposure_s))
    )
    return n, b, np.where(exposure > 0, exposure, np.nan)
