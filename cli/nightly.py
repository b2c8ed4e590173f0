"""`xherald nightly`: run the nightly job once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .group import FILE_FAILED, configuration, run_options
from .progress import stages
from .store_options import open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.daemon.nightly.nightly_job import NightlyResult

__all__ = ["command"]


@click.command("nightly")
@click.option(
    "--rebuild/--no-rebuild", default=None, help="Rebuild the references, too; default: daemon.rebuild of the settings."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
@run_options
def command(rebuild: bool | None, as_json: bool, url: str | None) -> None:
    """Check for drift of false-alarm rates.

    Compares the false-alarm probabilities of the last day with those of sources that do not vary.

    The daemon does this every night (daemon.nightly_cron). The result is stored, and `xherald status` shows alarms. A
    rebuild makes new references of simulated and of real sources, compares them with those in use, and activates them
    if no quality figure is worse; `xherald calibration list` shows the comparison.

    \b
    Examples:
      xherald nightly
      xherald nightly --rebuild
      xherald nightly --json | jq .drift.alarm

    \b
    Exit codes:
      0  done, no drift
      1  there is a drift alarm, or the job failed
      2  wrong options or configuration; nothing was done
    """  # noqa: D301
    from xherald.daemon.nightly.nightly_job import run_nightly_job
    from xherald.photons.errors import StoreError

    settings = configuration()
    with open_selected_store(url) as store, stages(shown=not as_json) as stage:
        result = run_nightly_job(store, settings, with_rebuild=rebuild, stage=stage)
        if result is None:
            raise StoreError(f"{store.name}: the nightly job is already running; wait until it has ended")
    if as_json:
        click.echo(json.dumps(result.as_dict(), allow_nan=False))
    else:
        _print_result(result)
    if result.drift.alarms:
        raise click.exceptions.Exit(FILE_FAILED)


def _print_result(result: NightlyResult) -> None:
    report = result.drift
    click.echo(f"{report.since} to {report.until}, calibration {report.calibration}")
    for one in report.groups:
        click.echo(f"{'DRIFT' if one.alarm else 'ok' if one.p_value is not None else '—':<6}{one.description}")
    if not report.groups:
        click.echo("no detections with this calibration")
    if report.excluded:
        click.echo(f"{report.excluded:,} detections with another calibration excluded")
    if (rebuilt := result.rebuilt) is not None:
        if rebuilt.name is None:
            state = "nothing rebuilt"
        else:
            state = f"{rebuilt.name} {'activated' if rebuilt.activated else 'not activated'}"
        click.echo(f"{state}: {rebuilt.reason} ({rebuilt.seconds:.0f} s)")
