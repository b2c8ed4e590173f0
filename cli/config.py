"""`xherald config`: show and check the settings."""

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
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object: name to value and origin.")
@run_options
def show(as_json: bool) -> None:
    """Show the settings in effect.

    Each is listed with its origin.

    \b
    Examples:
      xherald config show --config my.yaml
      XHERALD_TIMING__SIGNIFICANCE=1e-4 xherald config show --json
    """  # noqa: D301
    from xherald.detector.configuration.plugin_options import check_plugin_options

    settings = configuration()
    check_plugin_options(settings)
    listed = {".".join(path): {"value": value, "origin": origin} for path, value, origin in settings.listed()}
    if as_json:
        click.echo(json.dumps(listed))
        return
    width = max(map(len, listed))
    for name, one in listed.items():
        value = json.dumps(one["value"])
        click.echo(f"{name:<{width}}  {value}" + (f"  ({one['origin']})" if one["origin"] != "default" else ""))


@command.command("check")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@run_options
def check(as_json: bool) -> None:
    """Check the settings and plugin options.

    Unknown names are reported with file and line and the nearest valid name; the exit code is then 2.

    \b
    Examples:
      xherald config check --config my.yaml
    """  # noqa: D301
    from xherald.detector.configuration.plugin_options import check_plugin_options

    settings = configuration()
    check_plugin_options(settings)
    number = len(settings.origins)
    click.echo(json.dumps({"valid": True, "given": number}) if as_json else f"The settings are valid ({number} given)")
