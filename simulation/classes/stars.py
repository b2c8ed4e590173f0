"""Stellar flares: suddenly heated and slowly cooling plasma, on a quiescent corona."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import SourceModel
from xherald.simulation.spectra import thermal_plasma

from .base import ModelRequest, SourceClass
from .columns import draw_column
from .events import EventPlacement, FlarePhysics, flare_model, middle_90, relative_rate

__all__ = ["STELLAR_FLARE"]

RISE_KNOTS: Final = 24
DECAY_KNOTS: Final = 96
E_FOLDS: Final = 8.0
"""Decay times after which a flare is over."""

LEAD: Final = 0.5
"""How long before the emission measure the temperature peaks, in rises (Reale 2007, A&A 471, 271)."""

REHEATED: Final = 0.4
FLAT: Final = 0.15
"""Fractions of flares that are heated again while they decay, and of flat-topped ones: double flares, reheating and
slow-rise flat tops are together about half of the bright flares of Orion (Getman et al. 2008, ApJ 688, 418)."""

MIN_HEATING: Final = 1.05
"""Smallest ratio of the peak temperature to that of the quiet corona."""


def _stellar_flare(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A fast rise (half a Gaussian) and an exponential decay, heated once or several times.

    Peaks are 1.5 to 100 times the quiescent level, mostly low; peak temperatures are 1 to 15 keV, those of the corona
    0.3 to 3.6 keV, from old stars to protostars; rises 0.05 to 3 of the decay (Pye et al. 2015, A&A 581, A28; Getman et
    al. 2005, ApJS 160, 319; 2008, ApJ 688, 418; Getman & Feigelson 2021, ApJ 916, 32). Metals are 0.2 to 1 of solar.
    The emission measure falls as the square of the temperature (ζ = 1 of Reale 2007): temperature decays half as
    fast.
    """
    quiet = 0.3 * 12.0 ** rng.random()
    drawn: Mapping[str, float] = {
        "quiet_kt_kev": quiet,
        "peak_kt_kev": max(15.0 ** rng.random(), MIN_HEATING * quiet),
        "nh_1e22": draw_column(rng),
        "abundance": 0.2 * 5.0 ** rng.random(),
        "peak_ratio": 1.5 * (100.0 / 1.5) ** (rng.random() ** 1.3),
        "rise_over_decay": 0.05 * 60.0 ** rng.random(),
        "reheatings": float(rng.integers(1, 4)) if rng.random() < REHEATED else 0.0,
        "flat_top": rng.uniform(0.5, 3.0) if rng.random() < FLAT else 0.0,
    }
    shape = request.shape or _shape(rng, drawn)
    first, last = middle_90(shape)
    stretch = request.length / (last - first)
    lead = LEAD * drawn["rise_over_decay"] * stretch if request.shape is None else 0.05 * request.length

    def temperature(placed: EventPlacement) -> F64:
        heat: F64 = drawn["quiet_kt_kev"] + (drawn["peak_kt_kev"] - drawn["quiet_kt_kev"]) * np.sqrt(
            relative_rate(placed, lead)
        )
        return heat

    def spectrum(kt: float) -> F64:
        return thermal_plasma(kt, drawn["nh_1e22"], drawn["abundance"])

    physics = FlarePhysics(spectrum, temperature, drawn["peak_ratio"], 1.0, spectrum(drawn["quiet_kt_kev"]))
    scales = {"rise_s": drawn["rise_over_decay"] * stretch, "decay_s": stretch}
    return flare_model("stellar_flare", request, shape, physics, {**drawn, **scales})


def _shape(rng: np.random.Generator, drawn: Mapping[str, float]) -> LightCurve:
    """A flare of decay time 1, and weaker ones while it decays."""
    rise, flat = drawn["rise_over_decay"], drawn["flat_top"]
    curve = _single(0.0, rise, 1.0, flat)
    again = [
        _single(rng.uniform(0.3, 4.0), rise * rng.uniform(0.5, 2.0), rng.uniform(0.3, 1.5), 0.0).scaled(
            rng.uniform(0.2, 0.9)
        )
        for _ in range(int(drawn["reheatings"]))
    ]
    if not again:
        return curve
    time = np.unique(np.concatenate([one.time for one in (curve, *again)]))
    rate = np.sum([one.at(time) for one in (curve, *again)], axis=0)
    rate[[0, -1]] = 0.0
    return LightCurve(time, rate / rate.max())


def _single(start: float, rise: float, decay: float, flat: float) -> LightCurve:
    reach = 3.0 * rise
    parts = [np.linspace(0.0, reach, RISE_KNOTS), reach + flat + np.linspace(0, E_FOLDS * decay, DECAY_KNOTS)[1:]]
    time = np.concatenate(parts)
    before = np.exp(-(((reach - time) / rise) ** 2))
    rate = np.where(time < reach, before, np.exp(-np.maximum(time - reach - flat, 0.0) / decay))
    rate[[0, -1]] = 0.0
    return LightCurve(start + time, rate)


STELLAR_FLARE: Final = SourceClass(
    "stellar_flare",
    "Stellar flare: suddenly heated and cooling plasma on a quiescent corona, once or several times",
    "flare",
    _stellar_flare,
    (300.0, 86_400.0),
)
