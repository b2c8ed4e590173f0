"""Documents say what the code does, and everything in them works.

Commands, settings, columns, exit codes, targets and hooks are all named; links lead somewhere; Python blocks run, YAML
blocks are configurations, commands parse; the site builds without a warning.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

import click
import pytest
import yaml
from paths import ROOT

from xherald.cli import main
from xherald.daemon.alerts.sinks import open_sinks
from xherald.daemon.metrics import Metrics
from xherald.detector.configuration.configuration import Configuration, load_configuration
from xherald.detector.results.schema import COLUMNS
from xherald.plugins import hookspecs
from xherald.plugins.host import KINDS

README = (ROOT / "README.md").read_text()
OUTPUT = (ROOT / "docs" / "output.md").read_text()
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text()
SIMULATION = (ROOT / "docs" / "simulation.md").read_text()

MADE = {"hooks.md"}
"""Pages that only the site has."""

DOCUMENTS = sorted(
    str(path.relative_to(ROOT))
    for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md"))
)


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, its language, its text, and the comment in the line before it, if any."""

    where: str
    language: str
    text: str
    marked: str


def blocks_of(document: str) -> list[Block]:
    found = re.finditer(
        r"^(?:<!-- (.*?) -->\n)?```(\w*).*\n((?:.*\n)*?)```$", (ROOT / document).read_text(), re.MULTILINE
    )
    return [
        Block(f"{document}, block {number}", one[2], one[3], one[1] or "") for number, one in enumerate(found, start=1)
    ]


BLOCKS = [block for document in DOCUMENTS for block in blocks_of(document)]


def blocks(*languages: str) -> list[object]:
    return [pytest.param(block, id=block.where) for block in BLOCKS if block.language in languages]


def without_blocks(document: str) -> str:
    return re.sub(r"^```.*?^```$", "", (ROOT / document).read_text(), flags=re.MULTILINE | re.DOTALL)


# Links.


def anchors(document: str) -> set[str]:
    """As GitHub makes them of headings, and those that are written out."""
    text = without_blocks(document)
    titles = re.findall(r"^#+ (.*?)(?: \{#([\w-]+)\})?$", text, re.MULTILINE)
    return {given or re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title, given in titles}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_blocks(document)):
        if re.match(r"https?://", target):
            continue
        path, _, anchor = target.partition("#")
        there = (ROOT / document).parent / path if path else ROOT / document
        assert there.exists() or path in MADE, f"{document}: {target}"
        if anchor and path not in MADE:
            assert anchor in anchors(str(there.resolve().relative_to(ROOT))), f"{document}: {target}"


# Code.


@pytest.mark.parametrize("block", blocks("python"))
def test_python_runs(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless it is marked ``<!-- compiled only -->``, because it takes long or lacks what the text speaks of."""
    code = compile(block.text, block.where, "exec")
    monkeypatch.chdir(tmp_path)
    if block.marked != "compiled only":
        exec(code, {"__name__": "documented"})


# Configurations.


@pytest.mark.parametrize("block", blocks("yaml"))
def test_yaml_is_a_configuration(block: Block, tmp_path: Path) -> None:
    """A whole one; some sinks or drop sources by name; or rules for Prometheus, about metrics that there are."""
    given = yaml.safe_load(block.text)
    if set(given) <= {"groups", "scrape_configs"}:
        assert set(re.findall(r"xherald_\w+", block.text)) <= metrics()
        return
    if not set(given) <= set(load_configuration(None, {}).settings.model_dump()):
        kinds = {one["kind"] for one in given.values()}
        host = load_configuration(None, {}).host
        given = {"alerts": {"sinks": given}} if kinds <= set(host.alert_sinks) else {"daemon": {"sources": given}}
    file = tmp_path / "given.yaml"
    file.write_text(yaml.safe_dump(given))
    use_all(load_configuration(file, {}))


def use_all(configuration: Configuration) -> None:
    """Check the options that a plugin knows and the settings do not."""
    settings, host = configuration.settings, configuration.host
    open_sinks(settings.alerts, host)
    for name, source in settings.daemon.sources.items():
        host.validate_options(host.drop_sources[source.kind], source.options, name)
        for adapter, options in source.adapters.items():
            host.validate_options(host.adapters[adapter], options, adapter)
    for kind, given in (("scorers", settings.detection.scorers), ("vetoes", settings.detection.vetoes)):
        for name, options in given.items():
            host.validate_options(getattr(host, kind)[name], options, name)


def metrics() -> set[str]:
    """Names of what the daemon tells Prometheus."""
    families = Metrics().registry.collect()
    ends = {"counter": ["_total"], "histogram": ["_bucket", "_count", "_sum"]}
    return {family.name + end for family in families for end in ends.get(family.type, [""])}


def test_every_metric_is_documented() -> None:
    daemon = (ROOT / "docs" / "daemon.md").read_text()
    told = {name.removesuffix("_bucket") for name in metrics() if not name.endswith(("_count", "_sum"))}
    assert told - set(re.findall(r"xherald_\w+", daemon)) == set()


# Commands.

COMMAND = re.compile(
    r"^(?:\$ )?(?:(?:[\d*]+ +){5}\w+ +)?(?:ExecStart=)?(?:[A-Z_]+=(?:'[^']*'|\S+) )*(?:\S*/)?xherald (?!.*: )(.*)$",
    re.MULTILINE,
)
"""A line that calls xherald, after a prompt, a schedule of cron, or variables of the environment."""


def command_lines() -> list[object]:
    return [
        pytest.param(line, id=f"{block.where}: {line}")
        for block in BLOCKS
        if block.language in ("", "console", "sh", "ini") and block.marked not in ("output", "fill")
        for line in COMMAND.findall(block.text.replace("\\\n", " "))
    ]


def parsed(words: list[str]) -> tuple[click.Command, dict[str, object]]:
    """The command that words call, and what they give it; click refuses options that it does not have."""
    command: click.Command = main
    context = click.Context(main, info_name="xherald")
    while True:
        given, words, _ = command.make_parser(context).parse_args(list(words))
        if not isinstance(command, click.Group) or not words:
            return command, given
        name, words = words[0], words[1:]
        below = command.get_command(context, name)
        assert below is not None, f"{command.name} has no command {name}"
        command, context = below, click.Context(below, info_name=name, parent=context)


def test_there_are_commands_in_the_documents() -> None:
    assert len(command_lines()) > 50


@pytest.mark.parametrize("line", command_lines())
def test_commands_in_documents_parse(line: str) -> None:
    words = shlex.split(re.split(r" (?:\||>|&&|;) ?", line)[0], comments=True)
    command, given = parsed(words)
    if "help" in given or "version" in given:
        return
    for parameter in command.params:
        value = given.get(parameter.name or "")
        present = bool(value) if isinstance(value, str | tuple | list) else False
        assert present or not parameter.required, f"xherald {line}: {parameter.name} is missing"
        if present and isinstance(parameter.type, click.Choice | click.types.IntParamType | click.types.FloatParamType):
            for one in value if isinstance(value, tuple | list) else [value]:
                parameter.type.convert(one, parameter, None)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_commands_in_text_have_the_options_that_are_named(document: str) -> None:
    for line in re.findall(r"`xherald ([^`]*)`", without_blocks(document)):
        words = [word for word in shlex.split(line.replace("…", "")) if word]
        if words and words[0].startswith("--"):
            parsed([words[0]])
            continue
        # An option without its value is named, not given.
        parsed([*words, "VALUE"] if words and words[-1].startswith("--") and not flag(words) else words)


def flag(words: list[str]) -> bool:
    command, _ = parsed([word for word in words if not word.startswith("-")])
    return any(words[-1] in one.opts and getattr(one, "is_flag", False) for one in command.params)


# The site.


@pytest.fixture(scope="session")
def hook_reference() -> ModuleType:
    sys.path.insert(0, str(ROOT / "docs" / "site"))
    import hook_reference

    return hook_reference


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as it is built; a dead link or a page that no menu has is an error."""
    folder = tmp_path_factory.mktemp("site")
    # Not with --quiet: what mkdocs does not say it does not count.
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_site_has_every_document(site: Path) -> None:
    for document in DOCUMENTS:
        if document.startswith("docs/"):
            assert (site / document.removeprefix("docs/")).with_suffix(".html").is_file(), document


def test_nothing_on_the_site_comes_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        assert re.findall(r"<(?:script|img|link)[^>]+(?:src|href)=\"https?://[^\"]*", page.read_text()) == []


def test_every_hook_and_every_method_of_its_class_are_on_the_site(site: Path, hook_reference: ModuleType) -> None:
    page = (site / "hooks.html").read_text()
    hooks = hook_reference.hook_names()
    assert set(hooks) == {name for name in vars(hookspecs) if name.startswith("register_")}
    assert {hook_reference.base_of(hook) for hook in hooks} == set(KINDS.values())
    for hook in hooks:
        base = hook_reference.base_of(hook)
        assert f'id="{hook}"' in page
        assert base.__abstractmethods__
        for method in base.__abstractmethods__:
            assert f'id="{base.__name__.lower()}-{method}"' in page, method


def test_every_built_in_plugin_and_option_is_on_the_site(site: Path) -> None:
    page = (site / "hooks.html").read_text()
    host = load_configuration(None, {}).host
    for kind in KINDS:
        for name, plugin in getattr(host, kind).items():
            assert f"<code>{name}</code>" in page, name
            assert all(f"<code>{option}</code>" in page for option in plugin.options_model.model_fields), name


# What has to be named.


def test_every_command_is_in_the_readme() -> None:
    names = main.list_commands(click.Context(main))
    assert [name for name in names if f"xherald {name}" not in README] == []


def test_every_column_is_described() -> None:
    for column in COLUMNS:
        assert f"| `{column.name}` |" in OUTPUT, column.name


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
        path.read_text()
        for package in ("photons", "adapters", "plugins", "detector")
        for path in (root / package).rglob("*.py")
        if "testing" not in path.parts
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
    from xherald.simulation.artefact_models import ARTEFACTS
    from xherald.simulation.classes import CLASSES
    from xherald.simulation.field import COMPOSED_ARTEFACTS
    from xherald.simulation.observing import PATTERNS
    from xherald.simulation.telescopes import TELESCOPES

    for name in (*CLASSES, *ARTEFACTS, *COMPOSED_ARTEFACTS, *PATTERNS, *TELESCOPES):
        assert f"`{name}`" in SIMULATION, name
    for name in CLASSES:
        assert (ROOT / "docs" / "gallery" / f"{name}.png").is_file()
        assert f"gallery/{name}.png" in SIMULATION
