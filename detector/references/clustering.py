"""Clusters of an embedding: DBSCAN with a given or density-dependent radius, or HDBSCAN."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.photons.arrays import F64, I64

if TYPE_CHECKING:
    from xherald.plugins.cases import Clustering

__all__ = ["DENSITY_FACTOR", "find_clusters", "radius_of_density"]

DENSITY_FACTOR: Final = 0.8
"""eps over the median distance to the `min_samples`-th neighbour. docs/similarity.md has purities and completenesses of
this and other choices."""


def find_clusters(embedding: F64, settings: Clustering) -> I64:
    """Clusters of an embedding, numbered from 1; 0 for outliers.

    Parameters
    ----------
    embedding : ndarray, shape (n, 2)
    settings : Clustering
    """
    if settings.method == "hdbscan":
        from sklearn.cluster import HDBSCAN

        smallest = max(settings.min_samples, 2)
        if len(embedding) < smallest:
            return np.zeros(len(embedding), dtype=np.int64)
        # Leaves of the tree: excess of mass, the default, joins nearly all sources of a t-SNE map into one cluster.
        labels = HDBSCAN(min_cluster_size=smallest, cluster_selection_method="leaf", copy=True).fit_predict(embedding)
    else:
        from sklearn.cluster import DBSCAN

        eps = radius_of_density(embedding, settings.min_samples) if settings.eps == "density" else settings.eps
        labels = DBSCAN(eps=eps, min_samples=settings.min_samples).fit_predict(embedding)
    found: I64 = labels.astype(np.int64)
    return found + 1


def radius_of_density(embedding: F64, neighbours: int) -> float:
    """`DENSITY_FACTOR` times the median distance of a source to its neighbour of this rank, in units of the embedding.

    Parameters
    ----------
    embedding : ndarray, shape (n, 2)
    neighbours : int — rank; that of the last source if there are fewer
    """
    from sklearn.neighbors import NearestNeighbors

    rank = min(neighbours, len(embedding) - 1)
    distances, _ = NearestNeighbors(n_neighbors=rank + 1).fit(embedding).kneighbors(embedding)
    # Sources that are all at one place have no distance, but DBSCAN needs a positive one.
    return max(DENSITY_FACTOR * float(np.median(distances[:, -1])), float(np.finfo(np.float64).tiny))
