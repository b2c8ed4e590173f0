"""Errors of the file system raised as `FileError` when the simulator writes: `file_errors`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from xherald.photons.errors import FileError

__all__ = ["file_errors", "is_compressed"]

COMPRESSED: Final = (".gz", ".ftz")


def is_compressed(path: Path) -> bool:
    """Whether a file of this name is compressed: .gz, or .FTZ of XMM-Newton."""
    return path.suffix.lower() in COMPRESSED


@contextmanager
def file_errors(path: Path) -> Iterator[None]:
    """Raise an `OSError` inside as a `FileError` that names the path.

    Parameters
    ----------
    path : Path

    Raises
    ------
    FileError
        The block raised an OSError: no folder, no permission, no space.
    """
    try:
        yield
    except OSError as fault:
        raise FileError(path, f"cannot be written: {fault.strerror or fault}; choose another path") from fault
