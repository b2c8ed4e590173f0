"""Photons of many sources as one Parquet file, a row a source: `write_batch` and `read_batch`.

The form keeps all that `EventBatch` knows, good times and backgrounds included, in lists within each row, so that any
Parquet reader sees sources where a flat table has photons. Between file and batch stand flat arrays and list offsets;
what columns the file has besides (truth of a simulation) is left alone. `TableAdapter` reads it for the road.
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

from xherald.adapters.reading.byte_streams import GIB, check_path
from xherald.photons import EventBatch
from xherald.photons.arrays import I64
from xherald.photons.errors import FileError, OversizeFileError, PhotonError, UnreadableFileError
from xherald.plugins import ReadLimits

from .photon_list_columns import MAYBE_NUMBERS, NUMBERS, TEXT, Form

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

__all__ = ["COLUMNS", "as_table", "batch_of", "is_ragged", "open_ragged", "read_batch", "write_batch"]


PHOTONS: Final = ("time_s", "energy_kev")
INTERVALS: Final = ("gti_start_s", "gti_stop_s", "gti_fraction")
AROUND: Final = ("background_time_s", "background_energy_kev")

COLUMNS: Final = (
    *TEXT, *MAYBE_NUMBERS, "time_scale", "flags", *NUMBERS, "good_times_known", *PHOTONS, *INTERVALS, *AROUND,
)  # fmt: skip
"""Columns of the form: times s, energies keV, angles deg unless the name says otherwise. ``obsreg_id`` is the
detection, ``area_ratio`` is 0 where there is no background region, ``mjd_reference_day`` + ``mjd_reference_fraction``
is the MJD from which times count in ``time_scale``, null where nothing is known of it."""

ABOUT: Final = b"xherald"
"""Key of the file's metadata under which a JSON object says what made it."""

ROWS_PER_GROUP: Final = 1000


def is_ragged(names: list[str]) -> bool:
    """Whether columns of these names are photons in lists, a row a source."""
    return {"obsreg_id", *PHOTONS} <= set(names)


def as_table(batch: EventBatch) -> pa.Table:
    """A batch as an Arrow table, flat arrays shared, in the order of `COLUMNS`.

    Parameters
    ----------
    batch : EventBatch
        Its identities' `source_path` is not kept: what reads the table says where it came from.

    Raises
    ------
    PhotonError
        It has more photons than lists of one table can count.
    """
    import pyarrow as pa

    if max(len(batch.time), len(batch.background_time)) > np.iinfo(np.int32).max:
        raise PhotonError("batch: more than 2³¹ photons do not fit into one table; write it in parts")

    def lists(offsets: I64, *flat: NDArray[np.generic]) -> list[pa.Array]:
        starts = pa.array(offsets.astype(np.int32))
        return [pa.ListArray.from_arrays(starts, pa.array(values)) for values in flat]

    who = batch.identities
    references = [one.time_reference for one in who]
    maybe = pa.float64()
    arrays = [
        *(pa.array([getattr(one, name) for one in who], pa.string()) for name in ("detection_id", *TEXT[1:])),
        *(pa.array([getattr(one, name) for one in who], maybe) for name in MAYBE_NUMBERS[:4]),
        *(pa.array([getattr(one, name, None) for one in references], maybe) for name in ("mjd_day", "mjd_fraction")),
        pa.array([getattr(one, "scale", None) for one in references], pa.string()),
        pa.array([one.flags for one in who], pa.list_(pa.string())),
        *(pa.array(values) for values in (batch.frame_time, batch.live_fraction, batch.band[:, 0], batch.band[:, 1])),
        *(pa.array(values) for values in (batch.hardness_split, batch.area_ratio, batch.selection_p)),
        pa.array(batch.good_times_known),
        *lists(batch.offsets, batch.time, batch.energy),
        *lists(batch.gti_offsets, batch.gti[:, 0], batch.gti[:, 1], batch.gti_fraction),
        *lists(batch.background_offsets, batch.background_time, batch.background_energy),
    ]
    return pa.Table.from_arrays(arrays, names=list(COLUMNS))


@contextmanager
def open_ragged(path: Path, schema: pa.Schema, about: Mapping[str, object]) -> Iterator[pq.ParquetWriter]:
    """A Parquet file to write tables to, one row group each; it appears under its name when it is whole.

    Parameters
    ----------
    path : Path
    schema : pyarrow.Schema
        That of `as_table`, perhaps with more columns.
    about : mapping
        What made the photons, in JSON's own types, kept in the file's metadata under ``xherald``.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    import pyarrow.parquet as pq

    if not path.parent.is_dir():
        raise FileError(path, "cannot be written: its folder does not exist; make it first")
    part = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    schema = schema.with_metadata({ABOUT: json.dumps(dict(about), allow_nan=False)})
    # Numbers hardly ever repeat: a dictionary of them costs time and saves nothing.
    leaves = [name for name in _leaves(schema) if name.partition(".")[0] in (*PHOTONS, *INTERVALS, *AROUND)]
    words = [name for name in _leaves(schema) if name not in leaves]
    try:
        with pq.ParquetWriter(
            part, schema, compression="zstd", use_dictionary=words, use_byte_stream_split=leaves
        ) as writer:
            yield writer
        part.replace(path)
    except OSError as fault:
        raise FileError(path, f"cannot be written: {fault.strerror or fault}") from fault
    finally:
        part.unlink(missing_ok=True)


def _leaves(schema: pa.Schema) -> list[str]:
    """Columns as Parquet names them: those of lists by their elements."""
    import pyarrow as pa

    return [f"{one.name}.list.element" if pa.types.is_list(one.type) else one.name for one in schema]


def write_batch(path: Path, batch: EventBatch, about: Mapping[str, object] | None = None) -> None:
    """Write a batch as one file, `ROWS_PER_GROUP` sources a row group.

    Parameters
    ----------
    path : Path
    batch : EventBatch
    about : mapping, optional
        See `open_ragged`.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    table = as_table(batch)
    with open_ragged(path, table.schema, about or {}) as writer:
        writer.write_table(table, row_group_size=ROWS_PER_GROUP)


def read_batch(path: Path, limits: ReadLimits | None = None) -> EventBatch:
    """Read a file in the form of `write_batch`.

    Parameters
    ----------
    path : Path
    limits : ReadLimits, optional

    Raises
    ------
    UnreadableFileError
        It is no Parquet file, lacks a column, or holds what cannot be true: null rows, lists of different lengths,
        times that are not sorted or finite, photons outside the band or the good times.
    OversizeFileError
        It holds, or claims to hold, more than the limits allow.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    check_path(path)
    try:
        with pq.ParquetFile(path) as file:
            _check_claims(path, file, limits or ReadLimits())
            return batch_of(file.read(columns=list(COLUMNS), use_threads=True), path)
    except (pa.ArrowException, OSError) as fault:
        raise UnreadableFileError(path, f"cannot be parsed: {fault}") from fault


def _check_claims(path: Path, file: pq.ParquetFile, limits: ReadLimits) -> None:
    held = file.schema_arrow.names
    if missing := [name for name in COLUMNS if name not in held]:
        raise UnreadableFileError(path, f"no column {missing[0]}; a row a source needs {', '.join(COLUMNS)}")
    groups = [file.metadata.row_group(i) for i in range(file.metadata.num_row_groups)]
    pieces = [group.column(j) for group in groups for j in range(group.num_columns)]
    size = sum(piece.total_uncompressed_size for piece in pieces)
    if size > limits.max_uncompressed_gib * GIB:
        raise OversizeFileError(
            path, f"claims {size / GIB:,.1f} GiB, larger than limit max_uncompressed_gib; raise it or split it"
        )
    events = sum(
        piece.num_values for piece in pieces if piece.path_in_schema.partition(".")[0] in ("time_s", AROUND[0])
    )
    if events > limits.max_events:
        raise OversizeFileError(path, f"{events:,} events, larger than limit max_events = {limits.max_events:,}")


def batch_of(table: pa.Table, path: Path | str = "") -> EventBatch:
    """The batch of a table of `as_table`, checked.

    Parameters
    ----------
    table : pyarrow.Table
    path : Path or str
        Where it came from, for the identities and the error messages.

    Raises
    ------
    UnreadableFileError
        It holds what cannot be true.
    """
    form = Form(Path(path), table)
    offsets, time, energy = form.lists(*PHOTONS)
    gti_offsets, start, stop, fraction = form.lists(*INTERVALS)
    around, background_time, background_energy = form.lists(*AROUND)
    numbers = {name: form.numbers(name) for name in NUMBERS}
    form.refuse_impossible(numbers)
    form.refuse_intervals(gti_offsets, start, stop, fraction)
    form.refuse_photons("time_s", offsets, time, energy)
    form.refuse_photons("background_time_s", around, background_time, background_energy)
    form.refuse_outside(offsets, time, energy, numbers, gti_offsets, start, stop)
    if lonely := np.flatnonzero((numbers["area_ratio"] == 0) & (np.diff(around) > 0)).tolist():
        raise form.fault(lonely[0], "background photons but an area_ratio of 0; it says how many fall in the aperture")
    return EventBatch(
        time=time,
        energy=energy.astype(np.float32, copy=False),
        offsets=offsets,
        gti=np.column_stack([start, stop]),
        gti_fraction=fraction,
        gti_offsets=gti_offsets,
        background_time=background_time,
        background_energy=background_energy.astype(np.float32, copy=False),
        background_offsets=around,
        area_ratio=numbers["area_ratio"],
        frame_time=numbers["frame_time_s"],
        live_fraction=numbers["live_fraction"],
        good_times_known=form.column("good_times_known").to_numpy().astype(np.bool_),
        band=np.column_stack([numbers["band_low_kev"], numbers["band_high_kev"]]),
        hardness_split=numbers["hardness_split_kev"],
        selection_p=numbers["selection_p"],
        identities=form.identities(str(path)),
    )
