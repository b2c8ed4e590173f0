"""The house stands as drawn: rooms are packages, imports run down, help is answered without heavy imports."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import entry_points, version
from pathlib import Path

import pytest
from paths import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
NOT_INSTALLED = {"tests", "benchmarks", "examples", "docs", "build"}
HEAVY = ("tensorflow", "umap", "numba", "matplotlib", "pynndescent", "astropy.io.fits", "scipy", "pyarrow", "regions")


def test_every_folder_with_code_is_installed() -> None:
    folders = {path.parent.relative_to(ROOT) for path in ROOT.rglob("*.py")}
    ours = {path for path in folders if path.parts and path.parts[0] not in NOT_INSTALLED and path.parts[0][0] != "."}
    mapped = {Path(folder): package for package, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}
    assert ours == set(mapped)
    assert sorted(mapped.values()) == sorted(PROJECT["tool"]["setuptools"]["packages"])
    assert {package: ".".join(("xherald", *folder.parts)) for folder, package in mapped.items()} == {
        package: package for package in mapped.values()
    }


def test_every_package_carries_its_types() -> None:
    rooms = {package for package in PROJECT["tool"]["setuptools"]["packages"] if package.count(".") == 1}
    assert all((ROOT / room.removeprefix("xherald.") / "py.typed").is_file() for room in rooms)


def test_the_built_in_adapters_come_through_the_door_of_all_plugins() -> None:
    assert {entry.name for entry in entry_points(group="xherald")} == set(PROJECT["project"]["entry-points"]["xherald"])


def test_the_lock_names_no_private_place() -> None:
    lock = (ROOT / "requirements.lock").read_text()
    lines = [line for line in lock.splitlines() if not line.lstrip().startswith("#")]
    assert not [line for line in lines if "://" in line or "--find-links" in line or "index-url" in line]
    for requirement in PROJECT["project"]["dependencies"]:
        assert f"\n{requirement.split('>=')[0]}==" in lock


@pytest.mark.parametrize("words", ["--help", "scan --help", "inspect --help", "config show --help", "--version"])
def test_help_imports_nothing_heavy(words: str) -> None:
    code = f"""
import sys
from xherald.cli import main
try:
    main({words.split()!r})
except SystemExit as end:
    assert end.code == 0, end.code
sys.stderr.write(" ".join(name for name in {HEAVY!r} if name in sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    assert version("xherald") in done.stdout or "Usage: " in done.stdout


def test_reading_imports_no_plotting() -> None:
    code = "import sys, xherald.detector.scan, xherald.detector.results.rows, xherald.detector.results.writers\n"
    code += "import xherald.detector.candidates.scan_plots\n"
    code += "sys.stdout.write(' '.join(name for name in ('matplotlib', 'pyarrow', 'regions') if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""
