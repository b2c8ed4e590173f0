"""Bayesian Blocks: the best piecewise-constant light curve of a photon list, and a test built on it.

Scargle et al. 2013, ApJ 764, 167, "events" fitness (their eq. 19). The published prior on the number of blocks is not a
false-alarm rate; here the penalty a change point must pay is the *statistic*: the smallest penalty at which one block
is the best description. Its null distribution is calibrated by simulation (`null_tables`), so that a stated p0 holds.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64, I64

__all__ = ["bayesian_blocks", "block_edges", "coarse_blocks", "critical_penalty", "penalty_for"]


MAX_CELLS = 1000
"""More photons than this are grouped evenly into so many cells: the search is quadratic in cells."""

COARSE_CELLS = 200
"""Cells for a background's profile, where speed counts more than the last change point."""


@njit(cache=True, nogil=True)
def _logs(n: int) -> F64:
    """Ln k for k from 0 to n; ln 0 is never asked for and stands as 0."""
    out = np.zeros(n + 1)
    for k in range(1, n + 1):
        out[k] = np.log(k)
    return out


@njit(cache=True, nogil=True, fastmath={"contract", "arcp", "nsz"})
def _last_changes(edges: F64, counts: F64, penalty: float, log_counts: F64) -> tuple[I64, float]:
    """Start of the last block for every prefix, and the best fitness of the whole.

    `edges`, shape (n + 1,), bound the cells; `counts`, shape (n,), are the photons in each; `log_counts[k]` is ln k.
    """
    n = counts.size
    best = np.empty(n)
    last = np.zeros(n, np.int64)
    total = np.zeros(n + 1)
    for i in range(n):
        total[i + 1] = total[i] + counts[i]
    # A logarithm a pair is the whole cost. ln T >= ln t + (T - t) / T for any earlier t bounds a candidate's fitness
    # from above with what was worked out before; the logarithm itself is taken only where the bound does not decide.
    seen = np.empty(n)
    log_seen = np.empty(n)
    for r in range(n):
        seen[r] = edges[r + 1] - edges[r]
        log_seen[r] = np.log(seen[r])
        top = -np.inf
        at = 0
        for k in range(r + 1):
            held = total[r + 1] - total[k]
            width = edges[r + 1] - edges[k]
            before = best[k - 1] if k > 0 else 0.0
            log_held = log_counts[np.int64(held)]
            bound = before + held * (log_held - log_seen[k] - (width - seen[k]) / width) - penalty
            if bound < top - 1e-9 * abs(top):
                continue
            seen[k] = width
            log_seen[k] = np.log(width)
            fit = before + held * (log_held - log_seen[k]) - penalty
            if fit > top:
                top = fit
                at = k
        best[r] = top
        last[r] = at
    return last, best[n - 1]


@njit(cache=True, nogil=True)
def _change_points(last: I64) -> I64:
    """First cells of the blocks, ascending, with the number of cells at the end."""
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
def _cells(x: F64, low: float, high: float, most: int) -> tuple[F64, F64]:
    """Edges midway between photons (or groups of them) and the photons in each cell."""
    n = x.size
    size = (n + most - 1) // most if n > most else 1
    cells = (n + size - 1) // size
    edges = np.empty(cells + 1)
    counts = np.empty(cells)
    edges[0] = low
    kept = 0
    held = 0.0
    for c in range(cells):
        a, b = c * size, min((c + 1) * size, n)
        held += b - a
        edge = high if b == n else 0.5 * (x[b - 1] + x[b])
        if edge > edges[kept] or b == n:  # photons at one instant share a cell
            kept += 1
            edges[kept] = edge
            counts[kept - 1] = held
            held = 0.0
    if kept > 1 and not edges[kept] > edges[kept - 1]:
        counts[kept - 2] += counts[kept - 1]
        kept -= 1
        edges[kept] = high
    return edges[: kept + 1].copy(), counts[:kept].copy()


@njit(cache=True, nogil=True)
def coarse_blocks(x: F64, low: float, high: float, penalty: float) -> tuple[F64, F64]:
    """Block edges and counts of sorted `x` on [low, high], at most `COARSE_CELLS` cells."""
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
    """Smallest penalty a change point at which one block on [0, 1] is best; `floor` where it lies below that.

    The largest of gain / change points over all partitions, found by Dinkelbach's iteration: solve at a penalty, take
    the ratio of the partition found, repeat; it ends after a few rounds because each ratio is larger than the last.
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


def penalty_for(counts: ArrayLike, p0: float) -> F64:
    """Penalty a change point at which a steady source of so many photons is split with probability p0.

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
    """Edges of the best blocks of sorted `x` on [low, high]; the compiled form of `bayesian_blocks`."""
    edges, counts = _cells(x, low, high, MAX_CELLS)
    last, _ = _last_changes(edges, counts, penalty, _logs(x.size))
    found: F64 = edges[_change_points(last)]
    return found


def bayesian_blocks(
    time: ArrayLike, *, p0: float | None = None, penalty: float | None = None, span: tuple[float, float] | None = None
) -> F64:
    """Edges of the Bayesian blocks of one photon list without gaps.

    Parameters
    ----------
    time : array_like, shape (n,)
        Sorted, any unit; use livetime.
    p0 : float, optional
        Probability of splitting a steady source; calibrated, not the paper's prior.
    penalty : float, optional
        Cost of a change point (ncp_prior of the paper) in place of `p0`; exactly one of the two must be given.
    span : (float, float), optional
        Start and stop of the observation; first and last photon if not given, as astropy.stats does.

    Returns
    -------
    ndarray, shape (blocks + 1,)
    """
    x = np.ascontiguousarray(time, dtype=np.float64)
    if (p0 is None) == (penalty is None):
        raise ValueError("give either p0 or penalty")
    if penalty is None:
        penalty = float(penalty_for([x.size], p0 if p0 is not None else 0.0)[0])
    low, high = span if span is not None else (float(x[0]), float(x[-1]))
    edges: F64 = block_edges(x, low, high, float(penalty))
    return edges
