"""Reference catalogues from the command line: build, store, show, compare, reproduce; bad input is refused."""

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

from benchmarks import baseline
from xherald.catalog_store.references.reference_store import ReferenceStore
from xherald.detector.configuration.configuration import load_configuration
from xherald.encoders.inference import Encoder, find_encoder
from xherald.plugins.reference import Reference
from xherald.simulation.templates import TEMPLATES

SOURCES = 700
SETTINGS = """
reference:
  folder: {folder}
  exact_below: 30000
  association: {{min_transients: 2, max_p_value: 0.05}}
  built_in: {{sources: 600, cases: [quick], variable_fraction: 0.5}}
cases:
  2D-PCA:
    representation: {{name: et_map, normalise: false}}
    extractor: {{name: pca, components: 15, solver: published}}
    embedder: {{name: tsne, perplexity: 30, max_iter: 300, random_state: 11}}
    clustering: {{eps: 2.5, min_samples: 10}}
  3D-PCA:
    representation: {{name: etdt_cube, normalise: false}}
    extractor: {{name: pca, components: 22, solver: published}}
    embedder: {{name: tsne, perplexity: 30, max_iter: 300, random_state: 11}}
    clustering: {{eps: 2.5, min_samples: 10}}
  2D-AE:
    representation: {{name: et_map, normalise: true}}
    extractor: {{name: autoencoder, encoder: et_map_12}}
    embedder: {{name: tsne, perplexity: 30, max_iter: 300, random_state: 2412}}
    clustering: {{eps: 2.5, min_samples: 10}}
  3D-AE:
    representation: {{name: etdt_cube, normalise: true}}
    extractor: {{name: autoencoder, encoder: etdt_cube_24}}
    embedder: {{name: tsne, perplexity: 30, max_iter: 300, random_state: 2412}}
    clustering: {{eps: 2.5, min_samples: 10}}
  quick:
    representation: {{name: livetime_map}}
    extractor: {{name: pca, components: 10}}
    embedder: {{name: fast_tsne, perplexity: 20}}
    clustering: {{eps: 2.5, min_samples: 10}}
  statistics:
    extractor: {{name: timing}}
    embedder: {{name: fast_tsne, perplexity: 20}}
"""


@pytest.fixture(scope="module")
def population(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A simulated population, half of it variable, as one file and as the published tables beside it."""
    from xherald.simulation.population.population import write_population

    folder = tmp_path_factory.mktemp("population")
    file = folder / "population.parquet"
    write_population(file, SOURCES, seed=31, variable_fraction=0.5, published=folder / "published")
    return file


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("settings")
    path = folder / "my.yaml"
    path.write_text(SETTINGS.format(folder=folder / "references"))
    return path


@pytest.fixture(scope="module")
def built(population: Path, settings: Path) -> dict[str, Any]:
    """A reference of two cases, as `build --json` prints it."""
    from click.testing import CliRunner

    from xherald.cli import main

    words = ["reference", "build", "sim", "--from", population, "--cases", "quick,statistics", "--json"]
    done = CliRunner().invoke(main, [str(word) for word in (*words, "--config", settings)])
    assert done.exit_code == 0, done.output
    content: dict[str, Any] = json.loads(done.stdout)
    return content


def loaded(settings: Path, which: str) -> Reference:
    configuration = load_configuration(settings, {})
    store = ReferenceStore(configuration.settings.reference.folder)
    return store.load(store.find(which), configuration.host.extractors)


def content(folder: Path) -> dict[str, str]:
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


def test_sources_are_sorted_by_name_with_their_truth(built: dict[str, Any], settings: Path, population: Path) -> None:
    reference = loaded(settings, "sim")
    names = reference.sources.column("obsreg_id").to_pylist()
    assert names == sorted(names)
    truth = pq.read_table(population)
    of = {name: row for row, name in enumerate(truth.column("obsreg_id").to_pylist())}
    rows = [of[name] for name in names]
    assert reference.sources.column("class").to_pylist() == truth.column("truth_class").take(rows).to_pylist()
    known = truth.column("truth_is_bona_fide").take(rows).to_pylist()
    kinds = reference.sources.column("bona_fide").to_pylist()
    assert [kind != "" for kind in kinds] == known
    assert built["bona_fide"] == {kind: kinds.count(kind) for kind in ("flare", "dip", "other")}
    counts = [len(times) for times in truth.column("time_s").take(rows).to_pylist()]
    assert reference.sources.column("counts").to_pylist() == counts


def test_loaded_reference_reproduces_its_features(built: dict[str, Any], settings: Path, population: Path) -> None:
    from xherald.adapters.photon_lists import read_batch
    from xherald.detector.references.case_pipeline import make_case, represent

    host = load_configuration(settings, {}).host
    reference = loaded(settings, "sim")
    batch = read_batch(population)
    of = {one.detection_id: row for row, one in enumerate(batch.identities)}
    rows = [of[name] for name in reference.sources.column("obsreg_id").to_pylist()]
    for name, kept in reference.cases.items():
        fresh = kept.extractor.transform(represent(batch.select(np.array(rows)), make_case(name, kept.settings, host)))
        np.testing.assert_allclose(fresh, kept.features, rtol=2e-4, atol=2e-4 * np.abs(kept.features).max())


def test_member_is_embedded_at_its_own_position(
    built: dict[str, Any], settings: Path, population: Path, xherald: Callable[..., Any]
) -> None:
    answer = xherald("reference", "compare", "sim", population, "--case", "quick", "--json", "--config", settings)
    assert answer.exit_code == 0, answer.stderr
    rows = [json.loads(line) for line in answer.stdout.splitlines()]
    case = loaded(settings, "sim").cases["quick"]
    names = loaded(settings, "sim").sources.column("obsreg_id").to_pylist()
    at = dict(zip(names, case.embedding, strict=True))
    assert len(rows) == SOURCES
    assert [row["neighbours"][0]["distance"] for row in rows] == pytest.approx([0.0] * SOURCES, abs=1e-2)
    off = [
        np.hypot(row["tsne1"] - at[row["detection_id"]][0], row["tsne2"] - at[row["detection_id"]][1]) for row in rows
    ]
    assert np.median(off) < 0.1 * np.ptp(case.embedding, axis=0).max()
    assert all(len(row["similar_to"]) == 3 for row in rows)


def test_second_build_differs_only_in_its_date(
    built: dict[str, Any], settings: Path, population: Path, xherald: Callable[..., Any]
) -> None:
    first = Path(built["folder"])
    before = content(first)
    words = ("reference", "build", "sim", "--from", population, "--cases", "quick,statistics", "--activate")
    answer = xherald(*words, "--config", settings)
    assert answer.exit_code == 0, answer.stderr
    assert "sim@2" in answer.stdout
    assert "active" in answer.stdout
    assert content(first) == before
    differ = {name for name, one in content(first.parent / "2").items() if before[name] != one}
    assert differ == {"manifest.json"}
    listed = json.loads(xherald("reference", "list", "--json", "--config", settings).stdout)
    assert [(one["version"], one["active"]) for one in listed if one["name"] == "sim"] == [("1", False), ("2", True)]
    activated = xherald("reference", "activate", "sim@1", "--config", settings)
    assert activated.stdout == "sim@1 is active for CHANDRA/ACIS.\n"
    listed = json.loads(xherald("reference", "list", "--json", "--config", settings).stdout)
    assert [one["active"] for one in listed if one["name"] == "sim"] == [True, False]


def test_built_in_reference_is_built_once(settings: Path, xherald: Callable[..., Any]) -> None:
    shown = [json.loads(xherald("reference", "show", "--json", "--config", settings).stdout) for _ in range(2)]
    assert shown[0] == shown[1]
    expected = ("built-in", 600 + len(TEMPLATES), ["quick"])
    assert (shown[0]["name"], shown[0]["sources"], list(shown[0]["cases"])) == expected
    other = json.loads(
        xherald(
            "reference", "show", "--json", "--config", settings, environment={"XHERALD_REFERENCE__EXACT_BELOW": "29999"}
        ).stdout
    )
    assert other["version"] == shown[0]["version"]


def test_plots_and_exports_are_written(
    built: dict[str, Any], settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    answer = xherald("reference", "show", "sim@1", "--plot", tmp_path / "plots", "--config", settings)
    assert answer.exit_code == 0, answer.stderr
    drawn = {path.name for path in (tmp_path / "plots").iterdir()}
    assert {"quick_embedding.png", "quick_scree.png", "quick_clusters.png", "statistics_embedding.png"} <= drawn
    words = ("reference", "export", "sim@1", "--case", "quick", "--config", settings, "--out")
    assert xherald(*words, tmp_path / "tables").exit_code == 0
    assert xherald(*words, tmp_path / "sim.fits").exit_code == 0
    with (tmp_path / "tables" / "quick_clusters.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["tsne1", "tsne2", "obsreg_id", "cluster"]
    assert [int(row["cluster"]) for row in rows] == loaded(settings, "sim@1").cases["quick"].cluster.tolist()
    again = xherald(*words, tmp_path / "sim.fits")
    assert again.exit_code == 1
    assert "sim.fits" in again.stderr


def test_modified_reference_is_refused(
    built: dict[str, Any], settings: Path, population: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    import shutil

    copied = tmp_path / "references"
    shutil.copytree(Path(built["folder"]), copied / "sim" / "1")
    arrays = copied / "sim" / "1" / "cases" / "quick" / "arrays.npz"
    arrays.write_bytes(arrays.read_bytes()[:-1] + b"x")
    elsewhere = {"XHERALD_REFERENCE__FOLDER": str(copied)}
    words = ("reference", "compare", "sim", population, "--config", settings)
    answer = xherald(*words, environment=elsewhere)
    assert answer.exit_code == 1
    assert f"{arrays}: modified since it was written" in answer.stderr
    (copied / "sim" / "1" / "manifest.json").unlink()
    answer = xherald(*words, environment=elsewhere)
    assert answer.exit_code == 2
    assert "no reference 'sim'" in answer.stderr


def test_sources_of_another_instrument_are_refused(
    built: dict[str, Any], settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    from xherald.simulation.population.population import write_population

    other = tmp_path / "xmm.parquet"
    write_population(other, 5, telescope="xmm-mos1", seed=1)
    answer = xherald("reference", "compare", "sim", other, "--config", settings)
    assert answer.exit_code == 1
    assert "reference sim@" in answer.stderr
    assert "is of CHANDRA/ACIS, 0.5–7 keV; source" in answer.stderr
    assert "is of XMM/EMOS1" in answer.stderr


def listed(folder: Path, change: Callable[[dict[str, list[str]]], None]) -> Path:
    content = json.loads((folder / "published" / "bonafide_transients.json").read_text())
    change(content)
    path = folder / "changed.json"
    path.write_text(json.dumps(content))
    return path


def _unknown(known: dict[str, list[str]]) -> None:
    known["Known Flares"] += ["1_1", known["Known Flares"][0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (_unknown, "bona-fide transients are not in the population: 1_1; listed more than once: "),
        (lambda known: known["Known Dips"].clear(), f"no bona-fide dip among {SOURCES} sources"),
        (lambda known: known["Known Flares"].clear(), f"no bona-fide flare among {SOURCES} sources"),
    ],
)
def test_wrong_list_of_transients_is_refused(
    population: Path, settings: Path, change, message: str, xherald: Callable[..., Any]
) -> None:
    changed = listed(population.parent, change)
    words = ("reference", "build", "wrong", "--from", population, "--cases", "quick", "--config", settings)
    answer = xherald(*words, "--bona-fide", changed)
    assert answer.exit_code == 1
    assert message in answer.stderr
    assert not (settings.parent / "references" / "wrong").exists()


def test_too_few_sources_are_refused(tmp_path: Path, settings: Path, xherald: Callable[..., Any]) -> None:
    from xherald.simulation.population.population import write_population

    write_population(tmp_path / "few.parquet", 12, seed=3, variable_fraction=1.0)
    names = pq.read_table(tmp_path / "few.parquet").column("obsreg_id").to_pylist()
    (tmp_path / "known.json").write_text(json.dumps({"Flares": names[:2], "Dips": names[2:4]}))
    words = ("reference", "build", "few", "--from", tmp_path / "few.parquet", "--bona-fide", tmp_path / "known.json")
    for case in ("quick", "2D-PCA", "statistics"):
        answer = xherald(*words, "--cases", case, "--config", settings)
        assert answer.exit_code == 1, case
        assert "12 sources" in answer.stderr, answer.stderr
    assert not (settings.parent / "references" / "few").exists()


def test_invalid_names_are_refused(population: Path, settings: Path, xherald: Callable[..., Any]) -> None:
    words = ("--from", population, "--config", settings)
    assert "is not a valid name of a reference" in xherald("reference", "build", "../x", *words).stderr
    answer = xherald("reference", "build", "x", *words, "--cases", "4D")
    assert answer.exit_code == 2
    assert "no case '4D'" in answer.stderr
    answer = xherald(
        "reference",
        "build",
        "x",
        *words,
        "--cases",
        "odd",
        environment={"XHERALD_CASES__ODD": "{extractor: {name: pcb}, embedder: {name: tsne}}"},
    )
    assert answer.exit_code == 2
    assert "cases.odd.extractor: no extractor is named 'pcb'; available: " in answer.stderr


def test_folder_of_event_files_is_a_population(settings: Path, tmp_path: Path, xherald: Callable[..., Any]) -> None:
    made = xherald("simulate", "drop", tmp_path / "drop", "--missions", "chandra-acis-i", "--files", "4", "--seed", "8")
    assert made.exit_code == 0
    rows = [json.loads(line) for line in xherald("scan", *made.stdout.split(), "--json").stdout.splitlines()]
    names = [
        row["detection_id"]
        if row["detection_id"].startswith(row["obs_id"] + "_")
        else f"{row['obs_id']}_{row['detection_id']}"
        for row in rows
    ]
    (tmp_path / "known.json").write_text(json.dumps({"Flares": names[:3], "Dips": names[3:5]}))
    (tmp_path / "drop" / "notes.txt").write_text("no event file")
    answer = xherald(
        *("reference", "build", "archive", "--from", tmp_path / "drop", "--bona-fide", tmp_path / "known.json"),
        *("--cases", "small", "--json", "--config", settings),
        environment={
            "XHERALD_CASES__SMALL": "{extractor: {name: timing}, embedder: {name: fast_tsne, perplexity: 3}}",
        },
    )
    assert answer.exit_code == 0, answer.stderr
    entry = json.loads(answer.stdout)
    assert entry["sources"] == len(names)
    assert [Path(one["path"]).name for one in entry["origin"]] == sorted(
        Path(path).name for path in made.stdout.split()
    )
    unnamed = xherald("reference", "build", "archive", "--from", tmp_path / "drop", "--config", settings)
    assert unnamed.exit_code == 1
    assert "pass a list with --bona-fide FILE" in unnamed.stderr


@pytest.fixture(scope="module")
def published(population: Path) -> Path:
    """The published tables, and beside them maps and clusters of the four cases made by plain scikit-learn calls."""
    folder = population.parent / "published"
    photons: dict[str, list[tuple[float, float]]] = {}
    with (folder / "eventfiles_table.csv").open() as file:
        for row in csv.DictReader(file):
            photons.setdefault(row["obsreg_id"], []).append((float(row["time"]), float(row["energy"])))
    names = sorted(photons)
    lists = [np.array(photons[name]).T for name in names]
    times, energies = [one[0] for one in lists], [one[1] for one in lists]

    def encoded(name: str, values: np.ndarray) -> np.ndarray:
        return Encoder.load(find_encoder(name)).encode(values.astype(np.float32))

    features = {
        "2DPCA": baseline.pca(baseline.maps(times, energies), 15),
        "3DPCA": baseline.pca(baseline.cubes(times, energies), 22),
        "2DAE": encoded("et_map_12", baseline.maps(times, energies, normalise=True)),
        "3DAE": encoded("etdt_cube_24", baseline.cubes(times, energies, normalise=True)),
    }
    # Rows in another order than the population's: they are matched by name.
    order = np.random.default_rng(1).permutation(len(names))
    for case, values in features.items():
        seed = 2412 if case.endswith("AE") else 11
        embedding = baseline.tsne(values, perplexity=30, max_iter=300, random_state=seed)
        cluster = baseline.clusters(embedding, min_samples=10)
        for what, header in (("embedding", "tsne1,tsne2,obsreg_id"), ("clusters", "tsne1,tsne2,obsreg_id,cluster")):
            lines = [header]
            for row in order:
                x, y = (repr(float(value)) for value in embedding[row])
                lines.append(f"{x},{y},{names[row]}" + (f",{cluster[row]}" if what == "clusters" else ""))
            (folder / f"paper{case}_{what}.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_published_cases_are_reproduced(published: Path, settings: Path, xherald: Callable[..., Any]) -> None:
    answer = xherald("reference", "reproduce", published, "--json", "--config", settings)
    assert answer.exit_code == 0, answer.stderr
    rows = json.loads(answer.stdout)
    assert [row["case"] for row in rows] == ["2D-PCA", "3D-PCA", "2D-AE", "3D-AE"]
    for row in rows:
        # The same calls on the same features: nothing but rounding may differ, in what is written as text.
        assert row["agreement"] > 0.999999, row
        assert row["neighbours_kept"] > 0.999, row
        assert row["rand_index"] > 0.999, row
        assert row["sources"] == SOURCES
    assert Path(rows[0]["embedding_file"]).name == "paper2DPCA_embedding.csv"


def test_unpublished_case_is_rebuilt_without_comparison(
    published: Path, settings: Path, xherald: Callable[..., Any]
) -> None:
    answer = xherald("reference", "reproduce", published, "--cases", "quick", "--config", settings)
    assert answer.exit_code == 0, answer.stderr
    assert "quick" in answer.stdout
    assert "–" in answer.stdout


def test_published_table_of_other_sources_is_refused(
    published: Path, settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    import shutil

    shutil.copytree(published, tmp_path / "p")
    path = tmp_path / "p" / "paper2DPCA_embedding.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    answer = xherald("reference", "reproduce", tmp_path / "p", "--cases", "2D-PCA", "--config", settings)
    assert answer.exit_code == 1
    assert "has other sources than the tables: it lacks" in answer.stderr
    path.write_text("x,y\n1,2\n")
    answer = xherald("reference", "reproduce", tmp_path / "p", "--cases", "2D-PCA", "--config", settings)
    assert "is not in the published form (tsne1, tsne2, obsreg_id)" in answer.stderr
    answer = xherald("reference", "reproduce", tmp_path, "--config", settings)
    assert answer.exit_code == 1
    assert "has no eventfiles_table.csv" in answer.stderr


def test_comparing_imports_no_training_library(built: dict[str, Any], settings: Path, population: Path) -> None:
    words = ["reference", "compare", "sim@1", str(population), "--json", "--config", str(settings)]
    code = (
        "import sys\nfrom xherald.cli import main\n"
        f"sys.argv = ['xherald', *{words!r}]\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        "sys.stderr.write(' '.join(n for n in ('tensorflow', 'umap', 'openTSNE', 'pynndescent') if n in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stderr == ""
    assert done.stdout.count("\n") == SOURCES


BROKEN = """
import numpy as np
from xherald.plugins import FeatureExtractor, FittedExtractor, hookimpl


class Fitted(FittedExtractor):
    width = 2

    def transform(self, sample):
        features = np.random.default_rng(1).normal(size=(len(sample), 2))
        features[7, 1] = np.nan
        return features

    def save(self, folder):
        pass


class Broken(FeatureExtractor):
    name = "broken"

    def fit(self, sample, options, advance=lambda _: None):
        return Fitted(), Fitted().transform(sample)

    def load(self, folder):
        return Fitted()


@hookimpl
def register_extractors(register):
    register(Broken())
"""


def test_features_that_are_not_finite_are_refused(
    population: Path, settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN)
    answer = xherald(
        *("reference", "build", "broken", "--from", population, "--cases", "broken", "--config", settings),
        environment={
            "XHERALD_PLUGINS__FILES": f"[{plugin}]",
            "XHERALD_CASES__BROKEN": "{extractor: {name: broken}, embedder: {name: fast_tsne, perplexity: 20}}",
        },
    )
    names = sorted(pq.read_table(population).column("obsreg_id").to_pylist())
    assert answer.exit_code == 1
    assert f"case broken: features of 1 sources are not finite, the first of {names[7]}" in answer.stderr
    assert not (settings.parent / "references" / "broken").exists()
