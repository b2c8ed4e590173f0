"""Run kernels over ranges of sources in several threads.

Kernels release the interpreter lock (``nogil``) and write to separate rows, so that threads need no synchronisation.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

__all__ = ["run_in_threads"]


def run_in_threads(work: Callable[[int, int], None], offsets: NDArray[np.integer], threads: int = 0) -> None:
    """Call ``work(first, stop)`` on ranges of sources that together cover all sources.

    Parameters
    ----------
    work : callable
        Processes sources first to stop - 1.
    offsets : ndarray of int, shape (n + 1,)
        Offsets of each source's photons, to balance the load.
    threads : int
        Number of threads; 0 uses all cores.
    """
    n = len(offsets) - 1
    workers = threads or os.cpu_count() or 1
    # Several ranges of equal photons per thread, since sources differ by orders of magnitude.
    load = offsets + np.arange(n + 1)
    shares = np.linspace(0, load[-1], 8 * workers + 1 if workers > 1 else 2)
    bounds = np.unique(np.searchsorted(load, shares).clip(0, n))
    if len(bounds) == 2:  # a single range needs no pool
        work(int(bounds[0]), int(bounds[1]))
        return
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, bounds[:-1].tolist(), bounds[1:].tolist()))
