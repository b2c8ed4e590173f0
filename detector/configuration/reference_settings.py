"""Settings of reference catalogues: folder, cases, and criteria of candidates."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["AssociationSettings", "BuiltInSettings", "ReferenceSettings"]


class AssociationSettings(BaseModel):
    """Criteria of transient-dominant clusters and of candidates.

    Parameters
    ----------
    min_transients : int — bona-fide transients of one kind in the cluster
    min_enrichment : float — ratio of their number to the expected number
    max_p_value : float — binomial probability of their number, times the number of trials
    neighbours : int — nearest neighbours of each bona-fide transient that are candidates
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    min_transients: int = Field(default=3, ge=1)
    min_enrichment: float = Field(default=3.0, ge=0)
    max_p_value: float = Field(default=1e-3, gt=0, le=1)
    neighbours: int = Field(default=5, ge=0)


class BuiltInSettings(BaseModel):
    """Simulated sources of the built-in reference.

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
    """Where references are stored, and how they are built.

    Parameters
    ----------
    folder : Path or None — None for ``references`` in the user's data folder
    cases : tuple of str — built unless the command names others
    exact_below : int — smaller populations are searched exactly
    association : AssociationSettings
    built_in : BuiltInSettings
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None
    cases: tuple[str, ...] = ("2D-PCA", "3D-PCA", "2D-AE", "3D-AE")
    exact_below: int = Field(default=30_000, ge=0)
    association: AssociationSettings = AssociationSettings()
    built_in: BuiltInSettings = BuiltInSettings()
