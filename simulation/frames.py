"""From photons on pixels to events in frames: read-out, time stamps, grades and sky positions.

Photons are independent of each other here; `pileup` follows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64
from xherald.photons.gti import gti_contains

from .exposure import Fault, ObservingPlan, RecordedEvents
from .focal_plane import sky_of_pixels
from .grades import draw_grades
from .telescope import Telescope

__all__ = ["FramedEvents", "Hits", "framed", "read_out"]


@dataclass(frozen=True, slots=True, eq=False)
class Hits:
    """Photons or particles on pixels of chips; arrays of shape (n,).

    Parameters
    ----------
    time : float64 — arrival, s since `ObservingPlan.start`
    energy : float64 — keV, measured
    index : intp — into `Telescope.chips`
    x, y : int64 — pixels, counted from 1
    """

    time: F64
    energy: F64
    index: NDArray[np.intp]
    x: NDArray[np.int64]
    y: NDArray[np.int64]

    def select(self, chosen: NDArray[np.bool_]) -> Hits:
        """The hits chosen by mask."""
        return Hits(self.time[chosen], self.energy[chosen], self.index[chosen], self.x[chosen], self.y[chosen])


@dataclass(frozen=True, slots=True, eq=False)
class FramedEvents:
    """Events before pile-up.

    Parameters
    ----------
    events : RecordedEvents — in the order of the remaining hits
    luck : ndarray, shape (n,)
        A random number in [0, 1) for each, which `pileup` uses, so that its effect on an event depends on the other
        events of the frame, not on the number of sources drawn before.
    """

    events: RecordedEvents
    luck: F64


def read_out(telescope: Telescope, hits: Hits, rng: np.random.Generator) -> Hits:
    """Hits after the read-out: those on dead columns are lost; those that arrive during it, too, or get a random row.

    The fraction 1 − `live_fraction` of the time is read-out, in intervals too short to be resolved, so it is the
    probability for each hit.
    """
    hits = hits.select(~_on_dead_columns(telescope, hits))
    late = rng.random(len(hits.time)) >= telescope.live_fraction
    if not telescope.streaks:
        return hits.select(~late)
    height = np.array([chip.height for chip in telescope.chips])[hits.index]
    row = rng.integers(1, height + 1)
    return Hits(hits.time, hits.energy, hits.index, hits.x, np.where(late, row, hits.y))


def _on_dead_columns(telescope: Telescope, hits: Hits) -> NDArray[np.bool_]:
    """Whether each hit is on a dead column of its chip."""
    dead = np.zeros(len(hits.time), dtype=np.bool_)
    for index, chip in enumerate(telescope.chips):
        if chip.dead_columns:
            dead |= (hits.index == index) & np.isin(hits.x, chip.dead_columns)
    return dead


def framed(
    telescope: Telescope, observing: ObservingPlan, hits: Hits, origin: int, rng: np.random.Generator
) -> FramedEvents:
    """Assign frames, select good time of each chip, and add grades and sky positions.

    Sky positions are those of the pixels, randomised within them, for the boresight at the middle of the frame.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    hits : Hits
    origin : int — as in `RecordedEvents`
    rng : numpy.random.Generator
    """
    n = len(hits.time)
    number = np.floor(hits.time / telescope.frame_time)
    within = rng.random(n) if telescope.stamp == "random" else np.full(n, 0.5)
    time = observing.start + (number + within) * telescope.frame_time
    middle = observing.start + (number + 0.5) * telescope.frame_time
    jitter = rng.uniform(-0.5, 0.5, (2, n))
    ra, dec = sky_of_pixels(telescope, observing, hits.index, hits.x + jitter[0], hits.y + jitter[1], middle)
    events = RecordedEvents(
        time=time,
        frame=number.astype(np.int64),
        ra=ra,
        dec=dec,
        energy=hits.energy,
        detector=np.array([chip.number for chip in telescope.chips], dtype=np.int16)[hits.index],
        chip_x=hits.x.astype(np.int16),
        chip_y=hits.y.astype(np.int16),
        grade=draw_grades(telescope.name, hits.energy, rng),
        fault=np.full(n, Fault.NONE, dtype=np.int16),
        origin=np.full(n, origin, dtype=np.int32),
    )
    luck = rng.random(n)
    good = _in_good_time(telescope, observing, hits, time)
    return FramedEvents(events.select(good), luck[good])


def _in_good_time(telescope: Telescope, observing: ObservingPlan, hits: Hits, stamp: F64) -> NDArray[np.bool_]:
    """Whether arrival and time stamp of a hit are in good time of its chip."""
    good = np.zeros(len(stamp), dtype=np.bool_)
    for index, chip in enumerate(telescope.chips):
        if chip.number in observing.gti:
            own = np.flatnonzero(hits.index == index)
            gti = observing.gti[chip.number]
            good[own] = gti_contains(gti, stamp[own]) & gti_contains(gti, hits.time[own] + observing.start)
    return good
