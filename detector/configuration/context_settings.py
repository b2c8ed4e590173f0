"""Settings of what is known at a position: the imported catalogues, and in which of them counterparts are."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

__all__ = ["ContextSettings"]


class ContextSettings(BaseModel):
    """Where catalogues are kept.

    Parameters
    ----------
    folder : Path or None
        Of the imported catalogues; None for ``catalogues`` in the user's data folder.
    galactic_columns : Path or None
        HEALPix FITS map of the Galaxy's hydrogen columns, such as HI4PI's; None for a coarse approximation.
    catalogues : tuple of str or None
        Names of those in which counterparts of candidates are looked for; None for all.
    completeness : mapping of str to float
        By catalogue, the fraction of X-ray sources that have a counterpart in it; 0.5 for others than the shipped one.
    providers : mapping of str to mapping — options of context providers by name
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None
    galactic_columns: Path | None = None
    catalogues: tuple[str, ...] | None = None
    completeness: dict[str, Annotated[float, Field(ge=0.0, lt=1.0)]] = Field(
        default_factory=lambda: {"known_sources": 0.02}
    )
    providers: dict[str, dict[str, Any]] = Field(default_factory=dict)
