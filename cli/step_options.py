"""Options and helpers that the commands for single steps of the published method share."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.references.method_steps import NamedSources
    from xherald.plugins.cases import CaseSettings

__all__ = [
    "bona_fide_option",
    "case_option",
    "find_case",
    "find_plugin_settings",
    "json_option",
    "out_option",
    "parse_number",
    "plugin_options",
    "print_facts",
    "read_sources",
    "rename_option",
    "sources_argument",
]

Function = TypeVar("Function", bound=Callable[..., Any])

SHARED_OPTIONS = {"n_iter": ("max_iter", "iterations"), "init": ("init", "initialisation")}
"""Names that an option of the command line has in the embedders."""


def _parse_options(_context: click.Context, _parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    import yaml

    options = {}
    for value in values:
        name, separator, text = value.partition("=")
        if not separator:
            raise click.BadParameter(f"{value!r} is not NAME=VALUE")
        try:
            options[name.strip()] = yaml.safe_load(text)
        except yaml.YAMLError as fault:
            raise click.BadParameter(f"{value!r}: the value cannot be read as YAML") from fault
    return options


case_option = click.option(
    "--case",
    "case_name",
    default="2D-PCA",
    show_default=True,
    metavar="CASE",
    help="Case that gives the defaults.",
)
plugin_options = click.option(
    "--option",
    "options",
    multiple=True,
    callback=_parse_options,
    metavar="NAME=VALUE",
    help="Option of the plugin; repeatable (see `xherald plugins`).",
)
bona_fide_option = click.option(
    "--bona-fide",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="List of bona-fide transients (JSON).",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
sources_argument = click.argument(
    "paths", nargs=-1, required=True, metavar="PATH…", type=click.Path(path_type=Path, exists=True)
)


def out_option(suffixes: str) -> Callable[[Function], Function]:
    """The option ``--out FILE``."""
    return click.option(
        "--out",
        required=True,
        type=click.Path(path_type=Path, dir_okay=False),
        metavar="FILE",
        help=f"File to write: {suffixes}.",
    )


def read_sources(paths: tuple[Path, ...], settings: Configuration, stage: Callable[[str], None]) -> NamedSources:
    """Read or extract the sources of files, sorted by name."""
    from xherald.detector.references.method_steps import NamedSources
    from xherald.detector.references.reference_population import read_photon_lists, sort_by_name

    return NamedSources(*sort_by_name(read_photon_lists(paths, settings, stage=stage).batch))


def find_case(name: str, settings: Configuration) -> CaseSettings:
    """Settings of a case, whatever the case of its letters."""
    from xherald.photons.errors import ConfigError

    cases = settings.settings.cases.root
    by_name = {one.lower(): case for one, case in cases.items()}
    if name.lower() not in by_name:
        raise ConfigError(f"no case {name!r} in the configuration; available: {', '.join(cases)}")
    return by_name[name.lower()]


def find_plugin_settings(
    kind: str, case_name: str, name: str | None, options: Mapping[str, Any], settings: Configuration
) -> tuple[str, dict[str, Any]]:
    """Name and options of a plugin: those of the case, or the named plugin's defaults; overridden by the given ones."""
    from xherald.photons.errors import ConfigError

    choice = getattr(find_case(case_name, settings), kind)
    if choice is None and name is None:
        raise ConfigError(f"case {case_name} has no {kind}; name one with --{kind}")
    if choice is not None and name in (None, choice.name):
        return choice.name, {**choice.options, **options}
    return str(name), dict(options)


def rename_option(name: str, fields: Mapping[str, Any]) -> str:
    """Name of an option in a plugin with these fields."""
    return next((one for one in SHARED_OPTIONS.get(name, ()) if one in fields), name)


def parse_number(text: str, option: str) -> float:
    """Parse a number given to an option."""
    try:
        return float(text)
    except ValueError as fault:
        raise click.UsageError(f'{option}: {text!r} is neither a number nor "auto"') from fault


def print_facts(facts: Mapping[str, Any], as_json: bool, line: str) -> None:
    """Print facts as JSON, or a line about them."""
    click.echo(json.dumps(facts) if as_json else line)
