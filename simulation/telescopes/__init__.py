"""The telescopes that can be simulated, by name: `TELESCOPES`.

Their tables are small and representative. `Telescope.sources` gives the references; "approximate" values have the right
order of magnitude and shape, but are not taken from the reference.
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
"""Telescopes by name; the name of a mission means its first telescope."""

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
    """The simulated telescope that corresponds to that of a real exposure.

    The ACIS array follows from its CCDs, the mode of eROSITA from whether there is a pointing.

    Raises
    ------
    ConfigError
        There is none.
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
            f"{observation.mission} {observation.instrument} cannot be simulated; "
            f"available telescopes: {', '.join(TELESCOPES)}"
        )
    return found
