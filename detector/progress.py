"""How long work reports what it is doing: `Stage`, a callback that takes one line of text."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Stage", "silent"]

Stage = Callable[[str], None]


def silent(_: str) -> None:
    """Report nothing."""
