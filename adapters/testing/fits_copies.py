"""Copies of a valid FITS file with a single change, for `check_adapter`.

The bytes are edited in place, so that the rest remains as written by the mission's software.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.adapters.reading.fits_files import BLOCK, Column, FitsFile, Hdu, load_fits
from xherald.adapters.reading.keywords import CARD, data_size
from xherald.photons import FieldEvents
from xherald.plugins.contract import ReadLimits

__all__ = ["FitsCopy", "is_fits"]

GZIP_MAGIC: Final = b"\x1f\x8b"
MAX_COMPARED: Final = 5_000
"""Largest number of photons that are compared to identify a column."""


def is_fits(path: Path) -> bool:
    """Whether a file, plain or gzip, begins like a FITS file."""
    with path.open("rb") as file:
        is_gzip = file.read(2) == GZIP_MAGIC
    try:
        with gzip.open(path) if is_gzip else path.open("rb") as file:
            return bool(file.read(9) == b"SIMPLE  =")
    except (OSError, EOFError):
        return False


@dataclass(frozen=True, slots=True)
class _Unit:
    """Header and data of one unit, as bytes."""

    header: bytes
    data: bytes


class FitsCopy:
    """A valid file in memory, decompressed and split into units.

    Parameters
    ----------
    path : Path
        File of the author.
    scratch : Path
        Folder for a decompressed copy.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        raw = path.read_bytes()
        self.content = gzip.decompress(raw) if raw[:2] == GZIP_MAGIC else raw
        self.plain = scratch / path.name
        self.plain.write_bytes(self.content)
        self.file: FitsFile = load_fits(self.plain, ReadLimits())
        self.index = self.file.hdus.index(self.file.events)
        self._units = self._split()

    @property
    def events(self) -> Hdu:
        """The events table."""
        return self.file.events

    @property
    def good_time_indices(self) -> list[int]:
        """Indices of the units with good times, which have columns START and STOP."""
        return [i for i, one in enumerate(self.file.hdus) if {"START", "STOP"} <= set(one.columns)]

    def _split(self) -> list[_Unit]:
        units, start = [], 0
        for hdu in self.file.hdus:
            size = data_size(hdu.header, hdu.path)
            end = hdu.offset + size + -size % BLOCK
            units.append(_Unit(self.content[start : hdu.offset], self.content[hdu.offset : end]))
            start = end
        return units

    # Identification of columns

    def column_like(
        self, wanted: NDArray[Any], events: FieldEvents, *, scaled: bool, prefer: str = ""
    ) -> Column | None:
        """Find the column that corresponds to a quantity of the photons.

        Parameters
        ----------
        wanted : ndarray, shape (n,) — times or energies of `events`
        events : FieldEvents
        scaled : bool — whether the relation may include a factor, not only an offset
        prefer : str — name of the column to prefer if several correspond
        """
        some = np.linspace(0, len(events) - 1, min(len(events), MAX_COMPARED)).astype(np.int64)
        rows, values = events.row[some], wanted[some].astype(np.float64)
        spread = float(np.ptp(values))
        best: tuple[float, Column] | None = None
        for column in self.events.columns.values():
            if column.dtype is None or column.dtype.shape or column.dtype.kind not in "fiu":
                continue
            own = self.file.column(self.events, column.name)[rows].astype(np.float64)
            if not np.isfinite(own).all() or np.ptp(own) == 0 or spread == 0:
                continue
            factor = float(np.cov(own, values)[0, 1] / np.var(own, ddof=1)) if scaled else 1.0
            away = values - factor * own
            off = float(np.ptp(away)) / spread
            if off < 0.02 and column.name.upper() == prefer:
                return column
            if off < 0.02 and (best is None or off < best[0]):
                best = (off, column)
        return None if best is None else best[1]

    def sky_columns(self) -> tuple[Column, Column] | None:
        """Columns with a projection of right ascension and declination, according to TCTYP."""
        kinds = {
            one.number: str(self.events.header.get(f"TCTYP{one.number}", "")) for one in self.events.columns.values()
        }
        by_number = {one.number: one for one in self.events.columns.values()}
        across = [by_number[n] for n, kind in kinds.items() if kind.upper().startswith("RA--")]
        up = [by_number[n] for n, kind in kinds.items() if kind.upper().startswith("DEC-")]
        return (across[0], up[0]) if len(across) == len(up) == 1 else None

    # Copies

    def write(self, folder: Path, content: bytes) -> Path:
        """Write a file of the same name."""
        path = folder / self.plain.name
        path.write_bytes(content)
        return path

    def headers_only(self, folder: Path) -> Path:
        """Copy truncated at the first photon."""
        return self.write(folder, self.content[: self.events.offset])

    def cut(self, folder: Path) -> Path:
        """Copy truncated in the middle of the photons."""
        size = self.events.rows * self.events.row_bytes
        return self.write(folder, self.content[: self.events.offset + size // 2])

    def with_rows(self, folder: Path, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Path:
        """Copy with changed rows, as bytes of shape (rows, bytes per row)."""
        hdu, unit = self.events, self._units[self.index]
        size = hdu.rows * hdu.row_bytes
        rows = np.frombuffer(unit.data[:size], dtype=np.uint8).reshape(hdu.rows, hdu.row_bytes).copy()
        made = np.ascontiguousarray(change(rows))
        data = made.tobytes() + unit.data[size : data_size(hdu.header, hdu.path)]
        header = _with_card(unit.header, "NAXIS2", str(len(made)))
        for key in ("CHECKSUM", "DATASUM"):  # of the original data
            header = _with_card(header, key, None)
        return self._write_units(folder, {self.index: _Unit(header, data + b"\0" * (-len(data) % BLOCK))})

    def with_values(self, folder: Path, column: Column, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Path:
        """Copy with changed stored values of a column."""
        assert column.dtype is not None
        dtype = column.dtype

        def changed(rows: NDArray[np.uint8]) -> NDArray[np.uint8]:
            part = slice(column.offset, column.offset + column.width)
            stored = np.ascontiguousarray(rows[:, part]).view(dtype.base).reshape(len(rows), -1)
            made = np.ascontiguousarray(change(stored), dtype=dtype.base)
            rows[:, part] = made.reshape(len(rows), -1).view(np.uint8)
            return rows

        return self.with_rows(folder, changed)

    def with_cards(self, folder: Path, cards: dict[int, dict[str, str | None]]) -> Path:
        """Copy with changed header cards by unit, values in FITS format; None removes a card."""
        changed = {}
        for index, wanted in cards.items():
            header = self._units[index].header
            for key, value in wanted.items():
                header = _with_card(header, key, value)
            changed[index] = _Unit(header, self._units[index].data)
        return self._write_units(folder, changed)

    def without(self, folder: Path, indices: list[int]) -> Path:
        """Copy without some units."""
        return self.write(folder, b"".join(u.header + u.data for i, u in enumerate(self._units) if i not in indices))

    def _write_units(self, folder: Path, changed: dict[int, _Unit]) -> Path:
        units = [changed.get(i, unit) for i, unit in enumerate(self._units)]
        return self.write(folder, b"".join(unit.header + unit.data for unit in units))


def _with_card(header: bytes, key: str, value: str | None) -> bytes:
    cards = [header[i : i + CARD] for i in range(0, len(header), CARD)]
    end = next(i for i, card in enumerate(cards) if card.rstrip() == b"END")
    kept = [card for card in cards[:end] if card[:8].rstrip() != key.encode()]
    at = next((i for i, card in enumerate(cards[:end]) if card[:8].rstrip() == key.encode()), len(kept))
    if value is not None:
        kept.insert(min(at, len(kept)), f"{key:<8}= {value:>20}".ljust(CARD).encode("ascii"))
    joined = b"".join([*kept, b"END".ljust(CARD)])
    return joined + b" " * (-len(joined) % BLOCK)
