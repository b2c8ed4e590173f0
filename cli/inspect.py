"""`xherald inspect`: what event files say of themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click

from .file_arguments import each_file, files_argument
from .group import FILE_FAILED, configuration, run_options

__all__ = ["command"]


@click.command("inspect")
@files_argument
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file, a line each.")
@run_options
def command(files: tuple[Path, ...], as_json: bool) -> None:
    """Show the contents of event files.

    Mission, instrument, dates, events kept and lost in screening, good times and livetime a detector, sky projection,
    companion files.

    \b
    Examples:
      xherald inspect acisf29128N001_evt2.fits.gz
      xherald inspect --json *.evt.gz | jq .events
    """  # noqa: D301
    from xherald.detector.extraction.inspection import describe

    settings = configuration()

    def show(path: Path) -> None:
        facts = describe(path, settings)
        if as_json:
            click.echo(json.dumps(facts, allow_nan=False))
        else:
            _print(facts)

    if each_file(files, show):
        raise click.exceptions.Exit(FILE_FAILED)


def _print(facts: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_column(overflow="fold")
    for name, value in facts.items():
        if name != "file" and value not in (None, "", [], {}):
            table.add_row(name.replace("_", " "), Text("\n".join(_lines(value))))
    console = Console(highlight=False)
    console.print(Text(facts["file"], style="bold underline"))
    console.print(table)
    console.print()


def _lines(value: Any) -> list[str]:
    if isinstance(value, dict):
        return [", ".join(f"{key} {_lines(one)[0]}" for key, one in value.items())]
    if isinstance(value, list) and value and isinstance(value[0], dict | str):
        return [line for one in _alike(value) for line in _lines(one)]
    if isinstance(value, list):
        return [" – ".join(_lines(one)[0] for one in value)]
    if isinstance(value, float):
        return [f"{value:.10g}"]
    return [str(value)]


def _alike(values: list[Any]) -> list[Any]:
    """Entries that differ in nothing but their names put together: an instrument may have dozens of detectors."""
    groups: dict[str, list[Any]] = {}
    for one in values:
        rest = {key: told for key, told in one.items() if key != "name"} if isinstance(one, dict) else one
        groups.setdefault(json.dumps(rest), []).append(one)
    out: list[Any] = []
    for group in groups.values():
        one = group[0]
        if isinstance(one, dict) and len(group) > 1:
            one = {**one, "name": f"{one['name']} to {group[-1]['name']} ({len(group)})"}
        out.append(one)
    return out
