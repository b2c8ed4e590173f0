"""Populations and lists of transients from which references are built, and invalid ones that are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from reference_builds import SOURCES


def changed_list(folder: Path, change: Callable[[dict[str, list[str]]], None]) -> Path:
    content = json.loads((folder / "published" / "bonafide_transients.json").read_text())
    change(content)
    path = folder / "changed.json"
    path.write_text(json.dumps(content))
    return path


def add_unknown_sources(known: dict[str, list[str]]) -> None:
    known["Known Flares"] += ["1_1", known["Known Flares"][0]]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (add_unknown_sources, "bona-fide transients are not in the population: 1_1; listed more than once: "),
        (lambda known: known["Known Dips"].clear(), f"no bona-fide dip among {SOURCES} sources"),
        (lambda known: known["Known Flares"].clear(), f"no bona-fide flare among {SOURCES} sources"),
    ],
)
def test_wrong_list_of_transients_is_refused(
    reference_population: Path, reference_settings: Path, change, message: str, xherald: Callable[..., Any]
) -> None:
    changed = changed_list(reference_population.parent, change)
    words = (
        "reference",
        "build",
        "wrong",
        "--from",
        reference_population,
        "--cases",
        "quick",
        "--config",
        reference_settings,
    )
    answer = xherald(*words, "--bona-fide", changed)
    assert answer.exit_code == 1
    assert message in answer.stderr
    assert not (reference_settings.parent / "references" / "wrong").exists()


def test_too_few_sources_are_refused(tmp_path: Path, reference_settings: Path, xherald: Callable[..., Any]) -> None:
    from xherald.simulation.population.population import write_population

    write_population(tmp_path / "few.parquet", 12, seed=3, variable_fraction=1.0)
    names = pq.read_table(tmp_path / "few.parquet").column("obsreg_id").to_pylist()
    (tmp_path / "known.json").write_text(json.dumps({"Flares": names[:2], "Dips": names[2:4]}))
    words = ("reference", "build", "few", "--from", tmp_path / "few.parquet", "--bona-fide", tmp_path / "known.json")
    for case in ("quick", "2D-PCA", "statistics"):
        answer = xherald(*words, "--cases", case, "--config", reference_settings)
        assert answer.exit_code == 1, case
        assert "12 sources" in answer.stderr, answer.stderr
    assert not (reference_settings.parent / "references" / "few").exists()


def test_invalid_names_are_refused(
    reference_population: Path, reference_settings: Path, xherald: Callable[..., Any]
) -> None:
    words = ("--from", reference_population, "--config", reference_settings)
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


def test_folder_of_event_files_is_a_population(
    reference_settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
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
    (tmp_path / "drop" / "notes.txt").write_text("not an event file")
    answer = xherald(
        *("reference", "build", "archive", "--from", tmp_path / "drop", "--bona-fide", tmp_path / "known.json"),
        *("--cases", "small", "--json", "--config", reference_settings),
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
    unnamed = xherald("reference", "build", "archive", "--from", tmp_path / "drop", "--config", reference_settings)
    assert unnamed.exit_code == 1
    assert "pass a list with --bona-fide FILE" in unnamed.stderr


BROKEN_EXTRACTOR = """
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
    reference_population: Path, reference_settings: Path, tmp_path: Path, xherald: Callable[..., Any]
) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN_EXTRACTOR)
    answer = xherald(
        *(
            "reference",
            "build",
            "broken",
            "--from",
            reference_population,
            "--cases",
            "broken",
            "--config",
            reference_settings,
        ),
        environment={
            "XHERALD_PLUGINS__FILES": f"[{plugin}]",
            "XHERALD_CASES__BROKEN": "{extractor: {name: broken}, embedder: {name: fast_tsne, perplexity: 20}}",
        },
    )
    names = sorted(pq.read_table(reference_population).column("obsreg_id").to_pylist())
    assert answer.exit_code == 1
    assert f"case broken: features of 1 sources are not finite, the first of {names[7]}" in answer.stderr
    assert not (reference_settings.parent / "references" / "broken").exists()
