"""Built-in embedders, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from ..contract import Embedder
from ..hookspecs import hookimpl

__all__ = ["register_embedders"]


@hookimpl
def register_embedders(register: Callable[[Embedder], None]) -> None:
    """Register the built-in embedders."""
