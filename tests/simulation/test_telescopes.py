"""The tables of the telescopes: they are what they say, and photons spread as the adapters' point spreads do."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from xherald.plugins import PluginHost
from xherald.simulation.energies import MIDDLE_KEV
from xherald.simulation.focal_plane import arcmin2
from xherald.simulation.mirror_spread import ARM_ARCSEC, king_of, scatter
from xherald.simulation.random_streams import stream
from xherald.simulation.telescope import Chip, Telescope
from xherald.simulation.telescopes import TELESCOPES

LEAST_P = 1e-4
ON_AXIS_AREA_CM2 = {
    "chandra-acis-i": (1.5, 370.0),
    "xmm-mos1": (1.5, 520.0),
    "xmm-pn": (1.5, 1250.0),
    "swift-xrt": (1.5, 125.0),
    "ep-fxt": (1.25, 320.0),
    "ep-wxt": (1.0, 2.8),
}
"""What the tables were made to hold: guards against a slip in interpolation, not against a wrong document."""


@pytest.fixture(params=list(TELESCOPES))
def telescope(request: pytest.FixtureRequest) -> Telescope:
    return TELESCOPES[request.param]


def test_every_table_has_a_source(telescope: Telescope) -> None:
    needed = {"area_cm2", "vignetting", "resolution_ev", "point_spread", "chips", "frame_time", "live_fraction"}
    needed |= {"sky_background", "particle_background", "proton_background"}
    assert needed <= set(telescope.sources)
    assert all(telescope.sources.values())


def test_areas_are_positive_and_what_was_put_in(telescope: Telescope) -> None:
    assert (telescope.area_cm2 > 0).all()
    if telescope.name in ON_AXIS_AREA_CM2:
        energy, area = ON_AXIS_AREA_CM2[telescope.name]
        assert telescope.area_cm2[np.argmin(np.abs(MIDDLE_KEV - energy))] == pytest.approx(area, rel=0.03)


def test_vignetting_falls_from_one(telescope: Telescope) -> None:
    angle = np.linspace(0, telescope.off_axis_arcmin[-1], 200)
    for energy in (0.3, 1.5, 4.0, 9.0):
        seen = telescope.vignetting_at(angle, energy)
        assert seen[0] == 1.0
        assert (np.diff(seen) <= 0).all()
        assert (seen >= 0).all()
    assert telescope.vignetting_at(telescope.off_axis_arcmin[-1] + 0.1, 1.5) == 0.0


def test_chips_of_a_module_do_not_overlap(telescope: Telescope) -> None:
    for module in telescope.modules:
        chips = [chip for chip in telescope.chips if chip.module == module]
        for chip in chips:
            x, y = np.meshgrid(np.linspace(0.5, chip.width + 0.5, 40), np.linspace(0.5, chip.height + 0.5, 40))
            u, v = chip.to_focal(x.ravel(), y.ravel())
            for other in chips:
                px, py = other.to_pixel(u, v)
                inside = (px > 0.6) & (px < other.width + 0.4) & (py > 0.6) & (py < other.height + 0.4)
                assert other is chip or not inside.any(), (chip.number, other.number)


def test_the_optical_axis_falls_on_a_chip(telescope: Telescope) -> None:
    on = [chip.number for chip in telescope.chips if all(0.5 < p < chip.width for p in chip.to_pixel(0.0, 0.0))]
    assert on
    assert {"chandra-acis-i": [3], "chandra-acis-s": [7], "xmm-pn": [4]}.get(telescope.name, on) == on


@given(
    number=st.integers(0, 20),
    u=st.floats(-3000, 3000),
    v=st.floats(-3000, 3000),
    rotation=st.floats(-360, 360),
    sign=st.sampled_from([-1, 1]),
)
def test_pixels_and_focal_places_are_inverse(number: int, u: float, v: float, rotation: float, sign: int) -> None:
    chip = Chip(number, 600, 400, (13.0, -250.0), rotation, 1.1, x_sign=sign)
    back = chip.to_focal(*chip.to_pixel(u, v))
    assert np.allclose(back, (u, v), rtol=0, atol=1e-8)


def test_the_detector_blurs_energies_as_its_resolution_says(telescope: Telescope) -> None:
    noise, fano = telescope.resolution_ev
    for energy in (1.5, 5.9):
        measured = telescope.measured(np.full(40_000, energy), stream(1, telescope.name))
        fwhm = 2.3548 * 1e3 * measured.std()
        # The spread of a standard deviation of n draws is 1/√(2n), 0.35 %.
        assert fwhm == pytest.approx(np.sqrt(noise**2 + fano * energy), rel=0.02)


@pytest.mark.parametrize("energy", [0.7, 1.5, 5.0])
def test_photons_spread_as_the_adapter_s_point_spread_says(telescope: Telescope, energy: float) -> None:
    n = 20_000
    for off_axis in (0.0, float(telescope.point_spread.off_axis_arcmin[-1])):
        du, dv = scatter(telescope, np.full(n, off_axis), np.full(n, energy), stream(2, telescope.name))
        arms = telescope.arm_fraction > 0
        king = np.hypot(du, dv) if not arms else np.hypot(du, dv)[~_in_arms(telescope, n, off_axis, energy)]
        for fraction in (0.5, 0.9):
            inside = float(np.mean(king < telescope.point_spread.radius(fraction, off_axis, energy)))
            assert abs(inside - fraction) < 5 * np.sqrt(fraction * (1 - fraction) / len(king)) + 2e-3
        core_radius, slope = telescope.point_spread.king(off_axis, energy)
        law = kstest(king, lambda r, a=core_radius, b=slope: 1 - (1 + (r / a) ** 2) ** -b)
        assert law.pvalue > LEAST_P


def _in_arms(telescope: Telescope, n: int, off_axis: float, energy: float) -> np.ndarray:
    """Photons of the cross: those that a telescope without arms, drawing the same numbers, puts elsewhere."""
    import dataclasses

    args = (np.full(n, off_axis), np.full(n, energy))
    without = scatter(dataclasses.replace(telescope, arm_fraction=0.0), *args, stream(2, telescope.name))
    both = scatter(telescope, *args, stream(2, telescope.name))
    return np.asarray((without[0] != both[0]) | (without[1] != both[1]))


def test_the_lobster_eye_has_a_cross() -> None:
    telescope, n = TELESCOPES["ep-wxt"], 40_000
    in_arms = _in_arms(telescope, n, 0.0, 1.0)
    expected = telescope.arm_fraction
    assert in_arms.mean() == pytest.approx(expected, abs=5 * np.sqrt(expected * (1 - expected) / n))
    du, dv = scatter(telescope, np.zeros(n), np.ones(n), stream(2, telescope.name))
    far_u, far_v = np.abs(du[in_arms]) > 2_000, np.abs(dv[in_arms]) > 2_000
    # Far out a photon of the cross is far along one axis and near the other.
    assert np.count_nonzero(far_u & far_v) < 0.02 * np.count_nonzero(far_u | far_v)
    reach = np.maximum(np.abs(du), np.abs(dv))[in_arms]
    far = reach[reach > 1_500] - 1_500
    assert kstest(far, "expon", (0, ARM_ARCSEC)).pvalue > LEAST_P


def test_many_kings_are_the_one_king(telescope: Telescope) -> None:
    angles, energies = np.linspace(0, 20, 15), np.geomspace(0.3, 9, 15)
    cores, slopes = king_of(telescope.point_spread, angles, energies)
    one = np.array([telescope.point_spread.king(a, e) for a, e in zip(angles, energies, strict=True)])
    assert np.allclose(cores, one[:, 0], rtol=5e-3)
    assert np.allclose(slopes, one[:, 1], rtol=5e-3)


PARTICLES = {
    "chandra-acis-i": (4 * 0.3, 0.03),
    "chandra-acis-s": (4 * 0.6, 0.03),
    "swift-xrt": (0.083, 0.03),
}
"""Counts/s in the band over the detector, as `sources` states them."""


def test_background_rates_are_those_stated(telescope: Telescope) -> None:
    band = (telescope.band[0] <= MIDDLE_KEV) & (telescope.band[1] >= MIDDLE_KEV)
    area = sum(arcmin2(chip) for chip in telescope.chips)
    rate = float(telescope.particle_background[band].sum()) * area
    assert rate > 0
    if telescope.name in PARTICLES:
        expected, tolerance = PARTICLES[telescope.name]
        assert rate == pytest.approx(expected, rel=tolerance)
    assert (telescope.sky_background >= 0).all()
    at_5_kev = np.argmin(np.abs(MIDDLE_KEV - 5.0))
    width = MIDDLE_KEV[at_5_kev] * 0.0126
    steradian = telescope.sky_background[at_5_kev] / width / (np.pi / 180 / 60) ** 2
    assert steradian == pytest.approx(11.6 * MIDDLE_KEV[at_5_kev] ** -1.41, rel=0.05)


def test_bands_and_frames_are_those_of_the_adapters(telescope: Telescope) -> None:
    name = {"ep": "einstein_probe"}.get(telescope.mission, telescope.mission)
    adapter = PluginHost().adapters[name]
    matching = [one for one in adapter.mission.instruments if one.band == telescope.band]
    assert any(one.frame_default == pytest.approx(telescope.frame_time, rel=0.04) for one in matching)
    assert any(one.timed_by_frame == (telescope.stamp == "middle") for one in matching)
