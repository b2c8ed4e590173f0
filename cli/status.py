"""`xherald status`: whether a daemon is at work on the store, and how things stand."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from .group import configuration, run_options
from .store_options import open_selected_store, store_option

__all__ = ["asked", "command"]

ASKED_S = 2.0


@click.command("status")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@store_option
@run_options
def command(as_json: bool, url: str | None) -> None:
    """Show the state of the daemon and its queue.

    Whether a daemon runs, which files wait, the latest failures and the latest alerts.

    \b
    Examples:
      xherald status
      xherald status --json | jq .drops
    """  # noqa: D301
    from xherald.catalog_store.ledger.states import DropState
    from xherald.daemon.nightly.drift import DRIFT, Drift
    from xherald.daemon.nightly.nightly import NIGHTLY

    settings = configuration().settings
    now = datetime.now(UTC)
    with open_selected_store(url) as store:
        oldest = store.oldest_waiting()
        told: dict[str, Any] = {
            "store": store.name,
            "daemon": asked(settings.daemon.metrics_port),
            "drops": {state.value: number for state, number in store.drop_counts().items()},
            "waiting_s": None if oldest is None else round(max((now - oldest).total_seconds(), 0.0), 1),
            "alerts": {state.value: number for state, number in store.alert_counts().items()},
            "sent_last_day": store.count_sent(now - timedelta(days=1)),
            "false_discovery_control": store.shared_state("false_discovery_control"),
            "nightly": store.shared_state(NIGHTLY),
            "drift": store.shared_state(DRIFT),
            "set_aside_last": [
                {"url": one.url, "reason": one.reason, "since": one.updated.isoformat()}
                for one in store.drops(DropState.QUARANTINED, 5)
            ],
        }
    if as_json:
        click.echo(json.dumps(told))
        return
    daemon = told["daemon"]
    click.echo(f"{told['store']}: {_said(daemon)}")
    for what in ("drops", "alerts"):
        click.echo(
            f"{what:<7} {', '.join(f'{number} {name}' for name, number in told[what].items() if number) or 'none'}"
        )
    if told["waiting_s"] is not None:
        click.echo(f"waiting for {told['waiting_s']:.0f} s at the longest")
    click.echo(f"sent    {told['sent_last_day']} in the last day")
    if told["nightly"] is not None and told["nightly"]["fault"]:
        click.echo(f"nightly job failed at {told['nightly']['ended']}: {told['nightly']['fault']}")
    if told["nightly"] is not None and (rebuilt := told["nightly"].get("rebuilt")) is not None:
        state = "in use" if rebuilt["activated"] else "not taken into use"
        click.echo(f"rebuilt {rebuilt['name'] or 'nothing'}, {state}: {rebuilt['reason']}")
    if told["drift"] is not None:
        for alarm in Drift.from_dict(told["drift"]).alarms:
            click.echo(f"DRIFT   {alarm.words}")
    for one in (daemon or {}).get("plugins", []):
        click.echo(f"plugin  {one['name']} ({one['kind']}) broke {one['times']} times; the daemon's log says with what")
    for one in told["set_aside_last"]:
        click.echo(f"set aside: {one['url']}: {one['reason']}")


def asked(port: int) -> dict[str, Any] | None:
    """What the daemon on that port of this machine says of itself; None where none answers."""
    if not port:
        return None
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=ASKED_S) as answer:
            told = json.load(answer)
    except HTTPError as fault:
        told = json.load(fault)
    except (URLError, OSError, ValueError):
        return None
    return told if isinstance(told, dict) else None


def _said(daemon: dict[str, Any] | None) -> str:
    if daemon is None:
        return "no daemon answers on this machine"
    return "the daemon is well" if daemon.get("well") else f"the daemon is not well: {daemon.get('trouble')}"
