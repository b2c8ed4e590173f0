"""Boosted decision trees as flat arrays: trained with LightGBM, stored as npz, evaluated by a compiled kernel.

LightGBM (Ke et al. 2017, NeurIPS 30, 3146) takes missing values and can be constrained to rise with an input. Only
training needs it: the nodes that its public dump lists are kept as arrays.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I32
from xherald.photons.errors import ArtefactError, ConfigError

__all__ = ["Trees", "fit_trees", "flatten_booster", "require_lightgbm"]


SEED: Final = 0


@dataclass(frozen=True, slots=True, eq=False)
class Trees:
    """A sum of decision trees for each of k outputs.

    Parameters
    ----------
    inputs : tuple of str — names of the columns, in order
    roots : ndarray, shape (trees, k), int32 — root node of each tree
    feature : ndarray, shape (nodes,), int32 — column that a node tests; -1 at a leaf
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

    def evaluate(self, columns: Mapping[str, F64], n: int) -> F64:
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

    def to_arrays(self, prefix: str) -> dict[str, NDArray[Any]]:
        """All arrays, for `save_arrays`."""
        return {f"{prefix}{name}": getattr(self, name) for name in ARRAYS}

    @classmethod
    def from_arrays(cls, inputs: tuple[str, ...], arrays: Mapping[str, NDArray[Any]], prefix: str) -> Trees:
        """Create trees from the result of `to_arrays`.

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
    learning_rate: float = 0.06,
    min_leaf_sources: int = 40,
    column_fraction: float = 1.0,
    weights: F64 | None = None,
    classes: int = 0,
) -> Trees:
    """Train a classifier.

    Parameters
    ----------
    columns : mapping of str to ndarray, shape (n,)
    labels : ndarray, shape (n,), int64
        Classes from 0; two of them give one output, the log odds of class 1.
    monotone : mapping of str to int
        The inputs, in order; 1 where the output may only rise with the input, 0 where it is unconstrained.
    iterations, leaves : int — rounds of boosting, and leaves of each tree
    learning_rate : float
    min_leaf_sources : int — sources in a leaf, at least
    column_fraction : float — part of the inputs that each tree may use
    weights : ndarray, shape (n,), optional — of the sources
    classes : int — number of classes, if the labels may lack the last ones

    Raises
    ------
    ConfigError
        LightGBM is not installed.
    """
    require_lightgbm()
    import lightgbm

    inputs, number = tuple(monotone), max(int(labels.max()) + 1, classes)
    settings: dict[str, Any] = {
        "objective": "binary" if number <= 2 else "multiclass",
        "num_leaves": leaves,
        "learning_rate": learning_rate,
        "min_data_in_leaf": min_leaf_sources,
        "lambda_l2": 1.0,
        "feature_fraction": column_fraction,
        "seed": SEED,
        "deterministic": True,
        "force_row_wise": True,
        "num_threads": 1,
        "verbosity": -1,
    }
    if number > 2:
        settings["num_class"] = number
    if any(monotone.values()):
        settings |= {
            "monotone_constraints": list(monotone.values()),
            "monotone_constraints_method": "intermediate",
        }
    table = np.column_stack([columns[name] for name in inputs])
    booster = lightgbm.train(settings, lightgbm.Dataset(table, labels, weight=weights), num_boost_round=iterations)
    return flatten_booster(booster.dump_model(), inputs)


def require_lightgbm() -> None:
    """Refuse to train where LightGBM is not installed.

    Raises
    ------
    ConfigError
    """
    if find_spec("lightgbm") is None:
        raise ConfigError("training a calibration needs LightGBM; run pip install 'xherald[train]'")


def flatten_booster(model: Mapping[str, Any], inputs: tuple[str, ...]) -> Trees:
    """Trees of a trained booster.

    Parameters
    ----------
    model : mapping
        What `lightgbm.Booster.dump_model` returns.
    inputs : tuple of str
        Names of its columns.
    """
    nodes: list[tuple[int, float, bool, int, int, float]] = []

    def add(node: Mapping[str, Any]) -> int:
        number = len(nodes)
        if "split_feature" not in node:
            nodes.append((-1, 0.0, False, 0, 0, float(node["leaf_value"])))
            return number
        threshold = float(node["threshold"])
        # Without missing values in training, LightGBM takes NaN for zero.
        missing_left = bool(node["default_left"]) if node["missing_type"] == "NaN" else threshold >= 0.0
        nodes.append((int(node["split_feature"]), threshold, missing_left, 0, 0, 0.0))
        left, right = add(node["left_child"]), add(node["right_child"])
        nodes[number] = (*nodes[number][:3], left, right, 0.0)
        return number

    roots = [add(tree["tree_structure"]) for tree in model["tree_info"]]
    outputs = int(model["num_tree_per_iteration"])
    feature, threshold, missing_left, left, right, value = zip(*nodes, strict=True)
    return Trees(
        inputs=inputs,
        roots=np.array(roots, dtype=np.int32).reshape(-1, outputs),
        feature=np.array(feature, dtype=np.int32),
        threshold=np.array(threshold, dtype=np.float64),
        missing_left=np.array(missing_left, dtype=np.bool_),
        left=np.array(left, dtype=np.int32),
        right=np.array(right, dtype=np.int32),
        value=np.array(value, dtype=np.float64),
        baseline=np.zeros(outputs),  # LightGBM adds it to the leaves of the first tree
    )
