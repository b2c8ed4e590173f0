"""`xherald simulate`: event data with known truth, as tables, native event files, drops or plots."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .group import run_options
from .position_options import POSITION

if TYPE_CHECKING:
    from collections.abc import Callable

    from xherald.simulation.writers import WrittenFiles

__all__ = ["command"]

SEED = 1


def _words(_context: click.Context, _parameter: click.Parameter, value: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in value.split(",") if word.strip())


seed_option = click.option(
    "--seed",
    type=click.IntRange(min=0),
    default=SEED,
    show_default=True,
    help="Random seed; the same seed gives the same bytes.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
workers_option = click.option(
    "--workers",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Processes; the result is the same for any number.",
)


@click.group("simulate")
def command() -> None:
    """Simulate event data with known truth.

    Populations of photon lists, native event files of every mission, archive drops, and plots of each source class.
    `xherald simulate list` shows what can be simulated.

    \b
    Examples:
      xherald simulate population 100000 --mission chandra --seed 7 --out population.parquet
      xherald simulate field --mission xmm --transients stellar_flare,eclipse --out .
      xherald simulate drop drop/ --missions all --files 20
      xherald simulate show magnetar_burst
    """  # noqa: D301


@command.command("population")
@click.argument("number", type=click.IntRange(min=1), metavar="N")
@click.option("--mission", default="chandra", show_default=True, help="Mission or telescope; see `list`.")
@seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Parquet: photons, good times and truth.",
)
@click.option(
    "--published",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Write the published form: eventfiles_table.csv, properties_table.csv, bonafide_transients.json.",
)
@click.option(
    "--variable", type=click.FloatRange(0, 1), default=0.05, show_default=True, help="Fraction of variable sources."
)
@workers_option
@json_option
@run_options
def population(
    number: int,
    mission: str,
    seed: int,
    out: Path | None,
    published: Path | None,
    variable: float,
    workers: int,
    as_json: bool,
) -> None:
    """Simulate photon lists of N sources.

    Each list has good times, a background and its truth.
    Counts, exposures and spectra are distributed as those of the Chandra Source Catalog.

    \b
    Examples:
      xherald simulate population 100000 --seed 7 --workers 2 --out population.parquet
      xherald simulate population 2000 --published tables/
    """  # noqa: D301
    from xherald.simulation import write_population
    from xherald.simulation.field import telescope_named

    if out is None and published is None:
        raise click.UsageError("nothing to write: give --out FILE.parquet, --published DIR or both")
    telescope = telescope_named(mission).name
    with _progress(number) as advance:
        facts = write_population(
            out,
            number,
            telescope=telescope,
            seed=seed,
            workers=workers,
            variable_fraction=variable,
            published=published,
            advance=advance,
        )
    _print_facts(facts, as_json)


@command.command("field")
@click.option("--mission", required=True, help="Mission or telescope; see `list`.")
@click.option("--sources", type=click.IntRange(min=0), default=10, show_default=True, help="Number of steady sources.")
@click.option(
    "--transients", default="", callback=_words, metavar="CLASS,…", help="Further sources, one of each class."
)
@click.option("--artefacts", default="", callback=_words, metavar="KIND,…", help="Artefacts; see `list`.")
@click.option("--counts", type=click.FloatRange(min=0, min_open=True), help="Expected counts of each transient.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), metavar="S", help="Good time, s.")
@click.option("--pattern", help="Observing pattern; the telescope's usual one if not given.")
@click.option("--at", "position", type=POSITION, help="Pointing, ICRS degrees.")
@click.option("--obs-id", help="Observation identifier in the mission's format.")
@seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    metavar="DIR",
    help="Output folder; default: the current one.",
)
@json_option
@run_options
def field(
    mission: str,
    sources: int,
    transients: tuple[str, ...],
    artefacts: tuple[str, ...],
    counts: float | None,
    duration: float | None,
    pattern: str | None,
    position: tuple[float, float] | None,
    obs_id: str | None,
    seed: int,
    out: Path,
    as_json: bool,
) -> None:
    """Simulate one exposure as a native file.

    The event file has the name that the mission would give it. Its source list, if the mission ships one, and a truth
    file are written beside it.

    \b
    Examples:
      xherald simulate field --mission xmm --transients stellar_flare --pattern proton_flares
      xherald simulate field --mission chandra-acis-s --transients magnetar_burst --counts 60 --artefacts afterglow
    """  # noqa: D301
    from xherald.simulation.field import FieldRequest, simulate_field
    from xherald.simulation.writers import write_exposure

    request = FieldRequest(
        telescope=mission,
        sources=sources,
        transients=transients,
        artefacts=artefacts,
        duration=duration,
        ra=position[0] if position else None,
        dec=position[1] if position else None,
        pattern=pattern,
        counts=counts,
    )
    exposure = simulate_field(request, seed=seed, obs_id=obs_id)
    _print_files(write_exposure(exposure, out), as_json)


@command.command("drop")
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@click.option("--missions", default="all", show_default=True, callback=_words, help="Missions or telescopes.")
@click.option("--files", type=click.IntRange(min=1), help="Number of files; default: one for each telescope.")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True),
    metavar="R",
    help="Mean number of files per minute; default: without pauses.",
)
@seed_option
@json_option
@run_options
def drop(
    folder: Path, missions: tuple[str, ...], files: int | None, rate: float | None, seed: int, as_json: bool
) -> None:
    """Simulate an archive drop of many missions.

    Native event files appear in DIR one after another, each complete, after its companions and its truth file. The
    names of the event files are printed.

    \b
    Examples:
      xherald simulate drop drop/ --missions all
      xherald simulate drop drop/ --missions chandra,ep --files 100 --rate 6
    """  # noqa: D301
    from xherald.simulation.drop import simulate_drop

    for written in simulate_drop(folder, missions=missions, files=files, seed=seed, rate_per_minute=rate):
        _print_files(written, as_json)


@command.command("show")
@click.argument("kind", metavar="CLASS")
@click.option("--mission", default="chandra", show_default=True, help="Mission or telescope; see `list`.")
@click.option("--counts", type=click.FloatRange(min=1), default=300.0, show_default=True, help="Expected counts.")
@click.option(
    "--duration", type=click.FloatRange(min=10), default=30_000.0, show_default=True, metavar="S", help="Exposure, s."
)
@seed_option
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="PNG or PDF; <class>.png if not given.",
)
@run_options
def show(kind: str, mission: str, counts: float, duration: float, seed: int, out: Path | None) -> None:
    """Plot a simulated source of a class.

    The plot shows its light curve, its photons and its energy–time map.

    \b
    Example:
      xherald simulate show magnetar_burst --counts 200 --out burst.png
    """  # noqa: D301
    from xherald.simulation.classes import class_named
    from xherald.simulation.gallery import show_class

    target = out or Path(f"{class_named(kind).name}.png")
    show_class(kind, target, telescope=mission, counts=counts, duration=duration, seed=seed)
    click.echo(str(target))


@command.command("list")
@json_option
@run_options
def listing(as_json: bool) -> None:
    """List what can be simulated.

    Source classes, telescopes, observing patterns and artefacts.
    """
    from xherald.simulate import options

    facts = options()
    if as_json:
        click.echo(json.dumps(facts, ensure_ascii=False))
        return
    for heading, names in facts.items():
        click.echo(heading)
        width = max(len(name) for name in names)
        for name, summary in names.items():
            click.echo(f"  {name:{width}}  {summary}")


def _print_files(written: WrittenFiles, as_json: bool) -> None:
    """Print the path of an event file, or everything about it as JSON."""
    if not as_json:
        click.echo(str(written.events))
        return
    from xherald.simulation.writers.truth import read_truth

    paths = {"file": str(written.events), "companions": [str(path) for path in written.companions]}
    click.echo(json.dumps(paths | {"truth": read_truth(written.truth)}, allow_nan=False))


def _print_facts(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(facts, allow_nan=False))
        return
    for name, value in facts.items():
        click.echo(f"{name.replace('_', ' ')}: {value:,}" if isinstance(value, int) else f"{name}: {value}")


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None]]:
    """Show progress on standard error if it is a terminal; yields a function that adds finished sources."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("sources", total=total)
        yield lambda done: bar.advance(task, done)
