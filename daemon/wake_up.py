"""A connection that wakes up the main loop of the daemon from other threads: `WakeUp`."""

from __future__ import annotations

import threading
from multiprocessing import Pipe

__all__ = ["WakeUp"]


class WakeUp:
    """A pipe whose reader ends a wait on connections."""

    def __init__(self) -> None:
        self.reader, self._writer = Pipe(duplex=False)
        self._lock = threading.Lock()

    def set(self) -> None:
        """Wake up the main loop."""
        with self._lock:
            if not self.reader.poll():
                self._writer.send(None)

    def clear(self) -> None:
        """Clear the signal."""
        with self._lock:
            while self.reader.poll():
                self.reader.recv()
