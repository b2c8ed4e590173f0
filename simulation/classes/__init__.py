"""Classes of X-ray sources, each a recipe from which models are drawn: `CLASSES`, by name.

A model's rates are relative: 1 is the persistent level, or the peak of events of sources that have next to none
(`fast_transient`, `magnetar_burst`). `PlacedSource.flux` says what 1 is in photons cm⁻² s⁻¹.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from .base import Request, SourceClass, total_light_curve
from .bursts import MAGNETAR_BURST, XRAY_BURST
from .dips import DIP, ECLIPSE, TRANSIT
from .periodic import PULSATOR, QPE
from .stars import STELLAR_FLARE
from .steady import AGN, CONSTANT, SUPERSOFT
from .transients import FAST_TRANSIENT

__all__ = ["CLASSES", "Request", "SourceClass", "total_light_curve"]

CLASSES: Final[Mapping[str, SourceClass]] = MappingProxyType(
    {
        one.name: one
        for one in (
            CONSTANT,
            AGN,
            STELLAR_FLARE,
            FAST_TRANSIENT,
            MAGNETAR_BURST,
            XRAY_BURST,
            ECLIPSE,
            DIP,
            TRANSIT,
            PULSATOR,
            SUPERSOFT,
            QPE,
        )
    }
)
"""Source classes by name, in the order in which they are listed."""
