"""Steady sources in exposures with gaps, for the calibration of timing tests."""

from __future__ import annotations

import numpy as np

from xherald.photons import Background, EventBatch, EventList, Exposure, Identity

__all__ = ["steady_batch"]


def steady_batch(count: int, *, seed: int, frame_time: float, background: float = 0.0) -> EventBatch:
    """Constant sources of 5–500 photons in exposures of 5–50 ks with one to seven gaps, 10–40 % of the time.

    Parameters
    ----------
    count : int
    seed : int
    frame_time : float
        s; photons have the time of the middle of their frame, with frames from the start of each interval.
    background : float
        Largest fraction of (steady) background photons; 0 for no background region.
    """
    random = np.random.default_rng(seed)
    lists = []
    for number in range(count):
        span = random.uniform(5e3, 5e4)
        gap_part, gaps = random.uniform(0.1, 0.4), random.integers(1, 8)
        pauses = random.dirichlet(np.ones(gaps)) * gap_part * span
        stretches = random.dirichlet(np.full(gaps + 1, 2.0)) * (1 - gap_part) * span
        stops = np.cumsum(stretches) + np.concatenate([[0.0], np.cumsum(pauses)])
        exposure = Exposure(np.column_stack([stops - stretches, stops]))
        n = int(np.exp(random.uniform(np.log(5), np.log(500))))
        around = None
        if background:
            many = int(random.integers(20, 800))
            ratio = random.uniform(0.0, background) * n / many
            around = Background(_times(random, exposure, many, frame_time), np.full(many, 1.0, np.float32), ratio)
        lists.append(
            EventList(
                _times(random, exposure, n, frame_time),
                random.uniform(0.5, 7.0, n).astype(np.float32),
                exposure,
                Identity("NONE", "NONE", "0", str(number)),
                frame_time,
                (0.5, 7.0),
                background=around,
            )
        )
    return EventBatch.from_lists(lists)


def _times(random: np.random.Generator, exposure: Exposure, n: int, frame_time: float) -> np.ndarray:
    time = np.sort(exposure.time_at(random.uniform(0, exposure.livetime, n)))
    if frame_time:
        row = np.searchsorted(exposure.gti[:, 0], time, side="right") - 1
        start, stop = exposure.gti[row].T
        time = start + (np.floor((time - start) / frame_time) + 0.5) * frame_time
        # The last frame of an interval may be incomplete.
        time = np.sort(np.minimum(time, stop))
    return time
