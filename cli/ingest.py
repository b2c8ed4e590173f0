"""`xherald ingest`: a whole archive into the store, with many workers, gone on with where it was left."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .group import FILE_FAILED, configuration, run_options
from .store_options import open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.records import Drop
    from xherald.catalog_store.ledger.store import Store

__all__ = ["command"]


@click.command("ingest")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Processes; daemon.workers if not given.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Take such files only. May be given several times.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Leave such files alone. May be given several times.")
@click.option("--quiet", is_flag=True, help="Print nothing but warnings and errors.")
@store_option
@run_options
def command(
    folder: Path, workers: int | None, include: tuple[str, ...], exclude: tuple[str, ...], quiet: bool, url: str | None
) -> None:
    """Process every file below DIR, without alerts.

    Detections and candidates are stored.

    What the store has already is not done again, so a run that was ended or killed is gone on with by the same command.
    False-discovery control is left alone: it is the stream's.

    \b
    Examples:
      xherald ingest /archive/2019 --workers 8
      xherald ingest drop/ --include '*evt2*' --store sqlite:///backfill.sqlite

    \b
    Exit codes:
      0  everything was done
      1  some file was set aside (`xherald store show` says why), or the run was ended before its time
      2  wrong options or configuration, or another daemon works on the store
    """  # noqa: D301
    from xherald.daemon.daemon import Daemon, with_daemon_settings
    from xherald.daemon.logs import make_log
    from xherald.detector.configuration.daemon_settings import SourceSettings

    patterns = {name: list(given) for name, given in (("include", include), ("exclude", exclude)) if given}
    source = SourceSettings.model_validate({"kind": "folder", "path": str(folder.absolute()), **patterns})
    loaded = configuration()
    changes = {"sources": {"ingest": source}, **({"workers": workers} if workers else {})}
    settings = with_daemon_settings(loaded, **changes)
    log = make_log(settings.settings.daemon.log_format, quiet=True)
    with (
        open_selected_store(url, create=True) as store,
        _progress(store, shown=not quiet) as advance,
    ):
        daemon = Daemon(settings, store, log, announcing=False, finished=advance)
        signal.signal(signal.SIGTERM, lambda *_: daemon.end())
        signal.signal(signal.SIGINT, lambda *_: daemon.end())
        summary = daemon.once()
    if not quiet:
        click.echo(f"{summary.processed} files done, {summary.quarantined} set aside")
    if summary.quarantined or summary.ended:
        raise click.exceptions.Exit(FILE_FAILED)


@contextmanager
def _progress(store: Store, *, shown: bool) -> Iterator[Callable[[Drop], None]]:
    """A bar of what is done of what is known, on standard error where that is a terminal."""
    if not (shown and sys.stderr.isatty()):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    from xherald.catalog_store.ledger.states import DropState

    waiting = (DropState.SEEN, DropState.STABLE, DropState.CLAIMED)
    columns = (BarColumn(24), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    last = TextColumn("{task.description}")
    with Progress(*columns, last, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
        task = bar.add_task("", total=None)
        done = 0

        def advance(drop: Drop) -> None:
            nonlocal done
            done += 1
            if done % 10 == 1:
                counts = store.drop_counts()
                bar.update(task, total=done + sum(counts[state] for state in waiting))
            bar.update(task, completed=done, description=Path(drop.url).name)

        yield advance
