"""Checksums of header-data units (CHECKSUM, DATASUM): `Checksum`.

FITS standard 4.0, §4.4.2.7 and appendix J: sums of 32-bit words in ones' complement. CHECKSUM makes the sum of a unit
−0, so that a header which adds up with the stored DATASUM is the one that was written with the data. Programs that
edit a header and leave both keywords as they were are common; their sums are out of date and verify nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np

from .keywords import Keywords

__all__ = ["Checksum"]

ALL_ONES: Final = 0xFFFFFFFF


def _fold(total: int) -> int:
    """Sum in ones' complement of 32 bits."""
    while total >> 32:
        total = (total & ALL_ONES) + (total >> 32)
    return total


def _add(data: bytes | memoryview) -> int:
    """Sum of big-endian 32-bit words."""
    return int(np.frombuffer(data, dtype=">u4").sum(dtype=np.uint64))


@dataclass(slots=True)
class Checksum:
    """Verification of one unit, from its header and then its data in pieces.

    Parameters
    ----------
    header : bytes
    keywords : Keywords — of that header
    """

    header: bytes
    keywords: Keywords
    _total: int = field(default=0, init=False)
    _rest: bytes = field(default=b"", init=False)

    @property
    def stored(self) -> int | None:
        """DATASUM; None if absent or not a number."""
        text = str(self.keywords.get("DATASUM", "")).strip()
        return int(text) if text.isdigit() and int(text) <= ALL_ONES else None

    @property
    def is_current(self) -> bool:
        """Whether the header is the one for which its CHECKSUM, if any, was computed with the stored DATASUM."""
        written = str(self.keywords.get("CHECKSUM", "")).strip()
        if not written or set(written) == {"0"}:
            return True
        return _fold(_add(self.header) + (self.stored or 0)) in (0, ALL_ONES)

    @property
    def is_verifiable(self) -> bool:
        """Whether there is a sum of the data that can be compared."""
        return self.stored is not None and self.is_current

    def update(self, data: bytes | memoryview) -> None:
        """Add a piece of the data."""
        piece = self._rest + bytes(data) if self._rest else data
        whole = len(piece) // 4 * 4
        self._total = _fold(self._total + _add(piece[:whole]))
        self._rest = bytes(piece[whole:])

    @property
    def fits(self) -> bool:
        """Whether the data added so far have the stored sum."""
        total = _fold(self._total + _add(self._rest.ljust(-(-len(self._rest) // 4) * 4, b"\0")))
        # 0 and all ones are the same number in ones' complement.
        return total % ALL_ONES == (self.stored or 0) % ALL_ONES
