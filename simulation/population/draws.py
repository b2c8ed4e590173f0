"""A chunk of a population: exposures, sources and photons, from random streams named after the chunk.

A source depends only on earlier sources of its chunk, so the first n sources of a population do not depend on its size.
Models are drawn one by one; photons are drawn as flat arrays of the chunk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import numpy as np
from scipy.stats import poisson, truncnorm

from xherald.photons import EventBatch, Exposure, Identity
from xherald.photons.arrays import F32, F64, I64
from xherald.photons.batch import unweighted
from xherald.photons.errors import PhotonError
from xherald.photons.gti import combine_exposures
from xherald.simulation.classes import CLASSES
from xherald.simulation.classes.shapes import SHAPE_FAMILIES, random_shape
from xherald.simulation.energies import MIDDLE_KEV
from xherald.simulation.exposure import ObservingPlan
from xherald.simulation.model import Component, SourceModel
from xherald.simulation.observing import observe
from xherald.simulation.random_streams import stream
from xherald.simulation.telescope import Telescope
from xherald.simulation.telescopes import TELESCOPES
from xherald.simulation.writers import WRITERS

from .curves import Curves, SourceExposures, curves_of, event_sigma, expected_counts, offsets_of
from .population_kernels import arrival_frames, energies_at
from .population_settings import (
    CHUNK,
    COUNTS,
    DETECTION_SIGMA,
    FIRST_OBS_ID,
    LEAST_COUNTS,
    OFF_AXIS_ARCMIN,
    SETTINGS,
    STEADY,
    VARIABLE,
    PopulationRequest,
    SourceMix,
)

__all__ = ["PopulationChunk", "draw_chunk"]


MAX_CUT: Final = 2.0
"""Longest event that the exposure cuts off, in exposures."""

MAX_ATTEMPTS: Final = 200
"""Consecutive models with almost no emission in good time before an error is raised."""


@dataclass(frozen=True, slots=True, eq=False)
class PopulationChunk:
    """Photons and truth of the n sources of a chunk.

    Parameters
    ----------
    batch : EventBatch
    models : sequence of SourceModel, length n
    flux : ndarray, shape (n,) — photons cm⁻² s⁻¹ in 0.1–15 keV for a relative flux of 1
    expected, background : ndarray, shape (n,)
        Counts expected of the source and of the background in aperture, band and good time.
    start : ndarray, shape (n,) — mission seconds of time 0 of the models
    sigma : ndarray, shape (n,) — expected significance of the event; 0 without event
    """

    batch: EventBatch
    models: Sequence[SourceModel]
    flux: F64
    expected: F64
    background: F64
    start: F64
    sigma: F64


def draw_chunk(request: PopulationRequest, chunk: int, n: int = CHUNK) -> PopulationChunk:
    """Draw the first n sources of a chunk.

    Parameters
    ----------
    request : PopulationRequest
    chunk : int
    n : int — at most `CHUNK`
    """
    telescope, setting = TELESCOPES[request.telescope], SETTINGS[request.telescope]

    def rng(what: str) -> np.random.Generator:
        return stream(request.seed, "population", telescope.name, chunk, what)

    seen = _exposures(telescope, request.seed, chunk, n)
    angle = min(OFF_AXIS_ARCMIN, float(telescope.off_axis_arcmin[-1])) * np.sqrt(rng("place").random(n))
    models = _models(request, chunk, seen, rng("class").random(n))
    curves = curves_of(telescope, models, seen, angle)
    unit = expected_counts(curves, seen)
    background = unit[curves.background]
    wanted = _net_counts(background, rng("counts").random(n), COUNTS if request.mix is None else request.mix.counts)
    flux = wanted / (np.bincount(curves.source, unit, n) - background)
    scale = flux[curves.source]
    scale[curves.background] = 1.0
    number = _at_least(rng("number").random(n), wanted + background, LEAST_COUNTS)
    photons = _shared_out(unit * scale, curves.source, number, rng("component").random(int(number.sum())))
    around = np.zeros_like(photons)
    around[curves.background] = poisson.ppf(rng("around").random(n), background / setting.area_ratio)
    inside = _photons(telescope, curves, seen, photons, partial(_named, rng, "photon"))
    outside = _photons(telescope, curves, seen, around, partial(_named, rng, "background"))
    return PopulationChunk(
        batch=_batch(telescope, chunk, seen, angle, (number, *inside), (around[curves.background], *outside)),
        models=models,
        flux=flux,
        expected=wanted,
        background=background,
        start=seen.start,
        sigma=event_sigma(curves, seen, models, scale),
    )


def _named(rng: Callable[[str], np.random.Generator], what: str, which: str) -> np.random.Generator:
    return rng(f"{what} {which}")


def _net_counts(background: F64, uniform: F64, range_: tuple[float, float, float, float]) -> F64:
    """Expected net counts, large enough to be detected above the background."""
    median, width, fewest, most = range_
    return _truncated_log_normal(
        uniform, median, width, np.maximum(fewest, DETECTION_SIGMA * np.sqrt(background)), most
    )


def _truncated_log_normal(uniform: F64, median: float, width: float, low: float | F64, high: float) -> F64:
    """Values of a log-normal between two bounds."""
    a, b = ((np.log(bound) - np.log(median)) / width for bound in (low, high))
    values: F64 = np.exp(truncnorm.ppf(uniform, a, b, loc=np.log(median), scale=width))
    return values


def _at_least(uniform: F64, mean: F64, least: int) -> I64:
    """Poisson numbers, conditional on being at least `least`."""
    below = poisson.cdf(least - 1, mean)
    # A sum that rounds to 1 would give infinity.
    part = np.minimum(below + uniform * (1.0 - below), np.nextafter(1.0, 0.0))
    number: I64 = np.maximum(poisson.ppf(part, mean), least).astype(np.int64)
    return number


def _exposures(telescope: Telescope, seed: int, chunk: int, n: int) -> SourceExposures:
    """Exposures from `observing`; each source on a random chip."""
    setting = SETTINGS[telescope.name]
    first = chunk * CHUNK // setting.sources
    made: list[tuple[ObservingPlan, Exposure]] = []
    for number in range(first, first - (-n // setting.sources)):
        rng = stream(seed, "population", telescope.name, "exposure", number)
        duration = float(_truncated_log_normal(rng.random(1), *setting.exposure_s)[0])
        observing = observe(telescope, telescope.pattern, ra=0.0, dec=0.0, duration=duration, rng=rng)
        made += [(observing, one) for one in _good_times(telescope, observing, setting.sources, rng)]
    made = made[:n]
    start = np.array([observing.start for observing, _ in made])
    good = [one for _, one in made]
    counts = np.array([len(one.gti) for one in good])
    gti = np.concatenate([one.gti for one in good]) - np.repeat(start, counts)[:, None]
    return SourceExposures(
        start=start,
        duration=np.array([observing.duration for observing, _ in made]),
        good=good,
        gti=np.rint(gti / telescope.frame_time) * telescope.frame_time,
        fraction=np.concatenate([one.fraction for one in good]),
        offsets=offsets_of(counts),
    )


def _good_times(telescope: Telescope, observing: ObservingPlan, n: int, rng: np.random.Generator) -> list[Exposure]:
    """Good times of each source: those of its chip, or of all modules that observe it."""
    if len(telescope.modules) > 1:
        sets = list(observing.gti.values())
        return [combine_exposures(sets, [1.0] * len(sets))] * n
    of_chip = {number: Exposure(gti) for number, gti in observing.gti.items()}
    return [of_chip[int(number)] for number in rng.choice(list(of_chip), n)]


def _models(request: PopulationRequest, chunk: int, seen: SourceExposures, uniform: F64) -> list[SourceModel]:
    """A class for each source, and a model of it."""
    part = request.variable_fraction
    variable = VARIABLE if request.mix is None else request.mix.shares
    names = [*variable, *STEADY]
    reached = np.cumsum([*(part * p for p in variable.values()), *((1.0 - part) * p for p in STEADY.values())])
    kinds = np.minimum(np.searchsorted(reached, uniform, side="right"), len(names) - 1)
    return [
        _model(
            names[kind], seen, i, request.mix, stream(request.seed, "population", request.telescope, chunk, "source", i)
        )
        for i, kind in enumerate(kinds.tolist())
    ]


def _model(
    kind: str, seen: SourceExposures, source: int, mix: SourceMix | None, rng: np.random.Generator
) -> SourceModel:
    """A model whose event is around a random time within good time, since an event in a gap would not be detected.

    Otherwise as in `SourceClass.draw`. Models with less than a thousandth of the expected emission in good time are
    drawn again.
    """
    one, duration = CLASSES[kind], float(seen.duration[source])
    if one.lengths is None:
        model = one.draw(rng, duration)
        return model if mix is None else _tilted(model, mix.tilt, 0.0, rng)
    good = seen.of(source)
    family, is_cut = _variation(mix, rng)
    longest = min(one.lengths[1], (MAX_CUT if is_cut else 0.5) * duration)
    shortest = min(one.lengths[0], longest)
    for _ in range(MAX_ATTEMPTS):
        length = shortest * (longest / shortest) ** rng.random()
        moment = float(good.time_at([rng.random() * good.livetime])[0])
        start = moment - rng.random() * length
        if not is_cut:
            start = min(max(start, 0.0), max(duration - 1.1 * length, 0.0))
        shape = random_shape(rng, family) if family else None
        model = one.build(rng, duration, start=start, length=length, shape=shape)
        curves = [component.light_curve for component in model.components]
        whole = sum(float(curve.cumulative(curve.time[-1])) for curve in curves)
        if sum(curve.integral(good.gti) for curve in curves) > 1e-3 * whole * good.livetime / duration:
            number = float(list(SHAPE_FAMILIES).index(family) + 1 if family else 0)
            return model if mix is None else _tilted(model, mix.tilt, number, rng)
    raise PhotonError(f"population: {MAX_ATTEMPTS} consecutive models of class {kind} have no emission in good time")


def _tilted(model: SourceModel, tilt: float, shape_family: float, rng: np.random.Generator) -> SourceModel:
    """The model with tilted and curved spectra, and the number of its family of shapes in the truth."""
    slope, bend = rng.normal(0.0, tilt), rng.normal(0.0, 0.5 * tilt)
    log_energy = np.log(MIDDLE_KEV)
    factor = np.exp(slope * log_energy + bend * log_energy**2)
    components = []
    for one in model.components:
        spectrum = one.spectrum * factor
        total = float(spectrum.sum())
        components.append(Component(one.light_curve.scaled(total), spectrum / total))
    parameters = {**model.parameters, "shape_family": shape_family, "tilt": slope, "bend": bend}
    return replace(model, components=tuple(components), parameters=parameters)


def _variation(mix: SourceMix | None, rng: np.random.Generator) -> tuple[str, bool]:
    """The family of a random shape, or "" for the class's own, and whether the exposure may cut the event off."""
    if mix is None:
        return "", False
    families = list(SHAPE_FAMILIES)
    family = families[int(rng.integers(len(families)))] if rng.random() < mix.random_shapes else ""
    return family, bool(rng.random() < mix.outside)


def _shared_out(expected: F64, source: I64, number: I64, uniform: F64) -> I64:
    """Photons of each curve: multinomial in the expected counts of the curves of a source."""
    reached = np.cumsum(expected)
    first = np.concatenate([[0], np.flatnonzero(np.diff(source)) + 1])
    last = np.append(first[1:], len(source)) - 1
    before = reached[first] - expected[first]
    drawn = np.repeat(before, number) + uniform * np.repeat(reached[last] - before, number)
    curve = np.searchsorted(reached, drawn, side="right")
    return np.bincount(np.clip(curve, np.repeat(first, number), np.repeat(last, number)), minlength=len(source))


def _photons(
    telescope: Telescope, curves: Curves, seen: SourceExposures, photons: I64, rng: Callable[[str], np.random.Generator]
) -> tuple[F64, F32]:
    """Times (mission seconds, sorted within each source) and energies (keV) of the photons of each curve."""
    total = int(photons.sum())
    source = np.repeat(curves.source, photons)
    frame = arrival_frames(
        curves.time,
        curves.rate,
        curves.offsets,
        curves.source,
        np.rint(seen.gti / telescope.frame_time).astype(np.int64),
        telescope.frame_time,
        seen.fraction,
        seen.offsets,
        photons,
        rng("time").random(total),
    )
    energy = energies_at(curves.spectrum, photons, rng("energy").random(total), telescope.band).astype(np.float32)
    within = rng("stamp").random(total) if telescope.stamp == "random" else 0.5
    time = seen.start[source] + (frame + within) * telescope.frame_time
    order = np.lexsort((time, source))
    return time[order], np.clip(energy[order], *telescope.band)


def _batch(
    telescope: Telescope,
    chunk: int,
    seen: SourceExposures,
    angle: F64,
    photons: tuple[I64, F64, F32],
    around: tuple[I64, F64, F32],
) -> EventBatch:
    n = len(angle)
    setting = SETTINGS[telescope.name]
    reference = WRITERS[telescope.name].clock.reference
    ids = [(FIRST_OBS_ID + (chunk * CHUNK + i) // setting.sources, i % setting.sources + 1) for i in range(n)]
    return EventBatch(
        time=photons[1],
        energy=photons[2],
        offsets=offsets_of(photons[0]),
        gti=np.concatenate([one.gti for one in seen.good]),
        gti_fraction=seen.fraction,
        gti_offsets=seen.offsets,
        background_time=around[1],
        background_energy=around[2],
        background_offsets=offsets_of(around[0]),
        area_ratio=np.full(n, setting.area_ratio),
        frame_time=np.full(n, telescope.frame_time),
        live_fraction=np.full(n, telescope.live_fraction),
        good_times_known=np.ones(n, dtype=np.bool_),
        band=np.tile(np.array(telescope.band), (n, 1)),
        hardness_split=np.full(n, setting.hardness_split),
        selection_p=np.zeros(n),
        selection_trials=np.full(n, np.inf),
        **unweighted(len(photons[1]), n),
        identities=tuple(
            Identity(
                mission=setting.mission,
                instrument=setting.instrument,
                obs_id=str(obs_id),
                detection_id=f"{obs_id}_{region}",
                off_axis_arcmin=off_axis,
                time_reference=reference,
            )
            for (obs_id, region), off_axis in zip(ids, angle.tolist(), strict=True)
        ),
    )
