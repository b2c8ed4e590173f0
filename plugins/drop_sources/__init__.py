"""Built-in drop sources: folders, HTTP index pages, fsspec URLs."""

from __future__ import annotations

from collections.abc import Callable

from xherald.plugins.drops import DropSource
from xherald.plugins.hookspecs import hookimpl

from .folder_source import FolderOptions, FolderSource
from .fsspec_source import BucketOptions, BucketSource
from .http_source import WebOptions, WebSource

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
