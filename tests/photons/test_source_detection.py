from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.stats import binom, poisson
from simulated_fields import CHANDRA, XMM, Layout, PointSource, arcsec_from_middle, simulated_field

from xherald.adapters.reading.fits_files import read_header
from xherald.detector.extraction.inspection import describe_observation
from xherald.photons import Aperture, DetectorUnit, Observation
from xherald.photons.errors import FileError, GtiError
from xherald.photons.projection import separation_deg
from xherald.photons.source_detection import SourceDetectionSettings, find_sources
from xherald.plugins import PluginHost, ReadLimits

FIELDS = 20


def separations(found: list[Aperture], ra: float, dec: float) -> np.ndarray:
    """Arcsec between each source and a place."""
    return separation_deg([one.ra for one in found], [one.dec for one in found], ra, dec) * 3600


def distances(observation: Observation, found: list[Aperture], x: float, y: float) -> np.ndarray:
    """Arcsec between each source and a place in the simulated field."""
    at_x, at_y = arcsec_from_middle(observation, [one.ra for one in found], [one.dec for one in found])
    return np.hypot(at_x - x, at_y - y)


# Empty fields


@pytest.mark.parametrize(("layout", "photons"), [(CHANDRA, 8_000), (CHANDRA, 60_000), (XMM, 20_000)])
def test_number_of_false_sources_agrees_with_setting(layout: Layout, photons: int) -> None:
    found = Counter(
        one.origin.split(" ")[2]
        for seed in range(FIELDS)
        for one in find_sources(simulated_field(seed, photons, layout=layout))
    )
    # One a field is asked, half of it to each channel; discrete counts make it fewer, never more.
    assert found.total() <= poisson.ppf(0.999, FIELDS)
    assert found["the"] <= poisson.ppf(0.999, FIELDS / 2)


def test_number_of_false_sources_scales_with_setting() -> None:
    loose = SourceDetectionSettings(false_sources=20.0)
    found = sum(len(find_sources(simulated_field(seed, 20_000, layout=XMM), loose)) for seed in range(5))
    assert poisson.ppf(0.001, 0.4 * 100) <= found <= poisson.ppf(0.999, 100)


def test_gaps_are_not_bursts() -> None:
    gti = [(start, start + 1_000.0) for start in np.arange(0.0, 40_000.0, 6_000.0)]
    found = [one for seed in range(5) for one in find_sources(simulated_field(seed, 20_000, layout=XMM, gti=gti))]
    assert len(found) <= poisson.ppf(0.999, 5)


def test_background_flare_is_not_a_burst() -> None:
    observation = simulated_field(3, 20_000, layout=XMM, profile=[(5_000.0, 5_600.0, 20_000.0)])
    assert len(find_sources(observation)) <= 4


def test_empty_list_has_no_sources() -> None:
    assert find_sources(simulated_field(1, 0)) == []


# Sources on the image


@pytest.mark.parametrize(("layout", "counts", "half"), [(CHANDRA, 60, 180.0), (XMM, 300, 600.0)])
def test_positions_are_unbiased_with_68_percent_errors(layout: Layout, counts: int, half: float) -> None:
    offsets, held = [], []
    for seed in range(8):
        places = np.random.default_rng(seed).uniform(-4, 4, (25, 2)) + np.stack(
            np.meshgrid(np.linspace(-half, half, 5), np.linspace(-half, half, 5)), axis=-1
        ).reshape(25, 2)
        sources = [PointSource(float(x), float(y), counts) for x, y in places]
        observation = simulated_field(seed, 8_000, sources, layout=layout)
        found = find_sources(observation, SourceDetectionSettings(time_slices=False))
        at_x, at_y = arcsec_from_middle(observation, [one.ra for one in found], [one.dec for one in found])
        for x, y in places:
            away = np.hypot(at_x - x, at_y - y)
            nearest = int(np.argmin(away))
            assert away[nearest] < 10
            offsets.append((at_x[nearest] - x, at_y[nearest] - y))
            held.append(away[nearest] <= (found[nearest].pos_err_arcsec or 0.0))
    error_of_mean = np.std(offsets, axis=0) / np.sqrt(len(offsets))
    assert np.all(np.abs(np.mean(offsets, axis=0)) < 4 * error_of_mean)
    assert binom.ppf(0.001, len(held), 0.68) <= sum(held) <= binom.ppf(0.999, len(held), 0.72)


def test_neighbours_are_resolved() -> None:
    pair = [PointSource(20.0, 0.0, 200), PointSource(23.0, 0.0, 40)]
    observation = simulated_field(2, 8_000, pair)
    found = find_sources(observation)
    for one in pair:
        assert distances(observation, found, one.x, one.y).min() < 0.7


def test_bright_source_of_a_broad_mirror_is_fitted_beside_its_neighbour() -> None:
    # 0.4 photons a frame, but spread over hundreds of detector pixels: the centroid of all would lie 2″ off.
    pair = [PointSource(0.0, 0.0, 3_000), PointSource(30.0, 0.0, 400)]
    observation = simulated_field(6, 8_000, pair, layout=XMM)
    found = find_sources(observation, SourceDetectionSettings(time_slices=False))
    away = distances(observation, found, 0.0, 0.0)
    assert away.min() < 3 * (found[int(np.argmin(away))].pos_err_arcsec or 0.0)


def test_ids_follow_significance_reproducibly() -> None:
    observation = simulated_field(2, 8_000, [PointSource(100.0, 0.0, 30), PointSource(-100.0, 0.0, 300)])
    found = find_sources(observation)
    assert [one.detection_id for one in found] == [str(k + 1) for k in range(len(found))]
    assert distances(observation, found, -100.0, 0.0)[0] < 1
    assert find_sources(observation) == found


def test_unknown_pointing_is_flagged() -> None:
    observation = replace(simulated_field(2, 8_000, [PointSource(10.0, 0.0, 100)]), pointing=None)
    assert "off_axis_unknown" in find_sources(observation)[0].flags
    assert "off-axis angles are unknown" in describe_observation(observation)["pointing_fault"]
    assert describe_observation(replace(observation, pointing=(83.8, -5.4)))["pointing_fault"] is None


def test_missing_inputs_of_detection_are_named() -> None:
    observation = simulated_field(1, 100)
    with pytest.raises(FileError, match="no point-spread table"):
        find_sources(replace(observation, point_spread=None))
    with pytest.raises(FileError, match="broken WCS"):
        find_sources(replace(observation, projection=None, projection_fault="broken WCS"))
    with pytest.raises(GtiError):
        find_sources(replace(observation, detectors=(DetectorUnit(0, "CCD 0", np.empty((0, 2))),)))


# Bursts


def test_ten_second_burst_is_detected_in_slices_only() -> None:
    burst = PointSource(-180.0, 120.0, 12, start=7_000.0, stop=7_010.0)
    observation = simulated_field(4, 250_000, [burst])
    assert not len(find_sources(observation, SourceDetectionSettings(time_slices=False)))
    found = find_sources(observation)
    away = distances(observation, found, burst.x, burst.y)
    nearest = found[int(np.argmin(away))]
    assert away.min() < 3 * (nearest.pos_err_arcsec or 0.0)
    assert nearest.origin.startswith("detected in ")
    assert nearest.origin.endswith("s slices")
    assert "narrower_than_psf" not in nearest.flags


def test_burst_of_a_detected_source_is_not_a_new_source() -> None:
    steady, burst = PointSource(60.0, 60.0, 300), PointSource(60.0, 60.0, 60, start=7_000.0, stop=7_020.0)
    observation = simulated_field(5, 8_000, [steady, burst])
    assert [one.origin for one in find_sources(observation) if "slices" in one.origin] == []


def test_afterglow_is_flagged() -> None:
    afterglow = PointSource(-180.0, 120.0, 12, start=7_000.0, stop=7_010.0, spread=False)
    observation = simulated_field(4, 250_000, [afterglow])
    found = find_sources(observation)
    nearest = found[int(np.argmin(distances(observation, found, afterglow.x, afterglow.y)))]
    assert "narrower_than_psf" in nearest.flags


# Real fields


def observed(path: Path) -> Observation:
    """What the adapter reads of a real file."""
    host, limits = PluginHost(), ReadLimits()
    adapter = host.find_adapter(path, read_header(path, limits))
    observation = adapter.read(path, host.validate_options(adapter, {}), limits)
    assert isinstance(observation, Observation)
    return observation


def test_orion_flare_stars_are_detected(data: Path) -> None:
    found = find_sources(observed(data / "chandra" / "acisf29128N001_evt2.fits.gz"))
    assert 200 < len(found) < 600
    assert separations(found, 83.833298, -5.420581).min() < 2.0
    for ra, dec in ((83.8168, -5.3897), (83.8222, -5.4290)):
        assert separations(found, ra, dec).min() < 2.0


def test_weak_source_off_axis_is_detected(data: Path) -> None:
    found = find_sources(observed(data / "chandra" / "acisf28964N002_evt2.fits.gz"))
    assert separations(found, 244.716668, -1.991759).min() < 3.0
    assert len(found) < 40


@pytest.mark.parametrize(
    ("name", "most"),
    [
        ("chandra/755_7_evt2_05_8keV.fits.gz", 80),
        ("xmm/0201901401_mos1_exp1_clean_evts.fits.gz", 50),
        ("xmm/0201901401_mos2_exp1_clean_evts.fits.gz", 50),
        ("xmm/0201903501_mos1_exp1_clean_evts.fits.gz", 60),
        ("swift/sw00011337002xpcw3po_cl.evt.gz", 12),
    ],
)
def test_real_fields_have_plausible_numbers_of_sources(data: Path, name: str, most: int) -> None:
    assert 1 <= len(find_sources(observed(data / name))) <= most
