"""A plain implementation of the published method with numpy and scikit-learn, for comparison.

A loop over sources, a numpy histogram each, a dense array for scikit-learn (Dillmann et al. 2025, MNRAS 537, 931, §3).
Nothing of xherald's is used here.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import DBSCAN
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE

from xherald.photons.arrays import F64

__all__ = ["clusters", "cubes", "maps", "pca", "tsne"]


ENERGY_RANGE = (np.log10(500.0), np.log10(7000.0))
"""log10 of eV."""


def _min_max(values: F64) -> F64:
    return (values - values.min()) / (values.max() - values.min())


def maps(
    times: Sequence[F64], energies_ev: Sequence[F64], *, normalise: bool = False, bins: tuple[int, int] = (24, 16)
) -> F64:
    """Energy–time maps, shape (n, time, energy), of each source's arrival times and energies in eV.

    A source whose photons are at one instant has no time axis; numpy warns and gives an empty map.
    """
    out = np.empty((len(times), *bins))
    for number, (t, energy) in enumerate(zip(times, energies_ev, strict=True)):
        tau = (t - t.min()) / (t.max() - t.min())
        counts, _, _ = np.histogram2d(tau, np.log10(energy), range=[[0, 1], ENERGY_RANGE], bins=bins)
        out[number] = _min_max(counts) if normalise else counts
    return out


def cubes(
    times: Sequence[F64],
    energies_ev: Sequence[F64],
    *,
    normalise: bool = False,
    bins: tuple[int, int, int] = (24, 16, 16),
) -> F64:
    """Energy–time–waiting-time cubes, shape (n, time, energy, waiting time); without the last photon.

    Sources without a time or waiting-time axis come out empty, with numpy's warning.
    """
    out = np.empty((len(times), *bins))
    ranges = [[0, 1], ENERGY_RANGE, [0, 1]]
    for number, (t, energy) in enumerate(zip(times, energies_ev, strict=True)):
        wait = np.diff(t)
        t = t[:-1]
        axes = (
            (t - t.min()) / (t.max() - t.min()),
            np.log10(energy[:-1]),
            (wait - wait.min()) / (wait.max() - wait.min()),
        )
        counts, _ = np.histogramdd(np.column_stack(axes), range=ranges, bins=bins)
        out[number] = _min_max(counts) if normalise else counts
    return out


def pca(values: F64, components: int, *, random_state: int = 11) -> F64:
    """Principal components of arrays of any shape, flattened, shape (n, components)."""
    return PCA(n_components=components, random_state=random_state).fit_transform(values.reshape(len(values), -1))


def tsne(
    features: NDArray[np.floating],
    *,
    random_state: int = 11,
    perplexity: float = 50,
    learning_rate: float = 100,
    max_iter: int = 1000,
    early_exaggeration: float = 1,
) -> F64:
    """The published embedding, shape (n, 2)."""
    return TSNE(
        n_components=2,
        perplexity=perplexity,
        learning_rate=learning_rate,
        max_iter=max_iter,
        early_exaggeration=early_exaggeration,
        init="random",
        random_state=random_state,
    ).fit_transform(features)


def clusters(embedding: F64, *, eps: float = 2.5, min_samples: int = 25) -> NDArray[np.int64]:
    """Clusters of the embedding, numbered from 1; 0 for outliers, shape (n,)."""
    return DBSCAN(eps=eps, min_samples=min_samples).fit_predict(embedding) + 1
