"""t-SNE as the published method calls it: scikit-learn's, random start, next to no early exaggeration.

Dillmann et al. 2025 (MNRAS 537, 931), §3.4; van der Maaten & Hinton 2008 (JMLR 9, 2579); Barnes–Hut approximation of
van der Maaten 2014 (JMLR 15, 3221). The map depends on scikit-learn's version and the processor's arithmetic; a
thousand rounds over 20,000 sources take minutes.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64
from xherald.plugins.contract import Advance, Embedder, Features, Options

from .embedder_checks import require_mappable

__all__ = ["PublishedTSNE", "PublishedTSNEOptions"]


class PublishedTSNEOptions(Options):
    """Arguments of `sklearn.manifold.TSNE`; those not here are its defaults.

    Parameters
    ----------
    perplexity : float — how many neighbours a source has, as it were
    learning_rate : float or "auto" — how far a step leads; "auto" goes by the number of sources
    max_iter : int — rounds in all; scikit-learn does 250 at least
    early_exaggeration : float — how much stronger sources attract each other in the first 250 rounds
    init : "random" or "pca" — where sources begin
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
        """Place a whole population, shape (n, 2): see `Embedder.fit`."""
        from sklearn.manifold import TSNE

        require_mappable(features, options.perplexity, f"perplexity {options.perplexity:g}")
        advance(f"t-SNE of {len(features)} sources, {options.max_iter} rounds")
        return np.asarray(TSNE(**options.model_dump()).fit_transform(features), dtype=np.float64)
