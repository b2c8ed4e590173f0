"""Algebra of good times and the livetime axis."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xherald.photons import Exposure
from xherald.photons.errors import GtiError
from xherald.photons.gti import (
    as_gti,
    combine_exposures,
    gti_complement,
    gti_contains,
    gti_intersection,
    gti_total,
    gti_union,
)

SPAN = (-10.0, 110.0)


@st.composite
def gtis(draw, min_size=0):
    """Disjoint intervals with edges on a grid, so that edges of two sets often coincide."""
    edges = sorted(draw(st.sets(st.integers(0, 100), min_size=2 * min_size, max_size=12)))
    edges = edges[: len(edges) // 2 * 2]
    return np.array(edges, dtype=float).reshape(-1, 2)


def times_around(*sets):
    """Times between all edges: membership there decides equality up to points."""
    edges = np.unique(np.concatenate([s.ravel() for s in sets] + [np.array(SPAN)]))
    return 0.5 * (edges[1:] + edges[:-1])


@given(gtis(), gtis(), gtis())
def test_gti_algebra_agrees_with_sets(a, b, c):
    t = times_around(a, b, c)
    in_a, in_b, _in_c = (gti_contains(s, t) for s in (a, b, c))
    assert np.array_equal(gti_contains(gti_union(a, b), t), in_a | in_b)
    assert np.array_equal(gti_contains(gti_intersection(a, b), t), in_a & in_b)
    assert np.array_equal(gti_contains(gti_complement(a, *SPAN), t), ~in_a)
    assert np.array_equal(
        gti_intersection(gti_union(a, b), c), gti_union(gti_intersection(a, c), gti_intersection(b, c))
    )
    assert np.array_equal(gti_union(a, b, c), gti_union(c, gti_union(b, a)))


@given(gtis(), gtis())
def test_union_and_complement_conserve_time(a, b):
    assert gti_total(gti_union(a, b)) + gti_total(gti_intersection(a, b)) == pytest.approx(gti_total(a) + gti_total(b))
    assert gti_total(a) + gti_total(gti_complement(a, *SPAN)) == pytest.approx(SPAN[1] - SPAN[0])


@given(
    gtis(min_size=1), st.lists(st.floats(0.01, 1.0), min_size=6, max_size=6), st.lists(st.floats(-20, 120), min_size=1)
)
def test_livetime_is_constant_in_gaps_and_invertible(gti, fractions, times):
    exposure = Exposure(gti, np.array(fractions[: len(gti)]))
    times = np.sort(np.array(times))
    livetime = exposure.livetime_at(times)
    assert np.all(np.diff(livetime) >= 0)
    assert livetime.min() >= 0
    assert livetime.max() <= exposure.livetime * (1 + 1e-12)
    assert exposure.livetime_at([gti[-1, 1] + 1])[0] == pytest.approx(exposure.livetime)
    for side in ("left", "right"):
        back = exposure.time_at(livetime, side=side)
        assert np.allclose(exposure.livetime_at(back), livetime, atol=1e-9)
    good = gti_contains(gti, times)
    touching = np.isin(times, gti)
    inside = good & ~touching
    assert np.allclose(exposure.time_at(livetime[inside]), times[inside], atol=1e-6)


@given(gtis(min_size=1), gtis(min_size=1), st.floats(0.05, 1.0), st.floats(0.05, 1.0))
def test_detectors_combine_to_one_exposure(a, b, weight_a, weight_b):
    joined = combine_exposures([a, b], [weight_a, weight_b])
    assert np.array_equal(gti_union(joined.gti), gti_union(a, b))
    assert joined.fraction.max() == pytest.approx(1.0)
    t = times_around(a, b)
    t = t[gti_contains(joined.gti, t)]
    weight = weight_a * gti_contains(a, t) + weight_b * gti_contains(b, t)
    row = np.searchsorted(joined.gti[:, 0], t, side="right") - 1
    ratio = joined.fraction[row] / weight
    assert np.allclose(ratio, ratio[0])


@pytest.mark.parametrize(
    ("intervals", "reason"),
    [
        (np.empty((0, 2)), "empty"),
        ([[0, 10], [5, 20]], "overlap"),
        ([[10, 0]], "ends before it starts"),
        ([[0, 0]], "ends before it starts"),
        ([[0, np.nan]], "not finite"),
        ([0, 1, 2], "shape"),
    ],
)
def test_invalid_gti_is_refused_with_the_reason(intervals, reason):
    with pytest.raises(GtiError, match=reason):
        as_gti(intervals, where="CCD 3")


def test_error_names_the_detector():
    with pytest.raises(GtiError, match="CCD 3"):
        as_gti([[0, 10], [5, 20]], where="CCD 3")


def test_touching_intervals_do_not_overlap():
    gti = as_gti([[10, 20], [0, 10]])
    assert gti_contains(gti, [0, 10, 20, 20.0001]).tolist() == [True, True, True, False]
    assert gti_union(gti).tolist() == [[0, 20]]
