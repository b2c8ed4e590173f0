"""Built-in vetoes, registered through the same door as anybody's."""

from __future__ import annotations

from collections.abc import Callable

from ..hookspecs import hookimpl
from ..judging import Veto
from .coverage import ChipEdge, Truncated
from .neighbours import BrightNeighbour, LobsterArm, ReadoutStreak
from .pixels import Afterglow, CosmicRayTrack, HotPixel
from .shape import Extended, PileUp
from .surroundings import BackgroundFlare

__all__ = ["register_vetoes"]


@hookimpl
def register_vetoes(register: Callable[[Veto], None]) -> None:
    """Register the built-in vetoes, those that reject first."""
    for veto in (
        HotPixel(),
        Afterglow(),
        CosmicRayTrack(),
        BackgroundFlare(),
        ChipEdge(),
        ReadoutStreak(),
        LobsterArm(),
        BrightNeighbour(),
        Truncated(),
        PileUp(),
        Extended(),
    ):
        register(veto)
