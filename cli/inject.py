"""`xherald inject`: simulated photons added to a real event file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .group import configuration, run_options
from .simulate import Position, json_option, seed_option

__all__ = ["command"]


@click.command("inject")
@click.argument("event_file", metavar="EVENTFILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--class", "kind", required=True, help="Class of the transient, or a word of its name; see `xherald simulate list`."
)
@click.option(
    "--counts", type=click.FloatRange(min=0, min_open=True), required=True, help="Counts it is expected to add."
)
@click.option("--at", "place", type=Position(), required=True, help="Where, degrees.")
@click.option("--start", type=float, metavar="S", help="Start of the event, s after the first good time; drawn if not.")
@click.option(
    "--duration", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Its length, s; drawn if not."
)
@seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="File to write; compressed if it ends in .gz or .FTZ.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it is there.")
@json_option
@run_options
def command(
    event_file: Path,
    kind: str,
    counts: float,
    place: tuple[float, float],
    start: float | None,
    duration: float | None,
    seed: int,
    out: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Inject a transient into a real event file.

    Everything else in the file stays as it was, byte for byte.

    What was added is told by a truth file beside FILE. Photons are stamped on the file's own frames, spread by the
    instrument's point spread, and fall only into good times of the detector under them.

    \b
    Examples:
      xherald inject acisf29128N001_evt2.fits.gz --class flare --counts 30 --at 83.83,-5.40 --out injected.fits.gz
      xherald inject P0201901401M1S001MIEVLI0000.FTZ --class fast_transient --counts 50 --at 149.6,-11.1 --duration 300 --out with.FTZ

    \b
    Exit codes:
      0  the file was written
      1  the event file could not be used
      2  wrong options or configuration; nothing was done
    """  # noqa: D301, E501
    from xherald.simulation.injection import inject

    settings = configuration()
    done = inject(
        event_file,
        out,
        source=kind,
        counts=counts,
        ra=place[0],
        dec=place[1],
        start=start,
        duration=duration,
        seed=seed,
        overwrite=overwrite,
        host=settings.host,
        options=settings.settings.adapters,
        limits=settings.settings.read,
    )
    if as_json:
        click.echo(json.dumps(done.truth(), allow_nan=False))
        return
    click.echo(
        f"{out}: {done.photons} photons of a {done.kind} at {place[0]:.5f} {place[1]:+.5f}, "
        f"{done.start_utc} to {done.stop_utc}."
    )
