"""Bytes of an input file, plain or gzip, read forward and never more of them than a limit allows.

The lowest step of the road: `files` walks the structure of a FITS file over the streams made here. What can go wrong
with a path or a compressed stream is turned into an `UnreadableFileError` or `OversizeFileError` here and nowhere else.
"""

from __future__ import annotations

import gzip
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

from xherald.photons.errors import OversizeFileError, UnreadableFileError
from xherald.plugins.contract import ReadLimits

__all__ = ["Content", "Stream", "check_path", "open_stream"]

GZIP_MAGIC = b"\x1f\x8b"
# Deflate cannot do better than 1032 to 1 (RFC 1951: 258 bytes from two bits), so a header that claims more than
# that from a compressed file is refuted before a byte is inflated.
DEFLATE_LIMIT = 1032
IN_MEMORY_BYTES = 256 * 2**20
# Event lists compress two- to fivefold, masks and blank images more but they are small: what is both large and denser
# than this is made to fill disks.
BOMB_RATIO = 100
CHUNK = 4 * 2**20
# Blank tape blocks may follow the last header-data unit; more than this is no padding.
PADDING_BYTES = 2**20
GIB = 2**30


def check_path(path: Path) -> int:
    """Size in bytes of a file that can be read.

    Raises
    ------
    UnreadableFileError
        It is missing, a dangling link, a directory or device, empty, or not ours to read.
    """
    try:
        status = path.stat()
    except FileNotFoundError as fault:
        if path.is_symlink():
            raise UnreadableFileError(path, f"a link to {path.readlink()}, which does not exist; mend it") from fault
        raise UnreadableFileError(path, "no such file; check the path") from fault
    except PermissionError as fault:
        raise UnreadableFileError(path, "no permission to look into its directory; ask its owner") from fault
    except OSError as fault:
        raise UnreadableFileError(path, f"cannot be examined ({fault.strerror}); check the path") from fault
    if stat.S_ISDIR(status.st_mode):
        raise UnreadableFileError(path, "a directory, not a file; name the files in it")
    if not stat.S_ISREG(status.st_mode):
        raise UnreadableFileError(path, "not a regular file; copy it to disk first")
    if status.st_size == 0:
        raise UnreadableFileError(path, "empty (zero bytes); fetch it again")
    return status.st_size


class Content(Protocol):
    """Random access to the uncompressed bytes of a file, without keeping that file open."""

    @property
    def held(self) -> int:
        """Bytes held in memory or scratch space."""

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """Exactly `size` bytes from `offset`."""

    def close(self) -> None:
        """Let go of memory or scratch space."""


class DiskContent:
    """Bytes of an uncompressed file, opened for each reading."""

    held = 0

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes from `offset`."""
        with _readable(self._path) as handle:
            handle.seek(offset)
            data = handle.read(size)
        if len(data) < size:
            raise UnreadableFileError(self._path, "became shorter while it was read; try again when it is complete")
        return data

    def close(self) -> None:
        """Nothing is held."""


class InflatedContent:
    """Bytes of a compressed file: in memory while they are few, in an unnamed scratch file beyond."""

    def __init__(self) -> None:
        self._memory = bytearray()
        self._scratch: IO[bytes] | None = None
        self._size = 0

    @property
    def held(self) -> int:
        """Bytes held."""
        return self._size

    def append(self, chunk: bytes) -> None:
        """Add bytes at the end."""
        self._size += len(chunk)
        if self._scratch is None and len(self._memory) + len(chunk) > IN_MEMORY_BYTES:
            self._scratch = tempfile.TemporaryFile(prefix="xherald-")  # noqa: SIM115 - held until close()
            self._scratch.write(self._memory)
            self._memory = bytearray()
        if self._scratch is None:
            self._memory += chunk
        else:
            self._scratch.write(chunk)

    def read(self, offset: int, size: int) -> bytes | memoryview:
        """Exactly `size` bytes from `offset`; the structure was checked, so they are there."""
        if self._scratch is None:
            return memoryview(self._memory)[offset : offset + size]
        self._scratch.seek(offset)
        return self._scratch.read(size)

    def close(self) -> None:
        """Give memory and scratch file back."""
        if self._scratch is not None:
            self._scratch.close()
            self._scratch = None
        self._memory = bytearray()
        self._size = 0


class Stream:
    """A file read forward, inflated on the way where it is compressed.

    Parameters
    ----------
    path : Path
    handle : binary file
    size : int — bytes on disk
    limits : ReadLimits
    keep : bool
        Whether what is inflated is kept, in `content`.
    """

    def __init__(self, path: Path, handle: IO[bytes], size: int, limits: ReadLimits, *, keep: bool) -> None:
        self.path = path
        self.size = size
        self.limits = limits
        self.position = 0
        self.compressed = handle.read(2) == GZIP_MAGIC
        handle.seek(0)
        self._source: IO[bytes] = gzip.GzipFile(fileobj=handle) if self.compressed else handle  # type: ignore[assignment]
        self._limit = int(limits.max_uncompressed_gib * GIB)
        self._inflated = InflatedContent() if keep and self.compressed else None
        self._ahead = b""

    @property
    def content(self) -> Content:
        """The bytes passed so far, for random access."""
        return self._inflated if self._inflated is not None else DiskContent(self.path)

    def peek(self, size: int) -> bytes:
        """The next bytes, which `read` will give again."""
        if len(self._ahead) < size:
            self._ahead += self._read(size - len(self._ahead))
        return self._ahead[:size]

    def read(self, size: int) -> bytes:
        """Up to `size` bytes; fewer at the end of the file only."""
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
        except EOFError as fault:
            raise UnreadableFileError(self.path, "truncated gzip stream; fetch it again") from fault
        except (zlib.error, gzip.BadGzipFile) as fault:
            raise UnreadableFileError(self.path, f"corrupt gzip stream ({fault}); fetch it again") from fault
        except OSError as fault:
            raise UnreadableFileError(self.path, f"cannot be read ({fault.strerror or fault})") from fault

    def claim(self, size: int, what: str) -> None:
        """Refuse a header's claim of `size` more bytes where the limit or the file cannot bear it."""
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
                f"{what} claims to inflate {end // self.size:,}-fold, larger than limit {BOMB_RATIO} for files beyond "
                f"{IN_MEMORY_BYTES // 2**20} MiB: damaged, or a decompression bomb; it was not read further",
            )
        holds = self.size * DEFLATE_LIMIT if self.compressed else self.size
        if end > holds:
            raise UnreadableFileError(
                self.path, f"truncated: {what} needs {end:,} bytes, the file holds at most {holds:,}; fetch it again"
            )

    def skip(self, size: int, what: str) -> None:
        """Pass over `size` bytes."""
        if not self.compressed:
            self.position = self._source.seek(self.position + size)
            return
        left = size
        while left:
            passed = len(self.read(min(left, CHUNK)))
            if passed == 0:
                raise UnreadableFileError(
                    self.path, f"truncated: {what} lacks {left:,} of {size:,} bytes; fetch it again"
                )
            left -= passed

    def pad(self, size: int) -> None:
        """Pass over the fill of a unit's last block, which careless writers leave out at the end of a file."""
        if self.compressed:
            self.read(size)
        else:
            self.position = self._source.seek(self.position + size)

    def finish(self) -> None:
        """Check the end of a compressed stream: its checksum, and that nothing is hidden behind the last unit."""
        if not self.compressed:
            return
        self._inflated, kept = None, self._inflated
        beyond = 0
        while chunk := self.read(CHUNK):
            beyond += len(chunk)
            if beyond > PADDING_BYTES:
                raise OversizeFileError(
                    self.path,
                    "goes on inflating after its last table: damaged, or a decompression bomb; it was not read further",
                )
        self._inflated = kept


@contextmanager
def _readable(path: Path) -> Iterator[IO[bytes]]:
    try:
        handle = path.open("rb")
    except PermissionError as fault:
        raise UnreadableFileError(path, "no permission to read it; ask its owner") from fault
    except OSError as fault:
        raise UnreadableFileError(path, f"cannot be opened ({fault.strerror})") from fault
    with handle:
        yield handle


@contextmanager
def open_stream(path: Path, limits: ReadLimits, *, keep: bool = False) -> Iterator[Stream]:
    """Open a file for reading forward, recognising gzip by its first bytes.

    Raises
    ------
    UnreadableFileError
        See `check_path`.
    """
    size = check_path(path)
    with _readable(path) as handle:
        yield Stream(path, handle, size, limits, keep=keep)
