"""`xherald nightly`: the nightly job, once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from .group import FILE_FAILED, configuration, run_options
from .progress import stages
from .store_options import open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.daemon.nightly.nightly import Night

__all__ = ["command"]


@click.command("nightly")
@click.option(
    "--rebuild/--no-rebuild", default=None, help="Rebuild the references, too; as daemon.rebuild if not given."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
@run_options
def command(rebuild: bool | None, as_json: bool, url: str | None) -> None:
    """Check for drift of false-alarm rates.

    Compares the detections of the last day with the rates that were stated for them.

    The daemon does this every night (daemon.nightly_cron). An alarm is kept in the store, and `xherald status` shows
    it. A rebuild makes new references of simulated sources and of the archive's own, compares them with those in use,
    and takes them into use if no figure is worse; `xherald calibration list` shows the result.

    \b
    Examples:
      xherald nightly
      xherald nightly --rebuild
      xherald nightly --json | jq .drift.alarm

    \b
    Exit codes:
      0  it was done
      1  it was done and drift gives alarm; or it could not be done
      2  wrong options or configuration; nothing was done
    """  # noqa: D301
    from xherald.daemon.nightly.nightly import run_night
    from xherald.photons.errors import StoreError

    settings = configuration()
    with open_selected_store(url) as store, stages(shown=not as_json) as stage:
        night = run_night(store, settings, rebuilding=rebuild, stage=stage)
        if night is None:
            raise StoreError(f"{store.name}: the nightly job is being done already; wait for it to end")
    if as_json:
        click.echo(json.dumps(night.as_dict(), allow_nan=False))
    else:
        _tell(night)
    if night.drift.alarms:
        raise click.exceptions.Exit(FILE_FAILED)


def _tell(night: Night) -> None:
    drift = night.drift
    click.echo(f"{drift.since} to {drift.until}, calibration {drift.calibration}")
    for one in drift.groups:
        click.echo(f"{'DRIFT' if one.alarm else 'ok' if one.p_value is not None else '—':<6}{one.words}")
    if not drift.groups:
        click.echo("no detection was judged by it")
    if drift.left_out:
        click.echo(f"{drift.left_out:,} detections left out, which another calibration judged")
    if (rebuilt := night.rebuilt) is not None:
        what = "nothing rebuilt" if rebuilt.name is None else rebuilt.name
        state = "" if rebuilt.name is None else " is in use" if rebuilt.activated else " is not taken into use"
        click.echo(f"{what}{state}: {rebuilt.reason} ({rebuilt.seconds:.0f} s)")
