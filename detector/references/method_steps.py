"""The published method, one step at a time: represent, extract features, embed, cluster, find analogues.

Each step takes what the step before it gave, in memory or from a file (`step_files`), with every option of its plugin;
`build_reference` takes all of them at once. Dillmann et al. 2025 (MNRAS 537, 931), section 3.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from xherald.detector.progress import Stage
from xherald.photons import EventBatch, Identity
from xherald.photons.errors import ConfigError, ReferenceDataError
from xherald.plugins import PluginHost, Sample
from xherald.plugins.cases import Clustering

from .clustering import find_clusters
from .step_files import EmbeddingTable, FeatureTable, SavedRepresentations

if TYPE_CHECKING:
    from xherald.plugins import Options, Plugin

__all__ = [
    "NamedSources",
    "cluster_embedding",
    "embed_features",
    "extract_features",
    "find_analogues",
    "represent_sources",
]


@dataclass(frozen=True, slots=True, eq=False)
class NamedSources:
    """Photon lists with their names, as `reference_population.sort_by_name` gives them.

    Parameters
    ----------
    names : tuple of str
    batch : EventBatch — in their order
    """

    names: tuple[str, ...]
    batch: EventBatch


def represent_sources(
    sources: NamedSources, representation: str, options: Mapping[str, Any], host: PluginHost
) -> SavedRepresentations:
    """Represent sources as arrays of one shape.

    Parameters
    ----------
    sources : NamedSources
    representation : str
        Name of a representation, such as "et_map" or "etdt_cube".
    options : mapping
        Options of the representation; the others have their defaults.
    host : PluginHost

    Raises
    ------
    ConfigError
        There is no such representation, or an option is wrong.
    """
    plugin, checked = _choose("representation", host.representations, representation, options, host)
    return SavedRepresentations(sources.names, plugin.transform(sources.batch, checked), plugin.shape(checked))


def extract_features(
    source: SavedRepresentations | NamedSources,
    extractor: str,
    options: Mapping[str, Any],
    host: PluginHost,
    stage: Stage = lambda _: None,
) -> FeatureTable:
    """Learn features from a population, or apply an encoder to it.

    Parameters
    ----------
    source : SavedRepresentations or NamedSources
        Representations, or photon lists for an extractor that takes these ("timing").
    extractor : str
        Name of an extractor, such as "pca" or "autoencoder".
    options : mapping
        Options of the extractor; the others have their defaults.
    host : PluginHost
    stage : callable, optional
        Called with the name of each stage.

    Raises
    ------
    ConfigError
        There is no such extractor, or an option is wrong.
    ReferenceDataError
        The population is too small, or the extractor needs what the source does not have.
    """
    plugin, checked = _choose("extractor", host.extractors, extractor, options, host)
    if isinstance(source, NamedSources):
        sample = Sample(source.batch)
    else:
        sample = Sample(cast("EventBatch", _NamesOnly(source.names, extractor)), source.values, source.shape)
    _, features = plugin.fit(sample, checked, stage)
    return FeatureTable(source.names, features)


def embed_features(
    features: FeatureTable,
    embedder: str,
    options: Mapping[str, Any],
    host: PluginHost,
    stage: Stage = lambda _: None,
) -> EmbeddingTable:
    """Embed features in the plane.

    Parameters
    ----------
    features : FeatureTable
    embedder : str
        Name of an embedder: "tsne" (scikit-learn's, as published), "fast_tsne", "umap" or a plugin's.
    options : mapping
        Options of the embedder; the others have their defaults.
    host : PluginHost
    stage : callable, optional
        Called with the name of each stage.

    Raises
    ------
    ConfigError
        There is no such embedder, or an option is wrong.
    ReferenceDataError
        There are too few sources for the options.
    """
    plugin, checked = _choose("embedder", host.embedders, embedder, options, host)
    return EmbeddingTable(features.names, plugin.fit(features.features, checked, stage))


def cluster_embedding(embedding: EmbeddingTable, clustering: Clustering) -> EmbeddingTable:
    """The embedding with its clusters, numbered from 1; 0 for outliers."""
    return EmbeddingTable(embedding.names, embedding.positions, find_clusters(embedding.positions, clustering))


def find_analogues(
    features: FeatureTable, transients: Mapping[str, str], k: int = 10, wanted: Sequence[str] = ()
) -> dict[str, list[Any]]:
    """Nearest neighbours in feature space of bona-fide transients.

    Parameters
    ----------
    features : FeatureTable
    transients : mapping of str to str
        Kind of every bona-fide transient by name.
    k : int
        Analogues of each transient; the transient itself is not among them.
    wanted : sequence of str, optional
        Names of those whose analogues to find; by default all transients that are among the sources.

    Returns
    -------
    dict
        Columns transient, transient_kind, rank, obsreg_id, kind ("" unless it is itself a bona-fide transient) and
        distance (Euclidean, in feature space).

    Raises
    ------
    ReferenceDataError
        A wanted transient is not among the sources, none is, or k is not between 1 and their number.
    """
    from xherald.plugins.embedders.exact_neighbours import find_nearest, make_tiles

    rows = {name: row for row, name in enumerate(features.names)}
    if absent := [name for name in wanted if name not in rows]:
        raise ReferenceDataError(f"{absent[0]} has no features in this table")
    chosen = list(wanted) or [name for name in transients if name in rows]
    if not chosen:
        raise ReferenceDataError("none of the bona-fide transients has features in this table")
    own = np.array([rows[name] for name in chosen], dtype=np.int64)
    table = np.ascontiguousarray(features.features, dtype=np.float32)
    found, distances = find_nearest(make_tiles(table), table[own], k, own, threads=0)
    return {
        "transient": np.repeat(chosen, k).tolist(),
        "transient_kind": np.repeat([transients.get(name, "") for name in chosen], k).tolist(),
        "rank": np.tile(np.arange(1, k + 1), len(chosen)).tolist(),
        "obsreg_id": [features.names[row] for row in found.ravel().tolist()],
        "kind": [transients.get(features.names[row], "") for row in found.ravel().tolist()],
        "distance": distances.ravel().tolist(),
    }


def _choose(
    kind: str, plugins: Mapping[str, Any], name: str, options: Mapping[str, Any], host: PluginHost
) -> tuple[Any, Options]:
    """The plugin of a name, and its options, checked."""
    if name not in plugins:
        raise ConfigError(f"no {kind} is named {name!r}; available: {', '.join(sorted(plugins))}")
    plugin: Plugin = plugins[name]
    if unknown := [key for key in options if key not in plugin.options_model.model_fields]:
        available = ", ".join(plugin.options_model.model_fields)
        raise ConfigError(f"{kind} {name} has no option {unknown[0]!r}; available: {available}")
    return plugin, host.validate_options(plugin, options, f"{kind} {name}")


class _NamesOnly:
    """In place of photons in a sample of saved representations: names for messages, and an error for anything else."""

    def __init__(self, names: Sequence[str], extractor: str) -> None:
        self._names = names
        self._extractor = extractor

    def __len__(self) -> int:
        return len(self._names)

    @property
    def identities(self) -> tuple[Identity, ...]:
        return tuple(Identity("", "", "", name) for name in self._names)

    def __getattr__(self, name: str) -> Any:
        raise ReferenceDataError(
            f"extractor {self._extractor} needs photons, which saved representations do not hold; "
            "pass the event files or tables"
        )
