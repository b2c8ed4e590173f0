"""Built-in representations, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from ..contract import Representation
from ..hookspecs import hookimpl

__all__ = ["register_representations"]


@hookimpl
def register_representations(register: Callable[[Representation], None]) -> None:
    """Register the built-in representations."""
