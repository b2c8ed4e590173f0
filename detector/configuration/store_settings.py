"""Settings of the store of drops, candidates and alerts: where it is."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["StoreSettings"]


class StoreSettings(BaseModel):
    """Where the store is.

    Parameters
    ----------
    url : str or None
        ``sqlite:////path/store.sqlite`` or ``postgresql://user@host/name``; None for ``store.sqlite`` in the user's
        data folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None
