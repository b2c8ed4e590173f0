"""Light curves over livetime: photons of all sources in one run, compiled. Imported when it is needed."""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons import EventBatch

__all__ = ["light_curves"]

F64 = NDArray[np.float64]
I64 = NDArray[np.int64]


@njit(cache=True, nogil=True)
def _fill(time: F64, offsets: I64, gti: F64, fraction: F64, gti_offsets: I64, curves: F64) -> None:
    """Count the photons of every source in even bins of its livetime."""
    bins = curves.shape[1]
    for source in range(curves.shape[0]):
        first, stop = gti_offsets[source], gti_offsets[source + 1]
        total = 0.0
        for row in range(first, stop):
            total += (gti[row, 1] - gti[row, 0]) * fraction[row]
        row, before = first, 0.0
        for photon in range(offsets[source], offsets[source + 1]):
            while row < stop - 1 and time[photon] >= gti[row + 1, 0]:
                before += (gti[row, 1] - gti[row, 0]) * fraction[row]
                row += 1
            inside = min(max(time[photon] - gti[row, 0], 0.0), gti[row, 1] - gti[row, 0])
            place = int((before + inside * fraction[row]) / total * bins)
            curves[source, min(place, bins - 1)] += 1.0


def light_curves(batch: EventBatch, bins: int) -> F64:
    """Counts of every source in even bins of livetime, gaps closed, shape (n, bins)."""
    curves = np.zeros((len(batch), bins))
    _fill(batch.time, batch.offsets, batch.gti, batch.gti_fraction, batch.gti_offsets, curves)
    return curves
