"""The command group: imports a command when it is called, turns errors into one line and an exit code."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["FILE_FAILED", "USAGE", "config_path", "configuration", "main", "report", "run_options", "wants_trace"]

FILE_FAILED = 1
"""Exit code: a file could not be used; the others were processed."""

USAGE = 2
"""Exit code: wrong options or configuration; nothing was done."""

COMMANDS = (
    "alert",
    "calibration",
    "candidate",
    "config",
    "context",
    "encoder",
    "evaluate",
    "inject",
    "ingest",
    "inspect",
    "new",
    "nightly",
    "plugins",
    "reference",
    "scan",
    "simulate",
    "status",
    "store",
    "watch",
    "watchlist",
)

EXIT_CODES = """

\b
Exit codes:
  0  success
  1  a file or record could not be used; the others were processed
  2  wrong options or configuration; nothing was done
"""

Function = TypeVar("Function", bound=Callable[..., Any])


@dataclass(slots=True)
class _Run:
    """Values of the options that every command takes."""

    config: Path | None = None
    debug: bool = False


def _run() -> _Run:
    return click.get_current_context().find_root().ensure_object(_Run)


def _store_option(_context: click.Context, parameter: click.Parameter, value: Any) -> None:
    # The option may come before or after the command's name; where it is absent it must not reset the other.
    if value and parameter.name:
        setattr(_run(), parameter.name, value)


def run_options(function: Function) -> Function:
    """Add ``--config`` and ``--debug``, which may come before or after the name of a command, and the exit codes."""
    if "Exit codes:" not in (function.__doc__ or ""):
        function.__doc__ = inspect.cleandoc(function.__doc__ or "") + EXIT_CODES
    config = click.option(
        "--config",
        type=click.Path(path_type=Path),
        metavar="FILE",
        expose_value=False,
        callback=_store_option,
        help="Settings (YAML); see `xherald config`.",
    )
    debug = click.option(
        "--debug", is_flag=True, expose_value=False, callback=_store_option, help="Show the traceback of an error."
    )
    return config(debug(function))


def config_path() -> Path | None:
    """Get the file given with ``--config``."""
    return _run().config


def configuration() -> Configuration:
    """Load the settings of this run."""
    from xherald.detector.configuration.configuration import load_configuration

    return load_configuration(_run().config)


def wants_trace() -> bool:
    """Whether ``--debug`` was given."""
    return _run().debug


def report(message: str) -> None:
    """Print a message on one line of standard error."""
    click.echo(f"xherald: {' '.join(message.split())}", err=True)


class _LazyGroup(click.Group):
    """Imports the module of a command when the command is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"xherald.cli.{cmd_name}").command
        return command

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except Exception as fault:
            from xherald.photons.errors import ConfigError, PluginError, XheraldError

            if wants_trace() or not isinstance(fault, XheraldError):
                raise
            report(str(fault))
            ctx.exit(USAGE if isinstance(fault, ConfigError | PluginError) else FILE_FAILED)


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="xherald", message="%(prog)s %(version)s")
@run_options
def main() -> None:
    """Find X-ray transients in event files, with false-alarm probabilities.

    \b
    Examples:
      xherald inspect acisf29128N001_evt2.fits.gz
      xherald scan acisf29128N001_evt2.fits.gz --out sources.fits --plot plots

    \b
    Exit codes:
      0  success
      1  a file or record could not be used; the others were processed
      2  wrong options or configuration; nothing was done
    """  # noqa: D301 - click's \b keeps the lines of a paragraph
