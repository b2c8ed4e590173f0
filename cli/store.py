"""`xherald store`: look after what is remembered of drops, candidates and alerts."""

from __future__ import annotations

import json
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from .group import FILE_FAILED, run_options
from .store_options import SINCE, open_selected_store, store_option

__all__ = ["command"]

QUARANTINED_SHOWN = 20

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("store")
def command() -> None:
    """Inspect and maintain the store.

    It is one SQLite file, or a PostgreSQL database that several daemons share.

    \b
    Examples:
      xherald store show
      xherald store check --json
      xherald store backup /backups/store-monday.sqlite
      xherald store prune --older-than 365d
    """  # noqa: D301


@command.command("show")
@store_option
@json_option
@run_options
def show(url: str | None, as_json: bool) -> None:
    """Show the contents of the store.

    Numbers of rows, drops and alerts, and the quarantined files with the reason.
    """
    from xherald.catalog_store.ledger.records import DropState

    with open_selected_store(url) as store:
        held = {
            "store": store.name,
            "form": store.form(),
            "rows": store.row_counts(),
            "drops": {state.value: number for state, number in store.drop_counts().items()},
            "alerts": {state.value: number for state, number in store.alert_counts().items()},
        }
        aside = [
            {"id": one.id, "url": one.url, "since": one.changed.isoformat(), "reason": one.reason}
            for one in store.drops(DropState.QUARANTINED, QUARANTINED_SHOWN)
        ]
    if as_json:
        click.echo(json.dumps({**held, "quarantined": aside}))
        return
    click.echo(f"{held['store']}, form {held['form']}")
    for what in ("rows", "drops", "alerts"):
        numbers = held[what]
        assert isinstance(numbers, dict)
        told = ", ".join(f"{number} {name}" for name, number in numbers.items() if number)
        click.echo(f"{what:<7} {told or 'none'}")
    for one in aside:
        click.echo(f"set aside: {one['id']} {one['url']}: {one['reason']}")


@command.command("check")
@store_option
@json_option
@run_options
def check(url: str | None, as_json: bool) -> None:
    """Check the store for inconsistencies.

    The exit code is 1 if there are any.

    What will put itself right, such as a claim that ran out, is told and counts as no fault.
    """
    with open_selected_store(url) as store:
        found = store.check()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found]))
    else:
        for one in found:
            rows = f"{one.rows} row{'s' if one.rows > 1 else ''}: {', '.join(one.examples)}"
            click.echo(f"{'passing' if one.passing else 'WRONG'} {one.what} ({rows}): {one.meaning}")
        if not found:
            click.echo("nothing is wrong")
    if any(not one.passing for one in found):
        raise click.exceptions.Exit(FILE_FAILED)


@command.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@store_option
@json_option
@run_options
def backup(file: Path, url: str | None, as_json: bool) -> None:
    """Copy the store to FILE, an SQLite store.

    The copy is consistent: the store as it was at one instant.

    The store can be used meanwhile.
    """
    with open_selected_store(url) as store:
        store.backup(file)
    click.echo(json.dumps({"backup": str(file), "bytes": file.stat().st_size}) if as_json else str(file))


@command.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@store_option
@json_option
@run_options
def restore(file: Path, url: str | None, as_json: bool) -> None:
    """Restore the backup FILE into an empty store.

    The store is on SQLite or PostgreSQL.
    """
    with open_selected_store(url, create=True) as store:
        rows = store.restore(file)
    told = ", ".join(f"{number} {name}" for name, number in rows.items() if number)
    click.echo(json.dumps(rows) if as_json else f"restored {told or 'an empty store'}")


@command.command("prune")
@click.option("--older-than", "before", type=SINCE, required=True, metavar="TIME", help="Such as 365d, or a date.")
@store_option
@json_option
@run_options
def prune(before: datetime, url: str | None, as_json: bool) -> None:
    """Remove old detections and payloads.

    Detections that are not candidates, payloads of old alerts, and old sightings are removed.

    Drops, candidates, vettings and the fact that an alert was sent are kept.
    """
    with open_selected_store(url) as store:
        gone = asdict(store.prune(before))
    told = ", ".join(f"{number} {name}" for name, number in gone.items())
    click.echo(json.dumps(gone) if as_json else f"removed {told}")


@command.command("upgrade")
@store_option
@json_option
@run_options
def upgrade(url: str | None, as_json: bool) -> None:
    """Upgrade the store to the current schema.

    A store that does not exist is created. Take a backup first.
    """
    with open_selected_store(url, create=True, upgrade=True) as store:
        told = {"store": store.name, "form": store.form()}
    click.echo(json.dumps(told) if as_json else f"{told['store']}, form {told['form']}")


@command.command("release")
@click.argument("drop_ids", metavar="DROP…", nargs=-1, required=True, type=int)
@store_option
@json_option
@run_options
def release(drop_ids: tuple[int, ...], url: str | None, as_json: bool) -> None:
    """Retry quarantined files.

    DROP is the number that `xherald store show` lists.
    """
    with open_selected_store(url) as store:
        for one in drop_ids:
            drop = store.release(one)
            row = {"id": drop.id, "url": drop.url, "state": drop.state.value}
            click.echo(json.dumps(row) if as_json else f"{drop.id} {drop.url}: {drop.state.value}")
