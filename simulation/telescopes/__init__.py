"""The telescopes that can be simulated, by name: `TELESCOPES`.

Their tables are small and made to be representative: each says in `Telescope.sources` which document its numbers
follow, and "approximate" where they are of the right order and shape rather than taken from it digit by digit.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from ..telescope import Telescope
from .chandra import ACIS_I, ACIS_S
from .einstein_probe import FXT, WXT
from .erosita import POINTED, SURVEY
from .swift import XRT
from .xmm import MOS1, MOS2, PN

__all__ = ["TELESCOPES"]

TELESCOPES: Final[Mapping[str, Telescope]] = MappingProxyType(
    {one.name: one for one in (ACIS_I, ACIS_S, MOS1, MOS2, PN, XRT, SURVEY, POINTED, WXT, FXT)}
)
"""Telescopes by name; the first of a mission stands for it."""
