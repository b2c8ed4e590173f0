"""Classes of transients as probabilities and as sets with stated coverage: `ClassModel`.

Boosted trees give the probability of every class, and of events of no known kind, trained on random ones. A class is
in the set of a source if it conforms to the source better than to a tenth of the events of this class with as many
counts (split-conformal prediction, Mondrian by class and counts: Vovk, Gammerman & Shafer 2005, Algorithmic Learning in
a Random World, ch. 4.5; Sadinle, Lei & Wasserman 2019, JASA 114, 223). The set of a source therefore contains its class
in nine of ten cases, whatever the class and whatever the prior. Temperature and thresholds are those of the telescope;
one that training did not have gets those of all telescopes together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.errors import ArtefactError, ConfigError

from .boosted_trees import Trees
from .novelty import OTHERS, Novelty

__all__ = [
    "OTHERS",
    "ClassModel",
    "class_thresholds",
    "compute_conformity",
    "softmax",
    "telescope_thresholds",
]

PREFIX: Final = "class_"


@dataclass(frozen=True, slots=True, eq=False)
class ClassModel:
    """Classes of significant sources, k of them.

    Parameters
    ----------
    names : tuple of str, length k — `OTHERS` are among them
    telescopes : tuple of str, length t — groups of the calibration that have events of their own
    trees : Trees — logarithms of probabilities, up to a constant
    temperatures : ndarray, shape (t + 1,)
        Divide these logarithms, so that probabilities are calibrated: of all telescopes together, and of each.
    coverage : float — fraction of the events of each class whose set contains it
    counts : ndarray, shape (b + 1,) — edges of the bins of counts
    thresholds : ndarray, shape (t + 1, b, k)
        Smallest `compute_conformity` with which a class is in the set: of all telescopes together, and of each.
    novelty : Novelty
    """

    names: tuple[str, ...]
    telescopes: tuple[str, ...]
    trees: Trees
    temperatures: F64
    coverage: float
    counts: F64
    thresholds: F64
    novelty: Novelty

    def _row(self, telescope: str) -> int:
        """Row of a telescope in `temperatures` and `thresholds`; 0, that of all telescopes, if it has none."""
        return self.telescopes.index(telescope) + 1 if telescope in self.telescopes else 0

    def probabilities(
        self, columns: Mapping[str, F64], n: int, telescope: str = "", priors: Mapping[str, float] | None = None
    ) -> F64:
        """Probability of each class, given that the source varies, shape (n, k).

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,) — see `class_features.class_columns`
        n : int
        telescope : str — group of the calibration that serves the instrument of the sources
        priors : mapping of str to float, optional
            Frequencies of classes relative to the others, which have 1; equal if not given.
        """
        raw = self.trees.evaluate(columns, n) / self.temperatures[self._row(telescope)]
        return softmax(raw + np.log([(priors or {}).get(name, 1.0) for name in self.names]))

    def check_priors(self, priors: Mapping[str, float]) -> None:
        """Refuse priors of unknown classes.

        Raises
        ------
        ConfigError
        """
        if unknown := [name for name in priors if name not in self.names]:
            raise ConfigError(f"detection.class_priors: no class {unknown[0]!r}; classes: {', '.join(self.names)}")

    def sets(self, probabilities: F64, counts: I64, telescope: str = "") -> NDArray[np.bool_]:
        """Classes that cannot be excluded, shape (n, k); the most probable one is always among them.

        Parameters
        ----------
        probabilities : ndarray, shape (n, k) — with equal priors
        counts : ndarray, shape (n,)
        telescope : str — as in `probabilities`
        """
        bins = np.clip(np.searchsorted(self.counts, counts, side="right") - 1, 0, len(self.counts) - 2)
        thresholds = self.thresholds[self._row(telescope)]
        members: NDArray[np.bool_] = compute_conformity(probabilities) >= thresholds[bins]
        members[np.arange(len(members)), probabilities.argmax(axis=1)] = True
        return members

    def rank_novelty(self, columns: Mapping[str, F64], probabilities: F64) -> F64:
        """Fraction of events of known classes that are less novel, shape (n,): 0.9 for the most unusual tenth.

        Parameters
        ----------
        columns : mapping of str to ndarray, shape (n,) — see `class_features.class_columns`
        probabilities : ndarray, shape (n, k) — with equal priors
        """
        return self.novelty.rank(columns, probabilities, self.names)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """All arrays, for `save_arrays`."""
        own = {name: np.asarray(getattr(self, name)) for name in ARRAYS}
        own = {f"{PREFIX}{name}": array for name, array in own.items()}
        return self.trees.to_arrays(PREFIX) | own | self.novelty.to_arrays(PREFIX)

    @classmethod
    def from_arrays(
        cls,
        names: tuple[str, ...],
        telescopes: tuple[str, ...],
        inputs: tuple[str, ...],
        arrays: Mapping[str, NDArray[Any]],
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
        shape = (len(telescopes) + 1, len(own["counts"]) - 1, len(names))
        fits = own["thresholds"].shape == shape and own["temperatures"].shape == shape[:1]
        if not fits or trees.roots.shape[1] != len(names):
            raise ArtefactError(
                "classes: thresholds or trees are not those of the classes; build the calibration again"
            )
        return cls(
            names=names,
            telescopes=telescopes,
            trees=trees,
            temperatures=own["temperatures"],
            coverage=float(own["coverage"]),
            counts=own["counts"],
            thresholds=own["thresholds"],
            novelty=Novelty.from_arrays(names, arrays, PREFIX),
        )


NOT_ARRAYS: Final = ("names", "telescopes", "trees", "novelty")
ARRAYS: Final = tuple(one.name for one in fields(ClassModel) if one.name not in NOT_ARRAYS)


def softmax(raw: F64) -> F64:
    """Probabilities of their logarithms, shape (n, k)."""
    weights = np.exp(raw - raw.max(axis=1, keepdims=True))
    probabilities: F64 = weights / weights.sum(axis=1, keepdims=True)
    return probabilities


def compute_conformity(probabilities: F64) -> F64:
    """How well each class conforms to a source: its probability over that of the third, shape (n, k).

    The third largest probability is a measure of what cannot be told apart. Dividing by it makes sets more alike in
    size than thresholds of the probability itself do: an event of which little is known gets three classes instead of
    six, one of which much is known seldom a single wrong one. `MIN_THIRD` is added, below which the third does not
    matter.
    """
    third = -np.partition(-probabilities, 2, axis=1)[:, 2:3] if probabilities.shape[1] > 2 else 0.0
    conformity: F64 = probabilities / (third + MIN_THIRD)
    return conformity


MIN_THIRD: Final = 0.03


def class_thresholds(conformity: F64, truth: I64, counts: I64, edges: F64, coverage: float) -> F64:
    """Smallest conformities with which classes are in a set, shape (b, k).

    Of m held-out events of a class in a bin, the floor((m + 1)(1 − coverage))-th smallest conformity of that class; 0
    where m is too small for any. A bin with few events of a class is widened to all counts.

    Parameters
    ----------
    conformity : ndarray, shape (n, k)
    truth : ndarray, shape (n,) — index of the class of each event
    counts : ndarray, shape (n,)
    edges : ndarray, shape (b + 1,)
    coverage : float
    """
    table = np.zeros((len(edges) - 1, conformity.shape[1]))
    for number, row, chosen, _ in _cells(conformity, truth, counts, edges):
        rank = int((len(chosen) + 1) * (1.0 - coverage))
        table[row, number] = chosen[rank - 1] if rank > 0 else 0.0
    return table


def telescope_thresholds(
    conformity: F64, truth: I64, counts: I64, is_own: NDArray[np.bool_], edges: F64, coverage: float
) -> F64:
    """Thresholds with which the sets of one telescope have the coverage, shape (b, k).

    A cell of class, counts and telescope has too few events for a quantile of its own. The threshold of a cell is a
    quantile of the events of all telescopes, at a level common to all cells of the telescope: that at which its own
    events are covered, every class with the same weight.

    Parameters
    ----------
    conformity, truth, counts, edges, coverage : see `class_thresholds`
    is_own : ndarray, shape (n,), bool — events of the telescope
    """
    level = np.zeros(len(truth))
    for number, _, chosen, inside in _cells(conformity, truth, counts, edges):
        level[inside] = np.searchsorted(chosen, conformity[inside, number], side="left") / len(chosen)
    order = np.argsort(level[is_own], kind="stable")
    weights = (1.0 / np.bincount(truth)[truth])[is_own][order]
    share = np.cumsum(weights) / (weights.sum() + weights.max())
    place = int(np.searchsorted(share, 1.0 - coverage, side="right"))
    return class_thresholds(conformity, truth, counts, edges, 1.0 - float(level[is_own][order][place]))


def _cells(conformity: F64, truth: I64, counts: I64, edges: F64) -> Iterator[tuple[int, int, F64, NDArray[np.bool_]]]:
    """Class, bin, ascending conformities of the class that its threshold is taken from, and the events inside."""
    for number in range(conformity.shape[1]):
        is_class = truth == number
        for row in range(len(edges) - 1):
            inside = is_class & (counts >= edges[row]) & (counts < edges[row + 1])
            chosen = is_class if inside.sum() < MIN_CELL_EVENTS else inside
            yield number, row, np.sort(conformity[chosen, number]), inside


MIN_CELL_EVENTS: Final = 60
"""Held-out events of a class in a bin of counts, for a threshold of the bin's own."""
