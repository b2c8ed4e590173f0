"""Which version of the code this is: looked up once, for results are stamped with it by the thousand."""

from __future__ import annotations

from functools import cache
from importlib import metadata

__all__ = ["code_version"]


@cache
def code_version() -> str:
    """Version of the installed package."""
    return metadata.version("xherald")
