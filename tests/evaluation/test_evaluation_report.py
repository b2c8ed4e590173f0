"""The whole evaluation: its report, goals, document, real files and command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from scored_samples import SEED, find_row

from benchmarks.evaluation_document import markdown
from benchmarks.evaluation_goals import goals
from xherald.cli.evaluation_tables import print_report
from xherald.detector.configuration.configuration import load_configuration
from xherald.evaluation import baselines
from xherald.evaluation.detector_under_test import averaged_detector
from xherald.evaluation.method_scores import DETECTOR, ORACLE, ScoredSources, score_parts
from xherald.evaluation.real_fields import QUIET, evaluate_files
from xherald.evaluation.report import read_report, write_report
from xherald.evaluation.run import EvaluationSizes, evaluate
from xherald.evaluation.samples import SamplePart
from xherald.photons.errors import ArtefactError
from xherald.photons.statistics import TimingSettings

TINY = EvaluationSizes(
    steady=150, flares=100, dips=100, population=150, reference=120, injections=1, stream=2000, replays=3
)


@pytest.fixture(scope="module")
def report() -> dict[str, object]:
    return evaluate(averaged_detector, "toy", load_configuration(None, {}), sizes=TINY, seed=SEED)


def test_report_has_every_method_on_every_sample(report) -> None:
    for name, sample in report["samples"].items():
        methods = {row["method"] for row in sample["efficiencies"] if row["direction"] == "flare"}
        wanted = {DETECTOR, *baselines.FLARE_TESTS, "halves_quarters", "2D-PCA 1-NN", "3D-PCA kNN ratio"}
        assert wanted <= methods
        assert (ORACLE in methods) == (name == "grid")
    assert report["samples"]["grid"]["sources"] == {"dip": 100, "flare": 100, "steady": 150}
    assert [one["file"] for one in report["real"]["skipped"]] == list(QUIET)
    assert {row["wanted"] for row in goals(report)} >= {"≥ 0.03", "≤ 0.005", "≤ 0.10"}


def test_goals_follow_the_measured_values(report) -> None:
    """Each goal follows its number in the report."""
    measured = {row["goal"]: row for row in goals(report) if row["sample"] == "grid"}
    for direction in ("flare", "dip"):
        limit = find_row(
            report["samples"]["grid"]["efficiencies"],
            direction=direction,
            rate=0.01,
            group="all",
            counts=[10, 501],
            method=ORACLE,
        )
        below = measured[f"{direction}s at 1 % false, 10–500 counts: below the limit of timing"]
        assert below["measured"] == limit["difference"]
        assert below["reached"] is (limit["difference"] <= 0.005)
    faint = [one for one in report["samples"]["grid"]["by"] if (one["by"], one["method"]) == ("faint", ORACLE)]
    for one in (one for one in faint if one["direction"] == "flare"):
        above = measured[f"flares at 1 % false, 10–50 counts, {one['value']}: above the limit of timing"]
        assert above["reached"] is (-one["difference"] >= 0.03)
    stream = {**report["stream"], "false_fraction": 0.3}
    count = {"kind": "", "telescope": "", "trials": 1000, "low": 0.0, "high": 1.0}
    vetoes = [
        {**count, "group": "clean", "what": "flagged", "counted": 6, "part": 0.006},
        {**count, "group": "transient", "what": "kept", "counted": 990, "part": 0.99},
        {**count, "group": "artefact", "what": "rejected", "counted": 900, "part": 0.9},
    ]
    changed = {**report, "stream": stream, "vetoes": {"rows": vetoes}}
    reached = {row["goal"]: row["reached"] for row in goals(changed)}
    assert reached["false discoveries along a stream"] is False
    assert reached["clean: flagged (6 of 1,000)"] is False
    assert reached["transient: kept (990 of 1,000)"] is True
    assert reached["artefact: rejected (900 of 1,000)"] is False
    assert "| artefact, rejected | all | 900 | 1,000 |" in markdown(changed)


def test_report_is_written_read_and_printed(report, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = write_report(report, tmp_path / "out")
    assert read_report(written[0]) == json.loads(json.dumps(report))
    text = markdown(report)
    assert "limit of timing" in text
    assert "halves and quarters" in text
    pages = [path for path in written if path.suffix == ".png"]
    assert {page.stem for page in pages} >= {"efficiency_grid", "roc_classes", "false_alarms_grid", "stream"}
    assert all(page.read_bytes()[:4] == b"\x89PNG" for page in pages)
    print_report(report)
    assert "Poisson scan" in capsys.readouterr().out


def test_report_of_another_version_is_refused(report, tmp_path: Path) -> None:
    path = tmp_path / "evaluation.json"
    path.write_text(json.dumps({**report, "schema_version": 99}))
    with pytest.raises(ArtefactError, match="99"):
        read_report(path)


def test_scores_are_reproduced_by_the_same_seed() -> None:
    def again(seed: int) -> ScoredSources:
        return score_parts(
            [SamplePart("grid", "swift-xrt", "flare", 0, 60)], seed, averaged_detector, {}, TimingSettings()
        )

    first, second, other = again(5), again(5), again(6)
    for method, score in first.scores["flare"].items():
        assert np.array_equal(score, second.scores["flare"][method]), method
    assert not np.array_equal(first.facts["counts"], other.facts["counts"])


def test_document_has_the_released_run_or_states_that_there_is_none(root: Path) -> None:
    text = (root / "docs" / "evaluation.md").read_text()
    assert text.startswith(markdown(None).split("\nNo run")[0].rstrip())
    assert ("## This run" in text) != ("No run has been released yet." in text)


def test_real_files_are_evaluated_with_injections(data: Path) -> None:
    configuration = load_configuration(None, {})
    result = evaluate_files(data, 1, SEED, averaged_detector, configuration)
    assert result["skipped"] == []
    assert [one["file"] for one in result["files"]] == list(QUIET)
    assert all(one["tested"] > 5 for one in result["files"])
    assert len(result["injections"]) == len(QUIET)
    strong = [one for one in result["injections"] if one["photons"] >= 40]
    assert all(one["placed"] for one in strong)


def test_evaluate_command_writes_a_report(xherald, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from xherald.evaluation import run as whole

    monkeypatch.setattr(whole, "QUICK", EvaluationSizes(50, 50, 50, 50, 0, 0, 500, 2))
    answer = xherald("evaluate", "--quick", "--json", "--seed", 3, "--out", tmp_path)
    assert answer.exit_code == 0, answer
    assert json.loads(answer.stdout)["seed"] == 3
    assert (tmp_path / "evaluation.json").is_file()
