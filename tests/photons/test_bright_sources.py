"""One bright source is one source: its streak, arms, spectra, wings and pile-up make no others, and hide none."""

from __future__ import annotations

import numpy as np
import pytest
from bright_skies import LOBSTER, MIRROR, NARROW, BrightSky

from xherald.photons import PixelLayout
from xherald.photons.source_detection import detect_sources, find_sources

SEEDS = range(3)
FALSE = 1
"""False sources that a field may have, by the settings."""


def number_near(sky: BrightSky, found: list, x: float, y: float, radius: float) -> int:
    return sum(sky.away(one.ra, one.dec, x, y) < radius for one in found)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_streak_is_part_of_its_star(seed: int) -> None:
    sky = BrightSky(NARROW, seed, roll=37.0).flat(6_000)
    sky.star(20.0, -30.0, 20_000).streak(20.0, -30.0, 900)
    found = detect_sources(sky.observation())
    assert len(found.apertures) <= 1 + FALSE
    assert number_near(sky, found.apertures, 20.0, -30.0, 1.0) == 1
    assert "on read-out streaks" in found.notes[0]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_star_on_a_streak_is_a_source(seed: int) -> None:
    sky = BrightSky(NARROW, seed, roll=10.0).flat(6_000).star(0.0, 0.0, 20_000).streak(0.0, 0.0, 600)
    x, y = 90.0 * sky.along(90.0)
    found = find_sources(sky.star(float(x), float(y), 60).observation())
    assert number_near(sky, found, float(x), float(y), 2.0) == 1


def test_a_streak_of_a_flaring_star_is_no_burst() -> None:
    sky = BrightSky(NARROW, 1, roll=37.0).flat(6_000).star(20.0, -30.0, 4_000)
    sky.star(20.0, -30.0, 8_000, (5_000.0, 5_300.0)).streak(20.0, -30.0, 400, (5_000.0, 5_300.0))
    found = find_sources(sky.observation())
    assert len(found) <= 1 + FALSE


@pytest.mark.parametrize("seed", SEEDS)
def test_rings_of_pile_up_and_uneven_wings_are_part_of_their_star(seed: int) -> None:
    sky = BrightSky(NARROW, seed).flat(6_000)
    sky.star(0.0, 0.0, 12_000, hole=0.8).star(100.0, 50.0, 12_000, lopsided=0.3)
    found = find_sources(sky.observation())
    assert len(found) <= 2 + FALSE
    for x, y in ((0.0, 0.0), (100.0, 50.0)):
        assert number_near(sky, found, x, y, 1.5) == 1


@pytest.mark.parametrize("seed", SEEDS)
def test_a_companion_in_the_wings_is_a_source(seed: int) -> None:
    sky = BrightSky(NARROW, seed).flat(6_000).star(0.0, 0.0, 3_000).star(9.0, 0.0, 150)
    found = find_sources(sky.observation())
    assert number_near(sky, found, 9.0, 0.0, 1.0) == 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("layout", [PixelLayout(("px", "py"), arms=0.5), None])
def test_arms_of_a_lobster_eye_are_part_of_their_source(seed: int, layout: PixelLayout | None) -> None:
    sky = BrightSky(LOBSTER, seed, roll=20.0).flat(2_500)
    sky.star(1_000.0, 500.0, 3_000).cross(1_000.0, 500.0, 3_000, 2_400.0)
    found = find_sources(sky.observation(layout))
    assert len(found) <= 1 + FALSE
    assert number_near(sky, found, 1_000.0, 500.0, 60.0) == 1


def test_ten_sources_of_a_lobster_eye_are_ten() -> None:
    layout = PixelLayout(("px", "py"), arms=0.5)
    false = 0
    for seed in range(6):
        sky = BrightSky(LOBSTER, seed, roll=20.0).flat(2_000)
        places = sky.random.uniform(-7_000, 7_000, (10, 2))
        for (x, y), n in zip(places, np.geomspace(60, 1_000, 10), strict=True):
            sky.star(x, y, int(n)).cross(x, y, int(n), 2_400.0)
        found = find_sources(sky.observation(layout))
        real = {
            int(np.argmin([sky.away(one.ra, one.dec, x, y) for x, y in places]))
            for one in found
            if min(sky.away(one.ra, one.dec, x, y) for x, y in places) < 300.0
        }
        assert len(real) >= 7
        false += len(found) - len(real)
    assert false <= 6 * FALSE


@pytest.mark.parametrize("seed", SEEDS)
def test_dispersed_spectra_are_part_of_their_source(seed: int) -> None:
    sky = BrightSky(NARROW, seed, roll=55.0).flat(6_000)
    sky.star(0.0, 0.0, 15_000).spectra(0.0, 0.0, 12_000).spectra(0.0, 0.0, 800, (4_000.0, 4_100.0))
    sky.star(120.0, -60.0, 80)
    found = detect_sources(sky.observation(grating="HETG"))
    assert len(found.apertures) <= 2 + FALSE
    assert number_near(sky, found.apertures, 0.0, 0.0, 1.0) == 1
    assert number_near(sky, found.apertures, 120.0, -60.0, 2.0) == 1
    assert "dispersed spectra (HETG)" in found.notes[0]


@pytest.mark.parametrize(("telescope", "background"), [(NARROW, 20_000), (MIRROR, 30_000), (LOBSTER, 2_000)])
def test_empty_fields_have_no_more_false_sources_than_set(telescope, background: int) -> None:
    found = sum(len(find_sources(BrightSky(telescope, seed).flat(background).observation())) for seed in range(8))
    assert found <= 8 * FALSE + 5


@pytest.mark.parametrize("seed", SEEDS)
def test_wings_of_a_mirror_make_no_sources(seed: int) -> None:
    sky = BrightSky(MIRROR, seed).flat(20_000).star(0.0, 0.0, 60_000, lopsided=0.2)
    assert len(find_sources(sky.observation())) <= 1 + FALSE


def test_the_edge_of_a_round_field_of_view_makes_no_sources() -> None:
    found = 0
    for seed in range(6):
        sky = BrightSky(MIRROR, seed).flat(10_000)
        radius, turn = 600.0 * np.sqrt(sky.random.random(60_000)), sky.random.uniform(0, 2 * np.pi, 60_000)
        sky.put(radius * np.cos(turn), radius * np.sin(turn), sky.when(60_000))
        found += len(find_sources(sky.observation()))
    assert found <= 6 * FALSE + 3
