"""Rows, writers, tables and plots of a batch with undated, untestable and unlocated sources."""

from __future__ import annotations

import dataclasses
import json
import re
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from handmade_detections import flag, scan_of
from variable_sources import simulated_source

from xherald.cli.scan_table import print_table
from xherald.detector.candidates.drawing import GoodTimeAxis, light_curve_edges
from xherald.detector.candidates.evidence import make_evidence
from xherald.detector.candidates.scan_plots import draw_scan
from xherald.detector.extraction.extracted_sources import ExtractedSources
from xherald.detector.results import writers
from xherald.detector.results.row_types import DetectionRow
from xherald.detector.results.rows import make_rows, significance_key
from xherald.detector.results.schema import get_value
from xherald.detector.results.tables import to_qtable, to_table
from xherald.detector.scan import Scan
from xherald.photons import EventBatch
from xherald.photons.errors import ConfigError, FileError


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
def rows(scan: Scan) -> list[DetectionRow]:
    return make_rows(scan)


def read_table(path: Path) -> Table:
    if path.suffix == ".parquet":
        columns = pq.read_table(path).to_pydict()
        return Table({name: [np.nan if one is None else one for one in values] for name, values in columns.items()})
    return Table.read(path, format="votable" if path.suffix == ".xml" else None)


def test_rows_have_the_measurements_of_their_sources(rows: list[DetectionRow]) -> None:
    assert [row["detection_id"] for row in rows] == ["steady", "flare", "nowhere", "few"]
    flare = rows[1]
    assert flare["kind"] == "flare"
    assert flare["interval_start_utc"] is not None
    assert flare["interval_start_utc"].startswith("1998-01-01T01:5")
    assert flare["interval_duration_s"] == pytest.approx(500, abs=100)
    assert flare["interval_counts"] > 5 * flare["interval_expected_counts"]  # type: ignore[operator]
    background = flare["background_counts"]
    assert background == pytest.approx(0.05 * 50, abs=1)
    assert flare["background_counts_error"] == pytest.approx(0.05 * (background / 0.05 + 0.5) ** 0.5)
    assert flare["net_rate_ct_s"] == pytest.approx((flare["counts"] - background) / flare["livetime_s"])
    # Without a background region the background is unknown, not zero.
    background_names = ("background_counts", "background_counts_error", "net_rate_ct_s")
    for row in rows:
        assert [row[name] is None for name in background_names] == 3 * [row["detection_id"] == "nowhere"]
    low, value, high = (flare[f"hardness_inside{end}"] for end in ("_low", "", "_high"))  # type: ignore[literal-required]
    assert low < value < high


def test_unknown_values_are_null(rows: list[DetectionRow]) -> None:
    nowhere, few = rows[2], rows[3]
    assert nowhere["ra_deg"] is None
    assert nowhere["interval_start_s"] is not None
    assert nowhere["interval_start_utc"] is None
    assert (few["p_value"], few["variability_index"], few["kind"]) == (None, None, "steady")
    names = ("false_alarm_probability", "extrapolated", "far_hz", "likely_class", "evidence")
    assert [few[name] for name in names] == [None] * 5
    text = json.dumps(rows, allow_nan=False)
    assert json.loads(text) == rows


def test_row_of_a_candidate_has_its_evidence(scan: Scan, rows: list[DetectionRow]) -> None:
    flare = rows[1]
    assert flare["is_candidate"]
    assert flare["evidence"] is not None
    assert flare["candidate_id"] == flare["evidence"]["candidate_id"]
    assert flare["evidence"] == make_evidence(scan.detections, [1])[0]
    shared = set(flare) & set(flare["evidence"])
    assert {name: flare["evidence"][name] for name in shared} == {name: flare[name] for name in shared}
    assert flare["false_alarm_probability"] == scan.detections.false_alarm_probability[1]
    assert flare["expected_false_alarms_per_1000"] == pytest.approx(1e3 * flare["false_alarm_probability"])
    assert flare["likely_class"] == max(flare["class_probabilities"], key=flare["class_probabilities"].__getitem__)
    assert [row["is_candidate"] for row in rows] == [row["evidence"] is not None for row in rows]


def test_rejecting_veto_keeps_the_kind_but_not_the_candidate(rows: list[DetectionRow]) -> None:
    nowhere = rows[2]
    assert (nowhere["kind"], nowhere["is_candidate"], nowhere["candidate_id"]) == ("flare", False, None)
    assert [one["veto"] for one in nowhere["vetoes"]] == ["hot_pixel"]
    assert nowhere["vetoes"][0]["reason"] == "62% of the photons fell on 1 pixel"


def test_intervals_are_those_of_the_detections(scan: Scan, rows: list[DetectionRow]) -> None:
    found = scan.detections.detection_batch.intervals
    for index, row in enumerate(rows[:3]):
        assert row["interval_start_s"] == found.start[index]
        named = next(test for test in scan.timing.tests if test.name == row["best_test"])
        assert named.intervals.start[index] == found.start[index]
        inside = row["hardness_inside"]
        during = scan.photons.batch[index].time
        held = np.count_nonzero((during >= found.start[index]) & (during <= found.stop[index]))
        assert (inside is None) == (held == 0)


def test_significant_sources_come_first_and_untested_last(rows: list[DetectionRow]) -> None:
    ranked = [row["detection_id"] for row in sorted(rows, key=significance_key)]
    assert ranked == ["flare", "nowhere", "steady", "few"]


def test_rows_of_no_source() -> None:
    batch = EventBatch.from_lists([])
    assert make_rows(scan_of(ExtractedSources(Path("empty.fits"), None, (), batch))) == []


@pytest.mark.parametrize("suffix", [".csv", ".ecsv", ".fits", ".vot", ".xml", ".parquet"])
def test_tables_can_be_read_back(rows: list[DetectionRow], tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"sources{suffix}"
    writers.write(rows, target)
    table = read_table(target)
    assert list(table["detection_id"]) == ["steady", "flare", "nowhere", "few"]
    assert table["counts"].tolist() == [row["counts"] for row in rows]
    p_values = np.ma.filled(np.ma.masked_invalid(table["p_value"]), np.nan)
    np.testing.assert_allclose(p_values, [np.nan if row["p_value"] is None else row["p_value"] for row in rows])
    assert table["flags"][1] == "simulated;for_tests"
    assert [str(value) for value in table["is_candidate"]] == [str(row["is_candidate"]) for row in rows]
    assert table["likely_class"][1] == rows[1]["likely_class"]
    assert table["similar_to"][1] == rows[1]["similar_to"][0]["name"]
    assert table["similar_distance"][1] == pytest.approx(rows[1]["similar_to"][0]["distance"])
    assert table["vetoes"][2] == "hot_pixel"
    assert not list(tmp_path.glob(".*"))


def test_units_and_ucds_are_written(rows: list[DetectionRow], tmp_path: Path) -> None:
    writers.write(rows, tmp_path / "sources.fits")
    header = fits.getheader(tmp_path / "sources.fits", "SOURCES")
    number = next(key for key, value in header.items() if value == "livetime_s").removeprefix("TTYPE")
    assert (header[f"TUNIT{number}"], header[f"TUCD{number}"]) == ("s", "time.duration;obs.exposure")
    writers.write(rows, tmp_path / "sources.vot")
    votable = Table.read(tmp_path / "sources.vot")
    assert votable["ra_deg"].meta["ucd"] == "pos.eq.ra;meta.main"
    assert votable["interval_duration_s"].unit == "s"


@pytest.mark.parametrize("suffix", writers.WRITERS)
def test_writing_no_rows_works(tmp_path: Path, suffix: str) -> None:
    target = tmp_path / f"none{suffix}"
    writers.write([], target)
    assert target.is_file()


def test_json_lines_hold_the_rows(rows: list[DetectionRow], tmp_path: Path) -> None:
    target = tmp_path / "sources.jsonl"
    writers.write(rows, target)
    assert [json.loads(line) for line in target.read_text().splitlines()] == rows


def test_a_failed_write_leaves_the_old_file(
    rows: list[DetectionRow], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
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
    ("name", "reason"), [("sources.xlsx", "allowed suffixes: .jsonl, .csv, .ecsv"), ("nowhere/a.csv", "does not exist")]
)
def test_outputs_are_refused_before_any_work(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        writers.require_writable([tmp_path / name])


def test_columns_hold_the_values_of_the_rows(rows: list[DetectionRow]) -> None:
    table = to_table(rows)
    assert table["interval_counts"][1] == rows[1]["interval_counts"]
    assert table["hardness_inside_low"][1] == rows[1]["hardness_inside_low"]
    assert get_value(rows[2], "vetoes.*.veto") == ["hot_pixel"]
    assert get_value(rows[1], "similar_to.2.name") == rows[1]["similar_to"][2]["name"]
    assert get_value(rows[1], "similar_to.9.name") is None


def test_qtable_has_quantities_times_and_masks(rows: list[DetectionRow]) -> None:
    table = to_qtable(rows)
    assert table["detection_id"].tolist() == ["flare", "nowhere", "steady", "few"]
    assert table["livetime_s"].unit == units.s
    assert table["counts"].dtype.kind == "i"
    assert isinstance(table["interval_start_utc"], Time)
    assert table["interval_start_utc"][0].isot == rows[1]["interval_start_utc"][:-1]  # type: ignore[index]
    assert table["interval_start_utc"].mask.tolist() == [False, True, False, False]
    assert table["ra_deg"].mask.tolist() == [False, True, False, False]
    assert table["p_value"].mask.tolist() == [False, False, False, True]
    assert (table["far_hz"] * units.yr).to_value(units.one)[0] > 0
    assert table["ra_deg"].info.meta["ucd"] == "pos.eq.ra;meta.main"
    empty = to_qtable([])
    assert empty.colnames == table.colnames
    assert empty["ra_deg"].unit == units.deg


def test_printed_table_shows_expected_false_alarms(
    rows: list[DetectionRow], capsys: pytest.CaptureFixture[str]
) -> None:
    print_table(rows, 2, 1.0)
    printed = capsys.readouterr().out
    assert "±0.8″" in printed
    net, background = rows[1]["net_rate_ct_s"], rows[1]["background_counts"]
    assert f"{net:.2g} ({background / rows[1]['livetime_s']:.1g})" in printed  # type: ignore[operator]
    assert "90001/flare" in printed
    assert "few" not in printed
    kinds = [row["kind"] for row in rows]
    counted = f"4 sources: {kinds.count('flare')} flares, {kinds.count('steady')} steady"
    assert f"{counted} (2 not shown; use --all)." in printed
    assert "< 1e-5" in printed
    closing = printed.splitlines()[-1]
    assert closing == (
        "1 candidate at 1 expected false alarm per 1,000 sources, 1 more rejected by a veto; "
        "0.003 false alarms expected among 3 tested sources."
    )


def test_plots_of_candidates_only_or_of_all_sources(scan: Scan, rows: list[DetectionRow], tmp_path: Path) -> None:
    assert draw_scan(scan, rows, tmp_path / "some", 50) == 1
    assert [path.name for path in (tmp_path / "some").iterdir()] == [f"{rows[1]['candidate_id']}.png"]
    assert draw_scan(scan, rows, tmp_path / "all", None) == 4
    assert all(path.read_bytes().startswith(b"\x89PNG") for path in (tmp_path / "all").iterdir())


def test_plots_of_different_files_never_collide(scan: Scan, rows: list[DetectionRow], tmp_path: Path) -> None:
    """Two files of one stem, with the same observation and detection ids but other photons."""
    later = simulated_source("flare", 9, 0.004, (7_000.0, 7_500.0, 0.1))
    other = scan_of(ExtractedSources(Path("elsewhere/list.fits"), None, (), EventBatch.from_lists([later])))
    assert draw_scan(scan, rows, tmp_path, 50) + draw_scan(other, make_rows(other), tmp_path, 50) == 2
    assert len(list(tmp_path.iterdir())) == 2


def test_a_sheet_that_cannot_be_written_is_an_error(scan: Scan, rows: list[DetectionRow], tmp_path: Path) -> None:
    name = f"{rows[1]['candidate_id']}.png"
    (tmp_path / name).mkdir()
    with pytest.raises(FileError, match=rf"{re.escape(name)}: cannot be written"):
        draw_scan(scan, rows, tmp_path, 50)


def test_gaps_are_narrow_strips_on_the_drawn_axis() -> None:
    axis = GoodTimeAxis.of(np.array([[0.0, 1_000.0], [90_000.0, 91_000.0]]))
    np.testing.assert_allclose(axis.place, [0, 1_000, 1_040, 2_040])
    np.testing.assert_allclose(axis.at([500.0, 90_500.0]), [500, 1_540])
    np.testing.assert_allclose(axis.gaps, [[1_000, 1_040]])


def test_bins_are_finer_inside_the_interval() -> None:
    source = simulated_source("flare", 1, 0.004, (7_000.0, 7_500.0, 0.1))
    edges = light_curve_edges(source, (7_000.0, 7_500.0))
    assert edges[0] == 0
    assert edges[-1] == source.exposure.livetime
    assert (np.diff(edges) > 0).all()
    inside = (edges > 5_000) & (edges <= 5_500)
    assert np.diff(edges)[:-1][inside[1:-1]].max() < np.diff(edges).max() / 3
    assert np.histogram(source.exposure.livetime_at(source.time), edges)[0].sum() == len(source)
