"""Where telescopes look and when: good times, dither, snapshots, passes and soft-proton flares."""

from __future__ import annotations

import numpy as np
import pytest
from toy_telescope import chip, exposure, toy

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError
from xherald.photons.gti import as_gti, gti_intersection, gti_total
from xherald.simulation.exposure import ObservingPlan
from xherald.simulation.observing import PATTERNS, observe
from xherald.simulation.random_streams import stream
from xherald.simulation.telescope import Telescope
from xherald.simulation.telescopes import TELESCOPES

FOUR = toy(chips=tuple(chip(number, module=number) for number in (3, 5, 6, 7)), frame_time=3.2)


def in_focal_plane(observing: ObservingPlan, time: F64) -> tuple[F64, F64]:
    """The boresight along the chips' axes instead of the sky's."""
    west, north = observing.boresight(time)
    roll = np.radians(observing.roll)
    return west * np.cos(roll) + north * np.sin(roll), north * np.cos(roll) - west * np.sin(roll)


@pytest.mark.parametrize("telescope", [toy(), FOUR], ids=["one-chip", "four-chips"])
@pytest.mark.parametrize("pattern", list(PATTERNS))
@pytest.mark.parametrize("duration", [150.0, 7000.0])
def test_good_times_are_whole_frames_of_the_time_asked_for(telescope: Telescope, pattern: str, duration: float) -> None:
    observing = exposure(telescope, duration, pattern=pattern, rng=stream(1, pattern))
    frame = telescope.frame_time
    assert set(observing.gti) == {one.number for one in telescope.chips}
    for gti in observing.gti.values():
        as_gti(gti)
        frames = (gti - observing.start) / frame
        assert np.allclose(frames, np.rint(frames), rtol=0, atol=1e-6 / frame)
    first, *others = observing.gti.values()
    assert first[0, 0] == observing.start
    assert first[-1, 1] - first[0, 0] == pytest.approx(observing.duration, abs=1e-6)
    lost = frame * len(first) * 2
    assert duration - lost < gti_total(first) < duration + (42.0 if pattern == "scans" else 1e-6)
    for gti in others:
        assert gti_total(gti_intersection(gti, first)) == pytest.approx(gti_total(gti), abs=1e-5)
        assert gti_total(gti) > 0.8 * gti_total(first)
    assert observing.protons.time[0] <= 0
    assert observing.protons.time[-1] >= observing.duration


def test_chips_of_one_camera_differ_by_some_frames() -> None:
    observing = exposure(FOUR, 60_000.0, pattern="continuous")
    first, *others = observing.gti.values()
    assert len(first) == 1
    assert any(len(gti) > 1 for gti in others)
    assert len({gti.tobytes() for gti in observing.gti.values()}) > 1


@pytest.mark.parametrize("pattern", list(PATTERNS))
def test_the_same_seed_gives_the_same_exposure(pattern: str) -> None:
    one, again, other = (
        observe(FOUR, pattern, ra=3.0, dec=4.0, duration=5000.0, rng=stream(seed, "seed")) for seed in (2, 2, 3)
    )
    time = one.start + np.linspace(0, one.duration, 999)
    assert (one.start, one.roll) == (again.start, again.roll) != (other.start, other.roll)
    assert all(np.array_equal(one.gti[number], again.gti[number]) for number in one.gti)
    assert np.array_equal(one.boresight(time), again.boresight(time))
    assert np.array_equal(one.protons.rate, again.protons.rate)


def test_dither_is_a_lissajous_figure_along_the_chips() -> None:
    observing = exposure(toy(), 20_000.0, pattern="dither")
    time = observing.start + np.linspace(0, 15_000, 60_001)
    u, v = in_focal_plane(observing, time)
    for axis, period, place in ((0, 1000.0, u), (1, 707.1, v)):
        assert np.ptp(place) == pytest.approx(16.0, abs=1e-3)
        assert np.allclose(in_focal_plane(observing, time + period)[axis], place, rtol=0, atol=1e-4)
        assert not np.allclose(in_focal_plane(observing, time + period / 2)[axis], place, rtol=0, atol=1.0)


@pytest.mark.parametrize("pattern", ["continuous", "proton_flares", "occulted"])
def test_other_pointings_stand_still(pattern: str) -> None:
    observing = exposure(toy(), 5000.0, pattern=pattern)
    assert not np.any(observing.boresight(observing.start + np.linspace(0, observing.duration, 99)))


def test_snapshots_come_once_an_orbit_each_with_its_own_aim() -> None:
    observing = exposure(toy(frame_time=2.5), 12_000.0, pattern="snapshots")
    gti = observing.gti[0]
    lengths = np.diff(gti, axis=1).ravel()
    assert len(gti) == 12
    assert ((lengths > 500) & (lengths < 1900)).all()
    orbits = np.rint((gti[:, 0] - gti[0, 0]) / 5760)
    assert (np.diff(orbits) >= 1).all()
    assert (abs(gti[:, 0] - gti[0, 0] - orbits * 5760) < 301).all()
    aims = np.array([observing.boresight(np.linspace(*row, 50)) for row in gti])
    assert (np.ptp(aims, axis=2) == 0).all()
    assert len(np.unique(aims[:, 0, 0])) == 12
    assert 10 < aims[:, :, 0].std() < 90


@pytest.mark.parametrize(("duration", "drift"), [(200.0, 600.0), (2000.0, None)], ids=["ecliptic", "near-the-pole"])
def test_survey_passes_cross_the_field_and_move_on(duration: float, drift: float | None) -> None:
    observing = exposure(toy(mission="erosita"), duration, pattern="scans")
    gti = observing.gti[0]
    lengths = np.diff(gti, axis=1).ravel()
    assert lengths.max() < 41.7
    middle = gti.mean(axis=1)
    assert np.allclose(np.diff(middle), 14_400, rtol=0, atol=0.2)
    u, v = in_focal_plane(observing, middle)
    assert (abs(v) < 90 * 0.1).all()
    steps = np.diff(u)
    assert np.allclose(steps, steps[0])
    assert steps[0] == pytest.approx(600.0) if drift else steps[0] < 100
    after = in_focal_plane(observing, middle + 10)
    assert np.allclose(after[1] - v, 900)
    # Good times end where the field of 0.52° does.
    for edge in gti.T:
        assert np.allclose(np.hypot(*observing.boresight(edge)), 1872, rtol=0, atol=90 * 0.11)


def test_occulted_views_come_once_an_orbit() -> None:
    observing = exposure(toy(), 20_000.0, pattern="occulted")
    gti = observing.gti[0]
    assert np.diff(gti, axis=1).max() <= 3000
    orbits, pieces = np.unique(np.floor((gti[:, 0] - gti[0, 0] + 1) / 5760), return_counts=True)
    assert len(orbits) >= 7
    assert set(pieces) == {1, 2}


def test_soft_protons_flare_for_part_of_the_time() -> None:
    parts, peaks = [], []
    for seed in range(30):
        protons = exposure(toy(), 40_000.0, pattern="proton_flares", rng=stream(seed, "flares")).protons
        assert protons.rate.min() >= 1
        peaks.append(protons.rate.max())
        parts.append((protons.rate > 3).mean())
    assert min(peaks) > 5
    assert 40 < np.median(peaks) < 150
    assert 0.02 < np.mean(parts) < 0.4
    quiet = exposure(toy(), 40_000.0, pattern="continuous").protons
    assert (quiet.rate == 1).all()


@pytest.mark.parametrize("name", list(TELESCOPES))
def test_every_telescope_has_a_usual_pattern_and_years(name: str) -> None:
    telescope = TELESCOPES[name]
    observing = observe(telescope, ra=100.0, dec=-30.0, duration=400.0, rng=stream(4, name))
    assert observing.pattern == telescope.pattern
    assert 1e8 < observing.start < 1e9
    assert 0 <= observing.roll < 360


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"pattern": "waltz"}, "'waltz'", id="unknown-pattern"),
        pytest.param({"duration": 0.01}, "shorter than a frame", id="no-frame"),
        pytest.param({"duration": float("nan")}, "shorter than a frame", id="not-a-number"),
        pytest.param({"duration": float("inf")}, "shorter than a frame", id="endless"),
    ],
)
def test_what_cannot_be_observed_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        exposure(toy(), **changes)  # type: ignore[arg-type]


def test_a_mission_without_known_years_needs_a_start() -> None:
    with pytest.raises(ConfigError, match="'einstein'"):
        exposure(toy(mission="einstein"))
    assert exposure(toy(mission="einstein"), start=5e7).start == 5e7
