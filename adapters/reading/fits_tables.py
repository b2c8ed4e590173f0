"""Tables of a FITS file: `Hdu`, its `Column`s, and blocks of `Rows`.

FITS standard 4.0 (Pence et al. 2018), §7.3 (binary tables).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xherald.photons.errors import UnreadableFileError

from .keywords import Keywords, parse_real

__all__ = ["Column", "Hdu", "Rows", "native"]

# FITS standard 4.0, table 18; 'X' (bits) is read as bytes.
CELL_TYPES = {"L": "S1", "X": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
CELL_FORM = re.compile(r"(\d*)([LXBIJKAEDCMPQ])")
CELL_BYTES = {"C": 8, "M": 16, "P": 8, "Q": 16}


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a binary table.

    Parameters
    ----------
    name : str — as in the header
    dtype : numpy dtype of a cell; None for unsupported types (complex, variable length)
    width : int — bytes per row
    offset : int — bytes from the beginning of a row
    scale, zero : float — TSCAL and TZERO
    null : int or None — TNULL
    number : int — n of the keywords TTYPEn …
    """

    name: str
    dtype: np.dtype[np.generic] | None
    width: int
    offset: int
    scale: float
    zero: float
    null: int | None
    number: int

    @property
    def is_scaled(self) -> bool:
        """Whether TSCAL or TZERO change the stored values."""
        return self.scale != 1.0 or self.zero != 0.0


@dataclass(frozen=True, eq=False)
class Hdu:
    """A header-data unit.

    Parameters
    ----------
    path : Path
    name : str — EXTNAME, upper case; "PRIMARY" for the first
    header : Keywords
    offset : int — bytes, of the data
    rows, row_bytes : int — 0 if it is not a binary table
    is_table : bool
    parts : tuple of (int, int)
        Offset and rows of each piece of a table that is stored in several; empty for one piece.
    """

    path: Path
    name: str
    header: Keywords
    offset: int
    rows: int
    row_bytes: int
    is_table: bool
    parts: tuple[tuple[int, int], ...] = ()

    @cached_property
    def columns(self) -> Mapping[str, Column]:
        """Columns by upper-case name."""
        return {column.name.upper(): column for column in self._columns()} if self.is_table else {}

    def _columns(self) -> Iterator[Column]:
        header, offset = self.header, 0
        for n in range(1, header.integer("TFIELDS", 0, self.path) + 1):
            form = CELL_FORM.match(str(header.get(f"TFORM{n}", "")))
            if form is None:
                raise UnreadableFileError(self.path, f"table {self.name}: TFORM{n} is missing or not a FITS format")
            repeat, kind = int(form[1] or 1), form[2]
            dtype = _cell_type(repeat, kind)
            width = dtype.itemsize if dtype is not None else repeat * CELL_BYTES[kind]
            yield Column(
                name=str(header.get(f"TTYPE{n}", f"COL{n}")),
                dtype=dtype,
                width=width,
                offset=offset,
                scale=parse_real(header.get(f"TSCAL{n}", 1.0), f"TSCAL{n}", self.path),
                zero=parse_real(header.get(f"TZERO{n}", 0.0), f"TZERO{n}", self.path),
                null=int(parse_real(header[f"TNULL{n}"], f"TNULL{n}", self.path)) if f"TNULL{n}" in header else None,
                number=n,
            )
            offset += width
        if offset > self.row_bytes:
            raise UnreadableFileError(
                self.path, f"table {self.name}: columns need {offset} bytes per row, but NAXIS1 is {self.row_bytes}"
            )

    def require(self, name: str) -> Column:
        """Column with a given name in any case; raises `UnreadableFileError` if there is none."""
        if self.header.get("ZTABLE") is True:
            raise UnreadableFileError(
                self.path, f"table {self.name} is tile-compressed (fpack); run `funpack {self.path.name}` first"
            )
        column = self.columns.get(name.upper())
        if column is None:
            raise UnreadableFileError(self.path, f"table {self.name} has no column {name}; it has {self._names()}")
        return column

    def _names(self) -> str:
        return ", ".join(column.name for column in self.columns.values()) or "none"


class Rows:
    """A block of rows of a table.

    Parameters
    ----------
    hdu : Hdu
    start : int — first row
    count : int
    data : bytes-like of count × row_bytes
    """

    def __init__(self, hdu: Hdu, start: int, count: int, data: bytes | memoryview) -> None:
        self._hdu, self.start, self.count, self._data = hdu, start, count, data

    def column(self, name: str) -> NDArray[np.generic]:
        """Values of a column with TSCAL and TZERO applied, shape (count, …); a big-endian view if unscaled."""
        column = self._hdu.require(name)
        if column.dtype is None:
            raise UnreadableFileError(self._hdu.path, f"column {name} of {self._hdu.name} has an unsupported data type")
        base, shape = column.dtype.base, column.dtype.shape
        steps = np.empty(shape, dtype=base).strides
        stored: NDArray[np.generic] = np.ndarray(
            (self.count, *shape), base, self._data, column.offset, (self._hdu.row_bytes, *steps)
        )
        if not column.is_scaled:
            return stored
        # Unsigned integers, which FITS stores with an offset of 2^15 or 2^31, remain integers.
        if column.scale == 1.0 and column.zero.is_integer() and stored.dtype.kind in "iu":
            return stored.astype(np.int64) + int(column.zero)
        return stored.astype(np.float64) * column.scale + column.zero

    def raw(self, index: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Bytes of some rows of the block, shape (n, bytes per row)."""
        rows: NDArray[np.uint8] = np.frombuffer(self._data, np.uint8).reshape(self.count, self._hdu.row_bytes)
        found: NDArray[np.uint8] = rows[index]
        return found


def _cell_type(repeat: int, kind: str) -> np.dtype[np.generic] | None:
    if kind == "A":
        return np.dtype(f"S{repeat}") if repeat else np.dtype(("S1", (0,)))
    if kind not in CELL_TYPES:
        return None
    cells = (repeat + 7) // 8 if kind == "X" else repeat
    return np.dtype(CELL_TYPES[kind]) if cells == 1 and kind != "X" else np.dtype((CELL_TYPES[kind], (cells,)))


def native(values: NDArray[np.generic]) -> NDArray[np.generic]:
    """Values in native byte order."""
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
