"""`xherald watch`: the daemon, drops in and alerts out."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .group import FILE_FAILED, configuration, run_options
from .store_options import open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["command"]


@click.command("watch")
@click.option(
    "--once",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Take what is in this folder and all below it, then end; sources of the configuration are left alone.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Watch this folder, beside the sources of the configuration.",
)
@click.option(
    "--alerts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.jsonl",
    help="Append alerts to this file, beside the sinks of the configuration.",
)
@click.option("--include", multiple=True, metavar="PATTERN", help="Of --dir and --once: take such files only.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="Of --dir and --once: leave such files alone.")
@click.option("--json-log", is_flag=True, help="Log in JSON, one event a line; else as daemon.log_format says.")
@click.option("--quiet", is_flag=True, help="Log warnings and errors only.")
@store_option
@run_options
def command(
    once: Path | None,
    folder: Path | None,
    alerts: Path | None,
    include: tuple[str, ...],
    exclude: tuple[str, ...],
    json_log: bool,
    quiet: bool,
    url: str | None,
) -> None:
    """Watch drop sources and send alerts.

    Runs until it gets SIGTERM or SIGINT.

    Sources, sinks and everything else come from the configuration (stream, alerts, detection). SIGTERM and SIGINT
    finish the files in hand; SIGHUP reads the configuration anew. What is killed at any instant goes on where it was.

    \b
    Examples:
      xherald watch --config observatory.yaml
      xherald watch --dir /archive/drop --alerts alerts.jsonl
      xherald watch --once drop/ --store sqlite:///drop.sqlite --alerts alerts.jsonl

    \b
    Exit codes:
      0  told to end, or (--once) everything was done
      1  (--once) some file was set aside; `xherald store show` says why
      2  wrong options or configuration, or another daemon works on the store
    """  # noqa: D301
    from xherald.daemon.daemon import Daemon
    from xherald.daemon.logs import make_log
    from xherald.photons.errors import ConfigError

    patterns = {name: list(given) for name, given in (("include", include), ("exclude", exclude)) if given}

    def read() -> Configuration:
        return _with_options(configuration(), {"once": once, "dir": folder}, patterns, alerts)

    settings = read()
    if not settings.settings.daemon.sources:
        raise ConfigError(
            "there is nothing to watch: name daemon.sources in the configuration, or give --dir or --once"
        )
    log = make_log("json" if json_log else settings.settings.daemon.log_format, quiet=quiet)
    with open_selected_store(url, create=True) as store:
        daemon = Daemon(settings, store, log, reload=read)
        signal.signal(signal.SIGTERM, lambda *_: daemon.end())
        signal.signal(signal.SIGINT, lambda *_: daemon.end())
        signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
        summary = daemon.once() if once is not None else daemon.watch()
    if once is not None and summary.quarantined:
        raise click.exceptions.Exit(FILE_FAILED)


def _with_options(
    settings: Configuration, folders: dict[str, Path | None], patterns: dict[str, list[str]], alerts: Path | None
) -> Configuration:
    """The configuration with what the command line adds."""
    from dataclasses import replace

    from xherald.detector.configuration.alert_settings import SinkSettings
    from xherald.detector.configuration.daemon_settings import SourceSettings

    stream, sinks = settings.settings.daemon, settings.settings.alerts
    sources = {} if folders["once"] is not None else dict(stream.sources)
    for name, path in folders.items():
        if path is not None:
            sources[name] = SourceSettings.model_validate({"kind": "folder", "path": str(path.absolute()), **patterns})
    if alerts is not None:
        added = SinkSettings.model_validate({"kind": "jsonl", "path": str(alerts.absolute())})
        sinks = sinks.model_copy(update={"sinks": {**sinks.sinks, "alerts-file": added}})
    stream = stream.model_copy(update={"sources": sources})
    return replace(settings, settings=settings.settings.model_copy(update={"daemon": stream, "alerts": sinks}))
