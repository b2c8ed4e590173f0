"""Attitude, bad pixels and live fractions as tables of the missions have them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from read_files import observe

from xherald.adapters.reading.exposure_tables import read_attitude, read_bad_pixels, read_live_curves
from xherald.adapters.reading.fits_files import open_fits
from xherald.photons.exposure.pointing_path import measure_pointing_path
from xherald.photons.exposure.source_exposure import measure_exposure_model
from xherald.plugins import ReadLimits


def _file(path: Path, *tables: fits.BinTableHDU) -> Path:
    events = fits.BinTableHDU.from_columns([fits.Column("TIME", "D", array=np.arange(3.0))], name="EVENTS")
    fits.HDUList([fits.PrimaryHDU(), events, *tables]).writeto(path)
    return path


def _table(name: str, **columns: np.ndarray) -> fits.BinTableHDU:
    kinds = {"i": "I", "f": "D"}
    made = []
    for key, values in columns.items():
        width = values.shape[1] if values.ndim > 1 else ""
        made.append(fits.Column(key, f"{width}{kinds[values.dtype.kind]}", array=values))
    return fits.BinTableHDU.from_columns(made, name=name)


def test_attitude_of_each_module_is_sorted_and_shifted_by_timezero(tmp_path: Path) -> None:
    time = np.array([12.0, 10.0, 11.0, np.nan])
    table = _table("CORRATT3", TIME=time, RA=time * 2, DEC=time, ROLL=np.zeros(4))
    table.header["TIMEZERO"] = 5.0
    with open_fits(_file(tmp_path / "a.fits", table), ReadLimits()) as file:
        found = read_attitude([file], 1.0)
    assert list(found) == [3]
    assert found[3].time.tolist() == [15.0, 16.0, 17.0]
    assert found[3].ra.tolist() == [20.0, 22.0, 24.0]


def test_bad_pixels_have_extents_and_ranges(tmp_path: Path) -> None:
    ones = np.ones(2, dtype=np.int16)
    extents = _table("BADPIX", RAWX=np.array([5, 7], np.int16), RAWY=np.array([1, 9], np.int16), YEXTENT=ones * 51)
    ranges = _table("BADPIX2", RAWX=np.array([[3, 4]], np.int16), RAWY=np.array([[1, 600]], np.int16))
    numbered = _table("BADPIX04", RAWX=np.array([8], np.int16), RAWY=np.array([8], np.int16))
    numbered.header["CCDID"] = 7
    with open_fits(_file(tmp_path / "b.fits", extents, ranges, numbered), ReadLimits()) as file:
        found = read_bad_pixels([file], ("RAWX", "RAWY"), (1, 2))
    assert found[1].tolist() == [[5, 5, 1, 51], [7, 7, 9, 59]]
    assert found[2].tolist() == [*found[1].tolist(), [3, 4, 1, 600]]
    assert found[7].tolist() == [[8, 8, 8, 8]]


def test_live_fractions_are_averaged_where_they_vary(tmp_path: Path) -> None:
    time = np.arange(0.0, 400.0)
    varying = _table("EXPOSU01", TIME=time, FRACEXP=np.where(time < 200, 0.5, 1.0))
    constant = _table("DEADCOR2", TIME=time, DEADC=np.full(400, 0.99))
    with open_fits(_file(tmp_path / "c.fits", varying, constant), ReadLimits()) as file:
        found = read_live_curves(file, 0.0)
    assert list(found) == [1]
    assert found[1].tolist() == [[0.0, 0.5], [100.0, 0.5], [200.0, 1.0], [300.0, 1.0]]


@pytest.mark.parametrize(
    "name", ["swift/sw00011337002xpcw3po_cl.evt.gz", "xmm/0201901401_mos1_exp1_clean_evts.fits.gz"]
)
def test_real_files_have_bad_pixels(data: Path, name: str) -> None:
    observation = observe(data / name)
    assert set(observation.bad_pixels) == {one.number for one in observation.detectors}
    assert observation.layout is not None


def test_aspect_and_bad_pixels_beside_a_chandra_list_are_used(data: Path, tmp_path: Path) -> None:
    name = "acisf29128N001_evt2.fits.gz"
    alone = observe(data / "chandra" / name)
    fitted = measure_pointing_path(alone)
    assert fitted is not None
    # The archive's aspect: direction and roll of the telescope, here those that the events show, in two files.
    time = np.arange(alone.span[0] - 1.0, alone.span[1] + 1.0, 2.0)
    position, turn = fitted.at(time)
    ra, dec = alone.require_projection().to_sky(4096.5 + position.real, 4096.5 + position.imag)
    half = len(time) // 2
    for number, rows in ((1, slice(None, half)), (2, slice(half, None))):
        aspect = _table("ASPSOL", time=time[rows], ra=ra[rows], dec=dec[rows], roll=np.degrees(turn[rows]))
        _file(tmp_path / f"pcadf29128_00{number}N001_asol1.fits", aspect)
    columns = _table("BADPIX3", chipx=np.array([[100, 139]], np.int16), chipy=np.array([[1, 1024]], np.int16))
    columns.header["CCD_ID"] = 3
    _file(tmp_path / "acisf29128_000N001_bpix1.fits", columns)
    (tmp_path / name).symlink_to(data / "chandra" / name)
    observation = observe(tmp_path / name)
    assert list(observation.attitude) == [None]
    assert observation.bad_pixels[3].tolist() == [[100, 139, 1, 1024]]
    path = measure_pointing_path(observation)
    assert path is not None
    assert len(path.time) > 0.9 * len(time)
    model = measure_exposure_model(observation, [3])
    assert model is not None
    assert not model.areas[3].contains(np.array([[120.0, 500.0]])).any()
    # Steps of both paths are alike: the offset between them is constant.
    both = [one.at(time[10:-10])[0] for one in (fitted, path)]
    off = both[1] - both[0]
    assert np.abs(off - off.mean()).max() < 1.0


def test_damaged_file_beside_a_chandra_list_is_noted(data: Path, tmp_path: Path) -> None:
    name = "acisf28964N002_evt2.fits.gz"
    (tmp_path / name).symlink_to(data / "chandra" / name)
    (tmp_path / "acisf28964_repro_bpix1.fits").write_bytes(b"no table")
    observation = observe(tmp_path / name)
    assert not observation.bad_pixels
    assert any("acisf28964_repro_bpix1.fits beside it was left out" in note for note in observation.notes)
