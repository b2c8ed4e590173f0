"""Whether a file is all there: its size and time stand, its gzip stream ends as it should, its FITS units are complete.

In the stream this stands between a sighting and its being stable: what is half copied is left for the next look.
"""

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

__all__ = ["Examined", "StabilityTracker", "examine"]

PARQUET_MARK = b"PAR1"


@dataclass(slots=True)
class StabilityTracker:
    """Since when each file has stood as it is, by a clock that nobody sets.

    Parameters
    ----------
    stable_after_s : float — s that it has to stand
    """

    stable_after_s: float
    _since: dict[str, tuple[Hashable, float]] = field(default_factory=dict)

    def stands(self, url: str, look: Hashable, mtime: float = 0.0) -> bool:
        """Whether a file has long enough looked as it does now.

        Parameters
        ----------
        url : str
        look : hashable — size, time and mark
        mtime : float
            Last change by the clock of this machine, where it is that: a file that was last changed long ago stands at
            the first look. If it lies ahead, because the clock was set back, only what was seen counts.
        """
        moment = time.monotonic()
        before = self._since.get(url)
        if before is None or before[0] != look:
            before = self._since[url] = (look, moment)
        age = time.time() - mtime if mtime else 0.0
        return max(moment - before[1], age) >= self.stable_after_s

    def waited(self, url: str) -> float:
        """How long, s, a file has been seen to stand."""
        before = self._since.get(url)
        return 0.0 if before is None else time.monotonic() - before[1]

    def forget(self, url: str) -> None:
        """Have done with a file."""
        self._since.pop(url, None)


@dataclass(frozen=True, slots=True)
class Examined:
    """What a look into a file says.

    Parameters
    ----------
    fault : str or None — what it lacks to be whole, in one line
    other : str or None — why it is no event list though it is whole
    """

    fault: str | None = None
    other: str | None = None


def examine(path: Path, limits: ReadLimits) -> Examined:
    """Look whether a file is whole, and whether it can hold events.

    FITS files are walked to their last unit, gzip streams to their checksum, Parquet files are looked at the end of;
    other text is whole as far as anybody can tell.
    """
    try:
        before = path.stat()
        found = _examine(path, limits, before.st_size)
        after = path.stat()
    except OversizeFileError:
        return Examined()  # whole or not, it is refused by whoever reads it, with the reason
    except UnreadableFileError as fault:
        return Examined(fault.reason)
    except OSError as fault:
        return Examined(f"cannot be read: {fault.strerror or fault}")
    return found if _look(before) == _look(after) else Examined("changed while it was looked at")


def _examine(path: Path, limits: ReadLimits, size: int) -> Examined:
    with open_stream(path, limits) as stream:
        is_fits, compressed = stream.peek(9) == b"SIMPLE  =", stream.compressed
        if compressed and not is_fits:
            while stream.read(CHUNK):
                pass
    if not is_fits:
        return Examined(None if compressed else _parquet_fault(path, size))
    with open_fits(path, limits) as file:
        try:
            _ = file.events
        except UnreadableFileError as fault:
            return Examined(other=fault.reason)
    return Examined()


def _look(status: os.stat_result) -> tuple[int, int]:
    return status.st_size, status.st_mtime_ns


def _parquet_fault(path: Path, size: int) -> str | None:
    with path.open("rb") as file:
        if file.read(4) != PARQUET_MARK:
            return None
        file.seek(max(size - 4, 0))
        return None if size > 8 and file.read(4) == PARQUET_MARK else "truncated Parquet file; fetch it again"
