"""Conversion of energy columns to keV: `LinearEnergy`, and `ChannelEnergy` for channels of a response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from xherald.photons.arrays import F64

__all__ = ["ChannelEnergy", "Energy", "LinearEnergy"]


class Energy(Protocol):
    """Conversion of a column to photon energies."""

    @property
    def column(self) -> str:
        """Name of the column."""

    def kev(self, values: F64) -> F64:
        """Energies, keV; negative for rows without."""

    def values(self, kev: F64) -> F64:
        """Column values for energies in keV, before rounding; the inverse of `kev`."""


@dataclass(frozen=True, slots=True)
class LinearEnergy:
    """Energies ``(value + offset) × kev_per_unit``; 0.04 PI + 1.6 keV has an offset of 40.

    Parameters
    ----------
    column : str
    kev_per_unit : float
    offset : float
    lowest : float
        Smaller values are nulls.
    """

    column: str
    kev_per_unit: float
    offset: float = 0.0
    lowest: float = 0.0

    def kev(self, values: F64) -> F64:
        """Energies, keV; −1 for nulls."""
        energies: F64 = (values + self.offset) * self.kev_per_unit
        energies[values < self.lowest] = -1.0
        return energies

    def values(self, kev: F64) -> F64:
        """Column values for energies in keV."""
        return kev / self.kev_per_unit - self.offset


@dataclass(frozen=True, slots=True, eq=False)
class ChannelEnergy:
    """Energies by channel, from the EBOUNDS of a response.

    Parameters
    ----------
    column : str
    first_channel : int
    centres : ndarray, shape (channels,), float64 — keV
    """

    column: str
    first_channel: int
    centres: F64

    def kev(self, values: F64) -> F64:
        """Energies, keV; −1 for channels not in the table."""
        index = values - self.first_channel
        is_listed = (index >= 0) & (index < len(self.centres))
        return np.where(is_listed, self.centres[np.where(is_listed, index, 0).astype(np.int64)], -1.0)

    def values(self, kev: F64) -> F64:
        """Channels with the nearest central energies, keV."""
        right = np.clip(np.searchsorted(self.centres, kev), 1, len(self.centres) - 1)
        nearer = np.abs(self.centres[right - 1] - kev) < np.abs(self.centres[right] - kev)
        return (right - nearer + self.first_channel).astype(np.float64)
