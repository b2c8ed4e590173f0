"""Classes of X-ray sources from which models are drawn: `CLASSES`, by name.

Rates of a model are relative: 1 is the persistent level, or the peak of the event for sources with almost no persistent
emission (`fast_transient`, `magnetar_burst`). `PlacedSource.flux` is the flux, photons cm⁻² s⁻¹, of a rate of 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xherald.photons.errors import ConfigError

from .base import ModelRequest, SourceClass, total_light_curve
from .bursts import MAGNETAR_BURST, XRAY_BURST
from .dips import DIP, ECLIPSE, TRANSIT
from .periodic import PULSATOR, QPE
from .stars import STELLAR_FLARE
from .steady import AGN, CONSTANT, SUPERSOFT
from .transients import FAST_TRANSIENT

__all__ = ["CLASSES", "ModelRequest", "SourceClass", "class_named", "total_light_curve"]

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
"""Source classes by name."""


def class_named(word: str) -> SourceClass:
    """The class of a name, or of a word that occurs in one name only: "flare" is `stellar_flare`.

    Parameters
    ----------
    word : str

    Raises
    ------
    ConfigError
        No class fits, or more than one.
    """
    if word in CLASSES:
        return CLASSES[word]
    found = [one for name, one in CLASSES.items() if word in name.split("_")]
    if len(found) > 1:
        raise ConfigError(f"source class {word!r} is ambiguous; choose from {', '.join(one.name for one in found)}")
    if not found:
        raise ConfigError(f"unknown source class {word!r}; choose from {', '.join(CLASSES)}")
    return found[0]
