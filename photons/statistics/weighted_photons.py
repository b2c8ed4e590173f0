"""Photons with weights on the null clock, those beyond the edge of the aperture included: `weighted_photons`.

A photon that is the source's with probability w arrives at time t with the density ``w / T + (1 - w) b(t)``, where T is
the livetime and b the light curve of the background, so that its cumulative value is uniform under the null hypothesis.
A flare of the background moves the photons that are likely its own, and leaves the source's where they are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.batch import EventBatch
from xherald.photons.threads import run_in_threads

from .averaged import BANDS, WEIGHTS
from .background_posterior import mean_background
from .blocks import change_point_penalty
from .clock import (
    BACKGROUND_P0,
    MAX_RATIO,
    MIN_SPECTRAL_COUNTS,
    NullClock,
    accumulated_livetime,
    background_blocks,
    bands_of,
    field_warp,
    hash_to_unit,
    spread_in_frames,
)

__all__ = ["WeightedPhotons", "weighted_photons"]

MIN_WEIGHT: Final = 0.08
"""Photons with less weight are left out: they cost as much time as others, and each tells less than 1 % as much as one
of weight 1. Weights do not depend on times, so that the rest are uniform on the clock as before."""


_Photons: TypeAlias = tuple[F64, F32, F32, I64]
"""Times, energies, weights and offsets."""


@dataclass(frozen=True, slots=True, eq=False)
class WeightedPhotons:
    """Photons of a batch with their weights, sorted within each source.

    Parameters
    ----------
    u : ndarray, shape (photons,) — on the null clock
    energy : ndarray, shape (photons,) — keV
    weight : ndarray, shape (photons,)
        Probability of each photon to be the source's, at least `MIN_WEIGHT`; 1 where weights are not used: their places
        are unknown, or the background region is smaller than twice the aperture, so that its share is open.
    offsets : ndarray, shape (n + 1,)
    """

    u: F64
    energy: F32
    weight: F32
    offsets: I64

    @property
    def effective_counts(self) -> F64:
        """Number of photons of weight 1 that tell as much of each source: sums of squared weights, shape (n,)."""
        level = np.searchsorted(0.5 * (WEIGHTS[1:] + WEIGHTS[:-1]), self.weight)
        source = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))
        effective: F64 = np.bincount(source, weights=WEIGHTS[level] ** 2, minlength=len(self.offsets) - 1).astype(
            np.float64
        )
        return effective


@njit(cache=True, nogil=True)
def _fill_background_fraction(
    live: F64, energy: F32, behind: F64, background_energy: F32, warp: tuple[F64, F64], seed: int, out: F64
) -> None:
    """Fill the posterior mean of the fraction of the background before each photon, by energy where it has enough.

    `live` and `behind` are in warped livetime.
    """
    is_shared = behind.size < MIN_SPECTRAL_COUNTS
    thresholds = np.sort(energy)[np.arange(1, BANDS) * energy.size // BANDS]
    band, background_band = bands_of(energy, thresholds), bands_of(background_energy, thresholds)
    everything = np.ones(1)
    for k in range(BANDS):
        own = band == k
        if not is_shared or k == 0:
            edges, expected = mean_background(
                behind if is_shared else behind[background_band == k], everything, everything, warp, 1.0, seed + k
            )
        out[own] = np.interp(live[own], edges, expected[0])


@njit(cache=True, nogil=True)
def _weigh_one(
    time: F64,
    energy: F32,
    weight: F32,
    gti: F64,
    fraction: F64,
    frame_time: float,
    background: F64,
    background_energy: F32,
    field_start: F64,
    field_rate: F64,
    is_uncertain: bool,
    penalty: float,
) -> F64:
    """U of photons of one source that are sorted by time."""
    total = 0.0
    for row in range(gti.shape[0]):
        total += (gti[row, 1] - gti[row, 0]) * fraction[row]
    live = spread_in_frames(time, accumulated_livetime(time, gti, fraction), frame_time, total)
    steady: F64 = live / total
    if background.size < 2:
        return steady
    behind = spread_in_frames(background, accumulated_livetime(background, gti, fraction), frame_time, total)
    warp = field_warp(field_start, field_rate, gti, fraction)
    behind = np.interp(behind, warp[0], warp[1])
    knots, held, varies = background_blocks(behind, warp, penalty)
    arrived = np.interp(live, knots, held)
    if is_uncertain and varies:
        seed = np.int64(hash_to_unit(time[0] + time.size) * 2**31)
        warped = np.interp(live, warp[0], warp[1])
        _fill_background_fraction(warped, energy, behind, background_energy, warp, seed, arrived)
    u: F64 = weight * steady + (1.0 - weight) * arrived
    return u


@njit(cache=True, nogil=True)
def _weigh_all(
    used: NDArray[np.bool_],
    aperture: _Photons,
    wing: _Photons,
    background: tuple[F64, F32, I64],
    good_times: tuple[F64, F64, I64],
    field: tuple[F64, F64, I64],
    frame_time: F64,
    is_uncertain: NDArray[np.bool_],
    penalties: F64,
    first: int,
    stop: int,
    out: _Photons,
) -> None:
    """Fill the photons of sources first..stop that have weights, where any is heavy enough."""
    for s in range(first, stop):
        if not used[s] or out[3][s] == out[3][s + 1]:
            continue
        own, beyond = slice(aperture[3][s], aperture[3][s + 1]), slice(wing[3][s], wing[3][s + 1])
        behind = slice(background[2][s], background[2][s + 1])
        rows = slice(good_times[2][s], good_times[2][s + 1])
        light = slice(field[2][s], field[2][s + 1])
        time = np.concatenate((aperture[0][own], wing[0][beyond]))
        order = np.argsort(time, kind="mergesort")
        energy = np.concatenate((aperture[1][own], wing[1][beyond]))[order]
        weight = np.concatenate((aperture[2][own], wing[2][beyond]))[order]
        u = _weigh_one(
            time[order],
            energy,
            weight,
            good_times[0][rows],
            good_times[1][rows],
            frame_time[s],
            background[0][behind],
            background[1][behind],
            field[0][light],
            field[1][light],
            is_uncertain[s],
            penalties[s],
        )
        order = np.argsort(u, kind="mergesort")
        filled = slice(out[3][s], out[3][s + 1])
        out[0][filled], out[1][filled], out[2][filled] = u[order], energy[order], weight[order]


def _select_heavy(photons: _Photons) -> _Photons:
    """Photons of at least `MIN_WEIGHT`."""
    time, energy, weight, offsets = photons
    heavy = weight >= MIN_WEIGHT
    new_offsets = np.concatenate([[0], np.cumsum(heavy)])[offsets].astype(np.int64)
    return time[heavy], energy[heavy], weight[heavy], new_offsets


def weighted_photons(batch: EventBatch, clock: NullClock, threads: int = 0) -> WeightedPhotons:
    """Photons of a batch with their weights on the null clock.

    Parameters
    ----------
    batch : EventBatch
    clock : NullClock
        Of the batch; gives the photons of sources without weights.
    threads : int
        0 uses all cores.
    """
    n = len(batch)
    lightest = np.ones(n, dtype=np.float32)
    source = np.repeat(np.arange(n), batch.counts)
    np.minimum.at(lightest, source, batch.weight)
    used = (lightest < 1) & (batch.area_ratio <= MAX_RATIO) & batch.good_times_known
    own = _select_heavy((batch.time, batch.energy, batch.weight, batch.offsets))
    beyond = _select_heavy((batch.wing_time, batch.wing_energy, batch.wing_weight, batch.wing_offsets))
    counts = np.where(used, np.diff(own[3]) + np.diff(beyond[3]), np.diff(clock.offsets))
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    u, energy, weight = np.empty(offsets[-1]), np.empty(offsets[-1], np.float32), np.ones(offsets[-1], np.float32)
    unweighted = ~np.repeat(used, counts)
    tested = ~np.repeat(used, np.diff(clock.offsets))
    u[unweighted], energy[unweighted] = clock.tested_u[tested], clock.tested_energy[tested]
    penalties = change_point_penalty(np.diff(batch.background_offsets), BACKGROUND_P0)
    run_in_threads(
        lambda first, stop: _weigh_all(
            used,
            own,
            beyond,
            (batch.background_time, batch.background_energy, batch.background_offsets),
            (batch.gti, batch.gti_fraction, batch.gti_offsets),
            (batch.field_start, batch.field_rate, batch.field_offsets),
            batch.frame_time,
            clock.is_uncertain,
            penalties,
            first,
            stop,
            (u, energy, weight, offsets),
        ),
        offsets,
        threads,
    )
    return WeightedPhotons(u, energy, weight, offsets)
