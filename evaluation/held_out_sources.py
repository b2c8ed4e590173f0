"""Held-out sources with known class, on telescopes and with shapes that nothing was trained on: `draw_held_out`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.arrays import F32, F64
from xherald.photons.errors import PhotonError
from xherald.photons.events import Background

from .held_out_shapes import CLASSES, KINDS, HeldOutModel
from .held_out_spectra import ENERGY_KEV, TELESCOPES, HeldOutTelescope, power_law

__all__ = ["HeldOutSources", "draw_held_out"]

COUNTS: Final = (20.0, 2_000.0)
"""Expected net photons of a source, log-uniform."""

MAX_BACKGROUND: Final = 0.4
"""Largest share of the background in the aperture, from a hundredth of it, log-uniform."""

RED_NOISE: Final = 0.2
"""Part of the sources without an event that are red noise, not constant."""

DETECTABLE_SIGMA: Final = 5.0
"""Expected significance, photons the event adds or removes over the root of those without it, of a transient."""

LEAST_SIGMA: Final = 4.0
FAINT_SHARE: Final = 0.05
"""Events below the significance are kept with this probability, so that most of the sample can be measured."""

LEAST_EMISSION: Final = 1e-6
"""Smallest mean of the relative rate over the exposure; less is an event in a gap."""

MAX_DRAWS: Final = 500
"""Models that are drawn for a source until one is kept."""

TRANSIENT: Final = tuple(name for name, kind in KINDS.items() if kind in ("flare", "dip"))


@dataclass(frozen=True, slots=True, eq=False)
class HeldOutSources:
    """n sources and their truth.

    Parameters
    ----------
    batch : EventBatch
    classes, kinds : ndarray, shape (n,), str — see `held_out_shapes`
    sigma : ndarray, shape (n,) — expected significance of the event; 0 without one
    event_counts : ndarray, shape (n,) — expected photons that the event adds or removes
    """

    batch: EventBatch
    classes: NDArray[np.str_]
    kinds: NDArray[np.str_]
    sigma: F64
    event_counts: F64

    @property
    def is_transient(self) -> NDArray[np.bool_]:
        """Whether each source has an event that can be detected."""
        return self.sigma >= DETECTABLE_SIGMA


def draw_held_out(n: int, telescope: str, seed: int, without_event: float = 0.5) -> HeldOutSources:
    """Draw n sources.

    Parameters
    ----------
    n : int
    telescope : str — of `held_out_spectra.TELESCOPES`
    seed : int
    without_event : float — probability that a source is constant or red noise
    """
    lists, classes, sigma, event_counts = [], [], np.zeros(n), np.zeros(n)
    for number in range(n):
        rng = np.random.default_rng([seed, sum(map(ord, telescope)), number])
        if rng.random() < without_event:
            name = "agn" if rng.random() < RED_NOISE else "constant"
        else:
            name = str(rng.choice(TRANSIENT))
        source, sigma[number], event_counts[number] = _source(rng, telescope, name, number)
        lists.append(source)
        classes.append(name)
    return HeldOutSources(
        EventBatch.from_lists(lists),
        np.array(classes),
        np.array([KINDS[name] for name in classes]),
        sigma,
        event_counts,
    )


def _good_times(rng: np.random.Generator, telescope: HeldOutTelescope, span: float) -> F64:
    """Good times: all of the span, or the visible part of each orbit."""
    if not telescope.orbit_s:
        return np.array([[0.0, span]])
    first = -rng.uniform(0.0, telescope.orbit_s)
    starts = np.arange(first, span, telescope.orbit_s)
    gti = np.column_stack([starts, starts + telescope.visible * telescope.orbit_s]).clip(0.0, span)
    kept: F64 = gti[gti[:, 1] - gti[:, 0] > 10.0 * telescope.frame_s]
    return kept if len(kept) else np.array([[0.0, span]])


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    """A source in its exposure: expected photons by time and energy, and what its event makes of them."""

    edges: F64
    gti: F64
    photons: F64
    background: float
    sigma: float
    event_counts: float


def _expect(rng: np.random.Generator, telescope: HeldOutTelescope, kind: str) -> _Expected:
    """Draw a model, an exposure and a flux; events in gaps or too weak to be detected are mostly drawn again."""
    low, high = telescope.exposure_s
    for _ in range(MAX_DRAWS):
        span = float(np.rint(low * (high / low) ** rng.random() / telescope.frame_s) * telescope.frame_s)
        gti = np.rint(_good_times(rng, telescope, span) / telescope.frame_s) * telescope.frame_s
        model = CLASSES[kind](rng, span)
        within = _overlap(model.time, gti)
        extra, left = _rates(model, telescope.area())
        photons = (extra + left) * within[:, None]
        emitted = float(photons.sum())
        if emitted < LEAST_EMISSION * span:
            continue
        scale = COUNTS[0] * (COUNTS[1] / COUNTS[0]) ** rng.random() / emitted
        photons *= scale
        share = MAX_BACKGROUND * 100.0 ** -rng.random()
        background = float(photons.sum()) * share / (1.0 - share)
        flat = model.quiet * within * scale
        lost = flat - left.sum(axis=1) * within * scale if model.is_dip else extra.sum(axis=1) * within * scale
        sigma, event_counts = _significance(model, lost, flat + background * within / within.sum())
        if kind not in TRANSIENT or sigma >= LEAST_SIGMA or rng.random() < FAINT_SHARE:
            return _Expected(model.time, gti, photons, background, sigma, event_counts)
    raise PhotonError(f"held-out sources: {MAX_DRAWS} consecutive models of class {kind} were not used")


def _source(rng: np.random.Generator, name: str, kind: str, number: int) -> tuple[EventList, float, float]:
    telescope = TELESCOPES[name]
    made = _expect(rng, telescope, kind)
    time, energy = _photons(rng, made.edges, made.gti, made.photons)
    inside, around = (
        _background(rng, telescope, made.gti, rng.poisson(made.background * scale))
        for scale in (1.0, 1.0 / telescope.area_ratio)
    )
    time, energy = np.concatenate([time, inside[0]]), np.concatenate([energy, inside[1]])
    order = np.argsort(time, kind="stable")
    source = EventList(
        time=_to_frames(time[order], telescope.frame_s, made.gti),
        energy=_measured(rng, energy[order], telescope),
        exposure=Exposure(made.gti, np.ones(len(made.gti))),
        identity=Identity(mission="HELDOUT", instrument=name.upper(), obs_id=name, detection_id=f"{number:06d}"),
        frame_time=telescope.frame_s,
        band=telescope.band_kev,
        hardness_split=2.0,
        background=Background(
            _to_frames(np.sort(around[0]), telescope.frame_s, made.gti),
            _measured(rng, around[1], telescope),
            telescope.area_ratio,
        ),
    )
    return source, made.sigma, made.event_counts


def _rates(model: HeldOutModel, area: F64) -> tuple[F64, F64]:
    """Relative rates of detected photons of the event and of the persistent emission, shape (t - 1, energies) each."""
    norm = (model.quiet_spectrum * area).sum()
    persistent = model.quiet[:, None] * (model.quiet_spectrum * area / norm)
    if model.is_dip:
        hidden = model.event[:, None] * (np.atleast_2d(model.event_spectrum) * area / norm)
        return np.zeros_like(hidden), persistent - hidden
    spectrum = np.atleast_2d(model.event_spectrum * area)
    return model.event[:, None] * (spectrum / spectrum.sum(axis=1, keepdims=True)), persistent


def _overlap(edges: F64, gti: F64) -> F64:
    """Good time within each bin, s."""
    good = np.concatenate([[0.0], np.cumsum(np.diff(gti, axis=1).ravel())])
    knots, sums = gti.ravel(), np.repeat(good, 2)[1:-1]
    within: F64 = np.diff(np.interp(edges, knots, sums))
    return within


def _photons(rng: np.random.Generator, edges: F64, gti: F64, expected: F64) -> tuple[F64, F64]:
    """Times and energies of Poisson photons of the expected numbers in each bin of time and energy."""
    reached = np.cumsum(expected)
    cell = np.searchsorted(reached, reached[-1] * rng.random(rng.poisson(reached[-1])), side="right")
    row, column = np.divmod(np.minimum(cell, reached.size - 1), len(ENERGY_KEV))
    step = np.log(ENERGY_KEV[1] / ENERGY_KEV[0])
    energy = ENERGY_KEV[column] * np.exp(step * (rng.random(len(row)) - 0.5))
    return _within(rng, edges[row], edges[row + 1], gti), energy


def _within(rng: np.random.Generator, start: F64, stop: F64, gti: F64) -> F64:
    """Random times between start and stop, uniform in good time."""
    good = np.concatenate([[0.0], np.cumsum(np.diff(gti, axis=1).ravel())])
    knots, sums = gti.ravel(), np.repeat(good, 2)[1:-1]
    low, high = np.interp(start, knots, sums), np.interp(stop, knots, sums)
    at = low + rng.random(len(low)) * (high - low)
    interval = np.clip(np.searchsorted(good, at, side="right") - 1, 0, len(gti) - 1)
    time: F64 = gti[interval, 0] + at - good[interval]
    return time


def _background(rng: np.random.Generator, telescope: HeldOutTelescope, gti: F64, number: int) -> tuple[F64, F64]:
    """Photons of a constant background with a power-law spectrum that the mirrors do not shape."""
    low, high = telescope.band_kev
    spectrum = np.where((low <= ENERGY_KEV) & (high >= ENERGY_KEV), power_law(telescope.background_index), 0.0)
    energy = rng.choice(ENERGY_KEV, number, p=spectrum / spectrum.sum())
    span = np.full(number, gti[-1, 1])
    return _within(rng, np.zeros(number), span, gti), energy


def _to_frames(time: F64, frame_s: float, gti: F64) -> F64:
    """Middles of the frames of times, within the good times, which begin with a frame."""
    middle: F64 = (np.floor(time / frame_s) + 0.5) * frame_s
    return np.clip(middle, gti[0, 0], gti[-1, 1])


def _measured(rng: np.random.Generator, energy: F64, telescope: HeldOutTelescope) -> F32:
    blurred = energy + telescope.resolution_kev * np.sqrt(energy) * rng.normal(size=len(energy))
    return np.clip(blurred, *telescope.band_kev).astype(np.float32)


def _significance(model: HeldOutModel, changed: F64, persistent: F64) -> tuple[float, float]:
    """Expected significance of the event, and the photons that it adds or removes.

    Parameters
    ----------
    model : HeldOutModel
    changed : ndarray, shape (t - 1,) — expected photons that the event adds or hides
    persistent : ndarray, shape (t - 1,) — expected photons without the event, background included
    """
    start, stop = model.interval
    inside = (model.time[1:] > start) & (model.time[:-1] < stop)
    event, rest = float(changed[inside].sum()), float(persistent[inside].sum())
    return event / np.sqrt(max(rest, 1.0)), float(changed.sum())
