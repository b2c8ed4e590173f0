"""Screening of event rows: energies, good times, standard filter; rejected rows are counted by reason.

Rows are processed in blocks, so that a long list is never in memory as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import DetectorUnit, FieldEvents, Screening
from xherald.photons.arrays import F64, Mask
from xherald.photons.errors import UnreadableFileError
from xherald.photons.gti import gti_contains
from xherald.plugins.contract import ReadLimits

from .energies import Energy
from .fits_files import FitsFile, Hdu, Rows, open_fits
from .repeated_rows import find_repeated_rows
from .selection_rules import Rule

__all__ = ["EventReader", "is_position"]

MAX_KEPT_BYTES = 64 * 2**20
"""Decompressed content up to this size is kept after reading, since chip columns are often read next."""

MAX_LOSS: Final = 0.95
"""Fraction of the rows above which a loss to one filter is an error."""

MIN_ROWS_LOST: Final = 20
"""Fewest rows lost to one filter for that error: a short exposure may have few photons, all outside the band."""

REPEATED: Final = "identical to another row"
NOT_FINITE: Final = ("time not finite", "energy not finite", "position not finite")

Values = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class _Photons:
    """Photons of a block of rows."""

    time: F64
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    energy: NDArray[np.float32]
    detector: NDArray[np.int16]
    row: NDArray[np.int32]


_DTYPES: Final = {
    "time": np.float64,
    "x": np.float32,
    "y": np.float32,
    "energy": np.float32,
    "detector": np.int16,
    "row": np.int32,
}


@dataclass(slots=True)
class _Losses:
    """Numbers of rejected rows."""

    by_reason: Counter[str] = field(default_factory=Counter)

    def drop(self, kept: Mask, passes: Mask, reason: str) -> None:
        """Remove rows that do not pass from `kept`, and count them."""
        lost = int(np.count_nonzero(kept & ~passes))
        if lost:
            self.by_reason[reason] += lost
            kept &= passes


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class EventReader:
    """Reads and screens the photons of a file on demand.

    Parameters
    ----------
    file : FitsFile
        Released after the photons are read.
    limits : ReadLimits
    events : Hdu
    detectors : tuple of DetectorUnit
    time_shift : float
        s, added to TIME: TIMEZERO, and the shift to the middle of the frame.
    time_column : str
    x_column, y_column : str or None
        None for files without sky positions.
    position_null : float or None
    detector_column : str or None
        None for a single detector.
    detector_modulo : int or None
        The detector number is the column modulo this.
    energy : Energy
    rules : tuple of Rule
    band : (float, float) — keV
    band_open : bool
        Whether the limits of the band are excluded.
    """

    file: FitsFile
    limits: ReadLimits
    events: Hdu
    detectors: tuple[DetectorUnit, ...]
    time_shift: float
    time_column: str
    x_column: str | None
    y_column: str | None
    position_null: float | None
    detector_column: str | None
    detector_modulo: int | None
    energy: Energy
    rules: tuple[Rule, ...]
    band: tuple[float, float]
    band_open: bool

    def columns(self, *names: str) -> tuple[Values, ...]:
        """Whole columns, in file order."""
        with self._readable() as file:
            return tuple(file.column(file.events, name) for name in names)

    @contextmanager
    def _readable(self) -> Iterator[FitsFile]:
        """The file, opened again if its decompressed content was freed."""
        if self.file.released:
            with open_fits(self.events.path, self.limits) as file:
                yield file
        else:
            yield self.file

    def load(self) -> FieldEvents:
        """Read the photons, screened and sorted by time.

        Raises
        ------
        UnreadableFileError
            One filter rejects nearly all rows.
        """
        losses = _Losses()
        with self._readable() as file:
            parts = [self._screen(rows, losses) for rows in file.blocks(file.events)]
        self._require_photons(losses)
        columns = {name: [getattr(part, name) for part in parts] for name in _Photons.__slots__}
        parts.clear()
        # Without rows there is not even an empty block.
        time = np.concatenate(columns["time"] or [np.empty(0)])
        order = np.argsort(time, kind="stable") if (time[1:] < time[:-1]).any() else None
        # Column by column, freeing its blocks, so that a long list is in memory only once.
        del time
        sorted_columns = {}
        for name, dtype in _DTYPES.items():
            whole = np.concatenate(columns.pop(name) or [np.empty(0, dtype=dtype)])
            sorted_columns[name] = whole if order is None else whole[order]
        self._drop_repeated(sorted_columns, losses)
        if self.file.held_bytes > MAX_KEPT_BYTES:
            self.file.release()
        selection = frozenset({REPEATED, self._band_reason})
        screening = Screening(self.events.rows, len(sorted_columns["time"]), dict(losses.by_reason), selection)
        return FieldEvents(**sorted_columns, screening=screening, notes=_notes(screening))

    def _drop_repeated(self, columns: dict[str, NDArray[Any]], losses: _Losses) -> None:
        """Remove rows that repeat another one."""
        values = tuple(columns[name] for name in ("x", "y", "energy"))
        with self._readable() as file:
            repeated = find_repeated_rows(file, file.events, columns["time"], values, columns["row"])
        if repeated.any():
            losses.by_reason[REPEATED] += int(np.count_nonzero(repeated))
            for name in list(columns):
                columns[name] = columns[name][~repeated]

    def _screen(self, rows: Rows, losses: _Losses) -> _Photons:
        time = rows.column(self.time_column).astype(np.float64) + self.time_shift
        stored = rows.column(self.energy.column).astype(np.float64)
        detector = self._detector(rows)
        kept = np.ones(rows.count, dtype=np.bool_)
        losses.drop(kept, np.isfinite(time), NOT_FINITE[0])
        losses.drop(kept, np.isfinite(stored), NOT_FINITE[1])
        self._screen_times(time, detector, kept, losses)
        for rule in self.rules:
            if rule.column.upper() in self.events.columns:
                losses.drop(kept, rule.select(rows.column(rule.column)), rule.reason)
        kev = self._screen_energies(stored, kept, losses)
        x, y = self._screen_positions(rows, kept, losses)
        chosen = np.flatnonzero(kept)
        return _Photons(
            time[chosen],
            x[chosen].astype(np.float32),
            y[chosen].astype(np.float32),
            kev[chosen].astype(np.float32),
            detector[chosen],
            (chosen + rows.start).astype(np.int32),
        )

    def _detector(self, rows: Rows) -> NDArray[np.int16]:
        if self.detector_column is None:
            return np.full(rows.count, self.detectors[0].number, dtype=np.int16)
        numbers = rows.column(self.detector_column).astype(np.int16)
        return numbers % np.int16(self.detector_modulo) if self.detector_modulo else numbers

    def _screen_times(self, time: F64, detector: NDArray[np.int16], kept: Mask, losses: _Losses) -> None:
        """Select events in the good times of their own detector; all if the file has none."""
        if not any(len(one.gti) for one in self.detectors):
            return
        has_gti, good = np.zeros_like(kept), np.zeros_like(kept)
        for one in self.detectors:
            if not len(one.gti):
                continue
            own = detector == one.number
            has_gti |= own
            good[own] = gti_contains(one.gti, time[own])
        losses.drop(kept, has_gti, "no good times for its detector")
        losses.drop(kept, good, "outside good time")

    def _screen_energies(self, stored: F64, kept: Mask, losses: _Losses) -> F64:
        kev = self.energy.kev(stored)
        null = self.events.require(self.energy.column).null
        present = kev >= 0 if null is None else (kev >= 0) & (stored != null)
        losses.drop(kept, present, "no energy")
        low, high = self.band
        inside = (kev > low) & (kev < high) if self.band_open else (kev >= low - 1e-9) & (kev <= high + 1e-9)
        losses.drop(kept, inside, self._band_reason)
        return kev

    @property
    def _band_reason(self) -> str:
        return "outside {:g}–{:g} keV".format(*self.band)

    def _screen_positions(self, rows: Rows, kept: Mask, losses: _Losses) -> tuple[Values, Values]:
        if self.x_column is None or self.y_column is None:
            zeros = np.zeros(rows.count, dtype=np.float32)
            return zeros, zeros
        x, y = rows.column(self.x_column), rows.column(self.y_column)
        for name, values in ((self.x_column, x), (self.y_column, y)):
            losses.drop(kept, np.isfinite(values.astype(np.float64)), NOT_FINITE[2])
            present = is_position(values, self.position_null, self.events.require(name).null)
            losses.drop(kept, present, "no sky position")
        return x, y

    def _require_photons(self, losses: _Losses) -> None:
        """Refuse a file of which one filter leaves nearly nothing: the filter or the file is wrong."""
        rows, reasons = self.events.rows, losses.by_reason
        if rows and reasons["outside good time"] == rows:
            raise UnreadableFileError(
                self.events.path,
                f"all {rows:,} events lie outside the good-time intervals; check TIMEZERO and the GTIs",
            )
        for reason, lost in reasons.items():
            if lost > MAX_LOSS * rows and lost >= MIN_ROWS_LOST:
                raise UnreadableFileError(
                    self.events.path,
                    f"{lost:,} of {rows:,} events would be left out as {reason}, too many to be right; "
                    f"all losses: {format_losses(reasons)}",
                )


def _notes(screening: Screening) -> tuple[str, ...]:
    """Remarks on invalid rows, unless there are so many that they are reported as a large loss."""
    counts = {one: screening.losses.get(one, 0) for one in (*NOT_FINITE, REPEATED)}
    return tuple(
        f"{count:,} of {screening.rows:,} rows were left out: {reason}"
        for reason, count in counts.items()
        if count and reason not in screening.large_losses
    )


def is_position(values: Values, *nulls: float | None) -> Mask:
    """Whether each value of a sky column is a position: finite and not null."""
    present = np.isfinite(values.astype(np.float64))
    for null in nulls:
        if null is not None:
            present &= values != null
    return present


def format_losses(losses: Mapping[str, int]) -> str:
    """Numbers of rejected rows by reason, as text."""
    return ", ".join(f"{count:,} {reason}" for reason, count in losses.items() if count)
