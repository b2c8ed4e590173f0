"""Which sources are judged by a null hypothesis of their own, and that it corrects pooled probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import binom

from xherald.detector.scoring.own_null import judge_by_own_null
from xherald.photons import EventBatch, EventList, Exposure, Identity
from xherald.photons.arrays import F64

THRESHOLD = 1e-3
HALF_S, TOTAL_S = 5_000.0, 10_000.0


def make_source(early: int, late: int, name: str) -> EventList:
    """Photons before and after the middle of the exposure."""
    rng = np.random.default_rng([early, late])
    time = np.sort(np.concatenate([rng.uniform(0.0, HALF_S, early), rng.uniform(HALF_S, TOTAL_S, late)]))
    energy = rng.uniform(0.5, 7.0, len(time)).astype(np.float32)
    return EventList(time, energy, Exposure([[0.0, TOTAL_S]]), Identity("NULL", "SKY", "1", name), 0.0, (0.5, 7.0))


def exact(batch: EventBatch) -> F64:
    """Probability that a steady source has as many photons in the first half."""
    source = np.repeat(np.arange(len(batch)), batch.counts)
    early = np.bincount(source, batch.time < HALF_S, len(batch))
    return binom.sf(early - 1, batch.counts, 0.5)


def overconfident(batch: EventBatch) -> F64:
    """Half as many orders of magnitude would be right."""
    return exact(batch) ** 2


def test_own_null_corrects_an_overconfident_pooled_null() -> None:
    batch = EventBatch.from_lists([make_source(62, 38, "a"), make_source(70, 50, "b"), make_source(50, 50, "c")])
    pooled = overconfident(batch)
    judged = judge_by_own_null(batch, pooled, THRESHOLD, overconfident)
    assert judged.is_own.tolist() == [True, pooled[1] <= 2 * THRESHOLD, False]
    # Ties of whole photons count, and the tail is smooth over them: half of a step of the binomial is its error.
    assert judged.probability[0] == pytest.approx(exact(batch)[0], abs=3 * judged.error[0] + 0.3 * exact(batch)[0])
    assert judged.probability[2] == pooled[2]
    assert np.isnan(judged.error[2])


def test_what_is_far_beyond_the_threshold_or_short_of_it_is_not_drawn() -> None:
    batch = EventBatch.from_lists([make_source(90, 10, "far"), make_source(52, 48, "near")])
    judged = judge_by_own_null(batch, exact(batch), THRESHOLD, lambda _: pytest.fail("nothing is to be drawn"))
    assert not judged.is_own.any()
    assert (judged.probability == exact(batch)).all()


def test_sources_without_good_times_are_not_drawn() -> None:
    source = replace(make_source(62, 38, "a"), good_times_known=False)
    batch = EventBatch.from_lists([source])
    judged = judge_by_own_null(batch, overconfident(batch), THRESHOLD, lambda _: pytest.fail("nothing is to be drawn"))
    assert not judged.is_own.any()


def test_judgements_do_not_depend_on_the_batch() -> None:
    batch = EventBatch.from_lists([make_source(60 + i, 38, str(i)) for i in range(5)])
    whole = judge_by_own_null(batch, overconfident(batch), THRESHOLD, overconfident)
    part = batch.select([3])
    alone = judge_by_own_null(part, overconfident(part), THRESHOLD, overconfident)
    assert whole.is_own[3]
    assert whole.probability[3] == alone.probability[0]


def test_untested_sources_stay_untested() -> None:
    batch = EventBatch.from_lists([make_source(1, 0, "one")])
    judged = judge_by_own_null(batch, np.array([np.nan]), THRESHOLD, exact)
    assert np.isnan(judged.probability[0])
    assert not judged.is_own[0]
