"""`xherald watchlist`: named lists of positions that sinks can select."""

from __future__ import annotations

import json
from pathlib import Path

import click

from .candidate_mutes import print_place
from .group import run_options
from .position_options import ANGLE, POSITION
from .store_options import by_option, open_selected_store, store_option

__all__ = ["command"]

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")
comment_option = click.option("--comment", default="", help="Reason, on one line.")


@click.group("watchlist")
def command() -> None:
    """Keep lists of watched positions.

    The evidence and the alerts of a candidate name the watch lists that have its position, and a sink with the option
    `watch_list: NAME` gets only the candidates of that list, with thresholds of its own.

    \b
    Examples:
      xherald watchlist add magnetars --file magnetars.csv --by Ann
      xherald watchlist add magnetars 266.417,-29.008 --name "SGR J1745-2900" --radius 5arcsec
      xherald watchlist list
      xherald watchlist show magnetars --json
      xherald watchlist remove magnetars 17 18

    \b
    Exit codes:
      0  done
      1  the store or the file cannot be read
      2  wrong options, an invalid position, or no such list or entry; nothing was done
    """  # noqa: D301


@command.command("add")
@click.argument("list_name", metavar="LIST")
@click.argument("position", metavar="[RA,DEC]", type=POSITION, required=False)
@click.option(
    "--file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    metavar="TABLE",
    help="FITS, VOTable, CSV or ECSV with ra and dec (deg), and optionally name and radius_arcsec.",
)
@click.option("--name", default="", help="Name of the position.")
@click.option(
    "--radius", type=ANGLE, metavar="ANGLE", default="10arcsec", show_default=True, help="Where the table has none."
)
@comment_option
@by_option
@store_option
@json_option
@run_options
def add(
    list_name: str,
    position: tuple[float, float] | None,
    file: Path | None,
    name: str,
    radius: float,
    comment: str,
    author: str,
    url: str | None,
    as_json: bool,
) -> None:
    """Add positions to a watch list.

    Either RA,DEC, in degrees, sexagesimal, Galactic (gal:l,b) or the name of a well-known source (name:Sgr A*), or the
    rows of a table. The list is created with its
    first position; a position that it has already is left unchanged.

    \b
    Examples:
      xherald watchlist add magnetars --file magnetars.csv --comment "McGill catalogue"
      xherald watchlist add magnetars gal:359.944,-0.047 --name "SGR J1745-2900"
    """  # noqa: D301
    from xherald.photons.errors import ConfigError
    from xherald.stores import StoreView

    if (position is None) == (file is None):
        raise ConfigError("give either RA,DEC or --file TABLE")
    if file is not None and name:
        raise ConfigError("--name: names of a table are in its column name")
    with open_selected_store(url) as store:
        done = StoreView(store).watch(
            list_name,
            position or file or "",
            author=author,
            names=[name] if position else (),
            radius_arcsec=radius,
            comment=comment,
        )
    if as_json:
        for one in done:
            print_place(one, as_json=True)
        return
    many = len(done)
    click.echo(f"{list_name}: {many} position{'s' * (many != 1)} added or there already")


@command.command("list")
@store_option
@json_option
@run_options
def list_lists(url: str | None, as_json: bool) -> None:
    """List the watch lists and their sizes."""
    from xherald.stores import StoreView

    with open_selected_store(url) as store:
        found = StoreView(store).watch_lists()
    for name, number in found.items():
        click.echo(json.dumps({"list_name": name, "entries": number}) if as_json else f"{name}  {number}")
    if not found and not as_json:
        click.echo("No watch lists")


@command.command("show")
@click.argument("list_name", metavar="LIST")
@click.option("--all", "include_removed", is_flag=True, help="Include positions that were removed.")
@store_option
@json_option
@run_options
def show(list_name: str, include_removed: bool, url: str | None, as_json: bool) -> None:
    """Show the positions of a watch list."""
    from xherald.stores import StoreView

    with open_selected_store(url) as store:
        found = StoreView(store).watch_list(list_name, include_removed=include_removed)
    for one in found:
        print_place(one, as_json=as_json)
    if not found and not as_json:
        click.echo(f"{list_name}: no positions")


@command.command("remove")
@click.argument("list_name", metavar="LIST")
@click.argument("entry_ids", metavar="ENTRY…", nargs=-1, type=int)
@click.option("--all", "remove_all", is_flag=True, help="Remove all positions, and so the list.")
@comment_option
@by_option
@store_option
@json_option
@run_options
def remove(
    list_name: str,
    entry_ids: tuple[int, ...],
    remove_all: bool,
    comment: str,
    author: str,
    url: str | None,
    as_json: bool,
) -> None:
    """Remove positions from a watch list.

    ENTRY is the number that `xherald watchlist show LIST` prints. The rows stay in the store, with who removed them.

    \b
    Examples:
      xherald watchlist remove magnetars 17 18
      xherald watchlist remove magnetars --all --comment "replaced by the new edition"
    """  # noqa: D301
    from xherald.photons.errors import ConfigError
    from xherald.stores import StoreView

    if bool(entry_ids) == remove_all:
        raise ConfigError("name the entries to remove, or give --all")
    with open_selected_store(url) as store:
        done = StoreView(store).unwatch(list_name, entry_ids or None, author=author, comment=comment)
    for one in done:
        print_place(one, as_json=as_json)
