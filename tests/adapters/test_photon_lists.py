"""A row a source in Parquet: every bit of a batch comes back, and what cannot be true is refused by row and name."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from read_files import batch as read_by_host
from steady_sources import steady_batch

from xherald.adapters.photon_lists import ABOUT, COLUMNS, as_table, batch_from_table, read_batch, write_batch
from xherald.photons import Background, EventBatch, EventList, Exposure, Identity, TimeReference
from xherald.photons.errors import FileError, OversizeFileError, UnreadableFileError
from xherald.plugins import ReadLimits

seconds = st.floats(0.0, 1e9).map(lambda value: value + 0.0)
maybe = st.none() | st.floats(-90.0, 90.0)
words = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=8)
references = st.none() | st.builds(TimeReference, st.integers(0, 70_000).map(float), st.floats(0, 1), st.just("tt"))


@st.composite
def event_lists(draw: st.DrawFn) -> EventList:
    edges = np.unique(draw(st.lists(seconds, min_size=2, max_size=8)))
    edges = edges[: len(edges) // 2 * 2] if len(edges) > 1 else np.array([0.0, 1.0])
    gti = edges.reshape(-1, 2)
    ends = st.lists(st.integers(0, len(gti) - 1), max_size=12)
    time = np.sort([gti[row].mean() for row in draw(ends)])
    energy = np.array(draw(st.lists(st.floats(0.5, 7.0, width=32), min_size=len(time), max_size=len(time))))
    around = np.sort(draw(st.lists(seconds, max_size=5)))
    return EventList(
        time=time,
        energy=energy,
        exposure=Exposure(gti, draw(st.none() | st.just(np.full(len(gti), 0.25)))),
        identity=Identity(
            draw(words), draw(words), draw(words), draw(words), draw(maybe), draw(maybe), draw(maybe), draw(maybe),
            draw(references), "", tuple(draw(st.lists(words, max_size=2))),
        ),
        frame_time=draw(st.sampled_from([0.0, 0.05, 3.2])),
        band=(0.5, 7.0),
        live_fraction=draw(st.floats(0.1, 1.0)),
        background=draw(st.none() | st.just(Background(around, np.full(len(around), 1.5), 0.1))),
        good_times_known=draw(st.booleans()),
        selection_p=draw(st.floats(0, 1)),
        selection_trials=draw(st.sampled_from([math.inf, 1.0, 192.0])),
    )  # fmt: skip


def assert_same(one: EventBatch, other: EventBatch) -> None:
    for name in EventBatch.__slots__:
        if name == "identities":
            assert one.identities == other.identities
            continue
        first, second = getattr(one, name), getattr(other, name)
        assert first.dtype == second.dtype, name
        np.testing.assert_array_equal(first, second, err_msg=name)


@given(st.lists(event_lists(), max_size=5))
def test_table_round_trip_is_exact(lists: list[EventList]) -> None:
    before = EventBatch.from_lists(lists)
    after = batch_from_table(as_table(before))
    assert_same(before, after)


def batch_without_paths(one: EventBatch) -> EventBatch:
    """Reading says where a batch came from; what was written did not."""
    return replace(one, identities=tuple(replace(who, source_path="") for who in one.identities))


def test_file_round_trip_is_exact(tmp_path: Path) -> None:
    before = steady_batch(2300, seed=5, frame_time=3.2, background=0.3)
    path = tmp_path / "many.parquet"
    write_batch(path, before, {"seed": 5})
    file = pq.ParquetFile(path)
    assert [file.metadata.row_group(i).num_rows for i in range(3)] == [1000, 1000, 300]
    assert json.loads(file.schema_arrow.metadata[ABOUT]) == {"seed": 5}
    after = read_batch(path)
    assert {one.source_path for one in after.identities} == {str(path)}
    assert_same(before, batch_without_paths(after))
    assert_same(after, read_by_host(path))
    assert list(tmp_path.iterdir()) == [path]


def test_further_columns_are_ignored(tmp_path: Path) -> None:
    before = steady_batch(5, seed=1, frame_time=0.0)
    table = (
        as_table(before).append_column("truth_class", pa.array(["agn"] * 5)).append_column("time", pa.array([1.0] * 5))
    )
    pq.write_table(table.append_column("energy", pa.array([1.0] * 5)), tmp_path / "a.parquet")
    assert_same(before, batch_without_paths(read_by_host(tmp_path / "a.parquet")))


def changed(name: str, row: int, make: Callable[[Any], Any]) -> Callable[[pa.Table], pa.Table]:
    """A table with one cell changed."""

    def change(table: pa.Table) -> pa.Table:
        values = table.column(name).to_pylist()
        values[row] = make(values[row])
        return table.set_column(table.column_names.index(name), name, pa.array(values, table.schema.field(name).type))

    return change


def of_type(name: str, kind: pa.DataType, value: object) -> Callable[[pa.Table], pa.Table]:
    """A table with one column of another type."""
    return lambda table: table.set_column(
        table.column_names.index(name), name, pa.array([value] * table.num_rows, kind)
    )


def swapped(values: list[float]) -> list[float]:
    return [values[-1], *values[1:-1], values[0]]


FAULTS: dict[str, tuple[Callable[[pa.Table], pa.Table], str]] = {
    "null-row": (changed("time_s", 2, lambda _: None), "column time_s, row 3: empty"),
    "null-name": (changed("obsreg_id", 2, lambda _: None), "column obsreg_id, row 3: empty"),
    "null-number": (changed("frame_time_s", 2, lambda _: None), "column frame_time_s, row 3: empty"),
    "null-photon": (changed("time_s", 2, lambda v: [None, *v[1:]]), r"row 3 \(source 2\): time_s has an element"),
    "nan-time": (changed("time_s", 2, lambda v: [*v[:-1], np.nan]), r"row 3 \(source 2\): time_s has an element"),
    "infinite-energy": (changed("energy_kev", 1, lambda v: [np.inf, *v[1:]]), r"row 2 .*energy_kev has an element"),
    "nan-background": (changed("background_time_s", 1, lambda v: [np.nan, *v[1:]]), r"row 2 .*background_time_s has"),
    "nan-number": (changed("area_ratio", 3, lambda _: np.nan), r"row 4 \(source 3\): area_ratio is not finite"),
    "unsorted": (changed("time_s", 2, swapped), r"row 3 \(source 2\): time_s is not sorted"),
    "unsorted-background": (changed("background_time_s", 0, swapped), r"row 1 .*background_time_s is not sorted"),
    "lengths": (changed("energy_kev", 2, lambda v: v[1:]), r"row 3 .*energy_kev has \d+ elements, unlike time_s"),
    "interval-lengths": (
        changed("gti_stop_s", 2, lambda v: v[1:]),
        r"row 3 .*gti_stop_s has \d+ elements, unlike gti_start_s",
    ),
    "electronvolts": (changed("energy_kev", 2, lambda v: [1000 * x for x in v]), "row 3 .*energies are in keV"),
    "outside-band": (changed("energy_kev", 2, lambda v: [7.1, *v[1:]]), "row 3 .*outside the band"),
    "outside-good-time": (changed("time_s", 2, lambda v: [-1.0, *v[1:]]), "row 3 .*outside the good-time intervals"),
    "never-observed": (
        lambda table: changed("gti_fraction", 2, lambda _: [])(
            changed("gti_stop_s", 2, lambda _: [])(changed("gti_start_s", 2, lambda _: [])(table))
        ),
        "row 3 .*no good-time interval",
    ),
    "reversed-interval": (changed("gti_stop_s", 2, lambda v: [-9.0, *v[1:]]), "row 3 .*ends before it starts"),
    "overlap": (changed("gti_start_s", 2, lambda v: [v[0], v[0], *v[2:]]), "row 3 .*overlap or are not sorted"),
    "dead-interval": (
        changed("gti_fraction", 2, lambda v: [0.0, *v[1:]]),
        r"row 3 .*gti_fraction must lie in \(0, 1\]",
    ),
    "dead": (changed("live_fraction", 2, lambda _: 1.5), r"row 3 .*live_fraction must lie in \(0, 1\]"),
    "band": (changed("band_low_kev", 2, lambda _: 8.0), "row 3 .*must ascend from 0"),
    "frame": (changed("frame_time_s", 2, lambda _: -1.0), "row 3 .*frame_time_s must not be negative"),
    "ratio": (changed("area_ratio", 2, lambda _: 0.0), "row 3 .*background photons but an area_ratio of 0"),
    "text-for-times": (
        of_type("time_s", pa.list_(pa.string()), ["soon"]),
        "column time_s has type .*string, expected num",
    ),
    "numbers-for-lists": (of_type("time_s", pa.float64(), 1.0), "column time_s has type double, expected lists"),
    "text-for-numbers": (of_type("frame_time_s", pa.string(), "3 s"), "column frame_time_s has type string"),
    "no-such-clock": (changed("time_scale", 1, lambda _: "moon"), r"row 2 \(source 1\): a time reference needs"),
    "no-such-scale": (
        lambda table: changed("time_scale", 1, lambda _: "moon")(
            changed("mjd_reference_day", 1, lambda _: 5e4)(changed("mjd_reference_fraction", 1, lambda _: 0.0)(table))
        ),
        r"row 2 \(source 1\): time scale 'moon' is not supported",
    ),
    "no-column": (
        lambda table: table.drop_columns(["gti_start_s"]),
        "no column gti_start_s; tables with one row per source need",
    ),
}


@pytest.mark.parametrize(("change", "said"), FAULTS.values(), ids=list(FAULTS))
def test_invalid_values_are_refused(tmp_path: Path, change: Callable[[pa.Table], pa.Table], said: str) -> None:
    path = tmp_path / "bad.parquet"
    pq.write_table(change(as_table(steady_batch(5, seed=1, frame_time=0.0, background=0.5))), path)
    with pytest.raises(UnreadableFileError, match=said) as raised:
        read_by_host(path)
    assert raised.value.path == path


@pytest.mark.parametrize("kept", [0.3, 0.9, 0.999])
def test_truncated_file_is_refused(tmp_path: Path, kept: float) -> None:
    path = tmp_path / "cut.parquet"
    write_batch(path, steady_batch(50, seed=1, frame_time=0.0))
    whole = path.read_bytes()
    path.write_bytes(whole[: int(kept * len(whole))])
    with pytest.raises(UnreadableFileError, match="cannot be parsed"):
        read_batch(path)


def test_limits_apply_before_reading(tmp_path: Path) -> None:
    path = tmp_path / "many.parquet"
    write_batch(path, steady_batch(50, seed=1, frame_time=0.0))
    with pytest.raises(OversizeFileError, match="max_events = 100"):
        read_batch(path, ReadLimits(max_events=100))
    with pytest.raises(OversizeFileError, match="max_uncompressed_gib"):
        read_batch(path, ReadLimits(max_uncompressed_gib=1e-6))


def test_failed_write_leaves_no_file(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="cannot be written"):
        write_batch(tmp_path / "nowhere" / "a.parquet", steady_batch(2, seed=1, frame_time=0.0))
    (tmp_path / "a.parquet").mkdir()
    with pytest.raises(FileError, match="cannot be written"):
        write_batch(tmp_path / "a.parquet", steady_batch(2, seed=1, frame_time=0.0))
    assert [path.name for path in tmp_path.iterdir()] == ["a.parquet"]


def test_columns_are_documented() -> None:
    assert as_table(steady_batch(1, seed=1, frame_time=0.0)).column_names == list(COLUMNS)
