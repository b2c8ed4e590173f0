"""`xherald evaluate`: injection and recovery, the detector compared with baselines on the same sources."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .group import configuration, run_options
from .progress import stages
from .simulate import json_option

__all__ = ["command"]


@click.command("evaluate")
@click.option("--quick", is_flag=True, help="A small sample that takes about a minute.")
@click.option(
    "--seed",
    type=click.IntRange(min=0, max=999_999),
    default=1,
    show_default=True,
    help="Random seed; no seed here was used in training.",
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
    help="Real quiet event files for injections (chandra/, xmm/); default: none.",
)
@json_option
@run_options
def command(quick: bool, seed: int, out: Path | None, data: Path | None, as_json: bool) -> None:
    """Measure efficiency and false-alarm rates.

    Flares and dips of known shape, length and strength are injected into steady sources of five instruments, and the
    simulator's source classes, flares injected into real files and a replayed stream are tested as well, with xherald
    and with simpler methods. Tables show the fraction found at 1 % false positives.

    \b
    Examples:
      xherald evaluate --quick
      xherald evaluate --seed 1 --data ../shared/data --out evaluation
      xherald evaluate --quick --json | jq .samples.grid.efficiencies

    \b
    Exit codes:
      0  everything was measured
      1  a file could not be processed
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
