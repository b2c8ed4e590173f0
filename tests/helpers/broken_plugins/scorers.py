"""A conforming scorer, and for each rule one that breaks it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from xherald.plugins import Scorer

from .variants import call_numbers, common_violations, variant, write_energies


class Rate(Scorer):
    """Counts per second."""

    name = "rate"

    def score(self, detection_batch, options):
        return {"rate": detection_batch.batch.counts / np.maximum(detection_batch.batch.livetime, 1.0)}

    def inputs(self, direction, options):
        return {"rate": 1}


def with_scores(change: Callable[[np.ndarray, Any], Mapping[str, Any]]) -> Any:
    """A scorer whose columns are changed afterwards."""
    return variant(
        Rate,
        score=lambda self, detection_batch, options: change(
            Rate.score(self, detection_batch, options)["rate"], detection_batch
        ),
    )


def score_and_write(rate: np.ndarray, detection_batch: Any) -> Mapping[str, Any]:
    write_energies(rate, detection_batch.batch)
    return {"rate": rate}


class RememberingSize(Rate):
    """Stores the number of sources of the last call."""

    def score(self, detection_batch, options):
        self.last = len(detection_batch)
        return super().score(detection_batch, options)


SCORERS = {
    **common_violations(Rate),
    "columns": with_scores(
        lambda rate, detection_batch: {"rate": np.where(detection_batch.batch.counts == 0, np.inf, rate)}
    ),
    "same-columns": with_scores(
        lambda rate, detection_batch: {"rate": rate} | ({"more": rate} if len(rate) > 1 else {})
    ),
    "batch-single": with_scores(lambda rate, detection_batch: {"rate": rate / max(rate.max(initial=0), 1e-9)}),
    "inputs": variant(Rate, inputs=lambda self, direction, options: {"speed": 1}),
    "deterministic": with_scores(
        lambda rate, detection_batch: {"rate": rate + (len(rate) == 11) * 1e-9 * next(call_numbers)}
    ),
    "input-unchanged": with_scores(score_and_write),
    "stateless": RememberingSize(),
}
