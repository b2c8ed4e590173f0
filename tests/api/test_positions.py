"""Positions as arguments in Python and on the command line: objects, pairs, text, names."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord, name_resolve
from astropy.time import Time

import xherald as xh
from xherald.context.catalogues.known_names import find_known_position
from xherald.context.catalogues.known_sources import open_known_sources
from xherald.photons.errors import ConfigError
from xherald.positions import to_position
from xherald.time_texts import parse_duration, parse_end


def test_positions_are_objects_pairs_or_text() -> None:
    sky = SkyCoord(83.82, -5.39, unit="deg")
    for given in (sky, sky.galactic, SkyCoord([83.82], [-5.39], unit="deg"), (83.82, -5.39), "83.82,-5.39"):
        assert to_position(given) == pytest.approx((83.82, -5.39), abs=1e-9)
    for wrong in (SkyCoord([1, 2], [3, 4], unit="deg"), (400.0, 0.0), (float("nan"), 0.0), "nowhere"):
        with pytest.raises(ConfigError):
            to_position(wrong)


def test_known_sources_have_names() -> None:
    assert to_position("name:crab-pulsar") == pytest.approx((83.63321, 22.01447), abs=1e-5)
    assert to_position("name: Sgr A*") == to_position("NAME:sgr a*")
    with pytest.raises(ConfigError, match=r"similar: Crab pulsar.*sesame:Crab pulsr asks CDS"):
        to_position("name:Crab pulsr")


def test_a_moving_star_is_where_it_is_today() -> None:
    """Against astropy, for the fastest star of the table: linear motion is exact to a fraction of its error."""
    catalogue = open_known_sources()
    rows = catalogue.search(0.0, 0.0, 180 * 3600.0, columns=["name", "pm_ra_mas_yr", "pm_dec_mas_yr"])
    east, north = rows.numbers("pm_ra_mas_yr"), rows.numbers("pm_dec_mas_yr")
    speed = (east**2 + north**2) ** 0.5
    fastest = max((one for one in range(len(rows)) if speed[one] > 0), key=lambda one: speed[one])
    name = rows.text("name")[fastest]
    ra, dec = find_known_position(name, 2000.0)
    before = SkyCoord(
        ra * u.deg,
        dec * u.deg,
        distance=10 * u.pc,
        obstime=Time(2000.0, format="jyear"),
        pm_ra_cosdec=east[fastest] * u.mas / u.yr,
        pm_dec=north[fastest] * u.mas / u.yr,
    )
    after = before.apply_space_motion(Time(2026.0, format="jyear"))
    found = SkyCoord(*find_known_position(name, 2026.0), unit="deg")
    assert found.separation(before).arcsec == pytest.approx(26 * speed[fastest] / 1e3, rel=1e-3)
    assert found.separation(after).arcsec < 0.05


def test_sesame_is_asked_only_on_request(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def answer(name: str) -> SkyCoord:
        asked.append(name)
        if name == "M31":
            return SkyCoord(10.6847, 41.269, unit="deg")
        raise name_resolve.NameResolveError(f"Unable to find coordinates\nfor name {name!r}")

    monkeypatch.setattr(SkyCoord, "from_name", answer)
    assert to_position("sesame:M31") == (10.6847, 41.269)
    with pytest.raises(ConfigError, match="sesame:Nibiru: Unable to find coordinates for name 'Nibiru'"):
        to_position("sesame:Nibiru")
    with pytest.raises(ConfigError):
        to_position("name:M31-not-in-the-table")
    assert asked == ["M31", "Nibiru"]


def test_lengths_of_time() -> None:
    assert parse_duration("1y") == timedelta(days=365.25)
    assert parse_duration("2 w") == parse_duration(timedelta(days=14))
    for wrong in ("0d", "1", "-1d", "1 month", "", "1e3d"):
        with pytest.raises(ConfigError):
            parse_duration(wrong)
    now = datetime(2026, 3, 1, tzinfo=UTC)
    assert parse_end(None, "36h", now) == datetime(2026, 3, 2, 12, tzinfo=UTC)
    assert parse_end("2026-03-02", None, now) == datetime(2026, 3, 2, tzinfo=UTC)
    for until, duration in (
        (None, None),
        ("2026-03-02", "1d"),
        ("2026-02-01", None),
        ("soon", None),
        (None, "9999999y"),
    ):
        with pytest.raises(ConfigError):
            parse_end(until, duration, now)


def test_candidates_are_searched_near_text(tmp_path) -> None:
    with xh.open_store(tmp_path / "s.sqlite", create=True) as store:
        assert len(store.candidates(near="05:35:17.2 -05:23:28")) == 0
        with pytest.raises(ConfigError, match="not a position"):
            store.candidates(near="here")
