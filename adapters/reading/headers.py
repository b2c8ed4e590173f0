"""Values of FITS headers: numbers, text, pointing, time reference and sky projection.

An invalid value is an error that names the keyword; it is never replaced by a default.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xherald.photons import SkyProjection, TimeReference
from xherald.photons.errors import PhotonError, UnreadableFileError

from .fits_files import Hdu
from .keywords import Keywords

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = [
    "get_first_number",
    "get_number",
    "get_sky_position",
    "get_text",
    "pixel_list_wcs",
    "sky_projection",
    "time_reference",
]

WCS_KEYWORD: Final = re.compile(
    r"(TCTYP|TCUNI|TCNAM|TCRVL|TCRPX|TCDLT|TCROT|TCD?|TPC?|TPV|TV|LONP|LATP|RADE|EQUI)(?P<column>\d+)(_\d+)?"
)
"""Keywords of the world coordinates of a column, primary description."""

ORDINARY_KEYWORD: Final = re.compile(r"(TCTYP|TCNAM|TCRVL|TCRPX|TCDLT|RADE|EQUI)\d")

MATRIX_WITH_SCALES: Final = re.compile(r"TCD?\d+_\d+")
"""Elements of a matrix that takes the place of TCDLT."""


def get_text(header: Mapping[str, object], *keys: str) -> str:
    """First non-empty value of the keywords, stripped; "" if there is none."""
    return next((value for key in keys if (value := str(header.get(key) or "").strip())), "")


def get_number(header: Mapping[str, object], key: str, path: Path) -> float | None:
    """Number of a keyword, possibly written as a string; None if absent.

    Raises
    ------
    UnreadableFileError
        The value is not a finite number.
    """
    value = header.get(key)
    if value is None or value == "":
        return None
    try:
        parsed = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        parsed = math.nan
    if not math.isfinite(parsed):
        raise UnreadableFileError(path, f"header keyword {key} = {value!r} is not a number; fix the header")
    return parsed


def get_first_number(headers: Iterable[Mapping[str, object]], key: str, path: Path) -> float | None:
    """Number of a keyword in the first header that has it."""
    return next((found for header in headers if (found := get_number(header, key, path)) is not None), None)


def get_sky_position(header: Mapping[str, object], first: str, second: str, path: Path) -> tuple[float, float] | None:
    """Right ascension and declination, deg, of two keywords; None if either is absent or out of range.

    Unknown pointings have values such as −100 or −999 in the files of some missions.
    """
    ra, dec = get_number(header, first, path), get_number(header, second, path)
    if ra is None or dec is None or not (0 <= ra <= 360 and abs(dec) <= 90):
        return None
    return ra, dec


def time_reference(headers: Iterable[Keywords], path: Path) -> TimeReference:
    """Time reference from MJDREFI and MJDREFF, or MJDREF, of the first header that has them.

    Raises
    ------
    UnreadableFileError
        No header has them, or the time scale is not supported.
    """
    for header in headers:
        day, fraction = get_number(header, "MJDREFI", path), get_number(header, "MJDREFF", path)
        if day is None:
            whole = get_number(header, "MJDREF", path)
            if whole is None:
                continue
            fraction, day = math.modf(whole)
        try:
            return TimeReference(day, fraction or 0.0, get_text(header, "TIMESYS").lower() or "tt")
        except PhotonError as fault:
            raise UnreadableFileError(path, f"{fault}; fix TIMESYS or MJDREF") from fault
    raise UnreadableFileError(path, "no MJDREF in the events or primary header, so times have no date; add MJDREF")


def pixel_list_wcs(header: Keywords, nx: int, ny: int) -> WCS:
    """Interpret the WCS keywords of two columns, given by number, with astropy.

    Raises
    ------
    ValueError
        They do not describe a valid coordinate system.
    """
    from astropy.wcs import WCS, FITSFixedWarning

    cards = header.cards(_wcs_keywords(header, nx, ny))
    with warnings.catch_warnings():
        # TPCn_k and TCDn_k, which some writers use for TPn_k and TCn_k, are understood with a warning.
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(cards, keysel=["pixel"], colsel=[nx, ny], fix=False)


def _wcs_keywords(header: Keywords, nx: int, ny: int) -> list[str]:
    """Keywords of the world coordinates of two columns."""
    return [key for key in header if (match := WCS_KEYWORD.fullmatch(key)) and int(match["column"]) in (nx, ny)]


def _is_ordinary(header: Keywords, key: str) -> bool:
    """Whether a keyword needs no more than the closed form."""
    if key.startswith("TCUNI"):
        return get_text(header, key).lower() in ("", "deg", "degree", "degrees")
    return ORDINARY_KEYWORD.match(key) is not None


def sky_projection(events: Hdu, x: str, y: str) -> SkyProjection:
    """Sky projection of two event columns (WCS of a pixel list: Greisen & Calabretta 2002, A&A 395, 1061, table 2).

    TCTYPn, TCRVLn, TCRPXn and TCDLTn alone are read here; with any further keyword of these columns, such as a matrix
    TPn_k, TCn_k or TCROTn, or another projection than TAN or SIN, the header is interpreted by astropy.

    Raises
    ------
    UnreadableFileError
        A keyword is absent, a string where a number belongs, or the keywords do not describe a projection of right
        ascension and declination in ICRS or FK5.
    """
    path, header = events.path, events.header
    nx, ny = events.require(x).number, events.require(y).number

    def read(key: str) -> float:
        value = header.get(key)
        # A string is refused even if it represents a number: a writer that loses types may lose values, too.
        if isinstance(value, bool) or not isinstance(value, int | float):
            what = "is absent" if value is None else f"= {value!r} is not a number"
            raise UnreadableFileError(path, f"broken sky projection: {key} {what}; fix the WCS of columns {x}, {y}")
        return float(value)

    kinds = get_text(header, f"TCTYP{nx}").upper(), get_text(header, f"TCTYP{ny}").upper()
    kind = kinds[0][-3:]
    if kinds != (f"RA---{kind}", f"DEC--{kind}"):
        raise UnreadableFileError(
            path, f"broken sky projection: columns {x}, {y} are {kinds[0]!r}, {kinds[1]!r}, not right ascension and Dec"
        )
    if get_text(header, f"RADE{nx}", "RADESYS", "RADECSYS").upper().startswith("FK4"):
        raise UnreadableFileError(path, "positions are in FK4 (B1950); convert them to ICRS")
    ra, dec, x_reference, y_reference = (read(f"{key}{n}") for key in ("TCRVL", "TCRPX") for n in (nx, ny))
    others = [key for key in _wcs_keywords(header, nx, ny) if not _is_ordinary(header, key)]
    for key in others:
        if not key.startswith("TCUNI"):
            read(key)
    has_scales = any(MATRIX_WITH_SCALES.fullmatch(key) for key in others)
    steps = (0.0, 0.0) if has_scales else (read(f"TCDLT{nx}"), read(f"TCDLT{ny}"))
    try:
        # At the pole, the default of LONPOLE is not that of the closed form.
        if others or kind not in ("TAN", "SIN") or dec >= 90:
            return SkyProjection.from_wcs(pixel_list_wcs(header, nx, ny))
        return SkyProjection(kind, ra, dec, x_reference, y_reference, *steps)
    except (PhotonError, ValueError) as error:
        raise UnreadableFileError(path, f"broken sky projection: {error}") from error
