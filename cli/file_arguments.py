"""What the commands that take files have in common: one bad file never stops the others."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable
from pathlib import Path

import click

from .group import report, wants_trace

__all__ = ["each_file", "files_argument"]

files_argument = click.argument(
    "files", nargs=-1, required=True, metavar="FILE…", type=click.Path(path_type=Path, dir_okay=True)
)


def each_file(files: Iterable[Path], work: Callable[[Path], None], advance: Callable[[], None] = lambda: None) -> int:
    """Do the work on each file, report those it fails on, and answer how many those are; `advance` ends each.

    Whatever a file makes its adapter or the road raise is that file's fault alone: it becomes one line on standard
    error, with the trace only under ``--debug``.
    """
    from xherald.photons.errors import ConfigError, FileError, PluginError, XheraldError

    failed = 0
    for path in files:
        try:
            work(path)
        except (ConfigError, PluginError, click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except Exception as fault:
            failed += 1
            if isinstance(fault, FileError):
                report(str(fault))
            elif isinstance(fault, XheraldError):
                report(f"{path}: {fault}")
            else:
                what = f"unexpected {type(fault).__name__}: {fault}"
                report(f"{path}: {what} (a defect: please report it with the trace that --debug shows)")
            if wants_trace():
                click.echo(traceback.format_exc(), err=True, nl=False)
        advance()
    return failed
