"""Progress in terminals and notebooks: what is being done, and for how long; nothing where output is piped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec

__all__ = ["shown_stages"]


@contextmanager
def shown_stages(total: int | None = None, *, shown: bool | None = None) -> Iterator[Callable[[str], None]]:
    """Show the stage that work is in.

    Parameters
    ----------
    total : int, optional
        Steps of the work; the callable counts one for each stage named ``"done"``.
    shown : bool, optional
        Whether to show anything; by default where standard error is a terminal or the code runs in a notebook.

    Yields
    ------
    callable
        Takes the name of the stage that begins.
    """
    if not (_can_show() if shown is None else shown):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    counted = (BarColumn(24), MofNCompleteColumn()) if total and total > 1 else ()
    columns = (SpinnerColumn(), *counted, TimeElapsedColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=total)

        def report(stage: str) -> None:
            if stage == "done":
                bar.advance(task)
            else:
                bar.update(task, description=stage)

        yield report


def _can_show() -> bool:
    if "ipykernel" in sys.modules:
        return find_spec("ipywidgets") is not None  # rich draws its bars with it in a notebook
    return sys.stderr.isatty()
