"""Drafts of circulars say what the evidence says, in ASCII of 72 columns, whatever is in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from cli_result import CliResult
from handmade_detections import scan_of

from xherald.detector.candidates.circular import COLUMNS, draft_circular
from xherald.detector.candidates.evidence import make_evidence
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.detector.results import writers
from xherald.detector.results.row_types import Evidence
from xherald.detector.results.rows import make_rows
from xherald.detector.scan import Scan


@pytest.fixture(scope="module")
def scan(demo_files: list[Path]) -> Scan:
    return scan_of(extract_sources(demo_files[0], load_configuration(None, {})))


@pytest.fixture
def evidence(scan: Scan) -> Evidence:
    return make_evidence(scan.detections, scan.detections.candidate)[0]


def changed(evidence: Evidence, **values: Any) -> Evidence:
    return cast("Evidence", {**evidence, **values})


def test_a_draft_has_the_numbers_of_the_evidence(evidence: Evidence) -> None:
    text = draft_circular(evidence, "A. Duty (ESO)")
    subject, _, body = text.partition("\n\n")
    assert subject.startswith(f"SUBJECT: {evidence['candidate_id']}: ")
    assert body.startswith("A. Duty (ESO) report:\n")
    words = " ".join(body.split())
    assert evidence["interval_counts"] is not None
    assert f"{evidence['interval_counts']:.0f} photons were detected" in words
    assert str(evidence["interval_start_utc"]) in words
    assert "False-alarm probability" in words
    assert "[CHECK BEFORE SENDING]" in words
    assert all(len(line) <= COLUMNS for line in body.splitlines())


def test_what_is_unknown_is_left_out(evidence: Evidence) -> None:
    names = ("t90_s", "interval_start_utc", "ra_deg", "counterparts", "history", "interval_counts")
    text = draft_circular(changed(evidence, **dict.fromkeys(names), class_set=[], flags=[], vetoes=[]))
    assert text.isascii()
    for word in ("None", "T90", "Its position", "counterpart", "coverage"):
        assert word not in text


def test_texts_of_files_and_catalogues_cannot_break_a_draft(evidence: Evidence) -> None:
    hostile = "\x1b[31mV1229\nSUBJECT: injected\r\n Ori \u202e ★"
    row = {
        "name": hostile,
        "category": "active_star",
        "separation_arcsec": 0.3,
        "probability": 0.97,
    }
    text = draft_circular(changed(evidence, counterparts=[row], obs_id=hostile), hostile)
    assert text.isascii()
    assert "\x1b" not in text
    assert [line for line in text.splitlines() if line.startswith("SUBJECT")] == [text.splitlines()[0]]


def test_the_command_drafts_from_rows_of_a_scan(
    scan: Scan, evidence: Evidence, xherald: Callable[..., CliResult], tmp_path: Path
) -> None:
    rows = tmp_path / "rows.jsonl"
    writers.write(make_rows(scan), rows)
    name = evidence["candidate_id"]
    done = xherald("candidate", "draft", name, "--from", rows)
    assert done.exit_code == 0
    assert done.stdout.startswith(f"SUBJECT: {name}")
    drafted = json.loads(xherald("candidate", "draft", name, "--from", rows, "--json").stdout)
    assert set(drafted) == {"subject", "body"}
    assert drafted["body"] in done.stdout
    assert xherald("candidate", "draft", "XH-none", "--from", rows).exit_code == 1
