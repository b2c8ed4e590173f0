"""Where sources of a simulated field lie: on the chips, apart from each other, or at a chip's edge on purpose."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xherald.photons.projection import separation_deg

from .exposure import ObservingPlan
from .focal_plane import onto_sky
from .telescope import Chip, Telescope

__all__ = ["edge_place", "place_on_chips"]

MARGIN = 0.06
"""Part of a chip's side next to its edge where no source is put unless at the edge on purpose."""

APART = 2.5
"""Least separation, in 90 % radii on axis."""

LEAST_VIGNETTING = 0.2
"""Of the places for sources: farther out the telescope hardly sees them."""

TRIES = 4_000


def place_on_chips(
    telescope: Telescope, observing: ObservingPlan, n: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Sky positions, deg, inside the chips and apart from each other as far as there is room.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    n : int
    rng : numpy.random.Generator
    """
    least = APART * telescope.point_spread.radius(0.9, 0.0) / 3600
    chips = telescope.chips if len(telescope.modules) == 1 else telescope.chips[:1]
    places: list[tuple[float, float]] = []
    for _ in range(TRIES):
        if len(places) == n:
            break
        chip = chips[int(rng.integers(len(chips)))]
        across = rng.uniform(MARGIN, 1 - MARGIN, 2) * (chip.width, chip.height)
        ra, dec = _sky(telescope, observing, chip, float(across[0]), float(across[1]))
        taken = np.array(places).reshape(-1, 2)
        u, v = chip.to_focal(across[0], across[1])
        if telescope.vignetting_at(np.hypot(u, v) / 60, 1.5) < LEAST_VIGNETTING:
            continue
        if (separation_deg(taken[:, 0], taken[:, 1], ra, dec) > least).all():
            places.append((ra, dec))
    while len(places) < n:  # a full field: sources may then touch, as in a crowded real one
        chip = chips[int(rng.integers(len(chips)))]
        across = rng.uniform(MARGIN, 1 - MARGIN, 2) * (chip.width, chip.height)
        places.append(_sky(telescope, observing, chip, float(across[0]), float(across[1])))
    return places


def edge_place(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> tuple[float, float]:
    """A sky position, deg, within 5″ of a chip's edge, so that dither takes it off and on."""
    chip = telescope.chips[int(rng.integers(len(telescope.chips)))]
    inside = float(rng.uniform(-5.0, 5.0)) / chip.pixel_arcsec
    return _sky(telescope, observing, chip, 0.5 + inside, float(rng.uniform(0.2, 0.8)) * chip.height)


def _sky(telescope: Telescope, observing: ObservingPlan, chip: Chip, x: float, y: float) -> tuple[float, float]:
    """Sky position that falls on a chip pixel when the optical axis is where it nominally is."""
    u, v = chip.to_focal(np.array([x]), np.array([y]))
    nominal = replace(observing, boresight=lambda time: (np.zeros_like(time), np.zeros_like(time)))
    ra, dec = onto_sky(telescope, nominal, u, v, np.array([observing.start]))
    return float(ra[0]), float(dec[0])
