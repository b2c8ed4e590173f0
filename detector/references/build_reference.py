"""Building a reference: representation, features, embedding, clusters, index and candidates of a population."""

from __future__ import annotations

import platform
import time
from collections.abc import Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.detector.configuration.reference_settings import AssociationSettings
from xherald.detector.progress import Stage
from xherald.photons.arrays import F32, F64, I64
from xherald.photons.errors import ReferenceDataError
from xherald.plugins import FittedExtractor, Sample
from xherald.plugins.contract import Features
from xherald.plugins.reference import Reference, ReferenceCase

from .association import select_candidates, summarise_clusters
from .case_pipeline import Case, represent
from .clustering import find_clusters
from .member_arrays import make_members
from .reference_population import ReferencePopulation, make_source_table

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EmbeddedCase", "build_reference", "embed_case"]


LIBRARIES: Final = ("astropy", "numba", "numpy", "openTSNE", "pynndescent", "scikit-learn", "scipy", "umap-learn")


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedCase:
    """A case up to the clusters, as in the published method.

    Parameters
    ----------
    extractor : FittedExtractor
    features : ndarray, shape (n, d)
    embedding : ndarray, shape (n, 2)
    cluster : ndarray, shape (n,) — 0 for outliers
    means : ndarray, shape (clusters + 1, *shape), float32, or None
        See `ReferenceCase`.
    seconds : dict — duration of each stage
    """

    extractor: FittedExtractor
    features: Features
    embedding: F64
    cluster: I64
    means: F32 | None
    seconds: dict[str, float]


def build_reference(
    name: str,
    number: str,
    population: ReferencePopulation,
    cases: Sequence[Case],
    settings: AssociationSettings,
    *,
    exact_below: int,
    stage: Stage = lambda _: None,
) -> Reference:
    """Build a reference.

    Parameters
    ----------
    name, number : str
        Name and version of the reference.
    population : ReferencePopulation
    cases : sequence of Case
    settings : AssociationSettings
    exact_below : int
        Smaller populations are searched exactly, others with an approximate index.
    stage : callable, optional
        Called with the name of each stage.

    Raises
    ------
    ReferenceDataError
        The population is too small for a case, or its features are not finite.
    """
    who = population.batch.identities[0]
    stage("measuring sources")
    sources, members = make_source_table(population), make_members(population.batch)
    return Reference(
        name=name,
        version=number,
        about={
            "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
            "versions": _versions(),
            "mission": who.mission,
            "instrument": who.instrument,
            "band_kev": [float(edge) for edge in population.batch.band[0]],
            "origin": population.origin,
            "sources": len(population.names),
            "bona_fide": {kind: population.kinds.count(kind) for kind in ("flare", "dip", "other")},
            "association": settings.model_dump(mode="json"),
        },
        sources=sources,
        cases={case.name: _build_case(case, population, settings, exact_below, stage) for case in cases},
        members=members,
    )


def _build_case(
    case: Case, population: ReferencePopulation, settings: AssociationSettings, exact_below: int, stage: Stage
) -> ReferenceCase:
    from xherald.catalog_store.references.neighbour_index import FeatureIndex

    embedded = embed_case(case, population, stage)
    features = np.ascontiguousarray(embedded.features, dtype=np.float32)
    stage(f"{case.name}: index of neighbours")
    with _timed(embedded.seconds, "index"):
        index = FeatureIndex.build(features, exact_below=exact_below)
    clusters = summarise_clusters(embedded.cluster, population.kinds, settings)
    candidates = select_candidates(
        population.names, population.kinds, features, embedded.cluster, clusters, index, settings
    )
    return ReferenceCase(
        name=case.name,
        settings=case.settings(),
        extractor=embedded.extractor,
        features=features,
        embedding=embedded.embedding,
        cluster=embedded.cluster,
        clusters=clusters,
        candidates=candidates,
        index=index,
        measured={
            "clusters": clusters.num_rows - 1,
            "outliers": int((embedded.cluster == 0).sum()),
            "candidates": candidates.num_rows,
            "index": index.kind,
            "recall_at_10": index.recall,
            "seconds": {key: round(value, 3) for key, value in embedded.seconds.items()},
        },
        means=embedded.means,
    )


def embed_case(case: Case, population: ReferencePopulation, stage: Stage = lambda _: None) -> EmbeddedCase:
    """Representation, features, embedding and clusters of a population.

    Raises
    ------
    ReferenceDataError
        The population is too small for the case, or its features are not finite.
    """
    seconds: dict[str, float] = {}

    def report(what: str) -> None:
        stage(f"{case.name}: {what}")

    report("representation")
    with _timed(seconds, "representation"):
        sample = represent(population.batch, case)
    report("features")
    with _timed(seconds, "features"):
        extractor, features = case.extractor.fit(sample, case.extractor_options, report)
    _refuse_not_finite(features, population.names, case.name)
    report("embedding")
    with _timed(seconds, "embedding"):
        embedding = case.embedder.fit(features, case.embedder_options, report)
    report("clusters")
    with _timed(seconds, "clustering"):
        cluster = find_clusters(embedding, case.clustering)
    return EmbeddedCase(extractor, features, embedding, cluster, _means(sample, cluster), seconds)


def _refuse_not_finite(features: Features, names: Sequence[str], case: str) -> None:
    wrong = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if wrong.size:
        raise ReferenceDataError(
            f"case {case}: features of {wrong.size:,} sources are not finite, the first of {names[wrong[0]]}; "
            "check the extractor and the representation of the case"
        )


def _means(sample: Sample, cluster: I64) -> F32 | None:
    """Mean representation of every cluster, the outliers first; None without axes of time and energy to show it on."""
    if sample.values is None or len(sample.shape) < 2:
        return None
    from scipy.sparse import csr_array

    n, number = len(cluster), int(cluster.max(initial=0)) + 1
    sizes = np.maximum(np.bincount(cluster, minlength=number), 1)
    weights = csr_array((1.0 / sizes[cluster], (cluster, np.arange(n))), shape=(number, n), dtype=np.float32)
    flat = sample.values if sample.values.ndim == 2 else sample.values.reshape(n, -1)
    mean = weights @ flat
    dense = mean.toarray() if hasattr(mean, "toarray") else mean
    means: F32 = np.asarray(dense, dtype=np.float32).reshape(number, *sample.shape)
    return means


@contextmanager
def _timed(seconds: dict[str, float], what: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    seconds[what] = time.perf_counter() - start


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), "xherald": version("xherald")} | {
        name: version(name) for name in LIBRARIES
    }
