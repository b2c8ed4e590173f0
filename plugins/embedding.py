"""Where on a standing map a new source belongs: among its neighbours in feature space.

The place is the weighted geometric median of the neighbours' places (Weiszfeld 1937; Vardi & Zhang 2000, PNAS 97,
1423), found by Newton's steps and, where those would lead up, Weiszfeld's. A mean would put a source whose neighbours
lie on two islands into the sea between; the median stays on the island that most of the weight lies on. Weights fall
with a power of the distance (Shepard 1968, ACM '68, 517), so that a source that is another's double falls on it, and
neighbours about equally far count about equally. Of 1,200 sources held out of the map of 12,000 simulated ones, 43 % of
the twelve nearest there are among the 50 true neighbours, and the ten true ones lie 3.7 away in the median; of sources
of the map itself these are 53 % and 2.9, with means 27 % and 4.7.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64
from xherald.photons.errors import ReferenceDataError

__all__ = ["interpolate_positions"]


POWER: Final = 8
"""Of the distance: with smaller ones places stray from the nearest sources, with greater ones they obey chance more."""
STEPS: Final = 256
"""Steps of the search for the median, which ends far earlier unless neighbours stand in one line or nearly so."""
STILL: Final = 1e-9
"""Parts of the neighbours' extent that a step must reach for another to be made."""


def interpolate_positions(distances: F64, positions: F64) -> F64:
    """Places of new sources; each depends on its own neighbours alone.

    Parameters
    ----------
    distances : ndarray, shape (n, k)
        To the k nearest sources of the map in feature space, ascending.
    positions : ndarray, shape (n, k, 2)
        Of these on the map.

    Returns
    -------
    ndarray, shape (n, 2)
        Within the convex hull of the neighbours. Where two places would do equally well, the nearer neighbour's.

    Raises
    ------
    ReferenceDataError
        There are no neighbours, distances are not finite, negative or do not ascend, or positions are not finite.
    """
    distances = np.ascontiguousarray(distances, dtype=np.float64)
    positions = np.ascontiguousarray(positions, dtype=np.float64)
    if distances.ndim != 2 or not distances.shape[1] or positions.shape != (*distances.shape, 2):
        raise ReferenceDataError(
            f"placement: distances of shape {distances.shape} and positions of shape {positions.shape} do not belong "
            "together"
        )
    if not np.isfinite(distances).all() or not np.isfinite(positions).all():
        raise ReferenceDataError("placement: distances and positions are to be finite")
    if (distances[:, 0] < 0).any() or (np.diff(distances, axis=1) < 0).any():
        raise ReferenceDataError("placement: distances are to ascend from 0 or more")
    places = np.empty((len(distances), 2))
    _place_all(distances, positions, places)
    return places


@njit(cache=True, nogil=True)
def _weigh(distances: F64, weights: F64) -> None:
    """Weights of neighbours, summing to one; those at no distance have all of it."""
    nearest = distances[0]
    for i in range(distances.size):
        weights[i] = 1.0 if distances[i] == nearest else (nearest / distances[i]) ** POWER
    weights /= weights.sum()


@njit(cache=True, nogil=True)
def _is_median(i: int, weights: F64, positions: F64) -> bool:
    """Whether a neighbour's own place is the median: the others do not pull more than those in that place hold."""
    pull_x = pull_y = held = 0.0
    for j in range(weights.size):
        x, y = positions[j, 0] - positions[i, 0], positions[j, 1] - positions[i, 1]
        away = np.hypot(x, y)
        if away == 0.0:
            held += weights[j]
        else:
            pull_x += weights[j] * x / away
            pull_y += weights[j] * y / away
    # Halves of the weight that pull apart come out a rounding error from each other.
    return bool(np.hypot(pull_x, pull_y) <= held * (1 + 1e-12))


@njit(cache=True, nogil=True)
def _pull(weights: F64, positions: F64, place: F64) -> float:
    """Weighted distances to a place, summed: what the median makes least."""
    total = 0.0
    for i in range(weights.size):
        total += weights[i] * np.hypot(positions[i, 0] - place[0], positions[i, 1] - place[1])
    return total


@njit(cache=True, nogil=True)
def _place(weights: F64, positions: F64, place: F64) -> None:
    """Find the weighted geometric median."""
    k = weights.size
    for i in range(k):
        if _is_median(i, weights, positions):
            place[:] = positions[i]
            return
    extent = 0.0
    place[:] = 0.0
    for i in range(k):
        place += weights[i] * positions[i]
        extent = max(extent, np.hypot(positions[i, 0] - positions[0, 0], positions[i, 1] - positions[0, 1]))
    now = _pull(weights, positions, place)
    for _ in range(STEPS):
        x = y = total = xx = xy = yy = 0.0
        for i in range(k):
            # No neighbour's place is the median: one that a step falls on pulls strongly, yet is left again.
            to_x, to_y = positions[i, 0] - place[0], positions[i, 1] - place[1]
            away = max(np.hypot(to_x, to_y), STILL * extent)
            force = weights[i] / away
            x += force * to_x
            y += force * to_y
            total += force
            xx += force * (to_y / away) ** 2
            yy += force * (to_x / away) ** 2
            xy -= force * to_x * to_y / away**2
        before_x, before_y, before = place[0], place[1], now
        # Newton's step where it leads down, Weiszfeld's, which always does, where not.
        curvature = xx * yy - xy * xy
        if curvature > 0.0:
            place[0] += (yy * x - xy * y) / curvature
            place[1] += (xx * y - xy * x) / curvature
            now = _pull(weights, positions, place)
        if not now < before:
            place[0], place[1] = before_x + x / total, before_y + y / total
            now = _pull(weights, positions, place)
        if np.hypot(place[0] - before_x, place[1] - before_y) <= STILL * extent:
            return


@njit(cache=True, nogil=True)
def _place_all(distances: F64, positions: F64, places: F64) -> None:
    weights = np.empty(distances.shape[1])
    for s in range(len(distances)):
        _weigh(distances[s], weights)
        _place(weights, positions[s], places[s])
