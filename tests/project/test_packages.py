"""Packages are installed as laid out, import nothing heavy where it is not needed, and are small and free of cycles."""

from __future__ import annotations

import ast
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
    assert {
        package: "xherald" if folder == Path("api") else ".".join(("xherald", *folder.parts))
        for folder, package in mapped.items()
    } == {package: package for package in mapped.values()}


def test_every_package_carries_its_types() -> None:
    rooms = {package for package in PROJECT["tool"]["setuptools"]["packages"] if package.count(".") == 1}
    assert all((ROOT / room.removeprefix("xherald.") / "py.typed").is_file() for room in rooms)


def test_built_in_adapters_are_registered_like_any_plugin() -> None:
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


def test_importing_xherald_imports_nothing_heavy() -> None:
    code = f"import sys, xherald\nsys.stdout.write(' '.join(name for name in {HEAVY!r} if name in sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == ""


MAX_LINES = 450

FOLDERS = {package: ROOT / folder for package, folder in PROJECT["tool"]["setuptools"]["package-dir"].items()}

MODULES = {
    package if path.stem == "__init__" else f"{package}.{path.stem}": path
    for package, folder in FOLDERS.items()
    for path in folder.glob("*.py")
}


def test_no_file_is_too_long() -> None:
    lengths = {str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in MODULES.values()}
    assert {name: length for name, length in lengths.items() if length > MAX_LINES} == {}


def test_every_module_has_a_docstring() -> None:
    undocumented = [name for name, path in MODULES.items() if not ast.get_docstring(ast.parse(path.read_text()))]
    assert undocumented == []


def imports_of(name: str, path: Path) -> set[str]:
    """Modules of ours that a module imports when it is imported."""
    package = name if path.stem == "__init__" else name.rpartition(".")[0]
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {one.name for one in node.names}
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            base = ".".join([*above, *([node.module] if node.module else [])])
            # `from package import module` imports the module; `from package import name` what defines the name.
            below = {f"{base}.{one.name}" for one in node.names} & set(MODULES)
            found |= below or {base}
    return found & set(MODULES)


def test_no_two_modules_import_each_other() -> None:
    imports = {name: imports_of(name, path) for name, path in MODULES.items()}
    pairs = {
        tuple(sorted((name, other))) for name, others in imports.items() for other in others if name in imports[other]
    }
    # A package may gather names of its modules; a module that asks its own package for one makes the cycle.
    assert pairs == set()
