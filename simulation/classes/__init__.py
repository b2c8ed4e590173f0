"""Classes of X-ray sources from which models are drawn: `CLASSES`, by name.

Rates of a model are relative: 1 is the persistent level, or the peak of the event for sources with almost no persistent
emission (explosions, `magnetar_burst`, `nova`, `other_flare`).
`PlacedSource.flux` is the flux, photons cm⁻² s⁻¹, of a rate of 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xherald.photons.errors import ConfigError

from .base import ModelRequest, SourceClass, total_light_curve
from .bursts import MAGNETAR_BURST, XRAY_BURST
from .dips import DIP, ECLIPSE, TRANSIT
from .explosions import AFTERGLOW, SHOCK_BREAKOUT, XRAY_FLASH
from .outbursts import DWARF_NOVA, NOVA, SFXT, TIDAL_DISRUPTION
from .periodic import INTERMEDIATE_POLAR, PULSATOR, QPE, ULX_PULSAR
from .stars import STELLAR_FLARE
from .steady import AGN, CONSTANT, SUPERSOFT
from .transients import FAST_TRANSIENT
from .unknown import OTHER_DIP, OTHER_FLARE

__all__ = ["CLASSES", "ModelRequest", "SourceClass", "class_named", "total_light_curve"]

CLASSES: Final[Mapping[str, SourceClass]] = MappingProxyType(
    {
        one.name: one
        for one in (
            CONSTANT,
            AGN,
            STELLAR_FLARE,
            FAST_TRANSIENT,
            XRAY_FLASH,
            AFTERGLOW,
            SHOCK_BREAKOUT,
            MAGNETAR_BURST,
            XRAY_BURST,
            SFXT,
            TIDAL_DISRUPTION,
            NOVA,
            DWARF_NOVA,
            ECLIPSE,
            DIP,
            TRANSIT,
            PULSATOR,
            INTERMEDIATE_POLAR,
            ULX_PULSAR,
            SUPERSOFT,
            QPE,
            OTHER_FLARE,
            OTHER_DIP,
        )
    }
)
"""Source classes by name."""


def class_named(word: str) -> SourceClass:
    """The class of a name, or of a word that occurs in one name only: "flare" is `stellar_flare`.

    Events of no known kind (`other_flare`, `other_dip`) are found by their full names.

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
        found = [one for one in found if not one.name.startswith("other_")] or found
    if len(found) > 1:
        raise ConfigError(f"source class {word!r} is ambiguous; choose from {', '.join(one.name for one in found)}")
    if not found:
        raise ConfigError(f"unknown source class {word!r}; choose from {', '.join(CLASSES)}")
    return found[0]
