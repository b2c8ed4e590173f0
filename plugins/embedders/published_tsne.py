"""t-SNE as in the published method: scikit-learn, random initialisation, no early exaggeration.

Dillmann et al. 2025 (MNRAS 537, 931), §3.4; van der Maaten & Hinton 2008 (JMLR 9, 2579); Barnes–Hut approximation of
van der Maaten 2014 (JMLR 15, 3221). The embedding depends on the version of scikit-learn and on the processor; a
thousand iterations for 20,000 sources take minutes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64
from xherald.plugins.contract import Advance, Embedder, Features, Options

from .embedder_checks import check_population

__all__ = ["PublishedTSNE", "PublishedTSNEOptions"]


class PublishedTSNEOptions(Options):
    """Arguments of `sklearn.manifold.TSNE`; the others have its defaults.

    Parameters
    ----------
    perplexity : float — effective number of neighbours
    learning_rate : float or "auto" — "auto" depends on the number of sources
    max_iter : int — iterations, at least 250
    early_exaggeration : float — factor of the attraction in the first 250 iterations
    init : "random" or "pca" — initial positions
    random_state : int — the seed
    """

    perplexity: float = Field(default=50.0, gt=0)
    learning_rate: float | Literal["auto"] = 100.0
    max_iter: int = Field(default=1000, ge=250)
    early_exaggeration: float = Field(default=1.0, ge=1)
    init: Literal["random", "pca"] = "random"
    random_state: int = Field(default=11, ge=0)


class PublishedTSNE(Embedder[PublishedTSNEOptions]):
    """scikit-learn's t-SNE with the published settings: exact to reproduce, slow for large sets."""

    name: ClassVar[str] = "tsne"

    def fit(self, features: Features, options: PublishedTSNEOptions, advance: Advance = lambda _: None) -> F64:
        """Embed a population, shape (n, 2): see `Embedder.fit`."""
        from sklearn.manifold import TSNE

        check_population(features, options.perplexity, f"perplexity {options.perplexity:g}")
        advance(f"t-SNE of {len(features)} sources, {options.max_iter} iterations")
        return np.asarray(TSNE(**options.model_dump()).fit_transform(features), dtype=np.float64)
