"""Files in other forms: compressed, with several events tables, with checksums."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from event_files import some_photons, write_chandra, write_swift
from read_files import LIMITS, observe

from xherald.adapters.chandra import ChandraAdapter, ChandraOptions
from xherald.photons.errors import UnreadableFileError

PHOTONS = some_photons(500)


@pytest.mark.parametrize(
    ("suffix", "compress"), [("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress), ("", gzip.compress)]
)
def test_compressed_lists_are_read(suffix: str, compress: Callable[[bytes], bytes], tmp_path: Path) -> None:
    plain = write_chandra(tmp_path / "plain.fits", PHOTONS)
    path = tmp_path / f"list.fits.{suffix}".rstrip(".")
    path.write_bytes(compress(plain.read_bytes()))
    events = observe(path).events
    np.testing.assert_array_equal(events.time, observe(plain).events.time)
    assert observe(path).columns("chipx")[0].shape == (len(events),)


def split(path: Path, cuts: list[int], **changes: object) -> Path:
    """The file with its events in several tables, keywords of the last of which are changed."""
    with fits.open(path) as units:
        table = units["EVENTS"]
        edges = [0, *cuts, len(table.data)]
        parts = [fits.BinTableHDU(table.data[a:b], table.header) for a, b in pairwise(edges)]
        parts[-1].header.update(changes)
        others = [one for one in units if one.name != "EVENTS"]
        fits.HDUList([others[0], parts[0], *others[1:], *parts[1:]]).writeto(path.with_suffix(".split"))
    return path.with_suffix(".split")


@pytest.mark.parametrize("cuts", [[250], [0, 100], [100, 500], [1, 2, 300]])
def test_several_events_tables_are_read_as_one(cuts: list[int], tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "whole.fits", PHOTONS)
    whole, parts = observe(path), observe(split(path, cuts))
    for name in ("time", "x", "y", "energy", "detector", "row"):
        np.testing.assert_array_equal(getattr(parts.events, name), getattr(whole.events, name))
    np.testing.assert_array_equal(parts.columns("chipx", "grade"), whole.columns("chipx", "grade"))
    assert parts.notes == (f"{len(cuts) + 1} events tables were read as one",)


@pytest.mark.parametrize(
    ("key", "value"),
    [("TIMEZERO", 3.0), ("OBS_ID", "2"), ("MJDREF", 50815.0), ("RADESYS", "FK5"), ("DETNAM", "7")],
)
def test_unlike_events_tables_are_refused(key: str, value: object, tmp_path: Path) -> None:
    path = split(write_chandra(tmp_path / "whole.fits", PHOTONS), [250], **{key: value})
    with pytest.raises(UnreadableFileError, match=f"has 2 events tables .* differ in {key}"):
        observe(path)


def test_two_events_tables_of_the_shared_cases(cases: Path) -> None:
    assert observe(cases / "swift/two_events_tables.evt.gz").events.screening.rows == 2635


def summed(path: Path) -> Path:
    """The file with checksums in every unit."""
    with fits.open(path) as units:
        units.writeto(path.with_suffix(".sum"), checksum=True)
    return path.with_suffix(".sum")


def damage(path: Path, name: str) -> Path:
    """The file with one bit of a table's data changed."""
    with fits.open(path) as units:
        start = units[name].fileinfo()["datLoc"]
    whole = bytearray(path.read_bytes())
    whole[start + 5] ^= 0x10
    path.write_bytes(whole)
    return path


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("name", ["EVENTS", "GTI"])
def test_damaged_data_are_refused(name: str, compress: bool, tmp_path: Path) -> None:
    path = damage(summed(write_swift(tmp_path / "list.evt", PHOTONS)), name)
    if compress:
        path.write_bytes(gzip.compress(path.read_bytes()))
    with pytest.raises(UnreadableFileError, match=f"damaged: DATASUM does not agree with the data of {name}"):
        observe(path)


def test_intact_data_are_read(tmp_path: Path) -> None:
    assert len(observe(summed(write_swift(tmp_path / "list.evt", PHOTONS))).events) == 500


def test_sums_of_an_edited_header_are_out_of_date(tmp_path: Path) -> None:
    """Programs that edit a file and do not know of checksums leave those of the original."""
    path = summed(write_swift(tmp_path / "list.evt", PHOTONS))
    with fits.open(path) as units:
        stale = {key: units["EVENTS"].header[key] for key in ("CHECKSUM", "DATASUM")}
        units["EVENTS"].data["PI"][:] = 200
        units["EVENTS"].header.update({"HISTORY": "edited", "OBJECT": "another", **stale})
        units.writeto(path.with_suffix(".edited"))
    assert len(observe(path.with_suffix(".edited")).events) == 500


def test_hole_of_zeros_of_the_shared_cases(cases: Path) -> None:
    with pytest.raises(UnreadableFileError, match="damaged: DATASUM does not agree with the data of EVENTS"):
        observe(cases / "swift/zero_filled_hole.evt.gz")


def test_photons_are_added_to_one_plain_table_only(tmp_path: Path) -> None:
    """Columns that describe photons are for writing into the same table."""
    path = split(write_chandra(tmp_path / "whole.fits", PHOTONS), [250])
    with pytest.raises(UnreadableFileError, match="has several events tables"):
        ChandraAdapter().photon_columns(path, ChandraOptions(), LIMITS)
