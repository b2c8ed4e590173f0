"""Insertion of rows into a FITS table without changing other bytes of the file: `insert_rows`.

In the header of the table only NAXIS2 changes, and DATASUM and CHECKSUM if present.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.adapters.reading.fits_files import Hdu
from xherald.photons.errors import UnreadableFileError

__all__ = ["insert_rows", "packed", "unpacked"]

BLOCK: Final = 2880
CARD: Final = 80
GZIP_MAGIC: Final = b"\x1f\x8b"


def unpacked(path: Path) -> bytes:
    """Content of a file, decompressed if necessary."""
    raw = path.read_bytes()
    content = gzip.decompress(raw) if raw.startswith(GZIP_MAGIC) else raw
    if not content.startswith(b"SIMPLE"):
        raise UnreadableFileError(path, "neither plain FITS nor gzip; decompress it first")
    return content


def packed(content: bytes, *, compress: bool) -> bytes:
    """Bytes of a file; compressed without name and time, so that equal contents give equal files."""
    return gzip.compress(content, compresslevel=6, mtime=0) if compress else content


def insert_rows(content: bytes, table: Hdu, rows: NDArray[np.uint8], before: NDArray[np.int64]) -> bytes:
    """Content of a FITS file with rows inserted into one of its tables.

    Parameters
    ----------
    content : bytes — of the file
    table : Hdu — of that file
    rows : ndarray, shape (n, bytes a row), uint8
    before : ndarray, shape (n,), int64
        Row of the old table before which each new one is inserted; the number of rows for the end. Rows inserted at
        the same position keep their order.

    Raises
    ------
    UnreadableFileError
        The table has a heap (columns of variable length).
    """
    if table.header.integer("PCOUNT", 0, table.path):
        raise UnreadableFileError(
            table.path, f"table {table.name} has columns of variable length; rows cannot be added to it"
        )
    old_bytes = table.rows * table.row_bytes
    old = np.frombuffer(content, np.uint8, old_bytes, table.offset).reshape(table.rows, table.row_bytes)
    data = np.insert(old, before, rows, axis=0).tobytes()
    data += b"\0" * (-len(data) % BLOCK)
    start = _header_start(content, table)
    header = _changed(content[start : table.offset], "NAXIS2", f"{table.rows + len(rows):>20d}", table)
    if b"DATASUM = " in header:
        header = _changed(header, "DATASUM", f"'{_sum32(data):<8d}'", table)
    if b"CHECKSUM= " in header:
        header = _changed(header, "CHECKSUM", "'0000000000000000'", table)
        header = _changed(header, "CHECKSUM", f"'{_encoded(~np.uint32(_sum32(data, _sum32(header))))}'", table)
    end = table.offset + old_bytes
    return content[:start] + header + data + content[end + -old_bytes % BLOCK :]


def _header_start(content: bytes, table: Hdu) -> int:
    """Start of the header of a table: the last block before its data that begins an extension."""
    start = table.offset - BLOCK
    while not content.startswith(b"XTENSION", start):
        start -= BLOCK
    return start


def _changed(header: bytes, keyword: str, value: str, table: Hdu) -> bytes:
    """The header with another value of a keyword; the comment is kept if there is space."""
    for at in range(0, len(header), CARD):
        card = header[at : at + CARD]
        if card.startswith(f"{keyword:<8}= ".encode()):
            comment = _comment(card)
            changed = (f"{keyword:<8}= {value:<20}".encode() + comment)[:CARD].ljust(CARD)
            return header[:at] + changed + header[at + CARD :]
    raise UnreadableFileError(table.path, f"the header of {table.name} has no {keyword}; the file is damaged")


def _comment(card: bytes) -> bytes:
    """The comment, with its slash, of a card whose value is a number or a string without slash."""
    before, slash, after = card[10:].partition(b"/")
    return b" " * (before.endswith(b" ")) + slash + after.rstrip() if slash else b""


def _sum32(data: bytes, start: int = 0) -> int:
    """Ones'-complement sum of 32-bit words (FITS standard 4.0, appendix J)."""
    total = start + int(np.frombuffer(data, ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _encoded(value: np.uint32) -> str:
    """Sixteen printable characters whose sum is a 32-bit number (FITS standard 4.0, appendix J)."""
    columns = []
    for byte in int(value).to_bytes(4, "big"):
        quarter, rest = divmod(byte, 4)
        letters = [quarter + rest + 48, quarter + 48, quarter + 48, quarter + 48]
        while any(_is_punctuation(one) for one in letters):
            for pair in (0, 2):
                if _is_punctuation(letters[pair]) or _is_punctuation(letters[pair + 1]):
                    letters[pair] += 1
                    letters[pair + 1] -= 1
        columns.append(letters)
    text = "".join(chr(columns[byte][place]) for place in range(4) for byte in range(4))
    return text[-1] + text[:-1]


def _is_punctuation(code: int) -> bool:
    return 58 <= code <= 64 or 91 <= code <= 96
