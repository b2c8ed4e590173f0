"""Files of one event scanned together: the cameras of an observation, and copies under other names."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from astropy.io import fits
from camera_files import flaring_position, write_camera_files
from click.testing import CliRunner

import xherald as xh
from xherald.cli import main
from xherald.detector.extraction.forced_sources import FORCED_FLAG
from xherald.detector.results.row_types import DetectionRow
from xherald.photons.projection import separation_deg


@pytest.fixture(scope="module")
def cameras(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """MOS1, MOS2 and pn of an observation with one flare."""
    return write_camera_files(tmp_path_factory.mktemp("cameras"), 8.0)


@pytest.fixture(scope="module")
def result(cameras: list[Path]) -> xh.ScanResult:
    """The scan of all three."""
    return xh.scan(cameras, progress=False)


def test_flare_in_three_cameras_is_one_candidate(result: xh.ScanResult) -> None:
    (one,) = result.candidates
    assert one.row["instrument"] == "EMOS1+EMOS2+EPN"
    assert one.row["evidence"] is not None
    seen = one.row["evidence"]["detections"]
    assert sorted(row["instrument"] for row in seen) == ["EMOS1", "EMOS2", "EPN"]
    assert one.row["counts"] == sum(row["counts"] for row in seen)
    # The results of the cameras stay rows, with the id of the candidate.
    members = [row for row in result.rows if row["candidate_id"] == one.candidate_id and not row["is_candidate"]]
    assert len(members) == 3
    assert all(row["evidence"] is None for row in members)
    alone = [row["p_value"] for row in members]
    assert one.row["p_value"] is not None
    assert all(p is not None and one.row["p_value"] < p for p in alone)
    assert result[one.candidate_id or ""] is one


def test_flux_of_all_cameras_is_among_those_of_each(result: xh.ScanResult) -> None:
    (one,) = result.candidates
    members = [row for row in result.rows if row["candidate_id"] == one.candidate_id and not row["is_candidate"]]
    fluxes = [row["flux_broad_erg_cm2_s"] for row in members]
    joint, peak = one.row["flux_broad_erg_cm2_s"], (one.row["evidence"] or {}).get("peak_flux_broad_erg_cm2_s")
    assert joint is not None
    assert isinstance(peak, float)
    assert all(flux is not None for flux in fluxes)
    # Counts for a unit of flux add over cameras, with the spectrum of the first.
    assert 0.9 * min(flux or 0.0 for flux in fluxes) < joint < 1.1 * max(flux or 0.0 for flux in fluxes)
    assert peak > joint


def test_flare_that_one_camera_detects_is_tested_in_all_photons(tmp_path: Path) -> None:
    # 55 photons in the flare of 700 s, 1.5 in 1 ks outside, on a background that is ten times that.
    files = write_camera_files(tmp_path, 60.0, seed=7, rate=0.001)
    together = xh.scan(files, progress=False)
    single = [one for path in files for one in xh.scan(path, progress=False).rows]

    def is_flare(row: DetectionRow) -> bool:
        return bool(separation_deg(row["ra_deg"], row["dec_deg"], *flaring_position()) * 3600 < 10)

    assert [row["instrument"] for row in single if is_flare(row)] == ["EMOS2"]
    (one,) = together.candidates
    assert is_flare(one.row)
    assert one.row["instrument"] == "EMOS1+EMOS2+EPN"
    assert FORCED_FLAG not in one.row["flags"]
    members = {row["instrument"]: row for row in together.rows if is_flare(row) and row is not one.row}
    assert {name for name, row in members.items() if FORCED_FLAG in row["flags"]} == {"EMOS1", "EPN"}
    assert one.row["counts"] == sum(row["counts"] for row in members.values())
    # What the camera detects stays as it was found there alone.
    for row in single:
        same = [
            each
            for each in together.rows
            if (each["instrument"], each["detection_id"]) == (row["instrument"], row["detection_id"])
        ]
        assert [(each["counts"], each["p_value"]) for each in same] == [(row["counts"], row["p_value"])]


def test_sheet_of_a_joint_candidate_is_drawn(result: xh.ScanResult, tmp_path: Path) -> None:
    assert result.save_plots(tmp_path) == 1
    assert [path.stem for path in tmp_path.iterdir()] == [result.candidates[0].candidate_id]


def test_sheet_of_a_joint_candidate_is_drawn_again_from_the_files_of_its_cameras(
    result: xh.ScanResult, cameras: list[Path], tmp_path: Path
) -> None:
    rows, sheet = tmp_path / "rows.jsonl", tmp_path / "sheet.png"
    result.write(rows)
    name = result.candidates[0].candidate_id or ""
    done = CliRunner().invoke(main, ["candidate", "show", name, "--from", str(rows), "--sheet", str(sheet)])
    assert done.exit_code == 0, done.output
    result.save_plots(tmp_path / "first")
    # The numbers of both are those of the evidence, and so are the photons.
    assert sheet.read_bytes() == (tmp_path / "first" / f"{name}.png").read_bytes()


def test_steady_sources_are_listed_once_for_each_camera(result: xh.ScanResult) -> None:
    assert len(result.table) == len(result)
    assert sum(row["instrument"].count("+") > 0 for row in result.rows) == 1


def test_command_shows_one_candidate(cameras: list[Path], result: xh.ScanResult) -> None:
    done = CliRunner().invoke(main, ["scan", "--json", *map(str, cameras)])
    assert done.exit_code == 0, done.output
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert [row["candidate_id"] for row in rows if row["is_candidate"]] == [result.candidates[0].candidate_id]


def test_copy_in_another_observation_is_the_same_event(demo_files: list[Path], tmp_path: Path) -> None:
    path = next(one for one in demo_files if one.name.startswith("acis"))
    copy = tmp_path / "acisf90002N001_evt2.fits"
    with fits.open(path) as hdus:
        hdus["EVENTS"].header["OBS_ID"] = "90002"
        hdus.writeto(copy)
    both = xh.scan([path, copy], progress=False)
    alone = xh.scan(path, progress=False)
    assert len(both.candidates) == len(alone.candidates) == 3
    for one in both.candidates:
        assert one.row["evidence"] is not None
        assert {row["obs_id"] for row in one.row["evidence"]["detections"]} == {"90001", "90002"}
        assert sum(row["candidate_id"] == one.candidate_id for row in both.rows) == 2
