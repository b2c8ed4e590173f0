"""Validation of tables with one row per source and photons in lists: `ListTable`.

Columns become flat arrays, on which the order of times, good times and bands are verified; errors name the row and its
source.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Identity, TimeReference
from xherald.photons.arrays import F64, I64
from xherald.photons.errors import PhotonError, UnreadableFileError

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["NULLABLE_NUMBERS", "NUMBERS", "TEXT", "ListTable", "in_good_time"]


TEXT: Final = ("obsreg_id", "mission", "instrument", "obs_id")
NUMBERS: Final = (
    "frame_time_s",
    "live_fraction",
    "band_low_kev",
    "band_high_kev",
    "hardness_split_kev",
    "area_ratio",
    "selection_p",
    "selection_trials",
)
NULLABLE_NUMBERS: Final = (
    "ra_deg",
    "dec_deg",
    "pos_err_arcsec",
    "off_axis_arcmin",
    "mjd_reference_day",
    "mjd_reference_fraction",
)
"""Numbers that are null if unknown."""


class ListTable:
    """Validated columns of a table."""

    def __init__(self, path: Path, table: pa.Table) -> None:
        self.path, self.table = path, table

    def row_error(self, row: int, message: str) -> UnreadableFileError:
        """Error for one row."""
        name = self.table.column("obsreg_id")[row].as_py()
        return UnreadableFileError(self.path, f"row {row + 1} (source {name}): {message}")

    def column(self, name: str, *, nullable: bool = False) -> pa.ChunkedArray:
        """A column; nulls are refused unless it is nullable."""
        column = self.table.column(name)
        if column.null_count and not nullable:
            row = int(np.flatnonzero(column.is_null().to_numpy())[0])
            raise UnreadableFileError(self.path, f"column {name}, row {row + 1}: empty")
        return column

    def numbers(self, name: str) -> F64:
        """A column of numbers, all finite, except that `selection_trials` may be infinite."""
        values: F64 = self._floats(name, self.column(name), np.float64)
        is_valid = ~np.isnan(values) if name == "selection_trials" else np.isfinite(values)
        if (broken := np.flatnonzero(~is_valid)).size:
            raise self.row_error(int(broken[0]), f"{name} is not finite")
        return values

    def lists(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Common offsets of list columns, and the elements of each column, all finite."""
        import pyarrow as pa
        import pyarrow.compute as pc

        offsets: list[I64] = []
        flat: list[NDArray[np.floating[Any]]] = []
        for name in names:
            column = self.column(name)
            if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
                raise UnreadableFileError(self.path, f"column {name} has type {column.type}, expected lists of numbers")
            lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
            offsets.append(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
            if (unequal := np.flatnonzero(offsets[-1] != offsets[0])).size:
                row = int(unequal[0]) - 1
                raise self.row_error(row, f"{name} has {lengths[row]} elements, unlike {names[0]}")
            flat.append(self._elements(name, pc.list_flatten(column), offsets[0]))
        return offsets[0], *flat

    def _elements(self, name: str, column: pa.ChunkedArray, offsets: I64) -> NDArray[np.floating[Any]]:
        values = self._floats(name, column, np.float32 if "energy" in name else np.float64)
        if (broken := np.flatnonzero(~np.isfinite(values))).size:
            row = int(np.searchsorted(offsets, broken[0], side="right")) - 1
            raise self.row_error(row, f"{name} has an element that is null or not finite")
        return values

    def _floats(self, name: str, column: pa.ChunkedArray, dtype: type[np.floating[Any]]) -> NDArray[Any]:
        """Numbers, with NaN for null."""
        import pyarrow as pa

        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise UnreadableFileError(self.path, f"column {name} has type {column.type}, expected numbers")
        return np.array(column.to_numpy(), dtype=dtype)

    def validate_numbers(self, numbers: Mapping[str, F64]) -> None:
        """Refuse sources with numbers out of range."""
        low, split, high = (numbers[name] for name in ("band_low_kev", "hardness_split_kev", "band_high_kev"))
        bad = {
            "band_low_kev, hardness_split_kev and band_high_kev must ascend from 0": ~(
                (low >= 0) & (low < split) & (split < high)
            ),
            "frame_time_s must not be negative": numbers["frame_time_s"] < 0,
            "live_fraction must lie in (0, 1]": ~((numbers["live_fraction"] > 0) & (numbers["live_fraction"] <= 1)),
            "area_ratio must not be negative": numbers["area_ratio"] < 0,
            "selection_p must lie in [0, 1]": ~((numbers["selection_p"] >= 0) & (numbers["selection_p"] <= 1)),
            "selection_trials must be at least 1": numbers["selection_trials"] < 1,
        }
        for what, rows in bad.items():
            if rows.any():
                raise self.row_error(int(np.argmax(rows)), what)

    def validate_intervals(self, offsets: I64, start: F64, stop: F64, fraction: F64) -> None:
        """Refuse good times that are absent, reversed or overlapping."""
        if (none := np.flatnonzero(np.diff(offsets) == 0)).size:
            raise self.row_error(int(none[0]), "no good-time interval")
        if (reversed_ := np.flatnonzero(stop <= start)).size:
            raise self.row_error(self._row(offsets, reversed_), "a good-time interval ends before it starts")
        if (early := self._steps(offsets, start[1:] < stop[:-1])).size:
            raise self.row_error(self._row(offsets, early), "good-time intervals overlap or are not sorted")
        if (dead := np.flatnonzero(~((fraction > 0) & (fraction <= 1)))).size:
            raise self.row_error(self._row(offsets, dead), "gti_fraction must lie in (0, 1]")

    def validate_photons(self, name: str, offsets: I64, time: F64, energy: NDArray[np.floating[Any]]) -> None:
        """Refuse times that are not sorted and energies that are negative or in eV."""
        if (early := self._steps(offsets, time[1:] < time[:-1])).size:
            raise self.row_error(self._row(offsets, early), f"{name} is not sorted")
        if (odd := np.flatnonzero((energy < 0) | (energy > 200.0))).size:
            row = self._row(offsets, odd)
            raise self.row_error(row, f"an energy of {energy[odd[0]]:g} beside {name}; energies are in keV")

    def validate_ranges(
        self,
        offsets: I64,
        time: F64,
        energy: NDArray[np.floating[Any]],
        numbers: Mapping[str, F64],
        gti_offsets: I64,
        start: F64,
        stop: F64,
    ) -> None:
        """Refuse photons outside their source's band or good times."""
        counts = np.diff(offsets)
        low, high = (np.repeat(numbers[name], counts) for name in ("band_low_kev", "band_high_kev"))
        if (beyond := np.flatnonzero((energy < low - 1e-4) | (energy > high + 1e-4))).size:
            raise self.row_error(self._row(offsets, beyond), "a photon lies outside the band")
        rows = np.arange(len(counts))
        good = in_good_time(np.repeat(rows, np.diff(gti_offsets)), start, stop, np.repeat(rows, counts), time)
        if (bad := np.flatnonzero(~good)).size:
            raise self.row_error(self._row(offsets, bad), "a photon lies outside the good-time intervals")

    @staticmethod
    def _row(offsets: I64, elements: NDArray[np.intp]) -> int:
        """Row of the first of the elements."""
        return int(np.searchsorted(offsets, elements[0], side="right")) - 1

    @staticmethod
    def _steps(offsets: I64, backward: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Elements smaller than their predecessor in the same row."""
        steps = np.flatnonzero(backward) + 1
        return steps[~np.isin(steps, offsets)]

    def identities(self, source_path: str) -> tuple[Identity, ...]:
        """Identity of each row."""
        texts = [self.column(name).to_pylist() for name in TEXT]
        numbers = [self.column(name, nullable=True).to_pylist() for name in NULLABLE_NUMBERS]
        scales = self.column("time_scale", nullable=True).to_pylist()
        flags = self.column("flags").to_pylist()
        references = self._references(list(zip(*numbers[4:], scales, strict=True)))
        return tuple(
            Identity(
                mission=mission,
                instrument=instrument,
                obs_id=obs_id,
                detection_id=name,
                ra=ra,
                dec=dec,
                pos_err_arcsec=error,
                off_axis_arcmin=angle,
                time_reference=references[day, fraction, scale],
                source_path=source_path,
                flags=tuple(words),
            )
            for name, mission, instrument, obs_id, ra, dec, error, angle, day, fraction, scale, words in zip(
                *texts, *numbers, scales, flags, strict=True
            )
        )

    def _references(
        self, rows: list[tuple[float | None, float | None, str | None]]
    ) -> dict[tuple[float | None, float | None, str | None], TimeReference | None]:
        """Time references by their values in a row; sources of one mission share one."""
        found: dict[tuple[float | None, float | None, str | None], TimeReference | None] = {}
        for row in dict.fromkeys(rows):
            day, fraction, scale = row
            if day is None and fraction is None and scale is None:
                found[row] = None
                continue
            try:
                if day is None or fraction is None or scale is None:
                    raise PhotonError("a time reference needs mjd_reference_day, mjd_reference_fraction and time_scale")
                found[row] = TimeReference(day, fraction, scale)
            except PhotonError as error:
                raise self.row_error(rows.index(row), str(error)) from error
        return found


def in_good_time(interval_source: I64, start: F64, stop: F64, source: I64, time: F64) -> NDArray[np.bool_]:
    """Whether each photon lies in an interval of its own source, both edges included.

    Starts and photons are merged in order of source and time; the last start before a photon decides.

    Parameters
    ----------
    interval_source : ndarray, shape (m,) — source index of each interval
    start, stop : ndarray, shape (m,) — s, sorted by source and start, disjoint within a source
    source : ndarray, shape (n,) — source index of each photon
    time : ndarray, shape (n,) — s
    """
    count = len(interval_source)
    if count == 0:
        return np.zeros(len(source), dtype=np.bool_)
    sources = np.concatenate([interval_source, source])
    times = np.concatenate([start, time])
    is_photon = np.arange(len(sources)) >= count
    order = np.lexsort((is_photon, times, sources))
    last_start = np.empty(len(sources), dtype=np.int64)
    last_start[order] = np.cumsum(~is_photon[order]) - 1
    row = np.maximum(last_start[count:], 0)
    good: NDArray[np.bool_] = (last_start[count:] >= 0) & (interval_source[row] == source) & (time <= stop[row])
    return good
