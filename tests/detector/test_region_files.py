"""Regions as DS9 and CIAO write them: frames, shapes, exclusions, composites, backgrounds."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import BarycentricMeanEcliptic, SkyCoord
from event_files import some_photons, write_chandra
from paths import ROOT
from read_files import observe

from xherald.detector.extraction.source_lists import SourceList, read_source_list
from xherald.photons import Annulus, Ellipse, Observation, Polygon, SkyProjection
from xherald.photons.errors import UnreadableFileError
from xherald.photons.shape_table import inside, shape_table

MIDDLE = 4096.5
RNG = np.random.default_rng(4)
X, Y = RNG.uniform(MIDDLE - 60, MIDDLE + 60, (2, 40_000))
U, V = X - MIDDLE, Y - MIDDLE
"""Sky pixels around the middle of the field, and their offsets from it."""


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Observation:
    """A field of Chandra, centred on the reference pixel."""
    return observe(write_chandra(tmp_path_factory.mktemp("field") / "field.fits", some_photons(3000)))


@pytest.fixture
def listed(field: Observation, tmp_path: Path):
    """Read a region file."""

    def read(text: str | bytes) -> SourceList:
        path = tmp_path / "list.reg"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return read_source_list(path, field)

    return read


def agreement(shape: Ellipse | Polygon | Annulus, projection: SkyProjection, expected: np.ndarray) -> float:
    """Fraction of the expected pixels that are classified otherwise."""
    mine = shape.contains(projection, X, Y)
    return np.count_nonzero(mine != expected) / np.count_nonzero(expected)


FK5 = "83.8,-5.4"


@pytest.mark.parametrize(
    "text",
    [
        'fk5\ncircle(83.8,-5.4,9.84")',
        "FK5\nCIRCLE(83.8,-5.4,0.164')",
        "icrs;circle(83.8,-5.4,0.0027333333)",
        'j2000\ncircle 83.8 -5.4 9.84"',
        'fk5\ncircle(5:35:12.0,-5:24:00,9.84")',
        'circle(5:35:12.0,-5:24:00,9.84")',
        "physical\ncircle(4096.5,4096.5,20)",
        "# Region file format: CIAO version 1.0\ncircle(4096.5,4096.5,20)",
        "circle(4096.5,4096.5,20)",
        'global color=green\r\nfk5\r\ncircle(83.8,-5.4,9.84") # color=red\r\n',
        '\ufefffk5\ncircle(83.8,-5.4,9.84")',
    ],
)
def test_one_circle_in_all_notations(text: str, listed, field: Observation) -> None:
    (one,) = listed(text).apertures
    assert isinstance(one.region, Ellipse)
    assert agreement(one.region, field.require_projection(), np.hypot(U, V) < 20) < 0.005
    assert (one.ra, one.dec) == (pytest.approx(83.8, abs=1e-5), pytest.approx(-5.4, abs=1e-5))


def test_frames_of_the_sky(listed, field: Observation) -> None:
    """The ecliptic of DS9 is that of the mean equinox J2000."""
    sky = SkyCoord(83.8, -5.4, unit="deg")
    fk4, galactic, ecliptic = sky.fk4, sky.galactic, sky.transform_to(BarycentricMeanEcliptic())
    text = (
        f'fk4\ncircle({fk4.ra.deg},{fk4.dec.deg},9.84")\n'
        f'b1950\ncircle({fk4.ra.deg},{fk4.dec.deg},9.84")\n'
        f'galactic\ncircle({galactic.l.deg},{galactic.b.deg},9.84")\n'
        f'ecliptic\ncircle({ecliptic.lon.deg},{ecliptic.lat.deg},9.84")\n'
        f"polygon({ecliptic.lon.deg},{ecliptic.lat.deg},{ecliptic.lon.deg + 1e-3},{ecliptic.lat.deg},"
        f"{ecliptic.lon.deg},{ecliptic.lat.deg + 1e-3})\n"
    )
    *circles, polygon = listed(text).apertures
    for one in circles:
        assert sky.separation(SkyCoord(one.ra, one.dec, unit="deg")).arcsec < 0.1
    corner = SkyCoord(*polygon.region.vertices[0], unit="deg")
    assert sky.separation(corner).arcsec < 0.1


SHAPES = {
    "annulus(4096.5,4096.5,10,20)": (np.hypot(U, V) > 10) & (np.hypot(U, V) < 20),
    "annulus(4096.5,4096.5,5,10,20)": (np.hypot(U, V) > 5) & (np.hypot(U, V) < 20),
    "annulus(4096.5,4096.5,0,20)": np.hypot(U, V) < 20,
    "ellipse(4096.5,4096.5,20,10,40,20,0)": (np.hypot(U / 40, V / 20) < 1) & (np.hypot(U / 20, V / 10) > 1),
    "box(4096.5,4096.5,40,20,0)": (abs(U) < 20) & (abs(V) < 10),
    "rotbox(4096.5,4096.5,40,20,90)": (abs(U) < 10) & (abs(V) < 20),
    "box(4096.5,4096.5,20,20,40,40,0)": (np.maximum(abs(U), abs(V)) < 20) & (np.maximum(abs(U), abs(V)) > 10),
    "rectangle(4086.5,4076.5,4126.5,4116.5)": (U > -10) & (U < 30) & (V > -20) & (V < 20),
    "panda(4096.5,4096.5,0,360,4,0,25,1)": np.hypot(U, V) < 25,
    "panda(4096.5,4096.5,0,90,1,10,25,1)": (np.hypot(U, V) < 25) & (np.hypot(U, V) > 10) & (U > 0) & (V > 0),
    "panda(4096.5,4096.5,270,450,3,10,25,2)": (np.hypot(U, V) < 25) & (np.hypot(U, V) > 10) & (U > 0),
    "epanda(4096.5,4096.5,0,180,1,10,5,40,20,1,0)": (np.hypot(U / 40, V / 20) < 1)
    & (np.hypot(U / 10, V / 5) > 1)
    & (V > 0),
    "bpanda(4096.5,4096.5,0,90,1,20,10,80,40,1,0)": (abs(U) < 40)
    & (abs(V) < 20)
    & ~((abs(U) < 10) & (abs(V) < 5))
    & (U > 0)
    & (V > 0),
    "pie(4096.5,4096.5,5,30,90,180)": (np.hypot(U, V) < 30) & (np.hypot(U, V) > 5) & (U < 0) & (V > 0),
    "polygon(4076.5,4076.5,4116.5,4076.5,4096.5,4086.5,4096.5,4116.5)": None,
    "circle(4096.5,4096.5,20)-circle(4106.5,4096.5,15)": (np.hypot(U, V) < 20) & (np.hypot(U - 10, V) > 15),
    "circle(4096.5,4096.5,20)&!circle(4106.5,4096.5,15)": (np.hypot(U, V) < 20) & (np.hypot(U - 10, V) > 15),
    "circle(4096.5,4096.5,20)*circle(4106.5,4096.5,15)": (np.hypot(U, V) < 20) & (np.hypot(U - 10, V) < 15),
    "circle(4096.5,4096.5,20)+circle(4116.5,4096.5,15)": (np.hypot(U, V) < 20) | (np.hypot(U - 20, V) < 15),
    "circle(4096.5,4096.5,20) ||\nbox(4116.5,4096.5,30,10,0)": (np.hypot(U, V) < 20)
    | ((abs(U - 20) < 15) & (abs(V) < 5)),
    "circle(4096.5,4096.5,20)\n-circle(4096.5,4096.5,8)": (np.hypot(U, V) < 20) & (np.hypot(U, V) > 8),
    "circle(4096.5,4096.5,20)\n-box(4116.5,4096.5,20,20,0)": (np.hypot(U, V) < 20)
    & ~((abs(U - 20) < 10) & (abs(V) < 10)),
    "box(4096.5,4096.5,60,60,0)\n-annulus(4096.5,4096.5,10,20)": (np.maximum(abs(U), abs(V)) < 30)
    & ~((np.hypot(U, V) < 20) & (np.hypot(U, V) > 10)),
}


@pytest.mark.parametrize("text", SHAPES)
def test_shapes_hold_what_they_are_made_of(text: str, listed, field: Observation) -> None:
    (one,) = listed(f"physical\n{text}\n").apertures
    projection, expected = field.require_projection(), SHAPES[text]
    mine = one.region.contains(projection, X, Y)
    if expected is not None:
        assert agreement(one.region, projection, expected) < 0.01
    area = one.region.area / projection.pixel_arcsec**2
    assert area == pytest.approx(np.count_nonzero(mine) / len(X) * 120**2, rel=0.05)
    table = shape_table([one.region], projection)
    kernel = np.array([inside(table, 0, x, y) for x, y in zip(X[:2000], Y[:2000], strict=True)])
    assert np.count_nonzero(kernel != mine[:2000]) <= 4
    reach = np.hypot(U[mine] * projection.pixel_arcsec, V[mine] * projection.pixel_arcsec)
    assert reach.max() <= 2.1 * one.region.extent


def test_exclusions_cut_every_region_that_they_overlap(listed, field: Observation) -> None:
    text = (
        "circle(4096.5,4096.5,20)\ncircle(4140,4096.5,10)\nannulus(4096.5,4096.5,25,60) # background\n"
        "-circle(4140,4096.5,12)"
    )
    with pytest.raises(UnreadableFileError, match="region 2 lies inside an excluded region"):
        listed(text)
    one, two = listed(text.replace("4140,4096.5,12", "4140,4106.5,10")).apertures
    assert isinstance(one.region, Ellipse)
    assert isinstance(two.region, Polygon)
    assert isinstance(one.background, Polygon)
    projection = field.require_projection()
    hole = np.hypot(X - 4140, Y - 4106.5) < 9.8
    assert not one.background.contains(projection, X[hole], Y[hole]).any()


def test_background_regions_belong_to_the_nearest_source(listed) -> None:
    text = (
        'fk5\ncircle(83.8,-5.4,2") # text={a}\ncircle(83.85,-5.4,2") # text={b}\n'
        '# background\nannulus(83.8,-5.4,4",10") # background\ncircle(83.85,-5.41,20") # background color=red\n'
    )
    one, two = listed(text).apertures
    assert isinstance(one.background, Annulus)
    assert isinstance(two.background, Ellipse)
    assert (one.background.inner, one.background.outer) == (pytest.approx(4, rel=1e-4), pytest.approx(10, rel=1e-4))


def test_labels(listed) -> None:
    text = 'fk5\ncircle(83.8,-5.4,2") # text={star}\ncircle(83.81,-5.4,2") # text="star"\ncircle(83.82,-5.4,2")\n'
    assert [one.detection_id for one in listed(text).apertures] == ["star", "star_2", "3"]
    latin = 'fk5\ncircle(83.8,-5.4,2") # text={Müller # 1; x}\r\n'.encode("latin-1")
    assert [one.detection_id for one in listed(latin).apertures] == ["Müller # 1; x"]
    assert len(listed('fk5;circle(83.8,-5.4,2");circle(83.81,-5.4,3")').apertures) == 2


def test_compressed_region_files(field: Observation, tmp_path: Path) -> None:
    path = tmp_path / "list.reg.gz"
    path.write_bytes(gzip.compress(b'fk5\ncircle(83.8,-5.4,2")\n'))
    assert len(read_source_list(path, field).apertures) == 1


@pytest.mark.parametrize("text", ["", "fk5\n", "# Region file format: DS9 version 4.1\nglobal color=green\nfk5\n"])
def test_files_without_regions_are_refused(text: str, listed) -> None:
    with pytest.raises(UnreadableFileError, match="has no region"):
        listed(text)


@pytest.mark.parametrize("shape", ["polygon", "box", "circle"])
def test_regions_at_the_pole(shape: str, tmp_path: Path) -> None:
    """Right ascension means nothing there, so a region is compared by angular distances."""
    photons = some_photons(3000)
    observation = observe(write_chandra(tmp_path / "pole.fits", photons, header={"TCRVL11": 40.0, "TCRVL12": 89.999}))
    text = {
        "polygon": "polygon(0,89.997,90,89.997,180,89.997,270,89.997)",
        "box": 'box(0,90,20",20",0)',
        "circle": 'circle(0,90,10")',
    }[shape]
    path = tmp_path / "list.reg"
    path.write_text(f"fk5\n{text}\n")
    (one,) = read_source_list(path, observation).apertures
    projection = observation.require_projection()
    ra, dec = RNG.uniform(0, 360, 20_000), 90 - 0.006 * np.sqrt(RNG.uniform(0, 1, 20_000))
    mine = one.region.contains(projection, *projection.to_pixel(ra, dec))
    away = (90 - dec) * 3600
    expected = {
        # Sides of the square between the corners at right ascensions of 0, 90 … deg.
        "polygon": away * np.cos(np.radians((ra % 90) - 45)) < 10.8 * np.cos(np.radians(45)),
        "box": away * np.maximum(abs(np.cos(np.radians(ra))), abs(np.sin(np.radians(ra)))) < 10,
        "circle": away < 10,
    }[shape]
    if shape == "box":  # its orientation at the pole is that of no frame; its inscribed circle is in it
        assert mine[away < 9.9].all()
        assert not mine[away > 14.3].any()
    else:
        assert np.count_nonzero(mine != expected) < 0.01 * np.count_nonzero(expected)
    area = {"polygon": 2 * 10.8**2, "box": 400, "circle": np.pi * 100}[shape]
    assert one.region.area == pytest.approx(area, rel=1e-3)
    assert one.region.extent == pytest.approx({"polygon": 10.8, "box": 10 * 2**0.5, "circle": 10}[shape], rel=1e-3)
    assert one.dec == pytest.approx(90.0, abs=1e-5)


@pytest.mark.parametrize(
    ("name", "count"),
    [
        ("physical", 1), ("noframe_ciao", 1), ("ciao_dmlist", 2), ("ciao_rotbox", 1), ("annulus_bkg", 1), ("box", 1),
        ("composite", 1), ("crlf", 1), ("ecl_mean", 1), ("ellipse", 1), ("exclude", 1), ("fk4", 1),
        ("fk5_deg_prime", 1), ("fk5_nounit", 1), ("fk5_sexa", 1), ("galactic", 1), ("icrs_spaces", 1),
        ("multi_semicolon", 2), ("panda", 1), ("point_cross", 1), ("polygon", 1), ("sametext", 2), ("upper", 1),
    ],
)  # fmt: skip
def test_region_files_of_the_shared_cases(name: str, count: int, tmp_path: Path) -> None:
    """All but some second regions lie at one place, which is a pixel of the field that they were made for."""
    folder = ROOT.parent / "shared" / "cases" / "ds9"
    if not folder.is_dir():
        pytest.skip(f"the shared cases are not at {folder}")
    target = SkyCoord(316.4021313, -6.0626302, unit="deg")
    pixel = 4371.1061, 4465.3795
    centre = SkyCoord(316.4396, -6.0721, unit="deg")
    for _ in range(4):
        sky = SkyProjection("TAN", centre.ra.deg, centre.dec.deg, MIDDLE, MIDDLE, -0.492 / 3600, 0.492 / 3600)
        ra, dec = sky.to_sky(*pixel)
        centre = SkyCoord(
            centre.ra.deg - (float(ra) - target.ra.deg), centre.dec.deg - (float(dec) - target.dec.deg), unit=u.deg
        )
    photons = some_photons(3000)
    x, y = RNG.uniform(3800, 4900, (2, 3000))
    header = {"TCRVL11": centre.ra.deg, "TCRVL12": centre.dec.deg}
    path = write_chandra(tmp_path / "field.fits", photons, header=header, columns={"x": x, "y": y})
    found = read_source_list(folder / f"{name}.reg", observe(path)).apertures
    assert len(found) == count
    assert SkyCoord(found[0].ra, found[0].dec, unit="deg").separation(target).arcsec < 0.05
