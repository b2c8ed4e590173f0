"""Classes without an event: constant sources, active galaxies, supersoft sources."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.red_noise import bending_power_law, lognormal, red_noise
from xherald.simulation.spectra import absorbed_power_law, black_body, thermal_plasma

from .base import ModelRequest, SourceClass
from .columns import draw_column

__all__ = ["AGN", "CONSTANT", "SUPERSOFT", "noisy_light_curve"]


KNOTS: Final = 1024
"""Knots of red noise in an exposure; faster variations are not included."""

STRETCHES: Final = 4
"""Red noise is this number of times longer than the exposure, so that power from lower frequencies leaks in."""

NODES_SUPERSOFT: Final = 64


def noisy_light_curve(
    power: Callable[[F64], F64], rms: float, duration: float, rng: np.random.Generator, knots: int = KNOTS
) -> LightCurve:
    """Log-normal red noise of mean 1.

    Parameters
    ----------
    power : callable
        Power spectrum of the logarithm, Hz⁻¹, at frequencies in Hz, of arbitrary normalisation.
    rms : float
        Mean rms of the logarithm in an exposure, about the fractional rms of the rate.
    duration : float — s
    rng : numpy.random.Generator
    knots : int — a power of two
    """
    n, step = STRETCHES * knots, duration / (knots - 1)
    frequency = np.arange(1, n // 2 + 1) / (n * step)
    density = power(frequency)
    # The variance of a wave of frequency f about its mean in the exposure is 1 − sinc².
    seen = 1.0 - np.sinc(frequency * duration) ** 2
    scale = rms**2 * n * step / (density @ seen)
    variance = scale * density.sum() / (n * step)
    first = int(rng.integers(n - knots))
    signal = red_noise(n, step, lambda f: scale * power(f), rng)[first : first + knots]
    return LightCurve(np.linspace(0.0, duration, knots), lognormal(signal, float(variance)))


def _constant(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A power law (an unresolved background galaxy or binary) or, for 3 in 10, the plasma of a stellar corona."""
    nh = draw_column(rng)
    if rng.random() < 0.3:
        kt = 0.4 * 10.0 ** rng.random()
        spectrum, drawn = thermal_plasma(kt, nh), {"kt_kev": kt, "nh_1e22": nh}
    else:
        index = float(np.clip(rng.normal(1.8, 0.3), 0.8, 3.0))
        spectrum, drawn = absorbed_power_law(index, nh), {"photon_index": index, "nh_1e22": nh}
    curve = LightCurve.constant(0.0, request.duration, request.persistent)
    return SourceModel("constant", "", (Component(curve, spectrum),), None, drawn)


def _agn(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Red noise with a bend; photon indices are distributed as those of Nandra & Pounds 1994, MNRAS 268, 405.

    Bends are at 1e-5 to 1e-3 Hz, for 1e8 to 1e6 solar masses (McHardy et al. 2006, Nature 444, 730); slopes are 1.1
    and 2 to 3, and the rms 0.05 to 0.5 (González-Martín & Vaughan 2012, A&A 544, A80).
    """
    drawn: Mapping[str, float] = {
        "photon_index": float(np.clip(rng.normal(1.9, 0.2), 1.2, 2.8)),
        "nh_1e22": draw_column(rng),
        "bend_hz": 1e-5 * 100.0 ** rng.random(),
        "high_slope": rng.uniform(2.0, 3.0),
        "log_rms": 0.05 * 10.0 ** rng.random(),
    }
    power = partial(bending_power_law, bend_hz=drawn["bend_hz"], low_slope=1.1, high_slope=drawn["high_slope"])
    curve = noisy_light_curve(power, drawn["log_rms"], request.duration, rng).scaled(request.persistent)
    spectrum = absorbed_power_law(drawn["photon_index"], drawn["nh_1e22"])
    return SourceModel("agn", "", (Component(curve, spectrum),), None, drawn)


def _supersoft(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Steady burning on a white dwarf: black body of 50 to 100 eV, slowly varying.

    Kahabka & van den Heuvel 1997, ARA&A 35, 69.
    """
    drawn: Mapping[str, float] = {
        "kt_kev": rng.uniform(0.05, 0.1),
        "nh_1e22": draw_column(rng, soft=True),
        "log_rms": rng.uniform(0.01, 0.15),
    }
    power = partial(bending_power_law, bend_hz=0.1 / request.duration, low_slope=0.0, high_slope=2.5)
    curve = noisy_light_curve(power, drawn["log_rms"], request.duration, rng, NODES_SUPERSOFT)
    spectrum = black_body(drawn["kt_kev"], drawn["nh_1e22"])
    return SourceModel("supersoft", "", (Component(curve.scaled(request.persistent), spectrum),), None, drawn)


CONSTANT: Final = SourceClass("constant", "Steady power law or hot plasma", "", _constant)
AGN: Final = SourceClass("agn", "Active galaxy: power law with red noise, log-normal in rate", "", _agn)
SUPERSOFT: Final = SourceClass("supersoft", "Supersoft source: black body of 50-100 eV, slowly varying", "", _supersoft)
