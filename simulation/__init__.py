"""Simulated event data: source classes, instruments, observing patterns, artefacts, and writers of native files.

The package imports `photons`, `plugins` and `adapters`, whose mission tables and readers it shares, so that a simulated
file passes through the same pipeline as a real one.

    from xherald.simulation import FieldRequest, inject, simulate_drop, simulate_field, simulate_population
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .drop import simulate_drop
    from .field import FieldRequest, simulate_field
    from .gallery import show_class
    from .injection import Injection, inject
    from .population import Population, simulate_population, write_population
    from .writers import read_truth, write_exposure

__all__ = [
    "FieldRequest",
    "Injection",
    "Population",
    "inject",
    "read_truth",
    "show_class",
    "simulate_drop",
    "simulate_field",
    "simulate_population",
    "write_exposure",
    "write_population",
]

_HOMES = {
    "drop": ("simulate_drop",),
    "field": ("FieldRequest", "simulate_field"),
    "gallery": ("show_class",),
    "injection": ("Injection", "inject"),
    "population": ("Population", "simulate_population", "write_population"),
    "writers": ("read_truth", "write_exposure"),
}


def __getattr__(name: str) -> Any:
    # Import only what is used: the modules need different libraries (numba, pyarrow).
    for module, names in _HOMES.items():
        if name in names:
            return getattr(importlib.import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
