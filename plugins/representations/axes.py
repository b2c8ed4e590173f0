"""What the axes of representations have in common: checked options, and edges that a kernel can compare with."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import numpy as np
from pydantic import AfterValidator, Field

from xherald.photons.arrays import F64, I32

__all__ = ["Band", "Bins", "CubeBins", "MapBins", "energy_thresholds", "unit_edges"]


Bins: TypeAlias = Annotated[int, Field(ge=1, le=1024)]
"""Bins of one axis; three axes of the most still count in 32 bits."""

MapBins: TypeAlias = tuple[Bins, Bins]
CubeBins: TypeAlias = tuple[Bins, Bins, Bins]


def _is_band(band: tuple[float, float]) -> tuple[float, float]:
    low, high = band
    if not 0 < low < high < np.inf:
        raise ValueError(f"{low:g} to {high:g} keV is no band: give two energies above 0, the lower first")
    return band


Band: TypeAlias = Annotated[tuple[float, float], AfterValidator(_is_band)]
"""Energies from and to, keV."""


def unit_edges(bins: int) -> F64:
    """Edges of equal bins over [0, 1], as `numpy.histogramdd` makes them, shape (bins + 1,)."""
    return np.linspace(0.0, 1.0, bins + 1)


def energy_thresholds(band_kev: tuple[float, float], bins: int) -> I32:
    """The least single-precision energies that lie in or above each logarithmic bin, as bits, shape (bins + 1,).

    `numpy.histogramdd` compares ``log10(energy in eV)`` with the edges of the bins. The logarithm rises with the
    energy, so the same photons are told apart by comparing energies with the first one on the far side of each edge:
    exactly, whatever its rounding, and without a logarithm a photon. The last edge belongs to the last bin, so the last
    threshold is the first energy beyond it. Positive floats are ordered as their bits are (IEEE 754), and negative ones
    have negative bits, so that the bits are compared.

    Parameters
    ----------
    band_kev : (float, float)
    bins : int
    """
    low, high = (np.log10(np.float64(edge) * 1e3) for edge in band_kev)
    edges = np.linspace(low, high, bins + 1)
    # Bisect the bits, from those of zero to those of the largest float.
    below = np.zeros(bins + 1, dtype=np.int32)
    above = np.full(bins + 1, np.finfo(np.float32).max, dtype=np.float32).view(np.int32)
    while (above - below > 1).any():
        middle = below + (above - below) // 2
        scale = np.log10(np.maximum(middle, 1).view(np.float32).astype(np.float64) * 1e3)
        reached = scale >= edges
        reached[-1] = scale[-1] > edges[-1]
        above, below = np.where(reached, middle, above), np.where(reached, below, middle)
    return above
