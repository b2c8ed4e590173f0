"""Built-in representations, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from xherald.plugins.contract import Representation
from xherald.plugins.hookspecs import hookimpl

from .event_map import EventMap
from .livetime_map import LivetimeCube, LivetimeMap
from .published_maps import EtdtCube, EtMap

__all__ = ["EtMap", "EtdtCube", "EventMap", "LivetimeCube", "LivetimeMap", "register_representations"]


@hookimpl
def register_representations(register: Callable[[Representation], None]) -> None:
    """Register the built-in representations."""
    for representation in (EtMap(), EtdtCube(), LivetimeMap(), LivetimeCube(), EventMap()):
        register(representation)
