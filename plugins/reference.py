"""Reference catalogues: `Reference`, a population with its features, embeddings, clusters and nearest neighbours.

The detector builds a reference, the catalogue store keeps it, and plugins compare new sources with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.errors import ConfigError

from .contract import FittedExtractor
from .reference_members import ReferenceMembers

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BONA_FIDE_KINDS", "NeighbourIndex", "Reference", "ReferenceCase"]


BONA_FIDE_KINDS: Final = ("flare", "dip", "other")
"""Kinds of bona-fide transients in the published list."""


class NeighbourIndex(Protocol):
    """Finds the nearest neighbours of a source in feature space."""

    def query(self, features: F32, k: int) -> tuple[I64, F64]:
        """The k nearest sources of each row, nearest first: their rows and Euclidean distances, both shape (n, k)."""

    def save(self, folder: Path) -> None:
        """Write the index into a folder; the features are kept beside it."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceCase:
    """Features, embedding and clusters of one case.

    Parameters
    ----------
    name : str
    settings : mapping
        As configured, in JSON types: representation, extractor, embedder, clustering, each with all its options.
    extractor : FittedExtractor
    features : ndarray, shape (n, d), float32
    embedding : ndarray, shape (n, 2), float64
    cluster : ndarray, shape (n,), int64 — 0 for outliers, as published
    clusters : pyarrow.Table — one row for each cluster, see `detector.references.association`
    candidates : pyarrow.Table — one row for each candidate, see there
    index : NeighbourIndex
    measured : mapping — measurements of the build, in JSON types
    means : ndarray, shape (clusters + 1, *shape), float32, or None
        Mean representation of the outliers and of each cluster; None in a case without a representation.
    """

    name: str
    settings: Mapping[str, Any]
    extractor: FittedExtractor
    features: F32
    embedding: F64
    cluster: I64
    clusters: pa.Table
    candidates: pa.Table
    index: NeighbourIndex
    measured: Mapping[str, Any]
    means: F32 | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Reference:
    """A reference catalogue: named, versioned, immutable.

    Parameters
    ----------
    name, version : str
    about : mapping — facts of the manifest, in JSON types
    sources : pyarrow.Table
        One row for each source, in the order of the cases' arrays: obsreg_id, mission, instrument, obs_id, ra, dec,
        counts, livetime_s, hardness, variability_index, bona_fide ("flare", "dip", "other" or ""), class ("" where
        unknown).
    cases : mapping of str to ReferenceCase
    members : ReferenceMembers — E–t map and light curve of each source
    """

    name: str
    version: str
    about: Mapping[str, Any]
    sources: pa.Table
    cases: Mapping[str, ReferenceCase]
    members: ReferenceMembers
    _rows: dict[str, int] = field(default_factory=dict, init=False, repr=False)

    def __len__(self) -> int:
        return int(self.sources.num_rows)

    def case(self, name: str) -> ReferenceCase:
        """A case by its name.

        Raises
        ------
        ConfigError
            There is no such case; the message lists those there are.
        """
        if name not in self.cases:
            available = ", ".join(self.cases) or "none"
            raise ConfigError(f"{self.name}@{self.version} has no case {name!r}; available: {available}")
        return self.cases[name]

    def row(self, name: str) -> int:
        """Row of a source by its obsreg_id.

        Raises
        ------
        ConfigError
            There is no such source.
        """
        if not self._rows:
            self._rows.update((one, row) for row, one in enumerate(self.sources.column("obsreg_id").to_pylist()))
        if name not in self._rows:
            raise ConfigError(f"{self.name}@{self.version} has no source {name!r}")
        return self._rows[name]
