"""Rows, writers, the table and the plots, from a batch that holds every oddity: undated, untestable, without a sky."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from handmade_detections import flag, scan_of
from variable_sources import simulated_source

from xherald.cli.scan_table import print_table
from xherald.detector.candidates.drawing import GoodTimeAxis, light_curve_edges
from xherald.detector.candidates.evidence import evidence_of
from xherald.detector.candidates.formatting import one_in
from xherald.detector.candidates.scan_plots import draw_scan
from xherald.detector.extraction.extracted_sources import ExtractedSources
from xherald.detector.results import writers
from xherald.detector.results.rows import COLUMNS, SourceRow, significance, source_rows, value_at
from xherald.detector.scan import Scan
from xherald.photons import EventBatch
from xherald.photons.errors import ConfigError, FileError

NEEDED = {
    "mission", "instrument", "obs_id", "detection_id", "ra", "dec", "pos_err_arcsec", "off_axis_arcmin", "counts",
    "background_counts", "livetime_s", "p_value", "kind", "interval", "tests", "variability_index", "hardness", "flags",
    "file", "aperture_origin", "xherald", "candidate", "candidate_id", "false_alarm_probability", "far_hz", "p_astro",
    "expected_false_alarms_per_1000", "score", "similar_to", "class_probabilities", "likely_class", "vetoes",
    "evidence",
}  # fmt: skip


@pytest.fixture(scope="module")
def scan() -> Scan:
    burst = (7_000.0, 7_500.0, 0.1)
    nowhere = simulated_source("nowhere", 5, 0.004, burst, dated=False)
    identity = dataclasses.replace(nowhere.identity, ra=None, dec=None, pos_err_arcsec=None, off_axis_arcmin=None)
    lists = [
        simulated_source("steady", 2, 0.01),
        simulated_source("flare", 1, 0.004, burst),
        dataclasses.replace(nowhere, identity=identity, background=None),
        simulated_source("few", 4, 0.0001),
    ]
    batch = EventBatch.from_lists(lists)
    return scan_of(ExtractedSources(Path("drop/list.fits"), None, (), batch), vetoes=(flag("hot_pixel", 4, [2]),))


@pytest.fixture(scope="module")
def rows(scan: Scan) -> list[SourceRow]:
    return source_rows(scan)


def test_rows_tell_all_that_is_promised(rows: list[SourceRow]) -> None:
    assert [row["detection_id"] for row in rows] == ["steady", "flare", "nowhere", "few"]
    assert all(set(row) >= NEEDED for row in rows)
    flare = rows[1]
    interval = flare["interval"]
    assert flare["kind"] == "flare"
    assert interval is not None
    assert interval["start_utc"] is not None
    assert interval["start_utc"].startswith("1998-01-01T01:5")
    assert interval["duration_s"] == pytest.approx(500, abs=100)
    assert interval["counts"] > 5 * interval["expected"]
    assert flare["background_counts"] == pytest.approx(0.05 * 50, abs=1)
    assert flare["background_error"] == pytest.approx(0.05 * (flare["background_counts"] / 0.05 + 0.5) ** 0.5)
    # Where there is no region to take it from, the background is unknown, not zero.
    assert [(row["background_counts"] is None, row["background_error"] is None) for row in rows] == [
        (False, False),
        (False, False),
        (True, True),
        (False, False),
    ]
    inside = flare["hardness"]["inside"]
    assert inside is not None
    assert inside["low"] < inside["value"] < inside["high"]


def test_unknown_things_are_null(rows: list[SourceRow]) -> None:
    nowhere, few = rows[2], rows[3]
    assert nowhere["ra"] is None
    assert nowhere["interval"] is not None
    assert nowhere["interval"]["start_utc"] is None
    assert (few["p_value"], few["variability_index"], few["kind"]) == (None, None, "steady")
    assert (few["false_alarm_probability"], few["far_hz"], few["likely_class"], few["evidence"]) == (None,) * 4
    text = json.dumps(rows, allow_nan=False)
    assert json.loads(text) == rows


def test_a_candidate_s_row_holds_its_evidence(scan: Scan, rows: list[SourceRow]) -> None:
    flare = rows[1]
    assert flare["candidate"]
    assert flare["evidence"] is not None
    assert flare["candidate_id"] == flare["evidence"]["candidate_id"]
    assert flare["evidence"] == evidence_of(scan.detections, [1])[0]
    assert flare["evidence"]["interval"] == flare["interval"]
    assert flare["false_alarm_probability"] == scan.detections.false_alarm_probability[1]
    assert flare["expected_false_alarms_per_1000"] == pytest.approx(1e3 * flare["false_alarm_probability"])
    assert flare["likely_class"] == max(flare["class_probabilities"], key=flare["class_probabilities"].__getitem__)
    assert [row["candidate"] for row in rows] == [row["evidence"] is not None for row in rows]


def test_a_flag_that_rejects_leaves_the_kind_and_takes_the_candidate(rows: list[SourceRow]) -> None:
    nowhere = rows[2]
    assert (nowhere["kind"], nowhere["candidate"], nowhere["candidate_id"]) == ("flare", False, None)
    assert [one["veto"] for one in nowhere["vetoes"]] == ["hot_pixel"]
    assert nowhere["vetoes"][0]["reason"] == "62% of the photons fell on 1 pixel"


def test_intervals_are_those_of_the_verdict(scan: Scan, rows: list[SourceRow]) -> None:
    found = scan.detections.detection_batch.intervals
    for index, row in enumerate(rows[:3]):
        assert row["interval"] is not None
        assert row["interval"]["start_s"] == found.start[index]
        named = next(test for test in scan.timing.tests if test.name == row["best_test"])
        assert named.intervals.start[index] == found.start[index]
        inside = row["hardness"]["inside"]
        during = scan.photons.batch[index].time
        held = np.count_nonzero((during >= found.start[index]) & (during <= found.stop[index]))
        assert (inside is None) == (held == 0)


def test_the_significant_come_first_and_the_untested_last(rows: list[SourceRow]) -> None:
    ranked = [row["detection_id"] for row in sorted(rows, key=significance)]
    assert ranked == ["flare", "nowhere", "steady", "few"]


def test_rows_of_no_source() -> None:
    batch = EventBatch.from_lists([])
    assert source_rows(scan_of(ExtractedSources(Path("empty.fits"), None, (), batch))) == []


@pytest.mark.parametrize("suffix", [".csv", ".fits", ".vot", ".xml"])
def test_tables_can_be_read_back(rows: list[SourceRow], tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"sources{suffix}"
    writers.write(rows, target)
    table = Table.read(target, format="votable" if suffix == ".xml" else None)
    assert list(table["detection_id"]) == ["steady", "flare", "nowhere", "few"]
    assert table["counts"].tolist() == [row["counts"] for row in rows]
    p_values = np.ma.filled(np.ma.masked_invalid(table["p_value"]), np.nan)
    np.testing.assert_allclose(p_values, [np.nan if row["p_value"] is None else row["p_value"] for row in rows])
    assert table["flags"][1] == "simulated;for_tests"
    assert table["candidate"].tolist() == (
        [str(row["candidate"]) for row in rows] if suffix == ".csv" else [row["candidate"] for row in rows]
    )
    assert table["class"][1] == rows[1]["likely_class"]
    assert table["similar_to"][1] == rows[1]["similar_to"][0]["name"]
    assert table["similar_distance"][1] == pytest.approx(rows[1]["similar_to"][0]["distance"])
    assert table["vetoes"][2] == "hot_pixel"
    assert not list(tmp_path.glob(".*"))


def test_units_and_meanings_are_written(rows: list[SourceRow], tmp_path: Path) -> None:
    writers.write(rows, tmp_path / "sources.fits")
    header = fits.getheader(tmp_path / "sources.fits", "SOURCES")
    number = next(key for key, value in header.items() if value == "livetime").removeprefix("TTYPE")
    assert (header[f"TUNIT{number}"], header[f"TUCD{number}"]) == ("s", "time.duration;obs.exposure")
    writers.write(rows, tmp_path / "sources.vot")
    votable = Table.read(tmp_path / "sources.vot")
    assert votable["ra"].meta["ucd"] == "pos.eq.ra;meta.main"
    assert votable["duration"].unit == "s"


@pytest.mark.parametrize("suffix", writers.WRITERS)
def test_writing_no_rows_works(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"none{suffix}"
    writers.write([], target)
    assert target.is_file()


def test_json_lines_hold_the_rows(rows: list[SourceRow], tmp_path: Path) -> None:
    target = tmp_path / "sources.jsonl"
    writers.write(rows, target)
    assert [json.loads(line) for line in target.read_text().splitlines()] == rows


def test_a_failed_write_leaves_the_old_file(
    rows: list[SourceRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "sources.jsonl"
    target.write_text("old\n")

    def full_disk(_rows: object, part: Path) -> None:
        part.write_text("half")
        raise OSError(28, "No space left on device")

    monkeypatch.setitem(writers.WRITERS, ".jsonl", full_disk)
    with pytest.raises(FileError, match=r"sources.jsonl: cannot be written: No space left"):
        writers.write(rows, target)
    assert target.read_text() == "old\n"
    assert [path.name for path in tmp_path.iterdir()] == ["sources.jsonl"]


@pytest.mark.parametrize(
    ("name", "reason"), [("sources.xlsx", "allowed: .jsonl, .csv"), ("nowhere/a.csv", "does not exist")]
)
def test_outputs_are_refused_before_any_work(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        writers.require_writable([tmp_path / name])


def test_columns_find_their_values(rows: list[SourceRow]) -> None:
    table = writers.as_table(rows)
    assert table["interval_counts"][1] == rows[1]["interval"]["counts"]  # type: ignore[index]
    assert table["hardness_inside_low"][1] == rows[1]["hardness"]["inside"]["low"]  # type: ignore[index]
    assert all(column.description.isascii() for column in COLUMNS)
    assert all(column.path.split(".")[0] in rows[0] for column in COLUMNS)
    assert value_at(rows[2], "vetoes.*.veto") == ["hot_pixel"]
    assert value_at(rows[1], "similar_to.2.name") == rows[1]["similar_to"][2]["name"]
    assert value_at(rows[1], "similar_to.9.name") is None


def test_the_table_says_how_sure_numbers_are(rows: list[SourceRow], capsys: pytest.CaptureFixture[str]) -> None:
    print_table(rows, 2, 1.0)
    printed = capsys.readouterr().out
    assert "±0.8″" in printed
    assert "2.5±" in printed or "±0.4" in printed
    assert "90001/flare" in printed
    assert "few" not in printed
    kinds = [row["kind"] for row in rows]
    counted = f"4 sources: {kinds.count('flare')} flares, {kinds.count('dip')} dips, {kinds.count('steady')} steady"
    assert f"{counted} (2 not shown; --all shows them)." in printed
    assert one_in(rows[1]["false_alarm_probability"]) in printed
    closing = printed.splitlines()[-1]
    assert closing == (
        "1 candidate at 1 expected false alarm per 1,000 sources, 1 more with a flag that rejects; "
        "3 sources tested: 0.003 false alarms expected."
    )


def test_sheets_of_candidates_only_or_of_all(scan: Scan, rows: list[SourceRow], tmp_path: Path) -> None:
    assert draw_scan(scan, rows, tmp_path / "some", 50) == 1
    assert [path.name for path in (tmp_path / "some").iterdir()] == ["list_flare.png"]
    assert draw_scan(scan, rows, tmp_path / "all", None) == 4
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (tmp_path / "all").iterdir())


def test_a_sheet_that_cannot_be_written_is_an_error(scan: Scan, rows: list[SourceRow], tmp_path: Path) -> None:
    (tmp_path / "list_flare.png").mkdir()
    with pytest.raises(FileError, match=r"list_flare.png: cannot be written"):
        draw_scan(scan, rows, tmp_path, 50)


def test_pauses_are_narrow_strips_on_the_drawn_axis() -> None:
    axis = GoodTimeAxis.of(np.array([[0.0, 1_000.0], [90_000.0, 91_000.0]]))
    np.testing.assert_allclose(axis.place, [0, 1_000, 1_040, 2_040])
    np.testing.assert_allclose(axis.at([500.0, 90_500.0]), [500, 1_540])
    np.testing.assert_allclose(axis.pauses, [[1_000, 1_040]])


def test_bins_are_finer_inside_the_interval() -> None:
    source = simulated_source("flare", 1, 0.004, (7_000.0, 7_500.0, 0.1))
    edges = light_curve_edges(source, (7_000.0, 7_500.0))
    assert edges[0] == 0
    assert edges[-1] == source.exposure.livetime
    assert (np.diff(edges) > 0).all()
    inside = (edges > 5_000) & (edges <= 5_500)
    assert np.diff(edges)[:-1][inside[1:-1]].max() < np.diff(edges).max() / 3
    assert np.histogram(source.exposure.livetime_at(source.time), edges)[0].sum() == len(source)
