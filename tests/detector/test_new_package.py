"""`xherald new`: packages of every kind are formatted, typed, installable and work unedited."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from cli_result import CliResult
from paths import ROOT
from virtual_environments import Separate, mypy_on

from xherald.cli.new import KINDS as WORDS
from xherald.cli.plugins import KINDS as LISTED
from xherald.detector.plugin_support.new_package import KINDS
from xherald.plugins import host
from xherald.plugins.contract_version import CONTRACT_VERSION

LONGEST = "a" + "-2345678" * 4 + "-234567"
BIN = Path(sys.executable).parent


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A package of every kind, called my-KIND."""
    from click.testing import CliRunner

    from xherald.cli import main

    folder = tmp_path_factory.mktemp("packages")
    made = {}
    for kind in KINDS:
        made[kind] = folder / f"xherald-my-{kind}"
        done = CliRunner().invoke(main, ["new", kind, f"my-{kind}", "--out", str(made[kind])])
        assert (done.exit_code, done.output) == (0, "")
    return made


@pytest.fixture(scope="module")
def separate(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Separate:
    """An environment in which all of them are installed."""
    made = Separate.make(tmp_path_factory.mktemp("new") / "env")
    made.install(*packages.values())
    return made


def test_every_kind_of_plugin_has_a_template() -> None:
    assert tuple(KINDS) == WORDS
    assert {one.registered for one in KINDS.values()} == set(host.KINDS)
    assert tuple(host.KINDS) == LISTED


def test_json_describes_the_package(xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    folder = tmp_path / "there"
    reported = json.loads(xherald("new", "veto", "Soft.Flares", "--out", folder, "--json").stdout)
    files = reported.pop("files")
    assert reported == {
        "kind": "veto",
        "name": "soft_flares",
        "distribution": "xherald-soft-flares",
        "module": "xherald_soft_flares",
        "folder": str(folder),
    }
    assert sorted(files) == sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
    # Nothing of a template is left over.
    assert not [one for one in files if re.search(r"\$\{?\w|\.template", (folder / one).read_text() + one)]


def test_next_steps_are_shown_on_a_terminal(tmp_path: Path) -> None:
    ours, theirs = pty.openpty()
    command = [BIN / "xherald", "new", "sink", "pigeons", "--out", tmp_path / "my pigeons"]
    done = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, timeout=60)
    os.close(theirs)
    reported = os.read(ours, 10_000).decode()
    os.close(ours)
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"pip install -e '{tmp_path}/my pigeons'" in reported
    assert "lists pigeons" in reported


def test_the_prefix_of_packages_may_be_given(xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    reported = json.loads(xherald("new", "sink", "xherald_pigeons", "--out", tmp_path, "--json").stdout)
    assert (reported["name"], reported["distribution"]) == ("pigeons", "xherald-pigeons")


@pytest.mark.parametrize("name", ["1x", "-x", "x-", "a/b", "ä", "", " ", "a" * 41, "xherald-", "xherald-7"])
def test_invalid_names_are_refused(xherald: Callable[..., CliResult], tmp_path: Path, name: str) -> None:
    answer = xherald("new", "sink", "--out", tmp_path / "there", "--", name)
    assert answer.exit_code == 2
    assert "is not a valid name" in answer.stderr
    assert answer.stderr.count("\n") == 1
    assert not (tmp_path / "there").exists()


@pytest.mark.parametrize(("kind", "name"), [("adapter", "chandra"), ("extractor", "timing"), ("sink", "scorers")])
def test_taken_names_are_refused(xherald: Callable[..., CliResult], tmp_path: Path, kind: str, name: str) -> None:
    answer = xherald("new", kind, name, "--out", tmp_path / "there")
    assert answer.exit_code == 2
    assert f"'{name}' is already the name of a plugin of xherald" in answer.stderr


def test_name_of_another_kind_is_allowed(xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    assert xherald("new", "veto", "folder", "--out", tmp_path / "there").exit_code == 0


def test_nothing_is_overwritten(xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    full, file = tmp_path / "full", tmp_path / "file"
    full.mkdir()
    (full / "precious").write_text("mine")
    file.write_text("mine")
    for there in (full, file):
        answer = xherald("new", "sink", "pigeons", "--out", there)
        assert answer.exit_code == 2
        assert f"{there}: exists and is not an empty folder" in answer.stderr
    assert [path.name for path in full.iterdir()] == ["precious"]
    assert file.read_text() == "mine"


def test_code_is_formatted_whatever_its_name(xherald: Callable[..., CliResult], tmp_path: Path) -> None:
    """By ruff, as the package's own settings say, which are ours."""
    for kind in KINDS:
        for name in ("x", "my-instrument", LONGEST):
            assert xherald("new", kind, name, "--out", tmp_path / kind / name).exit_code == 0
    for words in (("check",), ("format", "--check", "--diff")):
        done = subprocess.run([BIN / "ruff", *words, "--no-cache", tmp_path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_packages_use_the_projects_ruff_settings(packages: dict[str, Path]) -> None:
    import tomllib

    ours = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]
    theirs = tomllib.loads((packages["veto"] / "pyproject.toml").read_text())["tool"]["ruff"]
    assert theirs["line-length"] == ours["line-length"]
    assert theirs["lint"]["select"] == ours["lint"]["select"]
    assert set(theirs["lint"]["ignore"]) <= set(ours["lint"]["ignore"])


def test_code_is_typed(packages: dict[str, Path], tmp_path: Path) -> None:
    """Strictly, with the packages' own settings."""
    done = mypy_on(list(packages.values()), tmp_path)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("kind", KINDS)
def test_tests_of_the_package_pass(separate: Separate, packages: dict[str, Path], kind: str) -> None:
    done = separate.pytest(packages[kind])
    assert done.returncode == 0, done.stdout
    assert re.search(r"\d passed", done.stdout)


def test_installed_plugins_are_in_use(separate: Separate) -> None:
    rows = json.loads(separate.xherald("plugins", "--json").stdout)["plugins"]
    reported = {(one["kind"], one["name"]): one for one in rows}
    for kind, facts in KINDS.items():
        row = reported[facts.registered, f"my_{kind.replace('-', '_')}"]
        assert (row["package"], row["entry_point"]) == (f"xherald-my-{kind}", row["name"])
        assert (row["contract"], row["note"]) == (CONTRACT_VERSION, "")
    assert {one["state"] for one in rows} == {"in use"}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in ("adapter", "scorer")])
def test_settings_in_the_readme_are_valid(
    separate: Separate, packages: dict[str, Path], tmp_path: Path, kind: str
) -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```$", (packages[kind] / "README.md").read_text(), re.DOTALL | re.MULTILINE)
    given = tmp_path / "mine.yaml"
    given.write_text(block)
    done = separate.xherald("config", "show", "--config", given)
    assert done.returncode == 0, done.stderr
    assert "mine.yaml" in done.stdout


def test_new_sink_accepts_an_alert(separate: Separate, tmp_path: Path) -> None:
    given = tmp_path / "mine.yaml"
    given.write_text(f"alerts: {{sinks: {{mine: {{kind: my_sink, folder: {tmp_path / 'alerts'}}}}}}}")
    done = separate.xherald("alert", "test", "mine", "--config", given)
    assert done.returncode == 0, done.stderr
    (file,) = (tmp_path / "alerts").iterdir()
    assert json.loads(file.read_text())["alert_tense"] == "test"


def test_new_adapter_scans_a_file(separate: Separate, packages: dict[str, Path], tmp_path: Path) -> None:
    """The file that its tests write, found by its keywords, its one bright source by detection."""
    code = (
        f"from conftest import write_events; from pathlib import Path; write_events(Path({str(tmp_path)!r}) / 'a.evt')"
    )
    written = separate.run("-c", code, PYTHONPATH=str(packages["adapter"] / "tests"))
    assert written.returncode == 0, written.stderr
    done = separate.xherald("scan", tmp_path / "a.evt", "--json")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [(one["mission"], one["instrument"]) for one in rows] == [("MY_ADAPTER", "CAMERA")]
    assert rows[0]["ra_deg"] == pytest.approx(83.8, abs=0.002)
