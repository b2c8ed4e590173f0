"""Values of FITS headers: numbers, text and pointing.

An invalid value is an error that names the keyword; it is never replaced by a default.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path

from xherald.photons.errors import UnreadableFileError

__all__ = [
    "get_first_number",
    "get_number",
    "get_sky_position",
    "get_text",
]


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
