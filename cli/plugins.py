"""`xherald plugins`: list plugins, describe their options, and check them against the contract."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .group import configuration, run_options

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.plugin_support.plugin_list import PluginRow
    from xherald.plugins import Plugin
    from xherald.plugins.testing import Report

__all__ = ["command"]

# Same as `xherald.plugins.host.KINDS`, which `--help` must not import.
KINDS = (
    "adapters",
    "representations",
    "extractors",
    "embedders",
    "scorers",
    "vetoes",
    "alert_sinks",
    "drop_sources",
    "context",
)
NOT_CONFORMING = 1
"""Exit code: a plugin breaks a rule of the contract."""


@click.command("plugins")
@click.argument("name", required=False)
@click.argument("files", nargs=-1, metavar="[FILE…]", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Check the plugin against the contract; adapters need valid FILEs.")
@click.option("--kind", type=click.Choice(KINDS), help="Kind of the plugin, if several have this name.")
@click.option(
    "--option",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="With --check: option of the plugin, value in YAML. Alert sinks send test alerts to the destination given.",
)
@click.option("--enforce-performance", is_flag=True, help="With --check: fail if rules of speed or memory are broken.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
@run_options
def command(
    name: str | None,
    files: tuple[Path, ...],
    check: bool,
    kind: str | None,
    given: tuple[str, ...],
    enforce_performance: bool,
    as_json: bool,
) -> None:
    """List, describe and check plugins.

    NAME is the name of a plugin, or of an entry point for all of its plugins.

    \b
    Examples:
      xherald plugins
      xherald plugins fast_tsne
      xherald plugins --check chandra acisf29128N001_evt2.fits.gz
      xherald plugins --check jsonl --option path=/tmp/test.jsonl
      XHERALD_PLUGINS__DISABLED='[table]' xherald plugins

    \b
    Exit codes:
      0  success; with --check: no rule is broken
      1  with --check: a rule is broken
      2  invalid options or configuration, or unknown plugin
    """  # noqa: D301
    from xherald.detector.plugin_support.plugin_list import find_plugins, list_plugins

    settings = configuration()
    if name is None:
        if check:
            raise click.UsageError("--check needs the name of a plugin")
        rows = list_plugins(settings.host, _count_failures_in_daemon(settings))
        _print_rows(rows, as_json)
        return
    found = find_plugins(settings.host, name, kind)
    if not check:
        if files or given or enforce_performance:
            raise click.UsageError("FILE, --option and --enforce-performance require --check")
        for one_kind, plugin in found:
            _print_plugin(one_kind, plugin, as_json)
        return
    _check(found, settings, files, _parse_options(given), enforce_performance, as_json)


def _check(
    found: tuple[tuple[str, Plugin], ...],
    settings: Configuration,
    files: tuple[Path, ...],
    options: dict[str, Any],
    enforce_performance: bool,
    as_json: bool,
) -> None:
    from xherald.detector.plugin_support.plugin_checks import check_plugin

    broken = False
    for kind, plugin in found:
        report = check_plugin(
            kind, plugin, settings, files=files, options=options, enforce_performance=enforce_performance
        )
        broken |= not report.conforms
        if as_json:
            click.echo(json.dumps(report.as_json()))
        else:
            _print_report(report)
    if broken:
        raise click.exceptions.Exit(NOT_CONFORMING)


def _parse_options(given: tuple[str, ...]) -> dict[str, Any]:
    from xherald.detector.configuration import marked_yaml
    from xherald.detector.configuration.marked_yaml import MarkedYamlError
    from xherald.photons.errors import ConfigError

    options: dict[str, Any] = {}
    for one in given:
        key, equals, text = one.partition("=")
        if not (key and equals):
            raise click.UsageError(f"--option {one}: write KEY=VALUE")
        try:
            options[key], _ = marked_yaml.parse(text)
        except MarkedYamlError as fault:
            raise ConfigError(f"--option {key}: {fault.reason}") from fault
    return options


def _count_failures_in_daemon(settings: Configuration) -> dict[tuple[str, str], int]:
    """Number of failures of each plugin in the daemon on this machine."""
    from .status import read_health

    report = read_health(settings.settings.daemon.metrics_port) or {}
    return {(one["kind"], one["name"]): int(one["times"]) for one in report.get("plugin_failures", [])}


def _format_state(row: PluginRow) -> str:
    state = row.state if row.state != "in use" or not row.failures else f"failed {row.failures} times in use"
    return "; ".join(part for part in (f"{state}: {row.reason}" if row.reason else state, row.note) if part)


def _print_rows(rows: tuple[PluginRow, ...], as_json: bool) -> None:
    from xherald.plugins import CONTRACT_VERSION

    if as_json:
        click.echo(json.dumps({"contract": CONTRACT_VERSION, "plugins": [asdict(one) for one in rows]}))
        return
    cells = [
        (
            one.name,
            one.kind,
            f"{one.package} {one.version}".strip(),
            one.contract or "–",
            ", ".join(one.hooks) or "–",
            _format_state(one),
        )
        for one in rows
    ]
    _print_table(("name", "kind", "package", "contract", "hooks", "state"), cells)


def _print_plugin(kind: str, plugin: Plugin, as_json: bool) -> None:
    from xherald.plugins.plugin_help import describe_options, get_help

    options = describe_options(plugin.options_model)
    if as_json:
        facts = {"name": plugin.name, "kind": kind, "help": get_help(plugin)}
        click.echo(json.dumps({**facts, "options": [asdict(one) for one in options]}))
        return
    click.echo(f"{plugin.name} ({kind})\n\n{get_help(plugin)}\n")
    if not options:
        click.echo("No options.\n")
        return
    cells = [
        (one.name, one.kind, "required" if one.required else json.dumps(one.default), one.description)
        for one in options
    ]
    _print_table(("option", "type", "default", "description"), cells)
    click.echo()


def _print_report(report: Report) -> None:
    _print_table(
        ("rule", "result", "description and reason"),
        [(one.rule, one.state, f"{one.description} {one.reason}".strip()) for one in report.outcomes],
    )
    states = [one.state for one in report.outcomes]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    result = "conforms to the contract" if report.conforms else f"breaks {', '.join(report.broken_rules)}"
    click.echo(f"{report.plugin} ({report.kind}) {result}: {counts}\n")


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """Print an aligned table on a terminal, tab-separated rows without header otherwise."""
    import sys

    if not sys.stdout.isatty():
        for row in rows:
            click.echo("\t".join(" ".join(cell.split()) for cell in row))
        return
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in header:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell) for cell in row))
    Console(highlight=False).print(table)
