"""FITS files opened within bounds: headers by streaming, tables by blocks of rows, nothing kept open in between.

Every adapter, built in or not, reads through the two doors here: `read_header` looks at a file no further than the
header of its events, and `open_fits` checks the structure of the whole file before anything of it is believed. A
10-million-row list then costs the memory of a block of its rows, which a memory map would not grant: pages of a map
count as resident. Keyword values are parsed by astropy, one card when it is asked for.

Structure of a FITS file: FITS standard 4.0 (Pence et al. 2018), §3.3 (units of 2880 bytes), §4.4.1 (data size),
§7.3 (binary tables).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xherald.photons.errors import OversizeFileError, UnreadableFileError
from xherald.plugins.contract import ReadLimits

from .byte_streams import Content, Stream, open_stream

__all__ = ["Column", "FitsFile", "Hdu", "Keywords", "data_bytes", "open_fits", "read_header"]

BLOCK = 2880
CARD = 80
MAX_HEADER_BLOCKS = 4096
ROWS_PER_BLOCK = 500_000
EVENTS_NAME = re.compile(r"(EVENTS|STDEVT)\d*")
# FITS standard 4.0, table 18; 'X' (bits) is kept as bytes.
CELL_TYPES = {"L": "S1", "X": "u1", "B": "u1", "I": ">i2", "J": ">i4", "K": ">i8", "E": ">f4", "D": ">f8"}
CELL_FORM = re.compile(r"(\d*)([LXBIJKAEDCMPQ])")
CELL_BYTES = {"C": 8, "M": 16, "P": 8, "Q": 16}


class Keywords(Mapping[str, object]):
    """Keywords of a FITS header, upper case; a card is parsed when its value is asked for.

    Commentary, blank and CONTINUE cards are left out.
    """

    def __init__(self, cards: Mapping[str, str]) -> None:
        self._cards = cards

    @classmethod
    def from_bytes(cls, header: bytes) -> Keywords:
        """Split a header into cards."""
        text = header.decode("ascii", errors="replace")
        starts = range(0, len(text), CARD)
        return cls({text[i : i + 8].rstrip().upper(): text[i : i + CARD] for i in starts if text[i + 8 : i + 9] == "="})

    def over(self, below: Keywords) -> Keywords:
        """These keywords, and those of another header where they are silent."""
        return Keywords({**below._cards, **self._cards})

    def cards(self, keys: Iterable[str]) -> str:
        """Header text of some keywords, as written in the file."""
        return "".join(self._cards[key.upper()].ljust(CARD) for key in keys)

    def __getitem__(self, key: str) -> object:
        from astropy.io.fits import Card, VerifyError

        card = self._cards[key.upper()]
        try:
            value: object = Card.fromstring(card).value
        except VerifyError:
            # Not FITS: hand on what is written, so that whoever needs the value can say what it is.
            return card[10:].strip()
        return value.strip() if isinstance(value, str) else value

    def __iter__(self) -> Iterator[str]:
        return iter(self._cards)

    def __len__(self) -> int:
        return len(self._cards)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and key.upper() in self._cards

    def integer(self, key: str, default: int, path: Path) -> int:
        """An integer that the structure of the file depends on."""
        if key not in self:
            return default
        value = self._cards[key][10:].partition("/")[0].strip()
        if not value.lstrip("-").isdigit() or int(value) < 0:
            raise UnreadableFileError(path, f"header keyword {key} = {value} is not a size; the file is damaged")
        return int(value)


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a binary table.

    Parameters
    ----------
    name : str — as the header writes it
    dtype : numpy dtype of a cell, or None where cells of this kind are not read (complex, variable length)
    width : int — bytes a row
    offset : int — bytes from the start of a row
    scale, zero : float — TSCAL and TZERO
    null : int or None — TNULL
    number : int — n of its keywords TTYPEn …
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
        """Whether stored and true values differ."""
        return self.scale != 1.0 or self.zero != 0.0


@dataclass(frozen=True, eq=False)
class Hdu:
    """A header-data unit: keywords, and rows if it is a table.

    Parameters
    ----------
    path : Path
    name : str — EXTNAME, upper case; "PRIMARY" for the first
    header : Keywords
    offset : int — of the data, bytes
    rows, row_bytes : int — 0 where it is no binary table
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
                raise UnreadableFileError(self.path, f"table {self.name}: TFORM{n} is missing or no FITS format")
            repeat, kind = int(form[1] or 1), form[2]
            dtype = _cell_type(repeat, kind)
            width = dtype.itemsize if dtype is not None else repeat * CELL_BYTES[kind]
            yield Column(
                name=str(header.get(f"TTYPE{n}", f"COL{n}")),
                dtype=dtype,
                width=width,
                offset=offset,
                scale=_real(header.get(f"TSCAL{n}", 1.0), f"TSCAL{n}", self.path),
                zero=_real(header.get(f"TZERO{n}", 0.0), f"TZERO{n}", self.path),
                null=int(_real(header[f"TNULL{n}"], f"TNULL{n}", self.path)) if f"TNULL{n}" in header else None,
                number=n,
            )
            offset += width
        if offset > self.row_bytes:
            raise UnreadableFileError(
                self.path, f"table {self.name}: columns need {offset} bytes a row, NAXIS1 says {self.row_bytes}"
            )

    def require(self, name: str) -> Column:
        """The column of that name, whatever its case."""
        column = self.columns.get(name.upper())
        if column is None:
            raise UnreadableFileError(self.path, f"table {self.name} has no column {name}; it has {self._names()}")
        return column

    def _names(self) -> str:
        return ", ".join(column.name for column in self.columns.values()) or "none"


class Rows:
    """A run of rows of a table, held as bytes; columns are views or fresh arrays made when asked for.

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
        """True values (TSCAL, TZERO applied), shape (count, …); big-endian views where nothing had to be computed."""
        column = self._hdu.require(name)
        if column.dtype is None:
            raise UnreadableFileError(
                self._hdu.path, f"column {name} of {self._hdu.name} has cells of a kind not read here"
            )
        base, shape = column.dtype.base, column.dtype.shape
        steps = np.empty(shape, dtype=base).strides
        stored: NDArray[np.generic] = np.ndarray(
            (self.count, *shape), base, self._data, column.offset, (self._hdu.row_bytes, *steps)
        )
        if not column.is_scaled:
            return stored
        # The unsigned integers of FITS are an offset of 2^15 or 2^31 on signed ones: they stay integers.
        if column.scale == 1.0 and column.zero.is_integer() and stored.dtype.kind in "iu":
            return stored.astype(np.int64) + int(column.zero)
        return stored.astype(np.float64) * column.scale + column.zero


class FitsFile:
    """A FITS file whose structure was checked. It is not kept open.

    What had to be inflated is kept until `release`.
    """

    def __init__(self, path: Path, hdus: tuple[Hdu, ...], content: Content) -> None:
        self.path, self.hdus, self._content = path, hdus, content
        self.released = False

    @property
    def held(self) -> int:
        """Bytes of it that are held inflated."""
        return self._content.held

    @property
    def primary(self) -> Hdu:
        """The first unit."""
        return self.hdus[0]

    @property
    def events(self) -> Hdu:
        """The events table.

        Raises
        ------
        UnreadableFileError
            There is none.
        """
        named = next((hdu for hdu in self.hdus if _is_events(hdu)), None)
        found = named or next((hdu for hdu in self.hdus if _has_photons(hdu)), None)
        if found is None:
            held = ", ".join(hdu.name or "unnamed" for hdu in self.hdus)
            raise UnreadableFileError(self.path, f"holds no events table, only {held}; give an event list")
        return found

    def blocks(self, hdu: Hdu, rows_per_block: int = ROWS_PER_BLOCK) -> Iterator[Rows]:
        """The rows of a table, in order, some at a time."""
        for start in range(0, hdu.rows, rows_per_block):
            count = min(rows_per_block, hdu.rows - start)
            yield Rows(hdu, start, count, self._content.read(hdu.offset + start * hdu.row_bytes, count * hdu.row_bytes))

    def column(self, hdu: Hdu, name: str) -> NDArray[np.generic]:
        """A whole column, true values in native byte order."""
        column = hdu.require(name)
        parts = [_native(rows.column(name)) for rows in self.blocks(hdu)]
        if not parts:
            return np.empty((0, *(column.dtype.shape if column.dtype is not None else ())))
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def release(self) -> None:
        """Let go of what was inflated; the file cannot be read from afterwards if it was compressed."""
        self.released = self.held > 0
        self._content.close()


def read_header(path: Path, limits: ReadLimits) -> Keywords:
    """Keywords of the primary and the events header, the latter winning; empty if it is not FITS.

    The file is read no further than the events header, or to its end if there is none.

    Raises
    ------
    UnreadableFileError, OversizeFileError
        The file cannot be opened, is empty, or its structure is broken before the events header.
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
    """Open a FITS file, its structure checked to the last unit; what was inflated is given back at the end.

    Raises
    ------
    UnreadableFileError
        Not there, not FITS, truncated, damaged.
    OversizeFileError
        It holds, or claims to hold, more than the limits allow.
    """
    file = load_fits(path, limits)
    try:
        yield file
    finally:
        file.release()


def load_fits(path: Path, limits: ReadLimits) -> FitsFile:
    """As `open_fits`, for a reader that comes back later for the rows; the caller calls `release`."""
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
    """Unit after unit, each yielded before its data are passed over."""
    index = 0
    while (header := _header_bytes(stream, index)) is not None:
        keywords = Keywords.from_bytes(header)
        path = stream.path
        name = str(keywords.get("EXTNAME", "PRIMARY" if index == 0 else "")).strip().upper()
        is_table = str(keywords.get("XTENSION", "")).strip().upper() in ("BINTABLE", "A3DTABLE")
        row_bytes = keywords.integer("NAXIS1", 0, path) if is_table else 0
        rows = keywords.integer("NAXIS2", 0, path) if is_table else 0
        size = data_bytes(keywords, path)
        what = f"table {name} of {rows:,} rows" if is_table else f"unit {name or index}"
        stream.claim(size, what)
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
    """The next header with its END card cut off; None where the units end."""
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


def data_bytes(header: Keywords, path: Path) -> int:
    """Size of a unit's data (FITS standard 4.0, equations 1 and 2)."""
    axes = [header.integer(f"NAXIS{n}", 0, path) for n in range(1, header.integer("NAXIS", 0, path) + 1)]
    if not axes:
        return 0
    if axes[0] == 0 and "GROUPS" in header:
        axes = axes[1:]
    elements = 1
    for axis in axes:
        elements *= axis
    bits = abs(int(_real(header.get("BITPIX", 8), "BITPIX", path)))
    return bits // 8 * header.integer("GCOUNT", 1, path) * (header.integer("PCOUNT", 0, path) + elements)


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


def _real(value: object, key: str, path: Path) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UnreadableFileError(path, f"header keyword {key} = {value!r} is not a number; the file is damaged")
    return float(value)
