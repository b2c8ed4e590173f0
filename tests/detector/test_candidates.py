"""Evidence of candidates, plot sheets, look-up by id."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cli_result import CliResult
from handmade_detections import FLOOR, STREAM_HZ, detections_of, flag, scan_of, table_of
from store_rows import NOW, RUN, claimed, observation
from variable_sources import simulated_source

from xherald.catalog_store.ledger.drop_outcome import DropOutcome
from xherald.catalog_store.ledger.records import CandidateRecord
from xherald.catalog_store.ledger.store import open_store
from xherald.detector.candidates.evidence import Evidence, make_evidence
from xherald.detector.candidates.find_candidate import find_candidate
from xherald.detector.candidates.sheet import draw_sheet
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.detector.results import writers
from xherald.detector.results.rows import make_rows
from xherald.detector.scoring.detections import Detections
from xherald.photons import EventBatch
from xherald.photons.errors import FileError
from xherald.photons.probabilities import format_probability
from xherald.photons.statistics import DIP, FLARE
from xherald.simulation.population.population import Population, simulate_population

Run = Callable[..., CliResult]


# --- evidence --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def population() -> Population:
    return simulate_population(400, seed=5, variable_fraction=0.6)


@pytest.fixture(scope="module")
def detections(population: Population) -> Detections:
    n = len(population.batch)
    vetoes = (flag("hot_pixel", n, [3]), flag("chip_edge", n, [3, 4], rejects=False))
    return detections_of(table_of(population.batch), vetoes=vetoes)


@pytest.fixture(scope="module")
def evidence(detections: Detections) -> list[Evidence]:
    return make_evidence(detections, np.arange(len(detections)))


def test_evidence_is_json_and_values_lie_within_their_limits(evidence: list[Evidence]) -> None:
    assert json.loads(json.dumps(evidence, allow_nan=False)) == evidence
    measured = (
        "interval_counts",
        "interval_expected_counts",
        "interval_background_counts",
        "fluence_counts",
        "contrast",
    )
    rows: list[Any] = [one for one in evidence if one["interval_start_s"] is not None]
    values = [[one[f"{name}{end}"] for end in ("_low", "", "_high")] for one in rows for name in measured]
    assert len(values) > 1_000
    for low, value, high in values:
        assert value is not None or low is high is None
        assert value is None or low is None or low <= value
        assert value is None or high is None or value <= high


def test_evidence_of_some_sources_equals_that_of_all(detections: Detections, evidence: list[Evidence]) -> None:
    chosen = [30, 2, 17]
    assert make_evidence(detections, chosen) == [evidence[index] for index in chosen]
    mask = np.isin(np.arange(len(detections)), chosen)
    assert make_evidence(detections, mask) == [evidence[index] for index in sorted(chosen)]
    assert make_evidence(detections, []) == []


def test_numbers_are_those_of_the_detections(detections: Detections, evidence: list[Evidence]) -> None:
    intervals, batch = detections.detection_batch.intervals, detections.detection_batch.batch
    for index in np.flatnonzero(detections.candidate)[:20].tolist():
        one = evidence[index]
        assert one["interval_start_s"] == intervals.start[index]
        assert one["interval_counts"] == intervals.counts[index]
        assert one["interval_expected_counts"] == pytest.approx(intervals.expected[index])
        assert one["counts"] == batch.counts[index]
        p = max(detections.tail_probability[index], FLOOR)
        assert one["false_alarm_probability"] == p
        assert one["extrapolated"] == (detections.tail_probability[index] < FLOOR)
        assert one["ranking_statistic"] == pytest.approx(-np.log10(detections.tail_probability[index]))
        assert one["expected_false_alarms_per_1000"] == pytest.approx(1e3 * p)
        assert one["far_hz"] == pytest.approx(STREAM_HZ * p)
        assert one["reference"] == "toy@1.2.0"
        assert sum(one["class_probabilities"].values()) == pytest.approx(1)
        assert [near["distance"] for near in one["similar_to"]] == sorted(
            near["distance"] for near in one["similar_to"]
        )


def test_t90_is_that_of_the_simulated_bursts(population: Population, detections: Detections) -> None:
    """The middle of T90 lies within the true event."""
    truth = population.truth
    direction = np.array(truth["direction"].to_pylist())
    start, stop = (np.array(truth[f"event_{end}_s"].to_pylist(), dtype=float) for end in ("start", "stop"))
    bright = np.flatnonzero(
        (direction == "flare") & detections.significant & (detections.detection_batch.direction == FLARE)
    )
    found = make_evidence(detections, bright)
    middle = np.array([0.5 * (one["t90_start_s"] + one["t90_stop_s"]) for one in found])  # type: ignore[operator]
    assert len(bright) > 20
    inside = (middle >= start[bright]) & (middle <= stop[bright])
    assert inside.mean() > 0.9


def test_dips_have_a_depth_and_no_peak(detections: Detections, evidence: list[Evidence]) -> None:
    dips = [
        evidence[i]
        for i in np.flatnonzero(detections.significant & (detections.detection_batch.direction == DIP)).tolist()
    ]
    assert len(dips) > 5
    for one in dips:
        assert (one["kind"], one["t90_s"], one["peak_rate_ct_s"]) == ("dip", None, None)
        assert one["fluence_counts_high"] < 0  # type: ignore[operator]
        assert one["contrast_high"] < 1  # type: ignore[operator]


def test_peak_rate_of_the_brightest_block_or_the_interval() -> None:
    burst = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (one,) = make_evidence(detections_of(table_of(EventBatch.from_lists([burst]))), [0])
    assert one["peak_rate_origin"] == "brightest Bayesian block"
    assert one["peak_rate_low_ct_s"] < 0.204 < one["peak_rate_high_ct_s"]  # type: ignore[operator]
    assert one["peak_rate_livetime_s"] == pytest.approx(400, abs=60)
    faint = simulated_source("faint", 3, 0.0015)
    (steady,) = make_evidence(detections_of(table_of(EventBatch.from_lists([faint]))), [0])
    assert steady["peak_rate_origin"] in (None, "interval")


def test_background_within_the_interval() -> None:
    source = simulated_source("burst", 1, 0.004, (7_000.0, 7_400.0, 0.2))
    (one,) = make_evidence(detections_of(table_of(EventBatch.from_lists([source]))), [0])
    start, stop = one["interval_start_s"], one["interval_stop_s"]
    assert source.background is not None
    around = source.background.time
    during = np.count_nonzero((around >= start) & (around <= stop))  # type: ignore[operator]
    assert one["interval_background_counts"] == pytest.approx(during * 0.05)
    bare = dataclasses.replace(source, background=None)
    (without,) = make_evidence(detections_of(table_of(EventBatch.from_lists([bare]))), [0])
    assert without["interval_background_counts"] is None


def test_hardness_change_of_a_harder_burst() -> None:
    source = simulated_source("burst", 1, 0.01, (7_000.0, 7_400.0, 0.2))
    during = (source.time >= 7_000) & (source.time <= 7_400)
    energy = np.where(during, 5.0, 1.0).astype(np.float32)
    changed = dataclasses.replace(source, energy=energy, background=None)
    (one,) = make_evidence(detections_of(table_of(EventBatch.from_lists([changed]))), [0])
    assert one["hardness_change_sigma"] is not None
    assert one["hardness_change_sigma"] > 5
    assert one["hardness_inside_low"] > one["hardness_outside_high"]  # type: ignore[operator]


def test_vetoes_have_reasons_and_numbers(evidence: list[Evidence]) -> None:
    assert [(one["veto"], one["rejects"]) for one in evidence[3]["vetoes"]] == [
        ("hot_pixel", True),
        ("chip_edge", False),
    ]
    assert evidence[3]["vetoes"][0]["reason"] == "62% of the photons fell on 1 pixel"
    assert evidence[3]["vetoes"][0]["numbers"] == {"share": 0.62, "pixels": 1.0}
    assert evidence[5]["vetoes"] == []


def test_without_a_reference_no_transient_is_similar(population: Population) -> None:
    plain = detections_of(table_of(population.batch.select([0, 1])), with_reference=False)
    for one in make_evidence(plain, [0, 1]):
        assert (one["similar_to"], one["embedding"], one["reference"]) == ([], None, None)


def test_evidence_of_an_untested_source_has_no_probabilities() -> None:
    few = simulated_source("few", 4, 0.0001, dated=False)
    scored = detections_of(table_of(EventBatch.from_lists([few])))
    (one,) = make_evidence(scored, [0])
    assert (one["kind"], one["false_alarm_probability"], one["class_probabilities"]) == ("steady", None, {})
    json.dumps(one, allow_nan=False)


# --- sheets ----------------------------------------------------------------------------------------------------------


def read_sheet(detections: Detections, index: int) -> str:
    """All text of a sheet, titles of panels included."""
    figure = draw_sheet(detections, index, make_evidence(detections, [index])[0])
    figure.canvas.draw()
    texts = [text.get_text() for text in figure.texts]
    for place in figure.axes:
        texts += [place.get_title(), *(text.get_text() for text in place.texts)]
    return "\n".join(texts)


def test_sheet_shows_kind_significance_and_vetoes(detections: Detections) -> None:
    words = read_sheet(detections, 3)
    one = make_evidence(detections, [3])[0]
    assert one["candidate_id"] in words
    probability = format_probability(one["false_alarm_probability"], extrapolated=one["extrapolated"])
    assert f"false-alarm probability {probability} per source" in words
    assert "hot pixel (rejects): 62% of the photons fell on 1 pixel" in words
    assert "map toy@1.2.0 2D-PCA" in words
    assert "cumulative counts" in words


@pytest.mark.parametrize("what", ["no field", "untested", "no reference"])
def test_sheets_without_a_field_tests_or_a_reference(what: str) -> None:
    source = simulated_source("few", 4, 0.0001, dated=False) if what == "untested" else simulated_source("a", 2, 0.01)
    scored = detections_of(table_of(EventBatch.from_lists([source])), with_reference=what != "no reference")
    words = read_sheet(scored, 0)
    assert ("not testable" in words) == (what == "untested")
    assert ("map" in words) == (what != "no reference")


def test_sheet_of_a_field_shows_images_inside_and_outside(demo_files: list[Path]) -> None:
    photons = extract_sources(demo_files[0], load_configuration(None, {}))
    scored = detections_of(photons)
    index = int(np.flatnonzero(scored.candidate)[0])
    words = read_sheet(scored, index)
    assert "inside the interval" in words
    assert "outside the interval" in words
    assert "cumulative counts" not in words


def test_xrt_200515_is_measured_as_published(data: Path) -> None:
    photons = extract_sources(
        data / "chandra" / "acisf23022_000N027_r0122_regevt3.fits.gz", load_configuration(None, {})
    )
    (one,) = make_evidence(detections_of(photons), [0])
    assert one["candidate_id"].startswith("XH-CHANDRA-ACIS-23022-23022_122-")
    assert one["t90_start_utc"].startswith("2020-05-15T18:35:4")  # type: ignore[union-attr]
    # a spike of 10 s with a tail of about 800 s
    assert one["t90_low_s"] < 800 < one["t90_high_s"]  # type: ignore[operator]
    # 34 counts in the best 10 s
    assert one["peak_rate_low_ct_s"] < 3.4 < one["peak_rate_high_ct_s"]  # type: ignore[operator]


# --- look-up ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def written(population: Population, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Evidence]]:
    """File with the rows of a scan, and the evidence of its candidates."""
    scan = scan_of(table_of(population.batch))
    rows = make_rows(scan)
    target = tmp_path_factory.mktemp("rows") / "sources.jsonl"
    writers.write(rows, target)
    return target, [row["evidence"] for row in rows if row["evidence"] is not None]


def test_a_candidate_is_found_by_its_id(written: tuple[Path, list[Evidence]]) -> None:
    path, candidates = written
    assert len(candidates) > 30
    for one in candidates[:5]:
        assert find_candidate(one["candidate_id"], path) == one


def test_the_last_line_of_a_candidate_counts(written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    path, candidates = written
    row = next(json.loads(line) for line in path.read_text().splitlines() if candidates[0]["candidate_id"] in line)
    row["evidence"]["p_astro"] = 0.25
    target = tmp_path / "twice.jsonl"
    target.write_text(path.read_text() + json.dumps(row) + "\n")
    assert find_candidate(candidates[0]["candidate_id"], target)["p_astro"] == 0.25


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "no candidate XH-none in this file, nor any other"),
        ('{"evidence": null}\n', "no candidate XH-none in this file, nor any other"),
        ("not json\n", "line 1 is not JSON"),
        ("[1]\n", "line 1 is not a row of a scan"),
        ('{"evidence": null}\n{"a": 1}\n', "line 2 is not a row of a scan"),
        ('{"evidence": {"candidate_id": "XH-none"}}\n', "another version, evidence lacks association_probability"),
        ('{"evidence": 3}\n', "line 1: evidence is not an object"),
        ("[" * 100_000, "line 1 is not JSON"),
    ],
)
def test_files_not_written_by_a_scan_are_rejected(tmp_path: Path, content: str, reason: str) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(content)
    with pytest.raises(FileError, match=reason):
        find_candidate("XH-none", path)


def test_binary_files_are_rejected(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b"\xff\xfe\x00\x01")
    with pytest.raises(FileError, match="not a text file"):
        find_candidate("XH-none", path)


def test_show_prints_the_evidence(xherald: Run, written: tuple[Path, list[Evidence]]) -> None:
    path, candidates = written
    one = candidates[0]
    answer = xherald("candidate", "show", one["candidate_id"], "--from", path)
    assert answer.exit_code == 0
    assert answer.stdout.startswith(one["candidate_id"])
    probability = format_probability(one["false_alarm_probability"], extrapolated=one["extrapolated"])
    assert f"false-alarm probability {probability} per source" in answer.stdout
    assert "within the interval" in answer.stdout
    assert xherald("candidate", "show", one["candidate_id"], "--from", path, "--json").rows == [one]


def test_show_reads_the_store(xherald: Run, written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    _, candidates = written
    url = f"sqlite:///{tmp_path / 'store.sqlite'}"
    name = candidates[0]["candidate_id"]
    with open_store(url) as store:
        for place, evidence in enumerate((candidates[0], {"of": "another version"})):
            (drop,) = claimed(store, f"file{place}")
            record = CandidateRecord(name if place == 0 else "XH-old", 0, "flare", evidence=evidence)
            store.commit_result(drop.id, RUN, [observation(f"obs{place}")], DropOutcome([record], []), NOW)
    answer = xherald("candidate", "show", name, "--store", url, "--json")
    assert answer.exit_code == 0
    assert {key: answer.rows[0][key] for key in candidates[0]} == candidates[0]
    absent = xherald("candidate", "show", "XH-absent", "--store", url)
    assert (absent.exit_code, absent.stderr.count("\n")) == (1, 1)
    assert "XH-absent" in absent.stderr
    old = xherald("candidate", "show", "XH-old", "--store", url)
    assert old.exit_code == 1
    assert "stored by another version" in old.stderr


def test_names_from_files_are_not_markup(xherald: Run, written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    _, candidates = written
    odd = {**candidates[0], "candidate_id": "XH-odd", "obs_id": "[bold]x[/bold] [/nothing]"}
    target = tmp_path / "odd.jsonl"
    target.write_text(json.dumps({"evidence": odd}) + "\n")
    answer = xherald("candidate", "show", "XH-odd", "--from", target)
    assert answer.exit_code == 0
    assert "[bold]x[/bold] [/nothing]" in answer.stdout


def test_show_names_the_missing_id(xherald: Run, written: tuple[Path, list[Evidence]], tmp_path: Path) -> None:
    path, candidates = written
    answer = xherald("candidate", "show", "XH-nothing", "--from", path)
    assert answer.exit_code == 1
    assert answer.stderr.count("\n") == 1
    assert "no candidate XH-nothing in this file; it has XH-" in answer.stderr
    assert xherald("candidate", "show", "XH-nothing", "--from", tmp_path / "none.jsonl").exit_code == 2
    name = candidates[0]["candidate_id"]
    assert xherald("candidate", "show", name, "--from", path, "--sheet", tmp_path / "a.pdf").exit_code == 2
    gone = xherald("candidate", "show", name, "--from", path, "--sheet", tmp_path / "a.png")
    assert gone.exit_code == 1
    assert "drop/list.parquet" in gone.stderr


def test_scan_and_show_agree(xherald: Run, demo_files: list[Path], tmp_path: Path) -> None:
    rows = tmp_path / "sources.jsonl"
    photons = extract_sources(demo_files[0], load_configuration(None, {}))
    scan = scan_of(photons)
    writers.write(make_rows(scan), rows)
    evidence = make_evidence(scan.detections, scan.detections.candidate)[0]
    sheet = tmp_path / "sheet.png"
    answer = xherald("candidate", "show", evidence["candidate_id"], "--from", rows, "--sheet", sheet)
    assert answer.exit_code == 0
    # Nothing but progress, which is shown after 5 s.
    assert re.fullmatch(r"( *\d+ s  (scoring \d+ sources|drawing)\n)*", answer.stderr)
    assert answer.stdout.endswith(f"Wrote {sheet}\n")
    assert sheet.read_bytes().startswith(b"\x89PNG")
    rows.write_text(rows.read_text().replace(f'"counts": {evidence["counts"]}', '"counts": 3'))
    changed = xherald("candidate", "show", evidence["candidate_id"], "--from", rows, "--sheet", sheet)
    assert changed.exit_code == 1
    assert "scan the file again" in changed.stderr
