"""The coarse map of an exposure: what a look at a place of it finds, and what the store keeps of it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from simulated_fields import CHANDRA, DEC, RA, XMM, Layout, PointSource, on_two_detectors, simulated_field

from xherald.catalog_store.ledger.map_tiles import find_tile_numbers, is_readable, join_tiles, make_tiles
from xherald.photons import Observation
from xherald.photons.errors import StoreError
from xherald.photons.extraction import extract
from xherald.photons.sky_map import SkyMap, healpix_index
from xherald.photons.source_detection import find_sources
from xherald.photons.source_detection.map_field import enclosed_fractions, map_field

ENERGY = 1.5
EXPOSURE = 20_000.0


def mapped(observation: Observation) -> SkyMap:
    apertures = find_sources(observation)
    batch = extract(observation, apertures)
    sky = map_field(observation, apertures, batch.counts, batch.background_counts, ENERGY)
    assert sky is not None
    return sky


def place(west: Any, north: Any) -> tuple[Any, Any]:
    """A place so many arcsec from the middle, deg, as `PointSource` counts them."""
    dec = DEC + north / 3600
    return RA - west / 3600 / np.cos(np.radians(dec)), dec


@pytest.mark.parametrize(("layout", "background"), [(CHANDRA, 8_000), (XMM, 20_000)])
def test_map_has_all_photons_and_the_background(layout: Layout, background: int) -> None:
    observation = simulated_field(1, background, layout=layout)
    sky = mapped(observation)
    assert np.all(np.diff(sky.pixels) > 0)
    # Pixels of the rim whose quarters all lie outside hold a few photons.
    assert 0.97 * len(observation.events) <= sky.counts.sum() <= len(observation.events)
    # Poisson, and the footprint's rim, which the outermost photons tell to a few thousandths.
    assert sky.background.sum() == pytest.approx(background, abs=4 * np.sqrt(background) + 0.01 * background)
    assert sky.livetime.max() == pytest.approx(EXPOSURE)


@pytest.mark.parametrize("layout", [CHANDRA, XMM])
def test_source_rate_does_not_depend_on_position(layout: Layout) -> None:
    rng, counts = np.random.default_rng(2), 4000
    reach = 0.35 * layout.side
    places = rng.uniform(-reach, reach, (6, 2))
    for number, (west, north) in enumerate(places.tolist()):
        sky = mapped(simulated_field(number, 4_000, [PointSource(west, north, counts)], layout=layout))
        look = sky.sample(*place(west, north), 0.5)
        assert look is not None
        assert 0.85 * EXPOSURE < look.exposure_s <= EXPOSURE
        rate = (look.counts - look.background) / look.exposure_s
        # Poisson; and each sample of the point spread stands for a thousandth of the photons.
        assert rate == pytest.approx(counts / EXPOSURE, rel=4 / np.sqrt(counts) + 0.02)


def test_counts_without_source_are_background() -> None:
    sky = mapped(simulated_field(3, 20_000, [PointSource(60, 60, 2000)]))
    rng = np.random.default_rng(4)
    looks = [sky.sample(*place(*rng.uniform(-200, 0, 2)), 0.5) for _ in range(400)]
    assert all(one is not None for one in looks)
    counts = np.array([one.counts for one in looks if one is not None])
    expected = np.array([one.background for one in looks if one is not None])
    pulls = (counts - expected) / np.sqrt(expected)
    # Looks share pixels here and there, so that the mean scatters somewhat more than that of 400.
    assert abs(pulls.mean()) < 0.25
    assert pulls.std() == pytest.approx(1, abs=0.2)


def test_positions_off_the_detectors_have_no_sample() -> None:
    sky = mapped(simulated_field(5, 5_000))
    assert sky.sample(*place(0, 0)) is not None
    for west, north in ((400.0, 0.0), (0.0, -400.0), (90_000.0, 0.0)):
        assert sky.sample(*place(west, north)) is None
    assert sky.sample(RA + 180, -DEC) is None


def test_many_positions_are_sampled_as_one_by_one() -> None:
    sky = mapped(on_two_detectors(simulated_field(10, 20_000, [PointSource(60, 60, 2000)]), np.array([[0.0, 8_000.0]])))
    rng = np.random.default_rng(11)
    ra, dec = place(*rng.uniform(-400, 400, (2, 1200)))
    error = rng.uniform(0, 4, len(ra))
    many = sky.sample_many(ra, dec, error)
    single = [sky.sample(*one) for one in zip(ra, dec, error, strict=True)]
    assert 300 < sum(one is None for one in single) < 900
    for number, one in enumerate(single):
        if one is None:
            assert many.exposure_s[number] == 0
            continue
        expected = one.counts, one.background, one.exposure_s
        assert (many.counts[number], many.background[number], many.exposure_s[number]) == expected
        np.testing.assert_array_equal(many.pixels[slice(*many.offsets[number : number + 2])], one.pixels)
    assert len(sky.sample_many([], [], []).counts) == 0


def test_livetime_is_that_of_the_detector() -> None:
    observation = on_two_detectors(simulated_field(6, 20_000), np.array([[0.0, 8_000.0]]))
    sky = mapped(observation)
    first, second = sky.sample(*place(-120, 0)), sky.sample(*place(120, 0))
    assert first is not None
    assert second is not None
    held = first.exposure_s / EXPOSURE
    assert 0.85 < held <= 1
    assert second.exposure_s == pytest.approx(0.9 * 8_000 * held, rel=0.03)


def test_enclosed_fraction_follows_the_point_spread() -> None:
    observation = simulated_field(7, 2_000, [PointSource(0, 0, 300), PointSource(100, 100, 300)])
    apertures = find_sources(observation)
    held = enclosed_fractions(observation, apertures, ENERGY)
    assert held is not None
    assert np.all((held > 0.899) & (held < 0.97))
    assert enclosed_fractions(replace(observation, point_spread=None), apertures, ENERGY) is None


def test_instrument_without_images_has_no_map() -> None:
    observation = simulated_field(8, 2_000)
    for without in ({"projection": None}, {"point_spread": None}, {"per_source_id": "12"}):
        assert map_field(replace(observation, **without), [], [], [], ENERGY) is None


# What is kept


@pytest.fixture(scope="module")
def sky() -> SkyMap:
    return mapped(simulated_field(9, 8_000, [PointSource(0, 0, 300)]))


def test_map_is_restored_from_tiles(sky: SkyMap) -> None:
    tiles = make_tiles(sky, ENERGY)
    again = join_tiles(tiles)
    assert (again.order, again.pointing) == (sky.order, sky.pointing)
    np.testing.assert_array_equal(again.pixels, sky.pixels)
    np.testing.assert_array_equal(again.counts, sky.counts)
    # Half a step of 2^(1/24).
    np.testing.assert_allclose(again.background, sky.background, rtol=0.0146)
    np.testing.assert_allclose(again.livetime, sky.livetime, rtol=0.0146)
    assert again.point_spread.king(3.3) == pytest.approx(sky.point_spread.king(3.3))
    assert sum(len(one.content) for one in tiles) < 30_000


@given(st.floats(-200, 200), st.floats(-200, 200), st.floats(0, 3))
def test_few_tiles_give_the_same_sample(sky: SkyMap, west: float, north: float, error: float) -> None:
    tiles, where = make_tiles(sky, ENERGY), place(west, north)
    about = set(find_tile_numbers(*where))
    some = [one for one in tiles if one.uniq in about]
    whole, few = join_tiles(tiles).sample(*where, error), join_tiles(some).sample(*where, error)
    assert whole is not None
    assert few is not None
    assert (few.counts, few.background, few.exposure_s) == (whole.counts, whole.background, whole.exposure_s)


@given(st.floats(0, 360, exclude_max=True), st.floats(-90, 90))
def test_position_is_in_a_tile_around_it(ra: float, dec: float) -> None:
    about = find_tile_numbers(ra, dec)
    for order in (6, 9, 12, 15, 18):
        tile = order - 6
        assert int(healpix_index(ra, dec, tile)) + 4 * 4**tile in about


def test_damaged_tile_is_an_error(sky: SkyMap) -> None:
    tile = make_tiles(sky, ENERGY)[0]
    assert is_readable(tile)
    for content in (tile.content[:-20], b"", b"x" * 50, tile.content[:30] + b"\x00\x01" + tile.content[32:]):
        broken = replace(tile, content=content)
        assert not is_readable(broken)
        with pytest.raises(StoreError, match="damaged"):
            join_tiles([broken])
