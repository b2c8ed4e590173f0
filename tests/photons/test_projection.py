"""Sky projections and separations against astropy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st

from xherald.photons import SkyProjection
from xherald.photons.errors import ProjectionError
from xherald.photons.projection import separation_deg

STEP = 0.492 / 3600
"""deg per pixel, as Chandra's."""

kinds = st.sampled_from(["TAN", "SIN"])
longitudes, latitudes = st.floats(0, 359.999), st.floats(-90, 90)
pixels = st.lists(st.tuples(st.floats(-4000, 4000), st.floats(-4000, 4000)), min_size=1, max_size=20)


def make_wcs(kind: str = "TAN", dec: float = -5.4, angle_deg: float = 0.0, skew: float = 0.0) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = [f"RA---{kind}", f"DEC--{kind}"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [83.8, dec], [4096.5, 4096.5], [-STEP, STEP]
    if angle_deg or skew:
        cos, sin = np.cos(np.radians(angle_deg)), np.sin(np.radians(angle_deg))
        wcs.wcs.pc = [[cos, -sin], [sin, cos + skew]]
    return wcs


@given(kinds, longitudes, latitudes, pixels)
def test_closed_form_agrees_with_astropy(kind: str, ra: float, dec: float, xy: list[tuple[float, float]]) -> None:
    projection = SkyProjection(kind, ra, dec, 10.5, -7.0, -STEP, STEP)
    x, y = np.array(xy).T
    wcs = projection.to_wcs()
    expected = wcs.wcs_pix2world(x, y, 1)
    assert separation_deg(*projection.to_sky(x, y), *expected).max() < 1e-9
    assert np.allclose(projection.to_pixel(*expected), wcs.wcs_world2pix(*expected, 1), rtol=0, atol=1e-9 / STEP)


@given(kinds, longitudes, latitudes, pixels)
def test_pixels_round_trip(kind: str, ra: float, dec: float, xy: list[tuple[float, float]]) -> None:
    x, y = np.array(xy).T
    projection = SkyProjection(kind, ra, dec, 0.0, 0.0, -STEP, STEP)
    assert np.allclose(projection.to_pixel(*projection.to_sky(x, y)), (x, y), atol=1e-4)


@pytest.mark.parametrize("kind", ["TAN", "SIN", "STG", "ZEA", "AIT"])
@pytest.mark.parametrize("angle_deg", [0.0, 27.0, 180.0])
@pytest.mark.parametrize("skew", [0.0, 0.05])
def test_projection_from_wcs_agrees_with_it(kind: str, angle_deg: float, skew: float) -> None:
    wcs = make_wcs(kind, angle_deg=angle_deg, skew=skew)
    projection = pickle.loads(pickle.dumps(SkyProjection.from_wcs(wcs)))
    x, y = np.random.default_rng(1).uniform(0, 8192, (2, 100))
    expected = wcs.wcs_pix2world(x, y, 1)
    assert separation_deg(*projection.to_sky(x, y), *expected).max() < 1e-9
    assert np.allclose(projection.to_pixel(*expected), (x, y), rtol=0, atol=1e-6)
    assert projection.pixel_arcsec == pytest.approx(0.492 * np.sqrt(1 + skew * np.cos(np.radians(angle_deg))))


@pytest.mark.parametrize(
    ("wcs", "is_closed_form"),
    [
        (make_wcs("TAN"), True),
        (make_wcs("SIN"), True),
        (make_wcs("ZEA"), False),
        (make_wcs("TAN", angle_deg=10.0), False),
        (make_wcs("TAN", dec=90.0), False),
    ],
)
def test_closed_form_is_used_where_it_is_exact(wcs: WCS, is_closed_form: bool) -> None:
    projection = SkyProjection.from_wcs(wcs)
    assert (projection.wcs is None) == is_closed_form
    x, y = np.array([100.0, 5000.0]), np.array([300.0, 4000.0])
    assert separation_deg(*projection.to_sky(x, y), *wcs.wcs_pix2world(x, y, 1)).max() < 1e-9


@pytest.mark.parametrize("angle_deg", [0.0, 30.0])
def test_positions_outside_the_projection(angle_deg: float) -> None:
    projection = SkyProjection.from_wcs(make_wcs("SIN", angle_deg=angle_deg))
    assert np.isnan(projection.to_pixel(263.8, 5.4)).all()
    assert np.isnan(projection.to_sky(np.nan, 1.0)).all()
    with pytest.raises(ProjectionError, match="outside the SIN projection"):
        projection.to_sky(1e6, 1.0)


def test_invalid_projection_is_refused() -> None:
    with pytest.raises(ProjectionError, match="not supported"):
        SkyProjection("AIT", 0, 0, 0, 0, 1, 1)
    with pytest.raises(ProjectionError, match="not finite"):
        SkyProjection("TAN", float("nan"), 0, 0, 0, 1, 1)
    singular, galactic = make_wcs(), make_wcs()
    singular.wcs.pc = [[1, 1], [1, 1]]
    with pytest.raises(ProjectionError, match="singular"):
        SkyProjection.from_wcs(singular)
    galactic.wcs.ctype = ["GLON-TAN", "GLAT-TAN"]
    with pytest.raises(ProjectionError, match="not right ascension"):
        SkyProjection.from_wcs(galactic)


@given(longitudes, latitudes, longitudes, latitudes)
def test_separation_agrees_with_astropy(ra1: float, dec1: float, ra2: float, dec2: float) -> None:
    expected = SkyCoord(ra1, dec1, unit="deg").separation(SkyCoord(ra2, dec2, unit="deg")).deg
    # Near the antipode the haversine loses half of the digits.
    assert separation_deg(ra1, dec1, ra2, dec2) == pytest.approx(expected, abs=1e-10 if expected < 170 else 1e-5)


def test_separations_broadcast() -> None:
    separations = separation_deg([[10.0], [20.0]], 0.0, [10.0, 11.0, 12.0], 0.0)
    assert np.allclose(separations, [[0, 1, 2], [10, 9, 8]])
