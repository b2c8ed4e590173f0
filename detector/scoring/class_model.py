"""Classes of transients as probabilities and as sets with stated coverage, and a measure of novelty: `ClassModel`.

Boosted trees give the probability of every class, and of events of no known kind, trained on random ones. A
class is in the set of a source if its probability is not smaller than that of all but a tenth of the events of this
class with as many photons (split-conformal prediction, Mondrian by class and counts: Vovk, Gammerman & Shafer 2005,
Algorithmic Learning in a Random World, ch. 4.5; Sadinle, Lei & Wasserman 2019, JASA 114, 223). The set of a source
therefore contains its class in nine of ten cases, whatever the class and whatever the prior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ArtefactError, ConfigError

from .boosted_trees import Trees

__all__ = ["OTHERS", "ClassModel", "class_thresholds", "novelty_statistic", "softmax"]

OTHERS: Final = ("other_flare", "other_dip")
"""Answers for events of no known class."""

PREFIX: Final = "class_"


@dataclass(frozen=True, slots=True, eq=False)
class ClassModel:
    """Classes of significant sources, k of them.

    Parameters
    ----------
    names : tuple of str, length k — `OTHERS` are among them
    trees : Trees — logarithms of probabilities, up to a constant
    temperature : float — divides them, so that probabilities are calibrated
    coverage : float — fraction of the events of each class whose set contains it
    counts : ndarray, shape (b + 1,) — edges of the bins of counts
    thresholds : ndarray, shape (b, k) — smallest probability with which a class is in the set
    novelty : ndarray, shape (m,)
        `novelty_statistic` of events of known classes, ascending: quantiles from 0 to 1.
    """

    names: tuple[str, ...]
    trees: Trees
    temperature: float
    coverage: float
    counts: F64
    thresholds: F64
    novelty: F64

    def probabilities(self, columns: Mapping[str, F64], n: int, priors: Mapping[str, float] | None = None) -> F64:
        """Probability of each class, given that the source varies, shape (n, k).

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,) — see `class_features.class_columns`
        n : int
        priors : mapping of str to float, optional
            Frequencies of classes relative to the others, which have 1; equal if not given.
        """
        raw = self.trees.evaluate(columns, n) / self.temperature
        return softmax(raw + np.log([(priors or {}).get(name, 1.0) for name in self.names]))

    def check_priors(self, priors: Mapping[str, float]) -> None:
        """Refuse priors of unknown classes.

        Raises
        ------
        ConfigError
        """
        if unknown := [name for name in priors if name not in self.names]:
            raise ConfigError(f"detection.class_priors: no class {unknown[0]!r}; classes: {', '.join(self.names)}")

    def sets(self, probabilities: F64, counts: I64) -> NDArray[np.bool_]:
        """Classes that cannot be excluded, shape (n, k); the most probable one is always among them.

        Parameters
        ----------
        probabilities : ndarray, shape (n, k) — with equal priors
        counts : ndarray, shape (n,)
        """
        row = np.clip(np.searchsorted(self.counts, counts, side="right") - 1, 0, len(self.counts) - 2)
        members: NDArray[np.bool_] = probabilities >= self.thresholds[row]
        members[np.arange(len(members)), probabilities.argmax(axis=1)] = True
        return members

    def rank_novelty(self, probabilities: F64) -> F64:
        """Fraction of events of known classes that are less novel, shape (n,): 0.9 for the most unusual tenth.

        Parameters
        ----------
        probabilities : ndarray, shape (n, k) — with equal priors
        """
        value = novelty_statistic(probabilities, self.names)
        ranked: F64 = np.searchsorted(self.novelty, value, side="left") / len(self.novelty)
        return ranked

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays, for `save_arrays`."""
        own = {name: np.asarray(getattr(self, name)) for name in ARRAYS}
        return self.trees.to_arrays(PREFIX) | {f"{PREFIX}{name}": array for name, array in own.items()}

    @classmethod
    def from_arrays(
        cls, names: tuple[str, ...], inputs: tuple[str, ...], arrays: Mapping[str, NDArray[Any]]
    ) -> ClassModel:
        """Create a model from the result of `to_arrays`.

        Raises
        ------
        ArtefactError
            An array is missing, or does not fit the others.
        """
        if missing := [name for name in ARRAYS if f"{PREFIX}{name}" not in arrays]:
            raise ArtefactError(f"classes: array {PREFIX}{missing[0]} is missing; build the calibration again")
        own = {name: arrays[f"{PREFIX}{name}"] for name in ARRAYS}
        trees = Trees.from_arrays(inputs, arrays, PREFIX)
        if own["thresholds"].shape != (len(own["counts"]) - 1, len(names)) or trees.roots.shape[1] != len(names):
            raise ArtefactError(
                "classes: thresholds or trees are not those of the classes; build the calibration again"
            )
        return cls(
            names=names,
            trees=trees,
            temperature=float(own["temperature"]),
            coverage=float(own["coverage"]),
            counts=own["counts"],
            thresholds=own["thresholds"],
            novelty=own["novelty"],
        )


ARRAYS: Final = tuple(one.name for one in fields(ClassModel) if one.name not in ("names", "trees"))


def softmax(raw: F64) -> F64:
    """Probabilities of their logarithms, shape (n, k)."""
    weights = np.exp(raw - raw.max(axis=1, keepdims=True))
    probabilities: F64 = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def novelty_statistic(probabilities: F64, names: tuple[str, ...]) -> F64:
    """How little the known classes explain of each event, shape (n,).

    Probability of being of no known class, and half of the entropy of all probabilities, of that of equal ones: an
    event that is unlike all that was trained is as often spread over several classes as it is called unknown.
    """
    other = probabilities[:, [name in OTHERS for name in names]].sum(axis=1)
    entropy = -(probabilities * np.log(np.maximum(probabilities, 1e-300))).sum(axis=1) / np.log(len(names))
    novelty: F64 = other + 0.5 * entropy
    return novelty


def class_thresholds(probabilities: F64, truth: I64, counts: I64, edges: F64, coverage: float) -> F64:
    """Smallest probabilities with which classes are in a set, shape (b, k).

    Of m held-out events of a class in a bin, the floor((m + 1)(1 − coverage))-th smallest probability of that class; 0
    where m is too small for any. A bin with few events of a class is widened to all counts.

    Parameters
    ----------
    probabilities : ndarray, shape (n, k)
    truth : ndarray, shape (n,) — index of the class of each event
    counts : ndarray, shape (n,)
    edges : ndarray, shape (b + 1,)
    coverage : float
    """
    table = np.zeros((len(edges) - 1, probabilities.shape[1]))
    for number in range(probabilities.shape[1]):
        own, photons = probabilities[truth == number, number], counts[truth == number]
        for row in range(len(table)):
            some = own[(photons >= edges[row]) & (photons < edges[row + 1])]
            chosen = np.sort(own if len(some) < MIN_CELL_EVENTS else some)
            rank = int((len(chosen) + 1) * (1.0 - coverage))
            table[row, number] = chosen[rank - 1] if rank > 0 else 0.0
    return table


MIN_CELL_EVENTS: Final = 60
"""Held-out events of a class in a bin of counts, for a threshold of the bin's own."""
