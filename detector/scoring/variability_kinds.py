"""The kind of variability of the sources of a batch, and the direction that goes with it: `judge_kinds`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.photons.light_curve_models import KINDS, compare_kinds, red_noise_probability
from xherald.photons.statistics import DIP, FLARE, STEADY

__all__ = ["MAX_P", "VariabilityKinds", "judge_kinds"]

MAX_P: Final = 0.05
"""Largest false-alarm probability of sources whose kind is judged."""

DIRECTION_NAMES: Final = {FLARE: "flare", DIP: "dip", STEADY: "steady"}
"""Kind of sources whose kind is not judged, by the direction of their most significant test."""

DIRECTIONS: Final = {"flare": FLARE, "onset": FLARE, "decay": FLARE, "recurrent": FLARE, "dip": DIP}
"""Direction of the events of a kind; red noise and pulsations have none of their own."""


@dataclass(frozen=True, slots=True, eq=False)
class VariabilityKinds:
    """Kinds of n sources.

    Parameters
    ----------
    kind : ndarray, shape (n,), str
    probability : ndarray, shape (n,) — posterior probability of that kind; NaN where it was not judged
    posterior : ndarray, shape (n, kinds) — posterior probability of each of `KINDS`; NaN where it was not judged
    p_red_noise, p_red_noise_error : ndarray, shape (n,)
        Probability that red noise would look as much like an event, and its standard error; NaN where not judged.
    direction : ndarray, shape (n,), int8
        FLARE or DIP: that of the kind where it has one, else that of the most significant test.
    """

    kind: NDArray[np.str_]
    probability: F64
    posterior: F64
    p_red_noise: F64
    p_red_noise_error: F64
    direction: NDArray[np.int8]


def judge_kinds(
    batch: EventBatch, direction: NDArray[np.int8], chosen: NDArray[np.bool_], threads: int = 0
) -> VariabilityKinds:
    """Judge the kind of some sources by models of their light curves.

    The most significant window may be the quiet time beside a flare, which would be reported as a dip: where a kind has
    a direction, it takes the place of that of the tests.

    Parameters
    ----------
    batch : EventBatch
    direction : ndarray, shape (n,), int8 — of the most significant test; STEADY for sources that were not tested
    chosen : ndarray, shape (n,), bool — sources to judge
    threads : int
    """
    kind = np.array([DIRECTION_NAMES[code] for code in direction.tolist()], dtype="U16")
    probability, p_red_noise, p_error = np.full((3, len(batch)), np.nan)
    posterior = np.full((len(batch), len(KINDS)), np.nan)
    turned = direction.copy()
    index = np.flatnonzero(chosen & (direction != STEADY))
    if index.size:
        found = compare_kinds(batch.select(index), threads)
        best = found.most_probable
        known = best >= 0
        index, best = index[known], best[known]
        kind[index] = np.array(KINDS)[best]
        posterior[index] = found.probability[known]
        probability[index] = found.probability[known, best]
        statistic = found.log_events_over_red_noise[known]
        p_red_noise[index], p_error[index] = red_noise_probability(statistic, batch.counts[index])
        turned[index] = [
            DIRECTIONS.get(name, code)
            for name, code in zip(kind[index].tolist(), direction[index].tolist(), strict=True)
        ]
    return VariabilityKinds(kind, probability, posterior, p_red_noise, p_error, turned)
