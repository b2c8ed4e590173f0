"""Built-in vetoes, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from ..hookspecs import hookimpl
from ..judging import Veto
from .pixels import Afterglow, CosmicRayTrack, HotPixel
from .surroundings import BackgroundFlare

__all__ = ["register_vetoes"]


@hookimpl
def register_vetoes(register: Callable[[Veto], None]) -> None:
    """Register the built-in vetoes."""
    for veto in (HotPixel(), Afterglow(), CosmicRayTrack(), BackgroundFlare()):
        register(veto)
