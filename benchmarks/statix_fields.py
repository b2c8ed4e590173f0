"""Fields of steady, flaring and transient sources for a comparison of detection methods, drawn with numpy alone.

Place and time are all that tells sources from background: both have the same spectrum, and the background is uniform.
Nothing is taken from `xherald.simulation`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xherald.photons import DetectorUnit, FieldEvents, Observation, PointSpread, Screening, SkyProjection
from xherald.photons.times import TimeReference

__all__ = ["EXPOSURE_S", "R80", "SIDE", "SOURCES", "DrawnField", "Kind", "draw_field", "to_observation"]

EXPOSURE_S = 20_000.0
FRAME_S = 2.6
GRID, SPACING = 8, 112.0
"""Sources a side, and their distance, arcsec."""
SOURCES = GRID * GRID
SIDE = (GRID + 1) * SPACING
R80 = 19.0
"""Radius of 80 % of the photons, arcsec, of both point spreads: that of XMM-Newton's core."""
DURATIONS = {"short": 0.01, "medium": 0.05, "long": 0.2}
"""Full width at half maximum of flares, in exposures."""
FLARE_SHARES = (0.2, 0.8)
"""Range of the share of a source's photons that belongs to its flare."""
ELONGATION = 1.25
BAND = (0.2, 12.0)
RA, DEC, MIDDLE = 150.0, 2.0, 20_000.5
SPREADS = {
    # r50 and r90 of a Gaussian with this r80; a King profile with r80 = 19.0.
    "Gaussian": PointSpread("drawn", (0.0,), (1.5,), ((12.47,),), ((22.73,),), 0.0),
    "King": PointSpread("drawn", (0.0,), (1.5,), ((9.0,),), ((30.0,),), 0.0),
}


@dataclass(frozen=True)
class Kind:
    """What the sources of a field have in common.

    Parameters
    ----------
    counts : float — photons of a source within `R80`, expected
    background_share : float — of all photons within `R80` of a source
    spread : str — "Gaussian" (round) or "King" (elongated, with wings)
    """

    counts: float
    background_share: float
    spread: str


@dataclass(frozen=True)
class DrawnField:
    """Photons of a field, in order of time, and its sources.

    Parameters
    ----------
    x, y, time : ndarray, shape (n,) — arcsec from the middle, s
    places : ndarray, shape (m, 2) — of the sources, arcsec from the middle
    durations : ndarray, shape (m,), str — of the flare, "" for a steady source
    """

    x: np.ndarray
    y: np.ndarray
    time: np.ndarray
    places: np.ndarray
    durations: np.ndarray
    spread: str


def draw_field(
    rng: np.random.Generator, kind: Kind, flares: int, transient_counts: float | None = None, transients: int = 0
) -> DrawnField:
    """Draw a field in which the first sources flare, the last are transient, and the rest are steady.

    Parameters
    ----------
    flares : int — number of flaring sources, durations in turn
    transient_counts : float, optional — photons of a transient, which has no others, within `R80`
    transients : int — number of transients, durations in turn
    """
    grid = (np.indices((GRID, GRID)).reshape(2, -1).T - (GRID - 1) / 2) * SPACING
    places = rng.permutation(grid) + rng.uniform(-8, 8, grid.shape)
    durations = np.full(SOURCES, "", dtype="U6")
    names = list(DURATIONS)
    durations[:flares] = [names[i % 3] for i in range(flares)]
    durations[SOURCES - transients :] = [names[i % 3] for i in range(transients)]
    time, place = [], []
    for i in range(SOURCES):
        is_transient = i >= SOURCES - transients
        mean = (transient_counts if is_transient and transient_counts else kind.counts) / 0.8
        share = 1.0 if is_transient else rng.uniform(*FLARE_SHARES) if durations[i] else 0.0
        times = np.concatenate(
            [
                rng.uniform(0, EXPOSURE_S, rng.poisson(mean * (1 - share))),
                _flare_times(rng, rng.poisson(mean * share), durations[i]),
            ]
        )
        time.append(times)
        place.append(places[i] + _scatter(rng, len(times), kind.spread))
    background = kind.counts * kind.background_share / (1 - kind.background_share) / (np.pi * R80**2)
    n = rng.poisson(background * SIDE**2)
    time.append(rng.uniform(0, EXPOSURE_S, n))
    place.append(rng.uniform(-SIDE / 2, SIDE / 2, (n, 2)))
    t, xy = np.concatenate(time), np.concatenate(place)
    inside = np.flatnonzero((np.abs(xy) < SIDE / 2).all(axis=1) & (t > 0) & (t < EXPOSURE_S))
    order = inside[np.argsort(t[inside])]
    return DrawnField(xy[order, 0], xy[order, 1], t[order], places, durations, kind.spread)


def _flare_times(rng: np.random.Generator, n: int, duration: str) -> np.ndarray:
    """Times of a flare's photons: a Gaussian, or a sudden rise with an exponential decay, at random."""
    if not n:
        return np.empty(0)
    width = DURATIONS[duration] * EXPOSURE_S
    start = rng.uniform(0.05, 0.95 - DURATIONS[duration]) * EXPOSURE_S
    if rng.random() < 0.5:
        return start + width / 2 + rng.normal(0, width / 2.355, n)
    return start + rng.exponential(width / np.log(2), n)


def _scatter(rng: np.random.Generator, n: int, spread: str) -> np.ndarray:
    """Offsets of photons from their source, arcsec, shape (n, 2)."""
    if spread == "Gaussian":
        return rng.normal(0, R80 / np.sqrt(2 * np.log(5)), (n, 2))
    core, slope = SPREADS["King"].king(0.0)
    radius = core * np.sqrt((1 - rng.random(n)) ** (-1 / slope) - 1)
    turn, axis = rng.uniform(0, 2 * np.pi, n), rng.uniform(0, np.pi)
    along, across = radius * np.cos(turn) * np.sqrt(ELONGATION), radius * np.sin(turn) / np.sqrt(ELONGATION)
    return np.column_stack([along * np.cos(axis) - across * np.sin(axis), along * np.sin(axis) + across * np.cos(axis)])


def to_observation(drawn: DrawnField, rng: np.random.Generator) -> Observation:
    """The same photons as xherald reads them from a file: times in frames, energies of one spectrum."""
    n = len(drawn.time)
    time = np.minimum((np.floor(drawn.time / FRAME_S) + 0.5) * FRAME_S, EXPOSURE_S)
    events = FieldEvents(
        time=time,
        x=(MIDDLE + drawn.x).astype(np.float32),
        y=(MIDDLE + drawn.y).astype(np.float32),
        energy=np.clip(rng.lognormal(0.3, 0.6, n), *BAND).astype(np.float32),
        detector=np.zeros(n, dtype=np.int16),
        row=np.arange(n, dtype=np.int32),
        screening=Screening(n, n, {}),
    )
    step = 1.0 / 3600
    return Observation(
        path=Path("drawn"), mission="XMM", instrument="EMOS1", mode="", obs_id="1", object_name="",
        time_reference=TimeReference(50814.0, 0.0, "tt"), span=(0.0, EXPOSURE_S), frame_time=FRAME_S,
        band=BAND, hardness_split=2.0,
        detectors=(DetectorUnit(0, "CCD 1", np.array([[0.0, EXPOSURE_S]])),),
        exposure=None, pointing=(RA, DEC),
        projection=SkyProjection("TAN", RA, DEC, MIDDLE, MIDDLE, -step, step),
        point_spread=SPREADS[drawn.spread],
        load_events=lambda: events,
        detector_pixel_arcsec=1.1,
    )  # fmt: skip
