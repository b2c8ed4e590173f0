"""`xherald scan`: event files in, candidates out, and every source that was tested."""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .file_arguments import each_file, files_argument
from .group import FILE_FAILED, configuration, report, run_options

if TYPE_CHECKING:
    from xherald.detector.results.row_types import DetectionRow
    from xherald.detector.scan import Scan

__all__ = ["command"]


def print_json(rows: list[DetectionRow]) -> None:
    """Print a JSON object for each row."""
    for row in rows:
        click.echo(json.dumps(row, allow_nan=False))


@click.command("scan")
@files_argument
@click.option(
    "--sources",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="LIST",
    help="Take sources from this list (FITS, VOTable, CSV, ECSV, DS9 regions) instead of looking for them.",
)
@click.option(
    "--background",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Background of every source: an event list or a DS9 region, in place of an annulus around each.",
)
@click.option("--as-source", is_flag=True, help="Take each list as one source, all its photons included.")
@click.option(
    "--out",
    "outputs",
    multiple=True,
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Write every source: .jsonl, .csv, .ecsv, .fits, .vot, .xml or .parquet. May be repeated.",
)
@click.option(
    "--plot",
    "plots",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Draw the plot sheet (PNG) of each candidate.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object a source instead of the table.")
@click.option("--quiet", is_flag=True, help="Print errors only.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="Rows of the table; default: output.rows.")
@click.option("--all", "everything", is_flag=True, help="Show and draw every source, steady ones too.")
@run_options
def command(
    files: tuple[Path, ...],
    sources: Path | None,
    background: Path | None,
    as_source: bool,
    outputs: tuple[Path, ...],
    plots: Path | None,
    as_json: bool,
    quiet: bool,
    limit: int | None,
    everything: bool,
) -> None:
    """Search event files for flares and dips.

    Each source is tested for variability, with a false-alarm probability.

    Sources come from --sources, else from what belongs to the file (region, source list), else from detection on the
    image and on time slices. A list that was cut out around a source is that source, with no background but that of
    --background. A table of photons (obsreg_id, time in s, energy in eV; CSV or Parquet) brings its own.

    The sources of an observation are tested in the photons of all its cameras together, and an event that several files
    show is one candidate.

    \b
    Examples:
      xherald scan acisf29128N001_evt2.fits.gz
      xherald scan source.evt --as-source --background background.evt
      xherald scan drop/*.evt.gz --out sources.jsonl --out sources.fits --plot plots
      xherald scan --json eventfiles_table.csv | jq 'select(.is_candidate)'

    \b
    Exit codes:
      0  every file was done
      1  some file could not be used; the others were done
      2  wrong options or configuration; nothing was done
    """  # noqa: D301
    from xherald.detector.extraction.given_sources import GivenSources
    from xherald.detector.joint_scan import find_observation_key, merge_events, scan_together
    from xherald.detector.results import writers
    from xherald.detector.scan import scan_file
    from xherald.progress_bars import shown_stages
    from xherald.results import ScanResult

    settings = configuration()
    writers.require_writable(outputs)
    given = GivenSources(sources, background=background, as_source=as_source)
    rows: list[DetectionRow] = []
    left_out: list[str] = []
    drawn = 0
    # Cameras of one observation are kept until all of its files are scanned; then they are tested together.
    keys = {path: find_observation_key(path, settings) for path in files}
    left = Counter(keys[path] for path in files)
    pending: dict[str, list[Scan]] = {}

    def work(path: Path) -> None:
        try:
            scan = scan_file(path, settings, given, lambda what: stage(f"{path.name}: {what}"))
            pending.setdefault(keys[path], []).append(scan)
            result = ScanResult((scan,), settings)
            left_out.extend(result.left_out)
            for note in () if quiet else result.notes:
                report(note)
        finally:
            left[keys[path]] -= 1
            if not left[keys[path]] and (scans := pending.pop(keys[path], [])):
                finish(scans, path.name)

    def finish(scans: list[Scan], name: str) -> None:
        nonlocal drawn
        completed, joint = scan_together(scans, settings)
        result = ScanResult(tuple(completed), settings, joint=tuple(joint))
        if plots is not None:
            stage(f"{name}: drawing")
            drawn += result.save_plots(plots, every_source=everything)
        rows.extend(result.rows)
        if as_json and len(files) == 1:
            print_json(rows)

    with shown_stages(len(files), shown=sys.stderr.isatty() and not (quiet or as_json)) as stage:
        failed = each_file(files, work, lambda: stage("done"))

    merge_events(rows)
    if as_json and len(files) > 1:
        print_json(rows)
    for target in outputs:
        writers.write(rows, target)
    if not quiet and not as_json:
        from .scan_table import print_table

        most = None if everything else limit or settings.settings.output.rows
        print_table(rows, most, settings.settings.detection.false_alarms_per_1000)
        for note in left_out:
            click.echo(f"{note}.")
        wrote = [str(target) for target in outputs] + ([f"{drawn} plots in {plots}"] if plots is not None else [])
        if wrote:
            click.echo(f"Wrote {', '.join(wrote)}.")
    if failed:
        raise click.exceptions.Exit(FILE_FAILED)
