"""Positions for people who look them up: other notations and links."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from astropy.coordinates import SkyCoord

from xherald.photons.sky_links import describe_position, make_sky_links, make_vet_command
from xherald.photons.sky_position import format_galactic, parse_position, to_galactic


def test_position_in_other_notations() -> None:
    sky = SkyCoord(150.13334, 2.18057, unit="deg")
    (first, sexagesimal), (second, galactic) = describe_position(150.13334, 2.18057)
    assert (first, second) == ("sexagesimal", "Galactic")
    assert sexagesimal == sky.to_string("hmsdms", sep=":", precision=2).rsplit(".", 1)[0] + ".1"
    assert galactic == format_galactic(150.13334, 2.18057)
    assert describe_position(None, None) == []


@pytest.mark.parametrize(
    ("ra_deg", "dec_deg"), [(0.0, 0.0), (266.4, -29.0), (359.99, 89.9), (192.85, 27.12), (10.0, -90.0)]
)
def test_galactic_coordinates_are_those_of_astropy(ra_deg: float, dec_deg: float) -> None:
    sky = SkyCoord(ra_deg, dec_deg, unit="deg")
    assert SkyCoord(*to_galactic(ra_deg, dec_deg), frame="galactic", unit="deg").separation(sky).arcsec < 1e-3


def test_links_lead_to_the_position() -> None:
    links = dict(make_sky_links(83.82167, -5.39111, 8.0))
    assert list(links) == ["Aladin", "ESASky", "SIMBAD"]
    for name, url in links.items():
        query = parse_qs(urlsplit(url).query)
        target = query["Coord" if name == "SIMBAD" else "target"][0]
        assert parse_position(target) == pytest.approx((83.82167, -5.39111), abs=1e-6)
        assert " " not in url
    assert "Radius=24&Radius.unit=arcsec" in links["SIMBAD"]
    assert "Radius=10&" in dict(make_sky_links(83.8, -5.4))["SIMBAD"]
    assert make_sky_links(None, 1.0) == []


def test_the_command_to_vet_names_the_candidate() -> None:
    assert make_vet_command("XH-1").startswith("xherald candidate vet XH-1 --as ")
