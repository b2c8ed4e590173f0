"""The hooks, a line of signature and one of purpose each. `register_x(register)` can grow without breaking plugins."""

from __future__ import annotations

from collections.abc import Callable

import pluggy

from .contract import InstrumentAdapter

__all__ = ["PROJECT", "hookimpl", "hookspec"]

PROJECT = "xherald"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register instrument adapters, each from one mission's files to `Observation`."""
