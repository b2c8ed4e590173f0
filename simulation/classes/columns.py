"""Absorbing columns of simulated sources: `draw_column`."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["MAX_COLUMN", "MIN_COLUMN", "draw_column"]

MIN_COLUMN: Final = 1e-3
MAX_COLUMN: Final = 10**1.5
"""Smallest and largest column of any class, 10²² cm⁻²: nearby stars to protostars and Compton-thin nuclei."""

MAX_SOFT_COLUMN: Final = 0.5
"""Largest column of sources below 0.2 keV, 10²² cm⁻²: behind more, nothing of them is left."""


def draw_column(rng: np.random.Generator, *, soft: bool = False) -> float:
    """A column density, log-uniform over 1e19 to 10^23.5 cm⁻², in 10²² cm⁻².

    It belongs to the line of sight more than to the class, so all classes have the same.

    Parameters
    ----------
    rng : numpy.random.Generator
    soft : bool
        The source has no photons above 1 keV, so that the column is at most `MAX_SOFT_COLUMN`.
    """
    largest = MAX_SOFT_COLUMN if soft else MAX_COLUMN
    return float(MIN_COLUMN * (largest / MIN_COLUMN) ** rng.random())
