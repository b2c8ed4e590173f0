"""The grid: flares and dips with known priors of shape, length and strength, injected into steady sources.

Since the priors are known, the limit of timing on these sources can be computed (`timing_limit`). Exposures, gaps,
frames and backgrounds are those of simulated populations; photons are drawn in live time:

- photons in the aperture, including background: Poisson with a log-uniform mean, within `COUNTS`;
- background fraction: that of a source of the population, limited to detectable sources (net counts of at least
  `DETECTION_SIGMA` times the noise of the background);
- flares: a shape of `FLARES`; T90 log-uniform from `LEAST_FRAMES` frames or `LEAST_SECONDS` to half of the livetime;
  fraction of the net counts log-uniform over `STRENGTHS`; spectrum that of the source, harder or softer, a third each;
- dips: a shape of `DIPS`; length log-uniform over `WIDTHS` of the livetime; depth uniform over `DEPTHS`;
- the centre of an event is uniform over the live time, so that some are truncated by the start or stop;
- places in the aperture and in the wings around it: see `photon_places`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64, I64
from xherald.photons.batch import unweighted

from .event_profiles import CELLS, DIPS, FLARES, Profile
from .measured_spectra import COMPONENTS, absorbed_to, spectra_of
from .photon_places import draw_wing_numbers, place_photons

__all__ = [
    "COUNTS",
    "DEPTHS",
    "STRENGTHS",
    "WIDTHS",
    "Events",
    "Templates",
    "draw_grid",
    "shortest_flare",
    "steady_templates",
]


Kind = Literal["steady", "flare", "dip"]

COUNTS: Final = (10, 500)
STRENGTHS: Final = (0.05, 0.9)
WIDTHS: Final = (2.0**-6, 0.5)
DEPTHS: Final = (0.4, 1.0)
LONGEST: Final = 0.5
LEAST_FRAMES: Final = 3.0
LEAST_SECONDS: Final = 10.0
TEMPLATES: Final = 1000
"""Number of steady sources whose exposures and backgrounds the grid of a telescope uses."""


@dataclass(frozen=True, slots=True, eq=False)
class Events:
    """Events injected into n sources; numbers are NaN without an event.

    Parameters
    ----------
    shape, spectrum : ndarray of str, shape (n,)
    duration : ndarray, shape (n,) — T90 of a flare, length of a dip; fraction of the live time
    strength : ndarray, shape (n,) — fraction of the net counts in a flare, depth of a dip
    middle : ndarray, shape (n,) — centre of the event, fraction of the live time
    background : ndarray, shape (n,) — fraction of the photons expected without a dip
    sigma : ndarray, shape (n,) — expected significance of the event in counts; 0 without event
    """

    shape: NDArray[np.str_]
    spectrum: NDArray[np.str_]
    duration: F64
    strength: F64
    middle: F64
    background: F64
    sigma: F64


@dataclass(frozen=True, slots=True, eq=False)
class Templates:
    """Steady sources of a population, and the background fraction of each."""

    batch: EventBatch
    background: F64


def steady_templates(telescope: str, seed: int) -> Templates:
    """Sources whose exposures, good times and backgrounds the grid uses."""
    from xherald.simulation.population.population import simulate_population

    population = simulate_population(TEMPLATES, telescope=telescope, seed=seed, variable_fraction=0.0)
    source, background = (population.truth[name].to_numpy() for name in ("expected_counts", "background_expected"))
    return Templates(population.batch, background / (source + background))


def shortest_flare(batch: EventBatch) -> F64:
    """Shortest T90 in the prior of each source, fraction of the live time."""
    good = batch.livetime / batch.live_fraction
    least: F64 = np.minimum(np.maximum(LEAST_FRAMES * batch.frame_time, LEAST_SECONDS) / good, 0.5 * LONGEST)
    return least


def draw_grid(
    templates: Templates, telescope: str, kind: Kind, n: int, rng: np.random.Generator, *, seed: int, label: str
) -> tuple[EventBatch, Events]:
    """Draw n sources of the grid.

    Parameters
    ----------
    templates : Templates — of the telescope
    telescope : str
    kind : {"steady", "flare", "dip"}
    n : int
    rng : numpy.random.Generator
    seed : int — of the spectra
    label : str — what the sources' names begin with
    """
    row = rng.integers(0, len(templates.batch), n)
    exposures = templates.batch.select(row)
    number = _counts(n, rng)
    share = np.minimum(templates.background[row], _most_background(number))
    events = _events(kind, exposures, number, share, rng)
    photons, u, component = _arrivals(kind, number, events, rng)
    time = _times(exposures, photons, u, telescope, rng)
    which = rng.integers(0, len(spectra_of(telescope, seed).background), n)
    energy = _energies(telescope, seed, which, events, photons, component, exposures.band[0], rng)
    around, u_around = _around(exposures, number, events, kind, rng)
    time_around = _times(exposures, around, u_around, telescope, rng)
    nothing = np.zeros(len(u_around), dtype=np.int64)
    energy_around = _energies(telescope, seed, which, events, around, nothing, exposures.band[0], rng)
    beyond, share_beyond = draw_wing_numbers(exposures, telescope, number, share, rng)
    wings, u_wings, component_wings = _arrivals(kind, beyond, replace(events, background=share_beyond), rng)
    time_wings = _times(exposures, wings, u_wings, telescope, rng)
    energy_wings = _energies(telescope, seed, which, events, wings, component_wings, exposures.band[0], rng)
    first, second, third = (
        _in_order(offsets, times, energies)
        for offsets, times, energies in (
            (photons, time, energy),
            (around, time_around, energy_around),
            (wings, time_wings, energy_wings),
        )
    )
    batch = replace(
        exposures,
        time=first[0],
        energy=first[1],
        offsets=photons,
        background_time=second[0],
        background_energy=second[1],
        background_offsets=around,
        identities=tuple(
            replace(one, detection_id=f"{label}_{i}") for i, one in enumerate(exposures.identities, start=1)
        ),
        **unweighted(int(photons[-1]), n),
    )
    is_background = (component == 0)[first[2]], (component_wings == 0)[third[2]]
    return place_photons(batch, telescope, is_background, (wings, third[0], third[1]), rng), events


def _counts(n: int, rng: np.random.Generator) -> I64:
    """Poisson numbers with a log-uniform mean, within the range."""
    low, high = COUNTS
    out = np.zeros(n, dtype=np.int64)
    while (missing := np.flatnonzero((out < low) | (out > high))).size:
        out[missing] = rng.poisson(low * (high / low) ** rng.random(missing.size))
    return out


def _most_background(number: I64) -> F64:
    """Largest background fraction at which a source of so many photons is detected."""
    from xherald.simulation.population.population_settings import DETECTION_SIGMA

    # (1 − b) N ≥ k √(b N), solved for √b.
    k = DETECTION_SIGMA / np.sqrt(number)
    root = 0.5 * (np.sqrt(k * k + 4.0) - k)
    most: F64 = root**2
    return most


def _events(kind: Kind, exposures: EventBatch, number: I64, share: F64, rng: np.random.Generator) -> Events:
    n = len(number)
    if kind == "steady":
        nothing, none = np.full(n, np.nan), np.full(n, "", dtype=np.str_)
        return Events(none, none, nothing, nothing, nothing, share, np.zeros(n))
    profiles = FLARES if kind == "flare" else DIPS
    shape = rng.integers(0, len(profiles), n)
    if kind == "flare":
        shortest = shortest_flare(exposures)
        duration = shortest * (LONGEST / shortest) ** rng.random(n)
        strength = STRENGTHS[0] * (STRENGTHS[1] / STRENGTHS[0]) ** rng.random(n)
        spectrum = np.array(COMPONENTS)[rng.integers(0, len(COMPONENTS), n)]
    else:
        duration = WIDTHS[0] * (WIDTHS[1] / WIDTHS[0]) ** rng.random(n)
        strength = rng.uniform(*DEPTHS, n)
        spectrum = np.full(n, "same", dtype="U6")
    names = np.array([one.name for one in profiles])[shape]
    events = Events(names, spectrum, duration, strength, rng.random(n), share, np.zeros(n))
    return replace(events, sigma=_sigma(kind, number, events))


def _support_of(events: Events, profile: Profile, kind: Kind, chosen: NDArray[Any]) -> tuple[F64, F64]:
    """Start and length of the support of events of a shape, parts of the livetime."""
    if kind == "dip":
        return events.middle[chosen] - 0.5 * events.duration[chosen], events.duration[chosen]
    low, high = profile.core
    length = events.duration[chosen] / (high - low)
    return events.middle[chosen] - 0.5 * (low + high) * length, length


def _by_shape(kind: Kind, events: Events) -> list[tuple[Profile, I64]]:
    profiles = FLARES if kind == "flare" else DIPS
    return [(one, np.flatnonzero(events.shape == one.name)) for one in profiles]


def _seen(profile: Profile, start: F64, length: F64) -> tuple[F64, F64]:
    """Integral of the profile up to the start and up to the end of the exposure."""
    edges = np.linspace(0.0, 1.0, CELLS + 1)
    before = np.interp(-start / length, edges, profile.cumulative)
    after = np.interp((1.0 - start) / length, edges, profile.cumulative)
    return before, after


def _arrivals(kind: Kind, number: I64, events: Events, rng: np.random.Generator) -> tuple[I64, F64, I64]:
    """Offsets, places on livetime in [0, 1), and components: 0 background, 1 the source, 2 the event."""
    offsets = np.concatenate([[0], np.cumsum(number)]).astype(np.int64)
    source = np.repeat(np.arange(len(number)), number)
    u, drawn, share = rng.random(len(source)), rng.random(len(source)), events.background[source]
    component = (drawn >= share).astype(np.int64)
    if kind == "flare":
        component[drawn >= 1.0 - (1.0 - share) * events.strength[source]] = 2
        edges = np.linspace(0.0, 1.0, CELLS + 1)
        for profile, rows in _by_shape(kind, events):
            start, length = (np.zeros(len(number)) for _ in range(2))
            start[rows], length[rows] = _support_of(events, profile, kind, rows)
            own = np.flatnonzero((component == 2) & np.isin(source, rows))
            of = source[own]
            before, after = _seen(profile, start[of], length[of])
            reached = before + u[own] * (after - before)
            u[own] = np.clip(start[of] + length[of] * np.interp(reached, profile.cumulative, edges), 0.0, 1.0 - 1e-12)
    if kind == "dip":
        u, component = _thinned(events, source, share, u, rng)
    return offsets, u, component


def _thinned(events: Events, source: I64, share: F64, u: F64, rng: np.random.Generator) -> tuple[F64, I64]:
    """Photons that a dip lets pass, by rejection; which are background is then a matter of where they are."""
    taken = np.zeros(len(u))
    waiting = np.arange(len(u))
    while waiting.size:
        taken[waiting] = _depth(events, source[waiting], u[waiting])
        waiting = waiting[rng.random(waiting.size) < (1.0 - share[waiting]) * taken[waiting]]
        u[waiting] = rng.random(waiting.size)
    own = (1.0 - share) * (1.0 - taken)
    component = (rng.random(len(u)) < own / (share + own)).astype(np.int64)
    component[(component == 1) & (taken > 0) & (events.shape[source] == "absorbed")] = 2
    return u, component


def _depth(events: Events, source: I64, u: F64) -> F64:
    """Part of the source's rate that the dip takes away at each place."""
    depth = np.zeros(len(u))
    x = (u - events.middle[source]) / events.duration[source] + 0.5
    inside = (x >= 0) & (x < 1)
    cell = np.minimum((np.clip(x, 0.0, 1.0) * CELLS).astype(np.int64), CELLS - 1)
    for profile in DIPS:
        own = inside & (events.shape[source] == profile.name)
        depth[own] = profile.density[cell[own]]
    return depth * events.strength[source]


def _sigma(kind: Kind, number: I64, events: Events) -> F64:
    """Significance of the counts expected within T90 (of a dip: its length) against those outside; 0 if undefined.

    As `simulation.population.curves.event_sigma`: the signed root of twice the likelihood ratio.
    """
    from scipy.special import xlogy

    inside, part = np.zeros(len(number)), np.zeros(len(number))
    own = 1.0 - events.background
    for profile, rows in _by_shape(kind, events):
        start, length = _support_of(events, profile, kind, rows)
        before, after = _seen(profile, start, length)
        whole = number[rows].astype(np.float64)
        low, high = profile.core if kind == "flare" else (0.0, 1.0)
        begin, end = np.maximum(start + low * length, 0.0), np.minimum(start + high * length, 1.0)
        part[rows] = np.maximum(end - begin, 0.0)
        taken = own[rows] * events.strength[rows]
        if kind == "flare":
            edges = np.linspace(0.0, 1.0, CELLS + 1)
            held = np.interp((end - start) / length, edges, profile.cumulative)
            held = held - np.interp((begin - start) / length, edges, profile.cumulative)
            inside[rows] = whole * ((1.0 - taken) * part[rows] + taken * held / (after - before))
        else:
            lost = taken * length * (after - before)
            inside[rows] = whole * (part[rows] - lost) / (1.0 - lost)
    inside = np.maximum(inside, 0.0)
    outside = np.maximum(number - inside, 0.0)
    defined = (part > 0) & (part < 1)
    part = np.where(defined, part, 0.5)
    ratio = xlogy(inside, inside / (number * part)) + xlogy(outside, outside / (number * (1.0 - part)))
    expected = (inside > number * part) == (kind == "flare")
    return np.where(defined & expected, np.sqrt(2.0 * np.maximum(ratio, 0.0)), 0.0)


def _around(
    exposures: EventBatch, number: I64, events: Events, kind: Kind, rng: np.random.Generator
) -> tuple[I64, F64]:
    """Photons of the background regions: a steady background according to the background fraction."""
    whole = number.astype(np.float64)
    if kind == "dip":
        for profile, rows in _by_shape(kind, events):
            start, length = _support_of(events, profile, kind, rows)
            before, after = _seen(profile, start, length)
            lost = (1.0 - events.background[rows]) * events.strength[rows] * length * (after - before)
            whole[rows] /= 1.0 - lost
    around = rng.poisson(events.background * whole / exposures.area_ratio)
    offsets = np.concatenate([[0], np.cumsum(around)]).astype(np.int64)
    return offsets, rng.random(int(offsets[-1]))


def _times(exposures: EventBatch, offsets: I64, u: F64, telescope: str, rng: np.random.Generator) -> F64:
    from xherald.simulation.telescopes import TELESCOPES

    from .photon_time_kernels import stamped

    within = rng.random(len(u)) if TELESCOPES[telescope].stamp == "random" else np.full(len(u), 0.5)
    times: F64 = stamped(
        u, offsets, exposures.gti, exposures.gti_fraction, exposures.gti_offsets, exposures.frame_time, within
    )
    return times


def _energies(
    telescope: str,
    seed: int,
    which: I64,
    events: Events,
    offsets: I64,
    component: I64,
    band: F64,
    rng: np.random.Generator,
) -> F64:
    """Energies by component; `which` of the telescope's spectra each source has."""
    from xherald.simulation.population.population_kernels import energies_at

    spectra, n = spectra_of(telescope, seed), len(which)
    event = np.array([COMPONENTS.index(name) if name else 0 for name in events.spectrum.tolist()])
    weights = np.stack([spectra.background[which], spectra.source[which, 0], spectra.source[which, event]], axis=1)
    absorbed = np.flatnonzero(events.shape == "absorbed")
    weights[absorbed, 2] = absorbed_to(weights[absorbed, 1], 1.0 - events.strength[absorbed])
    of = np.repeat(np.arange(n), np.diff(offsets)) * 3 + component
    order = np.argsort(of, kind="stable")
    drawn = energies_at(
        weights.reshape(3 * n, -1),
        np.bincount(of, minlength=3 * n),
        rng.random(len(of)),
        (float(band[0]), float(band[1])),
    )
    energy = np.empty(len(of))
    energy[order] = drawn
    return energy


def _in_order(offsets: I64, time: F64, energy: F64) -> tuple[F64, F32, I64]:
    """Times and energies sorted by time within each source, and the order that sorts them."""
    source = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    order = np.lexsort((time, source))
    return time[order], energy[order].astype(np.float32), order
