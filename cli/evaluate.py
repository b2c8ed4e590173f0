"""`xherald evaluate`: injection and recovery, the detector compared with baselines on the same sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .group import configuration, run_options
from .progress import stages
from .simulate import json_option

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["command"]

FULL_NULLS, QUICK_NULLS = 20_000, 1_000
"""Steady sources of each kind."""


@click.command("evaluate")
@click.option("--quick", is_flag=True, help="A small sample that takes about a minute.")
@click.option("--nulls", is_flag=True, help="Only measure rates of steady sources under stress.")
@click.option("--similarity", is_flag=True, help="Only measure look-alikes and clusters.")
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
    help="Write evaluation.json and plots, nulls.json or similarity.json.",
)
@click.option(
    "--data",
    type=click.Path(path_type=Path, exists=True, file_okay=False),
    metavar="DIR",
    help="Real quiet event files for injections (chandra/, xmm/); default: none.",
)
@json_option
@run_options
def command(
    quick: bool, nulls: bool, similarity: bool, seed: int, out: Path | None, data: Path | None, as_json: bool
) -> None:
    """Measure efficiency and false-alarm rates.

    Flares and dips of known shape, length and strength are injected into steady sources of five instruments, and the
    simulator's source classes, flares injected into real files and a replayed stream are tested as well, with xherald
    and with simpler methods. Tables show the fraction found at 1 % false positives.

    \b
    Examples:
      xherald evaluate --quick
      xherald evaluate --seed 1 --data ../shared/data --out evaluation
      xherald evaluate --nulls
      xherald evaluate --similarity --quick
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
    if nulls:
        _measure_nulls(QUICK_NULLS if quick else FULL_NULLS, seed, settings, out, as_json)
        return
    if similarity:
        _measure_similarity(quick, seed, settings, out, as_json)
        return
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


def _measure_nulls(sources: int, seed: int, settings: Configuration, out: Path | None, as_json: bool) -> None:
    from xherald.evaluation.null_rates import make_null_report, null_tables

    from .evaluation_tables import print_table

    with stages(shown=not as_json) as stage:
        report = make_null_report(sources, seed, settings, stage)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "nulls.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(report, allow_nan=False))
        return
    for title, table in null_tables(report):
        print_table(f"{title}, seed {seed}", table)


def _measure_similarity(quick: bool, seed: int, settings: Configuration, out: Path | None, as_json: bool) -> None:
    from xherald.evaluation.similarity_report import FULL, QUICK, make_similarity_report, similarity_tables

    from .evaluation_tables import print_table

    with stages(shown=not as_json) as stage:
        report = make_similarity_report(QUICK if quick else FULL, seed, settings, stage)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        (out / "similarity.json").write_text(json.dumps(report, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    if as_json:
        click.echo(json.dumps(report, allow_nan=False))
        return
    for title, table in similarity_tables(report):
        print_table(title, table)
