"""Positions of recorded events: point spread, roll, dither, surveys and read-out streaks."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from toy_telescope import FAST_FRAME_S, MIN_P_VALUE, chip, exposure, steady, toy

from xherald.photons import PointSpread
from xherald.photons.projection import separation_deg
from xherald.simulation.response import record


@pytest.mark.parametrize("off_axis", [0.0, 400.0], ids=["on-axis", "off-axis"])
def test_radial_profile_agrees_with_the_point_spread(off_axis: float) -> None:
    spread = PointSpread("toy", (0.0, 10.0), (1.5,), ((2.0, 6.0),), ((6.0, 15.0),), 1.0)
    fine = chip(width=12_000, height=12_000, pixel_arcsec=0.1)
    telescope = toy(frame_time=FAST_FRAME_S, point_spread=spread, chips=(fine,), vignetting=np.ones((2, 2)))
    observing = exposure(telescope)
    source = steady(observing, 20_000, west=off_axis)
    events = record(telescope, observing, [source], 4)
    radius = separation_deg(events.ra, events.dec, source.ra, source.dec) * 3600
    for part in (0.3, 0.5, 0.7, 0.9):
        inside = int((radius < spread.radius(part, off_axis / 60)).sum())
        assert stats.binomtest(inside, len(radius), part).pvalue > MIN_P_VALUE


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param({}, id="plain"),
        pytest.param({"rotation": 75.0}, id="rotated-chip"),
        pytest.param({"x_sign": -1}, id="mirrored-chip"),
        pytest.param({"x_sign": -1, "rotation": -40.0, "centre": (90.0, 30.0)}, id="mirrored-rotated-shifted-chip"),
    ],
)
@pytest.mark.parametrize("pattern", ["continuous", "dither", "snapshots"])
@pytest.mark.parametrize("roll", [0.0, 123.0])
def test_events_are_at_the_position_of_their_source(layout: dict[str, float], pattern: str, roll: float) -> None:
    telescope = toy(chips=(chip(**layout),))
    observing = exposure(telescope, 3000.0, pattern=pattern, roll=roll)
    source = steady(observing, 1500, west=100.0, north=-150.0)
    events = record(telescope, observing, [source], 5)
    # A pixel of 1″ and uniform positions within it: ±0.29″ per axis from the pixel and again from the randomisation.
    away = separation_deg(events.ra, events.dec, source.ra, source.dec) * 3600
    assert np.median(away) < 1.0
    assert np.percentile(away, 99) < 2.0
    sky = telescope.projection_at(observing.ra, observing.dec)
    off = np.array(sky.to_pixel(events.ra, events.dec)) - np.array(sky.to_pixel(source.ra, source.dec))[:, None]
    assert (abs(off.mean(axis=1)) < (0.6 if pattern != "dither" else 5 * 0.41 / np.sqrt(len(events)) + 0.02)).all()


@pytest.mark.parametrize(
    ("roll", "west", "north"),
    [
        pytest.param(0.0, 150.0, 80.0, id="unrolled"),
        pytest.param(90.0, -80.0, 150.0, id="north-to-east"),
        pytest.param(180.0, -150.0, -80.0, id="upside-down"),
    ],
)
def test_roll_rotates_chips_from_north_through_east(roll: float, west: float, north: float) -> None:
    telescope = toy()
    observing = exposure(telescope, roll=roll)
    events = record(telescope, observing, [steady(observing, 300, west=west, north=north)], 20)
    assert (abs(events.chip_x - 650.5) < 3).all()
    assert (abs(events.chip_y - 580.5) < 3).all()


def test_dither_moves_a_source_off_the_chip_for_the_expected_time() -> None:
    telescope = toy(frame_time=FAST_FRAME_S, vignetting=np.ones((2, 2)), chips=(chip(height=500),))
    observing = exposure(telescope, 20_000.0, pattern="dither", roll=0.0)
    source = steady(observing, 6000, north=246.0)
    events = record(telescope, observing, [source], 6)
    time = observing.start + np.linspace(0, observing.duration, 200_001)
    on_chip = 246.0 - observing.boresight(time)[1] < 250.0
    assert 0.2 < on_chip.mean() < 0.8
    assert abs(len(events) - 6000 * on_chip.mean()) < 5 * np.sqrt(6000 * on_chip.mean())
    # Their times agree too: at each of them the source is on the chip, within the PSF.
    seen = observing.boresight(events.time)[1]
    assert (246.0 - seen < 250.0 + 2.0).all()


def test_survey_source_is_recorded_during_passes_with_vignetting() -> None:
    wide = chip(width=500, height=500, pixel_arcsec=10.0)
    telescope = toy(
        mission="erosita",
        frame_time=FAST_FRAME_S,
        chips=(wide,),
        off_axis_arcmin=np.array([0.0, 30.0, 31.0]),
        vignetting=np.array([[1.0, 1.0], [0.4, 0.4], [0.0, 0.0]]),
    )
    observing = exposure(telescope, 200.0, pattern="scans")
    source = steady(observing, 40.0 * observing.duration, west=200.0, north=-300.0)
    events = record(telescope, observing, [source], 7)
    passes = np.rint((events.time - observing.start) / 14_400)
    lengths = [np.ptp(events.time[passes == number]) for number in np.unique(passes)]
    assert len(lengths) == len(observing.gti[0])
    assert max(lengths) < 45
    time = np.concatenate([np.arange(*row, 0.01) for row in observing.gti[0]])
    west, north = observing.boresight(time)
    seen = np.cumsum(telescope.vignetting_at(np.hypot(200.0 - west, -300.0 - north) / 60, 1.5))
    assert seen[-1] < 0.85 * len(time)
    expected = np.interp(events.time, time, seen / seen[-1])
    assert stats.kstest(expected, "uniform").pvalue > MIN_P_VALUE
    assert abs(len(events) - 0.4 * seen[-1]) < 5 * np.sqrt(0.4 * seen[-1])


def test_streak_has_the_photons_of_the_readout() -> None:
    telescope = toy(frame_time=FAST_FRAME_S, live_fraction=0.9, streaks=True)
    observing = exposure(telescope, roll=0.0)
    events = record(telescope, observing, [steady(observing, 8000, west=100.0, north=80.0)], 9)
    assert abs(len(events) - 8000 * (1 - 128.06 / 1200)) < 5 * np.sqrt(8000)
    away = abs(events.chip_y - 580.5) > 2
    # About 996 of the 1000 rows are not rows of the source.
    assert stats.binomtest(int(away.sum()), len(events), 0.1 * 0.996).pvalue > MIN_P_VALUE
    assert stats.kstest(events.chip_y[away] / 1000, "uniform").pvalue > MIN_P_VALUE
    assert (abs(events.chip_x - 600.5) < 4).all()


def test_photons_of_the_readout_are_lost_without_streaks() -> None:
    telescope = toy(frame_time=FAST_FRAME_S, live_fraction=0.9)
    observing = exposure(telescope, roll=0.0)
    events = record(telescope, observing, [steady(observing, 8000, north=80.0)], 9)
    assert (abs(events.chip_y - 580.5) < 4).all()
