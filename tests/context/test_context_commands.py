"""`xherald context`, and the presets that it offers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from catalogue_files import small_table, write_table
from cli_result import CliResult

from xherald.context.catalogues.presets import load_presets

Command = Callable[..., CliResult]
COLUMNS = "name=Name,ra=RAJ[deg],dec=DEJ[deg],pos_err=e_pos[arcsec],magnitude=G[mag]"


@pytest.fixture
def context(xherald: Command, tmp_path: Path) -> Command:
    """The command with a folder of its own."""

    def call(*words: object) -> CliResult:
        return xherald("context", *words, environment={"XHERALD_CONTEXT__FOLDER": str(tmp_path / "catalogues")})

    return call


def test_a_catalogue_from_import_to_removal(context: Command, tmp_path: Path) -> None:
    path = write_table(small_table(60), tmp_path, "csv")
    assert "No catalogues" in context("list").stdout
    done = context("import", path, "--name", "mine", "--columns", COLUMNS, "--keep", "Flag", "--json")
    assert done.exit_code == 0, done.stderr
    assert json.loads(done.stdout)[0]["rows"] == 60
    assert " 60 " in context("list").stdout
    shown = context("show", "mine", "--verify", "--json")
    columns = {one["name"]: one["unit"] for one in json.loads(shown.stdout)["stored_columns"]}
    assert columns["pos_err_arcsec"] == "arcsec"
    assert "Flag" in columns
    assert "Flag" in context("show", "mine").stdout
    assert "has not changed" in context("update", "mine").stdout
    assert json.loads(context("remove", "mine", "--json").stdout) == {"removed": "mine"}
    assert context("show", "mine").exit_code == 2


def test_errors_have_the_documented_exit_codes(context: Command, tmp_path: Path) -> None:
    table = small_table(60)
    path = write_table(table, tmp_path, "csv")
    failed = context("import", tmp_path / "none.csv", "--name", "mine", "--columns", COLUMNS)
    assert failed.exit_code == 1
    assert failed.stderr.count("\n") == 1
    assert context("import", path, "--name", "mine").exit_code == 2
    assert context("import", path, "--name", "mine", "--columns", "ra").exit_code == 2
    assert context("import", path, "--name", "mine", "--preset", "gaia").exit_code == 2
    assert context("import", path, "--name", "mine", "--columns", COLUMNS, "--error-is", "big").exit_code == 2
    assert context("import", path, "--name", "mine", "--columns", COLUMNS, "--flux-band", "7-1").exit_code == 2
    assert context("update", "mine").exit_code == 2
    assert "No catalogues" in context("list").stdout


def test_presets_are_listed(context: Command) -> None:
    listed = json.loads(context("list", "--presets", "--json").stdout)
    assert set(listed) == set(load_presets())
    assert all(name in context("list", "--presets").stdout for name in listed)


def stand_in(preset: str, rows: int = 5) -> Table:
    """A table with the columns of a preset, the first name of each, without units."""
    random = np.random.default_rng(3)
    columns = load_presets()[preset].columns
    table = Table()
    for role, source in columns.roles.items():
        if source.column is None:
            continue
        column = source.column.split("|")[0]
        if role in ("name", "type"):
            table[column] = [f"{preset} {number}" for number in range(rows)]
        else:
            value = {"dec": (-80, 80), "epoch": (50_000, 59_000)}.get(role, (1, 50))
            table[column] = random.uniform(*value, rows)
    return table


@pytest.mark.parametrize("preset", sorted(load_presets()))
def test_every_preset_imports_its_columns(preset: str, context: Command, tmp_path: Path) -> None:
    path = tmp_path / "table.fits"
    stand_in(preset).write(path)
    stated = ["--default-error", "3"] if "state" in _error_of(context, preset) else []
    done = context("import", path, "--name", preset, "--preset", preset, "--json", *stated)
    assert done.exit_code == 0, done.stderr
    about = json.loads(done.stdout)[0]
    assert about["rows"] == 5
    assert about["preset"] == preset
    assert about["max_pos_err_arcsec"] > 0
    assert load_presets()[preset].document.startswith("http")


def _error_of(context: Command, preset: str) -> str:
    lines = context("list", "--presets").stdout.splitlines()
    return next(line for line in lines if line.startswith(preset))
