"""Screening of event rows: energies, good times, standard filter; rejected rows are counted by reason.

Rows are processed in blocks, so that a long list is never in memory as a whole.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xherald.photons import DetectorUnit, FieldEvents, Screening
from xherald.photons.arrays import F64, Mask
from xherald.photons.errors import UnreadableFileError
from xherald.photons.gti import gti_contains
from xherald.plugins.contract import ReadLimits

from .fits_files import FitsFile, Hdu, Rows, open_fits

__all__ = ["ChannelEnergy", "Energy", "EventReader", "LinearEnergy", "Rule"]

MAX_KEPT_BYTES = 64 * 2**20
"""Decompressed content up to this size is kept after reading, since chip columns are often read next."""

Values = NDArray[np.generic]


@dataclass(frozen=True, slots=True)
class Rule:
    """One condition of a mission's standard screening; all given bounds apply.

    Parameters
    ----------
    column : str
        The rule is skipped for files without this column.
    reason : str
        Reason under which rejected rows are counted.
    lowest, highest : float, optional — inclusive
    allowed : tuple of int, optional
    clear_bits : int, optional
        Bits that must be zero; −1 for all bits of the cell. The last bit of a cell has the value 1.
    set_bits : int, optional
        Bits that must be one.
    """

    column: str
    reason: str
    lowest: float | None = None
    highest: float | None = None
    allowed: tuple[int, ...] = ()
    clear_bits: int | None = None
    set_bits: int | None = None

    def select(self, values: Values) -> Mask:
        """Mask of the rows that pass; values have shape (n,), or (n, bytes) for bit columns."""
        # NDArray[generic] has no order for mypy; these columns have numbers or bytes.
        cells: NDArray[np.int64] = values  # type: ignore[assignment]
        kept = np.ones(len(values), dtype=np.bool_)
        if self.lowest is not None:
            kept &= cells >= self.lowest
        if self.highest is not None:
            kept &= cells <= self.highest
        if self.allowed:
            kept &= np.isin(cells, self.allowed)
        if self.clear_bits == -1:
            kept &= ~(cells != 0).reshape(len(values), -1).any(axis=1)
        elif self.clear_bits is not None:
            kept &= (_bits(cells) & self.clear_bits) == 0
        if self.set_bits is not None:
            kept &= (_bits(cells) & self.set_bits) == self.set_bits
        return kept


def _bits(cells: NDArray[np.int64]) -> NDArray[np.int64]:
    """Integers of bit columns, shape (n,), most significant byte first."""
    bits = np.zeros(len(cells), dtype=np.int64)
    for column in cells.reshape(len(cells), -1).T:
        bits = bits << 8 | column.astype(np.int64)
    return bits


class Energy(Protocol):
    """Conversion of a column to photon energies."""

    @property
    def column(self) -> str:
        """Name of the column."""

    def kev(self, values: F64) -> F64:
        """Energies, keV; negative for rows without."""

    def values(self, kev: F64) -> F64:
        """Column values for energies in keV, before rounding; the inverse of `kev`."""


@dataclass(frozen=True, slots=True)
class LinearEnergy:
    """Energies ``(value + offset) × kev_per_unit``; 0.04 PI + 1.6 keV has an offset of 40.

    Parameters
    ----------
    column : str
    kev_per_unit : float
    offset : float
    lowest : float
        Smaller values are nulls.
    """

    column: str
    kev_per_unit: float
    offset: float = 0.0
    lowest: float = 0.0

    def kev(self, values: F64) -> F64:
        """Energies, keV; −1 for nulls."""
        energies: F64 = (values + self.offset) * self.kev_per_unit
        energies[values < self.lowest] = -1.0
        return energies

    def values(self, kev: F64) -> F64:
        """Column values for energies in keV."""
        return kev / self.kev_per_unit - self.offset


@dataclass(frozen=True, slots=True, eq=False)
class ChannelEnergy:
    """Energies by channel, from the EBOUNDS of a response.

    Parameters
    ----------
    column : str
    first_channel : int
    centres : ndarray, shape (channels,), float64 — keV
    """

    column: str
    first_channel: int
    centres: F64

    def kev(self, values: F64) -> F64:
        """Energies, keV; −1 for channels not in the table."""
        index = values - self.first_channel
        is_listed = (index >= 0) & (index < len(self.centres))
        return np.where(is_listed, self.centres[np.where(is_listed, index, 0).astype(np.int64)], -1.0)

    def values(self, kev: F64) -> F64:
        """Channels with the nearest central energies, keV."""
        right = np.clip(np.searchsorted(self.centres, kev), 1, len(self.centres) - 1)
        nearer = np.abs(self.centres[right - 1] - kev) < np.abs(self.centres[right] - kev)
        return (right - nearer + self.first_channel).astype(np.float64)


@dataclass(frozen=True, slots=True)
class _Photons:
    """Photons of a block of rows."""

    time: F64
    x: NDArray[np.float32]
    y: NDArray[np.float32]
    energy: NDArray[np.float32]
    detector: NDArray[np.int16]
    row: NDArray[np.int32]


@dataclass(slots=True)
class _Losses:
    """Numbers of rejected rows."""

    by_reason: Counter[str] = field(default_factory=Counter)
    bad_times: int = 0
    bad_energies: int = 0

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
            A time or an energy is not finite, or no photon passes the screening.
        """
        losses = _Losses()
        with self._readable() as file:
            parts = [self._screen(rows, losses) for rows in file.blocks(file.events)]
        if self.file.held_bytes > MAX_KEPT_BYTES:
            self.file.release()
        self._require_finite(losses)
        columns = {name: [getattr(part, name) for part in parts] for name in _Photons.__slots__}
        parts.clear()
        time = np.concatenate(columns["time"])
        kept = len(time)
        self._require_photons(kept, losses)
        order = np.argsort(time, kind="stable") if (time[1:] < time[:-1]).any() else None
        # Column by column, freeing its blocks, so that a long list is in memory only once.
        del time
        concatenated = {}
        for name in list(columns):
            whole = np.concatenate(columns.pop(name))
            concatenated[name] = whole if order is None else whole[order]
        return FieldEvents(**concatenated, screening=Screening(self.events.rows, kept, dict(losses.by_reason)))

    def _screen(self, rows: Rows, losses: _Losses) -> _Photons:
        time = rows.column(self.time_column).astype(np.float64) + self.time_shift
        stored = rows.column(self.energy.column).astype(np.float64)
        losses.bad_times += int(np.count_nonzero(~np.isfinite(time)))
        losses.bad_energies += int(np.count_nonzero(~np.isfinite(stored)))
        detector = self._detector(rows)
        kept = np.ones(rows.count, dtype=np.bool_)
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
        losses.drop(kept, inside, f"outside {low:g}–{high:g} keV")
        return kev

    def _screen_positions(self, rows: Rows, kept: Mask, losses: _Losses) -> tuple[Values, Values]:
        if self.x_column is None or self.y_column is None:
            zeros = np.zeros(rows.count, dtype=np.float32)
            return zeros, zeros
        x, y = rows.column(self.x_column), rows.column(self.y_column)
        for name, values in ((self.x_column, x), (self.y_column, y)):
            present = is_position(values, self.position_null, self.events.require(name).null)
            losses.drop(kept, present, "no sky position")
        return x, y

    def _require_finite(self, losses: _Losses) -> None:
        broken = ((losses.bad_times, "times"), (losses.bad_energies, "energies"))
        problems = ", ".join(
            f"{count:,} of {self.events.rows:,} {what} are not finite" for count, what in broken if count
        )
        if problems:
            raise UnreadableFileError(self.events.path, f"{problems}; the file is damaged, reprocess it")

    def _require_photons(self, kept: int, losses: _Losses) -> None:
        if kept:
            return
        rows, reasons = self.events.rows, losses.by_reason
        if reasons["outside good time"] == rows:
            raise UnreadableFileError(
                self.events.path,
                f"all {rows:,} events lie outside the good-time intervals; check TIMEZERO and the GTIs",
            )
        raise UnreadableFileError(
            self.events.path, f"none of {rows:,} events passes screening: {format_losses(reasons)}"
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
