"""Ratio of a new flux to that of a catalogue, with the Eddington bias corrected: `flux_ratio`.

Faint sources are more numerous than bright ones, so that a flux measured with a large error is on average too large
(Eddington 1913, MNRAS 73, 359), in the catalogue and in the new observation. Each true flux has a prior that falls with
the slope of log N–log S, and the likelihood of its own measurement: Poisson counts, or a flux with a normal error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64

__all__ = ["COUNTS_SLOPE", "FluxMeasurement", "MeasuredCounts", "MeasuredFlux", "RatioPosterior", "flux_ratio"]


COUNTS_SLOPE: Final = 1.0
"""Slope of N(>S) ∝ S^-slope: between 0.6 of faint and 1.5 of bright extragalactic sources (Mateos et al. 2008, A&A 492,
51), whose break is near 1e-14 erg cm⁻² s⁻¹ in 0.5–2 keV; 1 about it, and for Galactic sources."""

MIN_FLUX: Final = 1e-17
"""Smallest flux of the prior, erg cm⁻² s⁻¹."""

MAX_FLUX: Final = 1e-5

STEPS: Final = 1024
"""Grid of fluxes, uniform in the logarithm: 2.7 % each."""

MIN_RATIO: Final = 5.0


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredCounts:
    """Counts of n positions, detections or not.

    Parameters
    ----------
    counts, background : ndarray, shape (n,)
    counts_per_flux : ndarray, shape (n,) — exposure on the axis over the energy conversion factor
    """

    counts: F64
    background: F64
    counts_per_flux: F64

    def ln_likelihood(self, flux: F64) -> F64:
        """Poisson likelihood of each flux, shape (n, fluxes)."""
        from scipy.special import xlogy

        mean = self.background[:, None] + self.counts_per_flux[:, None] * flux
        return np.asarray(xlogy(self.counts[:, None], mean) - mean, dtype=np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class MeasuredFlux:
    """Fluxes of n catalogue rows with normal errors.

    Parameters
    ----------
    flux, error : ndarray, shape (n,) — erg cm⁻² s⁻¹
    """

    flux: F64
    error: F64

    def ln_likelihood(self, flux: F64) -> F64:
        """Normal likelihood of each flux, shape (n, fluxes)."""
        likelihood: F64 = -0.5 * ((flux - self.flux[:, None]) / self.error[:, None]) ** 2
        return likelihood


FluxMeasurement = MeasuredCounts | MeasuredFlux


@dataclass(frozen=True, slots=True, eq=False)
class RatioPosterior:
    """Ratios of n new fluxes to catalogue fluxes.

    Parameters
    ----------
    p_above : ndarray, shape (n,) — probability that the true ratio exceeds the limit
    p_below : ndarray, shape (n,) — that it is below the limit's inverse
    median, low, high : ndarray, shape (n,) — of the ratio, with 68 % limits
    """

    p_above: F64
    p_below: F64
    median: F64
    low: F64
    high: F64


def flux_ratio(
    new: FluxMeasurement,
    catalogue: FluxMeasurement,
    *,
    slope: float = COUNTS_SLOPE,
    systematic_error: ArrayLike = 0.0,
    limit: float = MIN_RATIO,
    min_flux: float = MIN_FLUX,
) -> RatioPosterior:
    """Posterior of the ratio of two true fluxes in one band.

    The priors of both fluxes are independent, so that a ratio is not taken as likely to be 1 beforehand.

    Parameters
    ----------
    new, catalogue : FluxMeasurement, of n sources
    slope : float — of N(>S) ∝ S^-slope
    systematic_error : array_like, shape (n,)
        Standard deviation of the logarithm (e) of the ratio of both calibrations and assumed spectra.
    limit : float — above 1
    min_flux : float — smallest flux of the prior, erg cm⁻² s⁻¹: decides the ratio where a source is not detected
    """
    grid = np.linspace(np.log(min_flux), np.log(MAX_FLUX), STEPS)
    step = float(grid[1] - grid[0])
    # Per logarithm of the flux the prior is S^-slope.
    first, second = (_posterior(one.ln_likelihood(np.exp(grid)) - slope * (grid - grid[0])) for one in (new, catalogue))
    error = np.broadcast_to(np.atleast_1d(np.asarray(systematic_error, dtype=np.float64)), (len(first),))
    # The posterior of the logarithm of the ratio is the correlation of both, smoothed by the systematic error.
    length = 2 * STEPS
    frequency = 2.0 * np.pi * np.fft.rfftfreq(length)
    transform = np.fft.rfft(first, length) * np.conj(np.fft.rfft(second, length))
    transform = transform * np.exp(-0.5 * (frequency * (error / step)[:, None]) ** 2)
    density = np.maximum(np.fft.fftshift(np.fft.irfft(transform, length), axes=1), 0.0)
    density /= density.sum(axis=1, keepdims=True)
    ln_ratio = (np.arange(length) - STEPS) * step
    reached = np.cumsum(density, axis=1) - 0.5 * density
    bound = np.log(limit)
    p_above, p_below, low, median, high = np.array(
        [
            (
                1.0 - np.interp(bound, ln_ratio, row),
                np.interp(-bound, ln_ratio, row),
                *np.interp((0.1587, 0.5, 0.8413), row, ln_ratio),
            )
            for row in reached
        ]
    ).T.reshape(5, -1)
    return RatioPosterior(p_above, p_below, np.exp(median), np.exp(low), np.exp(high))


def _posterior(ln_weight: F64) -> F64:
    weight = np.exp(ln_weight - ln_weight.max(axis=1, keepdims=True))
    normalised: F64 = weight / weight.sum(axis=1, keepdims=True)
    return normalised
