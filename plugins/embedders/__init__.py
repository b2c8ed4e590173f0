"""Built-in embedders, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from ..contract import Embedder
from ..hookspecs import hookimpl
from .fast import FastTSNE
from .published import PublishedTSNE
from .umap import UMAPEmbedder

__all__ = ["register_embedders"]


@hookimpl
def register_embedders(register: Callable[[Embedder], None]) -> None:
    """Register the built-in embedders."""
    register(PublishedTSNE())
    register(FastTSNE())
    register(UMAPEmbedder())
