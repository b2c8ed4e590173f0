"""`xherald candidate mute|mutes|unmute`: places whose alerts are demoted."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from .group import run_options
from .position_options import ANGLE, DURATION, POSITION
from .store_options import by_option, open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.place_records import StoredPlace

__all__ = ["list_mutes", "mute", "unmute"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
comment_option = click.option("--comment", default="", help="Reason, on one line.")


@click.command("mute")
@click.argument("position", metavar="RA,DEC", type=POSITION)
@click.option("--radius", type=ANGLE, metavar="ANGLE", default="10arcsec", show_default=True, help="At most 1deg.")
@click.option("--for", "duration", type=DURATION, metavar="TIME", help="How long: 1y, 30d, 36h.")
@click.option("--until", metavar="DATE", help="When it ends (UTC), such as 2027-03-01; either this or --for.")
@comment_option
@by_option
@store_option
@json_option
@run_options
def mute(
    position: tuple[float, float],
    radius: float,
    duration: timedelta | None,
    until: str | None,
    comment: str,
    author: str,
    url: str | None,
    as_json: bool,
) -> None:
    """Mute the alerts of a place.

    Candidates whose position lies in the circle are found and stored as ever; sinks skip their first alerts, or send
    them as a digest, or all the same, as the option `muted` of each sink says. RA,DEC may be in degrees, sexagesimal,
    Galactic (gal:l,b), or the name of a well-known source (name:Sgr A*).

    \b
    Examples:
      xherald candidate mute 83.82,-5.39 --for 1y --comment "flare star V1229 Ori"
      xherald candidate mute "05:35:17.2 -05:23:28" --radius 20arcsec --until 2027-03-01 --by Ann
    """  # noqa: D301
    from xherald.stores import StoreView

    with open_selected_store(url) as store:
        done = StoreView(store).mute(
            position, author=author, radius_arcsec=radius, until=until, duration=duration, comment=comment
        )
    print_place(done, as_json=as_json)


@click.command("mutes")
@click.option("--all", "include_ended", is_flag=True, help="Include those that ended or were removed.")
@store_option
@json_option
@run_options
def list_mutes(include_ended: bool, url: str | None, as_json: bool) -> None:
    """List mutes, who set them, and when they end.

    \b
    Examples:
      xherald candidate mutes
      xherald candidate mutes --all --json
    """  # noqa: D301
    from xherald.stores import StoreView

    with open_selected_store(url) as store:
        found = StoreView(store).mutes(include_ended=include_ended)
    for one in found:
        print_place(one, as_json=as_json)
    if not found and not as_json:
        click.echo("No mutes")


@click.command("unmute")
@click.argument("mute_ids", metavar="MUTE…", nargs=-1, required=True, type=int)
@comment_option
@by_option
@store_option
@json_option
@run_options
def unmute(mute_ids: tuple[int, ...], comment: str, author: str, url: str | None, as_json: bool) -> None:
    """Remove mutes.

    MUTE is the number that `xherald candidate mutes` prints. The mute stays in the store, with who removed it and when.

    \b
    Example:
      xherald candidate unmute 3 --comment "the paper is out" --by Ann
    """  # noqa: D301
    from xherald.stores import StoreView

    with open_selected_store(url) as store:
        found = StoreView(store).unmute(mute_ids, author=author, comment=comment)
    for one in found:
        print_place(one, as_json=as_json)


def print_place(stored: StoredPlace, *, as_json: bool) -> None:
    """Print a mute or an entry of a watch list on one line."""
    from xherald.detector.results.place_table import to_json_row

    if as_json:
        click.echo(json.dumps(to_json_row(stored), allow_nan=False))
        return
    place, removal = stored.place, stored.removal
    parts = [
        f"{stored.id:>4}  {place.ra_deg:.5f} {place.dec_deg:+.5f}  {place.radius_arcsec:g} arcsec",
        place.name,
        "" if place.ends is None else f"until {place.ends:%Y-%m-%d %H:%M}",
        f"by {place.author} on {stored.created:%Y-%m-%d}" + (f": {place.comment}" if place.comment else ""),
    ]
    if removal is not None:
        why = f": {removal.comment}" if removal.comment else ""
        parts.append(f"removed by {removal.author} on {removal.created:%Y-%m-%d}{why}")
    elif not stored.is_active(datetime.now(UTC)):
        parts.append("ended")
    click.echo("  ".join(part for part in parts if part))
