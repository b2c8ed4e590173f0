"""`xherald candidate list`: candidates of the store, filtered."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, get_args

import click

from xherald.detector.results.row_types import Kind

from .group import run_options
from .position_options import CONE
from .store_options import SINCE, open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.records import StoredCandidate

__all__ = ["list_candidates"]

VARIABLE: Final = [kind for kind in get_args(Kind) if kind != "steady"]


@click.command("list")
@click.option("--since", type=SINCE, metavar="TIME", help="Found since then: 2d, 36h, 90m, or a date (UTC).")
@click.option("--near", type=CONE, metavar="RA,DEC,R", help="Inside a cone; R in degrees, or 5arcmin, 30arcsec.")
@click.option("--kind", type=click.Choice(VARIABLE), help="Of this kind only.")
@click.option("--class", "likely_class", metavar="CLASS", help="Most probable class of the source.")
@click.option("--far-below", type=click.FloatRange(min=0), metavar="HZ", help="False-alarm rate below this.")
@click.option("--min-interest", type=click.FloatRange(0, 1), metavar="X", help="Interest of at least this, 0 to 1.")
@click.option(
    "--sort",
    type=click.Choice(["latest", "interest"]),
    default="latest",
    show_default=True,
    help="Which come first.",
)
@click.option("--all", "include_all", is_flag=True, help="Include superseded and retracted candidates.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="At most the latest N.")
@click.option("--json", "form", flag_value="json", help="Print JSON, one object a line, with the evidence.")
@click.option("--votable", "form", flag_value="votable", help="Print a VOTable.")
@store_option
@run_options
def list_candidates(
    since: datetime | None,
    near: tuple[float, float, float] | None,
    kind: str | None,
    likely_class: str | None,
    far_below: float | None,
    min_interest: float | None,
    sort: str,
    include_all: bool,
    limit: int | None,
    form: str | None,
    url: str | None,
) -> None:
    """List candidates, the latest first.

    \b
    Examples:
      xherald candidate list --sort interest --limit 20
      xherald candidate list --since 2d --kind flare --far-below 1e-7
      xherald candidate list --near 83.82,-5.39,30arcsec --json
      xherald candidate list --near "05:35:17.2 -05:23:28,1arcmin"
      xherald candidate list --since 2026-01-01 --votable > candidates.vot
    """  # noqa: D301
    from xherald.catalog_store.ledger.states import CandidateState
    from xherald.detector.results.candidate_table import to_json_row

    with open_selected_store(url) as store:
        found = store.candidates(
            since=since,
            near=near,
            kind=kind,
            likely_class=likely_class,
            far_below=far_below,
            min_interest=min_interest,
            by_interest=sort == "interest",
            states=tuple(CandidateState) if include_all else (CandidateState.STANDING,),
            limit=limit,
        )
    if form == "json":
        for candidate in found:
            click.echo(json.dumps(to_json_row(candidate), allow_nan=False))
    elif form == "votable":
        click.echo(_format_votable(found), nl=False)
    else:
        for candidate in found:
            click.echo(_format_line(candidate))
        if not found:
            click.echo("No candidates")


def _format_line(candidate: StoredCandidate) -> str:
    from xherald.photons.probabilities import format_rate_hz

    has_position = candidate.ra_deg is not None and candidate.dec_deg is not None
    position = f"{candidate.ra_deg:.5f} {candidate.dec_deg:+.5f}" if has_position else "no position"
    far_hz, is_limit = candidate.far_hz, candidate.extrapolated
    if far_hz is None:  # it changed between exposures only, or its rate is unknown
        far_hz, is_limit = candidate.evidence.get("long_term_far_hz"), False
    rate = f"false-alarm rate {format_rate_hz(far_hz, extrapolated=is_limit)}"
    kind = f"{candidate.kind} ({candidate.likely_class})" if candidate.likely_class else candidate.kind
    interest = candidate.evidence.get("interest")
    rated = "" if interest is None else f"  interest {interest:.2f}"
    known = f"  {name}" if (name := candidate.evidence.get("known_source")) else ""
    source = f"{candidate.mission} {candidate.instrument} {candidate.obs_id} {candidate.detection_id}"
    state = "" if candidate.state.value == "standing" else f"  {candidate.state.value}"
    found = f"{candidate.created:%Y-%m-%d %H:%M}  {candidate.id}  {kind}  {rate}{rated}"
    return f"{found}  {position}  {source}{known}{state}"


def _format_votable(candidates: Sequence[StoredCandidate]) -> str:
    from xherald.catalog_store.table_files import write_votable
    from xherald.detector.results.candidate_table import to_table

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "candidates.vot"
        write_votable(to_table(candidates), target)
        return target.read_text(encoding="utf-8")
