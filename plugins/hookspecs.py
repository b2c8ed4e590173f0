"""The hooks, a line of signature and one of purpose each. `register_x(register)` can grow without breaking plugins."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from .alerts import AlertSink
from .contract import Embedder, FeatureExtractor, InstrumentAdapter, Representation
from .drops import DropSource
from .scoring import Scorer, Veto

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


@hookspec
def register_scorers(register: Callable[[Scorer], None]) -> None:
    """Register scorers, each from detections to numbers that the combined score is made of."""


@hookspec
def register_vetoes(register: Callable[[Veto], None]) -> None:
    """Register vetoes, each from detections to flags with the numbers behind them."""


@hookspec
def register_drop_sources(register: Callable[[DropSource], None]) -> None:
    """Register drop sources, each a kind of place where an archive drops files."""


@hookspec
def register_alert_sinks(register: Callable[[AlertSink], None]) -> None:
    """Register alert sinks, each of which sends alerts somewhere."""
