"""Positions as text: every notation against astropy, and what is refused."""

from __future__ import annotations

import pytest
from astropy.coordinates import Angle, SkyCoord
from hypothesis import given
from hypothesis import strategies as st

from xherald.photons.errors import ConfigError
from xherald.photons.sky_position import (
    format_galactic,
    format_sexagesimal,
    parse_angle_arcsec,
    parse_cone,
    parse_position,
    to_galactic,
)

ORION = SkyCoord("05h35m17.2s", "-05d23m28s")
EXPECTED = (ORION.ra.deg, ORION.dec.deg)

ra_degrees = st.floats(0, 359.99999)
dec_degrees = st.floats(-90, 90)


@pytest.mark.parametrize(
    "text",
    [
        "83.82166667,-5.39111111",
        " 83.82166667  -5.39111111 ",
        "83.82166667-5.39111111",
        "83.82166667d -5.39111111d",
        "05:35:17.2 -05:23:28",
        "05:35:17.2,-05:23:28",
        "05:35:17.2-05:23:28",
        "5h35m17.2s,-5d23m28s",
        "5h35m17.2s −5°23′28″",
        "05 35 17.2 -05 23 28",
        "83d49m18s,-5d23m28s",
        "J053517.2-052328",
        f"gal:{ORION.galactic.l.deg:.7f},{ORION.galactic.b.deg:.7f}",
        f"Galactic: {ORION.galactic.l.deg:.7f} {ORION.galactic.b.deg:.7f}",
    ],
)
def test_all_notations_name_the_same_position(text: str) -> None:
    assert parse_position(text) == pytest.approx(EXPECTED, abs=2e-7)


def test_minutes_may_have_decimals_and_zero_degrees_a_sign() -> None:
    assert parse_position("5:35.5 -0:30") == pytest.approx((83.875, -0.5))
    assert parse_position("0:0:0 -00:00:36") == pytest.approx((0.0, -0.01))
    assert parse_position("24:00:00 +90:00:00") == (0.0, 90.0)
    assert parse_position("360,0") == (0.0, 0.0)


@given(ra_degrees, dec_degrees)
def test_sexagesimal_text_is_read_back(ra: float, dec: float) -> None:
    text = format_sexagesimal(ra, dec)
    found = SkyCoord(*parse_position(text), unit="deg")
    # Half of 0.01 s of right ascension and of 0.1 arcsec.
    assert found.separation(SkyCoord(ra, dec, unit="deg")).arcsec <= 0.0751 + 0.0501
    first, second = text.split()
    by_astropy = SkyCoord(Angle(first, "hourangle"), Angle(second, "deg"))
    assert found.separation(by_astropy).arcsec < 1e-4


@given(ra_degrees, dec_degrees)
def test_galactic_coordinates_are_read_back(ra: float, dec: float) -> None:
    longitude, latitude = to_galactic(ra, dec)
    found = SkyCoord(*parse_position(f"gal:{longitude:.9f},{latitude:.9f}"), unit="deg")
    assert found.separation(SkyCoord(ra, dec, unit="deg")).arcsec < 1e-4


@given(st.text(max_size=40))
def test_any_text_is_a_position_or_an_error(text: str) -> None:
    try:
        ra, dec = parse_position(text)
    except ConfigError:
        return
    assert 0 <= ra < 360
    assert -90 <= dec <= 90


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "is not a position"),
        ("10", "is not a position"),
        ("10,20,30", "is not a position"),
        ("10,91", "not a position on the sky"),
        ("-1,20", "not a position on the sky"),
        ("nan,nan", "is not a position"),
        ("25:00:00 10:00:00", "0 to 24 hours"),
        ("1:60:00 10:00:00", "must be below 60"),
        ("1:30.5:10 10:00:00", "only the last number"),
        ("5h35m17s -5h23m28s", "declination is in hours"),
        ("gal:5h0m0s,3", "is not a position"),
        ("gal:400,3", "not a position on the sky"),
        ("name:M31", "is not a position"),
    ],
)
def test_what_is_no_position_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=reason):
        parse_position(text)


def test_named_objects_are_found_by_their_prefix() -> None:
    assert parse_position("NAME: V1229  Ori", {"name": lambda name: {"V1229 Ori": (1.0, 2.0)}[name]}) == (1.0, 2.0)


def test_cones_and_angles() -> None:
    assert parse_cone("05:35:17.2 -05:23:28,30arcsec") == pytest.approx((*EXPECTED, 30 / 3600))
    assert parse_cone("10,20,1") == (10.0, 20.0, 1.0)
    assert parse_angle_arcsec("5'") == 300.0
    assert parse_angle_arcsec("0.1 deg") == pytest.approx(360.0)
    for text, reason in (("10,20", "is not a position"), ("1,2,200", "at most 180"), ("x", "is not POSITION,RADIUS")):
        with pytest.raises(ConfigError, match=reason):
            parse_cone(text)
    for text, reason in (("10", "has no unit: write 10arcsec"), ("0deg", "positive"), ("-1deg", "is not an angle")):
        with pytest.raises(ConfigError, match=reason):
            parse_angle_arcsec(text)


def test_galactic_text() -> None:
    assert format_galactic(*EXPECTED) == f"l {ORION.galactic.l.deg:.3f} b {ORION.galactic.b.deg:+.3f}"
