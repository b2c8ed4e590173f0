"""Files that must be refused: each with its reason, in bounded memory, through the door that the road uses."""

from __future__ import annotations

import gzip
import os
import tracemalloc
from pathlib import Path

import pytest
from bad_event_files import BAD_FILES, BadFile
from event_files import some_photons, write_chandra
from read_files import LIMITS, observe, read

from xherald.adapters.reading.fits_files import open_fits, read_header
from xherald.photons.errors import FileError, GtiError, OversizeFileError, UnreadableFileError
from xherald.plugins import ReadLimits

REFUSED = [bad for bad in BAD_FILES if not bad.by_scan]
FOR_THE_SCAN = [bad for bad in BAD_FILES if bad.by_scan]


@pytest.mark.parametrize("bad", REFUSED, ids=lambda bad: bad.name)
def test_bad_file_is_refused_with_its_reason(bad: BadFile, tmp_path: Path) -> None:
    path = bad.make(tmp_path)
    with pytest.raises((FileError, GtiError)) as refusal:
        _ = observe(path).events
    said = str(refusal.value)
    assert bad.reason in said
    assert str(path) in said
    assert "\n" not in said


@pytest.mark.parametrize("bad", FOR_THE_SCAN, ids=lambda bad: bad.name)
def test_file_refused_only_by_the_scan_is_read(bad: BadFile, tmp_path: Path) -> None:
    observation = observe(bad.make(tmp_path))
    assert len(observation.events) > 0


def test_absent_gtis_leave_detectors_without_good_times(tmp_path: Path) -> None:
    observation = observe(write_chandra(tmp_path / "absent.fits", some_photons(50, detectors=(2, 3)), gti={}))
    assert [(one.number, one.gti.shape) for one in observation.detectors] == [(2, (0, 2)), (3, (0, 2))]
    with pytest.raises(GtiError, match="no good-time intervals"):
        observation.require_good_times()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "closed.fits", some_photons(10))
    path.chmod(0)
    with pytest.raises(UnreadableFileError, match="no permission"):
        read_header(path, LIMITS)


def test_denied_permission_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root is never refused by mode bits, so the refusal itself is played.
    path = write_chandra(tmp_path / "closed.fits", some_photons(10))

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(UnreadableFileError, match="no read permission"):
        read_header(path, LIMITS)


def test_device_is_refused() -> None:
    with pytest.raises(UnreadableFileError, match="not a regular file"):
        read_header(Path("/dev/null"), LIMITS)


@pytest.mark.parametrize("name", ["gzip bomb", "10^12 rows"])
def test_memory_stays_bounded(name: str, tmp_path: Path) -> None:
    path = next(bad for bad in BAD_FILES if bad.name == name).make(tmp_path)
    tracemalloc.start()
    try:
        with pytest.raises(OversizeFileError), open_fits(path, LIMITS):
            pass
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 64 * 2**20


def test_decompression_bomb_is_refused_before_decompression(tmp_path: Path) -> None:
    """A header that claims 8 GiB of rows, under the limit, in a file of some kilobytes."""
    plain = write_chandra(tmp_path / "plain.fits", some_photons(60)).read_bytes()
    path = tmp_path / "bomb.fits.gz"
    path.write_bytes(
        gzip.compress(plain.replace(b"NAXIS2  =                   60", b"NAXIS2  =            120000000", 1))
    )
    with pytest.raises(OversizeFileError, match="bomb"), open_fits(path, LIMITS):
        pass


def test_limits_are_configurable(tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "many.fits", some_photons(3000))
    with pytest.raises(OversizeFileError, match="max_events = 1,000"):
        read(path, ReadLimits(max_events=1000))
    with pytest.raises(OversizeFileError, match="max_uncompressed_gib"):
        read(path, ReadLimits(max_uncompressed_gib=0.0001))


def test_read_header_stops_at_the_events_header(tmp_path: Path) -> None:
    """What is broken behind that header is no matter of the sniff, which inflates no further."""
    path = write_chandra(tmp_path / "cut.fits.gz", some_photons(3000))
    path.write_bytes(path.read_bytes()[:-5000])
    assert read_header(path, LIMITS)["TELESCOP"] == "CHANDRA"
    with pytest.raises(UnreadableFileError, match="truncated"), open_fits(path, LIMITS):
        pass


@pytest.mark.parametrize(
    "content",
    [b"a,b,c\n1,2,3\n", b"\x00\x01\x02", b"PAR1PAR1", gzip.compress(b"not FITS at all", mtime=0)],
    ids=["text", "bytes", "parquet", "gzip"],
)
def test_other_files_have_no_header(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other"
    path.write_bytes(content)
    assert not read_header(path, LIMITS)


def test_gzip_is_recognised_by_its_first_bytes(tmp_path: Path) -> None:
    plain = write_chandra(tmp_path / "plain.fits", some_photons(50))
    disguised = tmp_path / "disguised.fits"
    disguised.write_bytes(gzip.compress(plain.read_bytes()))
    assert len(observe(disguised).events) == len(observe(plain).events) == 50


def test_file_truncated_after_opening_is_an_error(tmp_path: Path) -> None:
    path = write_chandra(tmp_path / "shrinks.fits", some_photons(3000))
    observation = observe(path)
    path.write_bytes(path.read_bytes()[: 2880 * 10])
    with pytest.raises(UnreadableFileError, match="truncated while it was read"):
        _ = observation.events
