"""Published transients as members of references: `published_transients`.

Each is simulated after its published light curve and spectrum (`simulation.published_templates`), with the telescope
and the band of the reference, and bears the name under which it was published.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.photons.arrays import F64
from xherald.simulation.classes.events import evolving, middle_90, place
from xherald.simulation.energies import MIDDLE_KEV
from xherald.simulation.gallery import photons_of
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.published_templates import TEMPLATES
from xherald.simulation.random_streams import stream
from xherald.simulation.spectra import absorbed_power_law, black_body, thermal_plasma
from xherald.simulation.telescope import Telescope
from xherald.simulation.templates import Template

__all__ = ["published_kinds", "published_transients"]

DURATION_S: Final = 50_000.0
"""Good time of each exposure, s: a usual deep Chandra pointing, in which the longest template fits."""

ONSET_FRACTION: Final = 0.3
"""Part of the exposure before the onset."""

COUNTS: Final = 200.0
"""Expected counts of each: CDF-S XT1 and XT2 had 115 and 136 (Bauer et al. 2017; Xue et al. 2019), others more."""

BACKGROUND_COUNTS: Final = 1.0
AREA_RATIO: Final = 0.05
"""Background expected in the aperture, counts, and source over background area."""

MIN_SHARE: Final = 1e-4
"""Smallest fraction of the emitted photons in the band of a telescope that can see a transient."""

SPECTRUM_NODES: Final = 3
"""Spectra between which the photon index runs."""


def published_transients(telescope: Telescope, identity: Identity, seed: int) -> EventBatch:
    """Simulate each published transient once, if any of its photons are in the band of the telescope.

    Parameters
    ----------
    telescope : Telescope
    identity : Identity
        Of a source of the reference: its mission and instrument.
    seed : int

    Returns
    -------
    EventBatch
        One source for each of `published_templates.TEMPLATES` that the telescope can see, named as published.
    """
    return EventBatch.from_lists(
        _simulated(name, telescope, identity, seed) for name in TEMPLATES if _is_visible(name, telescope)
    )


def _simulated(name: str, telescope: Telescope, identity: Identity, seed: int) -> EventList:
    rng = stream(seed, "published transient", name, telescope.name)
    time, energy = photons_of(_model(name), telescope, DURATION_S, COUNTS, rng)
    frame = telescope.frame_time
    if frame:
        time = np.minimum((np.floor(time / frame) + 0.5) * frame, DURATION_S)
    around = np.sort(rng.uniform(0.0, DURATION_S, rng.poisson(BACKGROUND_COUNTS / AREA_RATIO)))
    low, high = telescope.band
    background = Background(around, rng.uniform(low, high, len(around)).astype(np.float32), AREA_RATIO)
    return EventList(
        time=time,
        energy=energy.astype(np.float32),
        exposure=Exposure(np.array([[0.0, DURATION_S]])),
        identity=Identity(identity.mission, identity.instrument, "", name, source_path="simulated"),
        frame_time=frame,
        band=telescope.band,
        background=background,
    )


def published_kinds(published: EventBatch) -> tuple[dict[str, str], dict[str, str]]:
    """Kind ("flare" or "dip") and class of each published transient, by name.

    Parameters
    ----------
    published : EventBatch — see `published_transients`
    """
    names = [one.detection_id for one in published.identities]
    return (
        {name: TEMPLATES[name].direction for name in names},
        {name: TEMPLATES[name].kind for name in names},
    )


def _is_visible(name: str, telescope: Telescope) -> bool:
    inside = (telescope.band[0] <= MIDDLE_KEV) & (telescope.band[1] >= MIDDLE_KEV)
    template = TEMPLATES[name]
    return float(_spectrum(template, template.spectral_values[0])[inside].sum()) > MIN_SHARE


def _spectrum(template: Template, value: float) -> F64:
    make = {"power_law": absorbed_power_law, "black_body": black_body, "plasma": thermal_plasma}[template.spectrum]
    return make(value, template.nh_1e22)


def _model(name: str) -> SourceModel:
    template = TEMPLATES[name]
    curve = template.curve()
    first, last = middle_90(curve)
    placed = place(curve, ONSET_FRACTION * DURATION_S, last - first, DURATION_S, name)
    onset, late = template.spectral_values
    if template.direction == "dip":
        rest = LightCurve(placed.curve.time, np.maximum(1.0 - placed.curve.rate, 0.0))
        components = [Component(rest, _spectrum(template, onset))]
        return SourceModel(template.kind, "dip", tuple(components), placed.interval, {})
    progress = np.clip((placed.shape_time - first) / (last - first), 0.0, 1.0)
    track = onset + (late - onset) * np.sqrt(progress)
    components = evolving(placed.curve, track, lambda value: _spectrum(template, value), nodes=SPECTRUM_NODES)
    if template.persistent:
        quiet = LightCurve.constant(0.0, DURATION_S, template.persistent)
        components.append(Component(quiet, _spectrum(template, late)))
    return SourceModel(template.kind, "flare", tuple(components), placed.interval, {})
