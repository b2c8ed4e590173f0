"""Alerts in a JSON Lines file, each exactly once: `JsonLinesSink`."""

from __future__ import annotations

import fcntl
import json
import mmap
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from xherald.photons.errors import SinkUnavailableError
from xherald.plugins.alerts import Alert, AlertSink, Receipt
from xherald.plugins.contract import Options

__all__ = ["JsonLinesOptions", "JsonLinesSink"]

START: Final = b'{"id":'
"""Beginning of every line."""


class JsonLinesOptions(Options):
    """Options of `JsonLinesSink`.

    Parameters
    ----------
    path : Path — created if it does not exist; its folder must exist
    """

    path: Path


class JsonLinesSink(AlertSink[JsonLinesOptions]):
    """A JSON Lines file, one alert per line.

    An alert counts as sent when its complete line is on the disk. An id that is in the file is not written again, also
    if several processes write; a line that a crash left incomplete is removed.
    """

    name = "jsonl"

    def send(self, alert: Alert, options: JsonLinesOptions) -> Receipt:
        """Append the alert unless it is in the file."""
        path = options.path.expanduser()
        line = json.dumps(alert.as_json(), separators=(",", ":"), allow_nan=False).encode() + b"\n"
        try:
            with _locked(path) as file:
                if _holds(file, alert.id):
                    return Receipt(str(path), repeated=True)
                _append(file, line)
        except OSError as fault:
            raise SinkUnavailableError(f"{path}: cannot be written: {fault.strerror or fault}") from fault
        return Receipt(str(path))


@contextmanager
def _locked(path: Path) -> Iterator[int]:
    """The file, opened and locked; opened again if log rotation has replaced it in the meantime."""
    while True:
        new = not path.exists()
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC | os.O_NONBLOCK, 0o644)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise SinkUnavailableError(f"{path}: is not a regular file; choose another path")
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists() or not os.path.samestat(os.fstat(file), path.stat()):
                continue
            if new:
                _sync_folder(path.parent)
            yield file
            return
        finally:
            os.close(file)


def _holds(file: int, alert_id: str) -> bool:
    """Whether a line has that id; an incomplete last line is removed or completed first."""
    size = os.fstat(file).st_size
    if not size:
        return False
    with mmap.mmap(file, size, access=mmap.ACCESS_READ) as content:
        key = START + json.dumps(alert_id).encode() + b","
        end = content.rfind(b"\n") + 1
        tail = content[end:]
        found = content[: len(key)] == key or content.find(b"\n" + key) >= 0
    if not tail:
        return found
    if tail.startswith(START[: len(tail)]) and not _is_json(tail):
        os.ftruncate(file, end)
        # The id may have been in the incomplete line.
        return found and _holds(file, alert_id)
    _append(file, b"\n")
    return found


def _is_json(text: bytes) -> bool:
    try:
        value: Any = json.loads(text)
    except ValueError:
        return False
    return isinstance(value, dict)


def _append(file: int, line: bytes) -> None:
    """Append a line completely or not at all."""
    size = os.fstat(file).st_size
    try:
        left = memoryview(line)
        while left:
            left = left[os.write(file, left) :]
        os.fsync(file)
    except OSError:
        os.ftruncate(file, size)
        raise


def _sync_folder(folder: Path) -> None:
    """Write the directory entry of a new file to the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
