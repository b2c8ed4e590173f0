"""t-SNE of large sets: openTSNE with interpolated forces, exact neighbours, initialised with principal components.

openTSNE: Poličar, Stražar & Zupan 2024 (J. Stat. Soft. 109, 3); interpolated forces: Linderman et al. 2019 (Nature
Methods 16, 243); initialisation, learning rate, exaggeration: Kobak & Berens 2019 (Nature Communications 10, 5416),
Belkina et al. 2019 (Nature Communications 10, 5415). The embedding minimises the same function with the same perplexity
as the published one, and stops where it is as low as after a thousand iterations of the published call (2.79 and 2.89
for 20,000 simulated sources); more iterations make the embedding larger, which changes the meaning of DBSCAN's eps.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, ClassVar, Final, Literal

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64
from xherald.plugins.contract import Advance, Embedder, Features, Options

from .embedder_checks import check_population

if TYPE_CHECKING:
    from openTSNE.affinity import Affinities

__all__ = ["FastTSNE", "FastTSNEOptions"]


NEIGHBOURS_PER_PERPLEXITY: Final = 3
"""Neighbours beyond three times the perplexity have negligible weights (van der Maaten 2014, section 4.1)."""

INITIAL_SPREAD: Final = 1e-4
"""Standard deviation of the initial positions along the first axis, small compared with the result."""

MIN_THREADED_SOURCES: Final = 10_000
"""Sources below which threads gain little on idle cores and lose much on busy ones."""

MIN_LEARNING_RATE: Final = 200.0
"""Learning rate below which embeddings of few sources do not unfold; as in scikit-learn, in other units."""

MOMENTUM: Final = (0.5, 0.8)
"""Momentum with early exaggeration and after it (van der Maaten & Hinton 2008, section 3.4)."""


class FastTSNEOptions(Options):
    """Options of `fast_tsne`.

    Parameters
    ----------
    perplexity : float — effective number of neighbours
    early_iterations : int — iterations with early exaggeration
    early_exaggeration : float — factor of the attraction in these iterations, so that groups form before they spread
    iterations : int — iterations after these
    exaggeration : float — factor in these iterations; above 1 clusters contract
    learning_rate : float or "auto" — "auto" is the number of sources over the exaggeration, or 200
    initialisation : "pca" or "random" — initial positions: two principal components, or random
    neighbours : "auto", "exact" or "approximate"
        Search of neighbours: exact, or with annoy's trees; "auto" is exact up to 200,000 sources.
    random_state : int — the seed
    threads : int — 0 for one for each core, or one thread for fewer than 10,000 sources
    """

    perplexity: float = Field(default=50.0, ge=1)
    early_iterations: int = Field(default=100, ge=0)
    early_exaggeration: float = Field(default=12.0, ge=1)
    iterations: int = Field(default=250, ge=1)
    exaggeration: float = Field(default=1.0, ge=1)
    learning_rate: float | Literal["auto"] = "auto"
    initialisation: Literal["pca", "random"] = "pca"
    neighbours: Literal["auto", "exact", "approximate"] = "auto"
    random_state: int = Field(default=11, ge=0)
    threads: int = Field(default=0, ge=0)


class FastTSNE(Embedder[FastTSNEOptions]):
    """t-SNE for large sets, many times faster than the published call and as faithful to the neighbours."""

    name: ClassVar[str] = "fast_tsne"

    def fit(self, features: Features, options: FastTSNEOptions, advance: Advance = lambda _: None) -> F64:
        """Embed a population, shape (n, 2): see `Embedder.fit`."""
        import openTSNE

        # A source has at most all others as neighbours, and needs as many of them as the perplexity.
        check_population(features, options.perplexity + 1, f"perplexity {options.perplexity:g}")
        threads = options.threads or (1 if len(features) < MIN_THREADED_SOURCES else os.cpu_count() or 1)
        advance(f"neighbours of {len(features)} sources")
        affinities = _affinities(features, options, threads)
        embedding = openTSNE.TSNEEmbedding(
            _initial_positions(features, options), affinities, n_jobs=threads, random_state=options.random_state
        )
        advance(f"t-SNE of {len(features)} sources, {options.early_iterations} + {options.iterations} iterations")
        for rounds, strength, momentum in (
            (options.early_iterations, options.early_exaggeration, MOMENTUM[0]),
            (options.iterations, options.exaggeration, MOMENTUM[1]),
        ):
            if rounds:
                rate = options.learning_rate
                rate = max(len(features) / strength, MIN_LEARNING_RATE) if rate == "auto" else rate
                embedding = embedding.optimize(rounds, exaggeration=strength, momentum=momentum, learning_rate=rate)
        return np.array(embedding, dtype=np.float64)


def _affinities(features: Features, options: FastTSNEOptions, threads: int) -> Affinities:
    """Affinities of sources to their neighbours."""
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    from .exact_neighbours import MAX_EXACT_SOURCES, find_nearest_others

    n = len(features)
    k = min(n - 1, int(NEIGHBOURS_PER_PERPLEXITY * options.perplexity))
    if options.neighbours == "approximate" or (options.neighbours == "auto" and n > MAX_EXACT_SOURCES):
        return PerplexityBasedNN(
            features,
            perplexity=options.perplexity,
            method="annoy",
            k_neighbors=k,
            n_jobs=threads,
            random_state=options.random_state,
        )
    found = PrecomputedNeighbors(*find_nearest_others(features, k, threads))
    return PerplexityBasedNN(knn_index=found, perplexity=options.perplexity, n_jobs=threads)


def _initial_positions(features: Features, options: FastTSNEOptions) -> F64:
    """Initial positions: two principal components, or random.

    Noise of a hundredth of the spread separates sources with equal features.
    """
    random = np.random.default_rng(options.random_state)
    start: F64 = random.normal(scale=INITIAL_SPREAD, size=(len(features), 2))
    if options.initialisation == "random":
        return start
    centred = features.astype(np.float64) - features.mean(axis=0, dtype=np.float64)
    strengths, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, np.argsort(-strengths, kind="stable")[:2]]
    # The sign of an axis is arbitrary; its largest component is made positive, on every machine.
    axes *= np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    components = centred @ axes
    start /= 100
    start[:, : components.shape[1]] += components * (INITIAL_SPREAD / components[:, 0].std())
    return start
