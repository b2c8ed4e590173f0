"""Sky projection of two event columns: `sky_projection`, and `pixel_list_wcs` by astropy.

WCS of a pixel list: Greisen & Calabretta 2002, A&A 395, 1061, table 2. Every keyword of the columns is applied or
refused.
"""

from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Final

from xherald.photons import SkyProjection
from xherald.photons.errors import PhotonError, UnreadableFileError

from .fits_tables import Hdu
from .headers import get_number, get_text
from .keywords import CARD, Keywords

if TYPE_CHECKING:
    from astropy.wcs import WCS

__all__ = ["pixel_list_wcs", "sky_projection"]

WCS_KEYWORD: Final = re.compile(
    r"(TCTYP|TCUNI|TCNAM|TCRVL|TCRPX|TCDLT|TCROT|TCD?|TPC?|TPV|TV|LONP|LATP|RADE|EQUI)(?P<column>\d+)(_\d+)?"
)
"""Keywords of the world coordinates of a column, primary description."""

ORDINARY_KEYWORD: Final = re.compile(r"(TCTYP|TCNAM|TCRVL|TCRPX|TCDLT|RADE|EQUI)\d")

MATRIX_WITH_SCALES: Final = re.compile(r"TCD?\d+_\d+")
"""Elements of a matrix that takes the place of TCDLT."""

POLES: Final = {"LONPOLE": "LONP", "LATPOLE": "LATP"}
"""Keywords of the native pole of an image, and those of a column."""

IMAGE_ROTATION: Final = re.compile(r"CROTA[12]|(PC|CD)(1_2|2_1)")
"""Keywords that rotate an image."""

FIRST_FK5_EQUINOX: Final = 1984.0
"""Equinoxes before this year mean FK4 where the frame is not stated (FITS standard 4.0, §8.3)."""


def pixel_list_wcs(header: Keywords, nx: int, ny: int) -> WCS:
    """Interpret the WCS keywords of two columns, given by number, with astropy.

    Raises
    ------
    ValueError
        They do not describe a valid coordinate system.
    """
    from astropy.wcs import WCS, FITSFixedWarning

    cards = header.cards(_wcs_keywords(header, nx, ny))
    for key, column_key in POLES.items():
        # Some writers use the keyword of images for the columns, too.
        if key in header and f"{column_key}{nx}" not in header:
            cards += f"{column_key + str(nx):<8}= {header[key]!s:>20}".ljust(CARD)
    with warnings.catch_warnings():
        # TPCn_k and TCDn_k, which some writers use for TPn_k and TCn_k, are understood with a warning.
        warnings.simplefilter("ignore", FITSFixedWarning)
        return WCS(cards, keysel=["pixel"], colsel=[nx, ny], fix=False)


def _wcs_keywords(header: Keywords, nx: int, ny: int) -> list[str]:
    """Keywords of the world coordinates of two columns."""
    return [key for key in header if (match := WCS_KEYWORD.fullmatch(key)) and int(match["column"]) in (nx, ny)]


def _require_icrs(header: Keywords, nx: int, path: Path) -> None:
    """Refuse positions in another frame than ICRS or FK5 of J2000, which differ by 0.02″ at most."""
    frame = get_text(header, f"RADE{nx}", "RADESYS", "RADECSYS").upper()
    equinox = get_text(header, f"EQUI{nx}", "EQUINOX", "EPOCH").upper().lstrip("JB")
    try:
        year = float(equinox) if equinox else None
    except ValueError:
        raise UnreadableFileError(path, f"header keyword EQUINOX = {equinox!r} is not a year; fix it") from None
    if not frame:
        frame = "ICRS" if year is None else "FK4" if year < FIRST_FK5_EQUINOX else "FK5"
    if frame not in ("ICRS", "FK5") or (frame == "FK5" and year not in (None, 2000.0)):
        stated = frame if year is None else f"{frame}, equinox {year:g}"
        raise UnreadableFileError(
            path, f"positions are in {stated}, only ICRS and FK5 of equinox 2000 are supported; convert them to ICRS"
        )


def _refuse_image_rotation(header: Keywords, path: Path) -> None:
    """Refuse rotations in keywords of images, which do not say to which columns they belong."""
    for key in header:
        if IMAGE_ROTATION.fullmatch(key) and get_number(header, key, path):
            raise UnreadableFileError(
                path, f"{key} = {header[key]} rotates an image, not columns X, Y; use TCROTn or TPn_k, or remove it"
            )


def _is_ordinary(header: Keywords, key: str) -> bool:
    """Whether a keyword needs no more than the closed form."""
    if key.startswith("TCUNI"):
        return get_text(header, key).lower() in ("", "deg", "degree", "degrees")
    return ORDINARY_KEYWORD.match(key) is not None


def sky_projection(events: Hdu, x: str, y: str, primary: Keywords | None = None) -> SkyProjection:
    """Sky projection of two event columns (WCS of a pixel list: Greisen & Calabretta 2002, A&A 395, 1061, table 2).

    TCTYPn, TCRVLn, TCRPXn and TCDLTn alone are read here; with any further keyword of these columns, such as a matrix
    TPn_k, TCn_k or TCROTn, or another projection than TAN or SIN, the header is interpreted by astropy.

    Parameters
    ----------
    events : Hdu
    x, y : str — columns
    primary : Keywords, optional
        Primary header, for the reference frame if the events header has none.

    Raises
    ------
    UnreadableFileError
        A keyword is absent, a string where a number belongs, or the keywords do not describe a projection of right
        ascension and declination in ICRS or FK5 (J2000).
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
    _require_icrs(header.over(primary) if primary is not None else header, nx, path)
    _refuse_image_rotation(header, path)
    ra, dec, x_reference, y_reference = (read(f"{key}{n}") for key in ("TCRVL", "TCRPX") for n in (nx, ny))
    others = [key for key in _wcs_keywords(header, nx, ny) if not _is_ordinary(header, key)]
    others += [key for key in POLES if key in header]
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
