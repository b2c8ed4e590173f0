"""The telescopes that can be simulated, by name: `TELESCOPES`.

Their tables are small and made to be representative: each says in `Telescope.sources` which document its numbers
follow, and "approximate" where they are of the right order and shape rather than taken from it digit by digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from xherald.photons import Observation
from xherald.photons.errors import ConfigError
from xherald.simulation.telescope import Telescope

from .chandra import ACIS_I, ACIS_S
from .einstein_probe import FXT, WXT
from .erosita import POINTED, SURVEY
from .swift import XRT
from .xmm import MOS1, MOS2, PN

__all__ = ["TELESCOPES", "telescope_of"]

TELESCOPES: Final[Mapping[str, Telescope]] = MappingProxyType(
    {one.name: one for one in (ACIS_I, ACIS_S, MOS1, MOS2, PN, XRT, SURVEY, POINTED, WXT, FXT)}
)
"""Telescopes by name; the first of a mission stands for it."""

_OBSERVED_BY: Final[Mapping[tuple[str, str], Telescope]] = MappingProxyType(
    {
        ("CHANDRA", "ACIS"): ACIS_I,
        ("XMM", "EMOS1"): MOS1,
        ("XMM", "EMOS2"): MOS2,
        ("XMM", "EPN"): PN,
        ("SWIFT", "XRT"): XRT,
        ("EP", "WXT"): WXT,
        ("EP", "FXT"): FXT,
    }
)


def telescope_of(observation: Observation) -> Telescope:
    """The telescope that stands for the one that took a real exposure.

    Chandra's array is told by its CCDs, eROSITA's mode by whether it had a pointing.

    Raises
    ------
    ConfigError
        None of `TELESCOPES` does.
    """
    mission, instrument = observation.mission.upper(), observation.instrument.upper()
    if mission == "EROSITA":
        return POINTED if observation.pointing else SURVEY
    if mission == "CHANDRA" and not {chip.number for chip in ACIS_I.chips} & {
        one.number for one in observation.detectors
    }:
        return ACIS_S
    found = _OBSERVED_BY.get((mission, instrument))
    if found is None:
        raise ConfigError(
            f"no telescope of the simulator stands for {observation.mission} {observation.instrument}; "
            f"there are {', '.join(TELESCOPES)}"
        )
    return found
