"""Positions as arguments: objects of astropy, pairs of numbers, coordinates as text, and names of objects."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from xherald.photons.errors import ConfigError

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

__all__ = ["RESOLVERS", "to_position"]

SESAME_TIMEOUT_S: Final = 10.0
DAYS_PER_YEAR: Final = 365.25


def to_position(value: str | SkyCoord | tuple[float, float]) -> tuple[float, float]:
    """Right ascension and declination, ICRS deg.

    Parameters
    ----------
    value : str, SkyCoord or (float, float)
        Text as in `photons.sky_position.parse_position`; ``name:NAME``, an object of the shipped table of known
        sources, moved to today; or ``sesame:NAME``, for which the name resolver of CDS is asked on the internet.
        Numbers are right ascension and declination, ICRS deg.

    Raises
    ------
    ConfigError
        It is not a position, or the name is unknown.
    """
    from xherald.photons.sky_position import parse_position

    if isinstance(value, str):
        return parse_position(value, RESOLVERS)
    if isinstance(value, tuple):
        ra, dec = (float(one) for one in value)
    else:
        if value.size != 1:
            raise ConfigError(f"position: expected one, got {value.size}")
        sky = value.icrs.reshape(())
        ra, dec = float(sky.ra.deg), float(sky.dec.deg)
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise ConfigError(f"position: RA {ra}, Dec {dec} deg is not on the sky")
    return ra % 360.0, dec


def _ask_sesame(name: str) -> tuple[float, float]:
    """Position of an object by the name resolver of CDS, on the internet."""
    from astropy.coordinates import SkyCoord
    from astropy.coordinates.name_resolve import NameResolveError
    from astropy.utils.data import conf

    try:
        with conf.set_temp("remote_timeout", SESAME_TIMEOUT_S):
            return to_position(SkyCoord.from_name(name))
    except (NameResolveError, OSError) as fault:
        raise ConfigError(f"sesame:{name}: {' '.join(str(fault).split())}") from None


def _find_known(name: str) -> tuple[float, float]:
    """Position of an object of the shipped table, today."""
    from xherald.context.catalogues.known_names import find_known_position

    today = datetime.now(UTC)
    return find_known_position(name, today.year + (today.timetuple().tm_yday - 1) / DAYS_PER_YEAR)


RESOLVERS: Final[Mapping[str, Callable[[str], tuple[float, float]]]] = {"name": _find_known, "sesame": _ask_sesame}
"""Functions that find named objects, by the prefix of the name."""
