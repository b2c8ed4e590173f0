"""The energy grid on which spectra, effective areas and backgrounds of the simulator are tabulated."""

from __future__ import annotations

from typing import Final

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError

__all__ = ["EDGES_KEV", "MIDDLE_KEV", "WIDTH_KEV", "draw_energies"]


def _fixed(values: F64) -> F64:
    values.setflags(write=False)
    return values


EDGES_KEV: Final[F64] = _fixed(np.geomspace(0.1, 15.0, 401))
"""Bin edges, keV, shape (401,): steps of 1.3 %, finer than any CCD resolves."""

MIDDLE_KEV: Final[F64] = _fixed(np.sqrt(EDGES_KEV[1:] * EDGES_KEV[:-1]))
"""Geometric centres of the bins, keV, shape (400,)."""

WIDTH_KEV: Final[F64] = _fixed(np.diff(EDGES_KEV))
"""Widths of the bins, keV, shape (400,)."""


def draw_energies(weights: F64, n: int, rng: np.random.Generator) -> F64:
    """Photon energies from a tabulated distribution.

    Parameters
    ----------
    weights : ndarray, shape (400,) — relative number of photons in each bin, not negative, not all zero
    n : int
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,) — keV, uniform within a bin

    Raises
    ------
    PhotonError
        The weights are not those of a distribution, and n is positive.
    """
    if n and not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise PhotonError("energies cannot be drawn: weights must be finite, not negative and not all zero")
    reached = np.concatenate([[0.0], np.cumsum(weights)])
    drawn: F64 = np.interp(rng.uniform(0.0, reached[-1], n), reached, EDGES_KEV)
    return drawn
