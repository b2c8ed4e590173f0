"""Lists cut out around one source: recognised by keywords, region table or extent, with a background list if given."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from cut_event_lists import PIXEL_ARCSEC, write_wide_field_list

import xherald as xh
from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import ExtractedSources, extract_sources
from xherald.detector.extraction.given_sources import GivenSources
from xherald.photons.errors import ConfigError

BURST = (200.0, 40.0)
"""Start and decay time of the burst, s."""


def spot(rng: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """A focal spot with the wings of a Lorentzian, arcsec."""
    radius, turn = 150.0 * np.sqrt(1 / (1 - rng.random(n)) - 1), rng.uniform(0, 2 * np.pi, n)
    return radius * np.cos(turn), radius * np.sin(turn)


def inside(x: np.ndarray, y: np.ndarray, radius: float) -> np.ndarray:
    return np.hypot(x, y) < radius


def burst_list(path: Path, seed: int, radius: float, counts: int = 150, **more: object) -> Path:
    """A burst over a few photons of background, all within a circle."""
    rng = np.random.default_rng(seed)
    x, y = spot(rng, counts)
    around = rng.uniform(-radius, radius, (2, 6))
    time = np.append(BURST[0] + rng.exponential(BURST[1], counts), rng.uniform(0, 500, 6))
    x, y = np.append(x, around[0]), np.append(y, around[1])
    keep = inside(x, y, radius) & (time < 500)
    return write_wide_field_list(path, x[keep], y[keep], time[keep], **more)  # type: ignore[arg-type]


def extracted(path: Path, **given: object) -> ExtractedSources:
    return extract_sources(path, load_configuration(None), GivenSources(**given))  # type: ignore[arg-type]


def in_pixels(radius: float) -> float:
    return radius / PIXEL_ARCSEC


@pytest.mark.parametrize("seed", range(3))
def test_a_small_list_is_one_source_and_its_burst_is_a_candidate(tmp_path: Path, seed: int) -> None:
    path = burst_list(tmp_path / "cut.evt", seed, 900.0)
    (scan,) = [xh.scan(path)]
    assert len(scan.rows) == 1
    row = scan.rows[0]
    assert row["is_candidate"]
    assert row["counts"] > 100
    assert "no_background" in row["flags"]
    assert row["vetoes"] == []


@pytest.mark.parametrize(
    "keywords",
    [
        [("DSTYP1", "time"), ("DSVAL1", "TABLE"), ("DSTYP2", "sky(x,y)"), ("DSVAL2", "Circle(5000,5000,245)")],
        [("DSTYP1", "POS"), ("DSVAL1", "CIRCLE(5000,5000,245)")],
        [("DSTYP4", "(X,Y)"), ("DSVAL4", "ellipse(5000,5000,245,240,30)")],
        [("DSTYP1", "pos(x,y)"), ("DSVAL1", "RotBox(5000,5000,490,490,0)-Circle(5100,5000,20)")],
    ],
)
def test_a_list_with_a_named_region_is_one_source(tmp_path: Path, keywords: list[tuple[str, object]]) -> None:
    # 2000 arcsec: too large to be recognised by the extent of the events.
    path = burst_list(tmp_path / "cut.evt", 1, 2000.0, keywords=keywords)
    found = extracted(path)
    assert [one.origin for one in found.apertures] == ["whole list"]
    assert found.batch.counts[0] == found.observation.events.screening.kept
    assert found.batch.area_ratio[0] == 0


def test_a_region_table_marks_one_source_and_an_annulus_does_not(tmp_path: Path) -> None:
    circle = ("CIRCLE", 0.0, 0.0, (2000.0, 0.0), 0.0)
    path = burst_list(tmp_path / "cut.evt", 2, 2000.0, regions=[circle])
    assert [one.origin for one in extracted(path).apertures] == ["whole list"]
    hollow = burst_list(tmp_path / "hollow.evt", 2, 2000.0, regions=[circle, ("!CIRCLE", 0.0, 0.0, (900.0, 0.0), 0.0)])
    observation = extracted(hollow, as_source=True).observation
    assert observation.cut_region.is_hollow
    assert observation.cut_region.area == pytest.approx(np.pi * (2000.0**2 - 900.0**2), rel=0.02)
    assert "whole list" not in [one.origin for one in extracted(hollow).apertures]


def test_a_field_is_searched_unless_it_is_said_to_be_one_source(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    x, y = rng.uniform(-1800, 1800, (2, 400))
    path = write_wide_field_list(tmp_path / "field.evt", x, y, rng.uniform(0, 500, 400))
    assert "whole list" not in [one.origin for one in extracted(path).apertures]
    forced = extracted(path, as_source=True)
    assert forced.batch.counts.tolist() == [400]
    assert [row["counts"] for row in xh.scan(path, as_source=True).rows] == [400]
    with pytest.raises(ConfigError, match="as_source"):
        GivenSources(sources=path, as_source=True)


def annulus_list(path: Path, n: int, area_seed: int = 5, **more: object) -> Path:
    rng = np.random.default_rng(area_seed)
    radius, turn = np.sqrt(rng.uniform(1000.0**2, 2000.0**2, n)), rng.uniform(0, 2 * np.pi, n)
    time = rng.uniform(0, 500, n)
    return write_wide_field_list(path, radius * np.cos(turn), radius * np.sin(turn), time, **more)  # type: ignore[arg-type]


def test_a_background_list_is_scaled_by_the_regions_or_by_backscal(tmp_path: Path) -> None:
    circle = [("DSTYP1", "POS"), ("DSVAL1", f"CIRCLE(5000,5000,{in_pixels(900.0)})")]
    annulus = [("DSTYP1", "POS"), ("DSVAL1", f"ANNULUS(5000,5000,{in_pixels(1000.0)},{in_pixels(2000.0)})")]
    source = burst_list(tmp_path / "source.evt", 4, 900.0, keywords=circle)
    found = extracted(source, background=annulus_list(tmp_path / "around.evt", 300, keywords=annulus))
    assert found.batch.area_ratio[0] == pytest.approx(900.0**2 / (2000.0**2 - 1000.0**2), rel=0.01)
    assert len(found.batch.background_time) == 300
    assert "the regions of both lists" in found.notes[0]
    assert "no_background" not in found.batch.identities[0].flags
    scaled = burst_list(tmp_path / "scaled.evt", 4, 900.0, keywords=[*circle, ("BACKSCAL", 2.0e-4)])
    around = annulus_list(tmp_path / "scaled_around.evt", 300, keywords=[("BACKSCAL", 1.0e-3)])
    assert extracted(scaled, background=around).batch.area_ratio[0] == pytest.approx(0.2)


def test_a_background_list_of_another_time_is_refused(tmp_path: Path) -> None:
    source = burst_list(tmp_path / "source.evt", 4, 900.0, exposure=900.0)
    with pytest.raises(ConfigError, match="56% of the good time"):
        extracted(source, background=annulus_list(tmp_path / "around.evt", 300))


def test_the_command_takes_a_list_as_a_source_with_a_background(tmp_path: Path, xherald) -> None:
    source = burst_list(tmp_path / "source.evt", 4, 2000.0)
    around = annulus_list(tmp_path / "around.evt", 60)
    (row,) = xherald("scan", source, "--as-source", "--background", around, "--json").rows
    assert row["is_candidate"]
    assert row["background_counts"] > 0


def test_lists_of_others_are_one_source(data: Path, tmp_path: Path) -> None:
    for path in (
        data.parent / "cases/chandra/region_cut_burst.evt",
        data / "chandra" / "acisf23022_0.3-7_evt2_filtered.fits",
    ):
        here = Path(shutil.copy(path, tmp_path))
        (row,) = xh.scan(here).rows
        assert row["is_candidate"], path.name
        assert row["vetoes"] == []


def test_a_cut_list_without_its_region_file_is_searched(data: Path, tmp_path: Path) -> None:
    """The source and its wings fill the list, so that no background is left to compare with rings about the axis."""
    path = tmp_path / "acisf23022_000N027_r0122_regevt3.fits.gz"
    shutil.copyfile(data / "chandra" / path.name, path)
    (candidate,) = (row for row in xh.scan(path).rows if row["is_candidate"])
    assert candidate["kind"] == "flare"
    assert abs(candidate["ra_deg"] - 77.8220) < 0.001
    assert abs(candidate["dec_deg"] + 67.4324) < 0.001
