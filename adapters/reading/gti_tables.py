"""Good times and live fractions of each detector, from the GTI tables of a file.

The detector of a table follows from a keyword or from its name, as described by a `GtiLayout`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xherald.photons.errors import GtiError
from xherald.photons.gti import Gti, as_gti, gti_union

from .fits_files import FitsFile, Hdu
from .headers import get_first_number, get_number
from .keywords import Keywords

__all__ = ["GtiLayout", "find_gti_tables", "live_fraction", "read_good_times", "require_intervals"]


@dataclass(frozen=True, slots=True)
class GtiLayout:
    """Names of a mission's GTI tables.

    Parameters
    ----------
    name : str
        Regular expression of EXTNAME; a group, if any, matches the detector's number.
    detector_keyword : str
        Keyword of the detector's number in the header of the table; "" for none.
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
            return None if found is None else int(found)
        match = re.fullmatch(self.name, hdu.name)
        return int(match[1]) if match is not None and match.re.groups else None


def find_gti_tables(file: FitsFile, layouts: Sequence[GtiLayout]) -> tuple[GtiLayout | None, list[Hdu]]:
    """GTI tables of the first layout that any table of the file matches."""
    for layout in layouts:
        if found := [hdu for hdu in file.hdus if layout.matches(hdu)]:
            return layout, found
    return None, []


def read_good_times(file: FitsFile, tables: Iterable[Hdu], where: str, timezero: float) -> Gti:
    """Union of a detector's GTI tables, shape (m, 2), s, TIMEZERO applied; (0, 2) if they are empty.

    Parameters
    ----------
    file : FitsFile
    tables : iterable of Hdu
    where : str — description for error messages
    timezero : float — s, of the events, for tables without TIMEZERO

    Raises
    ------
    GtiError
        Intervals of one table overlap, are reversed or not finite.
    """
    sets = []
    for table in tables:
        start, stop = file.column(table, "START"), file.column(table, "STOP")
        if len(start):
            own = get_number(table.header, "TIMEZERO", table.path)
            intervals = np.column_stack([start, stop]).astype(np.float64) + (timezero if own is None else own)
            sets.append(as_gti(_drop_empty_intervals(intervals), where=f"{file.path}: good-time intervals of {where}"))
    if not sets:
        return np.empty((0, 2))
    return sets[0] if len(sets) == 1 else gti_union(*sets)


def _drop_empty_intervals(intervals: Gti) -> Gti:
    """Remove intervals of zero length, which some filters write, unless all are."""
    longer = intervals[intervals[:, 0] != intervals[:, 1]]
    return longer if len(longer) else intervals


def require_intervals(path: Path, sets: Iterable[Gti]) -> None:
    """Raise `GtiError` if all good times are empty."""
    if not any(len(gti) for gti in sets):
        raise GtiError(f"{path}: all GTI tables are empty; reprocess the file")


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
