"""Stellar flares: suddenly heated and slowly cooling plasma, on a quiescent corona."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.spectra import thermal_plasma

from .base import ModelRequest, SourceClass
from .events import evolving, place

__all__ = ["STELLAR_FLARE"]

RISE_KNOTS: Final = 24
DECAY_KNOTS: Final = 96
E_FOLDS: Final = 8.0
"""Decay times after which a flare is over."""

HEATED: Final = 0.5
"""Fraction of the rise after which the plasma is hottest: temperature peaks before the emission measure (Reale 2007,
A&A 471, 271)."""


def _stellar_flare(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """A fast rise (half a Gaussian) and an exponential decay.

    Peaks are 3 to 100 times the quiescent level, mostly low; peak temperatures are 2 to 8 keV, those of the corona
    0.3 to 0.9 keV; rises 0.1 to 0.5 of the decay (Pye et al. 2015, A&A 581, A28; Getman et al. 2008, ApJ 688, 418).
    The emission measure falls as the square of the temperature (ζ = 1 of Reale 2007): temperature decays half as fast.
    """
    drawn: Mapping[str, float] = {
        "quiet_kt_kev": 0.3 * 3.0 ** rng.random(),
        "peak_kt_kev": 2.0 * 4.0 ** rng.random(),
        "nh_1e22": 0.005 * 40.0 ** rng.random(),
        "peak_ratio": 3.0 * (100.0 / 3.0) ** (rng.random() ** 1.5),
    }
    rise_over_decay = rng.uniform(0.1, 0.5)
    # The decay time is 1 on the time axis of the shape.
    reach = 3.0 * rise_over_decay
    time = np.concatenate([np.linspace(0.0, reach, RISE_KNOTS), reach + np.linspace(0, E_FOLDS, DECAY_KNOTS)[1:]])
    before = np.exp(-(((reach - time) / rise_over_decay) ** 2))
    rate = np.where(time < reach, before, np.exp(-(time - reach)))
    rate[[0, -1]] = 0.0
    placed = place(LightCurve(time, rate), request.start, request.length, request.duration, "stellar_flare")
    extra = placed.curve.scaled(drawn["peak_ratio"])
    hot = reach - (1 - HEATED) * rise_over_decay
    onset = reach - 2.0 * rise_over_decay
    cooling = np.exp(-np.maximum(placed.shape_time - hot, 0.0) / 2.0)
    heating = np.clip((placed.shape_time - onset) / (hot - onset), 0.0, 1.0)
    kt = drawn["quiet_kt_kev"] + (drawn["peak_kt_kev"] - drawn["quiet_kt_kev"]) * np.where(
        placed.shape_time < hot, heating, cooling
    )
    components = evolving(extra, kt, lambda value: thermal_plasma(value, drawn["nh_1e22"]))
    if request.persistent:
        quiet = LightCurve.constant(0.0, request.duration, request.persistent)
        components.append(Component(quiet, thermal_plasma(drawn["quiet_kt_kev"], drawn["nh_1e22"])))
    return SourceModel(
        "stellar_flare",
        "flare",
        tuple(components),
        placed.interval,
        {
            **drawn,
            "rise_s": rise_over_decay * placed.stretch,
            "decay_s": placed.stretch,
            "start_s": request.start,
            "length_s": request.length,
        },
    )


STELLAR_FLARE: Final = SourceClass(
    "stellar_flare",
    "Stellar flare: fast rise, exponential decay, suddenly heated and cooling plasma, on a quiescent corona",
    "flare",
    _stellar_flare,
    (300.0, 30_000.0),
)
