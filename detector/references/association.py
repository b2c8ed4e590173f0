"""Candidates of a reference: sources in clusters with, or next to, bona-fide transients.

A cluster is *transient-dominant* if it contains more bona-fide transients than expected by chance. Let f be the
fraction of all sources that are bona-fide transients of a kind. A cluster of n sources, k of them such transients, has
an enrichment of k / (n f), and the probability of k or more by chance is the binomial P(K ≥ k | n, f). The cluster is
dominant in that kind if k, the enrichment, and the probability times the number of trials (clusters × kinds) pass the
thresholds of `AssociationSettings`. Transients that are neither flares nor dips in the published list are bursts and
count as flares.

Candidates are the members of transient-dominant clusters and the nearest neighbours of every bona-fide transient in
feature space (Dillmann et al. 2025, section 4).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.detector.configuration.reference_settings import AssociationSettings
from xherald.photons.arrays import F32, I64

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pyarrow as pa

    from xherald.plugins.reference import NeighbourIndex

__all__ = ["select_candidates", "summarise_clusters"]


COUNTED_AS: Final = {"flare": ("flare", "other"), "dip": ("dip",)}
"""Kinds that a cluster can be dominant in, and the kinds of bona-fide transients counted for each."""


def summarise_clusters(cluster: I64, kinds: Sequence[str], settings: AssociationSettings) -> pa.Table:
    """One row for each cluster, outliers (0) first.

    Parameters
    ----------
    cluster : ndarray, shape (n,) — 0 for outliers
    kinds : sequence of str, length n — kind of bona-fide transient, "" for ordinary sources
    settings : AssociationSettings

    Returns
    -------
    pyarrow.Table
        cluster; sources, flares, dips, others: numbers of members; enrichment and p_value of the most significant kind
        (p_value is the binomial probability times the number of trials, at most 1); dominant: that kind if it passes
        the thresholds, else "". Outliers are never dominant.
    """
    import pyarrow as pa
    from scipy.stats import binom

    number = int(cluster.max(initial=0)) + 1
    label = np.array(kinds)
    sizes = np.bincount(cluster, minlength=number)
    members = {kind: np.bincount(cluster[label == kind], minlength=number) for kind in ("flare", "dip", "other")}
    trials = max((number - 1) * len(COUNTED_AS), 1)
    p, enrichment, dominant = np.ones(number), np.zeros(number), np.full(number, "", dtype="<U5")
    for kind, counted in COUNTED_AS.items():
        transients: I64 = sum((members[one] for one in counted), np.zeros(number, dtype=np.int64))
        fraction = transients.sum() / len(cluster)
        chance = np.minimum(binom.sf(transients - 1, sizes, fraction) * trials, 1.0)
        ratio = transients / np.maximum(sizes * fraction, np.finfo(np.float64).tiny)
        is_best = (chance < p) | ((chance == p) & (ratio > enrichment))
        passes = (
            (transients >= settings.min_transients)
            & (ratio >= settings.min_enrichment)
            & (chance <= settings.max_p_value)
        )
        p[is_best], enrichment[is_best] = chance[is_best], ratio[is_best]
        dominant[is_best] = np.where(passes, kind, "")[is_best]
    dominant[0] = ""
    return pa.table(
        {
            "cluster": np.arange(number, dtype=np.int64),
            "sources": sizes,
            "flares": members["flare"],
            "dips": members["dip"],
            "others": members["other"],
            "enrichment": enrichment,
            "p_value": p,
            "dominant": pa.array(dominant.tolist()),
        }
    )


def select_candidates(
    names: Sequence[str],
    kinds: Sequence[str],
    features: F32,
    cluster: I64,
    clusters: pa.Table,
    index: NeighbourIndex,
    settings: AssociationSettings,
) -> pa.Table:
    """One row for each candidate, the nearest to a bona-fide transient first; bona-fide transients are excluded.

    Parameters
    ----------
    names, kinds : sequence of str, length n
    features : ndarray, shape (n, d)
    cluster : ndarray, shape (n,)
    clusters : pyarrow.Table — of `summarise_clusters`
    index : NeighbourIndex — of the features
    settings : AssociationSettings

    Returns
    -------
    pyarrow.Table
        obsreg_id; kind: that of its nearest bona-fide transient, or of its cluster if that is the only criterion;
        through: "cluster", "neighbour" or "both"; cluster; nearest: obsreg_id of the nearest bona-fide transient;
        distance: to it in feature space.
    """
    import pyarrow as pa

    from xherald.plugins.embedders.exact_neighbours import find_nearest, make_tiles

    label = np.array(kinds)
    known = np.flatnonzero(label != "")
    dominant = np.array(clusters.column("dominant").to_pylist())[cluster]
    in_cluster = (dominant != "") & (label == "")
    is_neighbour = np.zeros(len(names), dtype=np.bool_)
    if settings.neighbours:
        near, _ = index.query(features[known], min(settings.neighbours + 1, len(names)))
        is_neighbour[near.ravel()] = True
        is_neighbour[known] = False
    rows = np.flatnonzero(in_cluster | is_neighbour)
    nearest, distance = (
        found[:, 0] for found in find_nearest(make_tiles(features[known]), features[rows], 1, threads=0)
    )
    order = np.argsort(distance, kind="stable")
    rows, nearest, distance = rows[order], nearest[order], distance[order]
    through = np.where(in_cluster[rows], np.where(is_neighbour[rows], "both", "cluster"), "neighbour")
    kind = np.where(through == "cluster", dominant[rows], label[known][nearest]) if len(rows) else np.array([], "<U5")
    name = np.array(names)
    return pa.table(
        {
            "obsreg_id": pa.array(name[rows].tolist(), pa.string()),
            "kind": pa.array(kind.tolist(), pa.string()),
            "through": pa.array(through.tolist(), pa.string()),
            "cluster": cluster[rows],
            "nearest": pa.array(name[known][nearest].tolist(), pa.string()),
            "distance": distance,
        }
    )
