"""Numba kernel from live time to time stamps of the detector, for `event_grid`."""

from __future__ import annotations

import numpy as np
from numba import njit

from xherald.photons.arrays import F64, I64

__all__ = ["stamped"]


@njit(cache=True, nogil=True)
def stamped(u: F64, offsets: I64, gti: F64, fraction: F64, gti_offsets: I64, frame: F64, within: F64) -> F64:
    """Mission times of photons, with the time stamps of their frames, from fractions of the live time.

    Parameters
    ----------
    u : ndarray, shape (photons,) — in [0, 1)
    offsets : ndarray, shape (n + 1,)
    gti, fraction, gti_offsets : ndarray — as in `EventBatch`
    frame : ndarray, shape (n,) — frame time, s; frames are counted from the start of each good interval
    within : ndarray, shape (photons,) — position of the time stamp in the frame, 0 to 1
    """
    out = np.empty(u.size)
    for s in range(offsets.size - 1):
        first, stop = gti_offsets[s], gti_offsets[s + 1]
        reached = np.zeros(stop - first + 1)
        for row in range(first, stop):
            reached[row - first + 1] = reached[row - first] + (gti[row, 1] - gti[row, 0]) * fraction[row]
        for i in range(offsets[s], offsets[s + 1]):
            wanted = u[i] * reached[-1]
            row = min(max(np.searchsorted(reached, wanted, side="right") - 1, 0), stop - first - 1)
            begin, end = gti[first + row, 0], gti[first + row, 1]
            inside = (wanted - reached[row]) / fraction[first + row]
            frames = max(np.rint((end - begin) / frame[s]), 1.0)
            number = min(max(np.floor(inside / frame[s]), 0.0), frames - 1.0)
            out[i] = min(max(begin + (number + within[i]) * frame[s], begin), end)
    return out
