"""Results of single steps of the published method, as commands of `xherald reference`: plot and analogues."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .group import run_options
from .step_options import bona_fide_option, json_option, out_option, print_facts

__all__ = ["analogues", "plot"]


@click.command("plot")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--colour-by", default="", metavar="COLUMN", help="cluster, or a column of --properties.")
@click.option(
    "--properties",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Table of properties with obsreg_id, as the published properties_table.csv.",
)
@bona_fide_option
@click.option("--source", "names", multiple=True, metavar="NAME", help="Source to plot; repeatable.")
@out_option(".png, .pdf or .svg")
@json_option
@run_options
def plot(
    file: Path,
    colour_by: str,
    properties: Path | None,
    bona_fide: Path | None,
    names: tuple[str, ...],
    out: Path,
    as_json: bool,
) -> None:
    """Plot representations or an embedding.

    \b
    Examples:
      xherald reference plot maps.npz --source 13454_2 --source 4062_120 --out maps.png
      xherald reference plot clusters.csv --colour-by cluster --out clusters.png
      xherald reference plot embedding.csv --properties properties_table.csv --colour-by hard_hs --out hardness.png
      xherald reference plot embedding.csv --bona-fide bonafide_transients.json --out transients.png

    \b
    Exit codes:
      0  the plot was written
      1  a file cannot be read or written
      2  wrong options or configuration; nothing was written
    """  # noqa: D301
    from xherald.detector.references.bona_fide import read_bona_fide
    from xherald.detector.references.plot_style import save_figure
    from xherald.detector.references.step_files import (
        is_representations_file,
        read_embedding,
        read_properties,
        read_representations,
    )
    from xherald.detector.references.step_plots import plot_embedding_table, plot_representations

    if is_representations_file(file):
        figure = plot_representations(read_representations(file), names)
    else:
        if properties is not None and not colour_by:
            raise click.UsageError("name a column of --properties with --colour-by COLUMN")
        if properties is None and colour_by not in ("", "cluster"):
            raise click.UsageError(
                f"--colour-by {colour_by}: name the table that has this column with --properties FILE"
            )
        embedding = read_embedding(file)
        values = None if properties is None else read_properties(properties, colour_by, embedding.names)
        transients = read_bona_fide(bona_fide).kinds if bona_fide is not None else {}
        figure = plot_embedding_table(embedding, colour_by, values, transients)
    save_figure(figure, out)
    print_facts({"file": str(out)}, as_json, f"Wrote {out}.")


@click.command("analogues")
@click.argument("features_file", metavar="FEATURES", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@bona_fide_option
@click.option("--transient", "names", multiple=True, metavar="NAME", help="Source whose analogues to list; repeatable.")
@click.option("-k", "number", type=click.IntRange(min=1), default=10, show_default=True, help="Analogues of each.")
@click.option(
    "--out", type=click.Path(path_type=Path, dir_okay=False), metavar="FILE", help="Table: .csv, .parquet or .npz."
)
@json_option
@run_options
def analogues(
    features_file: Path, bona_fide: Path | None, names: tuple[str, ...], number: int, out: Path | None, as_json: bool
) -> None:
    """List the nearest sources to transients.

    Neighbours are those in feature space, nearest first.

    \b
    Examples:
      xherald reference analogues features.csv --bona-fide bonafide_transients.json --out analogues.csv
      xherald reference analogues features.csv --transient 13454_2 -k 20

    \b
    Exit codes:
      0  the analogues were listed
      1  a file cannot be read or written, or a transient has no features
      2  wrong options or configuration; nothing was written
    """  # noqa: D301
    from xherald.detector.references.bona_fide import read_bona_fide
    from xherald.detector.references.method_steps import find_analogues
    from xherald.detector.references.step_files import read_features, write_table

    from .reference_rendering import print_analogues

    if bona_fide is None and not names:
        raise click.UsageError("name transients with --bona-fide FILE or --transient NAME")
    transients = read_bona_fide(bona_fide).kinds if bona_fide is not None else {}
    columns = find_analogues(read_features(features_file), transients, number, names)
    if out is not None:
        write_table(columns, out)
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    if as_json:
        click.echo(json.dumps(rows))
    elif out is not None:
        click.echo(f"{out}: {number} analogues of {len(rows) // number} transients")
    else:
        print_analogues(rows)
