"""Conformal p-values: the probability of a rank among null sources similar to the source.

Null sources of the same instrument are matched in counts, background, gaps and livetime by weights that fall with the
difference in each, so that exchangeability is assumed only among similar sources (weighted conformal prediction:
Tibshirani et al. 2019, NeurIPS 32). The rank z is −ln of the probability that a null source with as many photons has
the score, from pooled curves; for null sources it is exponential with mean 1, up to what the matching corrects. The far
tail, without matched null sources, continues with that slope.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F32, F64
from xherald.photons.threads import run_in_threads

__all__ = ["WIDTHS", "MatchedNulls", "compute_matched_probability"]


WIDTHS: Final = np.array([0.35, 0.2, 0.2, 0.6])
"""Differences at which weights vanish: log10 counts, background fraction, gap fraction, log10 livetime."""

MIN_EFFECTIVE_NULLS: Final = 1000.0
"""Effective number of matched null sources; widths grow until it is reached."""

WIDTH_GROWTH: Final = 1.5
MAX_GROWTHS: Final = 8

TAIL_PROBABILITY: Final = 0.03
"""Probability below which the tail is exponential, continuous with the matched null sources at this point."""


@dataclass(frozen=True, slots=True, eq=False)
class MatchedNulls:
    """Null sources of one instrument in one direction.

    Parameters
    ----------
    z : ndarray, shape (m,), float32 — descending
    covariates : ndarray, shape (m, 4), float32 — in the order of z; see `WIDTHS`
    """

    z: F32
    covariates: F32

    @classmethod
    def of(cls, z: F32, covariates: F32) -> MatchedNulls:
        """Null sources in any order."""
        order = np.argsort(-z, kind="stable")
        return cls(np.ascontiguousarray(z[order]), np.ascontiguousarray(covariates[order]))


def compute_matched_probability(z: F64, covariates: F64, nulls: MatchedNulls, threads: int = 0) -> F64:
    """Probability that a similar null source has the z of each source or a higher one, shape (n,).

    Parameters
    ----------
    z : ndarray, shape (n,) — NaN gives NaN
    covariates : ndarray, shape (n, 4)
    nulls : MatchedNulls
    threads : int — 0 for one for each core
    """
    out = np.full(len(z), np.nan)
    run_in_threads(
        lambda first, stop: _matched(z, covariates, nulls.z, nulls.covariates, WIDTHS, first, stop, out),
        np.arange(len(z) + 1, dtype=np.int64),
        threads,
    )
    return out


@njit(cache=True, nogil=True)
def _distances(own: F64, others: F32, widths: F64, distances: F64) -> None:
    """Largest difference of each null source in any covariate, in units of the widths."""
    for i in range(others.shape[0]):
        farthest = 0.0
        for c in range(widths.size):
            farthest = max(farthest, abs(own[c] - others[i, c]) / widths[c])
        distances[i] = farthest


@njit(cache=True, nogil=True)
def _weights(own: F64, others: F32, widths: F64, near: F64, within: float, weights: F64) -> tuple[float, float]:
    """Weights of the null sources within a distance, their sum and the sum of their squares."""
    total, squares = 0.0, 0.0
    for i in range(others.shape[0]):
        weights[i] = 0.0
        if near[i] >= within:
            continue
        weight = 1.0
        for c in range(widths.size):
            part = (own[c] - others[i, c]) / (widths[c] * within)
            weight *= max(1.0 - part * part, 0.0)
        weights[i] = weight
        total += weight
        squares += weight * weight
    return total, squares


@njit(cache=True, nogil=True)
def _matched_weights(own: F64, others: F32, widths: F64, distances: F64, weights: F64) -> float:
    """Fill the weights of the null sources, within a distance that grows until enough of them count; their sum."""
    _distances(own, others, widths, distances)
    within = 1.0
    total, squares = _weights(own, others, widths, distances, within, weights)
    for _ in range(MAX_GROWTHS):
        if squares > 0.0 and total * total / squares >= MIN_EFFECTIVE_NULLS:
            break
        within *= WIDTH_GROWTH
        total, squares = _weights(own, others, widths, distances, within, weights)
    return float(total)


@njit(cache=True, nogil=True)
def _matched(
    z: F64, covariates: F64, null_z: F32, null_covariates: F32, widths: F64, first: int, stop: int, out: F64
) -> None:
    weights, distances = np.empty(null_z.size), np.empty(null_z.size)
    total, weighted = 0.0, -1
    for s in range(first, stop):
        if np.isnan(z[s]):
            continue
        # Draws of one source follow each other and have the same weights.
        if weighted < 0 or (covariates[s] != covariates[weighted]).any():
            total, weighted = _matched_weights(covariates[s], null_covariates, widths, distances, weights), s
        reached, above, start = 0.0, 0.0, np.inf
        for i in range(null_z.size):
            if null_z[i] < z[s] and start < np.inf:
                break
            reached += weights[i]
            if null_z[i] >= z[s]:
                above = reached
            if start == np.inf and reached >= TAIL_PROBABILITY * total:
                start = null_z[i]
        if z[s] > start:
            out[s] = TAIL_PROBABILITY * np.exp(start - z[s])
        else:
            # The source itself counts as one of those with such a z.
            out[s] = (above + 1.0) / (total + 1.0)
