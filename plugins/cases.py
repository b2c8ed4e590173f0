"""Cases of a reference: representation, extractor, embedder and clustering, by name.

The first four of `DEFAULT_CASES` are exactly those of Dillmann et al. 2025 (MNRAS 537, 931). The others use an embedder
for large populations, and a radius of DBSCAN that follows the density of their embedding (docs/similarity.md).
"""

from __future__ import annotations

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

__all__ = ["DEFAULT_CASES", "CaseSettings", "Cases", "Choice", "Clustering"]


class Choice(BaseModel):
    """Name of a plugin, and its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Options as given, not validated."""
        return dict(self.model_extra or {})


class Clustering(BaseModel):
    """Clustering of the embedding.

    Parameters
    ----------
    method : {"dbscan", "hdbscan"}
        DBSCAN (Ester et al. 1996, KDD-96, 226), as published, or the leaves of HDBSCAN's tree (Campello, Moulavi &
        Sander 2013, PAKDD 160), which finds clusters of different densities and needs no length.
    eps : float or "density"
        Of DBSCAN: largest distance of neighbours, in units of the embedding. "density" is `DENSITY_FACTOR` times the
        median distance of a source to its `min_samples`-th neighbour, and so follows the size of the population.
    min_samples : int
        Of DBSCAN: neighbours of a core point, itself included. Of HDBSCAN: sources of the smallest cluster, at
        least 2.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: Literal["dbscan", "hdbscan"] = "dbscan"
    eps: Annotated[float, Field(gt=0)] | Literal["density"] = 2.5
    min_samples: int = Field(default=25, ge=1)


class CaseSettings(BaseModel):
    """One case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    representation: Choice | None = None
    extractor: Choice
    embedder: Choice
    clustering: Clustering = Clustering()


PUBLISHED_CLUSTERING: Final = Clustering(eps=2.5, min_samples=25)
DENSITY_CLUSTERING: Final = Clustering(eps="density", min_samples=25)


def _case(
    representation: dict[str, Any] | None,
    extractor: dict[str, Any],
    embedder: dict[str, Any],
    clustering: Clustering = PUBLISHED_CLUSTERING,
) -> CaseSettings:
    return CaseSettings(
        representation=None if representation is None else Choice(**representation),
        extractor=Choice(**extractor),
        embedder=Choice(**embedder),
        clustering=clustering,
    )


DEFAULT_CASES: Final = {
    "2D-PCA": _case(
        {"name": "et_map", "normalise": False},
        {"name": "pca", "components": 15, "solver": "published"},
        {"name": "tsne", "random_state": 11},
    ),
    "3D-PCA": _case(
        {"name": "etdt_cube", "normalise": False},
        {"name": "pca", "components": 22, "solver": "published"},
        {"name": "tsne", "random_state": 11},
    ),
    "2D-AE": _case(
        {"name": "et_map", "normalise": True},
        {"name": "autoencoder", "encoder": "et_map_12"},
        {"name": "tsne", "random_state": 2412},
    ),
    "3D-AE": _case(
        {"name": "etdt_cube", "normalise": True},
        {"name": "autoencoder", "encoder": "etdt_cube_24"},
        {"name": "tsne", "random_state": 2412},
    ),
    "livetime": _case(
        {"name": "livetime_map"},
        {"name": "pca", "components": 15, "solver": "sparse"},
        {"name": "fast_tsne"},
        clustering=DENSITY_CLUSTERING,
    ),
    "encoded": _case(
        {"name": "et_map", "normalise": True},
        {"name": "autoencoder", "encoder": "et_map_12"},
        {"name": "fast_tsne"},
        clustering=DENSITY_CLUSTERING,
    ),
    "events": _case(
        {"name": "event_map"},
        {"name": "autoencoder", "encoder": "event_map_16"},
        {"name": "fast_tsne"},
        clustering=DENSITY_CLUSTERING,
    ),
    "timing": _case(None, {"name": "timing"}, {"name": "fast_tsne"}, DENSITY_CLUSTERING),
    "variability": _case(
        None,
        {"name": "timing", "leave_out": ["hardness", "hardness_change", "log10_livetime"]},
        {"name": "fast_tsne"},
        clustering=DENSITY_CLUSTERING,
    ),
}
"""By name."""


class Cases(RootModel[dict[str, CaseSettings]]):
    """Cases by name, in addition to the built-in ones; a case with the name of a built-in one replaces it."""

    model_config = ConfigDict(frozen=True)

    root: dict[str, CaseSettings] = Field(default_factory=lambda: dict(DEFAULT_CASES))

    @model_validator(mode="before")
    @classmethod
    def _add_built_in_cases(cls, given: Any) -> Any:
        return {**DEFAULT_CASES, **given} if isinstance(given, dict) else given
