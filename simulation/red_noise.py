"""Noise with a given power spectrum, and positive rates derived from it: `red_noise`, `lognormal`.

Power spectra are one-sided, of a dimensionless signal, in Hz⁻¹: their integral over frequency is its variance.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.fft import irfft

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError

__all__ = ["bending_power_law", "lognormal", "red_noise"]


def bending_power_law(frequency: F64, bend_hz: float, low_slope: float, high_slope: float) -> F64:
    """Power spectrum that runs as (f/bend)^−low well below the bend and as (f/bend)^−high well above it.

    The form of McHardy et al. 2004, MNRAS 348, 783, which X-ray light curves of active galaxies follow with a low slope
    of 1.1 and a mean high slope of 2.6 (González-Martín & Vaughan 2012, A&A 544, A80).

    Parameters
    ----------
    frequency : ndarray — Hz, above zero
    bend_hz : float — Hz
    low_slope, high_slope : float
    """
    x = frequency / bend_hz
    power: F64 = x**-low_slope / (1.0 + x ** (high_slope - low_slope))
    return power


def red_noise(n: int, step: float, power: Callable[[F64], F64], rng: np.random.Generator) -> F64:
    """A Gaussian signal with a power spectrum: Timmer & Koenig 1995, A&A 300, 707.

    Phases *and* amplitudes are random, so that periodograms scatter as those of real noise. Make more points than
    needed and use a part of them, so that power from below its lowest frequency leaks in.

    Parameters
    ----------
    n : int — points, even, at least 4
    step : float — s between points
    power : callable — one-sided power spectrum, Hz⁻¹, at frequencies in Hz
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,) — mean zero, variance Σ P(f) Δf over the n/2 positive frequencies

    Raises
    ------
    ConfigError
    """
    if n < 4 or n % 2 or not 0 < step < np.inf:
        raise ConfigError(
            f"red noise of {n} points, {step} s apart: needs an even number of at least 4, and a positive step"
        )
    frequency = np.arange(1, n // 2 + 1) / (n * step)
    # |X_k|² = P n / (2 step) on average, half of it real and half imaginary.
    amplitude = np.sqrt(power(frequency) * n / (4.0 * step))
    wave = amplitude * (rng.standard_normal(n // 2) + 1j * rng.standard_normal(n // 2))
    wave[-1] = 2.0 * wave[-1].real  # at Nyquist a real signal has no imaginary part, and no twin at −f
    signal: F64 = irfft(np.concatenate([[0.0], wave]), n)
    return signal


def lognormal(signal: F64, variance: float) -> F64:
    """Positive rates of mean 1 whose logarithm is a Gaussian signal: Uttley, McHardy & Vaughan 2005, MNRAS 359, 345.

    They have the linear rms–flux relation and the log-normal fluxes of accreting sources.

    Parameters
    ----------
    signal : ndarray — Gaussian, mean zero
    variance : float — of the process that the signal is a part of
    """
    rates: F64 = np.exp(signal - 0.5 * variance)
    return rates
