"""`xherald store`: inspect and maintain the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import click

from .group import FILE_FAILED, run_options
from .store_options import SINCE, open_selected_store, store_option

__all__ = ["command"]

MAX_QUARANTINED_SHOWN = 20

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group("store")
def command() -> None:
    """Inspect and maintain the store.

    It is one SQLite file, or a PostgreSQL database that several daemons share.

    \b
    Examples:
      xherald store show
      xherald store check --json
      xherald store changes --since 1d
      xherald store backup /backups/store-monday.sqlite
      xherald store prune --older-than 365d
    """  # noqa: D301


@command.command("changes")
@click.option("--since", type=SINCE, metavar="TIME", required=True, help="Observations stored since then: 2d, 36h.")
@store_option
@json_option
@run_options
def changes(since: datetime, url: str | None, as_json: bool) -> None:
    """List new, vanished and changed sources.

    Sources of recent observations, and earlier ones in their fields, whose rate changed between exposures more than
    that of ordinary sources does, whether or not they vary within an exposure.
    """
    from xherald.detector.candidates.change_evidence import change_to_json
    from xherald.detector.candidates.long_term_changes import search_stored_observations
    from xherald.photons.probabilities import format_false_alarm_probability

    with open_selected_store(url) as store:
        found = search_stored_observations(store.field_histories(since))
    for row in map(change_to_json, found.changes):
        if as_json:
            click.echo(json.dumps(row))
            continue
        name = f"{row['mission']} {row['instrument']} {row['obs_id']}/{row['detection_id']}"
        place = f"{row['ra_deg']:.5f} {row['dec_deg']:+.5f}"
        probability = format_false_alarm_probability(row["long_term_false_alarm_probability"])
        click.echo(f"{name}  {place}  {row['long_term_reason']}  {probability}")
    if not as_json:
        many, expected = f"{len(found.changes):,} changes of {found.sources:,} sources", found.expected_false_alarms
        click.echo(f"{many}; at most {expected:.2g} false alarms expected")


@command.command("show")
@store_option
@json_option
@run_options
def show(url: str | None, as_json: bool) -> None:
    """Show the contents of the store.

    Numbers of rows, drops and alerts, and the quarantined files with the reason.
    """
    from xherald.catalog_store.ledger.states import DropState

    with open_selected_store(url) as store:
        name, version = store.name, store.schema_version()
        counts: dict[str, dict[str, int]] = {
            "rows": store.row_counts(),
            "drops": {state.value: number for state, number in store.drop_counts().items()},
            "alerts": {state.value: number for state, number in store.alert_counts().items()},
        }
        quarantined = [
            {"id": one.id, "url": one.url, "since": one.updated.isoformat(), "reason": one.reason}
            for one in store.drops(DropState.QUARANTINED, MAX_QUARANTINED_SHOWN)
        ]
    if as_json:
        click.echo(json.dumps({"store": name, "schema_version": version, **counts, "quarantined": quarantined}))
        return
    click.echo(f"{name}, schema version {version}")
    for title, numbers in counts.items():
        click.echo(f"{title:<7} {_format_counts(numbers) or 'none'}")
    for one in quarantined:
        click.echo(f"quarantined: {one['id']} {one['url']}: {one['reason']}")


@command.command("check")
@store_option
@json_option
@run_options
def check(url: str | None, as_json: bool) -> None:
    """Check the store for inconsistencies.

    The exit code is 1 if there are any. Temporary conditions that resolve themselves, such as an expired claim, are
    listed as notes and do not count.
    """
    with open_selected_store(url) as store:
        found = store.check()
    if as_json:
        click.echo(json.dumps([asdict(one) for one in found]))
    else:
        for one in found:
            rows = f"{one.rows} row{'s' if one.rows > 1 else ''}: {', '.join(one.examples)}"
            click.echo(f"{'ERROR' if one.is_error else 'note '} {one.name} ({rows}): {one.meaning}")
        if not found:
            click.echo("no inconsistencies found")
    if any(one.is_error for one in found):
        raise click.exceptions.Exit(FILE_FAILED)


@command.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@store_option
@json_option
@run_options
def backup(file: Path, url: str | None, as_json: bool) -> None:
    """Copy the store to FILE, an SQLite store.

    The copy shows the store at one instant. The store can be used in the meantime.
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
    """Restore a backup into an empty store.

    The store can be on SQLite or PostgreSQL; it is created if it does not exist.
    """
    with open_selected_store(url, create=True) as store:
        rows = store.restore(file)
    click.echo(json.dumps(rows) if as_json else f"restored {_format_counts(rows) or 'an empty store'}")


@command.command("prune")
@click.option("--older-than", "before", type=SINCE, required=True, metavar="TIME", help="Such as 365d, or a date.")
@store_option
@json_option
@run_options
def prune(before: datetime, url: str | None, as_json: bool) -> None:
    """Delete old detections and alert payloads.

    Deletes sky maps of old observations and their detections that are not candidates, payloads of old alerts, and old
    sightings that never became complete files. Drops, candidates, verdicts and the fact that an alert was sent are
    kept.
    """
    with open_selected_store(url) as store:
        deleted = asdict(store.prune(before))
    summary = ", ".join(f"{number} {name}" for name, number in deleted.items())
    click.echo(json.dumps(deleted) if as_json else f"deleted {summary}")


@command.command("upgrade")
@store_option
@json_option
@run_options
def upgrade(url: str | None, as_json: bool) -> None:
    """Create the store or upgrade its tables.

    Make a backup before an upgrade.
    """
    with open_selected_store(url, create=True, upgrade=True) as store:
        name, version = store.name, store.schema_version()
    click.echo(
        json.dumps({"store": name, "schema_version": version}) if as_json else f"{name}, schema version {version}"
    )


@command.command("release")
@click.argument("drop_ids", metavar="DROP…", nargs=-1, required=True, type=int)
@store_option
@json_option
@run_options
def release(drop_ids: tuple[int, ...], url: str | None, as_json: bool) -> None:
    """Retry quarantined files.

    DROP is the number that `xherald store show` prints.
    """
    with open_selected_store(url) as store:
        for drop_id in drop_ids:
            drop = store.release(drop_id)
            row = {"id": drop.id, "url": drop.url, "state": drop.state.value}
            click.echo(json.dumps(row) if as_json else f"{drop.id} {drop.url}: {drop.state.value}")


def _format_counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {name}" for name, number in numbers.items() if number)
