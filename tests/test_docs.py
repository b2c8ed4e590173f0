"""Documents say what the code does: commands, settings, columns, exit codes, targets and hooks are all named there."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from conftest import ROOT

from xherald.detector.cli import main
from xherald.detector.config import load_configuration
from xherald.detector.rows import COLUMNS
from xherald.plugins import hookspecs

README = (ROOT / "README.md").read_text()
OUTPUT = (ROOT / "docs" / "output.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()


def test_every_command_is_in_the_readme() -> None:
    context = click.Context(main)
    assert all(f"xherald {name}" in README for name in main.list_commands(context))


SIMULATION = (ROOT / "docs" / "simulation.md").read_text()


@pytest.mark.parametrize(
    "document", ["README.md", "docs/simulation.md", "docs/reference.md", "docs/encoders.md", "docs/daemon.md"]
)
def test_commands_in_documents_are_commands(document: str) -> None:
    text = (ROOT / document).read_text()
    context = click.Context(main)
    blocks = "".join(re.findall(r"^```\n(.*?)^```", text, re.MULTILINE | re.DOTALL))
    lines = re.findall(r"^(?:[A-Z_]+=\S+ )?(xherald .*)$", blocks, re.MULTILINE)
    assert lines
    for line in lines:
        words = shlex.split(line.split(" | ")[0], comments=True)[1:]
        if words[0].startswith("-"):
            continue
        command = main.get_command(context, words[0])
        assert command is not None, line
        if isinstance(command, click.Group):
            command = command.get_command(context, words[1])
            assert command is not None, line
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_every_column_is_described() -> None:
    for column in COLUMNS:
        assert f"`{column.name}`" in OUTPUT or re.search(rf"`{column.name.rpartition('_')[0]}_…`", OUTPUT), column.name


@pytest.mark.parametrize("code", ["| 0 |", "| 1 |", "| 2 |"])
def test_exit_codes_are_documented(code: str) -> None:
    assert code in README


def test_every_setting_has_a_comment() -> None:
    lines = (ROOT / "config.yaml").read_text().splitlines()
    for (section, key), _, _ in load_configuration(None, {}).listed():
        below = lines[lines.index(f"{section}:") :]
        line = next(line for line in below if line.startswith(f"  {key}:"))
        assert "#" in line, line


def test_every_hook_is_documented() -> None:
    hooks = [name for name in vars(hookspecs) if name.startswith("register_")]
    assert hooks
    assert all(f"`{name}`" in CONTRIBUTING for name in hooks)


def test_the_test_command_of_the_readme_is_what_is_run() -> None:
    assert "make test" in README
    assert (ROOT / ".ci" / "run").read_text().rstrip().endswith("make test")


def test_every_target_named_exists() -> None:
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert set(re.findall(r"`make ([a-z]+)`", README + CONTRIBUTING)) <= targets


def test_decisions_are_five_lines() -> None:
    records = sorted((ROOT / "docs" / "decisions").glob("*.md"))
    assert records
    for record in records:
        lines = [line for line in record.read_text().splitlines() if line.strip()]
        assert [line.split(":")[0] for line in lines[1:]] == ["**Date**", "**Question**", "**Decision**", "**Why**"], (
            record
        )


def test_every_flag_is_described(root: Path) -> None:
    code = "\n".join(
        path.read_text() for room in ("photons", "adapters", "plugins") for path in (root / room).rglob("*.py")
    )
    described = set(re.findall(r"^\| `([a-z_]+)` \| ", OUTPUT.split("## Flags")[1].split("## Plots")[0], re.MULTILINE))
    assert len(described) > 5
    assert {flag for flag in described if f'"{flag}"' not in code} == set()
    # Whatever an extraction or a table raises stands in quotes beside the word flags, or as a key of `raised`.
    raised = set(re.findall(r'"([a-z]+(?:_[a-z]+)+)": (?:shares|missing|poor|np\.isin)', code))
    raised |= set(re.findall(r'flags[^\n]*\("([a-z_]+)",\)', code))
    assert raised
    assert raised <= described


def test_everything_that_can_be_simulated_is_in_the_gallery() -> None:
    from xherald.simulation.artefacts import ARTEFACTS
    from xherald.simulation.classes import CLASSES
    from xherald.simulation.field import COMPOSED_ARTEFACTS
    from xherald.simulation.observing import PATTERNS
    from xherald.simulation.telescopes import TELESCOPES

    for name in (*CLASSES, *ARTEFACTS, *COMPOSED_ARTEFACTS, *PATTERNS, *TELESCOPES):
        assert f"`{name}`" in SIMULATION, name
    for name in CLASSES:
        assert (ROOT / "docs" / "gallery" / f"{name}.png").is_file()
        assert f"gallery/{name}.png" in SIMULATION
