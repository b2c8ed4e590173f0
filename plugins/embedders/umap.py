"""UMAP (McInnes, Healy & Melville 2018, arXiv:1802.03426) with umap-learn.

Neighbours are exact and found here; umap-learn would compile pynndescent, which takes longer than the embedding.
"""

from __future__ import annotations

import sys
import warnings
from importlib import import_module
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from xherald.photons.arrays import F32, F64
from xherald.plugins.contract import Advance, Embedder, Features, Options

from .embedder_checks import check_population

__all__ = ["UMAPEmbedder", "UMAPOptions"]


PARAMETRIC = "umap.parametric_umap"


class UMAPOptions(Options):
    """Options of `umap`.

    Parameters
    ----------
    neighbours : int — neighbours of each source, itself included
    min_dist : float — smallest distance of sources in the embedding
    epochs : int or None — None for 500 with up to 10,000 sources and 200 with more
    random_state : int — the seed
    """

    neighbours: int = Field(default=15, ge=2)
    min_dist: float = Field(default=0.1, ge=0, le=1)
    epochs: int | None = Field(default=None, ge=1)
    random_state: int = Field(default=11, ge=0)


class UMAPEmbedder(Embedder[UMAPOptions]):
    """UMAP; its distances are about a tenth of those of t-SNE, so set DBSCAN's eps accordingly."""

    name: ClassVar[str] = "umap"

    def fit(self, features: Features, options: UMAPOptions, advance: Advance = lambda _: None) -> F64:
        """Embed a population, shape (n, 2): see `Embedder.fit`."""
        from .exact_neighbours import MAX_EXACT_SOURCES

        # With fewer than four sources the graph lacks the two eigenvectors of the initial positions.
        check_population(features, max(options.neighbours, 3), f"{options.neighbours} neighbours")
        found = _neighbours(features, options.neighbours) if len(features) <= MAX_EXACT_SOURCES else (None, None, None)
        advance(f"UMAP of {len(features)} sources")
        with warnings.catch_warnings():
            # The warning is correct and irrelevant: new sources are embedded by interpolation.
            warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
            mapper = _umap()(
                n_neighbors=options.neighbours,
                min_dist=options.min_dist,
                n_epochs=options.epochs,
                random_state=options.random_state,
                precomputed_knn=found,
                n_jobs=1,  # umap-learn sets this, with a warning, whenever there is a seed
            )
            return np.asarray(mapper.fit_transform(features), dtype=np.float64)


def _neighbours(features: Features, k: int) -> tuple[NDArray[np.int64], F32]:
    """Neighbours in umap-learn's form: the first of each source is itself."""
    from .exact_neighbours import find_nearest_others

    rows, distances = find_nearest_others(features, k - 1)
    own = np.arange(len(features), dtype=np.int64)[:, None]
    return np.hstack([own, rows]), np.pad(distances, ((0, 0), (1, 0))).astype(np.float32)


def _umap() -> Any:
    """The class UMAP, imported without TensorFlow (8 s and 0.6 GB), which the parametric variant of UMAP imports.

    The package handles an ImportError of this variant with a warning; the variant can be imported afterwards.
    """
    if "umap" in sys.modules:
        return import_module("umap.umap_").UMAP
    sys.modules[PARAMETRIC] = None  # type: ignore[assignment]
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Tensorflow not installed", ImportWarning)
            return import_module("umap.umap_").UMAP
    finally:
        del sys.modules[PARAMETRIC]
