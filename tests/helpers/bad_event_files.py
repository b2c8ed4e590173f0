"""Invalid event files with the expected errors: ``BAD_FILES``."""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from event_files import Photons, gti_table, some_photons, table, whole_exposure, write, write_chandra


@dataclass(frozen=True)
class BadFile:
    """An invalid file.

    Parameters
    ----------
    name : str
    make : callable
        Writes it to a folder and returns its path.
    reason : str
        Part of the error message.
    by_scan : bool
        Whether only the scan refuses it, not the adapter.
    """

    name: str
    make: Callable[[Path], Path]
    reason: str
    by_scan: bool = False


def _chandra(folder: Path, name: str, photons: Photons | None = None, **changes: object) -> Path:
    return write_chandra(folder / f"{name}.fits", some_photons(60) if photons is None else photons, **changes)  # type: ignore[arg-type]


def _truncated_gzip(folder: Path) -> Path:
    path = write_chandra(folder / "truncated_gzip.fits.gz", some_photons(2000))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _corrupt_gzip(folder: Path) -> Path:
    path = write_chandra(folder / "corrupt_gzip.fits.gz", some_photons(2000))
    whole = bytearray(path.read_bytes())
    whole[-8:-4] = b"\0\0\0\0"  # the checksum
    path.write_bytes(whole)
    return path


def _truncated_fits(folder: Path) -> Path:
    path = _chandra(folder, "truncated_fits", some_photons(2000))
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _empty(folder: Path) -> Path:
    path = folder / "zero_bytes.fits"
    path.touch()
    return path


def _no_events_table(folder: Path) -> Path:
    path = folder / "no_events.fits"
    return write(path, [gti_table("GTI", [(0, 1)], {})], {"TELESCOP": "CHANDRA", "INSTRUME": "ACIS"})


def _all_nan(folder: Path, column: str) -> Path:
    name, photons = f"nan_{column}", some_photons(60)
    values = np.full(len(photons), np.nan)
    return _chandra(folder, name, photons, columns={column: values})


def _one_frame(folder: Path) -> Path:
    photons = some_photons(60)
    together = np.full(60, photons.time[0])
    return _chandra(folder, "one_frame", photons, columns={"time": together})


def _reversed(folder: Path) -> Path:
    photons = some_photons(60)
    ((start, stop),) = whole_exposure(photons)[0]
    middle = (start + stop) / 2
    return _chandra(folder, "reversed_gtis", photons, gti={0: [(start, middle), (stop, middle)]})


def _hole_of_zeros(folder: Path) -> Path:
    """A file with checksums in which a part of the rows was lost in transmission."""
    path = _chandra(folder, "hole", some_photons(2000))
    with fits.open(path) as units:
        units.writeto(folder / "hole_summed.fits", checksum=True)
        start = units["EVENTS"].fileinfo()["datLoc"]
    summed = folder / "hole_summed.fits"
    with fits.open(summed) as units:
        start = units["EVENTS"].fileinfo()["datLoc"]
    whole = bytearray(summed.read_bytes())
    whole[start + 1000 : start + 9000] = bytes(8000)
    summed.write_bytes(whole)
    return summed


def _unlike_tables(folder: Path) -> Path:
    """Two events tables, of different cameras."""
    path = folder / "unlike.fits"
    with fits.open(_chandra(folder, "unlike_one")) as one:
        second = one["EVENTS"].copy()
        second.header["DETNAM"] = "ACIS-7"
        fits.HDUList([*one, second]).writeto(path)
    return path


def _edited(folder: Path, name: str, **keywords: object) -> Path:
    """A file whose events header was edited."""
    path = _chandra(folder, name)
    with fits.open(path, mode="update") as units:
        units["EVENTS"].header.update(keywords)
    return path


def _compressed(folder: Path, name: str, beginning: bytes) -> Path:
    path = folder / name
    path.write_bytes(beginning + bytes(5000))
    return path


def _claims_trillion_rows(folder: Path) -> Path:
    path = _chandra(folder, "trillion_rows")
    whole = path.read_bytes()
    with fits.open(path) as units:
        said = f"NAXIS2  = {units['EVENTS'].header['NAXIS2']:>20}".encode()
    path.write_bytes(whole.replace(said, f"NAXIS2  = {10**12:>20}".encode(), 1))
    return path


def _gzip_bomb(folder: Path) -> Path:
    """A valid file followed by 512 MiB of zeros, half a megabyte on disk."""
    good = _chandra(folder, "bomb_core")
    path = folder / "gzip_bomb.fits.gz"
    zeros = bytes(2**20)
    with gzip.open(path, "wb", compresslevel=1) as bomb, good.open("rb") as core:
        shutil.copyfileobj(core, bomb)
        for _ in range(512):
            bomb.write(zeros)
    good.unlink()
    return path


def _dangling_link(folder: Path) -> Path:
    path = folder / "dangling.fits"
    path.symlink_to(folder / "nowhere.fits")
    return path


def _directory(folder: Path) -> Path:
    path = folder / "directory.fits"
    path.mkdir()
    return path


BAD_FILES: tuple[BadFile, ...] = (
    BadFile("missing", lambda folder: folder / "missing.fits", "no such file"),
    BadFile("directory", _directory, "a directory"),
    BadFile("dangling link", _dangling_link, "a link to"),
    BadFile("zero bytes", _empty, "zero bytes"),
    BadFile("truncated gzip", _truncated_gzip, "truncated"),
    BadFile("corrupt gzip", _corrupt_gzip, "corrupt gzip"),
    BadFile("truncated FITS", _truncated_fits, "truncated"),
    BadFile("no EVENTS", _no_events_table, "has no events table"),
    BadFile("all events in one frame", _one_frame, "one frame", by_scan=True),
    BadFile("NaN times", lambda f: _all_nan(f, "time"), "60 of 60 events would be left out as time not finite"),
    BadFile("NaN energies", lambda f: _all_nan(f, "energy"), "60 of 60 events would be left out as energy not finite"),
    BadFile("absent GTIs", lambda f: _chandra(f, "absent_gtis", gti={}), "no good-time intervals", by_scan=True),
    BadFile("empty GTIs", lambda f: _chandra(f, "empty_gtis", gti={0: []}), "empty"),
    BadFile("reversed GTI", _reversed, "good times of CCD 0, table GTI: row 2 ends before it starts"),
    BadFile("hole of zeros", _hole_of_zeros, "damaged: DATASUM does not agree with the data of EVENTS"),
    BadFile("two cameras in one file", _unlike_tables, "has 2 events tables (EVENTS, EVENTS) that differ in DETNAM"),
    BadFile("fpack", lambda f: _edited(f, "tiles", ZTABLE=True), "(fpack); run `funpack tiles.fits`"),
    BadFile("compress", lambda f: _compressed(f, "list.evt.Z", b"\x1f\x9d\x90"), "run `uncompress list.evt.Z`"),
    BadFile("zip", lambda f: _compressed(f, "list.fits.zip", b"PK\x03\x04"), "run `unzip list.fits.zip`"),
    BadFile("truncated bzip2", lambda f: _half(f, bz2.compress, "bz2"), "truncated bzip2 stream"),
    BadFile("truncated xz", lambda f: _half(f, lzma.compress, "xz"), "truncated xz stream"),
    BadFile(
        "before launch", lambda f: _chandra(f, "early", header={"MJDREF": 40814.0}), "before the launch of CHANDRA"
    ),
    BadFile("in the future", lambda f: _chandra(f, "late", header={"MJDREF": 90814.0}), "or in the future"),
    BadFile("times in ms", lambda f: _edited(f, "ms", TUNIT1="ms"), "column time is in TUNIT1 = 'ms'"),
    BadFile("days", lambda f: _chandra(f, "days", header={"TIMEUNIT": "d"}), "TIMEUNIT = 'd'"),
    BadFile("unknown time scale", lambda f: _chandra(f, "local", header={"TIMESYS": "LOCAL"}), "TIMESYS = LOCAL"),
    BadFile("clock off by days", lambda f: _edited(f, "clock", UTCFINIT=-1e6, CLOCKAPP=False), "UTCFINIT = -1e+06"),
    BadFile("events outside every GTI", lambda f: _chandra(f, "outside", gti={0: [(7e8, 7.1e8)]}), "all 60 events lie"),
    BadFile("no MJDREF", lambda f: _no_mjdref(f), "no MJDREF"),
    BadFile(
        "unknown mission",
        lambda f: write(f / "unknown.fits", [_nowhere_events()], {"TELESCOP": "UHURU", "INSTRUME": "PC1"}),
        "no adapter claims this file: UHURU PC1 is not supported",
    ),
    BadFile("string TCRVL", lambda f: _chandra(f, "string_wcs", header={"TCRVL11": "83.8"}), "TCRVL11 = '83.8'"),
    BadFile("absent TCRVL", lambda f: _chandra(f, "absent_wcs", header={"TCRVL12": None}), "TCRVL12 is absent"),
    BadFile("unparsable TIMEZERO", lambda f: _chandra(f, "timezero", header={"TIMEZERO": "none"}), "TIMEZERO"),
    BadFile("10^12 rows", _claims_trillion_rows, "larger than limit"),
    BadFile("gzip bomb", _gzip_bomb, "decompression bomb"),
)


def _half(folder: Path, compress: Callable[[bytes], bytes], suffix: str) -> Path:
    plain = _chandra(folder, "half", some_photons(2000))
    whole = compress(plain.read_bytes())
    path = folder / f"half.fits.{suffix}"
    path.write_bytes(whole[: len(whole) // 2])
    return path


def _no_mjdref(folder: Path) -> Path:
    path = _chandra(folder, "no_mjdref")
    with fits.open(path, mode="update") as units:
        for unit in units:
            unit.header.remove("MJDREF", ignore_missing=True)
    return path


def _nowhere_events() -> fits.BinTableHDU:
    return table("EVENTS", [("TIME", "D", "s", [1.0, 2.0]), ("PI", "J", "chan", [1, 2])], {})
