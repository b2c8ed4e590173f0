"""Good times and live fractions of each detector, from the GTI tables of a file.

The detector of a table follows from a keyword or from its name, as described by a `GtiLayout`. Tables of other names
are recognized by HDUCLAS1 = 'GTI' (OGIP memo 92-001 on the classes of FITS files).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xherald.photons.errors import UnreadableFileError
from xherald.photons.gti import Gti, clean_gti

from .fits_files import FitsFile
from .fits_tables import Hdu
from .headers import get_first_number, get_number, get_text
from .keywords import Keywords
from .time_keywords import require_seconds

__all__ = ["GtiLayout", "find_gti_tables", "live_fraction", "read_good_times", "require_intervals"]

EDGES = (("START", "STOP"), ("TSTART", "TSTOP"))
"""Columns of the start and stop of an interval, in order of preference."""

ANY_NAME = ".*"


@dataclass(frozen=True, slots=True)
class GtiLayout:
    """Names of a mission's GTI tables.

    Parameters
    ----------
    name : str
        Regular expression of EXTNAME; a group, if any, matches the detector's number.
    detector_keyword : str
        Keyword of the detector's number in the header of the table, which takes precedence; "" for none.
    """

    name: str
    detector_keyword: str = ""

    def matches(self, hdu: Hdu) -> bool:
        """Whether a table has this layout."""
        return hdu.is_table and re.fullmatch(self.name, hdu.name) is not None

    def detector(self, hdu: Hdu) -> int | None:
        """Number of the detector it belongs to; None if it does not name one."""
        if self.detector_keyword:
            found = get_number(hdu.header, self.detector_keyword, hdu.path)
            if found is not None:
                return int(found)
        match = re.fullmatch(self.name, hdu.name)
        return int(match[1]) if match is not None and match.re.groups and match[1] else None


def find_gti_tables(file: FitsFile, layouts: Sequence[GtiLayout]) -> tuple[GtiLayout | None, list[Hdu]]:
    """GTI tables of the first layout that any table of the file matches, else those with HDUCLAS1 = 'GTI'.

    Of several such tables with different names, the first counts; the others are named in a note.
    """
    for layout in layouts:
        if found := [hdu for hdu in file.hdus if layout.matches(hdu)]:
            return layout, found
    classed = [hdu for hdu in file.hdus if hdu.is_table and get_text(hdu.header, "HDUCLAS1").upper() == "GTI"]
    if not classed:
        return None, []
    used = [hdu for hdu in classed if hdu.name == classed[0].name]
    if others := sorted({hdu.name for hdu in classed} - {classed[0].name}):
        file.note(f"good times are those of table {classed[0].name}; not used: {', '.join(others)}")
    return GtiLayout(ANY_NAME, layouts[0].detector_keyword if layouts else ""), used


def read_good_times(file: FitsFile, tables: Iterable[Hdu], where: str, timezero: float) -> Gti:
    """Union of a detector's GTI tables, shape (m, 2), s, TIMEZERO applied; (0, 2) if they are empty.

    Parameters
    ----------
    file : FitsFile
        It gets a note if intervals overlap or are empty.
    tables : iterable of Hdu
    where : str — description for messages
    timezero : float — s, of the events, for tables without TIMEZERO

    Raises
    ------
    GtiError
        An interval is reversed or not finite.
    """
    sets = []
    for table in tables:
        if table.rows:
            own = get_number(table.header, "TIMEZERO", table.path)
            intervals = _read_intervals(file, table) + (timezero if own is None else own)
            cleaned, changes = clean_gti(intervals, where=f"good times of {where}, table {table.name}")
            sets.append(cleaned)
            if changes:
                # The same for all detectors in most files: without their names, it is one note.
                file.note(f"good-time intervals: {', '.join(changes)}")
    if len(sets) < 2:
        return sets[0] if sets else np.empty((0, 2))
    # Tables of one detector share intervals in most merged files; that is not an error.
    return clean_gti(np.concatenate(sets))[0]


def _read_intervals(file: FitsFile, table: Hdu) -> Gti:
    """Rows of a table as stored, shape (m, 2); null values are NaN."""
    names = next((pair for pair in EDGES if set(pair) <= set(table.columns)), EDGES[0])
    require_seconds(table, names)
    columns = []
    for name in names:
        values = file.column(table, name).astype(np.float64)
        null = table.require(name).null
        columns.append(values if null is None else np.where(values == null, np.nan, values))
    return np.column_stack(columns)


def require_intervals(path: Path, sets: Iterable[Gti]) -> None:
    """Raise `UnreadableFileError` if all good times are empty."""
    if not any(len(gti) for gti in sets):
        raise UnreadableFileError(path, "all GTI tables are empty; reprocess the file")


def live_fraction(headers: Sequence[Keywords], pairs: Iterable[tuple[str, str]], detector: int, path: Path) -> float:
    """Livetime over good time of a detector, in (0, 1].

    The first valid value of: livetime over good time of the detector, the dead-time corrections DTCOR and DEADC,
    LIVETIME over ONTIME of the file; else 1. EXPOSURE is not used: in real files it disagrees with the good times.

    Parameters
    ----------
    headers : sequence of Keywords — in order of preference
    pairs : iterable of (str, str)
        Keywords of livetime and good time, with "{n}" for the detector.
    detector : int
    path : Path
    """

    def ratio(live: str, on: str) -> float | None:
        over, under = get_first_number(headers, live, path), get_first_number(headers, on, path)
        return over / under if over is not None and under else None

    candidates = [ratio(live.format(n=detector), on.format(n=detector)) for live, on in pairs]
    candidates += [
        get_first_number(headers, "DTCOR", path),
        get_first_number(headers, "DEADC", path),
        ratio("LIVETIME", "ONTIME"),
    ]
    # Rounding may exceed one by parts in a thousand; other values outside (0, 1] are invalid.
    return next((min(value, 1.0) for value in candidates if value is not None and 0 < value <= 1.001), 1.0)
