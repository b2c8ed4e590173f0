"""Hooks of plugins. Each is called with a function `register`."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from .alerts import AlertSink
from .context import ContextProvider
from .contract import Embedder, FeatureExtractor, InstrumentAdapter, Representation
from .drops import DropSource
from .scoring import Scorer, Veto

__all__ = ["PROJECT", "hookimpl", "hookspec"]

PROJECT = "xherald"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register instrument adapters, which read the files of a mission."""


@hookspec
def register_representations(register: Callable[[Representation], None]) -> None:
    """Register representations, which turn photon lists into arrays of fixed shape."""


@hookspec
def register_extractors(register: Callable[[FeatureExtractor], None]) -> None:
    """Register feature extractors, which compute features of representations or photon lists."""


@hookspec
def register_embedders(register: Callable[[Embedder], None]) -> None:
    """Register embedders, which embed features in the plane."""


@hookspec
def register_scorers(register: Callable[[Scorer], None]) -> None:
    """Register scorers, which compute columns for the combined score of detections."""


@hookspec
def register_vetoes(register: Callable[[Veto], None]) -> None:
    """Register vetoes, which flag variability that is not astrophysical."""


@hookspec
def register_drop_sources(register: Callable[[DropSource], None]) -> None:
    """Register drop sources, which list and fetch the files of an archive."""


@hookspec
def register_alert_sinks(register: Callable[[AlertSink], None]) -> None:
    """Register alert sinks, which send alerts to a destination."""


@hookspec
def register_context(register: Callable[[ContextProvider], None]) -> None:
    """Register context providers, which know sources on the sky."""
