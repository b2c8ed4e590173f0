"""UMAP: McInnes, Healy & Melville 2018 (arXiv:1802.03426), umap-learn's.

Neighbours are exact ones, found here: umap-learn would compile pynndescent for them, which takes longer than the map.
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

from .embedder_checks import require_mappable

__all__ = ["UMAPEmbedder", "UMAPOptions"]


PARAMETRIC = "umap.parametric_umap"


class UMAPOptions(Options):
    """How the map is made.

    Parameters
    ----------
    neighbours : int — of each source, itself among them, that the map is to keep
    min_dist : float — how close sources may come on the map
    epochs : int or None — rounds; None for 500 of up to 10,000 sources and 200 of more
    random_state : int — the seed
    """

    neighbours: int = Field(default=15, ge=2)
    min_dist: float = Field(default=0.1, ge=0, le=1)
    epochs: int | None = Field(default=None, ge=1)
    random_state: int = Field(default=11, ge=0)


class UMAPEmbedder(Embedder[UMAPOptions]):
    """UMAP; distances on its maps are about a tenth of t-SNE's, and DBSCAN's eps is to be set accordingly."""

    name: ClassVar[str] = "umap"

    def fit(self, features: Features, options: UMAPOptions, advance: Advance = lambda _: None) -> F64:
        """Place a whole population, shape (n, 2): see `Embedder.fit`."""
        from .exact_neighbours import MAX_EXACT_SOURCES

        # Four sources are the fewest whose graph has the two eigenvectors that the map starts from.
        require_mappable(features, max(options.neighbours, 3), f"{options.neighbours} neighbours")
        found = _neighbours(features, options.neighbours) if len(features) <= MAX_EXACT_SOURCES else (None, None, None)
        advance(f"UMAP of {len(features)} sources")
        with warnings.catch_warnings():
            # True, and of no concern: new sources are placed among their neighbours.
            warnings.filterwarnings("ignore", r"precomputed_knn\[2\]", UserWarning)
            mapper = _umap()(
                n_neighbors=options.neighbours,
                min_dist=options.min_dist,
                n_epochs=options.epochs,
                random_state=options.random_state,
                precomputed_knn=found,
                n_jobs=1,  # what umap-learn makes of any other number where there is a seed, with a warning
            )
            return np.asarray(mapper.fit_transform(features), dtype=np.float64)


def _neighbours(features: Features, k: int) -> tuple[NDArray[np.int64], F32]:
    """Neighbours as umap-learn wants them: each source's first is itself."""
    from .exact_neighbours import find_nearest_others

    rows, distances = find_nearest_others(features, k - 1)
    own = np.arange(len(features), dtype=np.int64)[:, None]
    return np.hstack([own, rows]), np.pad(distances, ((0, 0), (1, 0))).astype(np.float32)


def _umap() -> Any:
    """umap-learn's class without TensorFlow, which its parametric variant would import (8 s and 0.6 GB) if installed.

    The package catches that this variant cannot be imported, and says so in a warning; it can be imported afterwards.
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
