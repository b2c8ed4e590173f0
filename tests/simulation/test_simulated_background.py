"""Simulated backgrounds: the sky, particles and protons."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from toy_telescope import FAST_FRAME_S, FLAT, LINE, MIN_P_VALUE, chip, exposure, toy

from xherald.simulation.light_curve import LightCurve
from xherald.simulation.response import record


@pytest.mark.parametrize(
    ("table", "origin"),
    [("sky_background", -1), ("particle_background", -2), ("proton_background", -3)],
    ids=["sky", "particles", "protons"],
)
def test_background_rates_shapes_and_origins_are_as_expected(table: str, origin: int) -> None:
    rate = 1e-2 / 100 if table == "sky_background" else 1e-2
    chips = chip(0), chip(1, width=500, module=1)
    telescope = toy(
        frame_time=FAST_FRAME_S, chips=chips, vignetting=np.array([[1.0, 1.0], [0.2, 0.2]]), **{table: FLAT * rate}
    )
    observing = exposure(telescope, pattern="proton_flares")
    events = record(telescope, observing, [], 12)
    assert (events.origin == origin).all()
    clock = observing.protons if table == "proton_background" else LightCurve.constant(0.0, observing.duration)
    for one in chips:
        gti = observing.gti[one.number] - observing.start
        x, y = np.meshgrid(np.arange(1, one.width + 1), np.arange(1, one.height + 1))
        angle = np.hypot(*one.to_focal(x, y)) / 60
        area = np.ones_like(angle) if table == "particle_background" else telescope.vignetting_at(angle, 1.5)
        own = events.select(events.detector == one.number)
        mean = 1e-2 * area.sum() / 3600 * clock.integral(gti)
        assert mean > 400
        assert abs(len(own) - mean) < 5 * np.sqrt(mean)
        reached = clock.cumulative(own.time - observing.start) / clock.cumulative([observing.duration])
        assert stats.kstest(reached, "uniform").pvalue > MIN_P_VALUE
        columns = np.cumsum(area.sum(axis=0)) / area.sum()
        # Random offsets within the pixel make integer coordinates uniform.
        place = own.chip_x - np.random.default_rng(0).random(len(own))
        assert stats.kstest(np.interp(place, np.arange(one.width + 1), [0, *columns]), "uniform").pvalue > MIN_P_VALUE


def test_energy_resolution_applies_to_photons_only() -> None:
    tables = {"sky_background": LINE * 1e-4, "particle_background": LINE * 1e-2, "proton_background": LINE * 1e-2}
    telescope = toy(frame_time=FAST_FRAME_S, **tables)
    events = record(telescope, exposure(telescope), [], 22)
    bin_kev, sigma = 1.5 * 0.0126, np.sqrt(60.0**2 + 8000.0 * 1.5) / 2354.820045
    for origin, width in (
        (-1, np.hypot(sigma, bin_kev / np.sqrt(12))),
        (-2, bin_kev / np.sqrt(12)),
        (-3, bin_kev / np.sqrt(12)),
    ):
        energy = events.energy[events.origin == origin]
        assert energy.std() == pytest.approx(width, rel=5 / np.sqrt(2 * len(energy)))
