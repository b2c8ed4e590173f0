"""The contract changes only with its version, and plugins written for another version are refused with a reason."""

from __future__ import annotations

import ast
import re
from importlib import import_module
from pathlib import Path

import pytest
from contract_names import MODULES, public_names, recorded
from paths import ROOT

from xherald.detector.plugin_support.conformance import RULES
from xherald.photons.errors import ConfigError, PluginError
from xherald.plugins import CONTRACT_VERSION, Options, PluginHost, hookspecs
from xherald.plugins.contract_version import check_contract_version
from xherald.plugins.plugin_help import describe_options

DOCUMENT = (ROOT / "docs" / "contract.md").read_text()
FIRST, SECOND = (int(part) for part in CONTRACT_VERSION.split("."))


def test_removed_names_need_a_new_major_version() -> None:
    names = public_names()
    for version, before in recorded().items():
        if int(version.split(".")[0]) == FIRST:
            gone = sorted(before - names)
            assert not gone, f"of contract {version}; raise the first number of CONTRACT_VERSION, or keep them"


def test_new_names_need_a_new_minor_version() -> None:
    assert CONTRACT_VERSION in recorded(), "run python tests/helpers/contract_names.py and commit its output"
    fresh = sorted(public_names() - recorded()[CONTRACT_VERSION])
    assert not fresh, "raise the second number of CONTRACT_VERSION, then run python tests/helpers/contract_names.py"


def test_a_removed_name_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    plugins = import_module("xherald.plugins")
    monkeypatch.setattr(plugins, "__all__", [name for name in plugins.__all__ if name != "Veto"])
    assert "xherald.plugins.Veto.flags(detection_batch)" in recorded()[CONTRACT_VERSION] - public_names()


def test_every_name_is_documented() -> None:
    assert f"**{CONTRACT_VERSION}**" in DOCUMENT
    for module in MODULES:
        section = DOCUMENT.partition(f"\n### `{module}`\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        listed = set(re.findall(r"`(\w+)`", section))
        assert set(import_module(module).__all__) == listed, module
    for hook in (name for name in vars(hookspecs) if name.startswith("register_")):
        assert f"`{hook}`" in DOCUMENT


def test_every_rule_is_documented() -> None:
    for kind, rules in RULES.items():
        section = DOCUMENT.partition(f"\n### {kind}\n")[2].partition("\n### ")[0].partition("\n## ")[0]
        listed = dict(re.findall(r"^\| `([a-z-]+)` \| (.*?) \|$", section, re.MULTILINE))
        assert listed == {rule.id: rule.description for rule in rules}, kind


# --- what a plugin states ---


@pytest.mark.parametrize(
    ("stated", "offered", "said"),
    [
        ("1.0", "1.0", ""),
        ("1.0", "1.7", ""),
        ("1.8", "1.7", "written for contract 1.8, but xherald has 1.7"),
        (None, "1.0", 'add XHERALD_CONTRACT = "1.0"'),
    ],
)
def test_versions_with_the_same_major_number_are_accepted(stated: object, offered: str, said: str) -> None:
    remark = check_contract_version(stated, offered)
    assert said in remark
    assert bool(said) is bool(remark)


@pytest.mark.parametrize(
    ("stated", "offered", "said"),
    [
        ("1.9", "2.0", "ask its authors for a new release"),
        ("2.0", "1.9", "install a newer xherald"),
        ("one", "1.0", "is not a version"),
        (1.0, "1.0", "is not a version"),
    ],
)
def test_other_major_versions_are_refused(stated: object, offered: str, said: str) -> None:
    with pytest.raises(PluginError, match=said):
        check_contract_version(stated, offered)


PLUGIN = """
from xherald.plugins import Options, Representation, hookimpl
{first}
class Mine(Representation):
    "Mine."
    name = "{name}"
    def shape(self, options):
        return (1,)
    def transform(self, batch, options):
        raise KeyError("broken")

@hookimpl
def register_representations(register):
    register(Mine())
"""


def written(folder: Path, name: str, first: str = "") -> Path:
    path = folder / f"{name}.py"
    path.write_text(PLUGIN.format(first=first, name=name))
    return path


def test_modules_state_their_contract(tmp_path: Path) -> None:
    files = [
        written(tmp_path, "stated", f'XHERALD_CONTRACT = "{CONTRACT_VERSION}"'),
        written(tmp_path, "silent"),
        written(tmp_path, "other", f'XHERALD_CONTRACT = "{FIRST + 1}.0"'),
    ]
    host = PluginHost(files=files, sources=())
    assert list(host.representations) == ["stated", "silent"]
    assert [(one.contract, bool(one.note)) for one in host.records] == [(CONTRACT_VERSION, False), ("", True)]
    (failure,) = host.failures
    assert (failure.name, failure.kind) == ("other", "")
    assert f"written for contract {FIRST + 1}.0, but xherald has {CONTRACT_VERSION}" in failure.reason


def test_built_in_modules_need_not_state_a_contract() -> None:
    assert {(one.contract, one.note) for one in PluginHost().records if one.package == "xherald"} == {
        (CONTRACT_VERSION, "")
    }


@pytest.mark.parametrize(
    "first", ["raise SystemExit(3)", "from xherald.photons.errors import PluginError\nraise PluginError('no')"]
)
def test_errors_at_import_do_not_affect_other_plugins(tmp_path: Path, first: str) -> None:
    host = PluginHost(files=[written(tmp_path, "bad", first), written(tmp_path, "good")], sources=())
    assert list(host.representations) == ["good"]
    assert [one.name for one in host.failures] == ["bad"]


def test_two_plugins_with_the_same_name_in_a_module_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path, "twice")
    path.write_text(path.read_text() + "    register(Mine())\n")
    host = PluginHost(files=[path], sources=())
    assert host.representations == {}
    assert "two plugins with the same name" in host.failures[0].reason


# --- order ---


def test_plugins_are_sorted_by_the_configured_order(tmp_path: Path) -> None:
    files = [written(tmp_path, name) for name in ("one", "two", "three")]
    assert list(PluginHost(files=files, sources=()).representations) == ["one", "two", "three"]
    assert list(PluginHost(files=files, sources=(), order=("three", "one")).representations) == ["three", "one", "two"]
    vetoes = list(PluginHost().vetoes)
    assert list(PluginHost(order=("truncated", "vetoes")).vetoes) == [
        "truncated",
        *(v for v in vetoes if v != "truncated"),
    ]
    with pytest.raises(ConfigError, match=r"plugins\.order: no plugin or entry point is named 'four'"):
        PluginHost(files=files, sources=(), order=("four",))


# --- what is told of options ---


class Above(Options):
    """What others share.

    Parameters
    ----------
    shared, other : int — of all
    """

    shared: int = 1
    other: int = 2


class Own(Above):
    """Own.

    Parameters
    ----------
    path : str
        Where it is,
        in two lines.
    shared
        See `Above`.
    """

    path: str
    seconds: tuple[float, float] = (0.5, 7.0)


def test_options_have_types_defaults_and_descriptions() -> None:
    described = {one.name: one for one in describe_options(Own)}
    assert list(described) == ["shared", "other", "path", "seconds"]
    assert (described["path"].required, described["path"].default, described["path"].description) == (
        True, None, "Where it is, in two lines.",
    )  # fmt: skip
    assert (described["shared"].default, described["shared"].description) == (1, "of all")
    assert (described["seconds"].default, described["seconds"].description, described["seconds"].kind) == (
        [0.5, 7.0], "", "tuple[float, float]",
    )  # fmt: skip


# --- what is imported ---

AUTHORS_FILES = (
    *(ROOT / "detector" / "plugin_support" / "templates").rglob("*.py.template"),
    *(ROOT / "examples").glob("xherald-*/**/*.py"),
)
IMPORT = re.compile(r"^\s*from (xherald(?:\.\w+)*) import (?:\(([^)]*)\)|([^(\n]*))$", re.MULTILINE)


@pytest.mark.parametrize("path", AUTHORS_FILES, ids=lambda path: str(path.relative_to(ROOT)))
def test_templates_and_examples_import_only_listed_names(path: Path) -> None:
    for found in IMPORT.finditer(path.read_text()):
        names = [name.strip() for name in (found[2] or found[3]).split("#")[0].split(",")]
        assert found[1] in MODULES, found[0]
        assert {name for name in names if name} <= set(import_module(found[1]).__all__), found[0]


KINDS = ("drop_sources", "embedders", "extractors", "representations", "scorers", "sinks", "vetoes")
BUILT_IN = (
    *(ROOT / "adapters").glob("*.py"),
    *(path for kind in KINDS for path in (ROOT / "plugins" / kind).glob("*.py")),
)


@pytest.mark.parametrize("path", BUILT_IN, ids=lambda path: str(path.relative_to(ROOT)))
def test_built_in_plugins_import_only_listed_names(path: Path) -> None:
    listed = {name for module in MODULES for name in import_module(module).__all__}
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("xherald."):
            if node.module.startswith("xherald.encoders."):
                continue  # the networks of the one built-in extractor that needs them
            assert {name.name for name in node.names} <= listed, f"{node.module}: names that the contract does not list"
