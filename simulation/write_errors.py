"""What the file system refuses, said as errors of the project: `writing`, around everything the simulator writes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from xherald.photons.errors import FileError

__all__ = ["is_compressed", "writing"]

COMPRESSED: Final = (".gz", ".ftz")


def is_compressed(path: Path) -> bool:
    """Whether a file of this name holds compressed bytes: archives write .gz, XMM-Newton's .FTZ."""
    return path.suffix.lower() in COMPRESSED


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Write a file, or into a folder.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FileError
        Whatever inside raises an OSError: no folder, no permission, no room.
    """
    try:
        yield
    except OSError as fault:
        raise FileError(path, f"cannot be written: {fault.strerror or fault}; name a place that can be") from fault
