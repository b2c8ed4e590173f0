"""Whether a file is complete and no longer changes."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from watched_folder import write_file

from xherald.daemon.intake import completeness
from xherald.plugins import ReadLimits

LIMITS = ReadLimits()


def test_truncated_fits_files_are_incomplete(demo_files: list[Path], tmp_path: Path) -> None:
    swift = demo_files[1]
    assert completeness.examine_file(swift, LIMITS) == completeness.FileExamination()
    data = swift.read_bytes()
    for cut in (1, 8, len(data) // 2):
        part = tmp_path / swift.name
        part.write_bytes(data[:-cut])
        assert "gzip" in str(completeness.examine_file(part, LIMITS).incomplete)
    plain = tmp_path / "plain.evt"
    inflated = gzip.decompress(data)
    plain.write_bytes(inflated)
    assert completeness.examine_file(plain, LIMITS) == completeness.FileExamination()
    for cut in (2880, len(inflated) // 2):
        plain.write_bytes(inflated[:-cut])
        assert "truncated" in str(completeness.examine_file(plain, LIMITS).incomplete)


def test_fits_file_without_events_is_complete(tmp_path: Path) -> None:
    from astropy.io import fits

    path = tmp_path / "image.fits"
    fits.PrimaryHDU(np.zeros((4, 4))).writeto(path)
    found = completeness.examine_file(path, LIMITS)
    assert found.incomplete is None
    assert "no events table" in str(found.not_events)


def test_truncated_parquet_files_are_incomplete(tmp_path: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    path = tmp_path / "table.parquet"
    pq.write_table(pa.table({"a": [1.0, 2.0]}), path)
    assert completeness.examine_file(path, LIMITS).incomplete is None
    path.write_bytes(path.read_bytes()[:-3])
    assert "truncated Parquet" in str(completeness.examine_file(path, LIMITS).incomplete)
    assert "zero bytes" in str(completeness.examine_file(write_file(tmp_path / "empty.csv", b""), LIMITS).incomplete)


class Clock:
    """Clocks set by the test: a monotonic one and a system clock."""

    def __init__(self) -> None:
        self.run, self.wall = 0.0, 1e9

    def monotonic(self) -> float:
        return self.run

    def time(self) -> float:
        return self.wall


@given(st.lists(st.tuples(st.floats(0, 5), st.floats(-1e6, 1e6), st.integers(1, 2)), min_size=1, max_size=12))
def test_stability_does_not_depend_on_the_system_clock(steps: list[tuple[float, float, int]]) -> None:
    clock, before, since = Clock(), None, 0.0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(completeness, "time", clock)
        stability = completeness.StabilityTracker(4.0)
        for passed, jump, size in steps:
            clock.run += passed
            clock.wall += jump
            if size != before:
                before, since = size, clock.run
            assert stability.is_stable("x", size) is (clock.run - since >= 4.0)
            # A modification time in the future, because the clock was set back, is ignored.
            assert stability.is_stable("x", size, clock.wall + 100) is (clock.run - since >= 4.0)
        assert stability.is_stable("y", 1, clock.wall - 10)  # changed long ago: stable at once
