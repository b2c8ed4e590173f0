"""`xherald evaluate`: injection and recovery, every baseline beside the detector on the same sources."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .group import configuration, run_options
from .progress import stages
from .simulate import json_option

__all__ = ["command"]


@click.command("evaluate")
@click.option("--quick", is_flag=True, help="A minute's worth of sources: a look, not a proof.")
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=999_999),
    default=1,
    show_default=True,
    help="Same seed, same numbers; sources of no seed here were ever trained on.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write evaluation.json and pages of plots.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Real quiet event files to put flares into (chandra/, xmm/); skipped if not given.",
)
@json_option
@run_options
def command(quick: bool, seed: int, out: Path | None, data: Path | None, as_json: bool) -> None:
    """Measure efficiency and false-alarm rates.

    Injected transients are searched for with xherald and with every baseline.

    Flares and dips of known shape, length and strength are put into steady sources of five instruments, the
    simulator's source classes are judged, flares are put into real files and looked for blind, and a stream is
    replayed. Tables show what is found at 1 % false positives.

    \b
    Examples:
      xherald evaluate --quick
      xherald evaluate --seed 1 --data ../shared/data --out evaluation
      xherald evaluate --quick --json | jq .samples.grid.efficiencies

    \b
    Exit codes:
      0  everything was measured
      1  a file could not be used
      2  wrong options or configuration; nothing was done
    """  # noqa: D301
    from xherald.evaluation.detector_under_test import calibrated_detector
    from xherald.evaluation.report import write_report
    from xherald.evaluation.run import FULL, QUICK, evaluate

    from .evaluation_tables import print_report

    settings = configuration()
    with stages(shown=not as_json) as stage:
        report = evaluate(
            calibrated_detector(settings),
            "xherald",
            settings,
            sizes=QUICK if quick else FULL,
            seed=seed,
            data=data,
            stage=stage,
        )
        written = write_report(report, out) if out is not None else []
    if as_json:
        click.echo(json.dumps(report, allow_nan=False))
        return
    print_report(report)
    if written:
        click.echo(f"Wrote {', '.join(str(path) for path in written)}.")
