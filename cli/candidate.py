"""`xherald candidate`: what is known of a candidate, by its id."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from .group import configuration, run_options
from .progress import stages
from .store_options import open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.detector.candidates.evidence import Evidence

__all__ = ["command"]


@click.group("candidate")
def command() -> None:
    """Look at a candidate again; `xherald candidates` lists them.

    \b
    Examples:
      xherald scan drop/*.evt.gz --out sources.jsonl
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F --from sources.jsonl
    """  # noqa: D301


@command.command("show")
@click.argument("candidate_id", metavar="ID")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Look in rows that `xherald scan --out FILE.jsonl` wrote, not in the store.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print all evidence as one JSON object.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Draw the plot sheet, out of the event file, which is scanned again.",
)
@click.option(
    "--sources",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="LIST",
    help="The list that the scan took its sources from, if it did; --sheet needs it again.",
)
@run_options
def show(
    candidate_id: str, source: Path | None, url: str | None, as_json: bool, sheet: Path | None, sources: Path | None
) -> None:
    """Show candidate ID: its evidence, every number with its uncertainty, and its flags.

    \b
    Examples:
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F --from sources.jsonl
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F --from sources.jsonl --json | jq .t90
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F --from sources.jsonl --sheet 110.png

    \b
    Exit codes:
      0  it was shown
      1  there is no such candidate, or its event file cannot be used any more
      2  wrong options or configuration; nothing was done
    """  # noqa: D301
    from xherald.detector.candidates.find_candidate import find_candidate
    from xherald.photons.errors import ConfigError

    if sheet is not None and sheet.suffix.lower() != ".png":
        raise ConfigError(f"{sheet}: sheets are PNG pictures; name a .png file")
    if source is not None:
        evidence = find_candidate(candidate_id, source)
    else:
        with open_selected_store(url) as store:
            evidence = find_candidate(candidate_id, store)
    if as_json:
        click.echo(json.dumps(evidence, allow_nan=False))
    else:
        from .candidate_panel import print_candidate

        print_candidate(evidence)
    if sheet is not None:
        _draw(evidence, sheet, sources)
        if not as_json:
            click.echo(f"Wrote {sheet}.")


def _draw(evidence: Evidence, sheet: Path, sources: Path | None) -> None:
    """Scan the event file again and draw the sheet of the source that the evidence is of."""
    from xherald.detector.candidates.scan_plots import write_sheet_again
    from xherald.detector.scan import scan_file

    with stages(shown=True) as stage:
        scan = scan_file(Path(evidence["file"]), configuration(), sources, stage)
        stage("drawing")
        write_sheet_again(sheet, scan, evidence)
