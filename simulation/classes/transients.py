"""Fast X-ray transients, modelled on published ones, with almost no persistent emission."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np

from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.published_templates import TEMPLATES
from xherald.simulation.spectra import absorbed_power_law

from .base import ModelRequest, SourceClass
from .columns import draw_column
from .events import evolving, middle_90, place

__all__ = ["FAST_TRANSIENT"]

MODELLED: Final = ("CDF-S XT1", "CDF-S XT2", "XRT 000519", "XRT 080109")

SPREAD_DEX: Final = 0.5
"""Scatter of the stretch: templates are chosen by how similar their length is to the requested one."""

_LENGTHS: Final = np.array([np.subtract(*middle_90(TEMPLATES[name].curve())[::-1]) for name in MODELLED])


def _fast_transient(rng: np.random.Generator, request: ModelRequest) -> SourceModel:
    """One of the published transients, stretched, with slightly warped times and a changed spectrum.

    Lengths are from 30 s to 20 ks, indices scatter by 0.25 (Quirola-Vásquez et al. 2022,
    A&A 663, A168; 2023, A&A 675, A44). Seven in ten have no persistent emission, the others 1e-4 to 3e-3 of the peak.
    """
    chance = np.exp(-0.5 * (np.log10(request.length / _LENGTHS) / SPREAD_DEX) ** 2) + 1e-12
    number = int(rng.choice(len(MODELLED), p=chance / chance.sum()))
    template = TEMPLATES[MODELLED[number]]
    onset_index, late_index = template.spectral_values
    moved = rng.normal(0.0, 0.25)
    drawn: Mapping[str, float] = {
        "template": float(number),
        "warp": float(np.clip(rng.normal(1.0, 0.1), 0.75, 1.25)),
        "onset_photon_index": onset_index + moved,
        "late_photon_index": late_index + moved,
        "nh_1e22": draw_column(rng),
        "persistent_level": 1e-4 * 30.0 ** rng.random() if rng.random() < 0.3 else 0.0,
    }
    natural = template.curve()
    # A power of time changes the slopes of decays and rises, and keeps onset, order and peak.
    scale = _LENGTHS[number]
    time = scale * np.sign(natural.time) * (np.abs(natural.time) / scale) ** drawn["warp"]
    shape = request.shape or LightCurve(time, natural.rate)
    placed = place(shape, request.start, request.length, request.duration, "fast_transient")
    extra = placed.curve
    whole_5, whole_95 = middle_90(shape)
    late = np.clip((placed.shape_time - whole_5) / (whole_95 - whole_5), 0.0, 1.0)
    index = drawn["onset_photon_index"] + (late_index - onset_index) * np.sqrt(late)
    components = evolving(extra, index, lambda value: absorbed_power_law(value, drawn["nh_1e22"]), nodes=3)
    level = drawn["persistent_level"] * request.persistent
    if level:
        host = LightCurve.constant(0.0, request.duration, level)
        components.append(Component(host, absorbed_power_law(drawn["late_photon_index"], drawn["nh_1e22"])))
    return SourceModel(
        "fast_transient",
        "flare",
        tuple(components),
        placed.interval,
        {**drawn, "start_s": request.start, "length_s": request.length},
    )


FAST_TRANSIENT: Final = SourceClass(
    "fast_transient",
    "Fast X-ray transient like CDF-S XT1 and XT2, XRT 000519, XRT 080109; almost no persistent emission",
    "flare",
    _fast_transient,
    (30.0, 20_000.0),
)
