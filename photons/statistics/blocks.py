"""Bayesian Blocks: the optimal piecewise-constant light curve of a photon list, and a test based on it.

Scargle et al. 2013, ApJ 764, 167, "events" fitness (their eq. 19). Their prior on the number of blocks is not a
false-alarm rate; here the statistic is the smallest penalty per change point at which a single block is optimal. Its
null distribution is calibrated by simulation (`null_distributions`), so that p0 is a false-alarm probability.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64, I64

__all__ = ["bayesian_blocks", "block_edges", "change_point_penalty", "coarse_blocks", "critical_penalty"]


MAX_CELLS = 1000
"""Largest number of cells; more photons are grouped evenly, since the cost is quadratic in cells."""

COARSE_CELLS = 200
"""Largest number of cells for background profiles, which need no fine resolution."""


@njit(cache=True, nogil=True)
def _logs(n: int) -> F64:
    """Ln k for k from 0 to n, with 0 for ln 0, which is not used."""
    out = np.zeros(n + 1)
    for k in range(1, n + 1):
        out[k] = np.log(k)
    return out


@njit(cache=True, nogil=True, fastmath={"contract", "arcp", "nsz"})
def _last_changes(edges: F64, counts: F64, penalty: float, log_counts: F64) -> tuple[I64, float]:
    """Start of the last block for every prefix, and the best total fitness.

    `edges`, shape (n + 1,), bound the cells; `counts`, shape (n,), are the photons in each; `log_counts[k]` is ln k.
    """
    n = counts.size
    best = np.empty(n)
    last = np.zeros(n, np.int64)
    total = np.zeros(n + 1)
    for i in range(n):
        total[i + 1] = total[i] + counts[i]
    # Logarithms dominate the cost. ln T >= ln t + (T - t) / T for any earlier t gives an upper bound of the fitness
    # from known values; the logarithm is computed only if the bound does not decide.
    known_width = np.empty(n)
    log_known = np.empty(n)
    for r in range(n):
        known_width[r] = edges[r + 1] - edges[r]
        log_known[r] = np.log(known_width[r])
        top = -np.inf
        at = 0
        for k in range(r + 1):
            count = total[r + 1] - total[k]
            width = edges[r + 1] - edges[k]
            before = best[k - 1] if k > 0 else 0.0
            log_count = log_counts[np.int64(count)]
            bound = before + count * (log_count - log_known[k] - (width - known_width[k]) / width) - penalty
            if bound < top - 1e-9 * abs(top):
                continue
            known_width[k] = width
            log_known[k] = np.log(width)
            fit = before + count * (log_count - log_known[k]) - penalty
            if fit > top:
                top = fit
                at = k
        best[r] = top
        last[r] = at
    return last, best[n - 1]


@njit(cache=True, nogil=True)
def _change_points(last: I64) -> I64:
    """First cells of the blocks, ascending, followed by the number of cells."""
    n = last.size
    found = np.empty(n + 1, np.int64)
    found[0] = n
    size = 1
    cell = n
    while cell > 0:
        cell = last[cell - 1]
        found[size] = cell
        size += 1
    return found[:size][::-1].copy()


@njit(cache=True, nogil=True)
def _cells(x: F64, low: float, high: float, max_cells: int) -> tuple[F64, F64]:
    """Edges midway between photons or groups of them, and the number of photons in each cell."""
    n = x.size
    size = (n + max_cells - 1) // max_cells if n > max_cells else 1
    cells = (n + size - 1) // size
    edges = np.empty(cells + 1)
    counts = np.empty(cells)
    edges[0] = low
    kept = 0
    count = 0.0
    for c in range(cells):
        a, b = c * size, min((c + 1) * size, n)
        count += b - a
        edge = high if b == n else 0.5 * (x[b - 1] + x[b])
        if edge > edges[kept] or b == n:  # simultaneous photons share a cell
            kept += 1
            edges[kept] = edge
            counts[kept - 1] = count
            count = 0.0
    if kept > 1 and not edges[kept] > edges[kept - 1]:
        counts[kept - 2] += counts[kept - 1]
        kept -= 1
        edges[kept] = high
    return edges[: kept + 1].copy(), counts[:kept].copy()


@njit(cache=True, nogil=True)
def coarse_blocks(x: F64, low: float, high: float, penalty: float) -> tuple[F64, F64]:
    """Block edges and counts of sorted `x` on [low, high], from at most `COARSE_CELLS` cells."""
    edges, counts = _cells(x, low, high, COARSE_CELLS)
    last, _ = _last_changes(edges, counts, penalty, _logs(x.size))
    starts = _change_points(last)
    out = np.zeros(starts.size - 1)
    for b in range(starts.size - 1):
        for c in range(starts[b], starts[b + 1]):
            out[b] += counts[c]
    return edges[starts], out


@njit(cache=True, nogil=True)
def critical_penalty(u: F64, floor: float) -> float:
    """Smallest penalty per change point at which one block on [0, 1] is optimal, at least `floor`.

    It is the maximum of gain per change point over all partitions, found by Dinkelbach's iteration: optimise at a
    penalty, take the ratio of the optimal partition as the next penalty, and repeat until it no longer increases.
    """
    edges, counts = _cells(u, 0.0, 1.0, MAX_CELLS)
    whole = u.size * np.log(u.size) if u.size > 0 else 0.0
    penalty = floor
    logs = _logs(u.size)
    for _ in range(50):
        last, best = _last_changes(edges, counts, penalty, logs)
        changes = _change_points(last).size - 2
        if changes <= 0:
            return penalty
        ratio = (best + (changes + 1) * penalty - whole) / changes
        if not ratio > penalty * (1 + 1e-12):
            return penalty
        penalty = ratio
    return penalty


def change_point_penalty(counts: ArrayLike, p0: float) -> F64:
    """Penalty per change point at which a steady source of so many photons is split with probability p0.

    Parameters
    ----------
    counts : array_like, shape (n,)
    p0 : float
    """
    from .null_distributions import load_null_tables

    penalty: F64 = load_null_tables().quantile("bayesian_blocks", np.asarray(counts, dtype=np.int64), p0)
    return penalty


@njit(cache=True, nogil=True)
def block_edges(x: F64, low: float, high: float, penalty: float) -> F64:
    """Edges of the optimal blocks of sorted `x` on [low, high]; the compiled form of `bayesian_blocks`."""
    edges, counts = _cells(x, low, high, MAX_CELLS)
    last, _ = _last_changes(edges, counts, penalty, _logs(x.size))
    found: F64 = edges[_change_points(last)]
    return found


def bayesian_blocks(
    time: ArrayLike, *, p0: float | None = None, penalty: float | None = None, span: tuple[float, float] | None = None
) -> F64:
    """Edges of the Bayesian blocks of a photon list without gaps.

    Parameters
    ----------
    time : array_like, shape (n,)
        Sorted, in any unit; livetimes where there are gaps.
    p0 : float, optional
        Probability of splitting a steady source, calibrated by simulation.
    penalty : float, optional
        Penalty per change point (ncp_prior of the paper); give either this or `p0`.
    span : (float, float), optional
        Start and stop of the observation; default first and last photon, as in astropy.stats.

    Returns
    -------
    ndarray, shape (blocks + 1,)
    """
    x = np.ascontiguousarray(time, dtype=np.float64)
    if (p0 is None) == (penalty is None):
        raise ValueError("give either p0 or penalty")
    if penalty is None:
        penalty = float(change_point_penalty([x.size], p0 if p0 is not None else 0.0)[0])
    low, high = span if span is not None else (float(x[0]), float(x[-1]))
    edges: F64 = block_edges(x, low, high, float(penalty))
    return edges
