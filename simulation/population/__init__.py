"""Populations of single sources with known truth: simulated photon lists, and their files.

Names are imported when they are first used: writing files needs pyarrow.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .population import Population, simulate_population, write_population

__all__ = ["Population", "simulate_population", "write_population"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(importlib.import_module(f"{__name__}.population"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
