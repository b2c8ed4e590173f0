"""New rows of a real event table for simulated photons: `RowMaker`, used by `injection`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.adapters import PhotonColumns
from xherald.adapters.reading.fits_files import Column
from xherald.photons import FieldEvents, Observation
from xherald.photons.arrays import F64, I64
from xherald.photons.errors import UnreadableFileError

__all__ = ["RowMaker"]


PLACES: Final = (("CHIPX", "CHIPY"), ("TDETX", "TDETY"), ("DETX", "DETY"), ("RAWX", "RAWY"))
"""Pairs of columns that depend on the sky position."""

CLOCKS: Final = ("FRAMETIME", "RECORDTIME")
"""Columns that depend on time."""

COUNTERS: Final = ("EXPNO",)
"""Columns that count frames."""

PULSE_HEIGHTS: Final = ("PHA", "PHA_RO")
"""Columns proportional to the energy."""


@dataclass(frozen=True, slots=True, eq=False)
class RowMaker:
    """Makes new rows of a file.

    Parameters
    ----------
    observation : Observation
    events : FieldEvents — its photons, whose rows are copied
    columns : PhotonColumns
    time : ndarray, shape (rows,) — time of every row, as stored in the file
    """

    observation: Observation
    events: FieldEvents
    columns: PhotonColumns
    time: F64

    @classmethod
    def of(cls, observation: Observation, columns: PhotonColumns) -> RowMaker:
        """Row maker of an observation and the columns of its photons."""
        (time,) = observation.load_columns(columns.time)
        return cls(observation, observation.events, columns, time.astype(np.float64))

    def stamped(self, time: F64, detector: I64) -> F64:
        """Times as the file would have them: those of frames if all photons of a frame have the same time.

        A frame is that of the real event nearest in time on the same detector, or a whole number of frames from it.
        """
        frame = self.observation.frame_time
        if not self.columns.timed_by_frame or frame <= 0 or not len(time):
            return time
        nearest = self.events.time[self._templates(time, detector)]
        return nearest + np.rint((time - nearest) / frame) * frame

    def rows(
        self, content: bytes, time: F64, x: F64, y: F64, energy: F64, detector: I64
    ) -> tuple[NDArray[np.uint8], I64]:
        """Bytes of new rows, shape (n, bytes per row), and the old rows before which they are inserted, shape (n,).

        Parameters
        ----------
        content : bytes — of the file
        time, x, y, energy, detector : ndarray, shape (n,)
            As in `FieldEvents`, sorted by time.
        """
        table = self.columns.events
        template = self._templates(time, detector)
        source = self.events.row[template].astype(np.int64)
        old = np.frombuffer(content, np.uint8, table.rows * table.row_bytes, table.offset)
        rows = old.reshape(table.rows, table.row_bytes)[source].copy()
        self._write(rows, self.columns.time, time - self.columns.time_shift)
        self._write(rows, self.columns.x, x)
        self._write(rows, self.columns.y, y)
        for one in self.columns.energies:
            self._write(rows, one.column, one.values(energy))
        self._follow(rows, template, time, x, y, energy)
        return rows, self._before(time - self.columns.time_shift, source)

    def _templates(self, time: F64, detector: I64) -> I64:
        """Index in `events` of the event nearest in time on the same detector; of any detector if it has none."""
        found = np.zeros(len(time), dtype=np.int64)
        for number in np.unique(detector):
            mine = np.flatnonzero(self.events.detector == number)
            if not len(mine):
                mine = np.arange(len(self.events))
            chosen = detector == number
            right = np.clip(np.searchsorted(self.events.time[mine], time[chosen]), 1, max(len(mine) - 1, 1))
            right = np.minimum(right, len(mine) - 1)
            left = np.maximum(right - 1, 0)
            ahead = np.abs(self.events.time[mine[right]] - time[chosen])
            behind = np.abs(self.events.time[mine[left]] - time[chosen])
            found[chosen] = mine[np.where(ahead < behind, right, left)]
        return found

    def _follow(self, rows: NDArray[np.uint8], template: I64, time: F64, x: F64, y: F64, energy: F64) -> None:
        """Change columns that depend on time, position and energy by the differences from the copied event."""
        held = self.columns.events.columns
        events = self.events
        for pair in PLACES:
            if all(name in held for name in pair):
                for name in pair:
                    values = self._held(name)
                    step = self._slopes(values)
                    moved = values[template] + (x - events.x[template]) * step[0] + (y - events.y[template]) * step[1]
                    self._write(rows, name, np.maximum(moved, 1) if name not in ("DETX", "DETY") else moved)
        if {"RA", "DEC"} <= set(held):
            ra, dec = self.observation.require_projection().to_sky(x, y)
            self._write(rows, "RA", ra)
            self._write(rows, "DEC", dec)
        for name in (one for one in CLOCKS if one in held):
            values = self._held(name)
            self._write(rows, name, values[template] + time - events.time[template])
        for name in (one for one in COUNTERS if one in held):
            values = self._held(name)
            frames = np.rint((time - events.time[template]) / max(self.observation.frame_time, 1e-9))
            self._write(rows, name, values[template] + frames)
        for name in (one for one in PULSE_HEIGHTS if one in held):
            values = self._held(name)
            self._write(rows, name, values[template] * (energy / events.energy[template]))

    def _held(self, name: str) -> F64:
        """A column of the selected events."""
        (values,) = self.observation.columns(name)
        return values.astype(np.float64)

    def _slopes(self, values: F64) -> tuple[float, float]:
        """Change of a detector coordinate with sky x and y, from the events of the most populous detector."""
        numbers, counts = np.unique(self.events.detector, return_counts=True)
        mine = self.events.detector == numbers[counts.argmax()]
        x, y = self.events.x[mine].astype(np.float64), self.events.y[mine].astype(np.float64)
        design = np.column_stack([x - x.mean(), y - y.mean(), np.ones(len(x))])
        slope = np.linalg.lstsq(design, values[mine], rcond=None)[0]
        return float(slope[0]), float(slope[1])

    def _write(self, rows: NDArray[np.uint8], name: str, values: NDArray[np.generic]) -> None:
        """Write values to a column: scaled, rounded and clipped to its type."""
        column = self.columns.events.require(name)
        dtype = self._cell(column)
        stored = (np.asarray(values, dtype=np.float64) - column.zero) / column.scale
        if dtype.kind in "iu":
            bits, signed = 8 * dtype.itemsize, dtype.kind == "i"
            low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
            stored = np.clip(np.rint(stored), low, high)
        cells = np.ascontiguousarray(stored.astype(dtype)).view(np.uint8).reshape(len(rows), dtype.itemsize)
        rows[:, column.offset : column.offset + dtype.itemsize] = cells

    def _cell(self, column: Column) -> np.dtype[np.generic]:
        if column.dtype is None or column.dtype.shape or column.dtype.kind not in "iuf":
            raise UnreadableFileError(
                self.columns.events.path,
                f"column {column.name} is not numeric, so photons cannot be written to it",
            )
        return column.dtype

    def _before(self, stored: F64, source: I64) -> I64:
        """Positions of new rows: by time in the table if it is sorted, otherwise among rows of the detector."""
        if (self.time[1:] >= self.time[:-1]).all():
            return np.searchsorted(self.time, stored, side="right").astype(np.int64)
        groups = np.concatenate([[0], np.flatnonzero(self.time[1:] < self.time[:-1]) + 1, [len(self.time)]])
        group = np.searchsorted(groups, source, side="right") - 1
        places = [
            groups[g] + np.searchsorted(self.time[groups[g] : groups[g + 1]], t, side="right")
            for g, t in zip(group, stored, strict=True)
        ]
        return np.array(places, dtype=np.int64)
