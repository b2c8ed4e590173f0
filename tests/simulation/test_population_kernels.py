"""Kernels of populations against the light curves of the simulator: integrals over good times, and arrival times."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from xherald.simulation.light_curve import LightCurve
from xherald.simulation.population.population_kernels import arrival_frames, good_integrals
from xherald.simulation.random_streams import stream

LEAST_P = 1e-4
FRAME = 0.1


@st.composite
def curves_in_good_time(draw: st.DrawFn) -> tuple[LightCurve, np.ndarray, np.ndarray]:
    steps = draw(st.lists(st.floats(0.0, 50.0), min_size=1, max_size=8).filter(any))
    time = np.concatenate([[0.0], np.cumsum(steps)])
    rate = draw(st.lists(st.sampled_from([0.0, 1e-3, 0.5, 1.0, 300.0]), min_size=len(time), max_size=len(time)))
    frames = np.unique(draw(st.lists(st.integers(0, 4000), min_size=2, max_size=8)))
    frames = frames[: len(frames) // 2 * 2] if len(frames) > 1 else np.array([0, 10])
    return LightCurve(time, rate), frames.reshape(-1, 2), np.array(draw(st.lists(st.floats(0, 0.999), max_size=20)))


def flat(call: Callable[..., np.ndarray], curve: LightCurve, middle: tuple[object, ...], *rest: object) -> np.ndarray:
    """A kernel on two curves of one source, the second the one that is asked about."""
    time, rate = np.tile(curve.time, 2), np.tile(curve.rate, 2)
    knots = len(curve.time)
    return call(time, rate, np.array([0, knots, 2 * knots]), np.zeros(2, np.int64), *middle, *rest)


@given(curves_in_good_time())
def test_integrals_are_those_of_the_light_curve(drawn: tuple[LightCurve, np.ndarray, np.ndarray]) -> None:
    curve, frames, _ = drawn
    gti = frames * FRAME
    ones, offsets = np.ones(len(gti)), np.array([0, len(gti)])
    whole = flat(good_integrals, curve, (gti, ones, offsets), np.array([[-np.inf, np.inf]]))
    np.testing.assert_allclose(whole, curve.integral(gti), rtol=1e-9, atol=1e-9)
    half = flat(good_integrals, curve, (gti, 0.5 * ones, offsets), np.array([[gti[0, 0] + 1.0, 200.0]]))
    cut = np.clip(gti, gti[0, 0] + 1.0, 200.0)
    np.testing.assert_allclose(half, 0.5 * curve.integral(cut), rtol=1e-9, atol=1e-9)


@given(curves_in_good_time())
def test_photons_arrive_where_the_light_curve_has_reached_their_part(
    drawn: tuple[LightCurve, np.ndarray, np.ndarray],
) -> None:
    curve, frames, part = drawn
    gti = frames * FRAME
    total = curve.integral(gti)
    if total <= 0:
        return
    arguments = (frames, FRAME, np.ones(len(gti)), np.array([0, len(gti)]), np.array([0, len(part)]), part)
    arrived = flat(arrival_frames, curve, arguments)
    row = np.searchsorted(frames[:, 0], arrived, side="right") - 1
    assert (arrived >= frames[row, 0]).all()
    assert (arrived < frames[row, 1]).all()
    # The integral over good time is as wanted somewhere in the frame.
    for frame, wanted in zip(arrived.tolist(), part * total, strict=True):
        low, high = (
            sum(np.diff(curve.cumulative(np.minimum(one, (frame + edge) * FRAME)))[0] for one in gti) for edge in (0, 1)
        )
        assert low - 1e-9 * total <= wanted <= high + 1e-9 * total


def test_many_arrivals_are_distributed_as_those_of_the_light_curve() -> None:
    curve = LightCurve([0.0, 40.0, 40.0, 90.0, 120.0], [1.0, 5.0, 0.5, 0.5, 9.0])
    frames = np.array([[100, 450], [500, 7000], [9000, 11900]])
    gti = frames * 0.01
    n = 50_000
    arguments = (frames, 0.01, np.ones(3), np.array([0, 3]), np.array([0, n]), stream(1, "arrivals").random(n))
    arrived = (flat(arrival_frames, curve, arguments) + 0.5) * 0.01
    expected = curve.arrivals(gti, n / curve.integral(gti), stream(2, "arrivals"))
    assert kstest(arrived, expected).pvalue > LEAST_P
