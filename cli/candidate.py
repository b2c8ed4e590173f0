"""`xherald candidate`: list, show and vet candidates."""

from __future__ import annotations

import getpass
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .candidate_list import list_candidates
from .group import configuration, run_options
from .progress import stages
from .store_options import open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.candidate_records import CandidateDetails
    from xherald.detector.results.row_types import Evidence

__all__ = ["command"]

VERDICTS = ("confirmed", "rejected", "unsure")

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group("candidate")
def command() -> None:
    """List, show and vet candidates.

    \b
    Examples:
      xherald candidate list --since 2d --kind flare
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F
      xherald candidate vet XH-CHANDRA-ACIS-29128-110-7446eb-F confirmed --comment "a stellar flare"

    \b
    Exit codes:
      0  done
      1  there is no such candidate, or its event file cannot be read
      2  wrong options or configuration; nothing was done
    """  # noqa: D301


command.add_command(list_candidates)


@command.command("show")
@click.argument("candidate_id", metavar="ID")
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Read the rows that `xherald scan --out FILE.jsonl` wrote, not the store.",
)
@store_option
@click.option("--json", "as_json", is_flag=True, help="Print all evidence as one JSON object.")
@click.option(
    "--sheet",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE.png",
    help="Scan the event files again and draw the plot sheet.",
)
@click.option(
    "--sources",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="LIST",
    help="For --sheet: the source list that was given to the scan.",
)
@run_options
def show(
    candidate_id: str, source: Path | None, url: str | None, as_json: bool, sheet: Path | None, sources: Path | None
) -> None:
    """Show the evidence for candidate ID.

    Every measurement has its uncertainty. A candidate of the store is shown with its state and the verdicts on it.

    \b
    Examples:
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F --from sources.jsonl
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F --from sources.jsonl --json | jq .t90_s
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F --from sources.jsonl --sheet 110.png
    """  # noqa: D301
    from xherald.detector.candidates.find_candidate import find_candidate
    from xherald.photons.errors import ConfigError

    if sheet is not None and sheet.suffix.lower() != ".png":
        raise ConfigError(f"{sheet}: plot sheets are PNG images; name a .png file")
    record: dict[str, Any] = {}
    if source is not None:
        evidence = find_candidate(candidate_id, source)
    else:
        with open_selected_store(url) as store:
            evidence = find_candidate(candidate_id, store)
            record = _record_to_json(store.candidate(candidate_id))
    if as_json:
        click.echo(json.dumps({**evidence, **record}, allow_nan=False))
    else:
        from .candidate_panel import print_candidate

        print_candidate(evidence)
        _print_record(record)
    if sheet is not None:
        _draw_sheet(evidence, sheet, sources)
        if not as_json:
            click.echo(f"Wrote {sheet}")


@command.command("vet")
@click.argument("candidate_id", metavar="ID")
@click.argument("verdict", type=click.Choice(VERDICTS))
@click.option("--comment", default="", help="Reason for the verdict, on one line; required for rejected.")
@click.option("--author", metavar="NAME", help="Who decided; default: your user name.")
@store_option
@json_option
@run_options
def vet(candidate_id: str, verdict: str, comment: str, author: str | None, url: str | None, as_json: bool) -> None:
    """Record a person's verdict on candidate ID.

    A rejected candidate is retracted: alerts that were not sent yet are withdrawn, and sinks that announced it get a
    retraction, sent by the daemon or by `xherald alert send`.

    \b
    Examples:
      xherald candidate vet XH-CHANDRA-ACIS-29128-110-7446eb-F confirmed --comment "flare of a known star"
      xherald candidate vet XH-CHANDRA-ACIS-29128-110-7446eb-F rejected --comment "hot pixel" --author Ann
    """  # noqa: D301
    from xherald.catalog_store.ledger.states import VettingDecision
    from xherald.daemon.alerts.retraction import retract_candidate
    from xherald.photons.errors import ConfigError

    author, comment = author or getpass.getuser(), " ".join(comment.split())
    retractions = 0
    with open_selected_store(url) as store:
        if verdict == VettingDecision.REJECTED:
            if not comment:
                raise ConfigError("a rejection needs a reason: add --comment")
            retractions = retract_candidate(store, candidate_id, author, comment)
        else:
            store.record_vetting(candidate_id, author, VettingDecision(verdict), comment)
    if as_json:
        row = {"candidate_id": candidate_id, "verdict": verdict, "author": author, "comment": comment}
        click.echo(json.dumps({**row, "retractions": retractions}))
        return
    pending = f"; {retractions} retraction{'s' * (retractions != 1)} queued" if retractions else ""
    click.echo(f"{candidate_id}: {verdict} by {author}{pending}")


def _record_to_json(details: CandidateDetails) -> dict[str, Any]:
    return {
        "state": details.candidate.state.value,
        "verdicts": [
            {
                "verdict": vetting.verdict.value,
                "author": vetting.author,
                "created": vetting.created.isoformat(),
                "comment": vetting.comment,
            }
            for vetting in details.vettings
        ],
    }


def _print_record(record: dict[str, Any]) -> None:
    """Print what the store knows of a candidate beside its evidence."""
    if not record:
        return
    click.echo(f"state: {record['state']}")
    for one in record["verdicts"]:
        comment = f": {one['comment']}" if one["comment"] else ""
        click.echo(f"{one['created'][:16].replace('T', ' ')}  {one['verdict']} by {one['author']}{comment}")


def _draw_sheet(evidence: Evidence, sheet: Path, sources: Path | None) -> None:
    """Scan the event files of the candidate's cameras again and draw its plot sheet."""
    from xherald.detector.candidates.scan_plots import write_sheet_again
    from xherald.detector.joint_scan import find_camera_files, scan_together
    from xherald.detector.scan import scan_file

    with stages(shown=True) as stage:
        scans = [scan_file(path, configuration(), sources, stage) for path in find_camera_files(evidence)]
        stage("drawing")
        completed, joint = scan_together(scans, configuration())
        write_sheet_again(sheet, [*completed, *(one.scan for one in joint)], evidence)
