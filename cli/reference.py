"""`xherald reference`: build, reproduce, list, show, activate, export, and place new sources."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .file_arguments import each_file, files_argument
from .group import FILE_FAILED, configuration, report, run_options
from .progress import stages

if TYPE_CHECKING:
    from collections.abc import Callable

    from xherald.catalog_store.references.reference_store import ReferenceEntry
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["command"]


def _words(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (value or "").split(",") if word.strip())


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
cases_option = click.option(
    "--cases", callback=_words, metavar="CASE,…", help="Cases of the configuration; reference.cases if not given."
)
skip_option = click.option(
    "--skip-unknown", is_flag=True, help="Leave out bona-fide transients that the population does not hold."
)
which_argument = click.argument("which", metavar="NAME[@VERSION]")


@click.group("reference")
def command() -> None:
    """Build and manage reference catalogues.

    A reference is a population with its features, maps, clusters and bona-fide transients, one instrument each. It is
    built by cases (see `cases` in config.yaml), kept as a version that never changes, and new sources are held against
    it.

    \b
    Examples:
      xherald reference build csc --from published/ --cases 2D-PCA,3D-PCA
      xherald reference build mine --from drop/ --bona-fide known.json
      xherald reference reproduce published/
      xherald reference show csc --plot plots
      xherald reference place csc field_evt2.fits.gz
    """  # noqa: D301


@command.command("build")
@click.argument("name")
@click.option(
    "--from",
    "sources",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path, exists=True),
    metavar="PATH",
    help="Folder of the published tables, file of photon lists, or event files and folders of them; may be repeated.",
)
@cases_option
@click.option(
    "--bona-fide",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="List of bona-fide transients (JSON); that of the published tables or of a simulation if not given.",
)
@skip_option
@click.option("--activate", "activated", is_flag=True, help="Let it serve its instrument.")
@json_option
@run_options
def build(
    name: str,
    sources: tuple[Path, ...],
    cases: tuple[str, ...],
    bona_fide: Path | None,
    skip_unknown: bool,
    activated: bool,
    as_json: bool,
) -> None:
    """Build a new version of reference NAME.

    \b
    Examples:
      xherald reference build csc --from published/ --cases 2D-PCA
      xherald reference build simulated --from population.parquet --cases livetime,timing --activate
      xherald reference build mine --from drop/ --from more/ --bona-fide known.json

    \b
    Exit codes:
      0  it is built
      1  it cannot be built, or some file could not be used; it is then built of the others
      2  wrong options or configuration; nothing was done
    """  # noqa: D301
    from xherald.detector.references.build_reference import build_reference
    from xherald.detector.references.builtin_reference import open_reference_store
    from xherald.detector.references.case_pipeline import select_cases
    from xherald.detector.references.reference_population import read_population

    settings = configuration()
    wanted = settings.settings.reference
    store = open_reference_store(wanted)
    chosen = select_cases(cases or wanted.cases, settings)
    number = store.next_version(name)
    failed: list[Path] = []

    def fails(path: Path, fault: Exception) -> None:
        failed.append(path)
        report(str(fault))

    with stages(shown=not as_json) as stage:
        population = read_population(
            sources, settings, bona_fide=bona_fide, skip_unknown=skip_unknown, stage=stage, failed=fails
        )
        for note in population.notes:
            report(note)
        reference = build_reference(
            name, number, population, chosen, wanted.association, exact_below=wanted.exact_below, stage=stage
        )
        stage("writing")
        entry = store.save(reference)
    if activated:
        store.activate(entry)
        entry = store.find(f"{entry.name}@{entry.version}")
    _tell(entry, as_json)
    if failed:
        raise click.exceptions.Exit(FILE_FAILED)


@command.command("list")
@json_option
@run_options
def listing(as_json: bool) -> None:
    """List references and their versions."""
    from xherald.detector.references.builtin_reference import open_reference_store

    from .reference_rendering import facts, print_entries

    store = open_reference_store(configuration().settings.reference)
    entries = store.entries()
    if as_json:
        click.echo(json.dumps([facts(one) for one in entries]))
    elif entries:
        print_entries(entries)
    else:
        click.echo(f"No reference in {store.folder} yet: see `xherald reference build --help`.")


@command.command("show")
@click.argument("which", metavar="[NAME[@VERSION]]", required=False)
@click.option(
    "--plot",
    "plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw maps, scree plots and the clusters' mean representations.",
)
@cases_option
@json_option
@run_options
def show(which: str | None, plots: Path | None, cases: tuple[str, ...], as_json: bool) -> None:
    """Show the contents of a reference.

    Without a name that is the built-in reference, made of simulated sources on first use and kept.
    """
    settings = configuration()
    with stages(shown=not as_json) as stage:
        entry = _entry(which, settings, stage)
        drawn = _draw(entry, settings, cases, plots, stage) if plots is not None else []
    _tell(entry, as_json)
    if drawn and not as_json:
        click.echo(f"Wrote {', '.join(str(path) for path in drawn)}.")


@command.command("activate")
@which_argument
@run_options
def activate(which: str) -> None:
    """Activate a version for its instrument."""
    from xherald.detector.references.builtin_reference import open_reference_store

    store = open_reference_store(configuration().settings.reference)
    entry = store.find(which)
    store.activate(entry)
    click.echo(f"{entry.name}@{entry.version} serves {entry.serves}.")


@command.command("export")
@which_argument
@click.option("--case", "case_name", help="The first of the reference if not given.")
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder or .csv (the published form), .parquet, .fits, .vot or .xml.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that are there.")
@json_option
@run_options
def export(which: str, case_name: str | None, out: Path, overwrite: bool, as_json: bool) -> None:
    """Write a case of a reference as tables.

    \b
    Examples:
      xherald reference export csc --case 2D-PCA --out tables/
      xherald reference export csc@2 --out csc.fits
    """  # noqa: D301
    from xherald.catalog_store.references.export import export_reference
    from xherald.detector.references.builtin_reference import open_reference_store

    settings = configuration()
    store = open_reference_store(settings.settings.reference)
    entry = store.find(which)
    name = case_name or next(iter(entry.about["cases"]))
    reference = store.load(entry, settings.host.extractors, [name])
    written = export_reference(reference, name, out, overwrite=overwrite)
    click.echo(json.dumps([str(path) for path in written]) if as_json else "\n".join(map(str, written)))


@command.command("place")
@click.argument("which", metavar="NAME[@VERSION]")
@files_argument
@click.option("--case", "case_name", help="The first of the reference if not given.")
@json_option
@run_options
def place(which: str, files: tuple[Path, ...], case_name: str | None, as_json: bool) -> None:
    """Place sources of event files on the map.

    Tells for each source where it falls, in which cluster, and which bona-fide transients are nearest. The map does not
    move. "built-in" is the built-in reference.

    \b
    Examples:
      xherald reference place csc acisf29128N001_evt2.fits.gz
      xherald reference place built-in --case timing --json population.parquet
    """  # noqa: D301
    from xherald.detector.extraction.extracted_sources import extract_sources
    from xherald.detector.references.builtin_reference import open_reference_store
    from xherald.detector.references.compare_sources import compare_sources

    from .reference_rendering import print_placed

    settings = configuration()
    with stages(shown=not as_json) as stage:
        entry = _entry(which, settings, stage)
        name = case_name or next(iter(entry.about["cases"]))
        reference = open_reference_store(settings.settings.reference).load(entry, settings.host.extractors, [name])
        rows = []

        def work(path: Path) -> None:
            batch = extract_sources(path, settings, stage=lambda what: stage(f"{path.name}: {what}")).batch
            rows.extend(compare_sources(reference, name, batch, settings.host))

        failed = each_file(files, work)
    if as_json:
        for row in rows:
            click.echo(json.dumps(row, allow_nan=False))
    else:
        print_placed(rows, settings.settings.output.rows)
    if failed:
        raise click.exceptions.Exit(FILE_FAILED)


@command.command("reproduce")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path, exists=True, file_okay=False))
@cases_option
@skip_option
@json_option
@run_options
def reproduce(folder: Path, cases: tuple[str, ...], skip_unknown: bool, as_json: bool) -> None:
    """Reproduce the published cases.

    The cases are rebuilt from the tables in DIR and compared with the published maps there.

    DIR holds eventfiles_table.csv and bonafide_transients.json; paper*_embedding.csv and paper*_clusters.csv, in it or
    below it, are what is compared with.

    \b
    Examples:
      xherald reference reproduce published/
      xherald reference reproduce published/ --cases 2D-PCA,3D-PCA
    """  # noqa: D301
    from xherald.detector.references.case_pipeline import select_cases
    from xherald.detector.references.reproduce import reproduce as rebuilt

    from .reference_rendering import print_comparisons

    settings = configuration()
    chosen = select_cases(cases or ("2D-PCA", "3D-PCA", "2D-AE", "3D-AE"), settings)
    with stages(shown=not as_json) as stage:
        rows = list(rebuilt(folder, chosen, settings, skip_unknown=skip_unknown, stage=stage, note=report))
    if as_json:
        click.echo(json.dumps([row.as_dict() for row in rows], allow_nan=False))
    else:
        print_comparisons(rows)


def _entry(which: str | None, settings: Configuration, stage: Callable[[str], None]) -> ReferenceEntry:
    """The reference of that name; without one, or by its own name, the built-in one, made if it is not there."""
    from xherald.detector.references.builtin_reference import BUILT_IN, built_in_reference, open_reference_store

    if which in (None, BUILT_IN):
        return built_in_reference(settings, stage)
    return open_reference_store(settings.settings.reference).find(str(which))


def _draw(
    entry: ReferenceEntry,
    settings: Configuration,
    cases: tuple[str, ...],
    folder: Path,
    stage: Callable[[str], None],
) -> list[Path]:
    from xherald.detector.references.builtin_reference import open_reference_store
    from xherald.detector.references.reference_plots import plot_reference

    stage("reading")
    reference = open_reference_store(settings.settings.reference).load(entry, settings.host.extractors, cases or None)
    drawn: list[Path] = []
    for name in reference.cases:
        stage(f"{name}: drawing")
        drawn += plot_reference(reference, name, folder)
    return drawn


def _tell(entry: ReferenceEntry, as_json: bool) -> None:
    from .reference_rendering import facts, print_entry

    if as_json:
        click.echo(json.dumps(facts(entry)))
    else:
        print_entry(entry)
