"""Positions on the sky as people write them: `parse_position`, `parse_cone`, `parse_angle_arcsec`, and as text.

Degrees, sexagesimal and Galactic coordinates, and names, which functions of the caller resolve. All positions are
ICRS. Sexagesimal notation is that of the IAU: hours for right ascension unless it has degree marks.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from typing import Final

import numpy as np

from xherald.photons.arrays import F64

from .errors import ConfigError

__all__ = [
    "POSITION_EXAMPLES",
    "format_galactic",
    "format_sexagesimal",
    "parse_angle_arcsec",
    "parse_cone",
    "parse_position",
    "to_galactic",
]

POSITION_EXAMPLES: Final = "83.82,-5.39 or 05:35:17.2,-05:23:28 or 5h35m17.2s,-5d23m28s or gal:209.0,-19.4"

Resolvers = Mapping[str, Callable[[str], tuple[float, float]]]
"""By prefix, functions that give the position of a named object, deg; they raise ConfigError if it is unknown."""

NO_RESOLVERS: Final[Resolvers] = {}

ARCSEC_PER_UNIT: Final = {
    "deg": 3600.0,
    "°": 3600.0,
    "arcmin": 60.0,
    "'": 60.0,
    "′": 60.0,
    "arcsec": 1.0,
    '"': 1.0,
    "″": 1.0,
}

TO_GALACTIC: Final[F64] = np.array(
    [
        [-0.05487565771259, -0.87343705195562, -0.48383507361672],
        [+0.49410943719273, -0.44482972122330, +0.74698218398667],
        [-0.86766613755966, -0.19807633727300, +0.45598381368730],
    ]
)
"""From ICRS to Galactic coordinates, as in astropy: defined in FK5 (Reid & Brunthaler 2004, ApJ 616, 872, appendix)."""

_NUMBER: Final = r"\d+(?:\.\d*)?|\.\d+"
_ANGLE: Final = re.compile(rf"({_NUMBER})\s*(deg|arcmin|arcsec|[°'\"′″])?")
_DECIMAL: Final = re.compile(rf"[+-]?(?:{_NUMBER})")
_SEXAGESIMAL: Final = re.compile(
    rf"(?P<sign>[+-]?)(?P<first>\d+)\s*(?P<mark>h|d|°|:|\s)\s*(?P<minutes>{_NUMBER})\s*(?:(?:m|′|'|:|\s)\s*"
    rf"(?:(?P<seconds>{_NUMBER})\s*(?:s|″|\"|'')?)?)?"
)
_PAIR_WITHOUT_SEPARATOR: Final = re.compile(r"(\S.*?\S)\s*([+-].*)")
_J_NAME: Final = re.compile(r"J(\d\d)(\d\d)(\d\d(?:\.\d*)?)([+-]\d\d)(\d\d)(\d\d(?:\.\d*)?)")


def parse_position(text: str, resolvers: Resolvers = NO_RESOLVERS) -> tuple[float, float]:
    """Right ascension and declination of a position, ICRS deg.

    Parameters
    ----------
    text : str
        ``RA,DEC`` in degrees or sexagesimal, separated by a comma, a space or the sign of the declination; the same
        as a name, ``J053517.2-052328``; ``gal:l,b``, Galactic coordinates in degrees; or ``PREFIX:NAME``.
    resolvers : mapping of str to callable, optional
        Find named objects, by prefix.

    Raises
    ------
    ConfigError
        It is not a position, or the name is unknown.
    """
    line = " ".join(text.replace("−", "-").split())
    prefix, found, rest = line.partition(":")
    if found and prefix.lower() in resolvers:
        return resolvers[prefix.lower()](rest.strip())
    if found and prefix.lower() in ("gal", "galactic"):
        longitude, latitude = (_parse_decimal(part, text) for part in _split_pair(rest, text))
        _check(longitude, latitude, text)
        return _from_galactic(longitude, latitude)
    if match := _J_NAME.fullmatch(line):
        line = f"{':'.join(match.group(1, 2, 3))} {':'.join(match.group(4, 5, 6))}"
    first, second = _split_pair(line, text)
    ra, dec = _parse_angle(first, text, is_ra=True), _parse_angle(second, text, is_ra=False)
    _check(ra, dec, text)
    return ra % 360.0, dec


def parse_cone(text: str, resolvers: Resolvers = NO_RESOLVERS) -> tuple[float, float, float]:
    """Right ascension, declination and radius of a cone, deg, from ``POSITION,RADIUS``; a bare radius is in degrees.

    Raises
    ------
    ConfigError
        It is not a cone.
    """
    place, separator, radius = text.rpartition(",")
    if not separator:
        raise ConfigError(f"{text!r} is not POSITION,RADIUS, such as 83.82,-5.39,30arcsec")
    radius_deg = parse_angle_arcsec(radius, default_unit="deg") / 3600.0
    if radius_deg > 180:
        raise ConfigError(f"{text!r}: the radius must be at most 180 deg")
    return (*parse_position(place, resolvers), radius_deg)


def parse_angle_arcsec(text: str, default_unit: str = "") -> float:
    """A positive angle with its unit, such as 10arcsec, 5', 0.1deg, in arcsec.

    Parameters
    ----------
    text : str
    default_unit : str — of a number without a unit; such numbers are refused if it is empty

    Raises
    ------
    ConfigError
        It is not a positive angle.
    """
    match = _ANGLE.fullmatch(text.strip())
    if match is None:
        raise ConfigError(f"{text!r} is not an angle, such as 10arcsec, 5arcmin or 0.1deg")
    unit = match[2] or default_unit
    if not unit:
        raise ConfigError(f"{text!r} has no unit: write {match[1]}arcsec, {match[1]}arcmin or {match[1]}deg")
    angle = float(match[1]) * ARCSEC_PER_UNIT[unit]
    if not 0 < angle < math.inf:
        raise ConfigError(f"{text!r}: the angle must be positive")
    return angle


def format_sexagesimal(ra_deg: float, dec_deg: float) -> str:
    """A position as "05:35:17.20 -05:23:28.1", to 0.01 s and 0.1 arcsec."""
    centiseconds = round(ra_deg % 360.0 / 15.0 * 360_000) % (24 * 360_000)
    deciseconds = round(abs(dec_deg) * 36_000)
    minutes, seconds = divmod(centiseconds, 6_000)
    arcmin, arcsec = divmod(deciseconds, 600)
    sign = "-" if dec_deg < 0 else "+"
    return (
        f"{minutes // 60:02d}:{minutes % 60:02d}:{seconds / 100:05.2f} "
        f"{sign}{arcmin // 60:02d}:{arcmin % 60:02d}:{arcsec / 10:04.1f}"
    )


def format_galactic(ra_deg: float, dec_deg: float) -> str:
    """Galactic coordinates of a position as "l 209.010 b -19.382"."""
    longitude, latitude = to_galactic(ra_deg, dec_deg)
    return f"l {longitude:.3f} b {latitude:+.3f}"


def to_galactic(ra_deg: float, dec_deg: float) -> tuple[float, float]:
    """Galactic longitude and latitude of a position, deg."""
    return _rotate(TO_GALACTIC, ra_deg, dec_deg)


def _from_galactic(longitude: float, latitude: float) -> tuple[float, float]:
    return _rotate(TO_GALACTIC.T, longitude, latitude)


def _rotate(matrix: F64, longitude: float, latitude: float) -> tuple[float, float]:
    lon, lat = math.radians(longitude), math.radians(latitude)
    x, y, z = matrix @ np.array([math.cos(lat) * math.cos(lon), math.cos(lat) * math.sin(lon), math.sin(lat)])
    return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))


def _split_pair(line: str, text: str) -> tuple[str, str]:
    """Both coordinates, separated by a comma, the space between them, or the sign of the second."""
    if "," in line:
        first, *others = (part.strip() for part in line.split(","))
        if len(others) == 1 and first and others[0]:
            return first, others[0]
        raise _make_error(text)
    words = line.split()
    if len(words) in (2, 4, 6):
        half = len(words) // 2
        return " ".join(words[:half]), " ".join(words[half:])
    if match := _PAIR_WITHOUT_SEPARATOR.fullmatch(line):
        return match[1], match[2]
    raise _make_error(text)


def _parse_decimal(word: str, text: str) -> float:
    if not _DECIMAL.fullmatch(word.strip()):
        raise _make_error(text)
    return float(word)


def _parse_angle(word: str, text: str, *, is_ra: bool) -> float:
    """One coordinate in deg."""
    plain = re.sub(r"\s*(deg|°|d)$", "", word)
    if _DECIMAL.fullmatch(plain):
        return float(plain)
    match = _SEXAGESIMAL.fullmatch(word)
    if match is None:
        raise _make_error(text)
    minutes, seconds = float(match["minutes"]), float(match["seconds"] or 0.0)
    if minutes >= 60 or seconds >= 60 or (match["seconds"] and not minutes.is_integer()):
        raise ConfigError(f"{text!r}: minutes and seconds must be below 60, and only the last number may have decimals")
    mark = match["mark"]
    if mark == "h" and not is_ra:
        raise ConfigError(f"{text!r}: the declination is in hours; write degrees, as in {POSITION_EXAMPLES}")
    value = int(match["first"]) + minutes / 60 + seconds / 3600
    if is_ra and mark not in ("d", "°"):
        if value > 24:
            raise ConfigError(f"{text!r}: the right ascension must be 0 to 24 hours")
        value *= 15.0
    return -value if match["sign"] == "-" else value


def _check(longitude: float, latitude: float, text: str) -> None:
    if not (0 <= longitude <= 360 and -90 <= latitude <= 90):
        raise ConfigError(
            f"{text!r}: not a position on the sky; the first coordinate must be 0 to 360 deg, the second -90 to 90"
        )


def _make_error(text: str) -> ConfigError:
    return ConfigError(f"{text!r} is not a position; write {POSITION_EXAMPLES}")
