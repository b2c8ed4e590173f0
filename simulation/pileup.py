"""Pile-up: photons on adjacent pixels in one frame are read as one event.

Energies add, and an event of n photons keeps a good grade with probability α^(n − 1) (grade migration: Davis 2001, ApJ
562, 575). In telescopes with short frames only the brightest bursts are affected.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numba
import numpy as np

from xherald.photons.arrays import F64, I64

from .exposure import Fault, RecordedEvents
from .frames import FramedEvents
from .grades import BAD_GRADE

__all__ = ["ALPHA", "pile_up"]


ALPHA: Final = 0.5
"""Probability that a further photon keeps a good grade; 0.5 is the initial value in fits to ACIS data (Sherpa jdpileup;
"The Chandra ABC Guide to Pileup")."""


def pile_up(framed: FramedEvents, alpha: float = ALPHA) -> RecordedEvents:
    """Merge events of one frame and chip on adjacent pixels, corners included.

    A merged event has the sum of energies, position and origin of its brightest event, and a bad grade with probability
    1 − α^(n − 1).

    Parameters
    ----------
    framed : FramedEvents
    alpha : float

    Returns
    -------
    RecordedEvents
        Sorted by time.
    """
    events = framed.events
    order = np.lexsort((events.chip_y, events.chip_x, events.frame, events.detector))
    cluster = _clusters(
        events.detector[order].astype(np.int64),
        events.frame[order],
        events.chip_x[order].astype(np.int64),
        events.chip_y[order].astype(np.int64),
    )
    kept, merged, photons = _merge(cluster, events.energy[order])
    found = events.select(order[kept])
    bad = framed.luck[order[kept]] >= alpha ** (photons - 1.0)
    found = replace(
        found,
        energy=merged,
        grade=np.where(bad, BAD_GRADE, found.grade).astype(np.int16),
        fault=np.where(bad, found.fault | Fault.BAD_GRADE, found.fault).astype(np.int16),
    )
    return found.select(np.lexsort((order[kept], found.time)))


@numba.njit(cache=True)
def _clusters(detector: I64, frame: I64, x: I64, y: I64) -> I64:
    """Index of the first event of the cluster that each belongs to; sorted by detector, frame, x and y."""
    parent = np.arange(len(x))
    for i in range(len(x)):
        j = i + 1
        while j < len(x) and detector[j] == detector[i] and frame[j] == frame[i] and x[j] - x[i] <= 1:
            if abs(y[j] - y[i]) <= 1:
                a, b = i, j
                while parent[a] != a:
                    a = parent[a]
                while parent[b] != b:
                    b = parent[b]
                parent[max(a, b)] = min(a, b)
            j += 1
    for i in range(len(x)):
        # Parents precede their children, so those of earlier events are roots already.
        parent[i] = parent[parent[i]]
    return parent


@numba.njit(cache=True)
def _merge(cluster: I64, energy: F64) -> tuple[I64, F64, I64]:
    """Brightest event, summed energy and number of events of each cluster."""
    n = len(cluster)
    total, count = np.zeros(n), np.zeros(n, dtype=np.int64)
    brightest = cluster.copy()
    for i in range(n):
        root = cluster[i]
        total[root] += energy[i]
        count[root] += 1
        if energy[i] > energy[brightest[root]]:
            brightest[root] = i
    roots = np.flatnonzero(count)
    return brightest[roots], total[roots], count[roots]
