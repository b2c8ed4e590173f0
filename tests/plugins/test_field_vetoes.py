"""Vetoes of what the field and its bright sources do: background flares, streaks, wings, truncated bursts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from dithering_field import HOST, PIXEL_PER_ARCSEC, WIDE_SPREAD, DitheringField, extract_at, find_flags, find_rejections

from xherald.detector.configuration.configuration import load_configuration
from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.detector.scoring.veto_flags import apply_vetoes, flag_rows, rejected
from xherald.evaluation.veto_trials import make_detection_batch
from xherald.photons import PixelLayout
from xherald.photons.statistics import assess
from xherald.plugins import DetectionBatch


def test_background_flare_of_the_field_is_rejected() -> None:
    sky = DitheringField(8)
    sky.add_background(40_000)
    sky.add_background(20_000, 9_000, 10_000)
    sky.add_source(-150, 150, sky.rng.uniform(9_400, 9_500, 800), spread=WIDE_SPREAD)
    # Without background regions, the timing tests do not include the background.
    places = [(150, 150), (150, -150), (-150, 150)]
    detection_batch = extract_at(sky.make_observation(spread=WIDE_SPREAD), places, background=False)
    assert (detection_batch.timing.p_value < 1e-4).all()
    assert find_rejections(detection_batch) == {"background_flare": [0, 1]}


def test_background_dip_of_the_field_is_rejected() -> None:
    sky = DitheringField(9)
    sky.add_background(60_000, 0, 9_000)
    sky.add_background(60_000, 11_000, 20_000)
    sky.add_background(2_000, 9_000, 11_000)
    for x, on in ((100, (0, 9_000)), (100, (11_000, 20_000)), (-100, (0, 14_000)), (-100, (16_000, 20_000))):
        sky.add_source(x, 0, sky.rng.uniform(*on, int((on[1] - on[0]) / 60)))
    detection_batch = extract_at(sky.make_observation(), [(100, 0), (-100, 0)])
    assert (detection_batch.timing.p_value[:1] < 1e-4).all()
    assert find_rejections(detection_batch)["background_flare"] == [0]


@pytest.mark.parametrize("others", [0, 1, 2, 3])
def test_few_photons_of_the_field_explain_no_burst(others: int) -> None:
    # A list cut out around a burst: what is left of the field may be two photons, both in the interval by chance.
    sky = DitheringField(21 + others)
    sky.add_source(0, 0, sky.rng.uniform(6_000, 6_400, 90), spread=WIDE_SPREAD)
    sky.add_background(4)
    far = sky.rng.uniform(150, 200, (others, 2))
    sky.add_photons(sky.rng.uniform(6_000, 6_400, others), far)
    detection_batch = extract_at(sky.make_observation(spread=WIDE_SPREAD), [(0, 0)], background=False)
    assert detection_batch.timing.p_value[0] < 1e-9
    assert find_rejections(detection_batch) == {}


def test_wings_of_a_burst_are_no_flare_of_the_field() -> None:
    sky = DitheringField(31)
    sky.add_background(400)
    sky.add_source(0, 0, sky.rng.uniform(6_000, 6_400, 3_000), spread=WIDE_SPREAD)
    sky.add_source(0, 0, sky.rng.uniform(0, 20_000, 100), spread=WIDE_SPREAD)
    detection_batch = extract_at(sky.make_observation(spread=WIDE_SPREAD), [(0, 0)], background=False)
    assert find_rejections(detection_batch) == {}


def test_truncated_burst_is_flagged_without_rejection() -> None:
    sky = DitheringField(11)
    sky.add_background(3_000)
    sky.add_source(100, 0, np.linspace(19_902, 19_996, 25))
    sky.add_source(-100, 0, sky.rng.uniform(9_900, 10_000, 25))
    detection_batch = extract_at(sky.make_observation(), [(100, 0), (-100, 0)])
    flags = apply_vetoes(detection_batch, HOST.vetoes, {}, HOST)
    assert not rejected(flags).any()
    assert [row["veto"] for row in flag_rows(flags, 0) if row["veto"] == "truncated"] == ["truncated"]
    assert not [row for row in flag_rows(flags, 1) if row["veto"] == "truncated"]


@pytest.mark.parametrize(
    ("name", "layout", "step"),
    [
        ("readout_streak", PixelLayout(("px", "py"), out_of_time=0.3), (0, 1)),
        ("lobster_arm", PixelLayout(("px", "py"), arms=0.5), (1, 0)),
    ],
)
def test_stray_photons_of_a_bright_flare_are_rejected(name, layout, step) -> None:
    sky = DitheringField(12)
    sky.add_background(3_000)
    # One source along the column or row of the bright one, and one at a similar distance but off the column or row.
    along = np.linalg.inv(PIXEL_PER_ARCSEC) @ (200 * np.array(step))
    across = np.array([-along[1], along[0]])
    off = (along + across) * 0.9
    sky.add_source(0, 0, sky.rng.uniform(6_000, 6_200, 8_000))
    for place in (along, off):
        sky.add_source(*place, sky.rng.uniform(6_000, 6_200, 12))
    detection_batch = extract_at(sky.make_observation(layout), [(0, 0), tuple(along), tuple(off)])
    assert (detection_batch.timing.p_value < 1e-6).all()
    assert find_rejections(detection_batch)[name] == [1]
    # Without streaks or arms in the layout, the veto is not raised.
    assert name not in find_flags(extract_at(sky.make_observation(), [(0, 0), tuple(along), tuple(off)]))


def test_wings_of_a_flare_are_rejected_and_its_core_is_kept() -> None:
    sky = DitheringField(13)
    sky.add_background(3_000)
    sky.add_source(150, 0, sky.rng.uniform(6_000, 6_200, 3_000))
    found = find_rejections(extract_at(sky.make_observation(), [(150, 0), (153, 1.8), (151.5, 1)]))
    assert 1 in found["bright_neighbour"]
    assert 0 not in found["bright_neighbour"]


def extract_file(path: Path) -> DetectionBatch:
    configuration = load_configuration(None, {})
    photons = extract_sources(path, configuration)
    return make_detection_batch(photons, assess(photons.batch, configuration.settings.timing))


@pytest.mark.parametrize("name", ["acisf23022_000N027_r0122_regevt3.fits.gz", "acisf23022_0.3-7_evt2_filtered.fits"])
def test_xrt_200515_with_crowded_frames_is_kept(data: Path, name: str) -> None:
    detection_batch = extract_file(data / "chandra" / name)
    assert detection_batch.timing.p_value[0] < 1e-9
    assert find_rejections(detection_batch) == {}


def test_orion_flares_are_kept(data: Path) -> None:
    detection_batch = extract_file(data / "chandra" / "acisf29128N001_evt2.fits.gz")
    flags = apply_vetoes(detection_batch, HOST.vetoes, {}, HOST)
    away = [
        np.hypot((one.ra - 83.833298) * np.cos(np.radians(one.dec)), one.dec + 5.420581)
        for one in detection_batch.apertures
    ]
    flare = int(np.argmin(away))
    assert away[flare] * 3600 < 2
    significant = detection_batch.timing.p_value < 1e-3
    assert significant[flare]
    assert not (rejected(flags) & significant).any()
