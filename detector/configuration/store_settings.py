"""Settings of the store: the URL of the database of drops, detections, candidates and alerts."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

__all__ = ["StoreSettings", "default_store_url"]


def default_store_url() -> str:
    """URL of the store in the user's data folder."""
    from platformdirs import user_data_path

    return f"sqlite:///{user_data_path('xherald') / 'store.sqlite'}"


class StoreSettings(BaseModel):
    """Location of the store.

    Parameters
    ----------
    url : str or None
        ``sqlite:////path/store.sqlite`` or ``postgresql://user@host/name``; None for ``store.sqlite`` in the user's
        data folder.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str | None = None

    @property
    def resolved_url(self) -> str:
        """The URL, or that of the store in the user's data folder."""
        return self.url or default_store_url()
