"""`xherald status`: the state of the daemon and its queue."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import click

from .group import configuration, run_options
from .store_options import open_selected_store, store_option

__all__ = ["command", "read_health"]

HEALTH_TIMEOUT_S = 2.0
MAX_QUARANTINED_SHOWN = 5


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
    from xherald.daemon.jobs.decisions import FALSE_DISCOVERY_STATE
    from xherald.daemon.nightly.drift import DRIFT_STATE
    from xherald.daemon.nightly.nightly_job import NIGHTLY_STATE

    settings = configuration().settings
    now = datetime.now(UTC)
    with open_selected_store(url) as store:
        oldest = store.oldest_waiting()
        status: dict[str, Any] = {
            "store": store.name,
            "daemon": read_health(settings.daemon.metrics_port),
            "drops": {state.value: number for state, number in store.drop_counts().items()},
            "waiting_s": None if oldest is None else round(max((now - oldest).total_seconds(), 0.0), 1),
            "alerts": {state.value: number for state, number in store.alert_counts().items()},
            "sent_last_day": store.count_sent(now - timedelta(days=1)),
            "false_discovery_control": store.shared_state(FALSE_DISCOVERY_STATE),
            "nightly": store.shared_state(NIGHTLY_STATE),
            "drift": store.shared_state(DRIFT_STATE),
            "quarantined": [
                {"url": one.url, "reason": one.reason, "since": one.updated.isoformat()}
                for one in store.drops(DropState.QUARANTINED, MAX_QUARANTINED_SHOWN)
            ],
        }
    if as_json:
        click.echo(json.dumps(status))
    else:
        _print_status(status)


def read_health(port: int) -> dict[str, Any] | None:
    """Health report of the daemon with this metrics port on this machine; None if none responds."""
    if not port:
        return None
    from urllib.error import HTTPError, URLError
    from urllib.request import urlopen

    try:
        with urlopen(f"http://127.0.0.1:{port}/health", timeout=HEALTH_TIMEOUT_S) as response:
            report = json.load(response)
    except HTTPError as fault:
        report = json.load(fault)
    except (URLError, OSError, ValueError):
        return None
    return report if isinstance(report, dict) else None


def _print_status(status: dict[str, Any]) -> None:
    from xherald.daemon.nightly.drift import DriftReport

    daemon, nightly = status["daemon"], status["nightly"]
    click.echo(f"{status['store']}: {_describe_daemon(daemon)}")
    for title in ("drops", "alerts"):
        numbers = ", ".join(f"{number} {name}" for name, number in status[title].items() if number)
        click.echo(f"{title:<12} {numbers or 'none'}")
    if status["waiting_s"] is not None:
        click.echo(f"{'waiting':<12} for up to {status['waiting_s']:.0f} s")
    click.echo(f"{'sent':<12} {status['sent_last_day']} alerts in the last day")
    if nightly is not None and nightly["error"]:
        click.echo(f"{'nightly job':<12} failed at {nightly['ended']}: {nightly['error']}")
    if nightly is not None and (rebuilt := nightly.get("rebuilt")) is not None:
        state = "active" if rebuilt["activated"] else "not activated"
        click.echo(f"{'rebuild':<12} {rebuilt['name'] or 'nothing built'}, {state}: {rebuilt['reason']}")
    if status["drift"] is not None:
        for alarm in DriftReport.from_dict(status["drift"]).alarms:
            click.echo(f"{'DRIFT':<12} {alarm.description}")
    for one in (daemon or {}).get("plugin_failures", []):
        click.echo(f"{'plugin':<12} {one['name']} ({one['kind']}) failed {one['times']} times; see the daemon's log")
    for one in status["quarantined"]:
        click.echo(f"{'quarantined':<12} {one['url']}: {one['reason']}")


def _describe_daemon(daemon: dict[str, Any] | None) -> str:
    if daemon is None:
        return "no daemon responds on this machine"
    return "the daemon is healthy" if daemon.get("healthy") else f"the daemon is unhealthy: {daemon.get('problem')}"
