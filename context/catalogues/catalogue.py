"""A catalogue on disk, searched for the sources near positions: `Catalogue`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.artefact_folders import open_artefact, read_manifest
from xherald.photons.errors import ArtefactError, ConfigError

from .cone_search import carry_to_epoch, cover_cones, expand_ranges, separation_arcsec
from .hats_files import DATASET, METADATA
from .import_catalogue import FORMAT, KIND
from .standard_rows import HEALPIX_COLUMN, HEALPIX_ORDER

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Catalogue", "ConeMatches"]

MAX_BATCH_ROWS: Final = 1_000_000
"""Rows in memory at a time, beside the matches."""

MAX_PAIRS: Final = 4_000_000
"""Pairs of positions and rows compared at a time."""

MAX_OPEN_FILES: Final = 128
SKY_DEG2: Final = 4 * np.pi * (180 / np.pi) ** 2
POSITION: Final = ("ra_deg", "dec_deg")
MOTION: Final = ("pm_ra_mas_yr", "pm_dec_mas_yr", "epoch_yr")


@dataclass(frozen=True, slots=True, eq=False)
class ConeMatches:
    """Rows of a catalogue near n positions, by position and then by separation.

    Parameters
    ----------
    offsets : ndarray, shape (n + 1,), int64
        Matches of position i are ``offsets[i]:offsets[i + 1]``.
    separation_arcsec : ndarray, shape (matches,)
    ra_deg, dec_deg : ndarray, shape (matches,)
        Positions at the epoch that was asked for.
    table : Table
        Arrow table of the rows as they are in the catalogue, at its epoch.
    """

    offsets: I64
    separation_arcsec: F64
    ra_deg: F64
    dec_deg: F64
    table: pa.Table

    def __len__(self) -> int:
        return len(self.separation_arcsec)

    @property
    def position(self) -> I64:
        """Index of the position that each match belongs to."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))

    def numbers(self, column: str) -> F64:
        """Values of a numeric column, float64; all NaN if the catalogue does not have it."""
        import pyarrow as pa

        if column not in self.table.column_names:
            return np.full(len(self), np.nan)
        return np.asarray(self.table[column].cast(pa.float64()).to_numpy(), dtype=np.float64)

    def text(self, column: str) -> list[str]:
        """Values of a column as text; empty where missing, or if the catalogue does not have it."""
        if column not in self.table.column_names:
            return [""] * len(self)
        return ["" if one is None else str(one) for one in self.table[column].to_pylist()]


@dataclass(frozen=True, slots=True, eq=False)
class _RowGroups:
    """Row groups of all files in the order of the indices."""

    first: I64
    last: I64
    rows: I64
    file: I64
    number: I64
    paths: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Catalogue:
    """A catalogue of sources.

    Parameters
    ----------
    folder : Path
    about : mapping — the manifest (docs/context.md)

    See Also
    --------
    open : the usual way to make one
    """

    folder: Path
    about: Mapping[str, Any]
    _groups: _RowGroups = field(repr=False)
    _schema: pa.Schema = field(repr=False)
    _files: OrderedDict[int, Any] = field(default_factory=OrderedDict, repr=False)

    @classmethod
    def open(cls, folder: Path, *, verify: bool = False) -> Self:
        """Open a catalogue.

        Parameters
        ----------
        folder : Path
        verify : bool
            Compare the hashes of all files, which takes as long as reading them.

        Raises
        ------
        ArtefactError
            It is not a complete catalogue, was modified, or is of another format.
        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        about = (open_artefact if verify else read_manifest)(folder, KIND).about
        if about.get("format") != FORMAT:
            raise ArtefactError(
                f"{folder}: format {about.get('format')}, this xherald reads {FORMAT}; import the catalogue again"
            )
        try:
            metadata = pq.read_metadata(folder / METADATA)
        except (pa.ArrowException, OSError) as fault:
            raise ArtefactError(f"{folder / METADATA}: cannot be read: {fault}; import the catalogue again") from fault
        return cls(folder, about, _row_groups(metadata), metadata.schema.to_arrow_schema())

    def __len__(self) -> int:
        return int(self.about["rows"])

    @property
    def name(self) -> str:
        """Name of the catalogue."""
        return str(self.about["name"])

    @property
    def columns(self) -> Mapping[str, str]:
        """Units of the columns, empty where they have none."""
        return {
            one.name: (one.metadata or {}).get(b"unit", b"").decode()
            for one in self._schema
            if one.name != HEALPIX_COLUMN
        }

    def search(
        self,
        ra_deg: ArrayLike,
        dec_deg: ArrayLike,
        radius_arcsec: ArrayLike,
        *,
        epoch_yr: float | None = None,
        columns: Iterable[str] | None = None,
    ) -> ConeMatches:
        """Find the sources within a radius of each position.

        Parameters
        ----------
        ra_deg, dec_deg : array_like, shape (n,)
            ICRS.
        radius_arcsec : array_like, shape (n,) or a number
        epoch_yr : float, optional
            Julian year to which proper motion is carried before positions are compared; by default the positions of
            the catalogue are used.
        columns : iterable of str, optional
            Columns of the table; by default all.

        Raises
        ------
        ConfigError
            A position or radius is not on the sky, or the catalogue has no such column.
        ArtefactError
            A file cannot be read.
        """
        import pyarrow as pa

        ra, dec, radius = _check_cones(ra_deg, dec_deg, radius_arcsec)
        wanted = list(self.columns if columns is None else columns)
        if unknown := [one for one in wanted if one not in self.columns]:
            raise ConfigError(f"{self.name} has no column {unknown[0]!r}; columns: {', '.join(self.columns)}")
        cones: list[I64] = []
        numbers: list[F64] = []
        tables: list[pa.Table] = []
        for found in self._matches(ra, dec, radius, epoch_yr):
            cones.append(found.cone)
            numbers.append(np.stack([found.separation, found.ra, found.dec]))
            tables.append(self._rows(found.groups, found.row, wanted))
        cone = np.concatenate([np.zeros(0, dtype=np.int64), *cones])
        separation, found_ra, found_dec = np.concatenate([np.zeros((3, 0)), *numbers], axis=1)
        empty = pa.schema([self._schema.field(one) for one in wanted]).empty_table()
        table = pa.concat_tables([empty, *tables])
        order = np.lexsort((separation, cone))
        offsets = np.concatenate([[0], np.cumsum(np.bincount(cone, minlength=len(ra)))]).astype(np.int64)
        return ConeMatches(offsets, separation[order], found_ra[order], found_dec[order], table.take(pa.array(order)))

    def count(
        self, ra_deg: ArrayLike, dec_deg: ArrayLike, inner_arcsec: ArrayLike, outer_arcsec: ArrayLike
    ) -> NDArray[np.int64]:
        """Number of sources in an annulus around each position, at the epoch of the catalogue.

        Parameters
        ----------
        ra_deg, dec_deg : array_like, shape (n,)
        inner_arcsec, outer_arcsec : array_like, shape (n,) or a number
            Sources at more than the inner and at most the outer radius are counted.
        """
        ra, dec, outer = _check_cones(ra_deg, dec_deg, outer_arcsec)
        inner = np.broadcast_to(np.asarray(inner_arcsec, dtype=np.float64), ra.shape)
        total = np.zeros(len(ra), dtype=np.int64)
        for found in self._matches(ra, dec, outer, None):
            total += np.bincount(found.cone[found.separation > inner[found.cone]], minlength=len(ra))
        return total

    def coarse_density(self, ra_deg: ArrayLike, dec_deg: ArrayLike) -> F64:
        """Sources per square degree from the extent of the row group of each position; nothing is read.

        It is accurate to a factor of about two where the density varies slowly.
        """
        from astropy import units
        from astropy_healpix import lonlat_to_healpix

        ra, dec, _ = _check_cones(ra_deg, dec_deg, 0.0)
        index = lonlat_to_healpix(ra * units.deg, dec * units.deg, 2**HEALPIX_ORDER, order="nested")
        group = np.clip(np.searchsorted(self._groups.first, index, "right") - 1, 0, None)
        extent = (self._groups.last - self._groups.first + 1)[group] * (SKY_DEG2 / (12 * 4.0**HEALPIX_ORDER))
        density: F64 = self._groups.rows[group] / extent
        return density

    def _matches(self, ra: F64, dec: F64, radius: F64, epoch: float | None) -> Iterator[_Found]:
        """Pairs of cones and rows within their radii, in batches of row groups."""
        moves = epoch is not None and all(one in self.columns for one in MOTION) and self.about["epoch_yr"]
        reach = radius.copy()
        if moves:
            first_epoch, last_epoch = self.about["epoch_yr"]
            years = max(abs(epoch - first_epoch), abs(epoch - last_epoch)) if epoch is not None else 0.0
            reach += self.about["max_motion_mas_yr"] * years / 1000
        first, stop, cone = cover_cones(ra, dec, reach / 3600)
        needed = self._needed(first, stop)
        in_motion = MOTION if moves else ()
        for groups in _batches(needed, self._groups.rows):
            rows = self._read(groups, [HEALPIX_COLUMN, *POSITION, *in_motion])
            index = rows[HEALPIX_COLUMN].to_numpy()
            # All ranges have the same width, so that both ends ascend.
            low, high = np.searchsorted(stop, index[0], "right"), np.searchsorted(first, index[-1], "right")
            start = np.searchsorted(index, first[low:high])
            end = np.searchsorted(index, stop[low:high])
            for part in _portions(end - start, MAX_PAIRS):
                row, which = expand_ranges(start[part], end[part])
                to = cone[low:high][part][which]
                there, motion = (
                    [rows[one].to_numpy()[row].astype(np.float64) for one in names] for names in (POSITION, in_motion)
                )
                row_ra, row_dec = there
                if motion and epoch is not None:
                    row_ra, row_dec = carry_to_epoch(row_ra, row_dec, motion[0], motion[1], epoch - motion[2])
                separation = separation_arcsec(ra[to], dec[to], row_ra, row_dec)
                near = separation <= radius[to]
                if near.any():
                    yield _Found(to[near], row[near], separation[near], row_ra[near], row_dec[near], groups)

    def _needed(self, first: I64, stop: I64) -> I64:
        """Row groups that overlap with any range."""
        groups = self._groups
        start = np.searchsorted(groups.last, first, "left")
        end = np.searchsorted(groups.first, stop, "left")
        change = np.zeros(len(groups.first) + 1, dtype=np.int64)
        overlaps = end > start
        np.add.at(change, start[overlaps], 1)
        np.add.at(change, end[overlaps], -1)
        return np.flatnonzero(np.cumsum(change[:-1]) > 0)

    def _rows(self, groups: I64, row: I64, columns: list[str]) -> pa.Table:
        """Rows, by their number within row groups; only the row groups that hold any are read."""
        import pyarrow as pa

        ends = np.cumsum(self._groups.rows[groups])
        starts = ends - self._groups.rows[groups]
        place = np.searchsorted(ends, row, "right")
        used, place_of_used = np.unique(place, return_inverse=True)
        sizes = self._groups.rows[groups[used]]
        within = row - starts[place] + (np.cumsum(sizes) - sizes)[place_of_used]
        return self._read(groups[used], columns).take(pa.array(within))

    def _read(self, groups: I64, columns: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        files = self._groups.file[groups]
        parts = []
        for file in np.unique(files).tolist():
            numbers = self._groups.number[groups[files == file]].tolist()
            try:
                parts.append(self._file(file).read_row_groups(numbers, columns=list(columns)))
            except (pa.ArrowException, OSError) as fault:
                path = self.folder / DATASET / self._groups.paths[file]
                raise ArtefactError(f"{path}: cannot be read: {fault}; import the catalogue again") from fault
        return pa.concat_tables(parts).select(list(columns)).combine_chunks()

    def _file(self, number: int) -> Any:
        """An open file; the least recently used ones are closed."""
        import pyarrow.parquet as pq

        if number in self._files:
            self._files.move_to_end(number)
            return self._files[number]
        file = self._files[number] = pq.ParquetFile(self.folder / DATASET / self._groups.paths[number])
        if len(self._files) > MAX_OPEN_FILES:
            self._files.popitem(last=False)[1].close()
        return file


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    cone: I64
    row: I64
    separation: F64
    ra: F64
    dec: F64
    groups: I64
    """Row groups that `row` counts through."""


def _row_groups(metadata: Any) -> _RowGroups:
    column = metadata.schema.names.index(HEALPIX_COLUMN)
    paths: dict[str, int] = {}
    found = []
    numbers: dict[int, int] = {}
    for one in range(metadata.num_row_groups):
        group = metadata.row_group(one)
        chunk = group.column(column)
        file = paths.setdefault(chunk.file_path, len(paths))
        number = numbers[file] = numbers.get(file, -1) + 1
        found.append((chunk.statistics.min, chunk.statistics.max, group.num_rows, file, number))
    table = np.array(found, dtype=np.int64).reshape(-1, 5)
    first, last, rows, files, within = table[np.lexsort((table[:, 1], table[:, 0]))].T
    return _RowGroups(first, last, rows, files, within, tuple(paths))


def _check_cones(ra: ArrayLike, dec: ArrayLike, radius: ArrayLike) -> tuple[F64, F64, F64]:
    arrays = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(one, dtype=np.float64)) for one in (ra, dec)), np.asarray(radius, dtype=np.float64)
    )
    given = tuple(np.array(one, dtype=np.float64) for one in arrays)
    is_good = (given[0] >= 0) & (given[0] <= 360) & (abs(given[1]) <= 90) & (given[2] >= 0) & (given[2] <= 180 * 3600)
    if not is_good.all():
        bad = int(np.flatnonzero(~is_good)[0])
        raise ConfigError(
            f"position {bad}: ra {given[0][bad]:g}, dec {given[1][bad]:g} deg, radius {given[2][bad]:g} arcsec is not "
            "on the sky; ra must be 0 to 360, dec -90 to 90, the radius 0 to 180 deg"
        )
    return given[0], given[1], given[2]


def _batches(groups: I64, rows: I64) -> Iterator[I64]:
    """Groups in portions of at most `MAX_BATCH_ROWS` rows."""
    for part in _portions(rows[groups], MAX_BATCH_ROWS):
        yield groups[part]


def _portions(sizes: I64, most: int) -> Iterator[slice]:
    """Slices of consecutive items whose sizes add up to about ``most``, at least one item each."""
    if not len(sizes):
        return
    portion = (np.cumsum(sizes) - sizes) // most
    edges = [0, *(np.flatnonzero(np.diff(portion)) + 1).tolist(), len(sizes)]
    for start, stop in pairwise(edges):
        yield slice(start, stop)
