"""Settings of what is known at a position: the folder of the imported catalogues."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict

__all__ = ["ContextSettings"]


class ContextSettings(BaseModel):
    """Where catalogues are kept.

    Parameters
    ----------
    folder : Path or None
        Of the imported catalogues; None for ``catalogues`` in the user's data folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path | None = None
