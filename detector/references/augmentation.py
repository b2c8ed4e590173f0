"""Changed copies of sources, for training: fainter, with more background, another response, time scale or exposure."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64, I64
from xherald.photons.batch import unweighted

__all__ = ["augment"]

LEAST_KEPT: Final = 0.2
"""Smallest part of the photons of a fainter copy."""

MOST_BACKGROUND: Final = 0.7
"""Largest number of added background photons, in units of the source's."""

MOST_REGION_PHOTONS: Final = 1_000.0
"""Largest number expected of those that are added to the background region with them."""

STRETCH: Final = 2.0
"""Largest factor of the time scale."""

COLUMN_1E22: Final = (0.03, 10.0)
FALL_KEV: Final = (2.0, 10.0)
"""Ranges of an additional column and of the energy above which the response falls; each applies to half of the copies.
The cross-section is 2.2e-22 cm² at 1 keV with a slope of −2.6, close to solar abundances below 10 keV."""

GAIN: Final = 0.05
"""Standard deviation of the logarithm of a source's energy scale, and of the energies' blur."""


def augment(batch: EventBatch, interval: F64, rng: np.random.Generator) -> tuple[EventBatch, F64]:
    """Make a changed copy of each source.

    Parameters
    ----------
    batch : EventBatch
    interval : ndarray, shape (n, 2) — mission time, s, of the event; NaN without one. At least half of it stays in the
        exposure.
    rng : numpy.random.Generator

    Returns
    -------
    (EventBatch, ndarray of shape (n,))
        The copies, without weights of photons, and the factor by which the significance of an event is reduced, about.
    """
    n = len(batch)
    source = np.repeat(np.arange(n), batch.counts)
    around = np.repeat(np.arange(n), np.diff(batch.background_offsets))
    window = _windows(batch, interval, rng)
    faint = np.where(rng.random(n) < 0.5, LEAST_KEPT ** rng.random(n), 1.0)
    acceptance = _acceptances(batch.energy, source, n, rng)
    kept = (rng.random(len(source)) < faint[source] * acceptance) & _inside(batch.time, source, window)
    behind = (rng.random(len(around)) < faint[around]) & _inside(batch.background_time, around, window)
    energy = _regain(batch.energy[kept], source[kept], batch.band, n, rng)
    gti, fraction, owner = _cut_good_times(batch, window)
    cut = _assemble(
        batch,
        (batch.time[kept], energy, source[kept]),
        (batch.background_time[behind], around[behind]),
        behind,
        (gti, fraction, owner),
    )
    part = np.bincount(source[kept], minlength=n) / np.maximum(batch.counts, 1)
    return _stretch(_add_background(cut, rng), rng), np.sqrt(part)


def _windows(batch: EventBatch, interval: F64, rng: np.random.Generator) -> F64:
    """Start and stop of the exposure of each copy, mission time, s; the whole exposure for half of them."""
    first = batch.gti[batch.gti_offsets[:-1], 0]
    last = batch.gti[batch.gti_offsets[1:] - 1, 1]
    span = last - first
    draws = rng.random((2, len(batch)))
    start, stop = first + 0.6 * span * draws[0], last - 0.6 * span * draws[1]
    middle = np.where(np.isnan(interval[:, 0]), first + 0.5 * span, interval.mean(axis=1))
    half = np.where(np.isnan(interval[:, 0]), 0.2 * span, 0.5 * (interval[:, 1] - interval[:, 0]))
    # Either side of the event may be lost, not both.
    start, stop = np.minimum(start, middle), np.maximum(stop, middle)
    both = (start > middle - half) & (stop < middle + half)
    stop = np.where(both, last, stop)
    start = np.where(stop - start < 0.1 * span, first, start)
    whole = rng.random(len(batch)) < 0.5
    return np.column_stack([np.where(whole, first, start), np.where(whole, last, stop)])


def _inside(time: F64, owner: I64, window: F64) -> NDArray[np.bool_]:
    inside: NDArray[np.bool_] = (time >= window[owner, 0]) & (time <= window[owner, 1])
    return inside


def _acceptances(energy: F32, source: I64, n: int, rng: np.random.Generator) -> F64:
    """Probability that each photon is kept by another column and response, at most 1 in the source's spectrum."""
    column = np.where(rng.random(n) < 0.5, _log_uniform(rng, n, COLUMN_1E22), 0.0)
    fall = np.where(rng.random(n) < 0.5, _log_uniform(rng, n, FALL_KEV), 1e3)
    logarithm = -2.2 * column[source] * energy.astype(np.float64) ** -2.6 - (energy / fall[source]) ** 2
    best = np.full(n, -np.inf)
    np.maximum.at(best, source, logarithm)
    acceptance: F64 = np.exp(logarithm - best[source])
    return acceptance


def _log_uniform(rng: np.random.Generator, n: int, bounds: tuple[float, float]) -> F64:
    values: F64 = bounds[0] * (bounds[1] / bounds[0]) ** rng.random(n)
    return values


def _regain(energy: F32, source: I64, band: F64, n: int, rng: np.random.Generator) -> F32:
    """Energies on another scale and blurred, within the band."""
    factor = np.exp(GAIN * (rng.normal(size=n)[source] + rng.normal(size=len(source))))
    return np.clip(energy * factor, band[source, 0], band[source, 1]).astype(np.float32)


def _cut_good_times(batch: EventBatch, window: F64) -> tuple[F64, F64, I64]:
    """Good times within the windows, their live fractions, and the source of each."""
    owner = np.repeat(np.arange(len(batch)), np.diff(batch.gti_offsets))
    start = np.maximum(batch.gti[:, 0], window[owner, 0])
    stop = np.minimum(batch.gti[:, 1], window[owner, 1])
    left = stop > start
    # A source whose window is in a gap keeps its whole exposure, without photons outside the window.
    lost = np.bincount(owner[left], minlength=len(batch)) == 0
    start, stop = (np.where(lost[owner], batch.gti[:, k], one) for k, one in enumerate((start, stop)))
    left |= lost[owner]
    return np.column_stack([start, stop])[left], batch.gti_fraction[left], owner[left]


def _assemble(
    batch: EventBatch,
    photons: tuple[F64, F32, I64],
    background: tuple[F64, I64],
    behind: NDArray[np.bool_],
    exposure: tuple[F64, F64, I64],
) -> EventBatch:
    n = len(batch)

    def offsets(owner: I64) -> I64:
        return np.concatenate([[0], np.cumsum(np.bincount(owner, minlength=n))]).astype(np.int64)

    return replace(
        batch,
        time=photons[0],
        energy=photons[1],
        offsets=offsets(photons[2]),
        background_time=background[0],
        background_energy=batch.background_energy[behind],
        background_offsets=offsets(background[1]),
        gti=exposure[0],
        gti_fraction=exposure[1],
        gti_offsets=offsets(exposure[2]),
        **unweighted(len(photons[0]), n),
    )


def _add_background(batch: EventBatch, rng: np.random.Generator) -> EventBatch:
    """Constant background added to aperture and region of half of the sources, with energies uniform in logarithm."""
    n = len(batch)
    mean = batch.counts * np.where(rng.random(n) < 0.5, MOST_BACKGROUND * rng.random(n) ** 2, 0.0)
    mean = np.minimum(mean, MOST_REGION_PHOTONS * batch.area_ratio)
    more = rng.poisson(mean)
    around = rng.poisson(mean / np.where(batch.area_ratio > 0, batch.area_ratio, 1.0))
    photons = _joined(batch.time, batch.energy, batch.offsets, *_uniform(batch, more, rng))
    outside = _joined(
        batch.background_time, batch.background_energy, batch.background_offsets, *_uniform(batch, around, rng)
    )
    return replace(
        batch,
        time=photons[0],
        energy=photons[1],
        offsets=photons[2],
        background_time=outside[0],
        background_energy=outside[1],
        background_offsets=outside[2],
        **unweighted(len(photons[0]), n),
    )


def _uniform(batch: EventBatch, number: I64, rng: np.random.Generator) -> tuple[F64, F32, I64]:
    """Photons uniform in live time and in the logarithm of energy within the band: times, energies, sources."""
    owner = np.repeat(np.arange(len(batch)), number)
    live = np.diff(batch.gti, axis=1).ravel() * batch.gti_fraction
    reached = np.concatenate([[0.0], np.cumsum(live)])
    first, last = reached[batch.gti_offsets[:-1]], reached[batch.gti_offsets[1:]]
    at = first[owner] + rng.random(len(owner)) * (last - first)[owner]
    row = np.clip(
        np.searchsorted(reached, at, side="right") - 1, batch.gti_offsets[owner], batch.gti_offsets[owner + 1] - 1
    )
    time = batch.gti[row, 0] + (at - reached[row]) / np.maximum(batch.gti_fraction[row], 1e-9)
    low, high = batch.band[owner, 0], batch.band[owner, 1]
    energy = (low * (high / low) ** rng.random(len(owner))).astype(np.float32)
    return np.clip(time, batch.gti[row, 0], batch.gti[row, 1]), energy, owner


def _joined(time: F64, energy: F32, offsets: I64, more: F64, energies: F32, owner: I64) -> tuple[F64, F32, I64]:
    """Photons of both, in order of source and time, with new offsets."""
    n = len(offsets) - 1
    whose = np.concatenate([np.repeat(np.arange(n), np.diff(offsets)), owner])
    times, all_energies = np.concatenate([time, more]), np.concatenate([energy, energies])
    order = np.lexsort((times, whose))
    numbers = np.bincount(whose, minlength=n)
    return times[order], all_energies[order], np.concatenate([[0], np.cumsum(numbers)]).astype(np.int64)


def _stretch(batch: EventBatch, rng: np.random.Generator) -> EventBatch:
    """Another time scale."""
    factor = STRETCH ** rng.uniform(-1.0, 1.0, len(batch))
    first = batch.gti[batch.gti_offsets[:-1], 0]

    def moved(time: F64, offsets: I64) -> F64:
        owner = np.repeat(np.arange(len(batch)), np.diff(offsets))
        shape = (-1,) + (1,) * (time.ndim - 1)
        stretched: F64 = (time - first[owner].reshape(shape)) * factor[owner].reshape(shape)
        return stretched

    return replace(
        batch,
        time=moved(batch.time, batch.offsets),
        gti=moved(batch.gti, batch.gti_offsets),
        background_time=moved(batch.background_time, batch.background_offsets),
        frame_time=batch.frame_time * factor,
    )
