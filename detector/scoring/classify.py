"""Classes of the significant sources of a batch: `classify`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F64

from .class_features import TimedSources, class_columns

if TYPE_CHECKING:
    from xherald.photons.statistics import Timing

    from .class_model import ClassModel

__all__ = ["SourceClasses", "classify"]


@dataclass(frozen=True, slots=True, eq=False)
class SourceClasses:
    """Classes of n sources, k of them.

    Parameters
    ----------
    names : tuple of str, length k
    probabilities : ndarray, shape (n, k)
        Given that the source varies, with the priors of the configuration; NaN for sources that are not significant.
    members : ndarray, shape (n, k), bool — whether a class is in the source's set; empty sets if not significant
    coverage : float — fraction of events whose set contains their class
    novelty : ndarray, shape (n,) — fraction of events of known classes that are less unusual; NaN if not significant
    """

    names: tuple[str, ...]
    probabilities: F64
    members: NDArray[np.bool_]
    coverage: float
    novelty: F64

    def part(self, first: int, stop: int) -> SourceClasses:
        """Those of the sources from `first` to before `stop`."""
        some = slice(first, stop)
        return SourceClasses(
            self.names, self.probabilities[some], self.members[some], self.coverage, self.novelty[some]
        )


def classify(
    model: ClassModel,
    batch: EventBatch,
    timing: Timing,
    significant: NDArray[np.bool_],
    priors: Mapping[str, float] | None = None,
    *,
    telescope: str = "",
    kinds: F64 | None = None,
) -> SourceClasses:
    """Classify the significant sources of a batch; the others get no class, since noise has none.

    Parameters
    ----------
    model : ClassModel
    batch : EventBatch
    timing : Timing — of the batch
    significant : ndarray, shape (n,), bool
    priors : mapping of str to float, optional
        See `ClassModel.probabilities`; sets and novelty do not depend on them.
    telescope : str
        Group of the calibration that serves the instrument; sets of others have the coverage of all groups together.
    kinds : ndarray, shape (n, kinds), optional
        Posterior probabilities of the kinds of variability of significant sources (`judge_kinds`); computed if absent.

    Raises
    ------
    ConfigError
        A prior is not of a class.
    """
    n, k = len(batch), len(model.names)
    probabilities, members = np.full((n, k), np.nan), np.zeros((n, k), dtype=np.bool_)
    novelty = np.full(n, np.nan)
    rows = np.flatnonzero(significant)
    model.check_priors(priors or {})
    if rows.size:
        sources = TimedSources.select(batch, timing, rows, kinds)
        columns = class_columns(sources)
        equal = model.probabilities(columns, len(rows), telescope)
        probabilities[rows] = model.probabilities(columns, len(rows), telescope, priors) if priors else equal
        members[rows] = model.sets(equal, sources.batch.counts, telescope)
        novelty[rows] = model.rank_novelty(columns, equal)
    return SourceClasses(model.names, probabilities, members, model.coverage, novelty)
