"""`xherald ingest`: process a whole archive into the store, without alerts."""

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
@click.option("--workers", type=click.IntRange(min=1), metavar="N", help="Worker processes; default: daemon.workers.")
@click.option("--include", multiple=True, metavar="PATTERN", help="Process only matching files. May be repeated.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Ignore matching files. May be repeated.")
@click.option("--quiet", is_flag=True, help="Print only warnings and errors.")
@store_option
@run_options
def command(
    folder: Path, workers: int | None, include: tuple[str, ...], exclude: tuple[str, ...], quiet: bool, url: str | None
) -> None:
    """Process every file below DIR, without alerts.

    Detections and candidates are stored.

    Files that were processed before are skipped, so the same command resumes an interrupted run. False-discovery
    control is not affected.

    \b
    Examples:
      xherald ingest /archive/2019 --workers 8
      xherald ingest drop/ --include '*evt2*' --store sqlite:///backfill.sqlite

    \b
    Exit codes:
      0  all files were processed
      1  some files were quarantined (see `xherald store show`), or the run was interrupted
      2  wrong options or configuration, or another daemon uses the store
    """  # noqa: D301
    from xherald.daemon.configured_sources import with_daemon_settings
    from xherald.daemon.daemon import Daemon
    from xherald.daemon.logs import make_log
    from xherald.detector.configuration.daemon_settings import SourceSettings

    patterns = {name: list(values) for name, values in (("include", include), ("exclude", exclude)) if values}
    source = SourceSettings.model_validate({"kind": "folder", "path": str(folder.absolute()), **patterns})
    changes = {"sources": {"ingest": source}, **({"workers": workers} if workers else {})}
    settings = with_daemon_settings(configuration(), **changes)
    log = make_log(settings.settings.daemon.log_format, quiet=True)
    with open_selected_store(url, create=True) as store, _progress(store, shown=not quiet) as advance:
        daemon = Daemon(settings, store, log, sends_alerts=False, on_done=advance)
        signal.signal(signal.SIGTERM, lambda *_: daemon.end())
        signal.signal(signal.SIGINT, lambda *_: daemon.end())
        summary = daemon.once()
    if not quiet:
        click.echo(f"{summary.processed} files processed, {summary.quarantined} quarantined")
    if summary.quarantined or summary.was_stopped:
        raise click.exceptions.Exit(FILE_FAILED)


@contextmanager
def _progress(store: Store, *, shown: bool) -> Iterator[Callable[[Drop], None]]:
    """Show a progress bar of processed files, if standard error is a terminal."""
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
    last_file = TextColumn("{task.description}")
    with Progress(*columns, last_file, console=Console(stderr=True), transient=True, redirect_stdout=False) as bar:
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
