"""Built-in vetoes."""

from __future__ import annotations

from collections.abc import Callable

from xherald.plugins.hookspecs import hookimpl
from xherald.plugins.scoring import Veto

from .background_flare import BackgroundFlare
from .coverage_vetoes import ChipEdge, GoodTimesUnknown, Truncated
from .many_sources import ManyCandidates, Simultaneous
from .neighbour_vetoes import BrightNeighbour, LobsterArm, ReadoutStreak
from .pixel_vetoes import Afterglow, CosmicRayTrack, HotPixel
from .shape_flags import Extended, PileUp

__all__ = ["register_vetoes"]


@hookimpl
def register_vetoes(register: Callable[[Veto], None]) -> None:
    """Register the built-in vetoes, the rejecting ones first."""
    for veto in (
        GoodTimesUnknown(),
        HotPixel(),
        Afterglow(),
        CosmicRayTrack(),
        BackgroundFlare(),
        ChipEdge(),
        ReadoutStreak(),
        LobsterArm(),
        BrightNeighbour(),
        Simultaneous(),
        ManyCandidates(),
        Truncated(),
        PileUp(),
        Extended(),
    ):
        register(veto)
