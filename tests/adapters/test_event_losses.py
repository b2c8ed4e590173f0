"""Events that are left out are counted and reported: invalid rows, repeated rows, filters that reject too many."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from event_files import some_photons, whole_exposure, write_chandra, write_swift
from read_files import observe

from xherald.photons.errors import UnreadableFileError


def rows_of(path: Path, index: np.ndarray) -> Path:
    """The file with some of its rows, possibly several times."""
    with fits.open(path) as units:
        table = units["EVENTS"]
        chosen = fits.BinTableHDU(data=table.data[index], header=table.header)
        others = [one for one in units if one.name != "EVENTS"]
        fits.HDUList([others[0], chosen, *others[1:]]).writeto(path.with_suffix(".new"))
    path.with_suffix(".new").replace(path)
    return path


@pytest.mark.parametrize(("column", "reason"), [("time", "time"), ("energy", "energy"), ("x", "position")])
def test_invalid_rows_are_left_out_and_counted(column: str, reason: str, tmp_path: Path) -> None:
    photons = some_photons(60)
    plain = observe(write_chandra(tmp_path / "plain.fits", photons)).events
    values = {"time": photons.time, "energy": photons.energy * 1e3, "x": np.full(60, 4000.0)}[column].copy()
    values[[3, 17]] = np.nan
    observation = observe(write_chandra(tmp_path / "nan.fits", photons, columns={column: values}))
    events = observation.events
    assert events.screening.losses == {f"{reason} not finite": 2}
    assert observation.remarks == (f"2 of 60 rows were left out: {reason} not finite",)
    np.testing.assert_array_equal(events.time, np.delete(plain.time, [3, 17]))


@pytest.mark.parametrize("write", [write_chandra, write_swift])
@pytest.mark.parametrize("repeats", [3, 50, 400])
def test_repeated_rows_are_left_out(write, repeats: int, tmp_path: Path) -> None:
    photons = some_photons(400)
    path = write(tmp_path / "list.fits", photons)
    plain = observe(path).events
    index = np.concatenate([np.arange(400), np.arange(repeats)])
    observation = observe(rows_of(path, np.random.default_rng(3).permutation(index)))
    events = observation.events
    assert events.screening.losses == {"identical to another row": repeats}
    assert len(observation.remarks) == 1
    assert f"{repeats} of {400 + repeats}" in observation.remarks[0]
    assert "events_lost" not in observation.flags
    np.testing.assert_array_equal(events.time, plain.time)


def test_photons_of_one_frame_are_kept(tmp_path: Path) -> None:
    """Equal times, and equal pixels too, are no repetition if any other column differs."""
    photons = some_photons(400)
    together = np.repeat(photons.time[::20], 20)
    path = write_chandra(tmp_path / "frames.fits", photons, columns={"time": together, "x": np.full(400, 4000.0)})
    assert len(observe(path).events) == 400


def test_coarse_columns_may_be_equal_by_chance(tmp_path: Path) -> None:
    """A bright source in a list of three pixels and four channels: hundreds of equal rows, none of them repeated."""
    rng = np.random.default_rng(5)
    n = 3000
    photons = some_photons(n)
    coarse = {
        "TIME": np.sort(photons.time[0] + 2.5 * rng.integers(0, 300, n)),
        "X": rng.integers(500, 503, n),
        "Y": np.full(n, 500),
        "PI": rng.integers(100, 104, n),
        "PHA": np.full(n, 100),
        "GRADE": np.zeros(n, dtype=int),
        "DETX": np.full(n, 300),
        "DETY": np.full(n, 300),
        "RAWX": np.full(n, 300),
        "RAWY": np.full(n, 300),
    }
    start, stop = photons.time.min() - 10, photons.time.max() + 10_000
    path = write_swift(tmp_path / "coarse.evt", photons, gti={0: [(start, stop)]}, columns=coarse)
    observation = observe(path)
    assert len(observation.events) == n
    assert observation.remarks == ()


def test_large_losses_are_reported(tmp_path: Path) -> None:
    photons = some_photons(400)
    ((start, stop),) = whole_exposure(photons)[0]
    part = {0: [(start, start + 0.7 * (stop - start))]}
    observation = observe(write_chandra(tmp_path / "part.fits", photons, gti=part))
    lost = observation.events.screening.losses["outside good time"]
    assert observation.remarks == (f"{lost} of 400 events ({lost / 400:.0%}) were left out: outside good time",)
    assert observation.flags == ("events_lost",)
    few = {0: [(start, start + 0.9 * (stop - start))]}
    assert observe(write_chandra(tmp_path / "few.fits", photons, gti=few)).remarks == ()


def test_photons_outside_the_band_are_reported_without_a_flag(tmp_path: Path) -> None:
    photons = some_photons(400, band=(6.0, 9.5))
    observation = observe(write_chandra(tmp_path / "hard.fits", photons))
    assert "outside 0.5–7 keV" in observation.remarks[0]
    assert observation.flags == ()


def test_a_filter_that_leaves_nearly_nothing_is_an_error(tmp_path: Path) -> None:
    """As for a merged list whose good times are those of one small observation."""
    photons = some_photons(400)
    start, stop = photons.time[200] - 1e-3, photons.time[206] + 1e-3
    path = write_chandra(tmp_path / "lost.fits", photons, gti={0: [(start, stop)]})
    with pytest.raises(UnreadableFileError, match="393 of 400 events would be left out as outside good time"):
        _ = observe(path).events


def test_short_exposures_may_have_no_photon_in_the_band(tmp_path: Path) -> None:
    photons = some_photons(5, band=(8.0, 9.0))
    observation = observe(write_chandra(tmp_path / "short.fits", photons))
    assert len(observation.events) == 0


def test_a_list_without_rows_is_read(tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "empty.fits", some_photons(60)[:0], gti={0: [(8e8, 8e8 + 9)]})
    observation = observe(path)
    assert len(observation.events) == 0
    assert observation.events.screening.losses == {}
    assert observation.projection is not None
