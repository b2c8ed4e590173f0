"""Evidence for events that brighten: flare, onset, decay and recurrent events, over a constant rate.

A hidden Markov chain runs over the cells. Before, between and after events the source has its constant rate b. An event
is at one of several levels of excess, each twice the one below: rising (R), within a factor of two of its maximum (P),
or fallen below half of it (T), from where it ends or brightens again. Where the chain starts and ends tells the kind: a
*flare* rises and falls to less than half within the exposure, an *onset* is still above half of its maximum at the end,
a *decay* is so at the start, *recurrent* events have the constant rate in between. Levels are free within a factor of
1.3, so that any smooth or ragged shape is near to some path.

The evidence of a kind is the likelihood averaged over all paths that end in it, over b (log-uniform) and over time
scales of rise and fall, by the forward algorithm (Rabiner 1989, Proc. IEEE 77, 257).
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64

from .cells import CELLS, RESCALE, constant_rates, fill_likelihoods, log_mean

__all__ = ["BRIGHTENINGS", "brightening_evidence"]

BRIGHTENINGS: Final = ("flare", "onset", "decay", "recurrent")

TIME_SCALES: Final[F64] = np.array([(r, f) for f in (0.8, 4.0, 15.0, 50.0) for r in (0.6, 5.0, 25.0) if r <= 2.0 * f])
"""Cells over which an event rises, and falls, by a factor of e."""

MAX_LEVELS: Final = 14
SPREAD: Final = 0.25
"""Relative standard deviation of the excess at a level: levels cover a factor of two each."""

FIRST_HAZARD: Final = 1.0 / CELLS
"""Probability per cell that the first event begins: one in an exposure on average."""

NEXT_HAZARD: Final = 4.0 / CELLS
"""The same for later events of a source that had one."""

MAX_BEHIND: Final = 7.0
"""Constant rates whose evidence is behind the best by exp of this are not averaged over all time scales."""

# Probabilities of what follows each phase.
SHARP: Final = 0.6  # an event begins at its maximum instead of rising to it through lower levels
ENDS_AT_PEAK: Final = 0.25  # from its maximum to the constant rate at once
ENDS: Final = 0.2  # from below half to the constant rate at once
AGAIN: Final = 0.1  # from below half to another maximum of the same event
RISES: Final = 0.15  # from a maximum to the next level, relative to all that leaves it


@njit(cache=True, nogil=True)
def _advance(chain: int, leave: float, lik: F64, c: int, entry: F64, inverse: F64, old: F64, new: F64) -> float:
    """One cell of an event; returns the probability that leaves it for the constant rate.

    `old`, `new` of shape (chains, 2, levels) are probabilities at the maximum and below half of it, by level; `entry`
    is what enters at each level as maximum; `inverse[k]` is 1 / k.
    """
    levels = entry.size
    out = 0.0
    below = 0.0  # of tails that brighten again to any level above theirs
    for k in range(levels):
        risen = RISES * leave * old[chain, 0, k - 1] if k > 0 else 0.0
        kept = 1.0 - leave if k == levels - 1 else 1.0 - (1.0 + RISES) * leave
        new[chain, 0, k] = lik[c, k + 1] * (old[chain, 0, k] * kept + risen + entry[k] + below)
        if k < levels - 1:
            below += AGAIN * leave * old[chain, 1, k] * inverse[levels - 1 - k]
    above = 0.0  # of maxima that fall to any level below theirs
    for k in range(levels - 1, -1, -1):
        down = (1.0 - ENDS - AGAIN) * leave * old[chain, 1, k + 1] if k < levels - 1 else 0.0
        new[chain, 1, k] = lik[c, k + 1] * (old[chain, 1, k] * (1.0 - leave) + down + above)
        out += leave * (ENDS * old[chain, 1, k] + ENDS_AT_PEAK * old[chain, 0, k])
        if k > 0:
            above += (1.0 - ENDS_AT_PEAK) * leave * old[chain, 0, k] * inverse[k]
    out += leave * (1.0 - ENDS_AT_PEAK) * old[chain, 0, 0]
    out += leave * ((1.0 - ENDS - AGAIN) * old[chain, 1, 0] + AGAIN * old[chain, 1, levels - 1])
    return float(out)


@njit(cache=True, nogil=True)
def _forward(lik: F64, scale: F64, rise: float, fall: float) -> F64:
    """Ln likelihood summed over the paths of each kind, shape (4,): joint with the kind's prior probability."""
    levels = lik.shape[1] - 1
    leave_rise, leave = 1.0 - np.exp(-1.0 / rise), (1.0 - np.exp(-1.0 / fall)) / (1.0 + RISES)
    even = 1.0 / levels
    inverse = np.zeros(levels)
    for k in range(1, levels):
        inverse[k] = 1.0 / k
    # Chains: 0 an event that begins within the exposure, 1 one that began before, 2 all later ones.
    old, new = np.zeros((3, 2, levels)), np.zeros((3, 2, levels))
    rising, over = np.zeros(levels), np.zeros(3)
    entry = np.zeros((3, levels))  # none enters the event that began before
    base, after0, after1, after2 = lik[0, 0] * 0.7, 0.0, 0.0, 0.0
    for k in range(levels):
        old[1, 0, k] = 0.2 * even * lik[0, k + 1]
        rising[k] = 0.1 * even * lik[0, k + 1]
    log_scale = scale[0]
    for c in range(1, lik.shape[0]):
        begins = base * FIRST_HAZARD
        again = (after0 + after1 + after2) * NEXT_HAZARD * even
        lower = 0.0  # of rising levels that reach any maximum above theirs
        for k in range(levels):
            entry[2, k] = again
            entry[0, k] = begins * SHARP * even + lower
            if k < levels - 1:
                lower += 0.5 * leave_rise * rising[k] * inverse[levels - 1 - k]
        for k in range(levels - 1, -1, -1):
            kept = rising[k] * (1.0 - leave_rise) if k < levels - 1 else 0.0
            from_below = 0.5 * leave_rise * rising[k - 1] if k > 0 else 0.0
            rising[k] = lik[c, k + 1] * (kept + from_below + begins * (1.0 - SHARP) * even)
        for chain in range(3):
            over[chain] = _advance(chain, leave, lik, c, entry[chain], inverse, old, new)
        old, new = new, old
        base = lik[c, 0] * base * (1.0 - FIRST_HAZARD)
        after0 = lik[c, 0] * (after0 * (1.0 - NEXT_HAZARD) + over[0])
        after1 = lik[c, 0] * (after1 * (1.0 - NEXT_HAZARD) + over[1])
        after2 = lik[c, 0] * (after2 * (1.0 - NEXT_HAZARD) + over[2])
        log_scale += scale[c]
        if c % RESCALE and c < lik.shape[0] - 1:
            continue
        whole = base + after0 + after1 + after2 + old.sum() + rising.sum()
        if not whole > 0.0:  # no path is within exp(-700) of the data
            return np.full(4, -np.inf)
        log_scale += np.log(whole)
        factor = 1.0 / whole
        base, after0, after1, after2 = base * factor, after0 * factor, after1 * factor, after2 * factor
        old *= factor
        rising *= factor
    out = np.empty(4)
    out[0] = after0 + old[0, 1].sum()
    out[1] = old[0, 0].sum() + rising.sum()
    out[2] = after1 + old[1, 1].sum()
    out[3] = after2 + old[2].sum()
    for k in range(4):
        out[k] = log_scale + np.log(out[k]) if out[k] > 0 else -np.inf
    return out


@cache
def _prior_of_kinds(levels: int) -> F64:
    """Ln prior probability of each kind at each time scale, shape (scales, 4)."""
    out = np.empty((TIME_SCALES.shape[0], 4))
    lik, scale = np.ones((CELLS, levels + 1)), np.zeros(CELLS)
    for t in range(TIME_SCALES.shape[0]):
        out[t] = _forward(lik, scale, TIME_SCALES[t, 0], TIME_SCALES[t, 1])
    return out


@njit(cache=True, nogil=True)
def _fill_scales(counts: F64, base: float, least: float, first: int, stop: int, prior: F64, out: F64) -> None:
    """Fill ln evidence of each kind at the time scales `first` to before `stop`, at one constant rate."""
    most = counts.max()
    brightest = (most + 2.0 * np.sqrt(most) + 3.0) / base
    levels = min(int(np.ceil(np.log2(max(brightest / least, 2.0)))) + 1, MAX_LEVELS)
    means, spread = np.empty(levels + 1), np.zeros(levels + 1)
    means[0] = base
    for k in range(levels):
        excess = base * brightest * 2.0 ** (k + 1 - levels)
        means[k + 1] = base + excess
        spread[k + 1] = SPREAD * excess
    lik, scale = np.empty((counts.size, levels + 1)), np.empty(counts.size)
    fill_likelihoods(counts, means, spread, lik, scale)
    for t in range(first, stop):
        out[t] = _forward(lik, scale, TIME_SCALES[t, 0], TIME_SCALES[t, 1]) - prior[t]


def brightening_evidence(counts: F64) -> F64:
    """Ln evidence of each of `BRIGHTENINGS`, given that kind.

    Parameters
    ----------
    counts : ndarray, shape (cells,)
    """
    n = counts.sum()
    bases, steps = constant_rates(n, 0.01, 1.1)
    bases *= n / counts.size
    least = max(min(2.0 / np.sqrt(n), 0.5), 0.05)
    scales = TIME_SCALES.shape[0]
    log_z = np.full((bases.size, scales, 4), -np.inf)
    prior, middle = _prior_of_kinds(8), scales // 2
    best = np.full(4, -np.inf)
    for b in range(bases.size):
        _fill_scales(counts, bases[b], least, middle, middle + 1, prior, log_z[b])
        best = np.maximum(best, log_z[b, middle])
    for b in range(bases.size):
        if (log_z[b, middle] > best - MAX_BEHIND).any():
            _fill_scales(counts, bases[b], least, 0, scales, prior, log_z[b])
    out = np.empty(4)
    for k in range(4):
        flat = np.ascontiguousarray(log_z[:, :, k]).ravel()
        out[k] = log_mean(flat, np.repeat(steps, scales)) + np.log(steps.sum())
    return out
