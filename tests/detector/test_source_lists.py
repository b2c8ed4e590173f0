from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from astropy.wcs import WCS
from regions import Regions
from simulated_fields import MIDDLE, simulated_field

from xherald.detector.extraction.source_lists import read_source_list
from xherald.photons import Ellipse, Observation, Polygon
from xherald.photons.apertures import aperture_at
from xherald.photons.errors import FileError, UnreadableFileError


@pytest.fixture(scope="module")
def observation() -> Observation:
    return simulated_field(1, 5_000)


def table() -> Table:
    """Two sources in the field and one far outside."""
    return Table({"NAME": ["a", "b", "far"], "RA": [50.01, 49.99, 53.0], "Dec": [20.01, 19.99, 20.0]})


@pytest.mark.parametrize(
    ("name", "file_format"),
    [
        ("list.fits", "fits"),
        ("list.fits.gz", "fits"),
        ("list.csv", "ascii.csv"),
        ("list.ecsv", "ascii.ecsv"),
        ("list.vot", "votable"),
        ("list.xml", "votable"),
    ],
)
def test_tables_of_all_kinds_say_the_same(
    tmp_path: Path, observation: Observation, name: str, file_format: str
) -> None:
    table().write(tmp_path / name, format=file_format)
    listed = read_source_list(tmp_path / name, observation)
    assert listed.outside == ("far",)
    expected = (
        aperture_at(observation, 50.01, 20.01, "a", "source list"),
        aperture_at(observation, 49.99, 19.99, "b", "source list"),
    )
    assert listed.apertures == expected


def test_catalogue_names_units_radii_and_errors_are_understood(tmp_path: Path, observation: Observation) -> None:
    path = tmp_path / "list.ecsv"
    given = Table({"RAJ2000": [20 / 6] * units.hourangle, "DEJ2000": [20.0] * units.deg})
    given["radius"] = [0.1] * units.arcmin
    given["pos_err"] = [0.7]
    given.write(path, format="ascii.ecsv")
    (one,) = read_source_list(path, observation).apertures
    assert (one.detection_id, one.ra, one.dec) == ("1", pytest.approx(50.0), 20.0)
    assert isinstance(one.region, Ellipse)
    assert one.region.semi_axis_1 == pytest.approx(6.0)
    assert one.pos_err_arcsec == pytest.approx(0.7)


def test_a_row_without_radius_is_cut_by_the_point_spread(tmp_path: Path, observation: Observation) -> None:
    path = tmp_path / "list.csv"
    path.write_text("ra,dec,radius_arcsec\n50.0,20.0,\n50.01,20.0,5\n")
    first, second = read_source_list(path, observation).apertures
    assert first == aperture_at(observation, 50.0, 20.0, "1", "source list")
    assert second.region == Ellipse.circle(50.01, 20.0, 5.0)


def test_radii_need_no_point_spread(tmp_path: Path, observation: Observation) -> None:
    path = tmp_path / "list.csv"
    bare = replace(observation, point_spread=None)
    path.write_text("ra,dec,radius_arcsec\n50.0,20.0,4\n")
    assert read_source_list(path, bare).apertures[0].background is not None
    path.write_text("ra,dec\n50.0,20.0\n")
    with pytest.raises(FileError, match="radius_arcsec"):
        read_source_list(path, bare)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("alpha,dec\n1,2\n", r"no column of right ascension \(ra\); columns: alpha, dec"),
        ("ra,alpha\n1,2\n", r"no column of declination"),
        ("ra,dec\n50,20\n3:20:00,20\n", r"row 2, column 'ra': '3:20:00' is not a number; give decimal deg"),
        ("ra,dec\n50,\n,20\n", r"no row has a position in columns ra, dec"),
        ("ra,dec\n50,120\n", r"row 1, column 'dec': 120 is not a declination"),
        ("ra,dec,radius_arcsec\n50,20,-3\n", r"row 1, column 'radius_arcsec': -3 is not a positive angle"),
        ("id,ra,dec\nx,50,20\nx,50.1,20\n", r"rows 1 and 2 have the same name 'x'"),
    ],
)
def test_errors_name_file_row_and_column(tmp_path: Path, observation: Observation, text: str, reason: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(text)
    with pytest.raises(UnreadableFileError, match=reason) as fault:
        read_source_list(path, observation)
    assert fault.value.path == path


@pytest.mark.parametrize("name", ["list.fits", "list.vot", "list.reg", "list.ecsv"])
def test_a_file_that_is_not_what_its_name_says_is_refused(tmp_path: Path, observation: Observation, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"this is\nneither {[ of them \x00\x01")
    with pytest.raises(UnreadableFileError):
        read_source_list(path, observation)


def test_unknown_kinds_missing_files_and_folders_are_refused(tmp_path: Path, observation: Observation) -> None:
    (tmp_path / "list.doc").write_text("")
    for path, reason in (
        (tmp_path / "list.doc", "unknown format of source list '.doc'"),
        (tmp_path / "absent.csv", "source list not found"),
        (tmp_path, "a directory"),
    ):
        with pytest.raises(UnreadableFileError, match=reason):
            read_source_list(path, observation)


# DS9


def test_shapes_in_any_frame_cover_what_regions_says(tmp_path: Path, observation: Observation) -> None:
    path = tmp_path / "list.reg"
    galactic = SkyCoord(50.0, 20.0, unit="deg").galactic
    path.write_text(
        "# Region file format: DS9\nfk5\n"
        'ellipse(50.01,20.01,12",4",35) # text={tilted}\n'
        'circle(3:20:00.0,20:00:00.0,6")\n'
        "polygon(49.99,19.99,49.98,19.99,49.98,20.0)\n"
        'box(50.02,19.98,20",8",20)\n'
        f'galactic\nellipse({galactic.l.deg},{galactic.b.deg},12",4",35) # text={{galactic}}\n'
        f"physical\nellipse({MIDDLE},{MIDDLE},30,10,60) # text={{physical}}\n"
    )
    projection = observation.require_projection()
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [projection.ra, projection.dec]
    wcs.wcs.crpix = [projection.x_reference, projection.y_reference]
    wcs.wcs.cdelt = [projection.x_step, projection.y_step]
    listed = read_source_list(path, observation).apertures
    assert [one.detection_id for one in listed] == ["tilted", "2", "3", "4", "galactic", "physical"]
    assert sum(isinstance(one.region, Polygon) for one in listed) == 2
    x, y = np.random.default_rng(1).uniform(MIDDLE - 250, MIDDLE + 250, (2, 200_000))
    for one, shape in zip(
        listed, Regions.parse(path.read_text().replace("physical", "image"), format="ds9"), strict=True
    ):
        pixel = shape.to_pixel(wcs) if hasattr(shape, "to_pixel") else shape
        # `regions` counts pixels from 0.
        ours = one.region.contains(projection, x, y)
        theirs = pixel.contains(type(pixel.center)(x - 1, y - 1)) if hasattr(pixel, "center") else None
        if theirs is not None:
            assert np.count_nonzero(ours != theirs) <= 0.01 * np.count_nonzero(theirs)
        assert np.count_nonzero(ours) > 50


def test_angles_of_ellipses_run_from_west_to_north(tmp_path: Path, observation: Observation) -> None:
    """DS9 draws the first axis of a sky ellipse along x at angle 0 and turns it counter-clockwise, north up."""
    path = tmp_path / "list.reg"
    path.write_text('fk5\nellipse(50.0,20.0,20",2",30)\n')
    (one,) = read_source_list(path, observation).apertures
    along = SkyCoord(50.0, 20.0, unit="deg").directional_offset_by((270 + 30) * units.deg, 18 * units.arcsec)
    across = SkyCoord(50.0, 20.0, unit="deg").directional_offset_by((270 - 30) * units.deg, 18 * units.arcsec)
    projection = observation.require_projection()
    assert one.region.contains(projection, *projection.to_pixel(along.ra.deg, along.dec.deg))
    assert not one.region.contains(projection, *projection.to_pixel(across.ra.deg, across.dec.deg))


def test_points_get_an_aperture_of_the_point_spread(tmp_path: Path, observation: Observation) -> None:
    path = tmp_path / "list.reg"
    path.write_text("icrs\npoint(50.01,20.01) # point=x text={p}\n")
    (one,) = read_source_list(path, observation).apertures
    assert one.region.extent == pytest.approx(aperture_at(observation, 50.01, 20.01, "p", "").region.extent)
    assert (one.ra, one.dec) == (pytest.approx(50.01), pytest.approx(20.01))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('-circle(50,20,3")', "has no source region, only excluded ones and backgrounds"),
        ('circle(50,20,3") # background', "has no source region"),
        ("line(50,20,50.1,20)", "line 2: shape 'line' is not supported"),
        ("image\ncircle(4096,4096,3)", "line 3: frame 'image' is not supported .the binning of the image is unknown"),
        ("linear\ncircle(4096,4096,3)", "line 3: frame 'linear' is not supported"),
        ("circle(50,20)", "line 2: .*circle.50, 20. cannot be read"),
        ("circle(50,20,x)", "line 2"),
        ('circle(50,20,3")\n-circle(50,20,9")', "region 1 lies inside an excluded region"),
    ],
)
def test_what_is_no_source_is_named(tmp_path: Path, observation: Observation, line: str, reason: str) -> None:
    path = tmp_path / "list.reg"
    path.write_text(f"fk5\n{line}\n")
    with pytest.raises(UnreadableFileError, match=reason):
        read_source_list(path, observation)
