"""`xherald plugins`: what is installed and in use, what a plugin's options are, and whether it keeps its contract."""

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

# As in `xherald.plugins.host.KINDS`, which help does without.
KINDS = (
    "adapters",
    "representations",
    "extractors",
    "embedders",
    "scorers",
    "vetoes",
    "alert_sinks",
    "drop_sources",
)
VIOLATES = 1
"""Exit code: a plugin breaks a rule of its contract."""


@click.command("plugins")
@click.argument("name", required=False)
@click.argument("files", nargs=-1, metavar="[FILE…]", type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Hold the plugin to every rule of its contract; an adapter, on good FILEs.")
@click.option("--kind", type=click.Choice(KINDS), help="Which is meant, where plugins of several kinds bear the name.")
@click.option(
    "--option",
    "given",
    multiple=True,
    metavar="KEY=VALUE",
    help="Of --check: an option of the plugin, its value as in YAML. Sinks and sources need some: sinks send alerts of "
    "the tense test there.",
)
@click.option("--floors", is_flag=True, help="Of --check: fail where a floor of speed or memory is missed, too.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
@run_options
def command(
    name: str | None,
    files: tuple[Path, ...],
    check: bool,
    kind: str | None,
    given: tuple[str, ...],
    floors: bool,
    as_json: bool,
) -> None:
    """List, describe and check plugins.

    NAME is a plugin's, or that of an entry point, which stands for all of its plugins.

    \b
    Examples:
      xherald plugins
      xherald plugins fast_tsne
      xherald plugins --check chandra acisf29128N001_evt2.fits.gz
      xherald plugins --check jsonl --option path=/tmp/test.jsonl
      XHERALD_PLUGINS__DISABLED='[table]' xherald plugins

    \b
    Exit codes:
      0  listed; or (--check) every rule is kept
      1  (--check) a rule is broken
      2  wrong options or configuration, or no such plugin
    """  # noqa: D301
    from xherald.detector.plugin_support.plugin_list import plugin_rows, plugins_named

    settings = configuration()
    if name is None:
        if check:
            raise click.UsageError("--check needs the name of a plugin")
        rows = plugin_rows(settings.host, _broken_in_daemon(settings))
        _print_rows(rows, as_json)
        return
    found = plugins_named(settings.host, name, kind)
    if not check:
        if files or given or floors:
            raise click.UsageError("FILE, --option and --floors belong to --check")
        for one_kind, plugin in found:
            _print_plugin(one_kind, plugin, as_json)
        return
    _check(found, settings, files, _options(given), floors, as_json)


def _check(
    found: tuple[tuple[str, Plugin], ...],
    settings: Configuration,
    files: tuple[Path, ...],
    options: dict[str, Any],
    floors: bool,
    as_json: bool,
) -> None:
    from xherald.detector.plugin_support.plugin_checks import check_plugin

    broken = False
    for kind, plugin in found:
        report = check_plugin(kind, plugin, settings, files=files, options=options, floors=floors)
        broken |= not report.conforms
        if as_json:
            click.echo(json.dumps(report.as_json()))
        else:
            _print_report(report)
    if broken:
        raise click.exceptions.Exit(VIOLATES)


def _options(given: tuple[str, ...]) -> dict[str, Any]:
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


def _broken_in_daemon(settings: Configuration) -> dict[tuple[str, str], int]:
    """How often plugins broke in a daemon on this machine, as that tells."""
    from .status import asked

    told = asked(settings.settings.daemon.metrics_port) or {}
    return {(one["kind"], one["name"]): int(one["times"]) for one in told.get("plugins", [])}


def _state(row: PluginRow) -> str:
    told = row.state if row.state != "in use" or not row.broke else f"broke {row.broke} times in use"
    return "; ".join(part for part in (f"{told}: {row.reason}" if row.reason else told, row.note) if part)


def _print_rows(rows: tuple[PluginRow, ...], as_json: bool) -> None:
    from xherald.plugins import CONTRACT_VERSION

    if as_json:
        told = {"contract": CONTRACT_VERSION, "plugins": [asdict(one) for one in rows]}
        click.echo(json.dumps(told))
        return
    cells = [
        (
            one.name,
            one.kind,
            f"{one.package} {one.version}".strip(),
            one.contract or "–",
            ", ".join(one.hooks) or "–",
            _state(one),
        )
        for one in rows
    ]
    _print_table(("name", "kind", "package", "contract", "hooks", "state"), cells)


def _print_plugin(kind: str, plugin: Plugin, as_json: bool) -> None:
    from xherald.plugins.plugin_help import help_of, options_of

    options = options_of(plugin.options_model)
    if as_json:
        facts = {"name": plugin.name, "kind": kind, "help": help_of(plugin)}
        click.echo(json.dumps({**facts, "options": [asdict(one) for one in options]}))
        return
    click.echo(f"{plugin.name} ({kind})\n\n{help_of(plugin)}\n")
    if not options:
        click.echo("It has no options.\n")
        return
    cells = [
        (one.name, one.kind, "required" if one.required else json.dumps(one.default), one.description)
        for one in options
    ]
    _print_table(("option", "type", "default", "what it is"), cells)
    click.echo()


def _print_report(report: Report) -> None:
    _print_table(
        ("rule", "", "what it says, and what was found"),
        [(one.rule, one.state, f"{one.says} {one.reason}".strip()) for one in report.outcomes],
    )
    states = [one.state for one in report.outcomes]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    verdict = "keeps its contract" if report.conforms else f"breaks {', '.join(report.broken)}"
    click.echo(f"{report.plugin} ({report.kind}) {verdict}: {counts}\n")


def _print_table(header: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> None:
    """For people on a terminal; tab-separated without a header, one line a row, when piped."""
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
