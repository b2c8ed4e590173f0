"""Which photons are under suspicion: those of a flare's interval, or those that a dip's interval lacks.

A flare that is none is made of photons that something else sent, all of them inside its interval; a dip that is none
can be made by photons outside it that stop coming.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64, I64, Mask
from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Flags

__all__ = ["ExplainingOptions", "Suspects", "is_explained", "nothing_left", "nothing_raised", "suspects_of"]


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """Photons under suspicion.

    Parameters
    ----------
    flare, dip : ndarray, shape (n,), bool — which way the source would be; neither where no interval is known
    source : ndarray, shape (photons,), int64 — of each photon of the batch
    inside : ndarray, shape (photons,), bool — within its source's interval
    suspected : ndarray, shape (photons,), bool — inside a flare's, outside a dip's
    counts, expected : ndarray, shape (n,) — in the interval; 0 where there is none
    share : ndarray, shape (n,) — part of a steady source's photons that the interval should hold, in [0, 1]
    start, stop : ndarray, shape (n,) — s; NaN where there is none
    """

    flare: Mask
    dip: Mask
    source: I64
    inside: Mask
    suspected: Mask
    counts: F64
    expected: F64
    share: F64
    start: F64
    stop: F64


def suspects_of(detection_batch: DetectionBatch) -> Suspects:
    """The photons under suspicion of every source."""
    from xherald.photons.statistics.result import DIP, FLARE

    batch, found = detection_batch.batch, detection_batch.intervals
    known = np.isfinite(found.start) & np.isfinite(found.stop) & np.isfinite(found.counts) & np.isfinite(found.expected)
    flare, dip = known & (detection_batch.direction == FLARE), known & (detection_batch.direction == DIP)
    source = np.repeat(np.arange(len(batch)), batch.counts)
    inside = (batch.time >= found.start[source]) & (batch.time <= found.stop[source])
    return Suspects(
        flare=flare,
        dip=dip,
        source=source,
        inside=inside,
        suspected=(inside & flare[source]) | (~inside & dip[source]),
        counts=np.where(known, found.counts, 0.0),
        expected=np.where(known, found.expected, 0.0),
        share=_share(detection_batch, known),
        start=found.start,
        stop=found.stop,
    )


def _share(detection_batch: DetectionBatch, known: Mask) -> F64:
    """From what is expected against what is outside, which knows the background's profile; else from livetime."""
    batch, found = detection_batch.batch, detection_batch.intervals
    outside = batch.counts - found.counts
    livetime = batch.livetime
    share = np.divide(found.livetime, livetime, out=np.zeros(len(batch)), where=known & (livetime > 0))
    told = known & (outside > 0)
    share[told] = found.expected[told] / (found.expected + outside)[told]
    return np.clip(share, 0.0, 1.0)


def nothing_left(
    detection_batch: DetectionBatch, suspects: Suspects, inside: F64, outside: F64, rest_chance: float
) -> Mask:
    """Where the source is as steady as chance allows once some of its photons are taken away, shape (n,).

    Parameters
    ----------
    inside, outside : ndarray, shape (n,)
        Photons that are taken away, inside its interval and outside.
    rest_chance : float
        Chance of what is left at least; that of one given interval, not of the best of many.
    """
    from .count_probability import share_at_least

    within = np.maximum(suspects.counts - inside, 0.0)
    without = np.maximum(detection_batch.batch.counts - suspects.counts - outside, 0.0)
    flare = share_at_least(within, within + without, suspects.share) > rest_chance
    dip = share_at_least(without, within + without, 1.0 - suspects.share) > rest_chance
    out: Mask = (suspects.flare & flare) | (suspects.dip & dip)
    return out


class ExplainingOptions(Options):
    """When something else explains what a source does; options of all vetoes that ask so."""

    suspicious_p: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="timing p-value at most: the tests know the background and the livetime, and what they find steady "
        "needs no explanation",
    )
    odd_chance: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="chance at most that a steady source gives so many, or few, photons in the interval",
    )
    rest_chance: float = Field(
        default=1e-3, gt=0, lt=1, description="chance at least that it does so once the explanation is taken in"
    )


def is_explained(
    detection_batch: DetectionBatch, suspects: Suspects, steady: F64, explained: F64, options: ExplainingOptions
) -> Mask:
    """Where an explanation makes the difference, shape (n,).

    Parameters
    ----------
    steady : ndarray, shape (n,)
        Photons expected in the interval without the explanation.
    explained : ndarray, shape (n,)
        And with it.
    options : ExplainingOptions
    """
    from .count_probability import at_least, at_most

    counts, odd, rest = suspects.counts, options.odd_chance, options.rest_chance
    flare = suspects.flare & (at_least(counts, steady) <= odd) & (at_least(counts, explained) >= rest)
    dip = suspects.dip & (at_most(counts, steady) <= odd) & (at_most(counts, explained) >= rest)
    out: Mask = (flare | dip) & ~(detection_batch.timing.p_value > options.suspicious_p)
    return out


def nothing_raised(n: int, *numbers: str) -> Flags:
    """The answer where what a veto needs is not known."""
    return Flags(np.zeros(n, dtype=np.bool_), {name: np.full(n, np.nan) for name in numbers})
