"""Where on a standing map a new source belongs: among its neighbours in feature space.

The place is the weighted geometric median of the neighbours' places (Weiszfeld 1937; Vardi & Zhang 2000, PNAS 97,
1423), with the weights that t-SNE would give them. A mean would put a source whose neighbours lie on two islands into
the sea between; the median stays on the island that most of the weight lies on.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["place_among"]

F64 = NDArray[np.float64]

STEPS = 64
CLOSE = 1e-9
"""Parts of the neighbours' spread within which two places are one."""


def place_among(distances: F64, positions: F64) -> F64:
    """Places of new sources.

    Parameters
    ----------
    distances : ndarray, shape (n, k)
        To the k nearest sources of the map in feature space, ascending.
    positions : ndarray, shape (n, k, 2)
        Of these on the map.

    Returns
    -------
    ndarray, shape (n, 2)
    """
    weights = _weights(np.asarray(distances, dtype=np.float64))
    positions = np.asarray(positions, dtype=np.float64)
    place: F64 = np.einsum("nk,nkc->nc", weights, positions)
    spread = np.abs(positions - place[:, None]).max(axis=(1, 2))
    closest = CLOSE * np.maximum(spread, np.finfo(np.float64).tiny)
    for _ in range(STEPS):
        away = np.maximum(np.linalg.norm(positions - place[:, None], axis=2), closest[:, None])
        pull = weights / away
        place = np.einsum("nk,nkc->nc", pull, positions) / pull.sum(axis=1)[:, None]
    return place


def _weights(distances: F64) -> F64:
    """Gaussian weights as wide as the middle neighbour is far, summing to one; equal where all are at one distance."""
    middle = distances[:, distances.shape[1] // 2, None]
    width = np.where(middle > 0, middle, 1.0)
    pull: F64 = np.exp(-0.5 * (distances**2 - distances[:, :1] ** 2) / width**2)
    weights: F64 = pull / pull.sum(axis=1)[:, None]
    return weights
