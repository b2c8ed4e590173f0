"""The main job on real files: what is known about them must come out of `xherald scan`."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from answers import Answer

Run = Callable[..., Answer]


def test_xrt_200515_comes_out_with_its_spike(xherald: Run, data: Path) -> None:
    answer = xherald("scan", "--json", data / "chandra" / "acisf23022_000N027_r0122_regevt3.fits.gz")
    assert answer.exit_code == 0
    (row,) = answer.rows
    assert (row["kind"], row["counts"], row["detection_id"]) == ("flare", 188, "23022_122")
    start = datetime.fromisoformat(row["interval"]["start_utc"])
    spike = datetime.fromisoformat("2020-05-15T18:35:45Z")
    assert abs((start - spike).total_seconds()) < 3.2  # a frame
    assert row["off_axis_arcmin"] is not None
    assert math.isclose(row["off_axis_arcmin"], 11.75, abs_tol=0.1)


def test_the_known_flare_of_orion_is_found_blind(xherald: Run, data: Path, tmp_path: Path) -> None:
    answer = xherald("scan", "--json", data / "chandra" / "acisf29128N001_evt2.fits.gz", "--plot", tmp_path)
    assert answer.exit_code == 0

    def away(row: dict[str, float]) -> float:
        east = (row["ra"] - 83.833298) * math.cos(math.radians(row["dec"]))
        return math.hypot(east, row["dec"] + 5.420581) * 3600

    known = min(answer.rows, key=away)
    assert away(known) < 2
    assert known["kind"] == "flare"
    flares = [row["detection_id"] for row in answer.rows if row["kind"] == "flare"]
    assert flares.index(known["detection_id"]) < 6
    assert (tmp_path / f"acisf29128N001_evt2_{known['detection_id']}.png").is_file()
