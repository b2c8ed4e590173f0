"""`xherald candidates`: ask the store for candidates."""

from __future__ import annotations

import json
import re
import tempfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .group import run_options
from .store_options import SINCE, open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.records import StoredCandidate

__all__ = ["command"]

UNITS = {"": 1.0, "deg": 1.0, "arcmin": 1 / 60, "arcsec": 1 / 3600}


class _Cone(click.ParamType[tuple[float, float, float]]):
    """A place and a radius: RA,DEC,R in degrees; the radius may name deg, arcmin or arcsec."""

    name = "cone"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> Any:
        """Read it."""
        if isinstance(value, tuple):
            return value
        number = r"([+-]?\d+(?:\.\d*)?)"
        found = re.fullmatch(rf"\s*{number}\s*,\s*{number}\s*,\s*{number}\s*(deg|arcmin|arcsec)?\s*", str(value))
        if found is None:
            self.fail(f"{value!r} is not RA,DEC,R, such as 83.82,-5.39,30arcsec", parameter, context)
        cone = float(found[1]), float(found[2]), float(found[3]) * UNITS[found[4] or ""]
        if not (0 <= cone[0] <= 360 and -90 <= cone[1] <= 90 and 0 < cone[2] <= 180):
            self.fail(f"{value!r}: RA is 0 to 360, DEC -90 to 90, R above 0", parameter, context)
        return cone


@click.command("candidates")
@click.option("--since", type=SINCE, metavar="TIME", help="First kept since then: 2d, 36h, 90m, or a date (UTC).")
@click.option("--near", type=_Cone(), metavar="RA,DEC,R", help="Inside a cone, degrees; R may be 5arcmin or 30arcsec.")
@click.option("--class", "source_class", metavar="CLASS", help="Flare, dip, or the most probable class of the source.")
@click.option("--far-below", type=click.FloatRange(min=0), metavar="HZ", help="False-alarm rate below this.")
@click.option("--all", "every", is_flag=True, help="Superseded and retracted ones, too.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The latest N.")
@click.option("--json", "form", flag_value="json", help="One JSON object a line, with the evidence.")
@click.option("--votable", "form", flag_value="votable", help="A VOTable.")
@store_option
@run_options
def command(
    since: datetime | None,
    near: tuple[float, float, float] | None,
    source_class: str | None,
    far_below: float | None,
    every: bool,
    limit: int | None,
    form: str | None,
    url: str | None,
) -> None:
    """List candidates, the latest first.

    \b
    Examples:
      xherald candidates --since 2d --class flare --far-below 1e-7
      xherald candidates --near 83.82,-5.39,30arcsec --json
      xherald candidates --since 2026-01-01 --votable > candidates.vot
    """  # noqa: D301
    from xherald.catalog_store.ledger.candidate_table import as_row
    from xherald.catalog_store.ledger.records import CandidateState

    is_kind = source_class in ("flare", "dip")
    with open_selected_store(url) as store:
        found = store.candidates(
            since=since,
            near=near,
            kind=source_class if is_kind else None,
            source_class=None if is_kind else source_class,
            far_below=far_below,
            states=tuple(CandidateState) if every else (CandidateState.STANDING,),
            limit=limit,
        )
    if form == "json":
        for one in found:
            click.echo(json.dumps(as_row(one), allow_nan=False))
    elif form == "votable":
        click.echo(_votable(found), nl=False)
    else:
        for one in found:
            click.echo(_line(one))
        if not found:
            click.echo("no candidate")


def _line(one: StoredCandidate) -> str:
    place = "no position" if one.ra is None or one.dec is None else f"{one.ra:.5f} {one.dec:+.5f}"
    rate = "FAR unknown" if one.far_hz is None else f"FAR {one.far_hz:.2g} Hz"
    what = f"{one.kind} ({one.source_class})" if one.source_class else one.kind
    where = f"{one.mission} {one.instrument} {one.obs_id} {one.detection_id}"
    state = "" if one.state.value == "standing" else f"  {one.state.value}"
    return f"{one.created:%Y-%m-%d %H:%M}  {one.id}  {what}  {rate}  {place}  {where}{state}"


def _votable(found: list[StoredCandidate]) -> str:
    from xherald.catalog_store.ledger.candidate_table import as_table
    from xherald.catalog_store.table_files import write_votable

    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "candidates.vot"
        write_votable(as_table(found), target)
        return target.read_text(encoding="utf-8")
