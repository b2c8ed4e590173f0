"""`xherald plugins`: which plugins are in use, and why others are not."""

from __future__ import annotations

import json

import click

from .group import configuration, run_options

__all__ = ["command"]


@click.command("plugins")
@click.option("--json", "as_json", is_flag=True, help="One JSON object with the lists loaded and unused.")
@run_options
def command(as_json: bool) -> None:
    """List plugins: loaded, disabled, broken and why.

    \b
    Examples:
      xherald plugins
      XHERALD_PLUGINS__DISABLED='[table]' xherald plugins
    """  # noqa: D301
    from dataclasses import asdict

    host = configuration().host
    if as_json:
        told = {"loaded": [asdict(one) for one in host.records], "unused": [asdict(one) for one in host.failures]}
        click.echo(json.dumps(told))
        return
    for one in host.records:
        what = "; ".join(f"{kind}: {', '.join(names) or 'none'}" for kind, names in one.registered.items())
        click.echo(f"{one.name:<16} {one.package} {one.version}  {what or 'registers nothing'}")
    for failure in host.failures:
        click.echo(f"{failure.name:<16} {failure.package}  not in use: {failure.reason}")
