"""`xherald calibration`: build, show, list and activate calibrations."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .group import configuration, run_options
from .progress import stages
from .store_options import open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.plugins.reference import Reference

__all__ = ["command"]


@click.group("calibration")
def command() -> None:
    """Build, list and activate calibrations.

    A calibration holds combined scores, null sources and references.

    A calibration is a folder of JSON, npz and Parquet, of which nothing can execute. The shipped one serves every
    mission that xherald reads; `detection.calibration` in the configuration names another.

    \b
    Examples:
      xherald calibration show
      xherald calibration build --out calibrations/mine --seed 7
      xherald calibration list
      xherald calibration activate rebuilt-3
    """  # noqa: D301


@command.command("build")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to create; must not exist.",
)
@click.option("--seed", type=int, default=500, show_default=True, help="First of six consecutive seeds.")
@click.option("--telescope", "telescopes", multiple=True, metavar="NAME", help="Only this telescope; repeatable.")
@click.option(
    "--scale",
    type=click.FloatRange(min=0.05, max=20),
    default=1.0,
    show_default=True,
    help="Number of simulated sources, relative to the shipped calibration.",
)
@click.option(
    "--classes-of",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Train only the classes of this calibration.",
)
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
@run_options
def build(
    out: Path, seed: int, telescopes: tuple[str, ...], scale: float, classes_of: Path | None, as_json: bool
) -> None:
    """Build a calibration from simulations.

    References, injections and null sources are simulated, and the combined scores and the classes are trained on them.

    With --classes-of, the classes are trained with the seed and telescopes of that calibration; all else is copied.

    Needs LightGBM: pip install 'xherald[train]'. All telescopes take about forty minutes on two cores.

    \b
    Exit codes:
      0  the calibration was built
      1  it cannot be written
      2  wrong options or configuration, or no LightGBM; nothing was written
    """  # noqa: D301
    from xherald.detector.calibration.build_calibration import TELESCOPE_INSTRUMENTS, Sizes, build_calibration
    from xherald.detector.calibration.calibration import load_calibration, save_calibration
    from xherald.detector.calibration.rebuild_calibration import rebuild_classes
    from xherald.photons.errors import ArtefactError

    if classes_of and (telescopes or _is_given("seed")):
        raise click.UsageError("--classes-of takes seed and telescopes of its calibration; omit --seed and --telescope")
    if out.exists():
        raise ArtefactError(f"{out}: exists already; artefacts are immutable, choose another name or remove it")
    with stages(shown=not as_json) as stage:
        if classes_of:
            calibration = rebuild_classes(out.name, load_calibration(classes_of), scale=scale, stage=stage)
            references: dict[str, Reference] = {}
        else:
            calibration, references = build_calibration(
                out.name,
                configuration(),
                seed=seed,
                sizes=Sizes().scaled(scale),
                telescopes=telescopes or tuple(TELESCOPE_INSTRUMENTS),
                stage=stage,
            )
        stage("writing")
        save_calibration(out, calibration, references)
    _print_manifest(out, dict(load_calibration(out).about), as_json)


@command.command("show")
@click.argument("folder", required=False, type=click.Path(path_type=Path, file_okay=False))
@click.option("--json", "as_json", is_flag=True, help="Print the manifest as JSON.")
@run_options
def show(folder: Path | None, as_json: bool) -> None:
    """Show the contents of a calibration.

    Without FOLDER: the one that a scan would use.

    \b
    Exit codes:
      0  it was shown
      1  it cannot be read
      2  wrong options or configuration
    """  # noqa: D301
    from xherald.detector.calibration.calibration import SHIPPED, load_calibration

    where = folder or configuration().settings.detection.calibration or SHIPPED
    _print_manifest(where, dict(load_calibration(where).about), as_json)


@command.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, with all figures of both calibrations.")
@store_option
@run_options
def list_calibrations(as_json: bool, url: str | None) -> None:
    """List the calibrations of a store.

    These are the calibrations that the nightly job rebuilt, their comparison with the previous one, and the active one.

    \b
    Exit codes:
      0  the list was printed
      1  the store cannot be used
      2  wrong options or configuration
    """  # noqa: D301
    from xherald.daemon.nightly.calibration_versions import (
        CONFIGURED,
        list_versions,
        read_active_name,
        with_active_calibration,
    )

    settings = configuration()
    with open_selected_store(url) as store:
        versions = list_versions(store)
        used = read_active_name(store) if with_active_calibration(settings, store) is not settings else CONFIGURED
    if as_json:
        click.echo(json.dumps({"in_use": used, "versions": versions}))
        return
    click.echo(f"{'*' if used == CONFIGURED else ' '} {CONFIGURED}")
    for one in versions:
        mark = "*" if one["name"] == used else " "
        result = "no worse" if one["activated"] else "worse"
        click.echo(f"{mark} {one['name']}  {one['created_utc']}  from {one['rebuilt_from']}  {result}: {one['reason']}")


@command.command("activate")
@click.argument("name", metavar="NAME")
@store_option
@run_options
def activate_calibration(name: str, url: str | None) -> None:
    """Use calibration NAME for a store.

    NAME is a version of `xherald calibration list`, or "configured".

    A running daemon uses it after the files that it is processing.

    \b
    Exit codes:
      0  the calibration is active
      1  the store cannot be used
      2  wrong options or configuration, or no such version
    """  # noqa: D301
    from xherald.daemon.nightly.calibration_versions import activate

    with open_selected_store(url) as store:
        activate(store, name)
        click.echo(f"{name} is in use on {store.name}")


def _is_given(option: str) -> bool:
    """Whether an option of the command that runs is not its default."""
    source = click.get_current_context().get_parameter_source(option)
    return source is not click.core.ParameterSource.DEFAULT


def _print_manifest(folder: Path, about: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps({"folder": str(folder), **about}))
        return
    click.echo(f"{folder}, built {about['created_utc']} with seed {about['seed']}")
    for name, group in about["groups"].items():
        click.echo(f"  {name:<16} {', '.join(group['serves']) or 'all other instruments, by timing alone'}")
    for direction, found in about["measured"].items():
        click.echo(
            f"  {found['injections']:,} {direction}s held out: {found['recovered_at_0.01']:.1%} recovered at 1 % false "
            f"alarms, {found['recovered_at_0.001']:.1%} at 0.1 % (window scan alone {found['test_at_0.01']:.1%}, "
            f"{found['test_at_0.001']:.1%})"
        )
