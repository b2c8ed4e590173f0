"""Response of a telescope: from sources and background to recorded events: `record`.

The steps for a source are exact: arrival times from its light curve in good time; energies from its spectrum times the
effective area; a random telescope module; the position in the focal plane at that time; thinning by the vignetting;
the point spread; the pixel; read-out, frame, grade and aspect (`frames`); and pile-up with all other events (`pileup`).
Thinning a Poisson process gives the process of the smaller rate, so nothing is binned in time, energy or position.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError
from xherald.photons.gti import Gti, gti_union

from .background import record_background
from .energies import draw_energies
from .exposure import ObservingPlan, RecordedEvents
from .focal_plane import chips_hit, offset_of, onto_focal
from .frames import FramedEvents, Hits, framed, read_out
from .mirror_spread import scatter
from .model import Component, PlacedSource
from .pileup import pile_up
from .random_streams import stream
from .telescope import Telescope

__all__ = ["record"]


def record(
    telescope: Telescope,
    observing: ObservingPlan,
    sources: Sequence[PlacedSource],
    seed: int,
    *,
    background: bool = True,
) -> RecordedEvents:
    """Record the events of sources and background.

    Each source has a random stream named after it, so its events do not depend on the others, except for pile-up.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    sources : sequence of PlacedSource
        Their indices are the origins of their events.
    seed : int
    background : bool
        Whether to add the background of the telescope.

    Returns
    -------
    RecordedEvents
        Sorted by time.

    Raises
    ------
    PhotonError
        Two sources have the same name, or one is more than 90° away.
    """
    names = [source.name for source in sources]
    if repeated := sorted({name for name in names if names.count(name) > 1}):
        raise PhotonError(
            f"two simulated sources are named {repeated[0]!r}, so their random numbers would be the same; rename one"
        )
    parts = record_background(telescope, observing, seed) if background else []
    parts += [
        _recorded(telescope, observing, source, origin, stream(seed, "source", source.name))
        for origin, source in enumerate(sources)
    ]
    if not parts:
        return _nothing()
    events = RecordedEvents(
        *(np.concatenate([getattr(part.events, name) for part in parts]) for name in RecordedEvents.__slots__)
    )
    return pile_up(FramedEvents(events, np.concatenate([part.luck for part in parts])))


def _recorded(
    telescope: Telescope, observing: ObservingPlan, source: PlacedSource, origin: int, rng: np.random.Generator
) -> FramedEvents:
    """Events of one source before pile-up."""
    gti = gti_union(*observing.gti.values()) - observing.start
    parts = [
        _photons(telescope, gti, component, source.flux * len(telescope.modules), rng)
        for component in source.model.components
    ]
    time, energy = (np.concatenate([np.empty(0), *(part[k] for part in parts)]) for k in (0, 1))
    place = offset_of(telescope, observing, source.ra, source.dec)
    hits = _hits(telescope, observing, place, time, energy, rng)
    return framed(telescope, observing, read_out(telescope, hits, rng), origin, rng)


def _photons(
    telescope: Telescope, gti: Gti, component: Component, flux: float, rng: np.random.Generator
) -> tuple[F64, F64]:
    """Times since the start and true energies of photons that pass the mirrors on axis."""
    folded = component.spectrum * telescope.area_cm2
    area = float(folded.sum())
    if not area * flux > 0:
        return np.empty(0), np.empty(0)
    time = component.light_curve.arrivals(gti, flux * area, rng)
    return time, draw_energies(folded, len(time), rng)


def _hits(
    telescope: Telescope,
    observing: ObservingPlan,
    place: tuple[float, float],
    time: F64,
    energy: F64,
    rng: np.random.Generator,
) -> Hits:
    """Photons of a sky position on the chips, without those lost by vignetting or outside the chips."""
    u, v = onto_focal(observing, *place, time + observing.start)
    angle = np.hypot(u, v) / 60.0
    module = rng.choice(np.array(telescope.modules), len(time))
    passed = rng.random(len(time)) < telescope.vignetting_at(angle, energy)
    time, energy, module, angle = time[passed], energy[passed], module[passed], angle[passed]
    du, dv = scatter(telescope, angle, energy, rng)
    index, x, y = chips_hit(telescope.chips, module, u[passed] + du, v[passed] + dv)
    on = index >= 0
    return Hits(time, telescope.measured(energy, rng), index, x, y).select(on)


def _nothing() -> RecordedEvents:
    """No events."""
    kinds = ("f8", "i8", "f8", "f8", "f8", "i2", "i2", "i2", "i2", "i2", "i4")
    return RecordedEvents(*(np.empty(0, dtype=kind) for kind in kinds))
