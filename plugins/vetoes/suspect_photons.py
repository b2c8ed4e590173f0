"""Suspicious photons: those within the interval of a flare, or outside that of a dip.

A spurious flare consists of photons of another origin within its interval; a spurious dip can be caused by photons of
another origin outside it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64, I64, Mask
from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Flags

__all__ = [
    "ExplainingOptions",
    "Suspects",
    "is_explained",
    "live_shares",
    "nothing_left",
    "nothing_raised",
    "suspects_of",
]


@dataclass(frozen=True, slots=True, eq=False)
class Suspects:
    """Suspicious photons.

    Parameters
    ----------
    flare, dip : ndarray, shape (n,), bool — direction of the source; neither if there is no interval
    source : ndarray, shape (photons,), int64 — of each photon of the batch
    inside : ndarray, shape (photons,), bool — within its source's interval
    suspected : ndarray, shape (photons,), bool — inside that of a flare, outside that of a dip
    counts, expected : ndarray, shape (n,) — in the interval; 0 if there is none
    share : ndarray, shape (n,) — fraction of the photons of a steady source expected in the interval, in [0, 1]
    start, stop : ndarray, shape (n,) — s; NaN if there is none
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
    """The suspicious photons of every source."""
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
    """From expected and outside counts, which include the profile of the background; otherwise from live time."""
    batch, found = detection_batch.batch, detection_batch.intervals
    outside = batch.counts - found.counts
    livetime = batch.livetime
    share = np.divide(found.livetime, livetime, out=np.zeros(len(batch)), where=known & (livetime > 0))
    usable = known & (outside > 0)
    share[usable] = found.expected[usable] / (found.expected + outside)[usable]
    return np.clip(share, 0.0, 1.0)


def live_shares(detection_batch: DetectionBatch, suspects: Suspects) -> F64:
    """Fraction of the live time in the interval, in [0, 1), shape (n,); 0 without an interval."""
    known, livetime = suspects.flare | suspects.dip, detection_batch.batch.livetime
    live = np.divide(
        detection_batch.intervals.livetime, livetime, out=np.zeros(len(livetime)), where=known & (livetime > 0)
    )
    return np.clip(live, 0.0, 1.0 - 1e-9)


def nothing_left(
    detection_batch: DetectionBatch, suspects: Suspects, inside: F64, outside: F64, rest_chance: float
) -> Mask:
    """Where the source is consistent with a steady one after some of its photons are removed, shape (n,).

    Parameters
    ----------
    inside, outside : ndarray, shape (n,)
        Photons that are removed, inside the interval and outside.
    rest_chance : float
        Smallest probability of what is left, for one given interval without trials.
    """
    from .count_probability import share_at_least

    within = np.maximum(suspects.counts - inside, 0.0)
    without = np.maximum(detection_batch.batch.counts - suspects.counts - outside, 0.0)
    flare = share_at_least(within, within + without, suspects.share) > rest_chance
    dip = share_at_least(without, within + without, 1.0 - suspects.share) > rest_chance
    out: Mask = (suspects.flare & flare) | (suspects.dip & dip)
    return out


class ExplainingOptions(Options):
    """Thresholds of vetoes that test another explanation of a flare or dip."""

    suspicious_p: float = Field(
        default=0.1,
        gt=0,
        le=1,
        description="largest p-value of the timing tests; sources that they find steady need no explanation",
    )
    odd_chance: float = Field(
        default=1e-2,
        gt=0,
        lt=1,
        description="largest probability that a steady source has so many, or few, photons in the interval",
    )
    rest_chance: float = Field(default=1e-3, gt=0, lt=1, description="smallest such probability with the explanation")


def is_explained(
    detection_batch: DetectionBatch, suspects: Suspects, steady: F64, explained: F64, options: ExplainingOptions
) -> Mask:
    """Where an explanation makes a significant flare or dip insignificant, shape (n,).

    Parameters
    ----------
    steady : ndarray, shape (n,)
        Photons expected in the interval without the explanation.
    explained : ndarray, shape (n,)
        Photons expected with the explanation.
    options : ExplainingOptions
    """
    from .count_probability import at_least, at_most, falls, rises

    counts, odd, rest = suspects.counts, options.odd_chance, options.rest_chance
    outside = np.maximum(detection_batch.batch.counts - counts, 0.0)
    # Without photons outside, only the exposure says how many to expect.
    share = np.where(outside > 0, steady / np.maximum(steady + outside, 1e-12), suspects.share)
    flare = suspects.flare & (rises(counts, outside, share) <= odd) & (at_least(counts, explained) >= rest)
    dip = suspects.dip & (falls(counts, outside, share) <= odd) & (at_most(counts, explained) >= rest)
    out: Mask = (flare | dip) & ~(detection_batch.timing.p_value > options.suspicious_p)
    return out


def nothing_raised(n: int, *numbers: str) -> Flags:
    """The answer where what a veto needs is not known."""
    return Flags(np.zeros(n, dtype=np.bool_), {name: np.full(n, np.nan) for name in numbers})
