from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from simulated_fields import CHANDRA, PointSource, arcsec_from_middle, on_two_detectors, simulated_field

from xherald.adapters.reading.fits_files import read_header
from xherald.photons import Annulus, Aperture, DetectorUnit, Ellipse, EventList, Observation, Polygon
from xherald.photons.apertures import ApertureSettings, aperture_at
from xherald.photons.errors import FileError, GtiError, PhotonError
from xherald.photons.extraction import extract
from xherald.plugins import PluginHost, ReadLimits


def place(observation: Observation, x: float, y: float) -> tuple[float, float]:
    """Sky position of a place in the simulated field, arcsec from the middle."""
    pixel = CHANDRA.pixel
    ra, dec = observation.require_projection().to_sky(4096.5 + x / pixel, 4096.5 + y / pixel)
    return float(ra), float(dec)


def circle(observation: Observation, x: float, y: float, radius: float, name: str = "1") -> Aperture:
    """Circle with a wide annulus."""
    ra, dec = place(observation, x, y)
    return Aperture(name, ra, dec, Ellipse.circle(ra, dec, radius), Annulus(ra, dec, 2 * radius, 5 * radius))


def test_extracted_photons_are_inside_their_regions() -> None:
    observation = simulated_field(1, 20_000)
    projection, events = observation.require_projection(), observation.events
    rng = np.random.default_rng(2)
    apertures = []
    for k, (x, y) in enumerate(rng.uniform(-200, 200, (30, 2))):
        ra, dec = place(observation, float(x), float(y))
        ellipse = Ellipse(ra, dec, 8.0, 4.0, float(rng.uniform(0, 180)))
        triangle = Polygon(((ra, dec), (ra + 0.003, dec), (ra, dec + 0.004)))
        apertures.append(Aperture(str(k), ra, dec, triangle if k % 3 == 0 else ellipse, Annulus(ra, dec, 20.0, 40.0)))
    batch = extract(observation, apertures)
    assert len(batch) == len(apertures)
    for source, aperture in zip(batch, apertures, strict=True):
        held = aperture.region.contains(projection, events.x, events.y)
        np.testing.assert_array_equal(source.time, events.time[held])
        assert source.identity.detection_id == aperture.detection_id


def test_background_scales_to_the_aperture() -> None:
    """In a flat field, in its middle, at its edges and corners, and among neighbours: counts minus background is 0."""
    observation = simulated_field(3, 150_000)
    places = [(0.0, 0.0), (245.0, 0.0), (-245.0, 245.0), (0.0, -248.0), (100.0, 100.0), (125.0, 100.0), (112.0, 120.0)]
    batch = extract(observation, [circle(observation, x, y, 10.0, str(k)) for k, (x, y) in enumerate(places)])
    around = np.diff(batch.background_offsets)
    error = np.sqrt(batch.counts + batch.area_ratio**2 * around)
    assert np.all(np.abs(batch.counts - batch.background_counts) < 4 * error)
    # The middle's ratio is that of the areas.
    assert batch.area_ratio[0] == pytest.approx(1 / 21, rel=0.02)
    flags = [identity.flags for identity in batch.identities]
    assert ["aperture_partly_off_chip" in one for one in flags] == [False, True, True, True, False, False, False]


def test_neighbours_are_excluded_from_backgrounds() -> None:
    observation = simulated_field(4, 5_000, [PointSource(0.0, 0.0, 2_000), PointSource(30.0, 0.0, 2_000)])
    apart = [circle(observation, 0.0, 0.0, 10.0, "a"), circle(observation, 30.0, 0.0, 10.0, "b")]
    batch = extract(observation, apart)
    assert np.all(batch.background_counts < 40)
    assert all("overlaps_neighbour" not in identity.flags for identity in batch.identities)
    close = extract(observation, [apart[0], circle(observation, 12.0, 0.0, 10.0, "b")])
    assert all("overlaps_neighbour" in identity.flags for identity in close.identities)
    assert set(close[0].time) & set(close[1].time)


def test_empty_sources_keep_order_and_number() -> None:
    observation = simulated_field(5, 200)
    apertures = [circle(observation, 100.0, 100.0, 0.6, "z"), circle(observation, 0.0, 0.0, 30.0, "a")]
    batch = extract(observation, apertures)
    assert [identity.detection_id for identity in batch.identities] == ["z", "a"]
    assert batch.counts[0] == 0
    assert all(isinstance(source, EventList) for source in batch)
    assert len(extract(observation, [])) == 0


def test_aperture_off_the_detectors_is_empty_and_flagged() -> None:
    observation = simulated_field(5, 2_000)
    batch = extract(observation, [circle(observation, 600.0, 0.0, 10.0)])
    assert batch.counts[0] == 0
    assert {"aperture_partly_off_chip", "no_background"} <= set(batch.identities[0].flags)
    assert batch[0].background is None


def test_detectors_are_weighted_by_area() -> None:
    observation = on_two_detectors(simulated_field(6, 60_000), np.array([[0.0, 5_000.0]]))
    west, across, east = (circle(observation, x, 0.0, 10.0, str(x)) for x in (-100.0, 0.0, 100.0))
    batch = extract(observation, [west, across, east])
    assert batch.livetime[0] == pytest.approx(20_000)
    assert batch.livetime[2] == pytest.approx(5_000 * 0.9)
    assert batch[1].exposure.fraction == pytest.approx([1.0, 0.5], abs=0.03)
    # The same flat sky in all three, each by its own exposure.
    assert np.all(np.abs(batch.counts - batch.background_counts) < 4 * np.sqrt(batch.counts))
    assert all(isinstance(source, EventList) for source in batch)


def test_detector_under_a_small_part_of_the_aperture_is_not_used() -> None:
    observation = on_two_detectors(simulated_field(6, 60_000), np.array([[0.0, 5_000.0]]))
    batch = extract(observation, [circle(observation, -9.9, 0.0, 10.0)])
    assert len(batch[0].exposure.gti) == 1
    assert batch.livetime[0] == pytest.approx(20_000)


def test_identity_has_position_and_observation() -> None:
    observation = simulated_field(7, 3_000)
    ra, dec = place(observation, 180.0, 0.0)
    batch = extract(observation, [aperture_at(observation, ra, dec, "7", "source list", 0.4)])
    identity = batch.identities[0]
    assert (identity.ra, identity.dec, identity.pos_err_arcsec) == (ra, dec, 0.4)
    assert identity.off_axis_arcmin == pytest.approx(3.0, rel=1e-3)
    assert (identity.mission, identity.obs_id, identity.source_path) == ("SIM", "1", "simulated")
    assert batch.hardness_split[0] == observation.hardness_split


def test_few_photons_are_extracted() -> None:
    observation = simulated_field(1, 0, [PointSource(0.0, 0.0, 1)])
    batch = extract(observation, [circle(observation, 0.0, 0.0, 20.0)])
    assert batch.counts[0] == 1
    assert batch.livetime[0] == pytest.approx(20_000)


def test_missing_inputs_of_extraction_are_named() -> None:
    observation = simulated_field(1, 100)
    one = circle(observation, 0.0, 0.0, 5.0)
    with pytest.raises(GtiError):
        extract(replace(observation, detectors=(DetectorUnit(0, "CCD 0", np.empty((0, 2))),)), [one])
    with pytest.raises(FileError, match="broken WCS"):
        extract(replace(observation, projection=None, projection_fault="broken WCS"), [one])
    far = Aperture("far", 230.0, -20.0, Ellipse.circle(230.0, -20.0, 5.0))
    with pytest.raises(PhotonError, match="far"):
        extract(observation, [far])


def test_aperture_radius_grows_off_axis_and_exceeds_pixels() -> None:
    observation = simulated_field(1, 100)
    on_axis = aperture_at(observation, *place(observation, 0.0, 0.0), "1", "source list")
    off_axis = aperture_at(observation, *place(observation, 240.0, 0.0), "2", "source list")
    assert off_axis.region.extent > on_axis.region.extent == pytest.approx(1.0)
    coarse = aperture_at(replace(observation, detector_pixel_arcsec=2.0), *place(observation, 0.0, 0.0), "1", "")
    assert coarse.region.extent == pytest.approx(3.0)
    assert isinstance(on_axis.background, Annulus)
    assert on_axis.background.area >= ApertureSettings().min_area_ratio * on_axis.region.area
    with pytest.raises(FileError, match="radius_arcsec"):
        aperture_at(replace(observation, point_spread=None), 50.0, 20.0, "1", "source list")


def test_catalogue_ellipse_of_xrt_200515_has_188_photons(data: Path) -> None:
    path = data / "chandra" / "acisf23022_000N027_r0122_regevt3.fits.gz"
    host, limits = PluginHost(), ReadLimits()
    adapter = host.find_adapter(path, read_header(path, limits))
    observation = adapter.read(path, host.validate_options(adapter, {}), limits)
    assert isinstance(observation, Observation)
    batch = extract(observation, adapter.apertures(observation))
    assert batch.counts.tolist() == [188]
    assert 5 < batch.background_counts[0] < 40


def test_orion_flare_star_has_44_photons_in_three_arcsec(data: Path) -> None:
    path = data / "chandra" / "acisf29128N001_evt2.fits.gz"
    host, limits = PluginHost(), ReadLimits()
    adapter = host.find_adapter(path, read_header(path, limits))
    observation = adapter.read(path, host.validate_options(adapter, {}), limits)
    assert isinstance(observation, Observation)
    region = Ellipse.circle(83.833298, -5.420581, 3.0)
    batch = extract(
        observation, [Aperture("flare", region.ra, region.dec, region, Annulus(region.ra, region.dec, 6, 15))]
    )
    assert batch.counts.tolist() == [44]


def test_positions_round_trip() -> None:
    observation = simulated_field(1, 10)
    ra, dec = place(observation, 33.0, -12.0)
    x, y = arcsec_from_middle(observation, [ra], [dec])
    assert (x[0], y[0]) == pytest.approx((33.0, -12.0))
