"""Packages of a third party, installed with pip into an environment of their own, on the road by its commands alone."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pyarrow.parquet as pq
import pytest
from cli_result import CliResult
from paths import ROOT
from virtual_environments import Separate, mypy_on

EXAMPLES = ROOT / "examples"
PACKAGES = ("xherald-nicer", "xherald-wavelet")
QUICK = {"XHERALD_DAEMON__STABLE_AFTER_S": "0.1", "XHERALD_DAEMON__WORKERS": "1", "XHERALD_DAEMON__METRICS_PORT": "0"}
SOURCES = 300


@pytest.fixture(scope="module")
def copies(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The packages, where pip may litter."""
    folder = tmp_path_factory.mktemp("examples")
    litter = shutil.ignore_patterns("build", "*.egg-info", "__pycache__", ".*_cache")
    return {name: Path(shutil.copytree(EXAMPLES / name, folder / name, ignore=litter)) for name in PACKAGES}


@pytest.fixture(scope="module")
def separate(copies: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Separate:
    """An environment in which both are installed."""
    made = Separate.make(tmp_path_factory.mktemp("third") / "env")
    made.install(*copies.values())
    return made


@pytest.fixture(scope="module")
def nicer() -> ModuleType:
    """How the tests of xherald-nicer write a file."""
    spec = importlib.util.spec_from_file_location("nicer_files", EXAMPLES / "xherald-nicer" / "tests" / "conftest.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def written(nicer: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A list like NICER's, with a burst in it, alone in its folder."""
    path: Path = nicer.write_nicer(tmp_path_factory.mktemp("drop") / "ni2010101830_0mpu7_cl.evt")
    return path


@pytest.fixture
def real(data: Path) -> Path:
    return data / "other" / "nicer_sgr1830_timezero.evt.gz"


def rows(separate: Separate, *words: object) -> list[dict[str, object]]:
    done = separate.xherald("scan", *words, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_both_are_in_use(separate: Separate) -> None:
    rows = json.loads(separate.xherald("plugins", "--json").stdout)["plugins"]
    theirs = {(one["kind"], one["name"]) for one in rows if one["package"] in PACKAGES}
    assert theirs == {("adapters", "nicer"), ("representations", "wavelet"), ("extractors", "wavelet_energy")}
    assert {one["state"] for one in rows} == {"in use"}


@pytest.mark.parametrize("name", PACKAGES)
def test_their_own_tests_pass(separate: Separate, copies: dict[str, Path], name: str) -> None:
    done = separate.pytest(copies[name], XHERALD_NICER_FILE=str(ROOT / "no such file"))
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout


def test_they_are_typed(copies: dict[str, Path], tmp_path: Path) -> None:
    for name in PACKAGES:
        done = mypy_on([copies[name]], tmp_path / name)
        assert done.returncode == 0, done.stdout


# NICER.


def test_without_the_package_the_file_is_refused_by_name(xherald: Callable[..., CliResult], written: Path) -> None:
    answer = xherald("scan", written)
    assert answer.exit_code == 1
    assert "no adapter claims this file: NICER XTI is not supported" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_inspect_tells_its_facts(separate: Separate, written: Path) -> None:
    facts = json.loads(separate.xherald("inspect", written, "--json").stdout)
    assert (facts["adapter"], facts["mission"], facts["wcs"]) == ("nicer", "NICER", None)
    assert facts["start_utc"] == "2020-10-10T18:34:57.000Z"
    assert facts["rows"] - facts["events"] == sum(facts["screening_losses"].values()) > 0


def test_a_scan_finds_the_burst(separate: Separate, nicer: ModuleType, written: Path) -> None:
    (row,) = rows(separate, written)
    assert (row["ra_deg"], row["dec_deg"], row["aperture_origin"]) == (277.6702, -6.755, "field of view")
    assert (row["kind"], row["is_candidate"]) == ("flare", True)
    assert {"no_image", "no_background"} <= set(row["flags"])  # type: ignore[call-overload]
    # TIMEZERO makes it one second earlier; a block begins and ends halfway to the next photon.
    start = nicer.START + nicer.BURST - 1.0
    assert row["peak_start_s"] == pytest.approx(start, abs=0.5)
    assert row["peak_stop_s"] == pytest.approx(start + nicer.BURST_SECONDS, abs=0.5)


def test_the_watch_announces_it_once(separate: Separate, written: Path, tmp_path: Path) -> None:
    alerts, store = tmp_path / "alerts.jsonl", f"sqlite:///{tmp_path}/store.sqlite"
    for _ in range(2):
        done = separate.xherald("watch", "--once", written.parent, "--store", store, "--alerts", alerts, **QUICK)
        assert done.returncode == 0, done.stderr
    (alert,) = [json.loads(line) for line in alerts.read_text().splitlines()]
    facts = alert["facts"]
    assert (facts["kind"], facts["mission"], facts["obs_id"]) == ("flare", "NICER", "2010101830")
    assert (facts["ra_deg"], facts["dec_deg"], facts["pos_err_arcsec"]) == (277.6702, -6.755, None)


def test_the_real_file_goes_through_the_whole_pipeline(separate: Separate, real: Path, tmp_path: Path) -> None:
    (row,) = rows(separate, real)
    # SGR 1830−0645 between bursts: a steady 9.4 counts/s, pulses of 10.4 s aside.
    assert (row["counts"], row["kind"], row["is_candidate"]) == (9255, "steady", False)
    drop, alerts = tmp_path / "drop", tmp_path / "alerts.jsonl"
    drop.mkdir()
    shutil.copy2(real, drop)
    store = f"sqlite:///{tmp_path}/store.sqlite"
    done = separate.xherald("watch", "--once", drop, "--store", store, "--alerts", alerts, **QUICK)
    assert done.returncode == 0, done.stderr
    assert not alerts.exists()
    status = json.loads(separate.xherald("status", "--json", "--store", store).stdout)
    assert status["drops"]["processed"] == 1


def test_the_real_file_keeps_the_contract(separate: Separate, copies: dict[str, Path], real: Path) -> None:
    done = separate.pytest(copies["xherald-nicer"], XHERALD_NICER_FILE=str(real.resolve()), PYTEST_ADDOPTS="-k real")
    assert done.returncode == 0, done.stdout
    assert "1 passed" in done.stdout


# Wavelets.


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated population, half of it variable."""
    from xherald.simulation.population.population import write_population

    path = tmp_path_factory.mktemp("population") / "population.parquet"
    write_population(path, SOURCES, seed=31, variable_fraction=0.5)
    return path


def test_a_case_of_a_reference_is_made_of_them(
    separate: Separate, copies: dict[str, Path], population: Path, tmp_path: Path, xherald: Callable[..., CliResult]
) -> None:
    given, references = copies["xherald-wavelet"] / "wavelet.yaml", tmp_path / "references"
    kept = {"XHERALD_REFERENCE__FOLDER": str(references)}
    words = ("reference", "build", "mine", "--from", population, "--cases", "wavelet", "--config", given, "--json")
    done = separate.xherald(*words, **kept)
    assert done.returncode == 0, done.stderr
    # What it learned is there, and places the same sources where they are.
    assert {path.name for path in references.rglob("extractor/*")} == {"wavelet_energy.json", "wavelet_energy.npz"}
    place = ("reference", "compare", "mine", population, "--case", "wavelet", "--json")
    done = separate.xherald(*place, "--config", given, **kept)
    assert done.returncode == 0, done.stderr
    placed = [json.loads(line) for line in done.stdout.splitlines()]
    assert {one["detection_id"] for one in placed} == set(pq.read_table(population)["obsreg_id"].to_pylist())
    # Each is its own nearest neighbour; where photons are few, others can be the same to the last bit.
    itself = [one["neighbours"][0] for one in placed]
    assert max(near["distance"] for near in itself) < 1e-3
    own = sum(near["name"] == one["detection_id"] for near, one in zip(itself, placed, strict=True))
    assert own > 0.95 * SOURCES
    # Without the package the reference says what it lacks.
    answer = xherald(*place, environment=kept)
    assert answer.exit_code == 1
    assert "wavelet_energy" in answer.stderr
    assert answer.stderr.count("\n") == 1
