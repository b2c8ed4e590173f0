"""From photons to recorded events: each step of the chain against what can be worked out without it."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats
from scipy.sparse.csgraph import connected_components
from toy_telescope import FLAT, LINE, chip, exposure, steady, toy

from xherald.photons import PointSpread
from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError
from xherald.photons.gti import Exposure, gti_contains
from xherald.photons.projection import separation_deg
from xherald.simulation.energies import EDGES_KEV, MIDDLE_KEV
from xherald.simulation.exposure import Fault, ObservingPlan, RecordedEvents
from xherald.simulation.frames import FramedEvents
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import Component
from xherald.simulation.observing import observe
from xherald.simulation.pileup import pile_up
from xherald.simulation.random_streams import stream
from xherald.simulation.response import record
from xherald.simulation.telescope import Telescope
from xherald.simulation.telescopes import TELESCOPES

LEAST_P = 1e-4
FAST = 1e-4  # s a frame: nothing piles up


def with_gti(observing: ObservingPlan, *rows: tuple[float, float]) -> ObservingPlan:
    """The same exposure with good times given in s since the start, for all chips."""
    gti = observing.start + np.array(rows)
    return dataclasses.replace(observing, gti=dict.fromkeys(observing.gti, gti), duration=rows[-1][1])


def same(one: RecordedEvents, other: RecordedEvents) -> bool:
    """Whether two lists are the same to the last bit."""
    return all(getattr(one, name).tobytes() == getattr(other, name).tobytes() for name in RecordedEvents.__slots__)


def counts_of(telescope: Telescope, observing: ObservingPlan, counts: float, seeds: int, **place: float) -> F64:
    """Events of a steady source for each seed."""
    source = steady(observing, counts, **place)
    return np.array([len(record(telescope, observing, [source], seed)) for seed in range(seeds)], dtype=np.float64)


def is_poisson(counts: F64, mean: float) -> bool:
    """Whether counts have the mean, within five errors, and the dispersion of a Poisson variable."""
    scatter = ((counts - counts.mean()) ** 2).sum() / counts.mean()
    p = stats.chi2.sf(scatter, len(counts) - 1)
    return bool(abs(counts.mean() - mean) < 5 * np.sqrt(mean / len(counts)) and LEAST_P < p < 1 - LEAST_P)


def test_arrivals_are_even_over_good_time_and_absent_in_gaps() -> None:
    telescope = toy(frame_time=FAST)
    observing = with_gti(exposure(telescope), (0.0, 100.0), (250.0, 300.0), (600.0, 1000.0))
    events = record(telescope, observing, [steady(observing, 8000)], 1)
    clock = Exposure(observing.gti[0])
    assert gti_contains(observing.gti[0], events.time).all()
    assert stats.kstest(clock.livetime_at(events.time) / clock.livetime, "uniform").pvalue > LEAST_P


def test_energies_follow_the_spectrum_times_area_through_the_resolution() -> None:
    area = np.where(MIDDLE_KEV < 2.0, 300.0, 60.0) * np.exp(-((np.log(MIDDLE_KEV)) ** 2))
    telescope = toy(frame_time=FAST, area_cm2=area)
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
    assert stats.kstest(events.energy, lambda value: np.interp(value, grid, expected)).pvalue > LEAST_P


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
    telescope = toy(frame_time=FAST, live_fraction=live, chips=chips)
    gti = (0.0, 300.0), (400.0, 1000.0)
    observing = with_gti(exposure(telescope), *gti)
    counts = counts_of(telescope, observing, 150.0, 200, west=0.6 * off_axis, north=-0.8 * off_axis)
    assert is_poisson(counts, 150.0 * 0.9 * (1 - off_axis / 1200) * live * modules)


def test_modules_share_photons_evenly() -> None:
    telescope = toy(frame_time=FAST, chips=tuple(chip(number, module=number) for number in range(4)))
    observing = exposure(telescope)
    events = record(telescope, observing, [steady(observing, 2000)], 3)
    assert stats.chisquare(np.bincount(events.detector, minlength=4)).pvalue > LEAST_P


@pytest.mark.parametrize("off_axis", [0.0, 400.0], ids=["on-axis", "off-axis"])
def test_the_radial_profile_is_that_of_the_point_spread(off_axis: float) -> None:
    spread = PointSpread("toy", (0.0, 10.0), (1.5,), ((2.0, 6.0),), ((6.0, 15.0),), 1.0)
    fine = chip(width=12_000, height=12_000, pixel_arcsec=0.1)
    telescope = toy(frame_time=FAST, point_spread=spread, chips=(fine,), vignetting=np.ones((2, 2)))
    observing = exposure(telescope)
    source = steady(observing, 20_000, west=off_axis)
    events = record(telescope, observing, [source], 4)
    radius = separation_deg(events.ra, events.dec, source.ra, source.dec) * 3600
    for part in (0.3, 0.5, 0.7, 0.9):
        inside = int((radius < spread.radius(part, off_axis / 60)).sum())
        assert stats.binomtest(inside, len(radius), part).pvalue > LEAST_P


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
def test_events_lie_where_their_source_does(layout: dict[str, float], pattern: str, roll: float) -> None:
    telescope = toy(chips=(chip(**layout),))
    observing = exposure(telescope, 3000.0, pattern=pattern, roll=roll)
    source = steady(observing, 1500, west=100.0, north=-150.0)
    events = record(telescope, observing, [source], 5)
    # A pixel of 1″ and positions even inside it: ±0.29″ in each axis once for the pixel, once for the randomisation.
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
def test_roll_turns_the_chips_from_north_through_east(roll: float, west: float, north: float) -> None:
    telescope = toy()
    observing = exposure(telescope, roll=roll)
    events = record(telescope, observing, [steady(observing, 300, west=west, north=north)], 20)
    assert (abs(events.chip_x - 650.5) < 3).all()
    assert (abs(events.chip_y - 580.5) < 3).all()


def test_light_curves_count_from_the_start_of_the_exposure() -> None:
    telescope = toy()
    observing = exposure(telescope)
    source = steady(observing, 30_000)
    burst = Component(LightCurve.constant(300.0, 310.0), LINE)
    source = dataclasses.replace(source, model=dataclasses.replace(source.model, components=(burst, burst)))
    events = record(telescope, observing, [source], 21)
    since = events.time - observing.start
    assert 300.0 < since.min() < 300.3 < 309.7 < since.max() < 310.0
    assert abs(events.energy.sum() / 1.5 - 2 * 300) < 5 * np.sqrt(600)


def test_dither_takes_a_source_off_the_chip_for_the_time_predicted() -> None:
    telescope = toy(frame_time=FAST, vignetting=np.ones((2, 2)), chips=(chip(height=500),))
    observing = exposure(telescope, 20_000.0, pattern="dither", roll=0.0)
    source = steady(observing, 6000, north=246.0)
    events = record(telescope, observing, [source], 6)
    time = observing.start + np.linspace(0, observing.duration, 200_001)
    on_chip = 246.0 - observing.boresight(time)[1] < 250.0
    assert 0.2 < on_chip.mean() < 0.8
    assert abs(len(events) - 6000 * on_chip.mean()) < 5 * np.sqrt(6000 * on_chip.mean())
    # When they come is as foretold too: within the PSF of the moment.
    seen = observing.boresight(events.time)[1]
    assert (246.0 - seen < 250.0 + 2.0).all()


def test_a_survey_source_is_seen_for_a_pass_and_dimmed_at_its_ends() -> None:
    wide = chip(width=500, height=500, pixel_arcsec=10.0)
    telescope = toy(
        mission="erosita",
        frame_time=FAST,
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
    foretold = np.interp(events.time, time, seen / seen[-1])
    assert stats.kstest(foretold, "uniform").pvalue > LEAST_P
    assert abs(len(events) - 0.4 * seen[-1]) < 5 * np.sqrt(0.4 * seen[-1])


@pytest.mark.parametrize("name", list(TELESCOPES))
def test_events_stand_in_frames_chips_and_good_times(name: str) -> None:
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
        assert stats.kstest(within, "uniform").pvalue > LEAST_P
    for one in telescope.chips:
        own = events.select(events.detector == one.number)
        assert gti_contains(observing.gti[one.number], own.time).all()
        assert ((own.chip_x >= 1) & (own.chip_x <= one.width) & (own.chip_y >= 1) & (own.chip_y <= one.height)).all()
    assert set(np.unique(events.detector)) <= {one.number for one in telescope.chips}
    assert np.isfinite([events.ra, events.dec, events.energy]).all()
    assert set(np.unique(events.grade)) <= {0, 1, 2, 3, 7}
    assert ((events.grade == 7) == (events.fault == Fault.BAD_GRADE)).all()
    assert set(np.unique(events.origin)) <= {-3, -2, -1, 0}


def test_streaks_hold_the_photons_of_the_read_out() -> None:
    telescope = toy(frame_time=FAST, live_fraction=0.9, streaks=True)
    observing = exposure(telescope, roll=0.0)
    events = record(telescope, observing, [steady(observing, 8000, west=100.0, north=80.0)], 9)
    assert abs(len(events) - 8000 * (1 - 128.06 / 1200)) < 5 * np.sqrt(8000)
    away = abs(events.chip_y - 580.5) > 2
    # Of the rows, 996 or so of 1000 are not those of the source.
    assert stats.binomtest(int(away.sum()), len(events), 0.1 * 0.996).pvalue > LEAST_P
    assert stats.kstest(events.chip_y[away] / 1000, "uniform").pvalue > LEAST_P
    assert (abs(events.chip_x - 600.5) < 4).all()


def test_without_streaks_the_same_photons_are_lost() -> None:
    telescope = toy(frame_time=FAST, live_fraction=0.9)
    observing = exposure(telescope, roll=0.0)
    events = record(telescope, observing, [steady(observing, 8000, north=80.0)], 9)
    assert (abs(events.chip_y - 580.5) < 4).all()


def test_a_source_draws_the_same_photons_whatever_else_is_in_the_field() -> None:
    backgrounds = {"sky_background": FLAT * 1e-4, "particle_background": FLAT * 1e-2, "proton_background": FLAT * 1e-2}
    telescope = toy(frame_time=FAST, **backgrounds)
    observing = exposure(telescope, pattern="dither")
    one, two, three = (
        steady(observing, 500, west=west, name=name) for name, west in (("A", 0.0), ("B", 90.0), ("C", -90.0))
    )
    alone = record(telescope, observing, [one], 10)
    among = record(telescope, observing, [two, one, three], 10)
    for origin, elsewhere in ((0, 1), (-1, -1), (-2, -2), (-3, -3)):
        first, second = alone.select(alone.origin == origin), among.select(among.origin == elsewhere)
        assert len(first) > 50
        assert same(first, dataclasses.replace(second, origin=first.origin))
    assert (among.origin == 0).sum() > 300
    assert same(record(telescope, observing, [one], 10), alone)
    assert not same(record(telescope, observing, [one], 11), alone)


@pytest.mark.parametrize(
    ("table", "origin"),
    [("sky_background", -1), ("particle_background", -2), ("proton_background", -3)],
    ids=["sky", "particles", "protons"],
)
def test_backgrounds_have_their_rates_shapes_and_origins(table: str, origin: int) -> None:
    rate = 1e-2 / 100 if table == "sky_background" else 1e-2
    chips = chip(0), chip(1, width=500, module=1)
    telescope = toy(frame_time=FAST, chips=chips, vignetting=np.array([[1.0, 1.0], [0.2, 0.2]]), **{table: FLAT * rate})
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
        assert stats.kstest(reached, "uniform").pvalue > LEAST_P
        columns = np.cumsum(area.sum(axis=0)) / area.sum()
        # Half a pixel of jitter makes the whole numbers even again.
        place = own.chip_x - np.random.default_rng(0).random(len(own))
        assert stats.kstest(np.interp(place, np.arange(one.width + 1), [0, *columns]), "uniform").pvalue > LEAST_P


def test_only_photons_are_blurred_by_the_resolution() -> None:
    tables = {"sky_background": LINE * 1e-4, "particle_background": LINE * 1e-2, "proton_background": LINE * 1e-2}
    telescope = toy(frame_time=FAST, **tables)
    events = record(telescope, exposure(telescope), [], 22)
    bin_kev, sigma = 1.5 * 0.0126, np.sqrt(60.0**2 + 8000.0 * 1.5) / 2354.820045
    for origin, width in (
        (-1, np.hypot(sigma, bin_kev / np.sqrt(12))),
        (-2, bin_kev / np.sqrt(12)),
        (-3, bin_kev / np.sqrt(12)),
    ):
        energy = events.energy[events.origin == origin]
        assert energy.std() == pytest.approx(width, rel=5 / np.sqrt(2 * len(energy)))


@pytest.mark.parametrize("mean", [0.2, 1.0, 3.0])
def test_pile_up_on_one_pixel_agrees_with_the_closed_form(mean: float) -> None:
    one_pixel = chip(width=3, height=3, pixel_arcsec=60.0)
    telescope = toy(frame_time=1.0, chips=(one_pixel,))
    observing = exposure(telescope, 10_000.0)
    events = record(telescope, observing, [steady(observing, mean * 10_000)], 13)
    # A frame has an event with probability 1 − exp(−m); it keeps its grade with Σ Poisson(n; m) α^(n − 1).
    seen, good = 1 - np.exp(-mean), np.exp(-mean) * np.expm1(0.5 * mean) / 0.5
    assert len(np.unique(events.frame)) == len(events)
    assert stats.binomtest(len(events), 10_000, seen).pvalue > LEAST_P
    assert stats.binomtest(int((events.grade < 7).sum()), len(events), good / seen).pvalue > LEAST_P
    assert events.energy.sum() == pytest.approx(1.5 * mean * 10_000, rel=5 / np.sqrt(mean * 10_000))


# Two branches that meet at last: events joined to the second must be found in the first.
@example([(0, 0, x, y, 1) for x, y in ((1, 1), (1, 4), (2, 2), (2, 5), (3, 3), (3, 4))])
@given(
    places=st.lists(
        st.tuples(st.integers(0, 1), st.integers(0, 1), st.integers(1, 6), st.integers(1, 6), st.integers(1, 40)),
        max_size=60,
    ),
)
def test_pile_up_merges_what_touches_and_nothing_else(places: list[tuple[int, int, int, int, int]]) -> None:
    detector, frame, x, y, energy = np.array(places, dtype=np.int64).reshape(-1, 5).T
    n = len(detector)
    events = RecordedEvents(
        *(frame.astype(float), frame, np.zeros(n), np.zeros(n), energy.astype(float)),
        *(column.astype(np.int16) for column in (detector, x, y, 0 * x, 0 * x)),
        np.arange(n, dtype=np.int32),
    )
    luck = (np.arange(n) * 0.618034) % 1
    merged = pile_up(FramedEvents(events, luck))
    touch = (detector[:, None] == detector) & (frame[:, None] == frame)
    touch &= (abs(x[:, None] - x) <= 1) & (abs(y[:, None] - y) <= 1)
    clusters, label = connected_components(touch)
    assert len(merged) == clusters
    for event in range(len(merged)):
        brightest = merged.origin[event]
        members = label == label[brightest]
        assert merged.energy[event] == energy[members].sum()
        assert energy[brightest] == energy[members].max()
        assert (merged.chip_x[event], merged.chip_y[event]) == (x[brightest], y[brightest])
    assert (np.diff(merged.time) >= 0).all()
    members = np.bincount(label, minlength=clusters)[label[merged.origin]] if n else np.empty(0)
    assert np.array_equal(merged.grade == 7, luck[merged.origin] >= 0.5 ** (members - 1))
    assert np.array_equal(merged.fault == Fault.BAD_GRADE, merged.grade == 7)


def test_harder_photons_split_over_more_pixels() -> None:
    telescope = toy(frame_time=FAST)
    observing = exposure(telescope)
    lines = [np.eye(400)[np.searchsorted(MIDDLE_KEV, energy)] for energy in (0.5, 7.0)]
    singles = []
    for line in lines:
        events = record(telescope, observing, [steady(observing, 5000, spectrum=line)], 14)
        singles.append((events.grade == 0).mean())
        assert (events.grade <= 3).all()
    assert singles[0] > singles[1] + 0.1


def test_pn_counts_singles_and_doubles_only() -> None:
    telescope = toy(name="xmm-pn", frame_time=FAST)
    observing = exposure(telescope)
    events = record(telescope, observing, [steady(observing, 2000)], 15)
    assert set(np.unique(events.grade)) == {0, 1}


def test_sources_of_one_name_are_refused() -> None:
    telescope = toy()
    observing = exposure(telescope)
    with pytest.raises(PhotonError, match="'A'"):
        record(telescope, observing, [steady(observing, 10), steady(observing, 10, west=9)], 16)


def test_a_source_behind_the_telescope_is_refused() -> None:
    telescope = toy()
    observing = exposure(telescope)
    behind = dataclasses.replace(steady(observing, 10), ra=(observing.ra + 180) % 360, dec=-observing.dec)
    with pytest.raises(PhotonError, match="behind"):
        record(telescope, observing, [behind], 17)


def test_nothing_in_the_field_is_no_event() -> None:
    telescope = toy()
    empty = record(telescope, exposure(telescope), [], 18)
    assert len(empty) == 0
    assert [getattr(empty, name).dtype for name in RecordedEvents.__slots__] == [
        getattr(record(telescope, exposure(telescope), [steady(exposure(telescope), 50)], 18), name).dtype
        for name in RecordedEvents.__slots__
    ]


def test_every_chip_has_its_own_good_times() -> None:
    telescope = toy(frame_time=FAST, chips=(chip(0), chip(1, module=1)), particle_background=FLAT * 1e-3)
    observing = exposure(telescope)
    rows = {0: (0.0, 200.0), 1: (100.0, 1000.0)}
    gti = {number: observing.start + np.array([row]) for number, row in rows.items()}
    events = record(telescope, dataclasses.replace(observing, gti=gti), [steady(observing, 2000)], 23)
    for number, (begin, end) in rows.items():
        own = events.select(events.detector == number)
        assert gti_contains(gti[number], own.time).all()
        mean = 2 * (end - begin)
        assert abs((own.origin == 0).sum() - mean) < 5 * np.sqrt(mean)


def test_no_event_is_stamped_outside_good_times_that_cut_frames() -> None:
    telescope = toy(frame_time=3.0)
    observing = with_gti(exposure(telescope), (2.0, 7.0), (13.0, 32.0))
    events = record(telescope, observing, [steady(observing, 3000)], 24)
    # Middles of frames: 1.5, 4.5, 7.5, 10.5, 13.5, …
    assert set(events.time - observing.start) == {4.5, *np.arange(13.5, 32, 3)}


def test_no_photon_from_before_good_time_is_stamped_into_it() -> None:
    telescope = toy(frame_time=3.0, chips=(chip(0), chip(1, module=1)))
    observing = exposure(telescope)
    early = {number: observing.start + np.array([[begin, 30.0]]) for number, begin in ((0, 1.2), (1, 0.0))}
    source = steady(observing, 3000)
    burst = dataclasses.replace(source.model, components=(Component(LightCurve.constant(0.0, 1.0), LINE),))
    source = dataclasses.replace(source, model=burst, flux=1.0)
    events = record(telescope, dataclasses.replace(observing, gti=early), [source], 25)
    assert set(events.detector) == {1}


def test_chips_without_good_times_record_nothing() -> None:
    telescope = toy(chips=(chip(0), chip(1, module=1)), particle_background=FLAT * 1e-2)
    observing = exposure(telescope)
    one_chip = dataclasses.replace(observing, gti={1: observing.gti[1]})
    events = record(telescope, one_chip, [steady(observing, 500)], 19)
    assert set(events.detector) == {1}
    assert set(events.origin) == {-2, 0}
