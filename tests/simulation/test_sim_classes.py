"""Source classes hold together, and each does what it is named for."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError
from xherald.simulation import spectra
from xherald.simulation.classes import CLASSES, total_light_curve
from xherald.simulation.classes.dips import covered_part
from xherald.simulation.classes.events import evolving
from xherald.simulation.classes.shapes import SHAPE_FAMILIES, random_shape
from xherald.simulation.energies import MIDDLE_KEV
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.model import SourceModel
from xherald.simulation.random_streams import stream

ALL = np.array([[-np.inf, np.inf]])
FLARES = [name for name, one in CLASSES.items() if one.direction == "flare"]
DIPS = [name for name, one in CLASSES.items() if one.direction == "dip"]
EVENTLESS = [name for name, one in CLASSES.items() if one.direction == ""]


def mean_energy(model: SourceModel, time: float | F64) -> F64:
    """Mean photon energy, keV, at each time."""
    at = np.atleast_1d(time)
    rate = np.array([one.light_curve.at(at) for one in model.components])
    middle = np.array([one.spectrum @ MIDDLE_KEV for one in model.components])
    mean: F64 = middle @ rate / rate.sum(axis=0)
    return mean


def changed(model: SourceModel) -> float:
    """Photons that the event adds to the steady level or takes away; the level is that of the quietest knot, or 1."""
    total = total_light_curve(model)
    level = 1.0 if model.direction == "dip" else total.rate.min()
    return abs(total.integral(ALL) - level * (total.time[-1] - total.time[0]))


# Every class


def test_the_registry_names_every_class() -> None:
    assert list(CLASSES) == [
        "constant", "agn", "stellar_flare", "fast_transient", "xray_flash", "afterglow", "shock_breakout",
        "magnetar_burst", "xray_burst", "sfxt", "tidal_disruption", "nova", "dwarf_nova", "eclipse", "dip", "transit",
        "pulsator", "intermediate_polar", "ulx_pulsar", "supersoft", "qpe", "other_flare", "other_dip",
    ]  # fmt: skip
    for name, one in CLASSES.items():
        assert one.name == name
        assert one.summary
        assert "\n" not in one.summary
        assert (one.lengths is None) == (one.direction == "")


@pytest.mark.parametrize("duration", [40.0, 600.0, 30_000.0, 1e5], ids="{:g} s".format)
@pytest.mark.parametrize("name", CLASSES)
def test_models_hold_together(name: str, duration: float) -> None:
    for seed in range(50):
        model = CLASSES[name].draw(stream(seed, name), duration)
        assert (model.kind, model.direction) == (name, CLASSES[name].direction)
        assert 1 <= len(model.components) <= 6
        assert all(isinstance(value, float) and np.isfinite(value) for value in model.parameters.values())
        json.dumps(dict(model.parameters), allow_nan=False)
        for one in model.components:
            assert one.light_curve.time[[0, -1]].tolist() == [0.0, duration]
            assert len(one.light_curve.time) <= 4000
            assert one.spectrum.sum() == pytest.approx(1.0)
            assert (one.spectrum >= 0).all()
        total = total_light_curve(model)
        assert total.rate.max() > 0
        assert total.integral(ALL) == pytest.approx(sum(one.light_curve.integral(ALL) for one in model.components))
        if CLASSES[name].lengths is None:
            assert model.interval is None
        else:
            assert model.interval is not None
            assert 0 <= model.interval[0] < model.interval[1] <= duration


@pytest.mark.parametrize("name", CLASSES)
def test_the_same_stream_gives_the_same_model(name: str) -> None:
    first, again, other = (CLASSES[name].draw(stream(seed, "again"), 5e3) for seed in (1, 1, 2))
    assert first.parameters == again.parameters != other.parameters
    assert first.interval == again.interval
    for one, two in zip(first.components, again.components, strict=True):
        assert one.light_curve.rate.tobytes() == two.light_curve.rate.tobytes()
        assert one.spectrum.tobytes() == two.spectrum.tobytes()


@pytest.mark.parametrize("name", [*FLARES, *DIPS])
def test_drawn_lengths_are_the_published_ones_where_they_fit(name: str) -> None:
    low, high = CLASSES[name].lengths or (0.0, 0.0)
    high = min(high, 0.5e5)  # half of the exposure
    lengths = [CLASSES[name].draw(stream(seed, "length"), 1e5).parameters["length_s"] for seed in range(200)]
    assert low <= min(lengths) < 2 * low
    assert 0.5 * high < max(lengths) <= high
    assert stats.kstest(np.log(np.array(lengths) / low) / np.log(high / low), "uniform").pvalue > 1e-4
    assert CLASSES[name].draw(stream(1, "short"), 0.1 * low).parameters["length_s"] <= 0.05 * low


@pytest.mark.parametrize("name", [name for name in (*FLARES, *DIPS) if not name.startswith("other")])
@given(seed=st.integers(0, 10_000), start=st.floats(3e4, 5e4), length=st.floats(30.0, 3e3))
def test_an_event_is_where_it_was_asked_for(name: str, seed: int, start: float, length: float) -> None:
    model = CLASSES[name].build(stream(seed, "place"), 1e5, start=start, length=length)
    assert model.interval is not None
    first, last = model.interval
    # A pulse of precursors, or a quarter of the shape, may lie before the 5 % point.
    assert last - first == pytest.approx(length, rel=2e-3)
    # The jet of a disruption may flicker, a star rise, and a supergiant's first flare be faint, for long before.
    before = {"tidal_disruption": 3.0, "sfxt": 2.0, "stellar_flare": 1.2}.get(name, 0.6)
    assert start <= first + 1e-3 * length < start + before * length
    assert (model.parameters["start_s"], model.parameters["length_s"]) == (start, length)


@pytest.mark.parametrize("name", FLARES)
def test_the_photons_of_a_flare_can_be_had_alone(name: str) -> None:
    for seed in range(10):
        whole, bare = (
            CLASSES[name].build(stream(seed, "bare"), 2e4, start=8e3, length=500.0, persistent=level)
            for level in (1.0, 0.0)
        )
        event, everything = total_light_curve(bare), total_light_curve(whole)
        assert whole.interval == bare.interval
        first, last = whole.interval or (0.0, 0.0)
        assert event.integral(np.array([[first, last]])) == pytest.approx(0.9 * event.integral(ALL), rel=1e-6) or (
            name == "qpe"  # several eruptions: the interval is of one
        )
        rest = everything.at(event.time) - event.at(event.time)
        np.testing.assert_allclose(rest, rest[0], atol=1e-9 * max(event.rate.max(), 1.0))
        assert rest[0] >= -1e-12
        if name != "qpe":
            assert event.at(np.array([0.0, 100.0, 19_999.0])).max() < 0.01 * event.rate.max()


@pytest.mark.parametrize("name", DIPS)
def test_a_dip_takes_photons_from_a_steady_level(name: str) -> None:
    for seed in range(20):
        one, two = (
            CLASSES[name].build(stream(seed, "dip"), 2e4, start=8e3, length=900.0, persistent=level)
            for level in (1.0, 2.0)
        )
        total = total_light_curve(one)
        assert total.rate.max() == pytest.approx(1.0)
        assert 1 - total.rate.min() == pytest.approx(one.parameters["depth"], rel=1e-3)
        np.testing.assert_allclose(total_light_curve(two).rate, 2 * total.rate, atol=1e-12)


@pytest.mark.parametrize("edge", ["start", "stop"])
@pytest.mark.parametrize("name", [*FLARES, *DIPS])
def test_an_event_can_be_cut_off(name: str, edge: str) -> None:
    for seed in range(10):
        start = -150.0 if edge == "start" else 4_800.0
        model = CLASSES[name].build(stream(seed, "cut"), 5e3, start=start, length=500.0)
        whole = CLASSES[name].build(stream(seed, "cut"), 5e3, start=2e3, length=500.0)
        first, last = model.interval or (0.0, 0.0)
        assert 0 <= first < last <= 5e3
        # Some come again, whole; those of no known kind have other spectra at their ends.
        if name not in ("eclipse", "qpe", "other_flare", "other_dip"):
            cut, full = (changed(one) for one in (model, whole))
            # Of a flare that rises slowly, next to nothing is seen before the exposure stops.
            assert (1e-4 if name == "stellar_flare" else 0.01) * full < cut < full


@pytest.mark.parametrize("name", EVENTLESS)
@pytest.mark.parametrize("place", [{"start": 5.0}, {"length": 5.0}], ids=["start", "length"])
def test_an_event_of_a_class_without_is_refused(name: str, place: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*no event"):
        CLASSES[name].build(stream(1), 100.0, **place)


@pytest.mark.parametrize("name", [*DIPS, *EVENTLESS])
def test_what_shines_persistently_cannot_do_without(name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}.*persistent"):
        CLASSES[name].build(stream(1), 1e4, persistent=0.0)


@pytest.mark.parametrize(
    ("duration", "choice", "word"),
    [
        pytest.param(0.0, {}, "duration", id="no duration"),
        pytest.param(np.inf, {}, "duration", id="endless"),
        pytest.param(1e3, {"length": 0.0}, "length", id="no length"),
        pytest.param(1e3, {"length": np.nan}, "length", id="nan length"),
        pytest.param(1e3, {"start": 2e3}, "outside the exposure", id="starts after the stop"),
        pytest.param(1e3, {"start": -1e6, "length": 10.0}, "outside the exposure", id="over before the start"),
        pytest.param(1e3, {"start": np.nan}, "outside the exposure", id="nan start"),
        pytest.param(1e3, {"persistent": -1.0}, "negative", id="negative persistent emission"),
    ],
)
@pytest.mark.parametrize("name", ["stellar_flare", "xray_burst", "dip", "transit"])
def test_impossible_requests_are_refused(name: str, duration: float, choice: dict[str, float], word: str) -> None:
    with pytest.raises(ConfigError, match=word):
        CLASSES[name].build(stream(1), duration, **choice)


# What is particular to a class


def test_a_stellar_flare_is_heated_then_cools() -> None:
    single = 0
    for seed in range(40):
        build = CLASSES["stellar_flare"].build
        model = build(stream(seed, "flare"), 2e4, start=5e3, length=3e3, persistent=0.0)
        if model.parameters["reheatings"] or model.parameters["flat_top"]:
            continue
        single += 1
        event = total_light_curve(model)
        peak = float(event.time[event.rate.argmax()])
        rise, decay = model.parameters["rise_s"], model.parameters["decay_s"]
        onset, hot, *later = mean_energy(
            model, peak + np.array([-1.9 * rise, -0.5 * rise, 0, decay, 2 * decay, 4 * decay])
        )
        assert hot > onset
        assert (np.diff([hot, *later]) < 0).all()
        ratio = event.at(peak + decay) / event.rate.max()
        assert ratio == pytest.approx(np.exp(-1), rel=0.02)
        assert model.parameters["peak_ratio"] == pytest.approx(event.rate.max(), rel=1e-3)
    assert single > 10


def test_a_reheated_flare_has_several_peaks_and_each_is_hotter_than_the_valley_before() -> None:
    several = 0
    for seed in range(60):
        model = CLASSES["stellar_flare"].build(stream(seed, "again"), 4e4, start=5e3, length=6e3, persistent=0.0)
        event = total_light_curve(model)
        rate = event.rate
        peaks = (
            np.flatnonzero((rate[1:-1] > rate[:-2]) & (rate[1:-1] >= rate[2:]) & (rate[1:-1] > 0.2 * rate.max())) + 1
        )
        if len(peaks) < 2 or not model.parameters["reheatings"]:
            continue
        first, second = int(peaks[0]), int(peaks[1])
        valley = first + int(rate[first:second].argmin())
        if rate[valley] < 0.7 * rate[second]:
            several += 1
            cold, *later = mean_energy(model, event.time[valley : second + 1])
            assert max(later) > cold  # it is hottest before the second peak
    assert several > 5


@pytest.mark.parametrize("name", [name for name in CLASSES if name not in ("supersoft", "nova", "qpe")])
def test_every_class_is_seen_through_any_column(name: str) -> None:
    drawn = [CLASSES[name].draw(stream(seed, "column"), 2e4).parameters for seed in range(300)]
    column = np.array([one["nh_1e22"] for one in drawn])
    assert 1e-3 <= column.min() < (0.2 if name == "sfxt" else 3e-3)  # a supergiant's wind is never thin
    assert 10 < column.max() <= 10**1.5


@pytest.mark.parametrize("family", SHAPE_FAMILIES)
def test_random_shapes_differ_and_are_closed(family: str) -> None:
    shapes = [random_shape(stream(seed, family), family) for seed in range(50)]
    for one in shapes:
        assert one.rate[0] == one.rate[-1] == 0.0
        assert one.rate.max() == pytest.approx(1.0)
        assert (np.diff(one.time) > 0).all()
    middles = [float(one.quantile(0.5) / one.time[-1]) for one in shapes]
    assert np.ptp(middles) > 0.02


def test_a_given_shape_takes_the_place_of_the_own_one() -> None:
    """A flare of any shape keeps the class's temperatures: it is hotter where it is brighter."""
    shape = random_shape(stream(3, "ramp"), "ramp")
    model = CLASSES["stellar_flare"].build(stream(1), 2e4, start=5e3, length=3e3, persistent=0.0, shape=shape)
    event = total_light_curve(model)
    first, last = shape.quantile(0.05), shape.quantile(0.95)
    inside = np.linspace(5e3 + 100, 8e3, 50)
    expected = shape.at((inside - 5e3) * (last - first) / 3e3)
    np.testing.assert_allclose(event.at(inside) / event.rate.max(), expected, atol=0.01)


def test_a_thermonuclear_burst_cools() -> None:
    for seed in range(20):
        model = CLASSES["xray_burst"].build(stream(seed, "burst"), 1e3, start=300.0, length=50.0, persistent=0.0)
        event = total_light_curve(model)
        peak, decay = float(event.time[event.rate.argmax()]), model.parameters["decay_s"]
        assert (np.diff(mean_energy(model, peak + decay * np.array([0.0, 0.5, 1.0, 2.0, 4.0]))) < 0).all()
        assert peak - 300.0 == pytest.approx(model.parameters["rise_s"], rel=1e-6)


def test_a_magnetar_burst_is_hard_then_soft_and_its_tail_turns() -> None:
    for seed in range(20):
        model = CLASSES["magnetar_burst"].build(stream(seed, "sgr"), 5e3, start=1e3, length=600.0, persistent=0.0)
        event, drawn = total_light_curve(model), model.parameters
        spike, tail, period = drawn["spike_s"], drawn["tail_s"], drawn["period_s"]
        assert 1 <= spike <= 11
        hard, *soft = mean_energy(model, 1e3 + np.array([0.5 * spike, 1.2 * spike + 0.1 * tail, 0.5 * tail]))
        assert (np.diff([hard, *soft]) < 0).all()
        spike_rate = event.integral(np.array([[1e3, 1e3 + spike]])) / spike
        tail_rate = event.integral(np.array([[1e3 + 0.2 * tail, 1e3 + 0.8 * tail]])) / (0.6 * tail)
        assert spike_rate > 4 * tail_rate
        # Folded at the period, the detrended tail swings by what was drawn.
        time = 1e3 + 0.1 * tail + period / 200 * np.arange(4000)
        level = (1 - (time - 1e3) / tail) ** drawn["tail_bend"]
        folded = (event.at(time) / level).reshape(20, 200).mean(axis=0)
        assert np.ptp(folded) / (2 * folded.mean()) == pytest.approx(drawn["swing"], rel=0.1)


def test_an_absorption_dip_hardens_and_the_others_keep_their_colour() -> None:
    for seed in range(20):
        for name in ("eclipse", "dip", "transit"):
            model = CLASSES[name].build(stream(seed, "colour"), 2e4, start=5e3, length=3e3)
            total = total_light_curve(model)
            lowest = float(total.time[total.rate.argmin()])
            outside, inside = (float(mean_energy(model, at)[0]) if total.at(at) > 0 else 0 for at in (0.0, lowest))
            if name == "dip":
                assert inside > outside
            elif inside:
                assert inside == pytest.approx(outside)


def test_an_eclipse_is_sharp_and_comes_again() -> None:
    recurring = 0
    for seed in range(30):
        model = CLASSES["eclipse"].build(stream(seed, "eclipse"), 5e4, start=2e4, length=800.0)
        total, drawn = total_light_curve(model), model.parameters
        assert 4 < drawn["ingress_s"] <= 0.25 * 800.0
        assert total.at(2e4 - 1) == total.at(2e4 - 0.5 * 800.0) == 1.0
        assert total.at(2e4 + drawn["ingress_s"]) == pytest.approx(1 - drawn["depth"], abs=1e-3)
        again = 2e4 + drawn["period_s"]
        if again + 2e3 < 5e4:
            recurring += 1
            probe = np.linspace(-100.0, 1e3, 50)
            np.testing.assert_allclose(total.at(2e4 + probe), total.at(again + probe), atol=1e-9)
        assert model.interval is not None
        assert 2e4 < model.interval[0] < 2.1e4
    assert recurring > 10


@pytest.mark.parametrize(
    ("apart", "ratio", "covered"),
    [(0.0, 2.0, 1.0), (0.5, 2.0, 1.0), (0.0, 0.6, 0.36), (0.3, 0.6, 0.36), (1.6, 0.6, 0.0), (9.0, 2.0, 0.0)],
    ids=str,
)
def test_discs_cover_all_a_part_or_nothing(apart: float, ratio: float, covered: float) -> None:
    assert covered_part(np.array([apart]), ratio)[0] == pytest.approx(covered, abs=1e-7)


@given(apart=st.floats(0.0, 3.5), ratio=st.floats(0.3, 2.5))
def test_the_overlap_of_discs_is_counted(apart: float, ratio: float) -> None:
    x, y = np.meshgrid(*2 * [np.linspace(-1, 1, 401)])
    disc = np.hypot(x, y) < 1
    counted = (np.hypot(x - apart, y) < ratio)[disc].mean()
    assert covered_part(np.array([apart]), ratio)[0] == pytest.approx(counted, abs=6e-3)


def test_a_pulsator_repeats() -> None:
    for seed in range(20):
        model = CLASSES["pulsator"].draw(stream(seed, "pulse"), 1e4)
        total, period = total_light_curve(model), model.parameters["period_s"]
        time = np.linspace(0.0, 1e4 - 2 * period, 3000)
        np.testing.assert_allclose(total.at(time), total.at(time + period), atol=0.06)
        assert 0.5 * np.ptp(total.rate) <= model.parameters["pulsed_fraction"] * (1 + 1e-9)
        assert np.ptp(total.rate) > 0.2 * model.parameters["pulsed_fraction"]


def test_eruptions_are_harder_than_the_quiet_nucleus_and_come_again() -> None:
    several = 0
    for seed in range(20):
        model = CLASSES["qpe"].build(stream(seed, "qpe"), 4e4, start=2e4, length=1.5e3)
        total = total_light_curve(model)
        first, last = model.interval or (0.0, 0.0)
        inside = (total.time > first) & (total.time < last)
        peak = float(total.time[inside][total.rate[inside].argmax()])
        quiet = float(total.time[total.rate.argmin()])
        assert mean_energy(model, peak)[0] > 1.2 * mean_energy(model, quiet)[0]
        assert total.rate[inside].max() == pytest.approx(total.rate.max())
        several += model.parameters["eruptions"] > 2
    assert several > 10


def test_supersoft_photons_are_soft_and_galaxies_red() -> None:
    for seed in range(20):
        soft = CLASSES["supersoft"].draw(stream(seed, "soft"), 2e4)
        assert mean_energy(soft, 0.0)[0] < 0.8
        assert np.std(soft.components[0].light_curve.rate) < 0.5
        agn = CLASSES["agn"].draw(stream(seed, "agn"), 3e4).components[0].light_curve.rate
        slow = agn[: 1024 // 8 * 8].reshape(-1, 8).mean(axis=1)
        assert np.std(slow) > 0.7 * np.std(agn)  # white noise would have 0.35


def test_a_changing_spectrum_is_a_mixture_that_adds_up() -> None:
    time = np.linspace(0.0, 10.0, 41)
    curve = LightCurve(time, np.sin(0.3 * time) ** 2)
    index = 1.0 + 0.2 * time
    parts = evolving(curve, index, lambda value: spectra.absorbed_power_law(value, 0.1))
    np.testing.assert_allclose(np.sum([one.light_curve.rate for one in parts], axis=0), curve.rate, atol=1e-12)
    at = 3.0  # where the mixture's hardness is that of the spectrum itself
    mixed = sum(one.light_curve.at(at) * one.spectrum for one in parts) / curve.at(at)
    exact = spectra.absorbed_power_law(1.6, 0.1)
    assert mixed @ MIDDLE_KEV == pytest.approx(exact @ MIDDLE_KEV, rel=0.03)
