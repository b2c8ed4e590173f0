"""False-alarm probabilities from the null hypothesis of a source's own: `judge_by_own_null`.

The pooled null sources of the calibration serve the mass. A source that would become a candidate, or whose background
is uncertain, is drawn anew as a steady source (`draw_steady_sources`), and the whole detector scores the draws as it
scored the source (sequential Monte Carlo, Besag & Clifford 1991, Biometrika 78, 301).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F64, I64
from xherald.photons.statistics.own_null import draw_steady_sources, uncertain_backgrounds
from xherald.photons.statistics.tail_probability import MIN_EXCEEDANCES, tail_probability

__all__ = ["JudgedProbabilities", "judge_by_own_null"]

MAX_P: Final = 0.02
"""Largest pooled probability of a source with an uncertain background, or an inexact pooled null, that is judged."""

CANDIDATE_MARGIN: Final = 2.0
"""Largest pooled probability of any other source that is judged, in units of the threshold of candidates."""

BEYOND_DOUBT: Final = 0.01
"""Pooled probability, in units of the threshold of candidates, below which a source with a certain background is not
judged: measured rates of the pooled null are within a factor of 2 there, not 100."""

FEW_PHOTONS: Final = 10
"""Photons up to which the pooled null is inexact, since the scores take a few values only."""

ROUNDS: Final = (50, 150, 300)
"""Draws of each round; the first suffices where a source is not a candidate. The last is for sources whose pooled null
is inexact: of exponential tails, as exact ones have, 200 draws give the probability of one in 1,000 within a factor of
2.1 and 500 within 1.8, and the stated rate within 4 % both."""

LARGE_BACKGROUND: Final = 0.4
"""Share of the background in the photons from which the pooled null is inexact: it states 1 % where 1.5 % are found."""

MAX_DRAWN_PHOTONS: Final = 300_000
"""Photons of all draws of a source, which bound the time spent on bright ones."""

DECISIVE: Final = (0.05, 5.0)
"""Probabilities, in units of the threshold of candidates, between which more draws are needed."""


@dataclass(frozen=True, slots=True, eq=False)
class JudgedProbabilities:
    """False-alarm probabilities of n sources.

    Parameters
    ----------
    probability : ndarray, shape (n,) — NaN where untested
    error : ndarray, shape (n,) — standard error; NaN where the pooled null holds
    is_own : ndarray, shape (n,), bool — whether the source was judged by a null hypothesis of its own
    """

    probability: F64
    error: F64
    is_own: NDArray[np.bool_]


def judge_by_own_null(
    batch: EventBatch,
    pooled: F64,
    threshold: float,
    score: Callable[[EventBatch], F64],
    *,
    is_matched: bool = True,
    threads: int = 0,
) -> JudgedProbabilities:
    """Judge sources that would become candidates, or have an uncertain background, by null hypotheses of their own.

    Parameters
    ----------
    batch : EventBatch
    pooled : ndarray, shape (n,)
        Probability of each source by the pooled null sources.
    threshold : float
        Largest probability of a candidate.
    score : callable
        From a batch to the pooled probability of each of its sources.
    is_matched : bool
        Whether the pooled null sources are of the batch's instrument; those of others are inexact.
    threads : int
        0 uses all cores.
    """
    probability, error = pooled.copy(), np.full(len(pooled), np.nan)
    with np.errstate(invalid="ignore"):
        likely = np.flatnonzero((pooled <= max(MAX_P, CANDIDATE_MARGIN * threshold)) & (batch.counts > 0))
    uncertain = np.zeros(len(pooled), np.bool_)
    uncertain[likely] = uncertain_backgrounds(batch.select(likely))
    with np.errstate(invalid="ignore"):
        is_doubtful = pooled > BEYOND_DOUBT * threshold
        would_be = pooled <= CANDIDATE_MARGIN * threshold
    background = batch.area_ratio * np.diff(batch.background_offsets)
    is_inexact = (batch.counts <= FEW_PHOTONS) | (background >= LARGE_BACKGROUND * batch.counts) | (not is_matched)
    is_inexact |= uncertain
    judged = np.zeros(len(pooled), np.bool_)
    judged[likely] = (uncertain | (is_doubtful & (would_be | is_inexact)))[likely]
    # Draws of a source without good times have none of the gaps that its photons may have.
    judged &= batch.good_times_known & (batch.counts * ROUNDS[0] <= MAX_DRAWN_PHOTONS)
    drawn: dict[int, F64] = {i: np.empty(0) for i in np.flatnonzero(judged).tolist()}
    left = np.flatnonzero(judged)
    for number, draws in enumerate(ROUNDS):
        if number == len(ROUNDS) - 1:
            left = left[is_inexact[left]]
        left = left[batch.counts[left] * sum(ROUNDS[: number + 1]) <= MAX_DRAWN_PHOTONS]
        for some in _portions(left, batch.counts[left] * draws):
            values = _log_inverse(score(draw_steady_sources(batch.select(some), draws, number, threads)))
            for i, own in zip(some.tolist(), values.reshape(-1, draws), strict=True):
                drawn[i] = np.append(drawn[i], own)
                probability[i], error[i] = tail_probability(float(_log_inverse(pooled[i : i + 1])[0]), drawn[i])
        left = np.array(
            [i for i in left.tolist() if _needs_more(drawn[i], pooled[i], probability[i], threshold)], np.int64
        )
    return JudgedProbabilities(probability, error, judged)


def _portions(index: I64, photons: I64) -> Iterator[I64]:
    """Sources in portions of at most `MAX_DRAWN_PHOTONS` photons in all their draws together, or of one source."""
    portion = (np.cumsum(photons) - photons) // MAX_DRAWN_PHOTONS
    for number in np.unique(portion):
        yield index[portion == number]


def _needs_more(drawn: F64, pooled: float, probability: float, threshold: float) -> bool:
    """Whether more draws could decide if a source is a candidate."""
    if np.count_nonzero(drawn >= -np.log(pooled)) >= MIN_EXCEEDANCES:
        return False
    return DECISIVE[0] * threshold < probability <= DECISIVE[1] * threshold


def _log_inverse(p: F64) -> F64:
    out: F64 = -np.log(np.maximum(p, 1e-300))
    return out
