"""Version of the installed package, looked up once."""

from __future__ import annotations

from functools import cache
from importlib import metadata

__all__ = ["code_version"]


@cache
def code_version() -> str:
    """Version of the installed package."""
    return metadata.version("xherald")
