"""Positions of sources in a simulated field: on the chips and separated, or at a chip edge."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from xherald.photons.projection import separation_deg

from .exposure import ObservingPlan
from .focal_plane import onto_sky
from .telescope import Chip, Telescope

__all__ = ["edge_place", "place_on_chips"]

MARGIN = 0.06
"""Fraction of the side of a chip, next to its edges, without ordinary sources."""

MIN_SEPARATION = 2.5
"""Smallest separation of sources, in 90 % radii on axis."""

MIN_VIGNETTING = 0.2
"""Smallest relative area at the position of a source."""

MAX_ATTEMPTS = 4_000


def place_on_chips(
    telescope: Telescope, observing: ObservingPlan, n: int, rng: np.random.Generator
) -> list[tuple[float, float]]:
    """Sky positions, deg, on the chips, separated from each other if there is enough space.

    Parameters
    ----------
    telescope : Telescope
    observing : ObservingPlan
    n : int
    rng : numpy.random.Generator
    """
    least = MIN_SEPARATION * telescope.point_spread.radius(0.9, 0.0) / 3600
    chips = telescope.chips if len(telescope.modules) == 1 else telescope.chips[:1]
    places: list[tuple[float, float]] = []
    for _ in range(MAX_ATTEMPTS):
        if len(places) == n:
            break
        chip = chips[int(rng.integers(len(chips)))]
        across = rng.uniform(MARGIN, 1 - MARGIN, 2) * (chip.width, chip.height)
        ra, dec = _sky(telescope, observing, chip, float(across[0]), float(across[1]))
        taken = np.array(places).reshape(-1, 2)
        u, v = chip.to_focal(across[0], across[1])
        if telescope.vignetting_at(np.hypot(u, v) / 60, 1.5) < MIN_VIGNETTING:
            continue
        if (separation_deg(taken[:, 0], taken[:, 1], ra, dec) > least).all():
            places.append((ra, dec))
    while len(places) < n:  # in a full field sources may overlap
        chip = chips[int(rng.integers(len(chips)))]
        across = rng.uniform(MARGIN, 1 - MARGIN, 2) * (chip.width, chip.height)
        places.append(_sky(telescope, observing, chip, float(across[0]), float(across[1])))
    return places


def edge_place(telescope: Telescope, observing: ObservingPlan, rng: np.random.Generator) -> tuple[float, float]:
    """A sky position, deg, within 5″ of a chip edge, so that dither moves it off the chip and back."""
    chip = telescope.chips[int(rng.integers(len(telescope.chips)))]
    inside = float(rng.uniform(-5.0, 5.0)) / chip.pixel_arcsec
    return _sky(telescope, observing, chip, 0.5 + inside, float(rng.uniform(0.2, 0.8)) * chip.height)


def _sky(telescope: Telescope, observing: ObservingPlan, chip: Chip, x: float, y: float) -> tuple[float, float]:
    """Sky position of a chip pixel for the nominal pointing."""
    u, v = chip.to_focal(np.array([x]), np.array([y]))
    nominal = replace(observing, boresight=lambda time: (np.zeros_like(time), np.zeros_like(time)))
    ra, dec = onto_sky(telescope, nominal, u, v, np.array([observing.start]))
    return float(ra[0]), float(dec[0])
