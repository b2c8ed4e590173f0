from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xherald.photons import Annulus, Ellipse, Polygon, SkyProjection
from xherald.photons.errors import PhotonError
from xherald.photons.regions import Shape
from xherald.photons.shape_table import inside, shape_table

RA, DEC = 150.0, 2.0
SKY = SkyProjection("TAN", RA, DEC, 500.5, 500.5, -0.5 / 3600, 0.5 / 3600)
ARCSEC = 1 / 3600


def test_circle_includes_its_edge() -> None:
    circle = Ellipse.circle(RA, DEC, 10.0)
    inside_out = circle.contains(SKY, [500.5, 519.5, 521.5], [500.5, 500.5, 500.5])
    assert inside_out.tolist() == [True, True, False]
    assert circle.area == pytest.approx(100 * math.pi)


def test_ellipse_angle_is_counter_clockwise_from_x() -> None:
    along = Ellipse(RA, DEC, 10.0, 1.0, angle=30.0)
    turn = math.radians(30.0)
    x, y = 500.5 + 18 * math.cos(turn), 500.5 + 18 * math.sin(turn)
    assert along.contains(SKY, x, y)
    assert not along.contains(SKY, x, 1001.0 - y)


def test_annulus_excludes_its_inner_edge() -> None:
    ring = Annulus(RA, DEC, 5.0, 10.0)
    assert ring.contains(SKY, [500.5, 513.5, 525.5], [500.5] * 3).tolist() == [False, True, False]
    assert ring.area == pytest.approx(75 * math.pi)


def test_polygon_across_ra_zero() -> None:
    square = Polygon(((359.999, -0.001), (0.001, -0.001), (0.001, 0.001), (359.999, 0.001)))
    assert square.ra == pytest.approx(0.0, abs=1e-9)
    assert square.area == pytest.approx(7.2**2)
    sky = SkyProjection("TAN", 0.0, 0.0, 0.0, 0.0, -1 / 3600, 1 / 3600)
    assert square.contains(sky, [0.0, 3.5, 3.7], [0.0, 3.5, 0.0]).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Ellipse.circle(RA, DEC, 0.0),
        lambda: Ellipse(RA, DEC, 1.0, -1.0),
        lambda: Annulus(RA, DEC, 5.0, 5.0),
        lambda: Polygon(((0.0, 0.0), (1.0, 1.0))),
    ],
)
def test_invalid_shapes_are_refused(wrong: object) -> None:
    with pytest.raises(PhotonError):
        wrong()  # type: ignore[operator]


angles = st.floats(0, 360)
sizes = st.floats(1, 100)
offsets = st.floats(-100, 100)


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """Any shape near the reference place."""
    ra, dec = RA + draw(offsets) * ARCSEC, DEC + draw(offsets) * ARCSEC
    kind = draw(st.sampled_from(["ellipse", "annulus", "polygon"]))
    if kind == "ellipse":
        return Ellipse(ra, dec, draw(sizes), draw(sizes), draw(angles))
    if kind == "annulus":
        inner = draw(sizes)
        return Annulus(ra, dec, inner, inner + draw(sizes))
    corners = draw(st.lists(st.tuples(offsets, offsets), min_size=3, max_size=7))
    return Polygon(tuple((ra + x * ARCSEC, dec + y * ARCSEC) for x, y in corners))


@given(shapes(), st.integers(0, 1_000))
def test_kernels_agree_with_shapes(shape: Shape, seed: int) -> None:
    x, y = np.random.default_rng(seed).uniform(100, 900, (2, 60))
    table = shape_table([None, shape], SKY)
    assert [inside(table, 1, a, b) for a, b in zip(x, y, strict=True)] == shape.contains(SKY, x, y).tolist()


@given(shapes())
def test_extent_contains_the_shape(shape: Shape) -> None:
    x, y = np.random.default_rng(1).uniform(100, 900, (2, 200))
    held = shape.contains(SKY, x, y)
    table = shape_table([shape], SKY)
    away = np.hypot(x - table.centre[0, 0], y - table.centre[0, 1])
    assert np.all(away[held] <= table.extent[0])
