"""A telescope with simple properties, whose counts can be calculated by hand, and sources for it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from xherald.photons import PointSpread, SkyProjection
from xherald.simulation.energies import MIDDLE_KEV, WIDTH_KEV
from xherald.simulation.exposure import ObservingPlan
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, PlacedSource, SourceModel
from xherald.simulation.observing import observe
from xherald.simulation.random_streams import stream
from xherald.simulation.telescope import Chip, Telescope

__all__ = [
    "DEC",
    "FAST_FRAME_S",
    "FLAT",
    "LINE",
    "MIN_P_VALUE",
    "QUIET",
    "RA",
    "chip",
    "exposure",
    "steady",
    "toy",
    "with_gti",
]

MIN_P_VALUE = 1e-4
"""Tests of distributions fail below this p-value."""

FAST_FRAME_S = 1e-4
"""Frame time without pile-up."""

RA, DEC = 359.95, 41.0
"""A pointing near right ascension 0."""

FLAT = WIDTH_KEV / WIDTH_KEV.sum()
LINE = np.eye(len(MIDDLE_KEV))[np.searchsorted(MIDDLE_KEV, 1.5)]
"""All photons at 1.5 keV, where the vignetting of the toy telescope is that of the first column."""

QUIET = {"sky_background": FLAT * 0, "particle_background": FLAT * 0, "proton_background": FLAT * 0}


def chip(number: int = 0, **changes: Any) -> Chip:
    """A chip of 1000 pixels of 1″ in the middle of the focal plane."""
    usual: dict[str, Any] = {"width": 1000, "height": 1000, "centre": (0.0, 0.0), "rotation": 0.0, "pixel_arcsec": 1.0}
    return Chip(number, **(usual | changes))


def toy(**changes: Any) -> Telescope:
    """100 cm² at every energy, half of it 10′ off axis, frames of 0.1 s, no noise, no loss, a PSF below a pixel."""
    usual: dict[str, Any] = {
        "name": "toy",
        "mission": "chandra",
        "band": (0.5, 7.0),
        "area_cm2": np.full(400, 100.0),
        "off_axis_arcmin": np.array([0.0, 10.0]),
        "vignetting": np.array([[1.0, 1.0], [0.5, 0.3]]),
        "vignetting_kev": (2.0, 6.0),
        "resolution_ev": (60.0, 8000.0),
        "point_spread": PointSpread("toy", (0.0,), (1.5,), ((0.1,),), ((0.2,),), 1.0),
        "arm_fraction": 0.0,
        "chips": (chip(),),
        "frame_time": 0.1,
        "stamp": "middle",
        "live_fraction": 1.0,
        "streaks": False,
        "projection": SkyProjection("TAN", 0.0, 0.0, 500.5, 500.5, -1 / 3600, 1 / 3600),
        "pattern": "continuous",
        "sources": {},
        **QUIET,
    }
    return Telescope(**(usual | changes))


def exposure(telescope: Telescope, duration: float = 1000.0, **changes: Any) -> ObservingPlan:
    """An exposure of the telescope at the default pointing, roll 30°."""
    usual: dict[str, Any] = {"ra": RA, "dec": DEC, "roll": 30.0, "rng": stream(0, "exposure")}
    return observe(telescope, duration=duration, **(usual | changes))


def with_gti(observing: ObservingPlan, *rows: tuple[float, float]) -> ObservingPlan:
    """The same exposure with good times in s since the start, for all chips."""
    gti = observing.start + np.array(rows)
    return replace(observing, gti=dict.fromkeys(observing.gti, gti), duration=rows[-1][1])


def steady(
    observing: ObservingPlan,
    counts: float,
    *,
    west: float = 0.0,
    north: float = 0.0,
    name: str = "A",
    spectrum: Any = LINE,
) -> PlacedSource:
    """A constant source, offset from the pointing in arcsec; `counts` are for 100 cm² on axis and all of its time."""
    sky = toy().projection_at(observing.ra, observing.dec)
    ra, dec = sky.to_sky(sky.x_reference + west, sky.y_reference + north)
    curve = LightCurve.constant(0.0, observing.duration)
    model = SourceModel("constant", "", (Component(curve, spectrum),))
    return PlacedSource(name, float(ra), float(dec), model, counts / (100.0 * observing.duration))
