"""Profiles of injected events, as tables that the injection and the limit of timing share.

A profile is a density over its own support, 0 to 1; a flare's length is that of the middle 90 % of its photons (T90), a
dip's that of its support.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from xherald.photons.arrays import F64

__all__ = ["CELLS", "DIPS", "FLARES", "Profile"]


CELLS: Final = 480
"""Number of cells of a profile."""


@dataclass(frozen=True, slots=True, eq=False)
class Profile:
    """One shape.

    Parameters
    ----------
    name : str
    density : ndarray, shape (CELLS,) — relative rate in each cell of the support; mean 1 of a flare, at most 1 of a dip
    """

    name: str
    density: F64

    @property
    def cumulative(self) -> F64:
        """Integral up to the edge of each cell, shape (CELLS + 1,); 1 at the end for a flare."""
        return np.concatenate([[0.0], np.cumsum(self.density)]) / CELLS

    @property
    def core(self) -> tuple[float, float]:
        """Fractions of the support at which 5 % and 95 % of the integral are reached."""
        reached = self.cumulative
        low, high = np.interp([0.05 * reached[-1], 0.95 * reached[-1]], reached, np.linspace(0.0, 1.0, CELLS + 1))
        return float(low), float(high)


_X: Final[F64] = (np.arange(CELLS) + 0.5) / CELLS


def _flare(name: str, density: F64) -> Profile:
    return Profile(name, density / density.mean())


def _burst(x: F64, decay: float) -> F64:
    """Rise within a fiftieth of the support, exponential decay."""
    return np.where(x < 0, 0.0, np.minimum(x / 0.02, 1.0) * np.exp(-np.maximum(x, 0.0) / decay))


FLARES: Final = (
    _flare("gaussian", np.exp(-0.5 * ((_X - 0.5) * 6.0) ** 2)),
    _flare("exponential", _burst(_X, 1.0 / 5.5)),
    _flare("power_law", (1.0 + 10.0 * _X) ** -2.0),
    _flare("flat", np.ones(CELLS)),
    _flare("double", _burst(_X, 0.12) + 0.7 * _burst(_X - 0.55, 0.12)),
)
"""Gaussian out to 3 σ; fast rise and exponential decay over 5.5 times; decay as (1 + t)^−2 out to t = 10; flat; two
fast rises, the second 0.7 times as strong."""

DIPS: Final = (
    Profile("flat", np.ones(CELLS)),
    Profile("v_shaped", 1.0 - np.abs(2.0 * _X - 1.0)),
    Profile("absorbed", np.ones(CELLS)),
)
"""Dips as fractions of the depth: an eclipse, a V, and cold gas that absorbs soft photons most."""
