"""Photon tables: CSV or Parquet with obsreg_id, time (s) and energy (eV), or Parquet with one row per source.

The first is the format of the published data set (Dillmann et al. 2025): photons are already assigned to sources, so
that reading gives an `EventBatch` without sky positions and detectors. Good times come from ``<stem>_gti.csv``
(obsreg_id, start, stop) beside the table; without them, the first and last photon of a source define them, and it is
flagged. Tables with one row per source include good times and backgrounds; see `photon_lists`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from xherald.adapters import check_path
from xherald.photons import EventBatch, Identity, TimeReference, clean_gti, unweighted
from xherald.photons.arrays import F64, I64
from xherald.photons.errors import GtiError, OversizeFileError, UnreadableFileError
from xherald.plugins import FolderNames, InstrumentAdapter, Options, ReadLimits, hookimpl

from .photon_list_columns import in_good_time
from .photon_lists import has_photon_lists, read_batch
from .reading.screening import MAX_LOSS

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableAdapter", "TableOptions", "register_adapters"]

COLUMNS = ("obsreg_id", "time", "energy")
GTI_COLUMNS = ("obsreg_id", "start", "stop")
GTI_SUFFIX = "_gti"
PARQUET = (".parquet", ".pq")
MIN_BYTES_FOR_THREADS = 2**20
"""Smallest size of a CSV file that is read in several threads."""
NO_GOOD_TIMES = "good_times_unknown"
PHOTONS_OUTSIDE = "photons_outside_good_times"


log = logging.getLogger(__name__)


class TableOptions(Options):
    """Settings of the table adapter, for what a table of photons does not state."""

    mission: str = Field(default="", description="mission written into the results")
    instrument: str = Field(default="", description="instrument written into the results")
    mjd_reference: float | None = Field(default=None, description="MJD (TT) of time 0; without it results have no UTC")
    frame_time_s: float = Field(default=0.0, ge=0, description="frame time, s; 0 for continuous times")
    band_kev: tuple[float, float] = Field(default=(0.5, 7.0), description="energy range, keV, limits included")

    hardness_split_kev: float = Field(default=2.0, description="boundary of soft and hard band, keV")

    @model_validator(mode="after")
    def _validate_band(self) -> TableOptions:
        low, high = self.band_kev
        if not 0 <= low < self.hardness_split_kev < high:
            raise ValueError(
                f"band_kev {low:g}–{high:g} keV must include hardness_split_kev {self.hardness_split_kev:g} keV"
            )
        return self


@dataclass(frozen=True, slots=True)
class _Photons:
    """Photons sorted by source and time; `source` is an index of `names`."""

    names: tuple[str, ...]
    source: I64
    time: F64
    energy: F64


@dataclass(frozen=True, slots=True)
class _Intervals:
    """Good times sorted by source and start; `source` is an index of the names of the photons' sources."""

    source: I64
    start: F64
    stop: F64


class TableAdapter(InstrumentAdapter[TableOptions]):
    """Photon tables of many sources: CSV or Parquet with columns obsreg_id, time (s) and energy (eV).

    Good times come from ``<stem>_gti.csv`` (obsreg_id, start, stop) beside the table. Without them a source needs two
    different arrival times; sources with fewer are omitted, with a warning. Options give mission, instrument, reference
    date, frame time and band.

    Parquet files with one row per source (columns obsreg_id, time_s, energy_kev, gti_start_s …, as written by `xherald
    simulate population`) include all this; options do not apply to them.
    """

    name = "table"

    def claims(self, path: Path, header: Mapping[str, object]) -> bool:
        """Claim files by suffix and columns, except for tables of good times."""
        if header or path.stem.endswith(GTI_SUFFIX):
            return False
        names = _column_names(path)
        return set(COLUMNS) <= set(names) or _has_photon_lists(path, names)

    def read(self, path: Path, options: TableOptions, limits: ReadLimits) -> EventBatch:
        """Read photons and good times into one batch, sources in order of first appearance."""
        if _has_photon_lists(path, _column_names(path)):
            return read_batch(path, limits)
        photons = _read_photons(path, limits)
        low, high = options.band_kev
        # Compared before the conversion to float32.
        inside = (photons.energy >= low * 1e3) & (photons.energy <= high * 1e3)
        if not inside.any():
            raise UnreadableFileError(
                path, f"all {len(inside):,} photons lie outside {low:g}–{high:g} keV; the column energy must be in eV"
            )
        photons = _select(photons, inside)
        intervals = _read_intervals(_gti_path(path), photons.names, limits)
        return _batch(path, photons, intervals, options)

    def companions(self, name: str, siblings: FolderNames) -> list[str]:
        """Good times of a table of photons."""
        path = Path(name)
        good_times = _gti_path(path).name
        return [good_times] if path.suffix.lower() in (".csv", *PARQUET) and good_times in siblings else []


def _has_photon_lists(path: Path, names: list[str]) -> bool:
    """Whether it is a Parquet file with one row per source."""
    return path.suffix.lower() in PARQUET and has_photon_lists(names)


def _gti_path(path: Path) -> Path:
    return path.with_name(f"{path.stem}{GTI_SUFFIX}.csv")


def _column_names(path: Path) -> list[str]:
    """Columns of a CSV or Parquet file; none if it is neither or cannot be read."""
    suffix = path.suffix.lower()
    try:
        if suffix == ".csv":
            with path.open(encoding="utf-8-sig") as handle:
                return [name.strip().strip('"') for name in handle.readline(65536).split(",")]
        if suffix in PARQUET:
            import pyarrow as pa
            import pyarrow.parquet as pq

            try:
                return list(pq.read_schema(path).names)
            except pa.ArrowInvalid:
                return []
    except (OSError, UnicodeDecodeError):
        return []
    return []


def _read_table(path: Path, names: tuple[str, str, str], limits: ReadLimits) -> pa.Table:
    """Read three columns: text, number, number."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    size = check_path(path)
    if size > limits.max_uncompressed_bytes:
        raise OversizeFileError(
            path, f"{size / 2**30:.1f} GiB, larger than limit max_uncompressed_gib; raise it or split it"
        )
    available = _column_names(path)
    if missing := [name for name in names if name not in available]:
        raise UnreadableFileError(path, f"no column {missing[0]}; it has {', '.join(available) or 'none'}")
    try:
        if path.suffix.lower() == ".csv":
            table = _read_csv(path, names)
        else:
            rows = pq.read_metadata(path).num_rows
            if rows > limits.max_events:
                raise OversizeFileError(path, f"{rows:,} rows, larger than limit max_events = {limits.max_events:,}")
            table = pq.read_table(path, columns=list(names))
    except (pa.ArrowInvalid, OSError) as error:
        raise UnreadableFileError(path, f"cannot be parsed: {error}") from error
    if table.num_rows > limits.max_events:
        raise OversizeFileError(path, f"{table.num_rows:,} rows, larger than limit max_events = {limits.max_events:,}")
    return table


def _read_csv(path: Path, names: tuple[str, str, str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc

    convert = pc.ConvertOptions(
        include_columns=list(names),
        column_types={names[0]: pa.string(), names[1]: pa.float64(), names[2]: pa.float64()},
        strings_can_be_null=True,
    )
    one_thread = pc.ReadOptions(use_threads=False)
    if path.stat().st_size < MIN_BYTES_FOR_THREADS:
        return pc.read_csv(path, convert_options=convert, read_options=one_thread)
    try:
        return pc.read_csv(path, convert_options=convert)
    except pa.ArrowInvalid:
        # With one thread the message names the row.
        return pc.read_csv(path, convert_options=convert, read_options=one_thread)


def _numbers(path: Path, table: pa.Table, name: str) -> F64:
    """A column of numbers; NaN for empty ones."""
    import pyarrow as pa

    try:
        column = table.column(name).cast(pa.float64())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        raise UnreadableFileError(
            path, f"column {name} has type {table.column(name).type}, expected numbers"
        ) from error
    values: F64 = column.to_numpy()
    return values


def _finite_numbers(path: Path, table: pa.Table, name: str) -> F64:
    """A column of numbers, all finite."""
    values = _numbers(path, table, name)
    broken = np.flatnonzero(~np.isfinite(values))
    if broken.size:
        raise UnreadableFileError(
            path,
            f"column {name}, row {broken[0] + 1}: empty or not finite ({broken.size:,} such rows); fix or remove them",
        )
    return values


def _sources(path: Path, table: pa.Table) -> tuple[tuple[str, ...], I64]:
    """Ids in order of first appearance, and the index of the id of each row."""
    import pyarrow as pa

    column = table.column("obsreg_id").cast(pa.string()).combine_chunks()
    if column.null_count:
        row = int(np.flatnonzero(column.is_null().to_numpy(zero_copy_only=False))[0]) + 1
        raise UnreadableFileError(path, f"column obsreg_id, row {row}: empty; every photon needs a source")
    coded = column.dictionary_encode()
    coded = coded.combine_chunks() if isinstance(coded, pa.ChunkedArray) else coded
    return tuple(coded.dictionary.to_pylist()), coded.indices.to_numpy().astype(np.int64)


def _read_photons(path: Path, limits: ReadLimits) -> _Photons:
    table = _read_table(path, COLUMNS, limits)
    if table.num_rows == 0:
        raise UnreadableFileError(path, "has no events")
    names, source = _sources(path, table)
    time, energy = _numbers(path, table, "time"), _numbers(path, table, "energy")
    is_measured = np.isfinite(time) & np.isfinite(energy)
    lost = int(np.count_nonzero(~is_measured))
    if lost > MAX_LOSS * len(time):
        raise UnreadableFileError(path, f"{lost:,} of {len(time):,} rows have no finite time and energy")
    if lost:
        log.warning("%s: %d of %d rows have no finite time and energy and are left out", path, lost, len(time))
    order = np.lexsort((time, source))
    order = order[is_measured[order]]
    return _Photons(names, source[order], time[order], energy[order])


def _select(photons: _Photons, keep: NDArray[np.bool_]) -> _Photons:
    return _Photons(photons.names, photons.source[keep], photons.time[keep], photons.energy[keep])


def _read_intervals(path: Path, names: tuple[str, ...], limits: ReadLimits) -> _Intervals:
    """Good times of the sources; none without the file."""
    if not path.exists():
        return _Intervals(np.empty(0, dtype=np.int64), np.empty(0), np.empty(0))
    table = _read_table(path, GTI_COLUMNS, limits)
    listed, row_source = _sources(path, table)
    start, stop = _finite_numbers(path, table, "start"), _finite_numbers(path, table, "stop")
    # Sources without photons get -1 and are dropped.
    indices = {name: index for index, name in enumerate(names)}
    source = np.array([indices.get(name, -1) for name in listed], dtype=np.int64)[row_source]
    order = np.lexsort((start, source))
    order = order[source[order] >= 0]
    source, start, stop = source[order], start[order], stop[order]
    backwards = np.flatnonzero(stop < start)
    if backwards.size:
        i = backwards[0]
        raise GtiError(
            f"{path}: a good-time interval of {names[source[i]]} ends before it starts ({start[i]}–{stop[i]} s)"
        )
    return _unite(path, names, _Intervals(source, start, stop))


def _unite(path: Path, names: tuple[str, ...], given: _Intervals) -> _Intervals:
    """Intervals without empty ones, overlapping ones of a source united."""
    overlaps = (given.source[1:] == given.source[:-1]) & (given.start[1:] < given.stop[:-1])
    if not overlaps.any() and (given.stop > given.start).all():
        return given
    source: list[I64] = [np.empty(0, dtype=np.int64)]
    united: list[F64] = [np.empty((0, 2))]
    for one in np.unique(given.source):
        own = given.source == one
        intervals, changes = clean_gti(np.column_stack([given.start[own], given.stop[own]]))
        source.append(np.full(len(intervals), one, dtype=np.int64))
        united.append(intervals)
        if changes:
            log.warning("%s: good times of %s: %s", path, names[one], ", ".join(changes))
    joined = np.concatenate(united)
    return _Intervals(np.concatenate(source), joined[:, 0], joined[:, 1])


def _batch(path: Path, photons: _Photons, intervals: _Intervals, settings: TableOptions) -> EventBatch:
    n = len(photons.names)
    has_gti = np.zeros(n, dtype=np.bool_)
    has_gti[intervals.source] = True
    good = in_good_time(intervals.source, intervals.start, intervals.stop, photons.source, photons.time)
    good |= ~has_gti[photons.source]
    lost = np.bincount(photons.source[~good], minlength=n) > 0
    photons = _select(photons, good)
    counts = np.bincount(photons.source, minlength=n)
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    first, last = np.zeros(n), np.zeros(n)
    filled = counts > 0
    first[filled], last[filled] = photons.time[offsets[:-1][filled]], photons.time[offsets[1:][filled] - 1]
    observed = has_gti | (last > first)
    without_gti = np.flatnonzero(~has_gti & observed)
    if not observed.any():
        raise UnreadableFileError(
            path, f"no source has good times or two different arrival times; add {_gti_path(path).name}"
        )
    source = np.concatenate([intervals.source, without_gti])
    order = np.argsort(source, kind="stable")
    gti = np.column_stack(
        [np.concatenate([intervals.start, first[without_gti]]), np.concatenate([intervals.stop, last[without_gti]])]
    )[order]
    batch = EventBatch(
        time=photons.time,
        energy=(photons.energy * 1e-3).astype(np.float32),
        offsets=offsets,
        gti=gti,
        gti_fraction=np.ones(len(gti)),
        gti_offsets=np.concatenate([[0], np.cumsum(np.bincount(source, minlength=n))]).astype(np.int64),
        background_time=np.empty(0),
        background_energy=np.empty(0, dtype=np.float32),
        background_offsets=np.zeros(n + 1, dtype=np.int64),
        area_ratio=np.zeros(n),
        frame_time=np.full(n, settings.frame_time_s),
        live_fraction=np.ones(n),
        good_times_known=has_gti.copy(),
        band=np.tile(np.array(settings.band_kev), (n, 1)),
        hardness_split=np.full(n, settings.hardness_split_kev),
        selection_p=np.zeros(n),
        selection_trials=np.full(n, np.inf),
        **unweighted(len(photons.time), n),
        identities=_identities(path, photons.names, has_gti, lost, settings),
    )
    if observed.all():
        return batch
    omitted = [photons.names[i] for i in np.flatnonzero(~observed)[:3]]
    log.warning(
        "%s: %d of %d sources have neither good times nor two different arrival times and are omitted (%s …)",
        path, n - int(observed.sum()), n, ", ".join(omitted),
    )  # fmt: skip
    return batch.select(observed)


def _identities(
    path: Path, names: tuple[str, ...], has_gti: NDArray[np.bool_], lost: NDArray[np.bool_], settings: TableOptions
) -> tuple[Identity, ...]:
    """Identities from obsreg_id: "23022_122" is region 122 of observation 23022."""
    reference = None if settings.mjd_reference is None else TimeReference(*divmod(settings.mjd_reference, 1.0))
    return tuple(
        Identity(
            mission=settings.mission,
            instrument=settings.instrument,
            obs_id=name.rpartition("_")[0],
            detection_id=name,
            time_reference=reference,
            source_path=str(path),
            flags=(() if has_gti[i] else (NO_GOOD_TIMES,)) + ((PHOTONS_OUTSIDE,) if lost[i] else ()),
        )
        for i, name in enumerate(names)
    )


@hookimpl
def register_adapters(register: Callable[[InstrumentAdapter], None]) -> None:
    """Register the table adapter."""
    register(TableAdapter())
