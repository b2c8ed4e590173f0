"""Places of the grid's photons, from which their weights follow: in the aperture and in the wings around it.

Source photons follow the King profile of the telescope's point spread, with a core that differs from the tabulated one
by `CORE_ERROR` (standard deviation of its logarithm), since no table is exact; background photons are uniform.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64, I64, Mask
from xherald.photons.wings import WING_RADIUS

__all__ = ["ENCIRCLED", "draw_wing_numbers", "place_photons"]

ENCIRCLED: Final = 0.9
"""Fraction of a point source's photons in its aperture, as in the default settings."""

CORE_ERROR: Final = 0.1


def _profiles(batch: EventBatch, telescope: str) -> tuple[F64, F64]:
    """Core, in units of the aperture's radius, and slope of the point spread of each source."""
    from xherald.simulation.mirror_spread import king_of
    from xherald.simulation.telescopes import TELESCOPES

    angle = np.array([one.off_axis_arcmin or 0.0 for one in batch.identities])
    _, slope = king_of(TELESCOPES[telescope].point_spread, angle, np.full(len(batch), 1.5))
    return 1.0 / np.sqrt((1.0 - ENCIRCLED) ** (-1.0 / slope) - 1.0), slope


def draw_wing_numbers(
    batch: EventBatch, telescope: str, number: I64, share: F64, rng: np.random.Generator
) -> tuple[I64, F64]:
    """Numbers of photons in the wings of sources, and the share of them that is background.

    Parameters
    ----------
    batch : EventBatch
        Of n sources, whose identities give the off-axis angles.
    telescope : str
    number : ndarray, shape (n,)
        Photons in each aperture.
    share : ndarray, shape (n,)
        Fraction of them that is background.
    rng : numpy.random.Generator
    """
    core, slope = _profiles(batch, telescope)
    beyond = 1.0 - (1.0 + (WING_RADIUS / core) ** 2) ** -slope - ENCIRCLED
    source = number * (1.0 - share) * beyond / ENCIRCLED
    background = number * share * (WING_RADIUS**2 - 1.0)
    return rng.poisson(source + background), background / np.maximum(source + background, 1e-9)


def place_photons(
    batch: EventBatch,
    telescope: str,
    is_background: tuple[Mask, Mask],
    wings: tuple[I64, F64, F32],
    rng: np.random.Generator,
) -> EventBatch:
    """The same sources with wings, and with the weights that the places of their photons give.

    Parameters
    ----------
    batch : EventBatch
    telescope : str
    is_background : tuple of ndarray of bool
        Whether each photon of the apertures, and of the wings, belongs to the background.
    wings : tuple of ndarray
        Offsets, times and energies of the photons in the wings, sorted by time within each source.
    rng : numpy.random.Generator
    """
    from xherald.photons.photon_weights import photon_weights

    n = len(batch)
    offsets, time, energy = wings
    core, slope = _profiles(batch, telescope)
    true_core = core * np.exp(CORE_ERROR * rng.standard_normal(n))
    radius2 = []
    for (low, high), is_behind, ends in zip(
        ((0.0, 1.0), (1.0, WING_RADIUS)), is_background, (batch.offsets, offsets), strict=True
    ):
        source = np.repeat(np.arange(n), np.diff(ends))
        inner, outer = (1.0 - (1.0 + (edge / true_core) ** 2) ** -slope for edge in (low, high))
        enclosed = inner[source] + (outer - inner)[source] * rng.random(len(source))
        own = true_core[source] ** 2 * ((1.0 - enclosed) ** (-1.0 / slope[source]) - 1.0)
        radius2.append(np.where(is_behind, low**2 + (high**2 - low**2) * rng.random(len(source)), own))
    number, beyond = batch.counts, np.diff(offsets)
    source = np.concatenate([np.repeat(np.arange(n), number), np.repeat(np.arange(n), beyond)])
    order = np.argsort(source, kind="stable")
    area = np.full(n, np.pi)
    weight = np.empty(len(source), dtype=np.float32)
    weight[order] = photon_weights(
        np.concatenate(radius2)[order],
        np.concatenate([batch.energy, energy])[order],
        np.concatenate([[0], np.cumsum(number + beyond)]).astype(np.int64),
        batch.background_energy,
        batch.background_offsets,
        area * WING_RADIUS**2,
        np.divide(area, batch.area_ratio, out=np.zeros(n), where=batch.area_ratio > 0),
        core,
        slope,
    )
    return replace(
        batch,
        weight=weight[: len(batch.time)],
        wing_time=time,
        wing_energy=energy,
        wing_weight=weight[len(batch.time) :],
        wing_offsets=offsets,
    )
