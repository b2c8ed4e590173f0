"""`xherald new`: write a package with a new plugin."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import click

from .group import configuration, run_options

__all__ = ["command"]

# Same as `xherald.detector.plugin_support.new_package.KINDS`, which `--help` must not import.
KINDS = ("adapter", "representation", "extractor", "embedder", "scorer", "veto", "sink", "drop-source", "context")


@click.command("new")
@click.argument("kind", type=click.Choice(KINDS), metavar="KIND")
@click.argument("name", metavar="NAME")
@click.option(
    "--out",
    "folder",
    type=click.Path(path_type=Path),
    metavar="DIR",
    help="New or empty folder; default: ./xherald-NAME.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@run_options
def command(kind: str, name: str, folder: Path | None, as_json: bool) -> None:
    """Write a package with a new plugin.

    KIND is adapter, representation, extractor, embedder, scorer, veto, sink or drop-source. The package has an entry
    point, a typed module with a working example named NAME, tests of the contract, and a README.

    \b
    Examples:
      xherald new adapter nicer --out xherald-nicer
      xherald new veto soft-flares --json
    """  # noqa: D301
    from xherald.detector.plugin_support.new_package import write_package

    made = write_package(kind, name, folder, configuration().host)
    if as_json:
        facts = {
            "kind": made.kind,
            "name": made.name,
            "distribution": made.distribution,
            "module": made.module,
            "folder": str(made.folder),
            "files": [str(path) for path in made.files],
        }
        click.echo(json.dumps(facts))
    elif sys.stdout.isatty():
        where = shlex.quote(str(made.folder))
        click.echo(f"Wrote {len(made.files)} files in {made.folder}. Next:")
        click.echo(f"  pip install -e {where}'[test]'")
        click.echo(f"  pytest {where}")
        click.echo(f"  xherald plugins             # lists {made.name}")
        click.echo(f"  $EDITOR {shlex.quote(str(made.folder / 'src' / made.module / '__init__.py'))}")
