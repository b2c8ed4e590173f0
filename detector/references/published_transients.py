"""Published fast X-ray transients as members of the built-in reference: `published_transients`.

Each is simulated after its published light curve and spectrum (`simulation.templates`), with the telescope and the
band of the reference, and bears the name under which it was published.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity
from xherald.simulation.classes.events import evolving, middle_90, place
from xherald.simulation.gallery import photons_of
from xherald.simulation.model import SourceModel
from xherald.simulation.random_streams import stream
from xherald.simulation.spectra import absorbed_power_law
from xherald.simulation.telescope import Telescope
from xherald.simulation.templates import TEMPLATES

__all__ = ["published_transients"]

DURATION_S: Final = 50_000.0
"""Good time of each exposure, s: a usual deep Chandra pointing, in which the longest template fits."""

ONSET_FRACTION: Final = 0.3
"""Part of the exposure before the onset."""

COUNTS: Final = 200.0
"""Expected counts of each: CDF-S XT1 and XT2 had 115 and 136 (Bauer et al. 2017; Xue et al. 2019), others more."""

BACKGROUND_COUNTS: Final = 1.0
AREA_RATIO: Final = 0.05
"""Background expected in the aperture, counts, and source over background area."""

SPECTRUM_NODES: Final = 3
"""Spectra between which the photon index runs."""


def published_transients(telescope: Telescope, identity: Identity, seed: int) -> EventBatch:
    """Simulate each published transient once.

    Parameters
    ----------
    telescope : Telescope
    identity : Identity
        Of a source of the reference: its mission and instrument.
    seed : int

    Returns
    -------
    EventBatch
        One source for each of `simulation.templates.TEMPLATES`, named as published.
    """
    return EventBatch.from_lists(_simulated(name, telescope, identity, seed) for name in TEMPLATES)


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


def _model(name: str) -> SourceModel:
    template = TEMPLATES[name]
    curve = template.curve()
    first, last = middle_90(curve)
    placed = place(curve, ONSET_FRACTION * DURATION_S, last - first, DURATION_S, name)
    onset, late = template.photon_index
    progress = np.clip((placed.shape_time - first) / (last - first), 0.0, 1.0)
    index = onset + (late - onset) * np.sqrt(progress)
    components = evolving(
        placed.curve, index, lambda value: absorbed_power_law(value, template.nh_1e22), nodes=SPECTRUM_NODES
    )
    return SourceModel("fast_transient", "flare", tuple(components), placed.interval, {})
