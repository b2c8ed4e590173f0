"""Embedding and neighbours of a population as large as the published catalogue, with reference implementations.

Features are 15 principal components of E–t maps of simulated Chandra sources, the published 2D-PCA case.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xherald.plugins.embedding import interpolate_positions
from xherald.plugins.reference import NeighbourIndex

__all__ = ["bench_embedding", "bench_neighbours"]

WHOLE = 95_473
"""Number of sources in the published catalogue."""
EPS, MIN_SAMPLES = 2.5, 25
"""Settings of DBSCAN in the published method."""
SUBSAMPLE, NEIGHBOURS = 5_000, 12
"""Trustworthiness is measured on a fixed random sample of both embeddings, for this number of neighbours."""
QUERIES = 2_000
NEAREST = 10

READY = """
import json, sys, time
start = time.perf_counter()
from pathlib import Path
from xherald.catalog_store.references.neighbour_index import FeatureIndex
from xherald.photons.artefact_folders import load_arrays
folder = Path(sys.argv[1])
features = load_arrays(folder / "features.npz", "features")["features"]
index = FeatureIndex.load(folder, features)
index.query(features[:1], 10)
print(json.dumps(time.perf_counter() - start))
"""


def bench_embedding(sources: int = WHOLE) -> dict[str, float]:
    """`fast_tsne` and DBSCAN against scikit-learn's t-SNE as the published method calls it and DBSCAN, same features.

    At the published catalogue's size the latter takes a quarter of an hour or more on two cores.
    """
    from sklearn.cluster import DBSCAN
    from sklearn.manifold import trustworthiness

    from xherald.plugins.embedders.fast_tsne import FastTSNE, FastTSNEOptions
    from xherald.plugins.embedders.published_tsne import PublishedTSNE, PublishedTSNEOptions

    features = _features(sources)
    part = np.random.default_rng(0).choice(sources, min(SUBSAMPLE, sources), replace=False)
    figures: dict[str, float] = {"sources": sources}
    FastTSNE().fit(features[:1000], FastTSNEOptions())  # kernels compiled, libraries loaded
    for name, fit in (
        ("fast", lambda: FastTSNE().fit(features, FastTSNEOptions())),
        ("published", lambda: PublishedTSNE().fit(features, PublishedTSNEOptions())),
    ):
        start = time.perf_counter()
        embedding = fit()
        cluster = DBSCAN(eps=EPS, min_samples=MIN_SAMPLES).fit_predict(embedding)
        figures[f"{name}_s"] = time.perf_counter() - start
        figures[f"{name}_trustworthiness"] = float(
            trustworthiness(features[part], embedding[part], n_neighbors=NEIGHBOURS)
        )
        figures[f"{name}_clusters"] = float(cluster.max() + 1)
        figures[f"{name}_outlier_fraction"] = float((cluster < 0).mean())
        figures[f"{name}_extent"] = float(np.abs(embedding).max())
    figures["times_faster"] = figures["published_s"] / figures["fast_s"]
    figures["trustworthiness_gained"] = figures["fast_trustworthiness"] - figures["published_trustworthiness"]
    return figures


def bench_neighbours(sources: int = WHOLE) -> dict[str, float]:
    """Build and save an index, load it in a new process, and find the ten nearest neighbours of single sources.

    Building includes what pynndescent compiles in every process; `ready_first_time_s` has our kernels compiled anew.
    """
    from xherald.catalog_store.references.neighbour_index import FeatureIndex
    from xherald.photons.artefact_folders import save_arrays

    features = _features(sources + QUERIES).astype(np.float32)
    features, queries = features[:sources], features[sources:]
    start = time.perf_counter()
    index = FeatureIndex.build(features, exact_below=0)
    figures = {"build_s": time.perf_counter() - start, "recall_at_10_at_build": index.recall}
    exact = FeatureIndex(features)
    _, true = exact.query(queries, NEAREST)
    _, found = index.query(queries, NEAREST)
    figures["recall_at_10_of_new_sources"] = float((found <= true[:, -1:]).mean())
    for name, one in (("approximate", index), ("exact", exact)):
        figures[f"{name}_ms"] = _median_ms(lambda query, one=one: one.query(query, NEAREST), queries)
    figures["neighbours_and_place_ms"] = _median_ms(lambda query: _place(index, features[:, :2], query), queries)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "index"
        folder.mkdir()
        index.save(folder)
        save_arrays(folder / "features.npz", features=features)
        figures["kept_mib"] = sum(path.stat().st_size for path in folder.iterdir()) / 2**20
        cold = {**os.environ, "NUMBA_CACHE_DIR": str(Path(temporary) / "compiled")}
        figures["ready_first_time_s"] = _ready(folder, cold)
        figures["ready_s"] = statistics.median(_ready(folder, cold) for _ in range(3))
    return figures


def _features(sources: int) -> NDArray[np.float64]:
    """Principal components, shape (n, 15), in double precision as in the published method."""
    from xherald.plugins import Sample
    from xherald.plugins.extractors import PcaExtractor
    from xherald.plugins.representations import EtMap
    from xherald.simulation.population.population import simulate_population

    batch = simulate_population(sources, seed=5, workers=2).batch
    options = EtMap.options_model()
    sample = Sample(batch, EtMap().transform(batch, options), EtMap().shape(options))
    _, features = PcaExtractor().fit(sample, PcaExtractor.options_model(components=15, solver="published"))
    return features.astype(np.float64, copy=False)


def _median_ms(query: Callable[[NDArray[np.float32]], object], queries: NDArray[np.float32]) -> float:
    """Median time of a query for one source, ms."""
    taken = []
    for row in range(len(queries)):
        start = time.perf_counter()
        query(queries[row : row + 1])
        taken.append(time.perf_counter() - start)
    return 1e3 * statistics.median(taken)


def _place(index: NeighbourIndex, embedding: NDArray[np.float32], query: NDArray[np.float32]) -> NDArray[np.float64]:
    """Position of a new source in an arbitrary embedding, for its time."""
    rows, distances = index.query(query, NEAREST)
    return interpolate_positions(distances, embedding[rows])


def _ready(folder: Path, environment: dict[str, str]) -> float:
    """Time from the first import in a process to the first result, s."""
    command = [sys.executable, "-c", READY, str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    return float(json.loads(done.stdout))
