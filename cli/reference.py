"""`xherald reference`: build, show, export, compare and reproduce reference catalogues; each step by itself."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .file_arguments import each_file, files_argument
from .group import FILE_FAILED, configuration, report, run_options
from .progress import stages
from .reference_results import analogues, plot
from .reference_steps import cluster, embed, features, represent

if TYPE_CHECKING:
    from collections.abc import Callable

    from xherald.catalog_store.references.reference_store import ReferenceEntry
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["command"]


def _split(_context: click.Context, _parameter: click.Parameter, value: str | None) -> tuple[str, ...]:
    return tuple(word.strip() for word in (value or "").split(",") if word.strip())


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
cases_option = click.option(
    "--cases", callback=_split, metavar="CASE,…", help="Cases of the configuration; default: reference.cases."
)
case_option = click.option("--case", "case_name", metavar="CASE", help="Default: the first case of the reference.")
skip_option = click.option(
    "--skip-unknown", is_flag=True, help="Drop bona-fide transients that are not in the population."
)
which_argument = click.argument("which", metavar="NAME[@VERSION]")


@click.group("reference")
def command() -> None:
    """Build and manage reference catalogues.

    A reference is a population of sources of one instrument with features, embeddings, clusters and bona-fide
    transients. It is built for one or more cases (see `cases` in config.yaml) and stored as an immutable version; new
    sources are compared with it. Each step of the published method is a command of its own: represent, features,
    embed, cluster, plot, analogues.

    \b
    Examples:
      xherald reference build csc --from published/ --cases 2D-PCA,3D-PCA
      xherald reference build mine --from drop/ --bona-fide known.json
      xherald reference reproduce published/
      xherald reference show csc --plot plots
      xherald reference compare csc field_evt2.fits.gz
      xherald reference features published/ --case 2D-PCA --out features.csv
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
    help="Folder of the published tables, photon lists, event files or folders of them; repeatable.",
)
@cases_option
@click.option(
    "--bona-fide",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="List of bona-fide transients (JSON); default: that of the published tables or simulation.",
)
@skip_option
@click.option("--activate", "is_activated", is_flag=True, help="Use it for its instrument from now on.")
@json_option
@run_options
def build(
    name: str,
    sources: tuple[Path, ...],
    cases: tuple[str, ...],
    bona_fide: Path | None,
    skip_unknown: bool,
    is_activated: bool,
    as_json: bool,
) -> None:
    """Build a new version of a reference.

    \b
    Examples:
      xherald reference build csc --from published/ --cases 2D-PCA
      xherald reference build simulated --from population.parquet --cases livetime,timing --activate
      xherald reference build mine --from drop/ --from more/ --bona-fide known.json

    \b
    Exit codes:
      0  the reference was built
      1  it cannot be built, or some files could not be used; it was then built from the others
      2  wrong options or configuration; nothing was written
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
    if is_activated:
        store.activate(entry)
        entry = store.find(f"{entry.name}@{entry.version}")
    _print_entry(entry, as_json)
    if failed:
        raise click.exceptions.Exit(FILE_FAILED)


@command.command("list")
@json_option
@run_options
def list_references(as_json: bool) -> None:
    """List references and their versions.

    \b
    Exit codes:
      0  the list was printed
      1  a manifest cannot be read
      2  wrong options or configuration
    """  # noqa: D301
    from xherald.detector.references.builtin_reference import open_reference_store

    from .reference_rendering import entry_to_json, print_entries

    store = open_reference_store(configuration().settings.reference)
    entries = store.entries()
    if as_json:
        click.echo(json.dumps([entry_to_json(one) for one in entries]))
    elif entries:
        print_entries(entries)
    else:
        click.echo(f"No references in {store.folder}; see `xherald reference build --help`.")


@command.command("show")
@click.argument("which", metavar="[NAME[@VERSION]]", required=False)
@click.option(
    "--plot",
    "plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Plot embeddings, scree plots and mean representations of clusters.",
)
@cases_option
@json_option
@run_options
def show(which: str | None, plots: Path | None, cases: tuple[str, ...], as_json: bool) -> None:
    """Show the contents of a reference.

    Without a name, the built-in reference: it is simulated on first use, which takes some minutes, and stored.

    \b
    Exit codes:
      0  the reference was shown
      1  it cannot be read, or plots cannot be written
      2  wrong options or configuration, or no such reference
    """  # noqa: D301
    settings = configuration()
    with stages(shown=not as_json) as stage:
        entry = _find_entry(which, settings, stage)
        written = _plot(entry, settings, cases, plots, stage) if plots is not None else []
    _print_entry(entry, as_json)
    if written and not as_json:
        click.echo(f"Wrote {', '.join(str(path) for path in written)}.")


@command.command("activate")
@which_argument
@run_options
def activate(which: str) -> None:
    """Activate a version for its instrument.

    \b
    Exit codes:
      0  the version is active
      1  the folder of references cannot be written
      2  wrong options or configuration, or no such reference
    """  # noqa: D301
    from xherald.detector.references.builtin_reference import open_reference_store

    store = open_reference_store(configuration().settings.reference)
    entry = store.find(which)
    store.activate(entry)
    click.echo(f"{entry.name}@{entry.version} is active for {entry.serves}.")


@command.command("export")
@which_argument
@case_option
@click.option(
    "--out",
    required=True,
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="Folder or .csv (the published form), .parquet, .fits, .vot or .xml.",
)
@click.option("--overwrite", is_flag=True, help="Replace existing files.")
@json_option
@run_options
def export(which: str, case_name: str | None, out: Path, overwrite: bool, as_json: bool) -> None:
    """Write a case of a reference as tables.

    \b
    Examples:
      xherald reference export csc --case 2D-PCA --out tables/
      xherald reference export csc@2 --out csc.fits

    \b
    Exit codes:
      0  the tables were written
      1  the reference cannot be read, or the tables cannot be written
      2  wrong options or configuration, or no such reference
    """  # noqa: D301
    from xherald.catalog_store.references.export import export_reference
    from xherald.detector.calibration.group_references import find_reference
    from xherald.detector.references.builtin_reference import open_reference_store

    settings = configuration()
    store = open_reference_store(settings.settings.reference)
    entry = find_reference(which, settings)
    name = case_name or next(iter(entry.about["cases"]))
    reference = store.load(entry, settings.host.extractors, [name])
    written = export_reference(reference, name, out, overwrite=overwrite)
    click.echo(json.dumps([str(path) for path in written]) if as_json else "\n".join(map(str, written)))


@command.command("compare")
@which_argument
@files_argument
@case_option
@json_option
@run_options
def compare(which: str, files: tuple[Path, ...], case_name: str | None, as_json: bool) -> None:
    """Compare sources of files with a reference.

    Prints the position of each source in the embedding, the cluster of its nearest neighbour, and the most similar
    bona-fide transients. The embedding does not change. "built-in" is the built-in reference.

    \b
    Examples:
      xherald reference compare csc acisf29128N001_evt2.fits.gz
      xherald reference compare built-in --case timing --json population.parquet

    \b
    Exit codes:
      0  all sources were compared
      1  some files could not be used; the others were
      2  wrong options or configuration, or no such reference
    """  # noqa: D301
    from xherald.detector.extraction.extracted_sources import extract_sources
    from xherald.detector.references.builtin_reference import open_reference_store
    from xherald.detector.references.compare_sources import compare_sources

    from .reference_rendering import print_compared

    settings = configuration()
    with stages(shown=not as_json) as stage:
        entry = _find_entry(which, settings, stage)
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
        print_compared(rows, settings.settings.output.rows)
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

    The cases are rebuilt from eventfiles_table.csv and bonafide_transients.json in DIR and compared with
    paper*_embedding.csv and paper*_clusters.csv in DIR or below it.

    \b
    Examples:
      xherald reference reproduce published/
      xherald reference reproduce published/ --cases 2D-PCA,3D-PCA

    \b
    Exit codes:
      0  the cases were rebuilt
      1  the tables cannot be read, or a case cannot be built
      2  wrong options or configuration
    """  # noqa: D301
    from xherald.detector.references.case_pipeline import select_cases
    from xherald.detector.references.reproduce import reproduce_cases

    from .reference_rendering import print_comparisons

    settings = configuration()
    chosen = select_cases(cases or ("2D-PCA", "3D-PCA", "2D-AE", "3D-AE"), settings)
    with stages(shown=not as_json) as stage:
        rows = list(reproduce_cases(folder, chosen, settings, skip_unknown=skip_unknown, stage=stage, note=report))
    if as_json:
        click.echo(json.dumps([row.as_dict() for row in rows], allow_nan=False))
    else:
        print_comparisons(rows)


for _step in (represent, features, embed, cluster, plot, analogues):
    command.add_command(_step)


def _find_entry(which: str | None, settings: Configuration, stage: Callable[[str], None]) -> ReferenceEntry:
    """The reference of a name; without one, or as "built-in", the built-in reference, built if it does not exist."""
    from xherald.detector.calibration.group_references import find_reference
    from xherald.detector.references.builtin_reference import BUILT_IN, built_in_reference

    if which is None or which == BUILT_IN:
        return built_in_reference(settings, stage)
    return find_reference(which, settings)


def _plot(
    entry: ReferenceEntry,
    settings: Configuration,
    cases: tuple[str, ...],
    folder: Path,
    stage: Callable[[str], None],
) -> list[Path]:
    from xherald.detector.references.builtin_reference import open_reference_store
    from xherald.detector.references.reference_plots import plot_reference

    stage("reading the reference")
    reference = open_reference_store(settings.settings.reference).load(entry, settings.host.extractors, cases or None)
    written: list[Path] = []
    for name in reference.cases:
        stage(f"{name}: plotting")
        written += plot_reference(reference, name, folder)
    return written


def _print_entry(entry: ReferenceEntry, as_json: bool) -> None:
    from .reference_rendering import entry_to_json, print_entry

    if as_json:
        click.echo(json.dumps(entry_to_json(entry)))
    else:
        print_entry(entry)
