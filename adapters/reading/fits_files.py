"""FITS files read within limits: headers as a stream, tables in blocks of rows.

All adapters read through two functions: `read_header` reads no further than the header of the events, `open_fits`
verifies the structure of the whole file first. A list of 10 million rows then needs the memory of a block of rows,
unlike with a memory map, whose pages count as resident.

Structure of a FITS file: FITS standard 4.0 (Pence et al. 2018), §3.3 (units of 2880 bytes), §4.4.1 (data size).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xherald.photons.errors import OversizeFileError, UnreadableFileError
from xherald.plugins.contract import ReadLimits

from .byte_streams import Content, Stream, open_stream
from .checksums import Checksum
from .event_tables import has_photons, is_events, join_tables
from .fits_tables import Column, Hdu, Rows, native
from .keywords import CARD, Keywords, data_size

__all__ = ["Column", "FitsFile", "Hdu", "Rows", "load_fits", "open_fits", "read_header"]

BLOCK = 2880
MAX_HEADER_BLOCKS = 4096
ROWS_PER_BLOCK = 500_000


class FitsFile:
    """A FITS file with verified structure. It is not open, but its decompressed content is kept until `release`.

    Parameters
    ----------
    path : Path
    hdus : tuple of Hdu
    content : Content
    damaged : tuple of str
        Names of units whose data differ from their checksum.
    """

    def __init__(self, path: Path, hdus: tuple[Hdu, ...], content: Content, damaged: tuple[str, ...] = ()) -> None:
        self.path, self.hdus, self._content, self.damaged = path, hdus, content, damaged
        self.released = False
        self._notes: list[str] = []

    @property
    def notes(self) -> tuple[str, ...]:
        """Remarks on what was corrected or left out in reading, for the user."""
        return tuple(self._notes)

    def note(self, remark: str) -> None:
        """Add a remark, once."""
        if remark not in self._notes:
            self._notes.append(remark)

    @property
    def held_bytes(self) -> int:
        """Size of the decompressed content that is kept."""
        return self._content.held_bytes

    @property
    def primary(self) -> Hdu:
        """Primary unit."""
        return self.hdus[0]

    @cached_property
    def events(self) -> Hdu:
        """Events table; several of equal layout are one.

        Raises
        ------
        UnreadableFileError
            There is none, or several that differ.
        """
        named = [hdu for hdu in self.hdus if is_events(hdu)]
        found = named or [hdu for hdu in self.hdus if has_photons(hdu)]
        if not found:
            units = ", ".join(hdu.name or "unnamed" for hdu in self.hdus)
            raise UnreadableFileError(self.path, f"has no events table, only {units}; give an event list")
        if len(found) > 1:
            self.note(f"{len(found)} events tables were read as one")
        return join_tables(found)

    def require_intact(self) -> None:
        """Raise `UnreadableFileError` if the data of a unit differ from their checksum."""
        if self.damaged:
            units = ", ".join(self.damaged)
            raise UnreadableFileError(
                self.path, f"damaged: DATASUM does not agree with the data of {units}; fetch it again"
            )

    def blocks(self, hdu: Hdu, rows_per_block: int = ROWS_PER_BLOCK) -> Iterator[Rows]:
        """Blocks of rows of a table, in order."""
        first = 0
        for offset, rows in hdu.parts or ((hdu.offset, hdu.rows),):
            for start in range(0, rows, rows_per_block):
                count = min(rows_per_block, rows - start)
                data = self._content.read(offset + start * hdu.row_bytes, count * hdu.row_bytes)
                yield Rows(hdu, first + start, count, data)
            first += rows

    def column(self, hdu: Hdu, name: str) -> NDArray[np.generic]:
        """A whole column, scaled, in native byte order."""
        column = hdu.require(name)
        parts = [native(rows.column(name)) for rows in self.blocks(hdu)]
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
            if is_events(hdu):
                return hdu.header.over(primary)
            if fallback is None and has_photons(hdu):
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


def load_fits(path: Path, limits: ReadLimits, *, verify: bool = False) -> FitsFile:
    """Open as `open_fits`, for reading rows later; the caller calls `release`.

    Parameters
    ----------
    path : Path
    limits : ReadLimits
    verify : bool
        Whether checksums of the units are compared; see `FitsFile.require_intact`.
    """
    with open_stream(path, limits, keep=True) as stream:
        if not _is_fits(stream):
            raise UnreadableFileError(path, "not a FITS file (it does not begin with SIMPLE)")
        damaged: list[str] | None = [] if verify else None
        try:
            hdus = tuple(_walk(stream, damaged))
            stream.finish()
        except BaseException:
            stream.content.close()
            raise
        return FitsFile(path, hdus, stream.content, tuple(damaged or ()))


def _is_fits(stream: Stream) -> bool:
    return stream.peek(9) == b"SIMPLE  ="


def _walk(stream: Stream, damaged: list[str] | None = None) -> Iterator[Hdu]:
    """Units of the file in order, each before its data are skipped; those that are damaged are added to a list."""
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
        checksum = Checksum(header, keywords) if damaged is not None and (is_table or index == 0) and size else None
        if damaged is not None and checksum is not None and checksum.is_verifiable:
            stream.skip(size, what, checksum.update)
            if not checksum.fits:
                damaged.append(name or f"unit {index}")
        else:
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
