"""Explosions seen in X-rays: X-ray flashes, afterglows, shock breakouts; no persistent emission.

With `fast_transient` they are one family: tens of photons seldom tell them apart.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import SourceModel
from xherald.simulation.spectra import absorbed_power_law, black_body

from .base import ModelRequest, SourceClass
from .columns import draw_column
from .events import EventPlacement, FlarePhysics, flare_model, progress
from .shapes import power_law_decay, pulse, pulse_train

__all__ = ["AFTERGLOW", "SHOCK_BREAKOUT", "XRAY_FLASH"]

FAMILY: Final = "fast_transient"


def _host_level(rng: np.random.Generator) -> float:
    """Persistent emission of a host galaxy, of the peak: mostly none."""
    return float(1e-4 * 30.0 ** rng.random()) if rng.random() < 0.3 else 0.0


def _explosion(
    kind: str, request: ModelRequest, shape: LightCurve, drawn: Mapping[str, float], *, thermal: bool = False
) -> SourceModel:
    """A power law, or a black body, that changes along the event."""
    onset, late = (
        drawn["onset_kt_kev" if thermal else "onset_photon_index"],
        drawn["late_kt_kev" if thermal else "late_photon_index"],
    )
    column = drawn["nh_1e22"]

    def spectrum(value: float) -> F64:
        return black_body(value, column) if thermal else absorbed_power_law(value, column)

    def track(placed: EventPlacement) -> F64:
        value: F64 = onset + (late - onset) * np.sqrt(progress(placed, shape))
        return value

    physics = FlarePhysics(spectrum, track, 1.0, drawn["persistent_level"], absorbed_power_law(1.8, column))
    return flare_model(kind, request, shape, physics, drawn)


def _xray_flash(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Prompt emission of a soft gamma-ray burst: one to five pulses, softening.

    Indices of 0.5 to 2.5 below the peak energy and softening by up to one (Sakamoto et al. 2005, ApJ 629, 311); lengths
    to a thousand seconds, as of fast X-ray transients of Einstein Probe and MAXI (Yuan et al. 2022; Serino et al. 2014,
    PASJ 66, 87).
    """
    number = int(rng.integers(1, 6))
    decays = 0.1 * 5.0 ** rng.random(number)
    own = pulse_train(
        np.sort(rng.random(number)), decays * rng.uniform(0.1, 0.8, number), decays, rng.uniform(0.2, 1.0, number)
    )
    onset = rng.uniform(0.5, 2.0)
    drawn: Mapping[str, float] = {
        "pulses": float(number),
        "onset_photon_index": onset,
        "late_photon_index": onset + rng.uniform(0.0, 1.0),
        "nh_1e22": draw_column(rng),
        "persistent_level": _host_level(rng),
    }
    return _explosion("xray_flash", request, request.shape or own, drawn)


def _afterglow(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Afterglow of a gamma-ray burst: power-law decay, often with a plateau; no spectral change.

    Slopes are 0.8 to 2, those of plateaus 0 to 0.7, photon indices 1.6 to 2.4 (Evans et al. 2009, MNRAS 397, 1177).
    Orphan afterglows rise for longer.
    """
    rise = 0.002 * 100.0 ** rng.random()
    slope, has_plateau = rng.uniform(0.8, 2.0), rng.random() < 0.5
    corner = rise * (1.0 / rise) ** rng.uniform(0.2, 0.8)
    own = power_law_decay(
        rise, (rng.uniform(0.0, 0.7), slope) if has_plateau else (slope,), (corner,) * has_plateau, 1.0
    )
    index = rng.uniform(1.6, 2.4)
    drawn: Mapping[str, float] = {
        "slope": slope,
        "onset_photon_index": index,
        "late_photon_index": index + rng.uniform(-0.1, 0.3),
        "nh_1e22": draw_column(rng),
        "persistent_level": _host_level(rng),
    }
    return _explosion("afterglow", request, request.shape or own, drawn)


def _shock_breakout(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """Breakout of a supernova's shock: a single pulse of a cooling black body or a soft power law.

    SN 2008D rose in 63 s and decayed in 129 s (Soderberg et al. 2008, Nature 453, 469); temperatures of 0.1 to 2 keV
    bracket winds and bare stars (Waxman & Katz 2017, Handbook of Supernovae, 967).
    """
    thermal = rng.random() < 0.5
    hot, index = 0.1 * 20.0 ** rng.random(), rng.uniform(1.8, 3.0)
    drawn: Mapping[str, float] = {
        "onset_kt_kev": hot,
        "late_kt_kev": hot * rng.uniform(0.3, 0.9),
        "onset_photon_index": index,
        "late_photon_index": index + rng.uniform(0.0, 1.0),
        "nh_1e22": draw_column(rng, soft=thermal and hot < 0.3),
        "persistent_level": _host_level(rng),
    }
    own = pulse(rng.uniform(0.1, 1.0), 1.0)
    return _explosion("shock_breakout", request, request.shape or own, drawn, thermal=thermal)


XRAY_FLASH: Final = SourceClass(
    "xray_flash",
    "X-ray flash: pulses of a soft gamma-ray burst, softening; no persistent emission",
    "flare",
    _xray_flash,
    (10.0, 1_500.0),
    FAMILY,
)
AFTERGLOW: Final = SourceClass(
    "afterglow",
    "Afterglow of a gamma-ray burst: power-law decay, often with a plateau",
    "flare",
    _afterglow,
    (300.0, 86_400.0),
    FAMILY,
)
SHOCK_BREAKOUT: Final = SourceClass(
    "shock_breakout",
    "Shock breakout of a supernova: a single pulse that softens",
    "flare",
    _shock_breakout,
    (50.0, 10_000.0),
    FAMILY,
)
