"""False transients: what detectors and the sky's weather put into event lists that no source sent.

Each artefact has events of an origin of its own, −4 and below. A mission's pipeline finds some and flags their events
(`Fault`), others slip through: which, is drawn for each with the chance `Artefact.escapes`, and those that do are the
ones that a search for transients meets.
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
        What it is, in a line.
    make : callable
        Draws the hits of one.
    fault : Fault
        What a pipeline that finds it flags its events for.
    escapes : float
        Chance that the pipeline does not find it. Chosen for a fair number of either sort, not measured.
    single_pixel : bool
        Whether all charge of an event lies in one pixel (grade 0); else grades are drawn as those of photons.
    """

    summary: str
    make: Callable[[Telescope, ObservingPlan, np.random.Generator], Hits]
    fault: Fault
    escapes: float
    single_pixel: bool = True


ARTEFACTS: Final[Mapping[str, Artefact]] = MappingProxyType(
    {
        "afterglow": Artefact(
            "Cosmic-ray afterglow (ACIS): 5–30 events of falling energy in one pixel, frame after frame",
            kinds_of.afterglow,
            Fault.COSMIC_RAY,
            escapes=0.7,
        ),
        "hot_pixel": Artefact(
            "Hot pixel: soft events in one pixel at a steady rate, all exposure long",
            kinds_of.hot_pixel,
            Fault.HOT_PIXEL,
            escapes=0.5,
        ),
        "flickering_pixel": Artefact(
            "Flickering pixel: bursts of some frames in one pixel, again and again",
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
            "Background flare: 100–1000 s of many times the usual background on all chips at once",
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
    """Add one artefact of each kind named to the events of an exposure; they do not pile up with those.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    events : RecordedEvents
    kinds : sequence of str
        Of `ARTEFACTS`; a kind named twice comes twice, at places of its own.
    seed : int

    Returns
    -------
    RecordedEvents
        All events, sorted by time.
    tuple of dict
        The truth about each, plain JSON values: kind, origin, events, flagged (whether the pipeline found it),
        first_time and last_time (mission seconds; None where no event was left); and of those in one place its
        detector and, of the first event, chip_x, chip_y and, averaged over all, ra and dec (deg).

    Raises
    ------
    ConfigError
        Unknown kind.
    """
    parts, facts = [events], []
    for number, kind in enumerate(kinds):
        if kind not in ARTEFACTS:
            raise ConfigError(f"unknown artefact {kind!r}; choose from {', '.join(ARTEFACTS)}")
        # Named by how often the kind came before: what is drawn does not change with other kinds in the list.
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
    """The truth about one artefact."""
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
    """Sky position in the middle of events, deg: averaged in the plane of projection, where nothing wraps round."""
    sky = telescope.projection_at(observing.ra, observing.dec)
    ra, dec = sky.to_sky(*(axis.mean() for axis in sky.to_pixel(events.ra, events.dec)))
    return float(ra), float(dec)
