"""A table of photons in lists, a row a source, taken apart into flat arrays and checked: `Form`.

Arrow knows of null rows and list lengths; that times ascend, that photons lie in good times and in the band is checked
here, on flat arrays, and a fault names the row and its source.
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

__all__ = ["MAYBE_NUMBERS", "NUMBERS", "TEXT", "Form", "in_good_time"]


TEXT: Final = ("obsreg_id", "mission", "instrument", "obs_id")
NUMBERS: Final = (
    "frame_time_s",
    "live_fraction",
    "band_low_kev",
    "band_high_kev",
    "hardness_split_kev",
    "area_ratio",
    "selection_p",
)
MAYBE_NUMBERS: Final = ("ra", "dec", "pos_err_arcsec", "off_axis_arcmin", "mjd_reference_day", "mjd_reference_fraction")
"""Numbers that may be null: what is not known of a source."""


class Form:
    """The columns of a table, and the faults found in them, named by row."""

    def __init__(self, path: Path, table: pa.Table) -> None:
        self.path, self.table = path, table

    def fault(self, row: int, what: str) -> UnreadableFileError:
        """An error about one row."""
        name = self.table.column("obsreg_id")[row].as_py()
        return UnreadableFileError(self.path, f"row {row + 1} (source {name}): {what}")

    def column(self, name: str, *, null: bool = False) -> pa.ChunkedArray:
        """A column, refused if a row of it is null where none may be."""
        column = self.table.column(name)
        if column.null_count and not null:
            row = int(np.flatnonzero(column.is_null().to_numpy())[0])
            raise UnreadableFileError(self.path, f"column {name}, row {row + 1}: empty")
        return column

    def numbers(self, name: str) -> F64:
        """A column of finite numbers."""
        values: F64 = self._floats(name, self.column(name), np.float64)
        if (broken := np.flatnonzero(~np.isfinite(values))).size:
            raise self.fault(int(broken[0]), f"{name} is not finite")
        return values

    def lists(self, *names: str) -> tuple[NDArray[Any], ...]:
        """Offsets common to columns of lists, and each column's elements, all finite."""
        import pyarrow as pa
        import pyarrow.compute as pc

        offsets: list[I64] = []
        flat: list[NDArray[np.floating[Any]]] = []
        for name in names:
            column = self.column(name)
            if not (pa.types.is_list(column.type) or pa.types.is_large_list(column.type)):
                raise UnreadableFileError(self.path, f"column {name} holds {column.type}, expected lists of numbers")
            lengths = pc.list_value_length(column).to_numpy().astype(np.int64)
            offsets.append(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64))
            if (unequal := np.flatnonzero(offsets[-1] != offsets[0])).size:
                row = int(unequal[0]) - 1
                raise self.fault(row, f"{name} has {lengths[row]} entries, {names[0]} has another number")
            flat.append(self._elements(name, pc.list_flatten(column), offsets[0]))
        return offsets[0], *flat

    def _elements(self, name: str, column: pa.ChunkedArray, offsets: I64) -> NDArray[np.floating[Any]]:
        values = self._floats(name, column, np.float32 if "energy" in name else np.float64)
        if (broken := np.flatnonzero(~np.isfinite(values))).size:
            row = int(np.searchsorted(offsets, broken[0], side="right")) - 1
            raise self.fault(row, f"{name} has an entry that is empty or not finite")
        return values

    def _floats(self, name: str, column: pa.ChunkedArray, dtype: type[np.floating[Any]]) -> NDArray[Any]:
        """Numbers, NaN for null."""
        import pyarrow as pa

        if not (pa.types.is_floating(column.type) or pa.types.is_integer(column.type)):
            raise UnreadableFileError(self.path, f"column {name} holds {column.type}, expected numbers")
        return np.array(column.to_numpy(), dtype=dtype)

    def refuse_impossible(self, numbers: Mapping[str, F64]) -> None:
        """Refuse sources whose numbers contradict what they stand for."""
        low, split, high = (numbers[name] for name in ("band_low_kev", "hardness_split_kev", "band_high_kev"))
        bad = {
            "band_low_kev, hardness_split_kev and band_high_kev must ascend from 0": ~(
                (low >= 0) & (low < split) & (split < high)
            ),
            "frame_time_s must not be negative": numbers["frame_time_s"] < 0,
            "live_fraction must lie in (0, 1]": ~((numbers["live_fraction"] > 0) & (numbers["live_fraction"] <= 1)),
            "area_ratio must not be negative": numbers["area_ratio"] < 0,
            "selection_p must lie in [0, 1]": ~((numbers["selection_p"] >= 0) & (numbers["selection_p"] <= 1)),
        }
        for what, rows in bad.items():
            if rows.any():
                raise self.fault(int(np.argmax(rows)), what)

    def refuse_intervals(self, offsets: I64, start: F64, stop: F64, fraction: F64) -> None:
        """Refuse good times that are none, reversed or overlapping."""
        if (none := np.flatnonzero(np.diff(offsets) == 0)).size:
            raise self.fault(int(none[0]), "no good-time interval, so it was never observed")
        if (reversed_ := np.flatnonzero(stop <= start)).size:
            raise self.fault(self._row(offsets, reversed_), "a good-time interval ends before it starts")
        if (early := self._steps(offsets, start[1:] < stop[:-1])).size:
            raise self.fault(self._row(offsets, early), "good-time intervals overlap or are not sorted")
        if (dead := np.flatnonzero(~((fraction > 0) & (fraction <= 1)))).size:
            raise self.fault(self._row(offsets, dead), "gti_fraction must lie in (0, 1]")

    def refuse_photons(self, name: str, offsets: I64, time: F64, energy: NDArray[np.floating[Any]]) -> None:
        """Refuse times that are not sorted and energies that are negative or in eV."""
        if (early := self._steps(offsets, time[1:] < time[:-1])).size:
            raise self.fault(self._row(offsets, early), f"{name} is not sorted")
        if (odd := np.flatnonzero((energy < 0) | (energy > 200.0))).size:
            row = self._row(offsets, odd)
            raise self.fault(row, f"an energy of {energy[odd[0]]:g} beside {name}; energies are in keV")

    def refuse_outside(
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
            raise self.fault(self._row(offsets, beyond), "a photon lies outside the band")
        rows = np.arange(len(counts))
        good = in_good_time(np.repeat(rows, np.diff(gti_offsets)), start, stop, np.repeat(rows, counts), time)
        if (bad := np.flatnonzero(~good)).size:
            raise self.fault(self._row(offsets, bad), "a photon lies outside the good-time intervals")

    @staticmethod
    def _row(offsets: I64, elements: NDArray[np.intp]) -> int:
        """Row of the first of some elements."""
        return int(np.searchsorted(offsets, elements[0], side="right")) - 1

    @staticmethod
    def _steps(offsets: I64, backward: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Elements that are less than the one before them in the same row."""
        steps = np.flatnonzero(backward) + 1
        return steps[~np.isin(steps, offsets)]

    def identities(self, source_path: str) -> tuple[Identity, ...]:
        """Who each row is."""
        texts = [self.column(name).to_pylist() for name in TEXT]
        maybe = [self.column(name, null=True).to_pylist() for name in MAYBE_NUMBERS]
        scales = self.column("time_scale", null=True).to_pylist()
        flags = self.column("flags").to_pylist()
        references = self._references(list(zip(*maybe[4:], scales, strict=True)))
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
                *texts, *maybe, scales, flags, strict=True
            )
        )

    def _references(
        self, rows: list[tuple[float | None, float | None, str | None]]
    ) -> dict[tuple[float | None, float | None, str | None], TimeReference | None]:
        """Time references by what each row says of its own; sources of one mission share one."""
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
            except PhotonError as fault:
                raise self.fault(rows.index(row), str(fault)) from fault
        return found


def in_good_time(interval_source: I64, start: F64, stop: F64, source: I64, time: F64) -> NDArray[np.bool_]:
    """Whether each photon lies in an interval of its own source, both edges included.

    Starts and photons are merged in order of source and time; the last start before a photon is the only one to ask.

    Parameters
    ----------
    interval_source : ndarray, shape (m,) — number of the source of each interval
    start, stop : ndarray, shape (m,) — s, sorted by source and start, disjoint within a source
    source : ndarray, shape (n,) — number of the source of each photon
    time : ndarray, shape (n,) — s
    """
    count = len(interval_source)
    if count == 0:
        return np.zeros(len(source), dtype=np.bool_)
    of = np.concatenate([interval_source, source])
    when = np.concatenate([start, time])
    is_photon = np.arange(len(of)) >= count
    order = np.lexsort((is_photon, when, of))
    last_start = np.empty(len(of), dtype=np.int64)
    last_start[order] = np.cumsum(~is_photon[order]) - 1
    held = np.maximum(last_start[count:], 0)
    good: NDArray[np.bool_] = (last_start[count:] >= 0) & (interval_source[held] == source) & (time <= stop[held])
    return good
