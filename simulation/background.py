"""Background of sky photons, particles and soft protons.

Sky photons are uniform on the sky; they are vignetted and measured like other photons. Particles are uniform on the
chips. Soft protons are focused by the mirrors, vignetted and variable. The tables of the latter two are in measured
energy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.gti import Gti

from .energies import draw_energies
from .exposure import ObservingPlan
from .focal_plane import arcmin2
from .frames import FramedEvents, Hits, framed, read_out
from .light_curve import LightCurve
from .random_streams import stream
from .telescope import Telescope

__all__ = ["ORIGINS", "background_rate", "even_hits", "record_background", "vignetted"]


ORIGINS: Final = {"sky": -1, "particles": -2, "protons": -3}
"""Origin of the events of each kind, as in `RecordedEvents`."""


def record_background(telescope: Telescope, observing: ObservingPlan, seed: int) -> list[FramedEvents]:
    """Events of each kind of background, before pile-up, each with its own random stream."""
    found: list[FramedEvents] = []
    for kind, origin in ORIGINS.items():
        rng = stream(seed, "background", kind)
        hits = _HITS[kind](telescope, observing, rng)
        found.append(framed(telescope, observing, read_out(telescope, hits, rng), origin, rng))
    return found


def background_rate(telescope: Telescope) -> float:
    """Expected events s⁻¹ arcmin⁻² of all kinds on axis, protons at their quiescent level."""
    folded = telescope.sky_background * telescope.area_cm2
    return float(folded.sum() + telescope.particle_background.sum() + telescope.proton_background.sum())


def even_hits(
    telescope: Telescope, observing: ObservingPlan, curve: LightCurve, spectrum: F64, rng: np.random.Generator
) -> Hits:
    """Hits spread uniformly over the chips in their good times.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    curve : LightCurve
        Factor on the spectrum, s since the start.
    spectrum : ndarray, shape (400,)
        Hits s⁻¹ arcmin⁻² per energy bin.
    rng : numpy.random.Generator
    """
    times, pixels, index = [], [], []
    rate = float(spectrum.sum())
    for number, chip in enumerate(telescope.chips):
        gti: Gti = observing.gti.get(chip.number, np.empty((0, 2)))
        time = curve.arrivals(gti - observing.start, rate * arcmin2(chip), rng) if rate > 0 else np.empty(0)
        times.append(time)
        pixels.append(rng.integers(1, [[chip.width + 1], [chip.height + 1]], (2, len(time))))
        index.append(np.full(len(time), number, dtype=np.intp))
    time, (x, y) = np.concatenate(times), np.concatenate(pixels, axis=1)
    energy = draw_energies(spectrum, len(time), rng) if rate > 0 else np.empty(0)
    return Hits(time, energy, np.concatenate(index), x, y)


def vignetted(telescope: Telescope, hits: Hits, rng: np.random.Generator) -> Hits:
    """Hits that pass the vignetting at the positions of their pixels."""
    angle = np.empty(len(hits.time))
    for index, chip in enumerate(telescope.chips):
        own = hits.index == index
        angle[own] = np.hypot(*chip.to_focal(hits.x[own], hits.y[own])) / 60.0
    return hits.select(rng.random(len(angle)) < telescope.vignetting_at(angle, hits.energy))


def _sky(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> Hits:
    folded = telescope.sky_background * telescope.area_cm2
    hits = vignetted(telescope, even_hits(telescope, observing, _always(observing), folded, rng), rng)
    return Hits(hits.time, telescope.measured(hits.energy, rng), hits.index, hits.x, hits.y)


def _particles(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> Hits:
    return even_hits(telescope, observing, _always(observing), telescope.particle_background, rng)


def _protons(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> Hits:
    return vignetted(
        telescope, even_hits(telescope, observing, observing.protons, telescope.proton_background, rng), rng
    )


def _always(observing: ObservingPlan) -> LightCurve:
    return LightCurve.constant(0.0, observing.duration)


_HITS: Final[dict[str, Callable[[Telescope, ObservingPlan, np.random.Generator], Hits]]] = {
    "sky": _sky,
    "particles": _particles,
    "protons": _protons,
}
