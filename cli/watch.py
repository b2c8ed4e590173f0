"""`xherald watch`: the daemon."""

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
    help="Process the files below this folder, then exit; the configured sources are ignored.",
)
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Watch this folder in addition to the configured sources.",
)
@click.option(
    "--alerts",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.jsonl",
    help="Append alerts to this file in addition to the configured sinks.",
)
@click.option("--include", multiple=True, metavar="PATTERN", help="With --dir or --once: only matching files.")
@click.option("--exclude", multiple=True, metavar="PATTERN", help="With --dir or --once: ignore matching files.")
@click.option("--json-log", is_flag=True, help="Log JSON, one event per line; default: daemon.log_format.")
@click.option("--quiet", is_flag=True, help="Log only warnings and errors.")
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

    Sources, sinks and all other settings come from the configuration (daemon, alerts, detection). After SIGTERM or
    SIGINT running jobs are finished; SIGHUP loads the configuration again. A killed daemon resumes at the next start.

    \b
    Examples:
      xherald watch --config observatory.yaml
      xherald watch --dir /archive/drop --alerts alerts.jsonl
      xherald watch --once drop/ --store sqlite:///drop.sqlite --alerts alerts.jsonl

    \b
    Exit codes:
      0  stopped by a signal, or (--once) all files were processed
      1  (--once) some files were quarantined; see `xherald store show`
      2  wrong options or configuration, or another daemon uses the store
    """  # noqa: D301
    from xherald.daemon.daemon import Daemon
    from xherald.daemon.logs import make_log
    from xherald.photons.errors import ConfigError

    patterns = {name: list(values) for name, values in (("include", include), ("exclude", exclude)) if values}

    def load() -> Configuration:
        return _with_options(configuration(), {"once": once, "dir": folder}, patterns, alerts)

    settings = load()
    if not settings.settings.daemon.sources:
        raise ConfigError("no drop source: set daemon.sources in the configuration, or give --dir or --once")
    log = make_log("json" if json_log else settings.settings.daemon.log_format, quiet=quiet)
    with open_selected_store(url, create=True) as store:
        daemon = Daemon(settings, store, log, reload=load)
        signal.signal(signal.SIGTERM, lambda *_: daemon.end())
        signal.signal(signal.SIGINT, lambda *_: daemon.end())
        signal.signal(signal.SIGHUP, lambda *_: daemon.reload())
        summary = daemon.once() if once is not None else daemon.watch()
    if once is not None and summary.quarantined:
        raise click.exceptions.Exit(FILE_FAILED)


def _with_options(
    settings: Configuration, folders: dict[str, Path | None], patterns: dict[str, list[str]], alerts: Path | None
) -> Configuration:
    """Add the sources and the sink of the command line to the configuration."""
    from dataclasses import replace

    from xherald.detector.configuration.alert_settings import SinkSettings
    from xherald.detector.configuration.daemon_settings import SourceSettings

    daemon, sinks = settings.settings.daemon, settings.settings.alerts
    sources = {} if folders["once"] is not None else dict(daemon.sources)
    for name, path in folders.items():
        if path is not None:
            sources[name] = SourceSettings.model_validate({"kind": "folder", "path": str(path.absolute()), **patterns})
    if alerts is not None:
        sink = SinkSettings.model_validate({"kind": "jsonl", "path": str(alerts.absolute())})
        sinks = sinks.model_copy(update={"sinks": {**sinks.sinks, "alerts-file": sink}})
    daemon = daemon.model_copy(update={"sources": sources})
    return replace(settings, settings=settings.settings.model_copy(update={"daemon": daemon, "alerts": sinks}))
