"""`xherald inject`: add a simulated transient to a real event file."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .group import configuration, run_options
from .position_options import POSITION
from .simulate import json_option, seed_option

__all__ = ["command"]


@click.command("inject")
@click.argument("event_file", metavar="EVENTFILE", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option(
    "--class", "kind", required=True, help="Class of the transient, or a word of its name; see `xherald simulate list`."
)
@click.option("--counts", type=click.FloatRange(min=0, min_open=True), required=True, help="Expected counts.")
@click.option("--at", "position", type=POSITION, required=True, help="Position, ICRS: degrees, sexagesimal, gal:l,b.")
@click.option(
    "--start", type=float, metavar="S", help="Start of the event, s after the first good time; default: random."
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0, min_open=True),
    metavar="S",
    help="Length of the event, s; default: random.",
)
@seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    metavar="FILE",
    help="File to write; compressed if it ends in .gz or .FTZ.",
)
@click.option("--overwrite", is_flag=True, help="Replace FILE if it exists.")
@json_option
@run_options
def command(
    event_file: Path,
    kind: str,
    counts: float,
    position: tuple[float, float],
    start: float | None,
    duration: float | None,
    seed: int,
    out: Path,
    overwrite: bool,
    as_json: bool,
) -> None:
    """Inject a transient into a real event file.

    Photons get the times of the file's own frames, are scattered by the instrument's point spread function, and lie
    within the good times of their detector. All other bytes of the file stay unchanged. A truth file beside FILE
    describes what was added.

    \b
    Examples:
      xherald inject acisf29128N001_evt2.fits.gz --class flare --counts 30 --at 83.83,-5.40 --out injected.fits.gz
      xherald inject P0201901401M1S001MIEVLI0000.FTZ --class fast_transient --counts 50 --at 149.6,-11.1 --duration 300 --out with.FTZ

    \b
    Exit codes:
      0  the file was written
      1  the event file could not be processed
      2  wrong options or configuration; nothing was done
    """  # noqa: D301, E501
    from xherald.simulation.injection import inject

    settings = configuration()
    done = inject(
        event_file,
        out,
        source=kind,
        counts=counts,
        ra=position[0],
        dec=position[1],
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
        f"{out}: {done.photons} photons of a {done.kind} at {position[0]:.5f} {position[1]:+.5f}, "
        f"{done.start_utc} to {done.stop_utc}."
    )
