"""The main job on real files: what is known about them must come out of `xherald scan`."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from cli_result import CliResult

Run = Callable[..., CliResult]


def test_xrt_200515_comes_out_with_its_spike(xherald: Run, data: Path) -> None:
    answer = xherald("scan", "--json", data / "chandra" / "acisf23022_000N027_r0122_regevt3.fits.gz")
    assert answer.exit_code == 0
    (row,) = answer.rows
    assert (row["kind"], row["counts"], row["detection_id"]) == ("flare", 188, "23022_122")
    start = datetime.fromisoformat(row["interval_start_utc"])
    spike = datetime.fromisoformat("2020-05-15T18:35:45Z")
    assert abs((start - spike).total_seconds()) < 3.2  # a frame
    # The brightest block is the spike itself: it begins in that very second and holds about 34 counts in 10 s.
    assert round(datetime.fromisoformat(row["peak_start_utc"]).timestamp()) == spike.timestamp()
    assert row["peak_duration_s"] < 13
    assert row["peak_counts"] >= 28
    # The smallest probability that is stated is that of the calibration's null sources, however strong the burst.
    assert row["extrapolated"]
    assert 1e-6 <= row["false_alarm_probability"] < 1e-3
    # The position quoted for it (RA 77.8218, Dec -67.4322) lies within the stated error twice over.
    east = (row["ra_deg"] - 77.8218) * math.cos(math.radians(row["dec_deg"]))
    assert 0.5 < row["pos_err_arcsec"] < 1.5
    assert math.hypot(east, row["dec_deg"] + 67.4322) * 3600 < 2 * row["pos_err_arcsec"]
    assert row["off_axis_arcmin"] is not None
    assert math.isclose(row["off_axis_arcmin"], 11.75, abs_tol=0.1)


def test_the_known_flare_of_orion_is_found_blind(xherald: Run, data: Path, tmp_path: Path) -> None:
    answer = xherald("scan", "--json", data / "chandra" / "acisf29128N001_evt2.fits.gz", "--plot", tmp_path)
    assert answer.exit_code == 0

    def away(row: dict[str, float]) -> float:
        east = (row["ra_deg"] - 83.833298) * math.cos(math.radians(row["dec_deg"]))
        return math.hypot(east, row["dec_deg"] + 5.420581) * 3600

    known = min(answer.rows, key=away)
    assert away(known) < 2
    assert known["kind"] == "flare"
    brightened = ("flare", "onset", "decay", "recurrent")
    flares = [row["detection_id"] for row in answer.rows if row["kind"] in brightened]
    # Two brighter stars of the field flare as strongly; nothing else may come before it.
    assert flares.index(known["detection_id"]) < 3
    assert known["interval_counts"] > 20 * known["interval_expected_counts"]
    for ra, dec in ((83.8168, -5.3897), (83.8222, -5.4290)):
        near = min(answer.rows, key=lambda row: math.hypot(row["ra_deg"] - ra, row["dec_deg"] - dec))
        assert near["kind"] in brightened
        assert math.hypot(near["ra_deg"] - ra, near["dec_deg"] - dec) * 3600 < 1
    assert (tmp_path / f"{known['candidate_id']}.png").is_file()


def test_a_weak_source_that_is_on_for_the_last_quarter_of_the_time_is_an_onset(xherald: Run, data: Path) -> None:
    answer = xherald("scan", "--json", data / "chandra" / "acisf28964N002_evt2.fits.gz")
    first = answer.rows[0]
    assert math.hypot(first["ra_deg"] - 244.716668, first["dec_deg"] + 1.991759) * 3600 < 3
    assert (first["kind"], first["counts"]) == ("onset", 24)  # 23 of them in the last fifth
    assert first["p_value"] < 1e-9
    assert first["interval_duration_s"] < 2700


def test_quiet_fields_stay_quiet(xherald: Run, data: Path) -> None:
    names = ("0201901401_mos1_exp1", "0201901401_mos2_exp1", "0201903501_mos1_exp1")
    answer = xherald("scan", "--json", *(data / "xmm" / f"{name}_clean_evts.fits.gz" for name in names))
    assert len(answer.rows) > 25
    assert [row["kind"] for row in answer.rows if row["kind"] != "steady"] == []
    assert min(row["false_alarm_probability"] for row in answer.rows if row["p_value"] is not None) > 1e-3
    quiet = xherald("scan", "--json", data / "chandra" / "755_7_evt2_05_8keV.fits.gz").rows
    # One soft star in this field brightened in its first 6 ks, with an exponential decay; the others are steady.
    variable = [row for row in quiet if row["kind"] != "steady"]
    assert len(quiet) > 30
    assert len(variable) <= 1
