"""Frame times that a file does not declare, noticed from the photons: `notice_frames`."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64, I64
from xherald.photons.batch import EventBatch
from xherald.photons.threads import run_in_threads

__all__ = ["notice_frames"]

MIN_FRAME: Final = 1e-5
"""Shortest noticed frame, in units of the time between first and last photon; ties of shorter ones do not matter."""

TOLERANCE: Final = 0.02
"""Deviation of times from multiples of the frame, in units of the shortest noticed frame."""

MIN_TIMES: Final = 3
"""Different times that a frame is derived from."""


@njit(cache=True, nogil=True)
def _common_divisor(time: F64, smallest: float) -> float:
    """Largest number that divides all differences of sorted times, 0 if it is below `smallest` (Euclid's algorithm)."""
    divisor, different = 0.0, 1
    for i in range(1, time.size):
        left = time[i] - time[i - 1]
        if left <= 0.0:
            continue
        different += 1
        while left > TOLERANCE * smallest:
            if left < smallest:
                return 0.0
            rest = divisor - np.floor(divisor / left) * left if divisor > 0.0 else 0.0
            if left - rest < TOLERANCE * smallest:
                rest = 0.0
            divisor, left = left, rest
    return divisor if different >= MIN_TIMES else 0.0


@njit(cache=True, nogil=True)
def _notice(time: F64, offsets: I64, frame_time: F64, first: int, stop: int, out: F64) -> None:
    for s in range(first, stop):
        own = time[offsets[s] : offsets[s + 1]]
        out[s] = frame_time[s]
        if own.size < MIN_TIMES:
            continue
        # A multiple of a declared frame is not another frame: few photons may all be in even frames.
        smallest = max(MIN_FRAME * (own[-1] - own[0]), 10.0 * frame_time[s])
        if smallest > 0.0:
            out[s] = max(_common_divisor(own, smallest), frame_time[s])


def notice_frames(batch: EventBatch, threads: int = 0) -> EventBatch:
    """The same batch with the frame times of sources whose photons arrive at multiples of an undeclared frame.

    Parameters
    ----------
    batch : EventBatch
    threads : int
        0 uses all cores.
    """
    frame_time = np.empty(len(batch))
    run_in_threads(
        lambda first, stop: _notice(batch.time, batch.offsets, batch.frame_time, first, stop, frame_time),
        batch.offsets,
        threads,
    )
    return batch if np.array_equal(frame_time, batch.frame_time) else replace(batch, frame_time=frame_time)
