"""Recorded events of simulated sources against expectation: counts, energies, arrival times, reproducibility."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from scipy import stats
from toy_telescope import FAST_FRAME_S, FLAT, LINE, MIN_P_VALUE, chip, exposure, steady, toy, with_gti

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError
from xherald.photons.gti import Exposure, gti_contains
from xherald.simulation.energies import EDGES_KEV, MIDDLE_KEV
from xherald.simulation.exposure import Fault, ObservingPlan, RecordedEvents
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component
from xherald.simulation.observing import observe
from xherald.simulation.random_streams import stream
from xherald.simulation.response import record
from xherald.simulation.telescope import Telescope
from xherald.simulation.telescopes import TELESCOPES


def are_identical(one: RecordedEvents, other: RecordedEvents) -> bool:
    """Whether two event lists are identical to the last bit."""
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in RecordedEvents.__slots__)


def counts_of(telescope: Telescope, observing: ObservingPlan, counts: float, seeds: int, **place: float) -> F64:
    """Numbers of events of a steady source, one for each seed."""
    source = steady(observing, counts, **place)
    return np.array([len(record(telescope, observing, [source], seed)) for seed in range(seeds)], dtype=np.float64)


def is_poisson(counts: F64, mean: float) -> bool:
    """Whether counts have the mean, within five errors, and the dispersion of a Poisson variable."""
    scatter = ((counts - counts.mean()) ** 2).sum() / counts.mean()
    p = stats.chi2.sf(scatter, len(counts) - 1)
    return bool(abs(counts.mean() - mean) < 5 * np.sqrt(mean / len(counts)) and MIN_P_VALUE < p < 1 - MIN_P_VALUE)


def test_arrival_times_are_uniform_in_good_time() -> None:
    telescope = toy(frame_time=FAST_FRAME_S)
    observing = with_gti(exposure(telescope), (0.0, 100.0), (250.0, 300.0), (600.0, 1000.0))
    events = record(telescope, observing, [steady(observing, 8000)], 1)
    clock = Exposure(observing.gti[0])
    assert gti_contains(observing.gti[0], events.time).all()
    assert stats.kstest(clock.livetime_at(events.time) / clock.livetime, "uniform").pvalue > MIN_P_VALUE


def test_energies_follow_spectrum_effective_area_and_resolution() -> None:
    area = np.where(MIDDLE_KEV < 2.0, 300.0, 60.0) * np.exp(-((np.log(MIDDLE_KEV)) ** 2))
    telescope = toy(frame_time=FAST_FRAME_S, area_cm2=area)
    observing = exposure(telescope)
    spectrum = 0.5 * (FLAT + LINE)
    events = record(telescope, observing, [steady(observing, 20_000, spectrum=spectrum)], 2)
    fine = np.interp(np.linspace(0, 400, 400 * 8 + 1), np.arange(401), EDGES_KEV)
    middle = 0.5 * (fine[1:] + fine[:-1])
    weight = np.repeat(spectrum * area, 8) / (spectrum @ area) / 8
    sigma = np.sqrt(60.0**2 + 8000.0 * middle) / 2354.820045
    grid = np.linspace(0.05, 16.0, 3000)
    expected = np.array([weight @ stats.norm.cdf((value - middle) / sigma) for value in grid])
    assert len(events) > 3000
    assert stats.kstest(events.energy, lambda value: np.interp(value, grid, expected)).pvalue > MIN_P_VALUE


@pytest.mark.parametrize(
    ("off_axis", "live", "modules"),
    [
        pytest.param(0.0, 1.0, 1, id="on-axis"),
        pytest.param(300.0, 1.0, 1, id="half-way-to-the-edge"),
        pytest.param(120.0, 0.6, 1, id="dead-time"),
        pytest.param(240.0, 0.9, 3, id="three-modules"),
    ],
)
def test_counts_are_poisson_with_flux_area_vignetting_and_livetime(off_axis: float, live: float, modules: int) -> None:
    chips = tuple(chip(number, module=number) for number in range(modules))
    telescope = toy(frame_time=FAST_FRAME_S, live_fraction=live, chips=chips)
    gti = (0.0, 300.0), (400.0, 1000.0)
    observing = with_gti(exposure(telescope), *gti)
    counts = counts_of(telescope, observing, 150.0, 200, west=0.6 * off_axis, north=-0.8 * off_axis)
    assert is_poisson(counts, 150.0 * 0.9 * (1 - off_axis / 1200) * live * modules)


def test_modules_record_equal_numbers_of_photons() -> None:
    telescope = toy(frame_time=FAST_FRAME_S, chips=tuple(chip(number, module=number) for number in range(4)))
    observing = exposure(telescope)
    events = record(telescope, observing, [steady(observing, 2000)], 3)
    assert stats.chisquare(np.bincount(events.detector, minlength=4)).pvalue > MIN_P_VALUE


def test_light_curve_starts_with_the_exposure() -> None:
    telescope = toy()
    observing = exposure(telescope)
    source = steady(observing, 30_000)
    burst = Component(LightCurve.constant(300.0, 310.0), LINE)
    source = dataclasses.replace(source, model=dataclasses.replace(source.model, components=(burst, burst)))
    events = record(telescope, observing, [source], 21)
    since = events.time - observing.start
    assert 300.0 < since.min() < 300.3 < 309.7 < since.max() < 310.0
    assert abs(events.energy.sum() / 1.5 - 2 * 300) < 5 * np.sqrt(600)


@pytest.mark.parametrize("name", list(TELESCOPES))
def test_events_are_within_frames_chips_and_good_times(name: str) -> None:
    telescope = TELESCOPES[name]
    observing = observe(telescope, ra=10.0, dec=-70.0, duration=1500.0, rng=stream(8, name))
    centre = steady(observing, 2000 / telescope.area_cm2.max() * 100, spectrum=FLAT)
    events = record(telescope, observing, [centre], 8)
    assert len(events) > 100
    assert (np.diff(events.time) >= 0).all()
    since = (events.time - observing.start) / telescope.frame_time
    if telescope.stamp == "middle":
        assert np.allclose(since, events.frame + 0.5, rtol=0, atol=1e-6 / telescope.frame_time)
    else:
        within = since - events.frame
        assert ((within > -1e-5) & (within < 1 + 1e-5)).all()
        assert stats.kstest(within, "uniform").pvalue > MIN_P_VALUE
    for one in telescope.chips:
        own = events.select(events.detector == one.number)
        assert gti_contains(observing.gti[one.number], own.time).all()
        assert ((own.chip_x >= 1) & (own.chip_x <= one.width) & (own.chip_y >= 1) & (own.chip_y <= one.height)).all()
    assert set(np.unique(events.detector)) <= {one.number for one in telescope.chips}
    assert np.isfinite([events.ra, events.dec, events.energy]).all()
    assert set(np.unique(events.grade)) <= {0, 1, 2, 3, 7}
    assert ((events.grade == 7) == (events.fault == Fault.BAD_GRADE)).all()
    assert set(np.unique(events.origin)) <= {-3, -2, -1, 0}


def test_events_of_a_source_do_not_depend_on_other_sources() -> None:
    backgrounds = {"sky_background": FLAT * 1e-4, "particle_background": FLAT * 1e-2, "proton_background": FLAT * 1e-2}
    telescope = toy(frame_time=FAST_FRAME_S, **backgrounds)
    observing = exposure(telescope, pattern="dither")
    one, two, three = (
        steady(observing, 500, west=west, name=name) for name, west in (("A", 0.0), ("B", 90.0), ("C", -90.0))
    )
    alone = record(telescope, observing, [one], 10)
    among = record(telescope, observing, [two, one, three], 10)
    for origin, elsewhere in ((0, 1), (-1, -1), (-2, -2), (-3, -3)):
        first, second = alone.select(alone.origin == origin), among.select(among.origin == elsewhere)
        assert len(first) > 50
        assert are_identical(first, dataclasses.replace(second, origin=first.origin))
    assert (among.origin == 0).sum() > 300
    assert are_identical(record(telescope, observing, [one], 10), alone)
    assert not are_identical(record(telescope, observing, [one], 11), alone)


def test_sources_with_equal_names_are_refused() -> None:
    telescope = toy()
    observing = exposure(telescope)
    with pytest.raises(PhotonError, match="'A'"):
        record(telescope, observing, [steady(observing, 10), steady(observing, 10, west=9)], 16)


def test_source_behind_the_telescope_is_refused() -> None:
    telescope = toy()
    observing = exposure(telescope)
    behind = dataclasses.replace(steady(observing, 10), ra=(observing.ra + 180) % 360, dec=-observing.dec)
    with pytest.raises(PhotonError, match="more than 90 deg"):
        record(telescope, observing, [behind], 17)


def test_empty_field_has_no_events() -> None:
    telescope = toy()
    empty = record(telescope, exposure(telescope), [], 18)
    assert len(empty) == 0
    assert [getattr(empty, name).dtype for name in RecordedEvents.__slots__] == [
        getattr(record(telescope, exposure(telescope), [steady(exposure(telescope), 50)], 18), name).dtype
        for name in RecordedEvents.__slots__
    ]
