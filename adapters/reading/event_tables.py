"""Events tables of a file: which tables have events, and several of equal layout as one."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from xherald.photons.errors import UnreadableFileError

from .fits_tables import Hdu

__all__ = ["has_photons", "is_events", "join_tables"]

EVENTS_NAME: Final = re.compile(r"(EVENTS|STDEVT)\d*")

LAYOUT: Final = re.compile(
    r"NAXIS1|TFIELDS|(TTYPE|TFORM|TSCAL|TZERO|TNULL|TUNIT|TCTYP|TCRVL|TCRPX|TCDLT|TCROT)\d+|TP?C\d+_\d+|T[CP]\d+_\d+"
    r"|TIMEZERO|MJDREF[IF]?|TIMESYS|TIMEREF|TIMEUNIT|TIMEPIXR|TIMEDEL|UTCFINIT|CLOCKAPP"
    r"|TELESCOP|INSTRUME|DETNAM|DATAMODE|READMODE|GRATING|OBS_ID|RADESYS|RADECSYS|EQUINOX"
)
"""Keywords in which tables that are read as one must agree: columns, times, sky coordinates, instrument."""


def is_events(hdu: Hdu) -> bool:
    """Whether a table is named as one of events."""
    return hdu.is_table and EVENTS_NAME.fullmatch(hdu.name) is not None


def has_photons(hdu: Hdu) -> bool:
    """Whether a table of another name has times and energy channels."""
    return hdu.is_table and "TIME" in hdu.columns and "PI" in hdu.columns


def join_tables(tables: Sequence[Hdu]) -> Hdu:
    """One table with the rows of several, in order; empty ones are left out.

    Raises
    ------
    UnreadableFileError
        Their layouts differ, or they belong to different instruments or observations.
    """
    filled = [one for one in tables if one.rows] or [tables[0]]
    first = filled[0]
    for other in filled[1:]:
        if (key := _first_difference(first.header, other.header)) is not None:
            values = " and ".join(str(one.header.get(key, "absent")) for one in (first, other))
            raise UnreadableFileError(
                first.path,
                f"has {len(filled)} events tables ({', '.join(one.name for one in filled)}) that differ in {key} "
                f"({values}), so that they cannot be read as one; give each as a file of its own",
            )
    if len(filled) == 1:
        return first
    parts = tuple((one.offset, one.rows) for one in filled)
    return replace(first, rows=sum(rows for _, rows in parts), parts=parts)


def _first_difference(one: Mapping[str, object], other: Mapping[str, object]) -> str | None:
    """First keyword of the layout whose value differs."""
    keys = dict.fromkeys(key for header in (one, other) for key in header if LAYOUT.fullmatch(key))
    return next((key for key in keys if one.get(key) != other.get(key)), None)
