"""Parquet files with one row per source and its photons in lists: `write_batch` and `read_batch`.

The format preserves an `EventBatch`, with good times and backgrounds as lists in each row. Further columns, such as the
truth of a simulation, are ignored. `TableAdapter` reads these files in the pipeline.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.adapters import check_path
from xherald.photons import EventBatch, unweighted
from xherald.photons.arrays import I64
from xherald.photons.errors import FileError, OversizeFileError, PhotonError, UnreadableFileError
from xherald.plugins import ReadLimits

from .photon_list_columns import NULLABLE_NUMBERS, NUMBERS, TEXT, ListTable

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["COLUMNS", "as_table", "batch_from_table", "has_photon_lists", "open_writer", "read_batch", "write_batch"]


PHOTONS: Final = ("time_s", "energy_kev")
INTERVALS: Final = ("gti_start_s", "gti_stop_s", "gti_fraction")
BACKGROUND: Final = ("background_time_s", "background_energy_kev")

COLUMNS: Final = (
    *TEXT, *NULLABLE_NUMBERS, "time_scale", "flags", *NUMBERS, "good_times_known", *PHOTONS, *INTERVALS, *BACKGROUND,
)  # fmt: skip
"""Columns of the format: times in s, energies in keV, angles in deg unless named otherwise. ``obsreg_id`` is the
detection id, ``area_ratio`` is 0 without a background region, ``mjd_reference_day`` + ``mjd_reference_fraction`` is the
MJD of time 0 in ``time_scale``, null if unknown."""

ABOUT: Final = b"xherald"
"""Key of the file metadata with a JSON object of facts about its origin."""

ROWS_PER_GROUP: Final = 1000


def has_photon_lists(names: list[str]) -> bool:
    """Whether the column names are those of a table with one row per source."""
    return {"obsreg_id", *PHOTONS} <= set(names)


def as_table(batch: EventBatch) -> pa.Table:
    """Arrow table of a batch, sharing its arrays, with `COLUMNS` in order.

    Parameters
    ----------
    batch : EventBatch
        `source_path` of its identities is not stored; readers set it.

    Raises
    ------
    PhotonError
        It has more photons than the lists of one table can index.
    """
    import pyarrow as pa

    if max(len(batch.time), len(batch.background_time)) > np.iinfo(np.int32).max:
        raise PhotonError("batch: more than 2³¹ photons do not fit into one table; write it in parts")

    def lists(offsets: I64, *flat: NDArray[np.generic]) -> list[pa.Array]:
        starts = pa.array(offsets.astype(np.int32))
        return [pa.ListArray.from_arrays(starts, pa.array(values)) for values in flat]

    identities = batch.identities
    references = [one.time_reference for one in identities]
    number = pa.float64()
    arrays = [
        *(pa.array([getattr(one, name) for one in identities], pa.string()) for name in ("detection_id", *TEXT[1:])),
        *(
            pa.array([getattr(one, name.removesuffix("_deg")) for one in identities], number)
            for name in NULLABLE_NUMBERS[:4]
        ),
        *(pa.array([getattr(one, name, None) for one in references], number) for name in ("mjd_day", "mjd_fraction")),
        pa.array([getattr(one, "scale", None) for one in references], pa.string()),
        pa.array([one.flags for one in identities], pa.list_(pa.string())),
        *(pa.array(values) for values in (batch.frame_time, batch.live_fraction, batch.band[:, 0], batch.band[:, 1])),
        *(pa.array(values) for values in (batch.hardness_split, batch.area_ratio)),
        *(pa.array(values) for values in (batch.selection_p, batch.selection_trials)),
        pa.array(batch.good_times_known),
        *lists(batch.offsets, batch.time, batch.energy),
        *lists(batch.gti_offsets, batch.gti[:, 0], batch.gti[:, 1], batch.gti_fraction),
        *lists(batch.background_offsets, batch.background_time, batch.background_energy),
    ]
    return pa.Table.from_arrays(arrays, names=list(COLUMNS))


@contextmanager
def open_writer(path: Path, schema: pa.Schema, about: Mapping[str, object]) -> Iterator[pq.ParquetWriter]:
    """Open a Parquet file for writing tables, one row group each; it is renamed to its final name when complete.

    Parameters
    ----------
    path : Path
    schema : pyarrow.Schema
        Schema of `as_table`, possibly with further columns.
    about : mapping
        JSON-serializable facts about the origin of the photons, stored in the file metadata under ``xherald``.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    import pyarrow.parquet as pq

    if not path.parent.is_dir():
        raise FileError(path, "cannot be written: its folder does not exist; create it first")
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    schema = schema.with_metadata({ABOUT: json.dumps(dict(about), allow_nan=False)})
    # Numbers rarely repeat, so dictionary encoding would only cost time.
    leaves = [name for name in _leaves(schema) if name.partition(".")[0] in (*PHOTONS, *INTERVALS, *BACKGROUND)]
    words = [name for name in _leaves(schema) if name not in leaves]
    try:
        with pq.ParquetWriter(
            part, schema, compression="zstd", use_dictionary=words, use_byte_stream_split=leaves
        ) as writer:
            yield writer
        part.replace(path)
    except OSError as error:
        raise FileError(path, f"cannot be written: {error.strerror or error}") from error
    finally:
        part.unlink(missing_ok=True)


def _leaves(schema: pa.Schema) -> list[str]:
    """Parquet names of the columns, for lists those of their elements."""
    import pyarrow as pa

    return [f"{one.name}.list.element" if pa.types.is_list(one.type) else one.name for one in schema]


def write_batch(path: Path, batch: EventBatch, about: Mapping[str, object] | None = None) -> None:
    """Write a batch to one file, `ROWS_PER_GROUP` sources per row group.

    Parameters
    ----------
    path : Path
    batch : EventBatch
    about : mapping, optional
        See `open_writer`.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    table = as_table(batch)
    with open_writer(path, table.schema, about or {}) as writer:
        writer.write_table(table, row_group_size=ROWS_PER_GROUP)


def read_batch(path: Path, limits: ReadLimits | None = None) -> EventBatch:
    """Read a file written by `write_batch`.

    Parameters
    ----------
    path : Path
    limits : ReadLimits, optional

    Raises
    ------
    UnreadableFileError
        It is not a Parquet file, lacks a column, or has invalid values: null rows, lists of different lengths, times
        that are not sorted or finite, photons outside the band or the good times.
    OversizeFileError
        It exceeds the limits, by its size or its metadata.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_path(path)
    try:
        with pq.ParquetFile(path) as file:
            _check_metadata(path, file, limits or ReadLimits())
            return batch_from_table(file.read(columns=list(COLUMNS), use_threads=True), path)
    except (pa.ArrowException, OSError) as error:
        raise UnreadableFileError(path, f"cannot be parsed: {error}") from error


def _check_metadata(path: Path, file: pq.ParquetFile, limits: ReadLimits) -> None:
    names = file.schema_arrow.names
    if missing := [name for name in COLUMNS if name not in names]:
        raise UnreadableFileError(
            path, f"no column {missing[0]}; tables with one row per source need {', '.join(COLUMNS)}"
        )
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    pieces = [group.column(j) for group in groups for j in range(group.num_columns)]
    size = sum(piece.total_uncompressed_size for piece in pieces)
    if size > limits.max_uncompressed_bytes:
        raise OversizeFileError(
            path, f"claims {size / 2**30:,.1f} GiB, larger than limit max_uncompressed_gib; raise it or split it"
        )
    events = sum(
        piece.num_values for piece in pieces if piece.path_in_schema.partition(".")[0] in ("time_s", BACKGROUND[0])
    )
    if events > limits.max_events:
        raise OversizeFileError(path, f"{events:,} events, larger than limit max_events = {limits.max_events:,}")


def batch_from_table(table: pa.Table, path: Path | str = "") -> EventBatch:
    """Validated batch of a table written by `as_table`.

    Parameters
    ----------
    table : pyarrow.Table
    path : Path or str
        Origin, for identities and error messages.

    Raises
    ------
    UnreadableFileError
        It has invalid values.
    """
    columns = ListTable(Path(path), table)
    offsets, time, energy = columns.lists(*PHOTONS)
    gti_offsets, start, stop, fraction = columns.lists(*INTERVALS)
    background_offsets, background_time, background_energy = columns.lists(*BACKGROUND)
    numbers = {name: columns.numbers(name) for name in NUMBERS}
    columns.validate_numbers(numbers)
    columns.validate_intervals(gti_offsets, start, stop, fraction)
    columns.validate_photons("time_s", offsets, time, energy)
    columns.validate_photons("background_time_s", background_offsets, background_time, background_energy)
    columns.validate_ranges(offsets, time, energy, numbers, gti_offsets, start, stop)
    if invalid := np.flatnonzero((numbers["area_ratio"] == 0) & (np.diff(background_offsets) > 0)).tolist():
        raise columns.row_error(invalid[0], "background photons but an area_ratio of 0")
    return EventBatch(
        time=time,
        energy=energy.astype(np.float32, copy=False),
        offsets=offsets,
        gti=np.column_stack([start, stop]),
        gti_fraction=fraction,
        gti_offsets=gti_offsets,
        background_time=background_time,
        background_energy=background_energy.astype(np.float32, copy=False),
        background_offsets=background_offsets,
        area_ratio=numbers["area_ratio"],
        frame_time=numbers["frame_time_s"],
        live_fraction=numbers["live_fraction"],
        good_times_known=columns.column("good_times_known").to_numpy().astype(np.bool_),
        band=np.column_stack([numbers["band_low_kev"], numbers["band_high_kev"]]),
        hardness_split=numbers["hardness_split_kev"],
        selection_p=numbers["selection_p"],
        selection_trials=numbers["selection_trials"],
        **unweighted(len(time), len(offsets) - 1),
        identities=columns.identities(str(path)),
    )
