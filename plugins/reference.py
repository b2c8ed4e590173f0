"""What new sources are held against: `Reference`, a population with its features, map, clusters and neighbours.

It is built by the detector, kept by the catalogue store, and handed to plugins that compare sources with it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Protocol

from xherald.photons.arrays import F32, F64, I64
from xherald.photons.errors import ConfigError

from .contract import FittedExtractor

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["BONA_FIDE_KINDS", "NeighbourIndex", "Reference", "ReferenceCase"]


BONA_FIDE_KINDS: Final = ("flare", "dip", "other")
"""Kinds of bona-fide transients, as the published list tells them apart."""


class NeighbourIndex(Protocol):
    """Finds a source's nearest neighbours in feature space."""

    def query(self, features: F32, k: int) -> tuple[I64, F64]:
        """The k nearest sources of each row, nearest first: their rows and Euclidean distances, both shape (n, k)."""


@dataclass(frozen=True, slots=True, eq=False)
class ReferenceCase:
    """One way to hold sources against each other.

    Parameters
    ----------
    name : str
    settings : mapping
        As configured, in JSON's own types: representation, extractor, embedder, clustering, each with all its options.
    extractor : FittedExtractor
    features : ndarray, shape (n, d), float32
    embedding : ndarray, shape (n, 2), float64
    cluster : ndarray, shape (n,), int64 — 0 for outliers, as published
    clusters : pyarrow.Table — a row a cluster, see `detector.reference.association`
    candidates : pyarrow.Table — a row a candidate, see there
    index : NeighbourIndex
    measured : mapping — what was measured when it was built, in JSON's own types
    means : ndarray, shape (clusters + 1, *shape), float32, or None
        Mean of the representation over the outliers and over each cluster; None in a case that has none.
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
    """A reference catalogue: named, versioned, never changed.

    Parameters
    ----------
    name, version : str
    about : mapping — the manifest's facts, in JSON's own types
    sources : pyarrow.Table
        A row a source, in the order of the cases' arrays: obsreg_id, mission, instrument, counts, livetime_s, hardness,
        variability_index, bona_fide ("flare", "dip", "other" or ""), class ("" where unknown).
    cases : mapping of str to ReferenceCase
    """

    name: str
    version: str
    about: Mapping[str, Any]
    sources: pa.Table
    cases: Mapping[str, ReferenceCase]

    def __len__(self) -> int:
        return int(self.sources.num_rows)

    def case(self, name: str) -> ReferenceCase:
        """A case by its name.

        Raises
        ------
        ConfigError
            There is none; says which there are.
        """
        if name not in self.cases:
            held = ", ".join(self.cases) or "none"
            raise ConfigError(f"{self.name}@{self.version} has no case {name!r}; it has {held}")
        return self.cases[name]
