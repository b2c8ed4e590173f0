"""Time keywords of FITS headers: zero point and scale, spacecraft clock, units, barycentric times.

FITS standard 4.0 (Pence et al. 2018), §9; the guide to times in Swift FITS files for UTCFINIT.
"""

from __future__ import annotations

import math
import time as clock
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Final

from xherald.photons import TimeReference
from xherald.photons.errors import PhotonError, UnreadableFileError
from xherald.photons.times import SECONDS_A_DAY

from .fits_files import FitsFile
from .fits_tables import Hdu
from .headers import get_number, get_text
from .keywords import Keywords

__all__ = ["is_barycentric", "read_time_reference", "require_seconds"]

SCALES: Final = {
    "": "tt",
    "TT": "tt",
    "TDT": "tt",
    "ET": "tt",
    "TAI": "tai",
    "IAT": "tai",
    "GPS": "tai",
    "UTC": "utc",
    "GMT": "utc",
    "UT": "ut1",
    "UT1": "ut1",
    "TDB": "tdb",
    "TCG": "tcg",
    "TCB": "tcb",
}
"""Time scales by TIMESYS (FITS standard 4.0, table 30); "" is for files without it, all of whose missions use TT."""

GPS_BEHIND_TAI_S: Final = 19.0
MAX_CLOCK_CORRECTION_S: Final = 3600.0
SECONDS: Final = frozenset({"", "s", "sec", "secs", "second", "seconds"})
BARYCENTRIC: Final = frozenset({"SOLARSYSTEM", "BARYCENTER", "BARYCENTRIC", "BARYCENT", "HELIOCENTER", "HELIOCEN"})
UNIX_EPOCH_MJD: Final = 40_587.0
JD_OF_MJD_ZERO: Final = 2_400_000.5


def read_time_reference(file: FitsFile, span: tuple[float, float], mission: str, launch: str) -> TimeReference:
    """Zero point of mission time, with the correction of the spacecraft clock.

    Parameters
    ----------
    file : FitsFile
    span : (float, float) — first and last mission time, s
    mission : str
    launch : str — ISO date of its launch; "" if unknown

    Raises
    ------
    UnreadableFileError
        There is no zero point, the time scale is not supported, or the span is before launch or in the future.
    """
    headers = file.events.header, file.primary.header
    reference = _stated_reference(headers, file.path)
    _check_dates(file.path, reference, span, mission, launch)
    return _apply_clock_correction(reference, headers[0].over(headers[1]), span[0], file.path)


def _stated_reference(headers: Iterable[Keywords], path: Path) -> TimeReference:
    """Zero point of the first header that has one: MJDREFI and MJDREFF, MJDREF, JDREFI and JDREFF, or JDREF."""
    for header in headers:
        found = _zero_point(header, path)
        if found is None:
            continue
        day, fraction = found
        # The realization of a scale, as in TT(TAI), is of no importance here.
        name = get_text(header, "TIMESYS").upper().partition("(")[0].strip()
        if name not in SCALES:
            allowed = ", ".join(filter(None, SCALES))
            raise UnreadableFileError(
                path, f"time scale TIMESYS = {name} is not supported, only {allowed}; convert the times"
            )
        fraction += GPS_BEHIND_TAI_S / SECONDS_A_DAY if name == "GPS" else 0.0
        try:
            return TimeReference(day, fraction, SCALES[name])
        except PhotonError as fault:
            raise UnreadableFileError(path, f"{fault}; fix TIMESYS or MJDREF") from fault
    raise UnreadableFileError(path, "no MJDREF in the events or primary header, so times have no date; add MJDREF")


def _zero_point(header: Keywords, path: Path) -> tuple[float, float] | None:
    """MJD of time 0, as day and fraction."""
    for prefix, zero in (("MJDREF", 0.0), ("JDREF", JD_OF_MJD_ZERO)):
        day, fraction = (get_number(header, f"{prefix}{part}", path) for part in "IF")
        if day is None:
            whole = get_number(header, prefix, path)
            if whole is None:
                continue
            fraction, day = math.modf(whole)
        return day - zero, fraction or 0.0
    return None


def _apply_clock_correction(
    reference: TimeReference, header: Mapping[str, object], seconds: float, path: Path
) -> TimeReference:
    """Zero point with the correction of a spacecraft clock, from UTCFINIT, at a mission time in s.

    UTC is TIME + UTCFINIT, counted from the zero point in days of 86,400 s. It is not applied if CLOCKAPP says that the
    times are corrected.
    """
    utcf = get_number(header, "UTCFINIT", path)
    if utcf is None or is_true(header.get("CLOCKAPP")):
        return reference
    from astropy.time import Time

    zero = reference.to_time(0.0).utc
    utc = Time(zero.jd1, zero.jd2 + (seconds + utcf) / SECONDS_A_DAY, format="jd", scale="utc")
    correction = float((utc - reference.to_time(seconds)).sec)
    if abs(correction) > MAX_CLOCK_CORRECTION_S:
        raise UnreadableFileError(
            path, f"UTCFINIT = {utcf:g} corrects the clock by {correction:,.0f} s; fix the header or set CLOCKAPP"
        )
    return replace(reference, mjd_fraction=reference.mjd_fraction + correction / SECONDS_A_DAY)


def is_true(value: object) -> bool:
    """Whether a keyword is a logical T, or a text that says the same."""
    return value is True or (isinstance(value, str) and value.strip().upper() in ("T", "TRUE", "YES"))


def is_barycentric(header: Mapping[str, object]) -> bool:
    """Whether times are those of arrival at the solar-system barycentre (TIMEREF, TREFPOS)."""
    return any(get_text(header, key).upper() in BARYCENTRIC for key in ("TIMEREF", "TREFPOS"))


def require_seconds(table: Hdu, columns: Iterable[str]) -> None:
    """Refuse times in another unit than seconds.

    Parameters
    ----------
    table : Hdu
    columns : iterable of str — columns of times, which may be absent

    Raises
    ------
    UnreadableFileError
        TUNIT of a column, or TIMEUNIT, is another unit.
    """
    unit = get_text(table.header, "TIMEUNIT")
    if unit.lower() not in SECONDS:
        raise UnreadableFileError(
            table.path,
            f"table {table.name}: TIMEUNIT = {unit!r}, but only times in seconds are supported; convert them to s",
        )
    for name in columns:
        if name.upper() not in table.columns:
            continue
        column = table.require(name)
        unit = get_text(table.header, f"TUNIT{column.number}")
        if unit.lower() not in SECONDS:
            raise UnreadableFileError(
                table.path,
                f"table {table.name}: column {column.name} is in TUNIT{column.number} = {unit!r}, but only times in "
                "seconds are supported; convert it to s",
            )


def _check_dates(path: Path, reference: TimeReference, span: tuple[float, float], mission: str, launch: str) -> None:
    """Refuse times before the launch of a mission or in the future."""
    first, last = (reference.mjd(end) for end in span)
    earliest = date.fromisoformat(launch or "1962-06-18")
    # A day of tolerance, as clocks and scales differ.
    before = earliest.toordinal() - date(1858, 11, 17).toordinal() - 1.0
    after = UNIX_EPOCH_MJD + clock.time() / SECONDS_A_DAY + 1.0
    if before <= first and last <= after:
        return
    when = f"{_format_mjd(first)} to {_format_mjd(last)}"
    limit = f"the launch of {mission} on {earliest}" if launch else f"the first X-ray observation on {earliest}"
    raise UnreadableFileError(
        path,
        f"times of {when} are before {limit} or in the future; check MJDREF, TIMEZERO and the unit of TIME "
        "(TIMEUNIT, TUNIT)",
    )


def _format_mjd(mjd: float) -> str:
    """Date of an MJD; the number itself if the calendar does not have it."""
    try:
        return date.fromordinal(int(mjd) + date(1858, 11, 17).toordinal()).isoformat()
    except (ValueError, OverflowError):
        return f"MJD {mjd:,.0f}"
