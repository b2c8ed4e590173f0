"""`xherald alert`: test sinks; list, send, replay and retract alerts."""

from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from .group import FILE_FAILED, configuration, run_options
from .store_options import by_option, open_selected_store, store_option

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.records import StoredAlert
    from xherald.catalog_store.ledger.store import Store
    from xherald.daemon.alerts.dispatch import Outcome

__all__ = ["command"]

STATES = ("pending", "sent", "failed", "digested", "withdrawn")
RETRACTING = ("artefact", "not_variable", "rejected")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, one object per line.")


@click.group("alert")
def command() -> None:
    """List, send, replay and retract alerts.

    Sinks are configured under `alerts` in the settings.

    \b
    Examples:
      xherald alert test team --config duty.yaml
      xherald alert list --state failed
      xherald alert replay XH-CHANDRA-ACIS-29128-110-7446eb-F-initial-1f0c2ab9
      xherald alert retract XH-CHANDRA-ACIS-29128-110-7446eb-F --reason "a hot pixel" --as artefact

    \b
    Exit codes:
      0  done
      1  an alert could not be sent, or there is no alert or candidate with that id
      2  wrong options or configuration; nothing was done
    """  # noqa: D301


@command.command("test")
@click.argument("name", metavar="SINK")
@json_option
@run_options
def test(name: str, as_json: bool) -> None:
    """Send a test alert to SINK at once.

    The alert has the tense test; nothing is stored.

    \b
    Example:
      xherald alert test team --config duty.yaml
    """  # noqa: D301
    from datetime import UTC, datetime

    from xherald.daemon.alerts.payload import trial_alert
    from xherald.daemon.alerts.sinks import deliver, get_sink, open_sinks

    setup = configuration()
    sink = get_sink(open_sinks(setup.settings.alerts, setup.host), name)
    alert = trial_alert(datetime.now(UTC))
    receipt = deliver(sink, alert, setup.host)
    if as_json:
        click.echo(json.dumps({"sink": name, "id": alert.id, **receipt.as_json()}))
    else:
        click.echo(f"{name} accepted {alert.id}: {'; '.join(filter(None, [receipt.where, receipt.note]))}", err=True)


@command.command("list")
@click.option("--state", type=click.Choice(STATES), help="Only alerts in this state.")
@click.option("--candidate", "candidate_id", metavar="ID", help="Only alerts of this candidate.")
@click.option("--limit", type=click.IntRange(min=1), default=50, show_default=True, metavar="N", help="The latest N.")
@json_option
@store_option
@run_options
def list_alerts(state: str | None, candidate_id: str | None, limit: int, as_json: bool, url: str | None) -> None:
    """List alerts, one line for each sink.

    They are listed in the order of their creation.

    \b
    Examples:
      xherald alert list --state pending
      xherald alert list --candidate XH-CHANDRA-ACIS-29128-110-7446eb-F --json
    """  # noqa: D301
    from xherald.catalog_store.ledger.states import AlertState

    with open_selected_store(url) as store:
        found = store.alerts(candidate_id=candidate_id, state=None if state is None else AlertState(state), limit=limit)
    for one in found:
        click.echo(json.dumps(_alert_to_json(one), allow_nan=False) if as_json else _format_alert(one))
    if not found and not as_json:
        click.echo("No alerts")


@command.command("replay")
@click.argument("alert_id", metavar="ID")
@click.option("--sink", metavar="SINK", help="To this sink only.")
@json_option
@store_option
@run_options
def replay(alert_id: str, sink: str | None, as_json: bool, url: str | None) -> None:
    """Send alert ID again, to all its sinks or one.

    It keeps its id, and no budget of a sink delays it.

    The daemon sends it, or `xherald alert send`. Sinks that recognize repeated ids do not store it twice.

    \b
    Example:
      xherald alert replay XH-CHANDRA-ACIS-29128-110-7446eb-F-initial-1f0c2ab9 --sink team
    """  # noqa: D301
    with open_selected_store(url) as store:
        number = store.requeue(alert_id, sink)
    if as_json:
        click.echo(json.dumps({"id": alert_id, "requeued": number}))
    else:
        click.echo(f"{alert_id}: queued for {_count_sinks(number)}")


@command.command("retract")
@click.argument("name", metavar="ID")
@click.option("--reason", required=True, help="The reason, on one line; it is sent to the sinks.")
@click.option(
    "--as",
    "verdict",
    type=click.Choice(RETRACTING),
    default="rejected",
    show_default=True,
    help="The verdict that is recorded; see `xherald candidate vet --help`.",
)
@by_option
@json_option
@store_option
@run_options
def retract(name: str, reason: str, verdict: str, author: str, as_json: bool, url: str | None) -> None:
    """Retract a candidate and its alerts.

    ID is that of the candidate or of one of its alerts.

    The daemon sends the retractions, or `xherald alert send`. Alerts that were not sent yet are withdrawn.

    \b
    Example:
      xherald alert retract XH-CHANDRA-ACIS-29128-110-7446eb-F --reason "a hot pixel" --as artefact --by Ann
    """  # noqa: D301
    from xherald.stores import StoreView

    with open_selected_store(url) as store:
        candidate_id = _find_candidate_id(store, name)
        done = StoreView(store).record_verdict(candidate_id, verdict, author=author, comment=reason)
    number = done.retractions
    if as_json:
        click.echo(json.dumps({"candidate_id": candidate_id, "retractions": number}))
    else:
        click.echo(f"{candidate_id}: retracted; retractions queued for {_count_sinks(number)}")


@command.command("send")
@click.option("--sink", "sinks", metavar="SINK", multiple=True, help="To this sink only; may be repeated.")
@json_option
@store_option
@run_options
def send(sinks: tuple[str, ...], as_json: bool, url: str | None) -> None:
    """Send the alerts that are due, and exit.

    The exit code is 1 if a sink did not accept an alert.

    \b
    Examples:
      xherald alert send --config duty.yaml
      xherald alert send --sink team --json
    """  # noqa: D301
    from xherald.daemon.alerts.dispatch import Dispatcher

    setup = configuration()
    with open_selected_store(url) as store:
        dispatcher = Dispatcher(store, setup.settings.alerts, setup.host, f"{socket.gethostname()}-{os.getpid()}")
        outcomes = dispatcher.send_due(sinks or None)
        unknown = dispatcher.count_unknown_sinks()
    for one in outcomes:
        click.echo(json.dumps(asdict(one)) if as_json else _format_outcome(one))
    for name, number in unknown.items():
        click.echo(f"xherald: {number} alerts are waiting for sink {name}, which is not configured", err=True)
    if not outcomes and not as_json:
        click.echo("No alerts are due")
    if any(one.result in ("deferred", "failed") for one in outcomes):
        raise click.exceptions.Exit(FILE_FAILED)


def _find_candidate_id(store: Store, name: str) -> str:
    alerts = store.alerts(alert_id=name, limit=1)
    return alerts[0].candidate_id if alerts else name


def _count_sinks(number: int) -> str:
    return f"{number} sink{'' if number == 1 else 's'}"


def _alert_to_json(one: StoredAlert) -> dict[str, Any]:
    return {
        "id": one.id,
        "candidate_id": one.candidate_id,
        "sink": one.sink,
        "alert_type": one.alert_type.value,
        "state": one.state.value,
        "attempts": one.attempts,
        "created": one.created.isoformat(),
        "next_attempt": one.next_attempt.isoformat() if one.state.value == "pending" else None,
        "closed": one.closed and one.closed.isoformat(),
        "error": one.error,
        "receipt": one.receipt and dict(one.receipt),
        "payload": dict(one.payload),
    }


def _format_alert(one: StoredAlert) -> str:
    state = one.state.value
    retry = f"  next attempt {one.next_attempt:%Y-%m-%d %H:%M:%S}" if state == "pending" and one.attempts else ""
    error = f"  {one.error}" if one.error and state in ("pending", "failed", "withdrawn") else ""
    return f"{one.created:%Y-%m-%d %H:%M}  {one.id}  {one.alert_type.value} to {one.sink}  {state}{retry}{error}"


def _format_outcome(one: Outcome) -> str:
    return f"{one.result:<9} {one.alert_id} to {one.sink}" + (f": {one.reason}" if one.reason else "")
