"""FITS files read within limits: headers as a stream, tables in blocks of rows.

All adapters read through two functions: `read_header` reads no further than the header of the events, `open_fits`
verifies the structure of the whole file first. A list of 10 million rows then needs the memory of a block of rows,
unlike with a memory map, whose pages count as resident.

Structure of a FITS file: FITS standard 4.0 (Pence et al. 2018), §3.3 (units of 2880 bytes), §4.4.1 (data size),
§7.3 (binary tables).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xherald.photons.errors import OversizeFileError, UnreadableFileError
from xherald.plugins.contract import ReadLimits

from .byte_streams import Content, Stream, open_stream
from .keywords import CARD, Keywords, data_size, parse_real

__all__ = ["Column", "FitsFile", "Hdu", "open_fits", "read_header"]

BLOCK = 2880
MAX_HEADER_BLOCKS = 4096
ROWS_PER_BLOCK = 500_000
EVENTS_NAME = re.compile(r"(EVENTS|STDEVT)\d*")
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
    """

    path: Path
    name: str
    header: Keywords
    offset: int
    rows: int
    row_bytes: int
    is_table: bool

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


class FitsFile:
    """A FITS file with verified structure. It is not open, but its decompressed content is kept until `release`."""

    def __init__(self, path: Path, hdus: tuple[Hdu, ...], content: Content) -> None:
        self.path, self.hdus, self._content = path, hdus, content
        self.released = False

    @property
    def held_bytes(self) -> int:
        """Size of the decompressed content that is kept."""
        return self._content.held_bytes

    @property
    def primary(self) -> Hdu:
        """Primary unit."""
        return self.hdus[0]

    @property
    def events(self) -> Hdu:
        """Events table.

        Raises
        ------
        UnreadableFileError
            There is none.
        """
        named = next((hdu for hdu in self.hdus if _is_events(hdu)), None)
        found = named or next((hdu for hdu in self.hdus if _has_photons(hdu)), None)
        if found is None:
            units = ", ".join(hdu.name or "unnamed" for hdu in self.hdus)
            raise UnreadableFileError(self.path, f"has no events table, only {units}; give an event list")
        return found

    def blocks(self, hdu: Hdu, rows_per_block: int = ROWS_PER_BLOCK) -> Iterator[Rows]:
        """Blocks of rows of a table, in order."""
        for start in range(0, hdu.rows, rows_per_block):
            count = min(rows_per_block, hdu.rows - start)
            yield Rows(hdu, start, count, self._content.read(hdu.offset + start * hdu.row_bytes, count * hdu.row_bytes))

    def column(self, hdu: Hdu, name: str) -> NDArray[np.generic]:
        """A whole column, scaled, in native byte order."""
        column = hdu.require(name)
        parts = [_native(rows.column(name)) for rows in self.blocks(hdu)]
        if not parts:
            return np.empty((0, *(column.dtype.shape if column.dtype is not None else ())))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def release(self) -> None:
        """Free the decompressed content; a compressed file cannot be read afterwards."""
        self.released = self.held_bytes > 0
        self._content.close()


def read_header(path: Path, limits: ReadLimits) -> Keywords:
    """Keywords of the events header, complemented by the primary header; empty if the file is not FITS.

    The file is read no further than the events header, or to its end if there is none.

    Raises
    ------
    UnreadableFileError, OversizeFileError
        The file cannot be opened, is empty, or its structure is invalid before the events header.
    """
    fallback: Keywords | None = None
    primary: Keywords | None = None
    with open_stream(path, limits) as stream:
        if not _is_fits(stream):
            return Keywords({})
        for hdu in _walk(stream):
            primary = primary or hdu.header
            if _is_events(hdu):
                return hdu.header.over(primary)
            if fallback is None and _has_photons(hdu):
                fallback = hdu.header
    if primary is None:
        return Keywords({})
    return fallback.over(primary) if fallback is not None else primary


@contextmanager
def open_fits(path: Path, limits: ReadLimits) -> Iterator[FitsFile]:
    """Open a FITS file and verify its structure; the decompressed content is freed at the end.

    Raises
    ------
    UnreadableFileError
        The file is missing, not FITS, truncated or damaged.
    OversizeFileError
        It exceeds the limits, by its size or its header.
    """
    file = load_fits(path, limits)
    try:
        yield file
    finally:
        file.release()


def load_fits(path: Path, limits: ReadLimits) -> FitsFile:
    """Open as `open_fits`, for reading rows later; the caller calls `release`."""
    with open_stream(path, limits, keep=True) as stream:
        if not _is_fits(stream):
            raise UnreadableFileError(path, "not a FITS file (it does not begin with SIMPLE)")
        try:
            hdus = tuple(_walk(stream))
            stream.finish()
        except BaseException:
            stream.content.close()
            raise
        return FitsFile(path, hdus, stream.content)


def _is_fits(stream: Stream) -> bool:
    return stream.peek(9) == b"SIMPLE  ="


def _walk(stream: Stream) -> Iterator[Hdu]:
    """Units of the file in order, each before its data are skipped."""
    index = 0
    while (header := _header_bytes(stream, index)) is not None:
        keywords = Keywords.from_bytes(header)
        path = stream.path
        name = str(keywords.get("EXTNAME", "PRIMARY" if index == 0 else "")).strip().upper()
        is_table = str(keywords.get("XTENSION", "")).strip().upper() in ("BINTABLE", "A3DTABLE")
        row_bytes = keywords.integer("NAXIS1", 0, path) if is_table else 0
        rows = keywords.integer("NAXIS2", 0, path) if is_table else 0
        size = data_size(keywords, path)
        what = f"table {name} of {rows:,} rows" if is_table else f"unit {name or index}"
        stream.check_claim(size, what)
        if rows > stream.limits.max_events:
            allowed = f"{stream.limits.max_events:,}"
            raise OversizeFileError(
                path, f"{what} is larger than limit max_events = {allowed}; raise it or split the file"
            )
        yield Hdu(path, name, keywords, stream.position, rows, row_bytes, is_table)
        stream.skip(size, what)
        stream.pad(-size % BLOCK)
        index += 1


def _header_bytes(stream: Stream, index: int) -> bytes | None:
    """Next header; None after the last unit."""
    header = bytearray()
    for _ in range(MAX_HEADER_BLOCKS):
        block = stream.read(BLOCK)
        if not header and index and not block.startswith(b"XTENSION"):
            return None
        if len(block) < BLOCK:
            raise UnreadableFileError(stream.path, f"truncated in the header of unit {index}; fetch it again")
        header += block
        if any(block[i : i + CARD].rstrip() == b"END" for i in range(0, BLOCK, CARD)):
            return bytes(header)
    raise UnreadableFileError(stream.path, f"the header of unit {index} has no END; the file is damaged")


def _is_events(hdu: Hdu) -> bool:
    return hdu.is_table and EVENTS_NAME.fullmatch(hdu.name) is not None


def _has_photons(hdu: Hdu) -> bool:
    return hdu.is_table and "TIME" in hdu.columns and "PI" in hdu.columns


def _cell_type(repeat: int, kind: str) -> np.dtype[np.generic] | None:
    if kind == "A":
        return np.dtype(f"S{repeat}") if repeat else np.dtype(("S1", (0,)))
    if kind not in CELL_TYPES:
        return None
    cells = (repeat + 7) // 8 if kind == "X" else repeat
    return np.dtype(CELL_TYPES[kind]) if cells == 1 and kind != "X" else np.dtype((CELL_TYPES[kind], (cells,)))


def _native(values: NDArray[np.generic]) -> NDArray[np.generic]:
    return np.ascontiguousarray(values, dtype=values.dtype.newbyteorder("="))
