"""Source list of a simulated exposure, as the source detection of a mission would produce it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xherald.photons.projection import separation_deg
from xherald.simulation.exposure import SimulatedExposure
from xherald.simulation.random_streams import stream

from .mission_writer import ListedSource

__all__ = ["LEAST_COUNTS", "listed_sources"]

LEAST_COUNTS = 15
"""Fewest counts in the band of a listed source."""


def listed_sources(exposure: SimulatedExposure, kept: NDArray[np.bool_]) -> list[ListedSource]:
    """Sources with enough counts, at positions with measurement errors.

    The statistical error of a centroid of N photons is the spread of one of them over √N; positions are drawn with it
    and with the telescope's astrometry.

    Parameters
    ----------
    exposure : SimulatedExposure
    kept : ndarray, shape (n,) — events that a reader of the file keeps
    """
    spread, observing, origin = exposure.telescope.point_spread, exposure.observing, exposure.events.origin
    rng = stream(exposure.seed, "source list", exposure.telescope.name)
    aspect = rng.standard_normal(2) * _one_axis(spread.astrometry_arcsec)
    found: list[ListedSource] = []
    for index, source in enumerate(exposure.sources):
        noise = rng.standard_normal(2)
        counts = int(np.count_nonzero(kept & (origin == index)))
        if counts < LEAST_COUNTS:
            continue
        off_axis = float(separation_deg(source.ra, source.dec, observing.ra, observing.dec)) * 60.0
        error = spread.radius(0.68, off_axis) / np.sqrt(counts)
        east, north = (aspect + noise * _one_axis(error)) / 3600.0
        ra = (source.ra + east / np.cos(np.radians(source.dec))) % 360.0
        dec = float(np.clip(source.dec + north, -90.0, 90.0))
        found.append(ListedSource(len(found) + 1, float(ra), dec, float(error), counts))
    return found


def _one_axis(radius_68: float) -> float:
    """Standard deviation along one axis of a round Gaussian with a given 68 % radius: √(−2 ln 0.32) of them."""
    return radius_68 / 1.5096
