"""Conditions of a mission's standard screening: `Rule`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import Mask

__all__ = ["Rule"]

Values = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition of a mission's standard screening; all given bounds apply.

    Parameters
    ----------
    column : str
        The rule is skipped for files without this column.
    reason : str
        Reason under which rejected rows are counted.
    lowest, highest : float, optional — inclusive
    allowed : tuple of int, optional
    clear_bits : int, optional
        Bits that must be zero; −1 for all bits of the cell. The last bit of a cell has the value 1.
    set_bits : int, optional
        Bits that must be one.
    """

    column: str
    reason: str
    lowest: float | None = None
    highest: float | None = None
    allowed: tuple[int, ...] = ()
    clear_bits: int | None = None
    set_bits: int | None = None

    def select(self, values: Values) -> Mask:
        """Mask of the rows that pass; values have shape (n,), or (n, bytes) for bit columns."""
        # NDArray[generic] has no order for mypy; these columns have numbers or bytes.
        cells: NDArray[np.int64] = values  # type: ignore[assignment]
        kept = np.ones(len(values), dtype=np.bool_)
        if self.lowest is not None:
            kept &= cells >= self.lowest
        if self.highest is not None:
            kept &= cells <= self.highest
        if self.allowed:
            kept &= np.isin(cells, self.allowed)
        if self.clear_bits == -1:
            kept &= ~(cells != 0).reshape(len(values), -1).any(axis=1)
        elif self.clear_bits is not None:
            kept &= (_bits(cells) & self.clear_bits) == 0
        if self.set_bits is not None:
            kept &= (_bits(cells) & self.set_bits) == self.set_bits
        return kept


def _bits(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integers of bit columns, shape (n,), most significant byte first."""
    bits = np.zeros(len(cells), dtype=np.int64)
    for column in cells.reshape(len(cells), -1).T:
        bits = bits << 8 | column.astype(np.int64)
    return bits
