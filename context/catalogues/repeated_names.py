"""Names that occur more than once in a catalogue of any length: `NameRegister`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import I64

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NameRegister"]

MULTIPLIER: Final = np.uint64(0x9E3779B97F4A7C15)
MIX: Final = np.uint64(0xBF58476D1CE4E5B9)


@dataclass(slots=True)
class NameRegister:
    """Names of rows, remembered as hashes of 64 bits, with the numbers of the rows.

    Ten million names take 160 MB, and 320 MB while they are compared. The probability that two of so many different
    names have the same hash is 3e-6.
    """

    _hashes: list[NDArray[np.uint64]] = field(default_factory=list)
    _rows: list[I64] = field(default_factory=list)

    def add(self, names: pa.ChunkedArray, rows: I64) -> None:
        """Add the names of the next rows, which have these numbers in the file."""
        self._hashes.append(_hash(names))
        self._rows.append(rows)

    def first_repeated(self) -> tuple[int, int, int] | None:
        """Numbers of two rows with the same name, and of rows whose name occurred before; None if all are unique."""
        hashes = np.concatenate(self._hashes) if self._hashes else np.zeros(0, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        same = np.flatnonzero(np.diff(hashes[order]) == 0)
        if not len(same):
            return None
        place = same[np.argmin(order[same + 1])]
        rows = np.concatenate(self._rows)
        return int(rows[order[place]]), int(rows[order[place + 1]]), len(same)


def _hash(names: pa.ChunkedArray) -> NDArray[np.uint64]:
    """Hashes of names: their 8-byte words, mixed one after the other (the finaliser of SplitMix64)."""
    raw = np.array(names.to_pylist(), dtype=np.bytes_) if _is_ascii(names) else _encoded(names)
    width = -(-max(raw.dtype.itemsize, 1) // 8) * 8
    words = raw.astype(f"S{width}").view(np.uint64).reshape(len(raw), width // 8)
    state = np.zeros(len(raw), dtype=np.uint64)
    for word in words.T:
        state = (state ^ word) * MULTIPLIER
        state = (state ^ (state >> np.uint64(27))) * MIX
        state ^= state >> np.uint64(31)
    return state


def _is_ascii(names: pa.ChunkedArray) -> bool:
    import pyarrow.compute as pc

    return bool(pc.all(pc.string_is_ascii(names)).as_py())


def _encoded(names: pa.ChunkedArray) -> NDArray[np.bytes_]:
    return np.array([one.encode() for one in names.to_pylist()], dtype=np.bytes_)
