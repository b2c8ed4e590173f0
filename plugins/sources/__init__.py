"""Built-in drop sources, registered through the same door as anybody's: folders, HTTP indexes, fsspec URLs."""

from __future__ import annotations

from collections.abc import Callable

from ..drops import DropSource
from ..hookspecs import hookimpl
from .bucket import BucketOptions, BucketSource
from .folder import FolderOptions, FolderSource
from .web import WebOptions, WebSource

__all__ = [
    "BucketOptions",
    "BucketSource",
    "FolderOptions",
    "FolderSource",
    "WebOptions",
    "WebSource",
    "register_drop_sources",
]


@hookimpl
def register_drop_sources(register: Callable[[DropSource], None]) -> None:
    """Register the built-in drop sources."""
    register(FolderSource())
    register(WebSource())
    register(BucketSource())
