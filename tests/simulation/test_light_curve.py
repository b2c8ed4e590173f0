"""Simulated light curves are exact: integrals, their inverse, sums, and photons drawn from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError
from xherald.photons.gti import gti_intersection
from xherald.simulation.energies import EDGES_KEV, draw_energies
from xherald.simulation.light_curve import LightCurve
from xherald.simulation.random_streams import stream

ALL = np.array([[-np.inf, np.inf]])

rates = st.one_of(st.just(0.0), st.floats(1e-6, 1e6))


@st.composite
def curves(draw: st.DrawFn) -> LightCurve:
    """Curves with steps (no width), flat, zero and steep parts."""
    widths = draw(st.lists(st.one_of(st.just(0.0), st.floats(1e-3, 1e4)), min_size=1, max_size=8).filter(any))
    start = draw(st.floats(-1e4, 1e4))
    values = draw(st.lists(rates, min_size=len(widths) + 1, max_size=len(widths) + 1))
    return LightCurve(start + np.concatenate([[0.0], np.cumsum(widths)]), values)


SHAPES = {
    "constant": LightCurve.constant(0.0, 1000.0, 2.0),
    "ramp to zero and back": LightCurve([0.0, 500.0, 1000.0], [4.0, 0.0, 4.0]),
    "steps": LightCurve([0.0, 300.0, 300.0, 310.0, 310.0, 1000.0], [0.5, 0.5, 60.0, 60.0, 0.5, 0.5]),
    "burst on nothing": LightCurve([0.0, 600.0, 601.0, 700.0, 1000.0], [0.0, 0.0, 50.0, 0.0, 0.0]),
    "from a function": LightCurve.from_function(lambda t: 2.0 + np.sin(t / 20.0), np.linspace(0.0, 1000.0, 400)),
}
GAPS = {
    "one interval": np.array([[0.0, 1000.0]]),
    "gaps": np.array([[50.0, 200.0], [290.0, 305.0], [450.0, 655.5], [655.5, 656.0], [900.0, 990.0]]),
    "beyond the knots": np.array([[-500.0, 650.0], [800.0, 5000.0]]),
}


@pytest.mark.parametrize(
    ("time", "rate"),
    [
        pytest.param([0.0], [1.0], id="one knot"),
        pytest.param([0.0, 1.0], [1.0, 1.0, 1.0], id="lengths differ"),
        pytest.param([1.0, 0.0], [1.0, 1.0], id="descending"),
        pytest.param([1.0, 1.0], [1.0, 2.0], id="no width"),
        pytest.param([0.0, 1.0], [1.0, -1e-9], id="negative rate"),
        pytest.param([0.0, np.nan], [1.0, 1.0], id="nan time"),
        pytest.param([0.0, 1.0], [1.0, np.inf], id="infinite rate"),
        pytest.param([[0.0, 1.0]], [[1.0, 1.0]], id="two dimensions"),
    ],
)
def test_what_is_no_curve_is_refused(time: list[float], rate: list[float]) -> None:
    with pytest.raises(PhotonError, match="light curve"):
        LightCurve(time, rate)


def test_knots_cannot_be_changed() -> None:
    curve = LightCurve([0.0, 1.0], [1.0, 2.0])
    with pytest.raises(ValueError, match="read-only"):
        curve.rate[0] = 3.0


@given(curve=curves())
def test_the_integral_between_knots_is_that_of_trapezia(curve: LightCurve) -> None:
    middle = 0.5 * (curve.time[1:] + curve.time[:-1])
    first, half, last = (curve.cumulative(at) for at in (curve.time[:-1], middle, curve.time[1:]))
    rate = 0.5 * (curve.rate[1:] + curve.rate[:-1])
    width = np.diff(curve.time)
    scale = 1e-12 * max(float(curve.cumulative(curve.time[-1])), 1e-30) + 1e-11 * curve.rate.max()
    np.testing.assert_allclose(last - first, np.where(width > 0, rate * width, 0.0), rtol=1e-9, atol=scale)
    quarter = 0.5 * width * 0.5 * (curve.rate[:-1] + rate)
    np.testing.assert_allclose(half - first, np.where(width > 0, quarter, 0.0), rtol=1e-9, atol=scale)


@given(curve=curves(), at=st.lists(st.floats(-3e4, 1e5), min_size=2, max_size=20))
def test_the_integral_ascends_and_stays_in_its_bounds(curve: LightCurve, at: list[float]) -> None:
    reached = curve.cumulative(np.sort(at))
    total = curve.integral(ALL)
    assert (np.diff(reached) >= -1e-12 * total).all()
    assert (reached >= 0).all()
    assert (reached <= total * (1 + 1e-12)).all()


@given(curve=curves(), part=st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_a_quantile_is_where_the_integral_reaches_it(curve: LightCurve, part: list[float]) -> None:
    total = curve.integral(ALL)
    if total == 0:
        with pytest.raises(PhotonError, match="zero everywhere"):
            curve.quantile(part)
        return
    time = curve.quantile(part)
    assert ((time >= curve.time[0]) & (time <= curve.time[-1])).all()
    # A time is stored to its last digit: what the rate makes of that digit is the error allowed.
    digit = 4e-16 * np.abs(curve.time).max() * curve.rate.max()
    np.testing.assert_allclose(curve.cumulative(time), np.array(part) * total, rtol=1e-9, atol=1e-9 * total + digit)


@pytest.mark.parametrize("part", [-0.1, 1.1, np.nan], ids=str)
def test_a_quantile_outside_of_0_to_1_is_refused(part: float) -> None:
    with pytest.raises(PhotonError, match=r"\[0, 1\]"):
        LightCurve.constant(0.0, 1.0).quantile(part)


@given(some=st.lists(curves(), min_size=1, max_size=4), at=st.lists(st.floats(-3e4, 1e5), min_size=1, max_size=20))
def test_a_sum_is_the_sum(some: list[LightCurve], at: list[float]) -> None:
    whole = LightCurve.sum_of(some)
    first = min(curve.time[0] for curve in some)
    since = [curve.cumulative(at) for curve in some]
    total = sum(curve.integral(ALL) for curve in some)
    assert whole.time[0] == first
    np.testing.assert_allclose(whole.cumulative(at), np.sum(since, axis=0), rtol=1e-9, atol=1e-9 * total + 1e-9)
    knots = np.concatenate([curve.time for curve in some])
    off_knots = np.array([value for value in at if value not in knots])
    expected = np.sum([curve.at(off_knots) for curve in some], axis=0)
    np.testing.assert_allclose(whole.at(off_knots), expected, rtol=1e-6, atol=1e-9 * max(whole.rate.max(), 1e-30))


def test_a_sum_of_none_is_refused() -> None:
    with pytest.raises(PhotonError, match="at least one"):
        LightCurve.sum_of([])


@given(curve=curves(), later=st.floats(-1e3, 1e3), factor=st.floats(0.0, 1e3))
def test_shifting_keeps_and_scaling_scales_the_integral(curve: LightCurve, later: float, factor: float) -> None:
    total = curve.integral(ALL)
    assert curve.shifted(later).integral(ALL) == pytest.approx(total, rel=1e-6, abs=1e-6)
    assert curve.scaled(factor).integral(ALL) == pytest.approx(factor * total, rel=1e-9)


@pytest.mark.parametrize("gti", GAPS.values(), ids=GAPS.keys())
@pytest.mark.parametrize("curve", SHAPES.values(), ids=SHAPES.keys())
def test_arrivals_follow_the_integral(curve: LightCurve, gti: F64) -> None:
    time = curve.arrivals(gti, 20.0, stream(1, "arrivals"))
    expected = 20.0 * curve.integral(gti)
    assert abs(len(time) - expected) < 5 * np.sqrt(expected)
    assert (np.diff(time) >= 0).all()
    row = np.searchsorted(gti[:, 0], time, side="right") - 1
    assert ((time >= gti[row, 0]) & (time <= gti[row, 1])).all()
    assert (curve.at(time) > 0).all()
    # Counted along the good times, the integral reached by each photon is uniform.
    before = np.concatenate([[0.0], np.cumsum(curve.cumulative(gti[:, 1]) - curve.cumulative(gti[:, 0]))])
    reached = before[row] + curve.cumulative(time) - curve.cumulative(gti[row, 0])
    assert stats.kstest(reached / before[-1], "uniform").pvalue > 1e-4
    # KS says little of waiting times: those of a Poisson process in that clock are exponential.
    waits = np.diff(reached) * 20.0
    assert stats.kstest(waits, "expon").pvalue > 1e-4


def test_counts_are_poisson_and_parts_are_independent() -> None:
    curve, rng = SHAPES["steps"], stream(2, "counts")
    drawn = [curve.arrivals(GAPS["gaps"], 0.05, rng) for _ in range(4000)]
    edges = [0.0, 250.0, 400.0, 1000.0]
    parts = np.array([np.histogram(time, edges)[0] for time in drawn])
    windows = np.stack([edges[:-1], edges[1:]], axis=1)
    means = [0.05 * curve.integral(gti_intersection(GAPS["gaps"], window[None])) for window in windows]
    for column, mean in zip(parts.T, means, strict=True):
        assert abs(column.mean() - mean) < 5 * np.sqrt(mean / len(column))
        dispersion = column.var(ddof=1) / mean  # 1 with a scatter of about sqrt(2/n + 1/(n mean))
        assert abs(dispersion - 1) < 5 * np.sqrt((2 + 1 / mean) / len(column))
    off_diagonal = np.corrcoef(parts.T)[np.triu_indices(3, 1)]
    assert (np.abs(off_diagonal) < 5 / np.sqrt(len(parts))).all()


def test_arrivals_stay_in_good_time_where_rounding_is_worth_time() -> None:
    # After an integral of 1e11 its last digit is 1.5e-5, a seventh of a second at the rate that follows.
    curve = LightCurve([0.0, 1e4, 1e4, 2e4], [1e7, 1e7, 1e-4, 1e-4])
    gti = np.array([[15_000.0, 15_001.0], [15_500.0, 15_510.0]])
    time = curve.arrivals(gti, 1e6, stream(3))
    row = np.searchsorted(gti[:, 0], time, side="right") - 1
    assert len(time) > 100
    assert (row >= 0).all()
    assert ((time >= gti[row, 0]) & (time <= gti[row, 1])).all()
    assert (np.diff(time) >= 0).all()


@pytest.mark.parametrize(
    "gti", [np.empty((0, 2)), np.array([[2000.0, 3000.0]])], ids=["no good time", "good time off the curve"]
)
def test_no_rate_gives_no_photons(gti: F64) -> None:
    assert len(SHAPES["constant"].arrivals(gti, 1e6, stream(4))) == 0


@pytest.mark.parametrize("factor", [-1.0, np.nan, np.inf], ids=str)
def test_an_impossible_factor_is_refused(factor: float) -> None:
    with pytest.raises(PhotonError, match="factor"):
        SHAPES["constant"].arrivals(GAPS["gaps"], factor, stream(5))


def test_the_same_stream_gives_the_same_photons() -> None:
    first, again, other = (SHAPES["steps"].arrivals(GAPS["gaps"], 1.0, stream(6, "x", k)) for k in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first[:5], other[:5])


def test_energies_are_drawn_as_weighted() -> None:
    weights = np.zeros(400)
    weights[[3, 200, 399]] = 1.0, 2.0, 5.0
    energy = draw_energies(weights, 8000, stream(7))
    counted = np.histogram(energy, EDGES_KEV)[0]
    assert counted.sum() == counted[[3, 200, 399]].sum() == 8000
    assert stats.chisquare(counted[[3, 200, 399]], [1000, 2000, 5000]).pvalue > 1e-4
    inside = energy[(energy >= EDGES_KEV[399]) & (energy <= EDGES_KEV[400])]
    assert stats.kstest(inside, "uniform", (EDGES_KEV[399], EDGES_KEV[400] - EDGES_KEV[399])).pvalue > 1e-4


@pytest.mark.parametrize("bad", [0.0, -1.0, np.nan], ids=["all zero", "negative", "nan"])
def test_weights_of_no_distribution_are_refused(bad: float) -> None:
    with pytest.raises(PhotonError, match="weights"):
        draw_energies(np.full(400, bad), 1, stream(8))
