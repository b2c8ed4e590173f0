"""Built-in embedders, registered with the same hook as external ones."""

from __future__ import annotations

from collections.abc import Callable

from xherald.plugins.contract import Embedder
from xherald.plugins.hookspecs import hookimpl

from .fast_tsne import FastTSNE
from .published_tsne import PublishedTSNE
from .umap import UMAPEmbedder

__all__ = ["register_embedders"]


@hookimpl
def register_embedders(register: Callable[[Embedder], None]) -> None:
    """Register the built-in embedders."""
    register(PublishedTSNE())
    register(FastTSNE())
    register(UMAPEmbedder())
