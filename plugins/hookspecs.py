"""The hooks, a line of signature and one of purpose each. `register_x(register)` can grow without breaking plugins."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from .contract import Embedder, FeatureExtractor, InstrumentAdapter, Representation

__all__ = ["PROJECT", "hookimpl", "hookspec"]

PROJECT = "xherald"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register instrument adapters, each from one mission's files to `Observation`."""


@hookspec
def register_representations(register: Callable[[Representation], None]) -> None:
    """Register representations, each from photon lists to arrays of one shape."""


@hookspec
def register_extractors(register: Callable[[FeatureExtractor], None]) -> None:
    """Register feature extractors, each from representations or photon lists to features."""


@hookspec
def register_embedders(register: Callable[[Embedder], None]) -> None:
    """Register embedders, each from features to a map of the plane."""
