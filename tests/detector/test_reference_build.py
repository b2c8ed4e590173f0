"""Reference catalogues from the command line: build, list, activate, show, export and compare."""

from __future__ import annotations

import csv
import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from paths import ROOT
from reference_builds import SOURCES

from xherald.catalog_store.references.reference_store import ReferenceStore
from xherald.detector.configuration.configuration import load_configuration
from xherald.plugins.reference import Reference
from xherald.simulation.published_templates import TEMPLATES


@pytest.fixture(scope="module")
def built(reference_population: Path, reference_settings: Path) -> dict[str, Any]:
    """A reference of two cases, as `build --json` prints it."""
    from click.testing import CliRunner

    from xherald.cli import main

    words = ["reference", "build", "sim", "--from", reference_population, "--cases", "quick,statistics", "--json"]
    done = CliRunner().invoke(main, [str(word) for word in (*words, "--config", reference_settings)])
    assert done.exit_code == 0, done.output
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def load_reference(reference_settings: Path, which: str) -> Reference:
    configuration = load_configuration(reference_settings, {})
    store = ReferenceStore(configuration.settings.reference.folder)
    return store.load(store.find(which), configuration.host.extractors)


def hash_files(folder: Path) -> dict[str, str]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_build_prints_its_contents(built: dict[str, Any]) -> None:
    assert (built["name"], built["version"], built["active"]) == ("sim", "1", False)
    assert (built["mission"], built["instrument"], built["band_kev"]) == ("CHANDRA", "ACIS", [0.5, 7.0])
    assert built["sources"] == SOURCES
    assert list(built["cases"]) == ["quick", "statistics"]
    assert built["cases"]["quick"]["settings"]["embedder"]["perplexity"] == 20
    assert built["cases"]["quick"]["measured"]["recall_at_10"] == 1.0
    assert built["versions"]["numpy"] == np.__version__


def test_artefact_has_no_executable_files(built: dict[str, Any]) -> None:
    files = [path for path in Path(built["folder"]).rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".npz", ".parquet"}
    for path in files:
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as arrays:
                assert not any(arrays[name].dtype.hasobject for name in arrays.files)


def test_sources_are_sorted_by_name_with_their_truth(
    built: dict[str, Any], reference_settings: Path, reference_population: Path
) -> None:
    reference = load_reference(reference_settings, "sim")
    names = reference.sources.column("obsreg_id").to_pylist()
    assert names == sorted(names)
    truth = pq.read_table(reference_population)
    of = {name: row for row, name in enumerate(truth.column("obsreg_id").to_pylist())}
    rows = [of[name] for name in names]
    assert reference.sources.column("class").to_pylist() == truth.column("truth_class").take(rows).to_pylist()
    known = truth.column("truth_is_bona_fide").take(rows).to_pylist()
    kinds = reference.sources.column("bona_fide").to_pylist()
    assert [kind != "" for kind in kinds] == known
    assert built["bona_fide"] == {kind: kinds.count(kind) for kind in ("flare", "dip", "other")}
    counts = [len(times) for times in truth.column("time_s").take(rows).to_pylist()]
    assert reference.sources.column("counts").to_pylist() == counts


def test_loaded_reference_reproduces_its_features(
    built: dict[str, Any], reference_settings: Path, reference_population: Path
) -> None:
    from xherald.adapters.photon_lists import read_batch
    from xherald.detector.references.case_pipeline import make_case, represent

    host = load_configuration(reference_settings, {}).host
    reference = load_reference(reference_settings, "sim")
    batch = read_batch(reference_population)
    of = {one.detection_id: row for row, one in enumerate(batch.identities)}
    rows = [of[name] for name in reference.sources.column("obsreg_id").to_pylist()]
    for name, kept in reference.cases.items():
        fresh = kept.extractor.transform(represent(batch.select(np.array(rows)), make_case(name, kept.settings, host)))
        np.testing.assert_allclose(fresh, kept.features, rtol=2e-4, atol=2e-4 * np.abs(kept.features).max())


def test_member_is_embedded_at_its_own_position(
    built: dict[str, Any], reference_settings: Path, reference_population: Path, xherald: Callable[..., Any]
) -> None:
    answer = xherald(
        "reference", "compare", "sim", reference_population, "--case", "quick", "--json", "--config", reference_settings
    )
    assert answer.exit_code == 0, answer.stderr
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    case = load_reference(reference_settings, "sim").cases["quick"]
    names = load_reference(reference_settings, "sim").sources.column("obsreg_id").to_pylist()
    at = dict(zip(names, case.embedding, strict=True))
    assert len(rows) == SOURCES
    assert [row["neighbours"][0]["distance"] for row in rows] == pytest.approx([0.0] * SOURCES, abs=1e-2)
    off = [
        np.hypot(row["tsne1"] - at[row["detection_id"]][0], row["tsne2"] - at[row["detection_id"]][1]) for row in rows
    ]
    assert np.median(off) < 0.1 * np.ptp(case.embedding, axis=0).max()
    assert all(len(row["similar_to"]) == 3 for row in rows)


def test_second_build_differs_only_in_its_date(
    built: dict[str, Any], reference_settings: Path, reference_population: Path, xherald: Callable[..., Any]
) -> None:
    first = Path(built["folder"])
    before = hash_files(first)
    words = ("reference", "build", "sim", "--from", reference_population, "--cases", "quick,statistics", "--activate")
    answer = xherald(*words, "--config", reference_settings)
    assert answer.exit_code == 0, answer.stderr
    assert "sim@2" in answer.stdout
    assert "active" in answer.stdout
    assert hash_files(first) == before
    differ = {name for name, one in hash_files(first.parent / "2").items() if before[name] != one}
    assert differ == {"manifest.json"}
    listed = json.loads(xherald("reference", "list", "--json", "--config", reference_settings).stdout)
    assert [(one["version"], one["active"]) for one in listed if one["name"] == "sim"] == [("1", False), ("2", True)]
    activated = xherald("reference", "activate", "sim@1", "--config", reference_settings)
    assert activated.stdout == "sim@1 is active for CHANDRA/ACIS.\n"
    listed = json.loads(xherald("reference", "list", "--json", "--config", reference_settings).stdout)
    assert [one["active"] for one in listed if one["name"] == "sim"] == [True, False]


def test_built_in_reference_is_built_once(reference_settings: Path, xherald: Callable[..., Any]) -> None:
    shown = [
        json.loads(xherald("reference", "show", "--json", "--config", reference_settings).stdout) for _ in range(2)
    ]
    assert shown[0] == shown[1]
    # The flash of YZ Ret has no photons in Chandra's band.
    expected = ("built-in", 600 + len(TEMPLATES) - 1, ["quick"])
    assert (shown[0]["name"], shown[0]["sources"], list(shown[0]["cases"])) == expected
    other = json.loads(
        xherald(
            "reference",
            "show",
            "--json",
            "--config",
            reference_settings,
            environment={"XHERALD_REFERENCE__EXACT_BELOW": "29999"},
        ).stdout
    )
    assert other["version"] == shown[0]["version"]


def test_plots_and_exports_are_written(
    built: dict[str, Any], reference_settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    answer = xherald("reference", "show", "sim@1", "--plot", tmp_path / "plots", "--config", reference_settings)
    assert answer.exit_code == 0, answer.stderr
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"quick_embedding.png", "quick_scree.png", "quick_clusters.png", "statistics_embedding.png"} <= drawn
    words = ("reference", "export", "sim@1", "--case", "quick", "--config", reference_settings, "--out")
    assert xherald(*words, tmp_path / "tables").exit_code == 0
    assert xherald(*words, tmp_path / "sim.fits").exit_code == 0
    with (tmp_path / "tables" / "quick_clusters.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["tsne1", "tsne2", "obsreg_id", "cluster"]
    assert [int(row["cluster"]) for row in rows] == load_reference(reference_settings, "sim@1").cases[
        "quick"
    ].cluster.tolist()
    again = xherald(*words, tmp_path / "sim.fits")
    assert again.exit_code == 1
    assert "sim.fits" in again.stderr


def test_modified_reference_is_refused(
    built: dict[str, Any],
    reference_settings: Path,
    reference_population: Path,
    tmp_path: Path,
    xherald: Callable[..., Any],
) -> None:
    import shutil

    copied = tmp_path / "references"
    shutil.copytree(Path(built["folder"]), copied / "sim" / "1")
    arrays = copied / "sim" / "1" / "cases" / "quick" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"x")
    elsewhere = {"XHERALD_REFERENCE__FOLDER": str(copied)}
    words = ("reference", "compare", "sim", reference_population, "--config", reference_settings)
    answer = xherald(*words, environment=elsewhere)
    assert answer.exit_code == 1
    assert f"{arrays}: modified since it was written" in answer.stderr
    (copied / "sim" / "1" / "manifest.json").unlink()
    answer = xherald(*words, environment=elsewhere)
    assert answer.exit_code == 2
    assert "no reference 'sim'" in answer.stderr


def test_sources_of_another_instrument_are_refused(
    built: dict[str, Any], reference_settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    from xherald.simulation.population.population import write_population

    other = tmp_path / "xmm.parquet"
    write_population(other, 5, telescope="xmm-mos1", seed=1)
    answer = xherald("reference", "compare", "sim", other, "--config", reference_settings)
    assert answer.exit_code == 1
    assert "reference sim@" in answer.stderr
    assert "is of CHANDRA/ACIS, 0.5–7 keV; source" in answer.stderr
    assert "is of XMM/EMOS1" in answer.stderr


def test_comparing_imports_no_training_library(
    built: dict[str, Any], reference_settings: Path, reference_population: Path
) -> None:
    words = ["reference", "compare", "sim@1", str(reference_population), "--json", "--config", str(reference_settings)]
    code = (
        "import sys\nfrom xherald.cli import main\n"
        f"sys.argv = ['xherald', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "sys.stderr.write(' '.join(n for n in ('tensorflow', 'umap', 'openTSNE', 'pynndescent') if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == ""
    assert done.stdout.count("\n") == SOURCES
