"""Cases: what a source is held against others by. Representation, extractor, embedder and clustering, by name.

The first four of `DEFAULT_CASES` are those of Dillmann et al. 2025 (MNRAS 537, 931), exactly; the others are xherald's
own, with the embedder that large sets need and the reach of DBSCAN at which, of 20,000 simulated sources, the most
transients lie in clusters of their own.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field, RootModel, model_validator

__all__ = ["DEFAULT_CASES", "CaseSettings", "Cases", "Choice", "Clustering"]


class Choice(BaseModel):
    """A plugin by its name, and its options."""

    model_config = ConfigDict(extra="allow", frozen=True)

    name: str

    @property
    def options(self) -> dict[str, Any]:
        """Options as given; the plugin's own model checks them."""
        return dict(self.model_extra or {})


class Clustering(BaseModel):
    """DBSCAN on the map (Ester et al. 1996, KDD-96, 226).

    Parameters
    ----------
    eps : float — in units of the map, within which two sources are neighbours
    min_samples : int — neighbours, itself among them, that make a source the core of a cluster
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    eps: float = Field(default=2.5, gt=0)
    min_samples: int = Field(default=25, ge=1)


class CaseSettings(BaseModel):
    """One case."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    representation: Choice | None = None
    extractor: Choice
    embedder: Choice
    clustering: Clustering = Clustering()


def _case(
    representation: dict[str, Any] | None, extractor: dict[str, Any], embedder: dict[str, Any], eps: float = 2.5
) -> CaseSettings:
    return CaseSettings(
        representation=None if representation is None else Choice(**representation),
        extractor=Choice(**extractor),
        embedder=Choice(**embedder),
        clustering=Clustering(eps=eps),
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
        eps=1.5,
    ),
    "encoded": _case(
        {"name": "et_map", "normalise": True},
        {"name": "autoencoder", "encoder": "et_map_12"},
        {"name": "fast_tsne"},
        eps=1.5,
    ),
    "timing": _case(None, {"name": "timing"}, {"name": "fast_tsne"}, eps=1.5),
    "variability": _case(
        None,
        {"name": "timing", "leave_out": ["hardness", "hardness_change", "log10_livetime"]},
        {"name": "fast_tsne"},
        eps=1.5,
    ),
}
"""By name."""


class Cases(RootModel[dict[str, CaseSettings]]):
    """Cases by name. Those given stand beside the built-in ones, or in the place of one of the same name."""

    model_config = ConfigDict(frozen=True)

    root: dict[str, CaseSettings] = Field(default_factory=lambda: dict(DEFAULT_CASES))

    @model_validator(mode="before")
    @classmethod
    def _beside_the_built_in(cls, given: Any) -> Any:
        return {**DEFAULT_CASES, **given} if isinstance(given, dict) else given
