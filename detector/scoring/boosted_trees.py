"""Boosted trees as flat arrays: trained with scikit-learn, stored as npz, evaluated by a compiled kernel.

scikit-learn's histogram gradient boosting supports monotonic inputs and missing values, but its models can only be
stored with pickle. Their nodes are a few arrays, which are safe to load and evaluate without scikit-learn.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I32
from xherald.photons.errors import ArtefactError

__all__ = ["Trees", "fit_trees"]


SEED: Final = 0


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """A sum of decision trees for each of k outputs.

    Parameters
    ----------
    inputs : tuple of str — names of the columns, in order
    roots : ndarray, shape (trees, k), int32 — root node of each tree
    feature : ndarray, shape (nodes,), int32 — column that a node splits on; -1 at a leaf
    threshold : ndarray, shape (nodes,), float64 — values up to this go left
    missing_left : ndarray, shape (nodes,), bool — whether NaN goes left
    left, right : ndarray, shape (nodes,), int32
    value : ndarray, shape (nodes,), float64 — what a leaf adds
    baseline : ndarray, shape (k,), float64
    """

    inputs: tuple[str, ...]
    roots: I32
    feature: I32
    threshold: F64
    missing_left: NDArray[np.bool_]
    left: I32
    right: I32
    value: F64
    baseline: F64

    def raw(self, columns: Mapping[str, F64], n: int) -> F64:
        """Outputs before any link function, shape (n, k); absent columns count as missing values."""
        table = np.full((n, len(self.inputs)), np.nan)
        for index, name in enumerate(self.inputs):
            if name in columns:
                table[:, index] = columns[name]
        raw: F64 = _walk(
            table,
            self.roots,
            self.feature,
            self.threshold,
            self.missing_left,
            self.left,
            self.right,
            self.value,
            self.baseline,
        )
        return raw

    def arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """All arrays, for `save_arrays`."""
        return {f"{prefix}{name}": getattr(self, name) for name in ARRAYS}

    @classmethod
    def from_arrays(cls, inputs: tuple[str, ...], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Trees:
        """Create trees from the result of `arrays`.

        Raises
        ------
        ArtefactError
            An array is missing, or the nodes do not form trees.
        """
        if missing := [name for name in ARRAYS if f"{prefix}{name}" not in arrays]:
            raise ArtefactError(f"trees {prefix!r}: array {missing[0]} is missing; build the calibration again")
        trees = cls(inputs, **{name: arrays[f"{prefix}{name}"] for name in ARRAYS})
        trees._check_nodes(prefix)
        return trees

    def _check_nodes(self, prefix: str) -> None:
        nodes = len(self.feature)
        inner = self.feature >= 0
        number = np.arange(nodes)
        # Children come after their parents, so that evaluation always ends.
        is_valid = (
            all(len(getattr(self, name)) == nodes for name in ("threshold", "missing_left", "left", "right", "value"))
            and bool((self.feature < len(self.inputs)).all())
            and bool(((self.roots >= 0) & (self.roots < nodes)).all())
            and all(
                bool(((side[inner] > number[inner]) & (side[inner] < nodes)).all()) for side in (self.left, self.right)
            )
            and bool(np.isfinite(self.value).all() and np.isfinite(self.baseline).all())
        )
        if not is_valid:
            raise ArtefactError(f"trees {prefix!r}: the nodes do not form trees; build the calibration again")


ARRAYS: Final = ("roots", "feature", "threshold", "missing_left", "left", "right", "value", "baseline")


@njit(cache=True, nogil=True)
def _walk(
    table: F64,
    roots: I32,
    feature: I32,
    threshold: F64,
    missing_left: NDArray[np.bool_],
    left: I32,
    right: I32,
    value: F64,
    baseline: F64,
) -> F64:
    out = np.empty((table.shape[0], roots.shape[1]))
    for i in range(table.shape[0]):
        for k in range(roots.shape[1]):
            total = baseline[k]
            for t in range(roots.shape[0]):
                node = roots[t, k]
                while feature[node] >= 0:
                    x = table[i, feature[node]]
                    goes_left = missing_left[node] if np.isnan(x) else x <= threshold[node]
                    node = left[node] if goes_left else right[node]
                total += value[node]
            out[i, k] = total
    return out


def fit_trees(
    columns: Mapping[str, F64],
    labels: NDArray[np.int64],
    monotone: Mapping[str, int],
    *,
    iterations: int = 80,
    leaves: int = 8,
    rate: float = 0.06,
    smallest_leaf: int = 40,
) -> Trees:
    """Train a classifier.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
    labels : ndarray, shape (n,), int64
        Classes from 0; two classes give one output, the log odds of class 1.
    monotone : mapping of str to int
        The inputs, in order; 1 where the output may only rise with the input, else 0. For two classes only.
    iterations, leaves, rate, smallest_leaf
        See `sklearn.ensemble.HistGradientBoostingClassifier`.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier

    inputs = tuple(monotone)
    table = np.column_stack([columns[name] for name in inputs])
    model = HistGradientBoostingClassifier(
        max_iter=iterations,
        max_leaf_nodes=leaves,
        learning_rate=rate,
        min_samples_leaf=smallest_leaf,
        l2_regularization=1.0,
        monotonic_cst=list(monotone.values()) if any(monotone.values()) else None,
        early_stopping=False,
        random_state=SEED,
    ).fit(table, labels)
    # There is no public access to the nodes of a tree; a test compares predictions with the model's own.
    rounds = [[one.nodes for one in each] for each in model._predictors]
    flat = [nodes for each in rounds for nodes in each]
    start = np.concatenate([[0], np.cumsum([len(nodes) for nodes in flat])])
    node = np.concatenate(flat)
    shift = np.repeat(start[:-1], np.diff(start))
    leaf = node["is_leaf"].astype(bool)
    return Trees(
        inputs=inputs,
        roots=start[:-1].reshape(len(rounds), -1).astype(np.int32),
        feature=np.where(leaf, -1, node["feature_idx"]).astype(np.int32),
        threshold=np.where(leaf, 0.0, node["num_threshold"]),
        missing_left=node["missing_go_to_left"].astype(bool),
        left=np.where(leaf, 0, node["left"] + shift).astype(np.int32),
        right=np.where(leaf, 0, node["right"] + shift).astype(np.int32),
        value=node["value"].astype(np.float64),
        baseline=np.ravel(model._baseline_prediction).astype(np.float64),
    )
