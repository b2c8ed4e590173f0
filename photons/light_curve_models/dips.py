"""Evidence for dips in a constant rate: ones that recover within the exposure, and edges of eclipses.

The chain of `brightenings`, below the constant rate: a dip stays at a depth or goes to the next, and recovers; any
number of dips may follow. An exposure that begins or ends within a dip shows its edge alone, which is told from the
quiet time beside a flare only if it is that of an eclipse: at least nine tenths deep from the first cell on, and no
longer than half of the exposure.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64

from .cells import CELLS, constant_rates, fill_likelihoods, log_mean

__all__ = ["DIPS", "dip_evidence"]

DIPS: Final = ("dip", "edge")

REMAINS: Final[F64] = np.array([0.7, 0.5, 0.3, 0.1, 0.01])
"""Part of the source's rate that remains at each depth."""

SPREADS: Final[F64] = np.array([0.1, 0.1, 0.1, 0.05, 0.01])
"""Standard deviation of that part within a depth."""

ECLIPSE: Final = 3
"""Depths from this one on are those of eclipses."""

TIME_SCALES: Final[F64] = np.array([2.0, 6.0, 18.0, 45.0])
"""Cells that a dip lasts on average."""

FIRST_HAZARD: Final = 1.0 / CELLS
NEXT_HAZARD: Final = 2.0 / CELLS

MOVES: Final = 2.0
"""Changes of depth during a dip on average."""

MAX_BEHIND: Final = 12.0


@njit(cache=True, nogil=True)
def _forward(lik: F64, scale: F64, length: float) -> F64:
    """Ln likelihood summed over the paths of a dip, of an ingress and of an egress: joint with their prior."""
    depths = REMAINS.size
    leave = 1.0 - np.exp(-1.0 / length)
    move = min(MOVES * leave, 0.5)
    first_dip, later, new = np.zeros(depths), np.zeros(depths), np.zeros(depths)
    begun, ended = np.zeros(depths), np.zeros(depths)  # eclipses that began before; that last to the end
    base, after, egress = 0.5 * lik[0, 0], 0.0, 0.0
    deep = depths - ECLIPSE
    for k in range(ECLIPSE, depths):
        begun[k] = 0.5 * lik[0, k + 1] / deep
    log_scale = scale[0]
    for c in range(1, lik.shape[0]):
        one = lik[c]
        first, again = base * FIRST_HAZARD / depths, (after + egress) * NEXT_HAZARD / depths
        edge = base * FIRST_HAZARD / deep
        over = leave * (first_dip.sum() + later.sum())
        egress = one[0] * (egress * (1.0 - NEXT_HAZARD) + (leave * begun.sum() if 2 * c < lik.shape[0] else 0.0))
        after = one[0] * (after * (1.0 - NEXT_HAZARD) + over)
        base = one[0] * base * (1.0 - FIRST_HAZARD)
        for chain in range(2):
            dip = first_dip if chain == 0 else later
            enters = first if chain == 0 else again
            for k in range(depths):
                near = dip[max(k - 1, 0)] + dip[min(k + 1, depths - 1)]
                new[k] = one[k + 1] * ((1.0 - leave) * ((1.0 - move) * dip[k] + 0.5 * move * near) + enters)
            dip[:] = new
        for k in range(ECLIPSE, depths):
            begun[k] *= one[k + 1] * (1.0 - leave)
            ended[k] = one[k + 1] * (ended[k] + (edge if 2 * c >= lik.shape[0] else 0.0))
        whole = base + after + egress + first_dip.sum() + later.sum() + begun.sum() + ended.sum()
        if not whole > 0.0:  # no path is within exp(-700) of the data
            return np.full(2, -np.inf)
        log_scale += scale[c] + np.log(whole)
        base /= whole
        after /= whole
        egress /= whole
        first_dip /= whole
        later /= whole
        begun /= whole
        ended /= whole
    out = np.array([after, ended.sum() + egress])
    for k in range(2):
        out[k] = log_scale + np.log(out[k]) if out[k] > 0 else -np.inf
    return out


@njit(cache=True, nogil=True)
def dip_evidence(counts: F64, background_share: float) -> F64:
    """Ln evidence of each of `DIPS`, given that kind.

    Parameters
    ----------
    counts : ndarray, shape (cells,)
    background_share : float — part of the photons that are background, which a dip does not reduce
    """
    n, scales = counts.sum(), TIME_SCALES.size
    bases, steps = constant_rates(n, 0.9, 4.0)
    bases *= n / counts.size
    lik, scale = np.empty((counts.size, REMAINS.size + 1)), np.empty(counts.size)
    ones, zeros = np.ones((counts.size, REMAINS.size + 1)), np.zeros(counts.size)
    log_z = np.full((bases.size, scales, 2), -np.inf)
    prior = np.empty((scales, 2))
    for t in range(scales):
        prior[t] = _forward(ones, zeros, TIME_SCALES[t])
    middle, best = scales // 2, np.full(2, -np.inf)
    for round_ in range(2):
        for b in range(bases.size):
            if round_ == 1 and not (log_z[b, middle] > best - MAX_BEHIND).any():
                continue
            floor = min(background_share * n / counts.size, 0.95 * bases[b])
            means, spread = np.empty(REMAINS.size + 1), np.zeros(REMAINS.size + 1)
            means[0] = bases[b]
            means[1:] = floor + (bases[b] - floor) * REMAINS
            spread[1:] = (bases[b] - floor) * SPREADS
            fill_likelihoods(counts, means, spread, lik, scale)
            for t in range(scales):
                if round_ == 1 or t == middle:
                    log_z[b, t] = _forward(lik, scale, TIME_SCALES[t]) - prior[t]
            if round_ == 0:
                best = np.maximum(best, log_z[b, middle])
    out = np.empty(2)
    for k in range(2):
        flat = np.ascontiguousarray(log_z[:, :, k]).ravel()
        out[k] = log_mean(flat, np.repeat(steps, scales)) + np.log(steps.sum())
    return out
