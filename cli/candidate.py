"""`xherald candidate`: list, show, draft, vet and mute candidates."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import click

from .candidate_list import list_candidates
from .candidate_mutes import list_mutes, mute, unmute
from .group import configuration, run_options
from .position_options import ANGLE, DURATION
from .progress import stages
from .store_options import by_option, open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.results.row_types import Evidence

__all__ = ["command"]

from_option = click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="FILE",
    help="Read the rows that `xherald scan --out FILE.jsonl` wrote, not the store.",
)

json_option = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")


@click.group("candidate")
def command() -> None:
    """List, show, draft, vet and mute candidates.

    \b
    Examples:
      xherald candidate list --since 2d --kind flare
      xherald candidate show XH-CHANDRA-ACIS-29128-110-7446eb-F
      xherald candidate draft XH-CHANDRA-ACIS-29128-110-7446eb-F --author "A. Duty (ESO)"
      xherald candidate vet XH-CHANDRA-ACIS-29128-110-7446eb-F --as stellar_flare --comment "flare of a known star"
      xherald candidate mute 83.82,-5.39 --for 1y --comment "flare star V1229 Ori"

    \b
    Exit codes:
      0  done
      1  the candidate or mute is unknown, or its event file cannot be read
      2  wrong options or configuration; nothing was done
    """  # noqa: D301


for part in (list_candidates, mute, list_mutes, unmute):
    command.add_command(part)


@command.command("show")
@click.argument("candidate_id", metavar="ID")
@from_option
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
            record = _record_to_json(store, candidate_id)
    evidence = cast("Evidence", {**evidence, **record})
    if as_json:
        click.echo(json.dumps(evidence, allow_nan=False))
    else:
        from .candidate_panel import print_candidate

        print_candidate(evidence)
        if record:
            click.echo(f"state: {record['state']}")
    if sheet is not None:
        _draw_sheet(evidence, sheet, sources)
        if not as_json:
            click.echo(f"Wrote {sheet}")


@command.command("draft")
@click.argument("candidate_id", metavar="ID")
@from_option
@store_option
@click.option("--author", default="", metavar="NAMES", help="Authors of the report.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: subject, body.")
@run_options
def draft(candidate_id: str, source: Path | None, url: str | None, author: str, as_json: bool) -> None:
    """Draft a GCN Circular about candidate ID.

    A person has to check and send it; what only a person knows is in brackets.

    \b
    Examples:
      xherald candidate draft XH-CHANDRA-ACIS-29128-110-7446eb-F --author "A. Duty (ESO)"
      xherald candidate draft XH-CHANDRA-ACIS-29128-110-7446eb-F --from sources.jsonl > circular.txt
    """  # noqa: D301
    from xherald.detector.candidates.circular import draft_circular
    from xherald.detector.candidates.find_candidate import find_candidate

    if source is not None:
        evidence = find_candidate(candidate_id, source)
    else:
        with open_selected_store(url) as store:
            evidence = find_candidate(candidate_id, store)
    text = draft_circular(evidence, author)
    if as_json:
        subject, _, body = text.partition("\n\n")
        click.echo(json.dumps({"subject": subject.removeprefix("SUBJECT: "), "body": body}))
    else:
        click.echo(text, nl=False)


@command.command("vet")
@click.argument("candidate_id", metavar="ID")
@click.option("--as", "verdict", metavar="VERDICT", required=True, help="A decision, or a class of source; see above.")
@click.option("--comment", default="", help="Reason, on one line; required for a retraction, and sent with it.")
@click.option("--mute", "mute_for", type=DURATION, metavar="TIME", help="Mute the place for so long: 1y, 30d, 36h.")
@click.option("--radius", type=ANGLE, metavar="ANGLE", default="10arcsec", show_default=True, help="For --mute.")
@by_option
@store_option
@json_option
@run_options
def vet(
    candidate_id: str,
    verdict: str,
    comment: str,
    mute_for: timedelta | None,
    radius: float,
    author: str,
    url: str | None,
    as_json: bool,
) -> None:
    """Record a person's verdict on candidate ID.

    \b
    VERDICT is one of
      real          an astrophysical event
      known         one of a source that is known to do this
      artefact      of the instrument or its environment; retracts the candidate
      not_variable  a real source that did not vary; retracts the candidate
      rejected      for the reason in the comment; retracts the candidate
      unsure
    or a class of source, which says that the event is real, such as stellar_flare, x_ray_binary, agn, fast_transient;
    a wrong word lists all of them.

    A retraction withdraws alerts that were not sent yet; sinks that announced the candidate get a retraction, sent by
    the daemon or by `xherald alert send`.

    \b
    Examples:
      xherald candidate vet XH-CHANDRA-ACIS-29128-110-7446eb-F --as stellar_flare --comment "V1229 Ori" --mute 1y
      xherald candidate vet XH-CHANDRA-ACIS-29128-110-7446eb-F --as artefact --comment "hot pixel" --by Ann
    """  # noqa: D301
    from xherald.detector.candidates.place_notes import format_decision, format_mute, mute_to_json, verdict_to_json
    from xherald.stores import StoreView

    with open_selected_store(url) as store:
        done = StoreView(store).record_verdict(
            candidate_id, verdict, author=author, comment=comment, mute_for=mute_for, mute_radius_arcsec=radius
        )
    if as_json:
        mute = None if done.mute is None else mute_to_json(done.mute)
        click.echo(json.dumps({**verdict_to_json(done.vetting), "retractions": done.retractions, "mute": mute}))
        return
    many = done.retractions
    pending = f"; {many} retraction{'s' * (many != 1)} queued" if many else ""
    muted = "" if done.mute is None else f"; {format_mute(mute_to_json(done.mute))}"
    decision = format_decision(verdict_to_json(done.vetting))
    click.echo(f"{candidate_id}: {decision} by {done.vetting.author}{pending}{muted}")


def _record_to_json(store: Store, candidate_id: str) -> dict[str, Any]:
    """State of a candidate, and what people decided about it and its position until now."""
    from xherald.detector.candidates.place_notes import find_place_fields, verdict_to_json

    details = store.candidate(candidate_id)
    one = details.candidate
    place = find_place_fields(store.place_notes, one.ra_deg, one.dec_deg, one.pos_err_arcsec)
    if one.ra_deg is None:
        place["verdicts"] = [verdict_to_json(vetting) for vetting in reversed(details.vettings)]
    return {"state": one.state.value, **place}


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
