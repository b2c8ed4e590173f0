"""Help of all commands: summaries that fit, exit codes, `--json`."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click
import pytest

from xherald.cli import main
from xherald.cli.group import COMMANDS

MAX_SUMMARY = 45
"""Characters of the longest summary that click does not cut in a list of commands."""

WITHOUT_JSON = {"calibration activate", "reference activate", "ingest", "watch", "simulate show"}
"""Commands that print no data: they act, log or draw."""


def walk(group: click.Group, context: click.Context, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    """All commands below a group with their full names."""
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield " ".join((*path, name)), command
        if isinstance(command, click.Group):
            below = click.Context(command, parent=context, info_name=name)
            yield from walk(command, below, (*path, name))


ALL = dict(walk(main, click.Context(main, info_name="xherald")))
LEAVES = {name: command for name, command in ALL.items() if not isinstance(command, click.Group)}


@pytest.mark.parametrize("name", sorted(ALL))
def test_summary_is_short_and_not_cut(name: str) -> None:
    full = ALL[name].get_short_help_str(limit=10_000)
    assert full
    assert len(full) <= MAX_SUMMARY, full
    assert ALL[name].get_short_help_str(limit=MAX_SUMMARY) == full


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_exit_codes_are_documented(name: str) -> None:
    text = LEAVES[name].help or ""
    assert "Exit codes:" in text
    assert [code for code in "012" if not re.search(rf"^ +{code}  \S", text, re.MULTILINE)] == []


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_commands_that_print_data_have_json(name: str) -> None:
    has_json = any("--json" in parameter.opts for parameter in LEAVES[name].params)
    assert has_json is (name not in WITHOUT_JSON)


def test_every_file_with_a_command_is_listed() -> None:
    assert {name.split()[0] for name in ALL} == set(COMMANDS)
