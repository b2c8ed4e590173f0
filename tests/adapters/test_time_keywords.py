"""Absolute times: time scales, spacecraft clocks, barycentric times."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.io import fits
from astropy.time import Time
from event_files import some_photons, whole_exposure, write_chandra, write_swift
from read_files import observe

from xherald.adapters.swift import SwiftAdapter
from xherald.adapters.testing import check_adapter

PHOTONS = some_photons(50)
START = whole_exposure(PHOTONS)[0][0][0]


def start_of(path: Path) -> Time:
    """Date of the first good time."""
    observation = observe(path)
    return observation.time_reference.to_time(observation.span[0]).utc


@pytest.mark.parametrize(
    ("timesys", "scale", "offset_s"),
    [
        ("TT", "tt", 0.0),
        ("TT(TAI)", "tt", 0.0),
        ("TDT", "tt", 0.0),
        ("ET", "tt", 0.0),
        ("TAI", "tai", 0.0),
        ("IAT", "tai", 0.0),
        ("GPS", "tai", 19.0),
        ("UTC", "utc", 0.0),
        ("utc(NIST)", "utc", 0.0),
        ("GMT", "utc", 0.0),
        ("TDB", "tdb", 0.0),
        ("TCG", "tcg", 0.0),
        ("TCB", "tcb", 0.0),
    ],
)
def test_every_time_scale_of_the_standard(timesys: str, scale: str, offset_s: float, tmp_path: Path) -> None:
    """FITS standard 4.0, table 30; the expected date is astropy's."""
    path = write_chandra(tmp_path / "scale.fits", PHOTONS, header={"TIMESYS": timesys})
    zero = Time(50814.0, offset_s / 86400, format="mjd", scale=scale)
    expected = (zero.tai if scale == "utc" else zero) + START * u.s
    assert abs((start_of(path) - expected.utc).sec) < 1e-5


@pytest.mark.parametrize("keywords", [{"JDREFI": 2_450_814, "JDREFF": 0.5}, {"JDREF": 2_450_814.5}])
def test_julian_dates_are_zero_points(keywords: dict[str, float], tmp_path: Path) -> None:
    expected = start_of(write_chandra(tmp_path / "mjd.fits", PHOTONS))
    path = write_chandra(tmp_path / "jd.fits", PHOTONS)
    with fits.open(path, mode="update") as units:
        for unit in units:
            unit.header.remove("MJDREF", ignore_missing=True)
        units["EVENTS"].header.update(keywords)
    assert abs((start_of(path) - expected).sec) < 1e-5


@pytest.mark.parametrize(("utcf", "applied"), [(-22.8307, False), (3.25, False), (-22.8307, True)])
def test_clock_correction_of_swift(utcf: float, applied: bool, tmp_path: Path) -> None:
    """UTC is TIME + UTCFINIT in days of 86,400 s since 2001-01-01, unless CLOCKAPP says that TIME is corrected."""
    header = {"UTCFINIT": utcf, "CLOCKAPP": applied}
    path = write_swift(tmp_path / "sw00011337002xpcw3po_cl.evt", PHOTONS, header=header)
    observation = observe(path)
    seconds = observation.span[0]
    elapsed = Time(51910.0, 7.428703703703703e-4, format="mjd", scale="tt") + seconds * u.s
    expected = elapsed.utc if applied else Time(51910.0, (seconds + utcf) / 86400, format="mjd", scale="utc")
    assert abs((observation.time_reference.to_time(seconds).utc - expected).sec) < 1e-5


def test_first_photon_of_a_real_swift_list(data: Path) -> None:
    observation = observe(data / "swift/sw00011337002xpcw3po_cl.evt.gz")
    assert observation.time_reference.utc(observation.span[0]) == "2019-05-01T09:40:50.356Z"


@pytest.mark.parametrize("key", ["TIMEREF", "TREFPOS"])
def test_barycentric_times_are_flagged(key: str, tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "bary.fits", PHOTONS, header={key: "SOLARSYSTEM", "TIMESYS": "TDB"})
    assert observe(path).flags == ("barycentric_times",)
    assert observe(write_chandra(tmp_path / "local.fits", PHOTONS, header={"TIMEREF": "LOCAL"})).flags == ()


def test_clock_correction_keeps_the_contract(tmp_path: Path) -> None:
    header = {"UTCFINIT": -20.0, "CLOCKAPP": False}
    path = write_swift(tmp_path / "sw00011337002xpcw3po_cl.evt", some_photons(300), header=header)
    assert check_adapter(SwiftAdapter(), [path], enforce_performance=False).broken_rules == ()


def test_times_in_milliseconds_are_refused(cases: Path) -> None:
    with pytest.raises(Exception, match="in the future; check MJDREF, TIMEZERO and the unit of TIME"):
        observe(cases / "swift/time_in_ms.evt.gz")


def test_corrected_times_do_not_change_photons(tmp_path: Path) -> None:
    plain = observe(write_swift(tmp_path / "plain.evt", PHOTONS))
    shifted = observe(write_swift(tmp_path / "shifted.evt", PHOTONS, header={"UTCFINIT": -20.0, "CLOCKAPP": False}))
    np.testing.assert_array_equal(plain.events.time, shifted.events.time)
    np.testing.assert_array_equal(plain.detectors[0].gti, shifted.detectors[0].gti)
