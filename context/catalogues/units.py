"""Units of catalogue columns, and the factors to the units of a stored catalogue."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Final

from xherald.photons.errors import ConfigError

if TYPE_CHECKING:
    from astropy.units import UnitBase

__all__ = ["SEXAGESIMAL", "conversion_factor"]

SEXAGESIMAL: Final = {"hms": "hourangle", "dms": "deg"}
"""Units of positions written as text, such as 05 35 17.3, and the astropy unit of the first number."""

SPELLINGS: Final = {
    "degrees": "deg",
    "degree": "deg",
    "arcsecond": "arcsec",
    "arcseconds": "arcsec",
    "arcsecs": "arcsec",
    "asec": "arcsec",
    "seconds of arc": "arcsec",
    "milliarcsec": "mas",
    "years": "yr",
    "year": "yr",
    "days": "d",
    "mags": "mag",
    "magnitude": "mag",
    "julian years": "yr",
}
"""What files write beside the units of FITS, VOUnits and CDS that astropy reads."""

FORMATS: Final = ("generic", "cds", "vounit", "ogip")


def conversion_factor(unit: str, target: str, column: str) -> float:
    """Factor from one unit to another.

    Parameters
    ----------
    unit, target : str
    column : str
        Named in messages.

    Raises
    ------
    ConfigError
        The unit is unknown, or has another dimension.
    """
    from astropy import units

    parsed = _parse(unit)
    if parsed is None:
        raise ConfigError(
            f"column {column}: unit {unit!r} is not known; state it as in {column}[{target or 'unit'}] within --columns"
        )
    try:
        return float(parsed.to(units.Unit(target)))
    except units.UnitConversionError as fault:
        raise ConfigError(
            f"column {column}: unit {unit!r} cannot be converted to {target!r}; state the right unit as in "
            f"{column}[{target}] within --columns, or choose another column"
        ) from fault


def _parse(unit: str) -> UnitBase | None:
    from astropy import units

    text = unit.strip()
    text = SPELLINGS.get(text.lower(), text)
    for form in FORMATS:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # deprecated spellings are understood all the same
                parsed: UnitBase = units.Unit(text, format=form)
        except ValueError:
            continue
        return parsed
    return None
