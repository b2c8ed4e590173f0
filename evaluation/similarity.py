"""How good look-alikes and clusters are: precision at rank 10, purity and completeness, with errors.

*Precision at rank 10* is the mean, over sources with a detectable event, of the part of their ten nearest neighbours
that are of the same kind (or class). *Purity* is the part of the members of transient-dominant clusters that are
transients of the cluster's kind, *completeness* the part of all detectable transients that are in such a cluster of
their kind. Errors are standard deviations over bootstrap samples of the queries, or of the sources.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F32, F64, I64

__all__ = ["RANK", "ClusterQuality", "Precision", "cluster_quality", "light_curve_features", "precision_at_rank"]

RANK: Final = 10

BOOTSTRAPS: Final = 200

LIGHT_CURVE_BINS: Final = 24


@dataclass(frozen=True, slots=True)
class Precision:
    """Mean precision at rank `RANK` over queries, its standard error, and that of random neighbours."""

    value: float
    error: float
    random: float
    queries: int


def precision_at_rank(
    features: F32, labels: NDArray[np.str_], queries: NDArray[np.bool_], gallery: NDArray[np.bool_], rng_seed: int = 1
) -> Precision:
    """Precision of the nearest neighbours of the queries among the gallery, themselves excluded.

    Parameters
    ----------
    features : ndarray, shape (n, d)
    labels : ndarray, shape (n,), str
    queries, gallery : ndarray, shape (n,), bool
    rng_seed : int — of the bootstrap
    """
    from xherald.plugins.embedders.exact_neighbours import find_nearest, make_tiles

    asked, kept = np.flatnonzero(queries), np.flatnonzero(gallery)
    found, _ = find_nearest(
        make_tiles(np.ascontiguousarray(features[kept], np.float32)),
        np.ascontiguousarray(features[asked], np.float32),
        min(RANK + 1, len(kept)),
        threads=0,
    )
    neighbours = kept[found]
    own = neighbours == asked[:, None]
    # Where a query is not among its own neighbours, the last of them is one too many.
    own[~own.any(axis=1), -1] = True
    same = labels[neighbours] == labels[asked][:, None]
    each = (same & ~own).sum(axis=1) / (neighbours.shape[1] - 1)
    names, number = np.unique(labels[kept], return_counts=True)
    share = dict(zip(names.tolist(), (number / len(kept)).tolist(), strict=True))
    random = float(np.mean([share.get(label, 0.0) for label in labels[asked].tolist()]))
    return Precision(float(each.mean()), _bootstrap(each, rng_seed), random, len(asked))


def _bootstrap(each: F64, seed: int) -> float:
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(each), (BOOTSTRAPS, len(each)))
    return float(each[rows].mean(axis=1).std())


@dataclass(frozen=True, slots=True)
class ClusterQuality:
    """Purity and completeness of transient-dominant clusters, with standard errors; NaN purity without such a cluster.

    Parameters
    ----------
    clusters, dominant : int — number of clusters, and of those that are transient-dominant
    outliers : float — part of the sources
    """

    clusters: int
    dominant: int
    outliers: float
    purity: float
    purity_error: float
    completeness: float
    completeness_error: float


def cluster_quality(
    cluster: I64, dominant: Mapping[int, str], kinds: NDArray[np.str_], transient: NDArray[np.bool_], seed: int = 1
) -> ClusterQuality:
    """Quality of the clusters of a population with known truth.

    Parameters
    ----------
    cluster : ndarray, shape (n,) — 0 for outliers
    dominant : mapping — kind of each transient-dominant cluster
    kinds : ndarray, shape (n,), str
    transient : ndarray, shape (n,), bool — detectable transients, whose completeness is measured
    seed : int — of the bootstrap
    """
    of_cluster = np.array([dominant.get(number, "") for number in range(int(cluster.max(initial=0)) + 1)])
    kind = of_cluster[cluster]
    inside = kind != ""
    right = inside & (kind == kinds)
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(cluster), (BOOTSTRAPS, len(cluster)))

    def measure(some: NDArray[Any]) -> tuple[F64, F64]:
        with np.errstate(invalid="ignore"):
            pure = right[some].sum(axis=-1) / inside[some].sum(axis=-1)
            complete = (right & transient)[some].sum(axis=-1) / transient[some].sum(axis=-1)
        return pure, complete

    purity, completeness = measure(np.arange(len(cluster)))
    purities, completenesses = measure(rows)
    return ClusterQuality(
        clusters=int(cluster.max(initial=0)),
        dominant=len(dominant),
        outliers=float((cluster == 0).mean()),
        purity=float(purity),
        purity_error=float(np.nanstd(purities)) if np.isfinite(purities).any() else float("nan"),
        completeness=float(completeness),
        completeness_error=float(completenesses.std()),
    )


def light_curve_features(curves: F32) -> F32:
    """Light curves of unit length, the baseline of look-alikes.

    Parameters
    ----------
    curves : ndarray, shape (n, time, energy) — maps of counts on livetime, the brightest interval in the middle
    """
    curve = curves.sum(axis=2)
    length = np.linalg.norm(curve, axis=1, keepdims=True)
    unit: F32 = (curve / np.maximum(length, 1e-9)).astype(np.float32)
    return unit
