"""World coordinates of event columns (pixel lists) against astropy."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS, FITSFixedWarning
from event_files import some_photons, write_chandra
from read_files import observe

from xherald.photons.errors import UnreadableFileError
from xherald.photons.projection import separation_deg

COS, SIN, STEP = np.cos(np.radians(30)), np.sin(np.radians(30)), 0.492 / 3600


@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"TP11_11": 1.0, "TP12_12": 1.0, "TCUNI11": "deg"},
        {"TP11_11": COS, "TP11_12": -SIN, "TP12_11": SIN, "TP12_12": COS},
        {"TPC11_11": COS, "TPC11_12": -SIN, "TPC12_11": SIN, "TPC12_12": COS},
        {"TP11_12": 0.1},
        {"TC11_11": -STEP * COS, "TC11_12": STEP * SIN, "TC12_11": STEP * SIN, "TC12_12": STEP * COS},
        {"TCD11_11": -STEP, "TCD12_12": STEP, "TCDLT11": None, "TCDLT12": None},
        {"TCROT12": 12.5},
        {"LONP11": 100.0},
        {"RADESYS": "FK5", "EQUINOX": 2000.0},
        {"RADESYS": None, "EQUINOX": 2000.0},
        {"RADESYS": None, "EQUINOX": None},
        {"RADESYS": "ICRS", "EQUINOX": 2015.5},
        {"CROTA2": 0.0},
        {"TCTYP11": "RA---STG", "TCTYP12": "DEC--STG"},
        {"TCUNI11": "arcmin", "TCUNI12": "arcmin"},
    ],
    ids=lambda keywords: " ".join(keywords) or "plain",
)
def test_positions_agree_with_astropy(keywords: dict[str, object], tmp_path: Path) -> None:
    photons = some_photons(30)
    path = write_chandra(tmp_path / "wcs.fits", photons, header=keywords)
    header = fits.getheader(path, "EVENTS")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header, keysel=["pixel"], colsel=[11, 12])
    observation = observe(path)
    events, projection = observation.events, observation.require_projection()
    expected = wcs.wcs_pix2world(events.x, events.y, 1)
    assert separation_deg(*projection.to_sky(events.x, events.y), *expected).max() < 1e-9
    if keywords.keys() & {"TP11_12", "TCROT12", "LONP11"}:
        plain = observe(write_chandra(tmp_path / "plain.fits", photons)).require_projection()
        assert (
            separation_deg(*projection.to_sky(events.x, events.y), *plain.to_sky(events.x, events.y)).max() > 20 / 3600
        )


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"TCTYP11": "GLON-TAN"}, "broken sky projection: columns X, Y are 'GLON-TAN'"),
        ({"TCTYP11": "RA---FOO", "TCTYP12": "DEC--FOO"}, "FOO"),
        ({"TCDLT11": 0.0}, "invalid sky projection"),
        ({"TCDLT11": None}, "TCDLT11 is absent"),
        ({"TP11_11": 0.0, "TP12_11": 0.0}, "singular"),
        ({"TP11_12": "0.1"}, "TP11_12 = '0.1' is not a number"),
        ({"TCUNI11": "furlong"}, "broken sky projection"),
        ({"RADESYS": "FK4"}, "positions are in FK4, only ICRS"),
        ({"RADESYS": "FK4-NO-E"}, "positions are in FK4-NO-E"),
        ({"RADESYS": "GAPPT"}, "positions are in GAPPT"),
        ({"RADE11": "FK4"}, "positions are in FK4"),
        ({"RADESYS": "FK5", "EQUINOX": 1950.0}, "positions are in FK5, equinox 1950"),
        ({"RADESYS": None, "EQUINOX": 1950.0}, "positions are in FK4, equinox 1950"),
        ({"RADESYS": None, "EQUINOX": 2015.5}, "positions are in FK5, equinox 2015.5"),
        ({"RADESYS": "FK5", "EQUINOX": "soon"}, "EQUINOX = 'SOON' is not a year"),
        ({"CROTA2": 30.0}, "CROTA2 = 30.0 rotates an image"),
        ({"CD1_2": 1e-4}, "CD1_2 = 0.0001 rotates an image"),
    ],
)
def test_invalid_projection_is_refused(keywords: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(UnreadableFileError, match=message) as refusal:
        observe(write_chandra(tmp_path / "wcs.fits", some_photons(30), header=keywords))
    assert "\n" not in str(refusal.value)


def test_pole_of_an_image_applies_to_the_columns(tmp_path: Path) -> None:
    photons = some_photons(30)
    for_columns = observe(write_chandra(tmp_path / "columns.fits", photons, header={"LONP11": 100.0}))
    for_image = observe(write_chandra(tmp_path / "image.fits", photons, header={"LONPOLE": 100.0}))
    events = for_columns.events
    positions = for_image.require_projection().to_sky(events.x, events.y)
    assert separation_deg(*positions, *for_columns.require_projection().to_sky(events.x, events.y)).max() < 1e-9


def test_frame_of_the_primary_header_applies(tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "wcs.fits", some_photons(30), header={"RADESYS": None})
    with fits.open(path, mode="update") as units:
        units[0].header["RADESYS"] = "FK4"
    with pytest.raises(UnreadableFileError, match="positions are in FK4"):
        observe(path)
