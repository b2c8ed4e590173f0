"""Good times and live fractions of each detector, from the GTI tables of a file.

A table belongs to the detector that a keyword, a data-subspace entry or its documented name gives it; where missions
differ is in `GtiLayout`. Used by `mission`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from xherald.photons.errors import GtiError
from xherald.photons.gti import Gti, as_gti, gti_union

from .fits_files import FitsFile, Hdu, Keywords
from .headers import first_number, number

__all__ = ["GtiLayout", "good_times", "live_fraction", "matching_tables"]


@dataclass(frozen=True, slots=True)
class GtiLayout:
    """How a mission names its GTI tables.

    Parameters
    ----------
    name : str
        Regular expression of EXTNAME; its group, if it has one, is the detector's number.
    detector_keyword : str
        Keyword of the GTI header with the detector's number; "" if there is none.
    """

    name: str
    detector_keyword: str = ""

    def matches(self, hdu: Hdu) -> bool:
        """Whether a table is laid out so."""
        return hdu.is_table and re.fullmatch(self.name, hdu.name) is not None

    def detector(self, hdu: Hdu) -> int | None:
        """The detector it belongs to; None if it does not say."""
        if self.detector_keyword:
            found = number(hdu.header, self.detector_keyword, hdu.path)
            return None if found is None else int(found)
        match = re.fullmatch(self.name, hdu.name)
        return int(match[1]) if match is not None and match.re.groups else None


def matching_tables(file: FitsFile, layouts: Sequence[GtiLayout]) -> tuple[GtiLayout | None, list[Hdu]]:
    """The tables of the first layout that the file has any of."""
    for layout in layouts:
        if found := [hdu for hdu in file.hdus if layout.matches(hdu)]:
            return layout, found
    return None, []


def good_times(file: FitsFile, tables: Iterable[Hdu], where: str, timezero: float) -> Gti:
    """Union of a detector's GTI tables, shape (m, 2), s, TIMEZERO applied; (0, 2) if they hold no interval.

    Parameters
    ----------
    file : FitsFile
    tables : iterable of Hdu
    where : str — what they belong to, for messages
    timezero : float — s, of the events, for tables that do not state their own

    Raises
    ------
    GtiError
        Intervals of one table overlap, are reversed or not finite.
    """
    sets = []
    for table in tables:
        start, stop = file.column(table, "START"), file.column(table, "STOP")
        if len(start):
            own = number(table.header, "TIMEZERO", table.path)
            intervals = np.column_stack([start, stop]).astype(np.float64) + (timezero if own is None else own)
            sets.append(as_gti(_with_length(intervals), where=f"{file.path}: good-time intervals of {where}"))
    if not sets:
        return np.empty((0, 2))
    return sets[0] if len(sets) == 1 else gti_union(*sets)


def _with_length(intervals: Gti) -> Gti:
    """Without intervals of no length, which filters leave behind, unless there is nothing else."""
    longer = intervals[intervals[:, 0] != intervals[:, 1]]
    return longer if len(longer) else intervals


def refuse_empty(path: Path, sets: Iterable[Gti]) -> None:
    """Refuse a file that has GTI tables with nothing in them."""
    if not any(len(gti) for gti in sets):
        raise GtiError(f"{path}: its good-time tables are empty: nothing was observed; reprocess it")


def live_fraction(headers: Sequence[Keywords], pairs: Iterable[tuple[str, str]], detector: int, path: Path) -> float:
    """Livetime over good time of a detector, in (0, 1].

    The first that is there and is a fraction counts: the detector's own LIVETIME over ONTIME, the dead-time corrections
    DTCOR and DEADC, then LIVETIME over ONTIME of the file; 1 without any of them. EXPOSURE plays no part: in real
    files it disagrees with the good times.

    Parameters
    ----------
    headers : sequence of Keywords — in order of trust
    pairs : iterable of (str, str)
        Keywords of livetime and good time, "{n}" standing for the detector.
    detector : int
    path : Path
    """

    def ratio(live: str, on: str) -> float | None:
        over, under = first_number(headers, live, path), first_number(headers, on, path)
        return over / under if over is not None and under else None

    tried = [ratio(live.format(n=detector), on.format(n=detector)) for live, on in pairs]
    tried += [first_number(headers, "DTCOR", path), first_number(headers, "DEADC", path), ratio("LIVETIME", "ONTIME")]
    # Rounded headers exceed one by parts in a thousand; more than that, or zero, says nothing about this detector.
    return next((min(value, 1.0) for value in tried if value is not None and 0 < value <= 1.001), 1.0)
