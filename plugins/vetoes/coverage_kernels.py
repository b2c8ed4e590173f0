"""Numba kernels on good times: coverage of an aperture in an interval, and good time around the interval."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

__all__ = ["bounds", "coverage"]


@njit(cache=True, nogil=True)
def coverage(gti: Any, fraction: Any, offsets: Any, start: Any, stop: Any) -> Any:
    """Good time in each interval and in total, s, weighted by live fraction to the power 0, 1, 2; shape (n, 2, 3)."""
    n = len(offsets) - 1
    out = np.zeros((n, 2, 3))
    for s in range(n):
        for row in range(offsets[s], offsets[s + 1]):
            within = max(min(gti[row, 1], stop[s]) - max(gti[row, 0], start[s]), 0.0)
            width, weight = gti[row, 1] - gti[row, 0], 1.0
            for power in range(3):
                out[s, 0, power] += within * weight
                out[s, 1, power] += width * weight
                weight *= fraction[row]
    return out


@njit(cache=True, nogil=True)
def bounds(gti: Any, offsets: Any, start: Any, stop: Any, pause: Any) -> Any:
    """Good time from the last long pause to each interval, and from it to the next pause, s, shape (n, 2).

    Parameters
    ----------
    pause : ndarray, shape (n,)
        Gaps shorter than this, s, are ignored.
    """
    n = len(offsets) - 1
    out = np.zeros((n, 2))
    for s in range(n):
        before, after = 0.0, 0.0
        for row in range(offsets[s], offsets[s + 1]):
            if gti[row, 0] <= start[s]:
                if row > offsets[s] and gti[row, 0] - gti[row - 1, 1] >= pause[s]:
                    before = 0.0
                before += min(gti[row, 1], start[s]) - gti[row, 0]
        for row in range(offsets[s + 1] - 1, offsets[s] - 1, -1):
            if gti[row, 1] >= stop[s]:
                if row < offsets[s + 1] - 1 and gti[row + 1, 0] - gti[row, 1] >= pause[s]:
                    after = 0.0
                after += gti[row, 1] - max(gti[row, 0], stop[s])
        out[s, 0], out[s, 1] = before, after
    return out
