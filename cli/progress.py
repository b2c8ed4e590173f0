"""Progress on standard error: a spinner in terminals, elsewhere a line every five seconds of longer work."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from xherald.progress_bars import shown_stages

__all__ = ["stages"]

LINE_INTERVAL_S = 5.0
"""Time between lines where standard error is not a terminal; work that takes less prints none."""


@contextmanager
def stages(*, shown: bool = True) -> Iterator[Callable[[str], None]]:
    """Show the current stage of the work and the time it has taken.

    Parameters
    ----------
    shown : bool
        Whether to show anything.

    Yields
    ------
    callable
        Takes the name of the stage that begins.
    """
    if not shown:
        yield lambda _: None
    elif sys.stderr.isatty():
        with shown_stages(shown=True) as stage:
            yield stage
    else:
        with _lines() as stage:
            yield stage


@contextmanager
def _lines() -> Iterator[Callable[[str], None]]:
    current, start, finished = [""], time.monotonic(), threading.Event()

    def print_stage() -> None:
        while not finished.wait(LINE_INTERVAL_S):
            if current[0]:
                click.echo(f"{time.monotonic() - start:5.0f} s  {current[0]}", err=True)

    def begin(what: str) -> None:
        current[0] = what

    thread = threading.Thread(target=print_stage, name="progress", daemon=True)
    thread.start()
    try:
        yield begin
    finally:
        finished.set()
        thread.join()
