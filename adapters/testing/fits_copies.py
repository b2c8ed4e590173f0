"""Copies of an author's good FITS file, made wrong in one place: what `check_adapter` holds refusals against.

Bytes are changed, not tables rewritten: everything but the one thing stays as the mission's software wrote it.
"""

from __future__ import annotations

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.adapters.reading.fits_files import BLOCK, CARD, Column, FitsFile, Hdu, data_bytes, load_fits
from xherald.photons import FieldEvents
from xherald.plugins.contract import ReadLimits

__all__ = ["FitsCopy", "is_fits"]

GZIP_MAGIC: Final = b"\x1f\x8b"
PROBED: Final = 5_000
"""Photons that a column is held against to tell what it is."""


def is_fits(path: Path) -> bool:
    """Whether a file, plain or gzip, begins as FITS does."""
    with path.open("rb") as file:
        packed = file.read(2) == GZIP_MAGIC
    try:
        with gzip.open(path) if packed else path.open("rb") as file:
            return bool(file.read(9) == b"SIMPLE  =")
    except (OSError, EOFError):
        return False


@dataclass(frozen=True, slots=True)
class _Unit:
    """Header and data of one unit, as bytes."""

    header: bytes
    data: bytes


class FitsCopy:
    """A good file in memory, inflated, with its units told apart.

    Parameters
    ----------
    path : Path
        The author's own file.
    scratch : Path
        A folder that an inflated copy is put into.
    """

    def __init__(self, path: Path, scratch: Path) -> None:
        raw = path.read_bytes()
        self.content = gzip.decompress(raw) if raw[:2] == GZIP_MAGIC else raw
        self.plain = scratch / path.name
        self.plain.write_bytes(self.content)
        self.file: FitsFile = load_fits(self.plain, ReadLimits())
        self.place = self.file.hdus.index(self.file.events)
        self._units = self._split()

    @property
    def events(self) -> Hdu:
        """The events table."""
        return self.file.events

    @property
    def good_time_places(self) -> list[int]:
        """Which units are tables of good times: those with columns START and STOP."""
        return [i for i, one in enumerate(self.file.hdus) if {"START", "STOP"} <= set(one.columns)]

    def _split(self) -> list[_Unit]:
        units, start = [], 0
        for hdu in self.file.hdus:
            size = data_bytes(hdu.header, hdu.path)
            end = hdu.offset + size + -size % BLOCK
            units.append(_Unit(self.content[start : hdu.offset], self.content[hdu.offset : end]))
            start = end
        return units

    # Which column is which

    def column_like(
        self, wanted: NDArray[Any], events: FieldEvents, *, scaled: bool, prefer: str = ""
    ) -> Column | None:
        """The column whose values go with those of the photons.

        Parameters
        ----------
        wanted : ndarray, shape (n,) — times or energies of `events`
        events : FieldEvents
        scaled : bool — whether a factor may lie between, or a shift alone
        prefer : str — name of the column that is taken where several would do
        """
        some = np.linspace(0, len(events) - 1, min(len(events), PROBED)).astype(np.int64)
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
        """The pair of columns whose keywords say that they are right ascension and declination on a plane."""
        kinds = {
            one.number: str(self.events.header.get(f"TCTYP{one.number}", "")) for one in self.events.columns.values()
        }
        by_number = {one.number: one for one in self.events.columns.values()}
        across = [by_number[n] for n, kind in kinds.items() if kind.upper().startswith("RA--")]
        up = [by_number[n] for n, kind in kinds.items() if kind.upper().startswith("DEC-")]
        return (across[0], up[0]) if len(across) == len(up) == 1 else None

    # Copies

    def write(self, folder: Path, content: bytes) -> Path:
        """A file of the same name."""
        path = folder / self.plain.name
        path.write_bytes(content)
        return path

    def headers_only(self, folder: Path) -> Path:
        """Cut off where the photons begin."""
        return self.write(folder, self.content[: self.events.offset])

    def cut(self, folder: Path) -> Path:
        """Cut off in the middle of the photons."""
        size = self.events.rows * self.events.row_bytes
        return self.write(folder, self.content[: self.events.offset + size // 2])

    def with_rows(self, folder: Path, change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]]) -> Path:
        """With other rows of photons, as bytes of shape (rows, bytes a row)."""
        hdu, unit = self.events, self._units[self.place]
        size = hdu.rows * hdu.row_bytes
        rows = np.frombuffer(unit.data[:size], dtype=np.uint8).reshape(hdu.rows, hdu.row_bytes).copy()
        made = np.ascontiguousarray(change(rows))
        data = made.tobytes() + unit.data[size : data_bytes(hdu.header, hdu.path)]
        header = _with_card(unit.header, "NAXIS2", str(len(made)))
        return self._joined(folder, {self.place: _Unit(header, data + b"\0" * (-len(data) % BLOCK))})

    def with_values(self, folder: Path, column: Column, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Path:
        """With other stored values of one column."""
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
        """With other cards of some units' headers, values as FITS writes them; None takes a card away."""
        changed = {}
        for place, wanted in cards.items():
            header = self._units[place].header
            for key, value in wanted.items():
                header = _with_card(header, key, value)
            changed[place] = _Unit(header, self._units[place].data)
        return self._joined(folder, changed)

    def without(self, folder: Path, places: list[int]) -> Path:
        """Without some units."""
        return self.write(folder, b"".join(u.header + u.data for i, u in enumerate(self._units) if i not in places))

    def _joined(self, folder: Path, changed: dict[int, _Unit]) -> Path:
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
