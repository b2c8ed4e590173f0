"""Events of each kind of artefact: pixels, frames and energies (kinds: `artefact_models.ARTEFACTS`)."""

from __future__ import annotations

from typing import Final

import numpy as np

from xherald.photons.arrays import F64, I64
from xherald.photons.errors import PhotonError

from .background import background_rate, even_hits, vignetted
from .exposure import ObservingPlan
from .frames import Hits
from .light_curve import LightCurve
from .telescope import Telescope

__all__ = ["afterglow", "background_flare", "cosmic_ray_track", "flickering_pixel", "hot_pixel"]


AFTERGLOW_EVENTS: Final = (5, 30)
AFTERGLOW_KEV: Final = (1.0, 6.0)
"""Number of events of an afterglow, and energy of the first: the charge of a cosmic ray is released over tens of frames
("Removing cosmic-ray afterglows", CIAO threads acis_detect_afterglow and acis_find_afterglow)."""

HOT_EVENTS: Final = (30.0, 300.0)
"""Expected events of a hot pixel in an exposure; pixels with more are in the bad-pixel lists of the missions."""

EPISODES: Final = (3, 8)
EPISODE_EVENTS: Final = (3, 8)
"""Number of bursts of a flickering pixel, and of events in each."""

TRACK_PIXELS: Final = (4, 25)
"""Length of the track of a cosmic ray."""

FLARE_S: Final = (100.0, 1_000.0)
FLARE_FACTOR: Final = (3.0, 20.0)
"""Length of a background flare, and ratio of its peak to the usual background."""


def afterglow(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> Hits:
    """Events of one pixel in consecutive frames, with a few gaps and falling energies."""
    n = int(rng.integers(AFTERGLOW_EVENTS[0], AFTERGLOW_EVENTS[1] + 1))
    index, x, y = _a_pixel(telescope, observing, rng)
    steps = np.concatenate([[0], np.cumsum(rng.geometric(0.8, n - 1))])
    fall = np.exp(-np.arange(n) / (rng.uniform(0.3, 0.8) * n))
    energy = np.maximum(rng.uniform(*AFTERGLOW_KEV) * fall * rng.uniform(0.85, 1.15, n), _threshold(telescope))
    first = _first_frame(telescope, observing, index, int(steps[-1]) + 1, rng)
    return _in_pixel(telescope, index, x, y, first + steps, energy)


def hot_pixel(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> Hits:
    """Soft events of one pixel, Poisson in the good time of its chip."""
    index, x, y = _a_pixel(telescope, observing, rng)
    gti = observing.gti[telescope.chips[index].number] - observing.start
    always = LightCurve.constant(0.0, observing.duration)
    expected = float(np.exp(rng.uniform(*np.log(HOT_EVENTS))))
    time = always.arrivals(gti, expected / always.integral(gti), rng)
    frame = _frame_of(telescope, time)
    return _in_pixel(telescope, index, x, y, frame, _soft(telescope, len(frame), rng))


def flickering_pixel(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> Hits:
    """Bursts of a few events of one pixel in nearby frames."""
    index, x, y = _a_pixel(telescope, observing, rng)
    frames = []
    for _ in range(int(rng.integers(EPISODES[0], EPISODES[1] + 1))):
        n = int(rng.integers(EPISODE_EVENTS[0], EPISODE_EVENTS[1] + 1))
        steps = np.concatenate([[0], np.cumsum(rng.geometric(0.6, n - 1))])
        frames.append(_first_frame(telescope, observing, index, int(steps[-1]) + 1, rng) + steps)
    # Bursts may overlap, but a pixel gives one event per frame.
    frame = np.unique(np.concatenate(frames))
    return _in_pixel(telescope, index, x, y, frame, _soft(telescope, len(frame), rng))


def cosmic_ray_track(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> Hits:
    """Events on a line of pixels in one frame; those outside the chip are dropped."""
    index, x, y = _a_pixel(telescope, observing, rng)
    chip, angle = telescope.chips[index], float(rng.uniform(0.0, 2 * np.pi))
    along = np.arange(int(rng.integers(TRACK_PIXELS[0], TRACK_PIXELS[1] + 1)))
    # A step of one pixel along the longer axis, so that pixels are adjacent and distinct.
    step = np.array([np.cos(angle), np.sin(angle)]) / max(abs(np.cos(angle)), abs(np.sin(angle)))
    xs, ys = (np.rint(place + along * part).astype(np.int64) for place, part in zip((x, y), step, strict=True))
    on = (xs >= 1) & (xs <= chip.width) & (ys >= 1) & (ys <= chip.height)
    low, high = telescope.band
    energy = rng.uniform(low, high, len(along))
    frame = np.full(len(along), _first_frame(telescope, observing, index, 1, rng))
    return Hits(_time_of(telescope, frame), energy, np.full(len(along), index, dtype=np.intp), xs, ys).select(on)


def background_flare(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> Hits:
    """Events on all chips with the spectrum of soft protons, or of particles if the telescope has no protons.

    Raises
    ------
    PhotonError
        The telescope has no background of either kind.
    """
    protons = bool(telescope.proton_background.any())
    spectrum = telescope.proton_background if protons else telescope.particle_background
    if not spectrum.any():
        raise PhotonError(f"{telescope.name} has no proton or particle background, which a background flare needs")
    length = min(float(np.exp(rng.uniform(*np.log(FLARE_S)))), 0.5 * observing.duration)
    peak = float(rng.uniform(*FLARE_FACTOR)) * background_rate(telescope) / float(spectrum.sum())
    index = int(rng.integers(len(telescope.chips)))
    middle = (_first_frame(telescope, observing, index, 1, rng) + 0.5) * telescope.frame_time
    begin = float(np.clip(middle - 0.5 * length, 0.0, observing.duration - length))
    curve = LightCurve(begin + length * np.array([0.0, 0.2, 0.6, 1.0]), peak * np.array([0.0, 1.0, 0.6, 0.0]))
    hits = even_hits(telescope, observing, curve, spectrum, rng)
    return vignetted(telescope, hits, rng) if protons else hits


def _a_pixel(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> tuple[int, int, int]:
    """A random chip with good time, and one of its pixels."""
    usable = [index for index, chip in enumerate(telescope.chips) if len(observing.gti.get(chip.number, ()))]
    index = int(rng.choice(usable))
    chip = telescope.chips[index]
    return index, int(rng.integers(1, chip.width + 1)), int(rng.integers(1, chip.height + 1))


def _first_frame(
    telescope: Telescope, observing: ObservingPlan, index: int, frames: int, rng: np.random.Generator
) -> int:
    """A random start of consecutive frames in good time of a chip, or of the longest interval if none is enough."""
    gti = (observing.gti[telescope.chips[index].number] - observing.start) / telescope.frame_time
    begin, end = np.rint(gti).astype(np.int64).T
    room = np.maximum(end - begin - frames + 1, 0)
    if not room.any():
        return int(begin[np.argmax(end - begin)])
    drawn = int(rng.integers(room.sum()))
    row = int(np.searchsorted(np.cumsum(room), drawn, side="right"))
    return int(begin[row] + drawn - (np.cumsum(room)[row] - room[row]))


def _in_pixel(telescope: Telescope, index: int, x: int, y: int, frame: I64, energy: F64) -> Hits:
    """Hits of one pixel in the given frames."""
    n = len(frame)
    places = np.full(n, x, dtype=np.int64), np.full(n, y, dtype=np.int64)
    return Hits(_time_of(telescope, frame), energy, np.full(n, index, dtype=np.intp), *places)


def _time_of(telescope: Telescope, frame: I64) -> F64:
    """Mid-times of frames, s since the start."""
    return (frame.astype(np.float64) + 0.5) * telescope.frame_time


def _frame_of(telescope: Telescope, time: F64) -> I64:
    """Distinct frames of times, since a pixel gives one event per frame."""
    return np.unique(np.floor(time / telescope.frame_time).astype(np.int64))


def _threshold(telescope: Telescope) -> float:
    """Lowest recorded energy, keV, slightly below the band."""
    return 0.8 * telescope.band[0]


def _soft(telescope: Telescope, n: int, rng: np.random.Generator) -> F64:
    """Energies that fall off steeply above the threshold, as those of leaking pixels, keV."""
    return _threshold(telescope) + rng.exponential(0.3, n)
