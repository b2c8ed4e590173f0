"""Settings of reference catalogues: where they are kept, what they are built of, when a cluster counts."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AssociationSettings", "BuiltInSettings", "ReferenceSettings"]


class AssociationSettings(BaseModel):
    """When a cluster is transient-dominant, and how many neighbours of a bona-fide transient are candidates.

    Parameters
    ----------
    least_transients : int — bona-fide transients of a kind that the cluster holds at least
    least_enrichment : float — times its share of them
    significance : float — largest binomial probability, times the number of looks
    neighbours : int — nearest neighbours of each bona-fide transient that are candidates
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_transients: int = Field(default=3, ge=1)
    least_enrichment: float = Field(default=3.0, ge=0)
    significance: float = Field(default=1e-3, gt=0, le=1)
    neighbours: int = Field(default=5, ge=0)


class BuiltInSettings(BaseModel):
    """What the built-in reference is made of.

    Parameters
    ----------
    telescope : str — see ``xherald simulate list``
    sources : int
    variable_fraction : float — of the sources
    seed : int
    cases : tuple of str
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    telescope: str = "chandra-acis-i"
    sources: int = Field(default=20_000, ge=1)
    variable_fraction: float = Field(default=0.2, gt=0, le=1)
    seed: int = Field(default=2412, ge=0)
    cases: tuple[str, ...] = ("livetime", "encoded", "timing")


class ReferenceSettings(BaseModel):
    """Where references are kept, and how they are built.

    Parameters
    ----------
    folder : Path or None — None for ``references`` in the user's data folder
    cases : tuple of str — built where the command names none
    exact_below : int — populations smaller than this are searched exactly
    association : AssociationSettings
    built_in : BuiltInSettings
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None
    cases: tuple[str, ...] = ("2D-PCA", "3D-PCA", "2D-AE", "3D-AE")
    exact_below: int = Field(default=30_000, ge=0)
    association: AssociationSettings = AssociationSettings()
    built_in: BuiltInSettings = BuiltInSettings()
