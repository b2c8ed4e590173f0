"""Whether a file is complete: unchanged for a while, its gzip stream and its FITS units not truncated."""

from __future__ import annotations

import os
import time
from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path

from xherald.adapters import open_fits
from xherald.adapters.reading.byte_streams import CHUNK, open_stream
from xherald.photons.errors import OversizeFileError, UnreadableFileError
from xherald.plugins import ReadLimits

__all__ = ["FileExamination", "StabilityTracker", "examine_file"]

PARQUET_MAGIC = b"PAR1"


@dataclass(slots=True)
class StabilityTracker:
    """Tracks since when files have been unchanged, by a monotonic clock.

    Parameters
    ----------
    stable_after_s : float — s for which a stable file is unchanged
    """

    stable_after_s: float
    _since: dict[str, tuple[Hashable, float]] = field(default_factory=dict)

    def is_stable(self, url: str, version: Hashable, mtime: float = 0.0) -> bool:
        """Whether a file has been unchanged for long enough.

        Parameters
        ----------
        url : str
        version : hashable — size, time and etag
        mtime : float
            Last change by the clock of this machine, if known: a file that was changed long ago is stable at once. If
            it is in the future, because the clock was set back, only the observed time counts.
        """
        now = time.monotonic()
        before = self._since.get(url)
        if before is None or before[0] != version:
            before = self._since[url] = (version, now)
        age = time.time() - mtime if mtime else 0.0
        return max(now - before[1], age) >= self.stable_after_s

    def unchanged_s(self, url: str) -> float:
        """How long a file has been observed unchanged, s."""
        before = self._since.get(url)
        return 0.0 if before is None else time.monotonic() - before[1]

    def forget(self, url: str) -> None:
        """Stop tracking a file."""
        self._since.pop(url, None)


@dataclass(frozen=True, slots=True)
class FileExamination:
    """Result of examining a file.

    Parameters
    ----------
    incomplete : str or None — why the file is incomplete, on one line
    not_events : str or None — why a complete file has no events that could be used
    is_event_list : bool — whether such a file is an event list nevertheless, of an instrument without an adapter
    """

    incomplete: str | None = None
    not_events: str | None = None
    is_event_list: bool = False


def examine_file(path: Path, limits: ReadLimits) -> FileExamination:
    """Examine whether a file is complete and can contain events.

    FITS files are read to their last unit, gzip streams to their checksum, of Parquet files the end. Text files cannot
    be checked and count as complete.
    """
    try:
        before = path.stat()
        found = _examine(path, limits, before.st_size)
        after = path.stat()
    except OversizeFileError:
        return FileExamination()  # whoever reads it rejects it with the reason
    except UnreadableFileError as fault:
        return FileExamination(fault.reason)
    except OSError as fault:
        return FileExamination(f"cannot be read: {fault.strerror or fault}")
    return found if _version(before) == _version(after) else FileExamination("changed while it was being read")


def _examine(path: Path, limits: ReadLimits, size: int) -> FileExamination:
    with open_stream(path, limits) as stream:
        is_fits, compressed = stream.peek(9) == b"SIMPLE  =", stream.compressed
        if compressed and not is_fits:
            while stream.read(CHUNK):
                pass
    if not is_fits:
        return FileExamination(None if compressed else _check_parquet(path, size))
    with open_fits(path, limits) as file:
        try:
            events = file.events
        except UnreadableFileError as fault:
            return FileExamination(not_events=fault.reason)
        if not events.rows:
            return FileExamination(not_events=f"table {events.name} has no events")
    return FileExamination()


def _version(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _check_parquet(path: Path, size: int) -> str | None:
    with path.open("rb") as file:
        if file.read(4) != PARQUET_MAGIC:
            return None
        file.seek(max(size - 4, 0))
        return None if size > 8 and file.read(4) == PARQUET_MAGIC else "truncated Parquet file; fetch it again"
