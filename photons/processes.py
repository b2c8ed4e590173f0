"""Worker processes that a script without a ``__main__`` guard can start: `process_pool`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Any

__all__ = ["process_pool"]


@contextmanager
def process_pool(workers: int) -> Iterator[ProcessPoolExecutor]:
    """A pool of spawned processes that do not import the caller's script.

    A spawned process usually imports ``__main__``, which runs a script without a guard a second time and fails. Tasks
    submitted here do not need the script, so it is hidden while the processes start.

    Parameters
    ----------
    workers : int

    Yields
    ------
    concurrent.futures.ProcessPoolExecutor
        Functions submitted to it must be importable; those defined in a script are not.
    """
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        with _main_hidden():
            # Each task starts a process, since none is idle yet: interpreters start slower than this loop.
            for _ in range(workers):
                pool.submit(_start)
        yield pool


@contextmanager
def _main_hidden() -> Iterator[None]:
    main = sys.modules["__main__"]
    kept: dict[str, Any] = {name: vars(main)[name] for name in ("__file__", "__spec__") if name in vars(main)}
    try:
        vars(main).pop("__file__", None)
        main.__spec__ = None
        yield
    finally:
        vars(main).update(kept)


def _start() -> None:
    """Do nothing; the task only starts a process."""
