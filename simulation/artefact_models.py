"""Artefacts that look like transients: bad pixels, cosmic rays, background flares: `ARTEFACTS`, `add_artefacts`.

The events of each artefact have their own origin, −4 and below. The pipeline of a mission detects some artefacts and
flags their events (`Fault`); each escapes detection with the probability `Artefact.escapes`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

import numpy as np

from xherald.photons.errors import ConfigError

from . import artefact_events as kinds_of
from .exposure import Fault, ObservingPlan, RecordedEvents
from .frames import Hits, framed
from .random_streams import stream
from .telescope import Telescope

__all__ = ["ARTEFACTS", "Artefact", "add_artefacts"]


FIRST_ORIGIN: Final = -4


@dataclass(frozen=True, slots=True)
class Artefact:
    """A kind of artefact.

    Parameters
    ----------
    summary : str
        Description on one line.
    make : callable
        Draws the hits of an artefact.
    fault : Fault
        Flag of its events if the pipeline detects it.
    escapes : float
        Probability that the pipeline does not detect it. Chosen to give enough of both, not measured.
    single_pixel : bool
        Whether all charge of an event is in one pixel (grade 0); otherwise grades are drawn as those of photons.
    """

    summary: str
    make: Callable[[Telescope, ObservingPlan, np.random.Generator], Hits]
    fault: Fault
    escapes: float
    single_pixel: bool = True


ARTEFACTS: Final[Mapping[str, Artefact]] = MappingProxyType(
    {
        "afterglow": Artefact(
            "Cosmic-ray afterglow (ACIS): 5–30 events of falling energy in one pixel, in consecutive frames",
            kinds_of.afterglow,
            Fault.COSMIC_RAY,
            escapes=0.7,
        ),
        "hot_pixel": Artefact(
            "Hot pixel: soft events in one pixel at a constant rate during the whole exposure",
            kinds_of.hot_pixel,
            Fault.HOT_PIXEL,
            escapes=0.5,
        ),
        "flickering_pixel": Artefact(
            "Flickering pixel: repeated bursts of a few frames in one pixel",
            kinds_of.flickering_pixel,
            Fault.HOT_PIXEL,
            escapes=0.7,
        ),
        "wxt_cosmic_ray": Artefact(
            "Cosmic ray on a CMOS (EP-WXT): a track of adjacent pixels in one frame",
            kinds_of.cosmic_ray_track,
            Fault.COSMIC_RAY,
            escapes=0.7,
        ),
        "background_flare": Artefact(
            "Background flare: many times the usual background on all chips for 100–1000 s",
            kinds_of.background_flare,
            Fault.NONE,
            escapes=1.0,
            single_pixel=False,
        ),
    }
)
"""Artefacts by kind."""


def add_artefacts(
    telescope: Telescope, observing: ObservingPlan, events: RecordedEvents, kinds: Sequence[str], seed: int
) -> tuple[RecordedEvents, tuple[dict[str, object], ...]]:
    """Add artefacts to the events of an exposure; they do not pile up with those.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    events : RecordedEvents
    kinds : sequence of str
        Of `ARTEFACTS`, one artefact for each; kinds may be repeated.
    seed : int

    Returns
    -------
    RecordedEvents
        All events, sorted by time.
    tuple of dict
        Truth of each artefact, in JSON types: kind, origin, events, flagged (whether the pipeline detected it),
        first_time and last_time (mission seconds; None without events). For single pixels also detector, chip_x and
        chip_y of the first event, and mean ra and dec (deg).

    Raises
    ------
    ConfigError
        Unknown kind.
    """
    parts, facts = [events], []
    for number, kind in enumerate(kinds):
        if kind not in ARTEFACTS:
            raise ConfigError(f"unknown artefact {kind!r}; choose from {', '.join(ARTEFACTS)}")
        # The stream is named after the number of earlier ones of this kind, so that it does not depend on other kinds.
        rng = stream(seed, "artefact", kind, list(kinds[:number]).count(kind))
        made = _recorded(telescope, observing, ARTEFACTS[kind], FIRST_ORIGIN - number, rng)
        parts.append(made)
        facts.append(_facts(telescope, observing, kind, FIRST_ORIGIN - number, made))
    return RecordedEvents.join(parts), tuple(facts)


def _recorded(
    telescope: Telescope, observing: ObservingPlan, artefact: Artefact, origin: int, rng: np.random.Generator
) -> RecordedEvents:
    """The events of one artefact."""
    found = rng.random() >= artefact.escapes
    hits = artefact.make(telescope, observing, rng)
    events = framed(telescope, observing, hits, origin, rng).events
    fault = artefact.fault if found else Fault.NONE
    events = replace(events, fault=np.full(len(events), fault, dtype=np.int16))
    return replace(events, grade=np.zeros_like(events.grade)) if artefact.single_pixel else events


def _facts(
    telescope: Telescope, observing: ObservingPlan, kind: str, origin: int, events: RecordedEvents
) -> dict[str, object]:
    """Truth of one artefact."""
    n = len(events)
    facts: dict[str, object] = {
        "kind": kind,
        "origin": origin,
        "events": n,
        "flagged": bool(n) and bool(events.fault[0]),
        "first_time": float(events.time.min()) if n else None,
        "last_time": float(events.time.max()) if n else None,
    }
    if ARTEFACTS[kind].single_pixel and n:
        ra, dec = _mean_place(telescope, observing, events)
        facts |= {
            "detector": int(events.detector[0]),
            "chip_x": int(events.chip_x[0]),
            "chip_y": int(events.chip_y[0]),
            "ra": ra,
            "dec": dec,
        }
    return facts


def _mean_place(telescope: Telescope, observing: ObservingPlan, events: RecordedEvents) -> tuple[float, float]:
    """Mean sky position of events, deg; averaged in the plane of projection, so that right ascension does not wrap."""
    sky = telescope.projection_at(observing.ra, observing.dec)
    ra, dec = sky.to_sky(*(axis.mean() for axis in sky.to_pixel(events.ra, events.dec)))
    return float(ra), float(dec)
