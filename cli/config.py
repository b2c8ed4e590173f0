"""`xherald config`: the settings in effect and where each came from."""

from __future__ import annotations

import json

import click

from .group import configuration, run_options

__all__ = ["command"]


@click.group("config")
def command() -> None:
    """Show and check the settings.

    Defaults, overridden by --config FILE, overridden by XHERALD_SECTION__KEY=value.
    """


@command.command("show")
@click.option("--json", "as_json", is_flag=True, help="One JSON object: setting to value and origin.")
@run_options
def show(as_json: bool) -> None:
    """Show the settings in effect.

    Each is listed with its origin.

    \b
    Examples:
      xherald config show --config my.yaml
      XHERALD_TIMING__SIGNIFICANCE=1e-4 xherald config show --json
    """  # noqa: D301
    settings = configuration()
    settings.host  # noqa: B018 - checks the adapters' options too
    listed = {".".join(path): {"value": value, "origin": origin} for path, value, origin in settings.listed()}
    if as_json:
        click.echo(json.dumps(listed))
        return
    width = max(map(len, listed))
    for name, one in listed.items():
        value = json.dumps(one["value"])
        click.echo(f"{name:<{width}}  {value}" + (f"  ({one['origin']})" if one["origin"] != "default" else ""))
