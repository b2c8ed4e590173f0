"""Facts out of FITS headers: numbers, names, the mission's clock and the sky grid of the event columns.

Between `files`, which hands out keywords as they are written, and `mission`, which needs them to be true. A keyword
that must be a number and is not is an error with its name, never a default.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from xherald.photons import SkyProjection, TimeReference
from xherald.photons.errors import PhotonError, UnreadableFileError

from .fits_files import Hdu, Keywords

__all__ = ["first_number", "number", "pair", "sky_projection", "text", "time_reference"]


def text(header: Mapping[str, object], *keys: str) -> str:
    """The first of the keywords that says something, trimmed; "" if none does."""
    return next((said for key in keys if (said := str(header.get(key) or "").strip())), "")


def number(header: Mapping[str, object], key: str, path: Path) -> float | None:
    """A number, which some missions write as a string; None where the keyword is absent.

    Raises
    ------
    UnreadableFileError
        It is there and is no finite number.
    """
    value = header.get(key)
    if value is None or value == "":
        return None
    try:
        parsed = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        parsed = math.nan
    if not math.isfinite(parsed):
        raise UnreadableFileError(path, f"header keyword {key} = {value!r} is not a number; mend the header")
    return parsed


def first_number(headers: Iterable[Mapping[str, object]], key: str, path: Path) -> float | None:
    """The number of the first header that has the keyword."""
    return next((found for header in headers if (found := number(header, key, path)) is not None), None)


def pair(header: Mapping[str, object], first: str, second: str, path: Path) -> tuple[float, float] | None:
    """Right ascension and declination, deg, of two keywords; None if either is absent or they are no position.

    Missions fill pointings they do not know with 0, −100 or −999; a declination beyond the poles is none.
    """
    ra, dec = number(header, first, path), number(header, second, path)
    if ra is None or dec is None or not (0 <= ra <= 360 and abs(dec) <= 90):
        return None
    return ra, dec


def time_reference(headers: Iterable[Keywords], path: Path) -> TimeReference:
    """The mission's clock: MJDREFI + MJDREFF or MJDREF, of the first header that has either.

    Raises
    ------
    UnreadableFileError
        No header has one, or the time scale is unknown.
    """
    for header in headers:
        day, fraction = number(header, "MJDREFI", path), number(header, "MJDREFF", path)
        if day is None:
            whole = number(header, "MJDREF", path)
            if whole is None:
                continue
            fraction, day = math.modf(whole)
        try:
            return TimeReference(day, fraction or 0.0, text(header, "TIMESYS").lower() or "tt")
        except PhotonError as fault:
            raise UnreadableFileError(path, f"{fault}; mend TIMESYS or MJDREF") from fault
    raise UnreadableFileError(path, "no MJDREF in the events or primary header: its seconds have no date; add MJDREF")


def sky_projection(events: Hdu, x: str, y: str) -> SkyProjection:
    """The sky grid of two event columns, from the keywords TCTYPn, TCRVLn, TCRPXn, TCDLTn of their numbers.

    Raises
    ------
    UnreadableFileError
        A keyword is absent, a string where a number belongs, or describes no TAN or SIN grid.
    """
    path, header = events.path, events.header
    nx, ny = events.require(x).number, events.require(y).number

    def read(key: str) -> float:
        value = header.get(key)
        # A string is refused even where it holds a number: a writer that loses types loses values too.
        if isinstance(value, bool) or not isinstance(value, int | float):
            what = "is absent" if value is None else f"= {value!r} is not a number"
            raise UnreadableFileError(path, f"broken sky projection: {key} {what}; mend the WCS of columns {x}, {y}")
        return float(value)

    kinds = text(header, f"TCTYP{nx}").upper(), text(header, f"TCTYP{ny}").upper()
    kind = kinds[0][-3:]
    if kinds != (f"RA---{kind}", f"DEC--{kind}"):
        raise UnreadableFileError(path, f"broken sky projection: columns {x}, {y} are {kinds[0]!r}, {kinds[1]!r}")
    for key in (f"TCROT{nx}", f"TCROT{ny}"):
        if key in header and read(key) != 0:
            raise UnreadableFileError(path, f"sky projection is rotated ({key} = {read(key)}): not supported")
    try:
        return SkyProjection(
            kind=kind,
            ra=read(f"TCRVL{nx}"),
            dec=read(f"TCRVL{ny}"),
            x_reference=read(f"TCRPX{nx}"),
            y_reference=read(f"TCRPX{ny}"),
            x_step=read(f"TCDLT{nx}"),
            y_step=read(f"TCDLT{ny}"),
        )
    except PhotonError as fault:
        raise UnreadableFileError(path, f"broken sky projection: {fault}") from fault
