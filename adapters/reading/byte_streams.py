"""Bytes of an input file, plain or compressed (gzip, bzip2, xz), read as a stream within limits.

`fits_files` parses FITS files from these streams. Errors of paths and compressed streams become `UnreadableFileError`
or `OversizeFileError` here.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import re
import stat
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from xherald.photons.errors import OversizeFileError, UnreadableFileError
from xherald.plugins.contract import ReadLimits

__all__ = ["Content", "Stream", "check_path", "open_stream"]

# Largest ratio of each format, such as 258 bytes from two bits for deflate (RFC 1951): headers that claim more are
# refused at once.
COMPRESSIONS: Mapping[bytes, tuple[str, Callable[[IO[bytes]], object], int]] = {
    b"\x1f\x8b": ("gzip", lambda handle: gzip.GzipFile(fileobj=handle), 1032),
    b"BZh": ("bzip2", bz2.BZ2File, 50_000),
    b"\xfd7zXZ\x00": ("xz", lzma.LZMAFile, 8_000),
}
"""Compressed formats by their first bytes: name, reader and largest ratio."""

UNSUPPORTED: Mapping[bytes, tuple[str, str]] = {
    b"\x1f\x9d": ("compress", "uncompress"),
    b"PK\x03\x04": ("zip", "unzip"),
    b"(\xb5/\xfd": ("zstd", "unzstd"),
}
"""Compressed formats that are not read: name, and the program that decompresses them."""

EVENT_FILE = re.compile(r"\.(fits?|fts|ftz|evt?|img)\b", re.IGNORECASE)
MAX_MAGIC = 6
IN_MEMORY_BYTES = 256 * 2**20
# Event lists compress two- to fivefold, masks and blank images more, but these are small: large files with a larger
# ratio are decompression bombs.
BOMB_RATIO = 100
CHUNK = 4 * 2**20
# Blank blocks may follow the last unit; more than this is not padding.
PADDING_BYTES = 2**20
GIB = 2**30


def check_path(path: Path) -> int:
    """Size of a readable file, bytes.

    Raises
    ------
    UnreadableFileError
        It is missing, a dangling link, a directory or device, empty, or not permitted.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        if path.is_symlink():
            raise UnreadableFileError(path, f"a link to {path.readlink()}, which does not exist; fix it") from error
        raise UnreadableFileError(path, "no such file; check the path") from error
    except PermissionError as error:
        raise UnreadableFileError(path, "no permission for its directory; ask its owner") from error
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be examined ({error.strerror}); check the path") from error
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableFileError(path, "is a directory; give the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFileError(path, "is not a regular file; copy it to disk first")
    if status.st_size == 0:
        raise UnreadableFileError(path, "empty (zero bytes); fetch it again")
    return status.st_size


class Content(Protocol):
    """Random access to the uncompressed bytes of a file, which is not kept open."""

    @property
    def held_bytes(self) -> int:
        """Size of the content in memory or a scratch file."""

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """Exactly `size` bytes from `offset`."""

    def close(self) -> None:
        """Free memory and scratch file."""


class DiskContent:
    """Bytes of an uncompressed file, opened for each read."""

    held_bytes = 0

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset`."""
        with _readable(self._path) as handle:
            handle.seek(offset)
            data = handle.read(size)
        if len(data) < size:
            raise UnreadableFileError(self._path, "truncated while it was read; try again when it is complete")
        return data

    def close(self) -> None:
        """Do nothing."""


class DecompressedContent:
    """Bytes of a compressed file, in memory up to a limit, else in a scratch file."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._scratch: IO[bytes] | None = None
        self._size = 0

    @property
    def held_bytes(self) -> int:
        """Size of the content."""
        return self._size

    def append(self, chunk: bytes) -> None:
        """Append bytes."""
        self._size += len(chunk)
        if self._scratch is None and len(self._memory) + len(chunk) > IN_MEMORY_BYTES:
            self._scratch = tempfile.TemporaryFile(prefix="xherald-")  # noqa: SIM115 - kept until close()
            self._scratch.write(self._memory)
            self._memory = bytearray()
        if self._scratch is None:
            self._memory += chunk
        else:
            self._scratch.write(chunk)

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """Exactly `size` bytes from `offset`, which the verified structure contains."""
        if self._scratch is None:
            return memoryview(self._memory)[offset : offset + size]
        self._scratch.seek(offset)
        return self._scratch.read(size)

    def close(self) -> None:
        """Free memory and scratch file."""
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None
        self._memory = bytearray()
        self._size = 0


class Stream:
    """Sequential read of a file, decompressed if necessary.

    Parameters
    ----------
    path : Path
    handle : binary file
    size : int — bytes on disk
    limits : ReadLimits
    keep : bool
        Whether decompressed bytes are kept in `content`.
    """

    def __init__(self, path: Path, handle: IO[bytes], size: int, limits: ReadLimits, *, keep: bool) -> None:
        self.path = path
        self.size = size
        self.limits = limits
        self.position = 0
        beginning = handle.read(MAX_MAGIC)
        handle.seek(0)
        self._refuse_unsupported(beginning)
        found = next((one for magic, one in COMPRESSIONS.items() if beginning.startswith(magic)), None)
        self.compressed = found is not None
        self._format, decompress, self._largest_ratio = found or ("", lambda handle: handle, 1)
        self._source: IO[bytes] = decompress(handle)  # type: ignore[assignment]
        self._limit = int(limits.max_uncompressed_gib * GIB)
        self._inflated = DecompressedContent() if keep and self.compressed else None
        self._ahead = b""

    def _refuse_unsupported(self, beginning: bytes) -> None:
        """Refuse event files in a compressed format that is not read; other files are nobody's."""
        for magic, (name, program) in UNSUPPORTED.items():
            if beginning.startswith(magic) and EVENT_FILE.search(self.path.name):
                raise UnreadableFileError(
                    self.path, f"compressed with {name}, which is not supported; run `{program} {self.path.name}`"
                )

    @property
    def content(self) -> Content:
        """The bytes read so far, for random access."""
        return self._inflated if self._inflated is not None else DiskContent(self.path)

    def peek(self, size: int) -> bytes:
        """The next bytes, without advancing."""
        if len(self._ahead) < size:
            self._ahead += self._read(size - len(self._ahead))
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """`size` bytes, or fewer at the end of the file."""
        data, self._ahead = self._ahead[:size], self._ahead[size:]
        if len(data) < size:
            data += self._read(size - len(data))
        self.position += len(data)
        if self._inflated is not None:
            self._inflated.append(data)
        return data

    def _read(self, size: int) -> bytes:
        try:
            return self._source.read(size)
        except EOFError as error:
            raise UnreadableFileError(self.path, f"truncated {self._format} stream; fetch it again") from error
        except (zlib.error, gzip.BadGzipFile, lzma.LZMAError) as error:
            raise UnreadableFileError(self.path, f"corrupt {self._format} stream ({error}); fetch it again") from error
        except OSError as error:
            if self._format == "bzip2" and error.errno is None:
                raise UnreadableFileError(self.path, f"corrupt bzip2 stream ({error}); fetch it again") from error
            raise UnreadableFileError(self.path, f"cannot be read ({error.strerror or error})") from error

    def check_claim(self, size: int, what: str) -> None:
        """Refuse `size` more bytes claimed by a header if they exceed the limits or the file."""
        end = self.position + size
        if end > self._limit:
            raise OversizeFileError(
                self.path,
                f"{what} claims {size / GIB:,.1f} GiB, larger than limit max_uncompressed_gib = {self._limit / GIB:g}; "
                "the header is damaged, or raise the limit",
            )
        if self.compressed and end > max(IN_MEMORY_BYTES, self.size * BOMB_RATIO):
            raise OversizeFileError(
                self.path,
                f"{what} claims a compression ratio of {end // self.size:,}, larger than limit {BOMB_RATIO} for files "
                f"beyond {IN_MEMORY_BYTES // 2**20} MiB: damaged, or a decompression bomb",
            )
        available = self.size * self._largest_ratio
        if end > available:
            raise UnreadableFileError(
                self.path, f"truncated: {what} needs {end:,} bytes, the file has at most {available:,}; fetch it again"
            )

    def skip(self, size: int, what: str, examine: Callable[[bytes], None] | None = None) -> None:
        """Skip `size` bytes, passing them to `examine` in pieces if it is given."""
        if not self.compressed and examine is None:
            self.position = self._source.seek(self.position + size)
            return
        left = size
        while left:
            skipped = self.read(min(left, CHUNK))
            if not skipped:
                raise UnreadableFileError(
                    self.path, f"truncated: {left:,} of {size:,} bytes of {what} are missing; fetch it again"
                )
            if examine is not None:
                examine(skipped)
            left -= len(skipped)

    def pad(self, size: int) -> None:
        """Skip the padding of a unit's last block, which may be absent at the end of a file."""
        if self.compressed:
            self.read(size)
        else:
            self.position = self._source.seek(self.position + size)

    def finish(self) -> None:
        """Verify the end of a compressed stream: its checksum, and that no more than padding follows the last unit."""
        if not self.compressed:
            return
        self._inflated, kept = None, self._inflated
        beyond = 0
        while chunk := self.read(CHUNK):
            beyond += len(chunk)
            if beyond > PADDING_BYTES:
                raise OversizeFileError(
                    self.path,
                    "has more data after its last table: damaged, or a decompression bomb",
                )
        self._inflated = kept


@contextmanager
def _readable(path: Path) -> Iterator[IO[bytes]]:
    try:
        handle = path.open("rb")
    except PermissionError as error:
        raise UnreadableFileError(path, "no read permission; ask its owner") from error
    except OSError as error:
        raise UnreadableFileError(path, f"cannot be opened ({error.strerror})") from error
    with handle:
        yield handle


@contextmanager
def open_stream(path: Path, limits: ReadLimits, *, keep: bool = False) -> Iterator[Stream]:
    """Open a file for sequential reading; compression is recognised by the first bytes.

    Raises
    ------
    UnreadableFileError
        See `check_path`.
    """
    size = check_path(path)
    with _readable(path) as handle:
        yield Stream(path, handle, size, limits, keep=keep)
