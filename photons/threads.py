"""Kernels over many sources in several threads: what every flat-array computation on a batch is run by.

Kernels give the interpreter's lock free (``nogil``) and write to the rows of their own sources, so threads need nothing
but a fair share of the photons each.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_threads"]


def in_threads(work: Callable[[int, int], None], offsets: NDArray[np.integer], threads: int = 0) -> None:
    """Call ``work(first, stop)`` on ranges of sources that together are all of them.

    Parameters
    ----------
    work : callable
        Does sources first to stop - 1.
    offsets : ndarray of int, shape (n + 1,)
        Where each source's photons begin, which is what it costs.
    threads : int
        0 takes every core.
    """
    n = len(offsets) - 1
    workers = threads or os.cpu_count() or 1
    # Even shares of photons, several a thread, since sources differ by orders of magnitude.
    load = offsets + np.arange(n + 1)
    shares = np.linspace(0, load[-1], 8 * workers + 1 if workers > 1 else 2)
    bounds = np.unique(np.searchsorted(load, shares).clip(0, n))
    if len(bounds) == 2:  # one range, as of one source: a pool would only cost
        work(int(bounds[0]), int(bounds[1]))
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, bounds[:-1].tolist(), bounds[1:].tolist()))
