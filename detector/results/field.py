"""A quantity of the schema of results, and groups of such: `Field`, `with_limits`, `measured`, `fluxes`.

`schema` declares the quantities themselves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

__all__ = ["FLUX_UNIT", "DType", "Field", "fluxes", "get_value", "measured", "with_limits"]

DType = Literal["str", "int", "float", "bool", "utc", "object"]
"""Type of a value: "utc" is an ISO 8601 string ending in Z in JSON, a `Time` in a `QTable`; "object" is JSON only."""


@dataclass(frozen=True, slots=True)
class Field:
    """A quantity of a detection.

    Parameters
    ----------
    name : str
        The same on every surface; ends in its unit where it has one (``_s``, ``_deg``, ``_arcsec``, ``_hz``, …).
    dtype : DType
    unit : str
        As astropy and the VO write it; empty for dimensionless quantities.
    ucd : str
        Unified Content Descriptor (IVOA UCD1+).
    description : str
        ASCII, for FITS headers; fits into a table cell.
    path : str
        Location of a column's value in a JSON row: keys and list indices joined by dots, ``*`` for every element of a
        list. The name itself if empty.
    """

    name: str
    dtype: DType
    unit: str
    ucd: str
    description: str
    path: str = ""

    @property
    def source(self) -> str:
        """Location of the value in a JSON row."""
        return self.path or self.name


def with_limits(name: str, low: str, high: str, unit: str, ucd: str, description: str) -> tuple[Field, Field, Field]:
    """A measured value and the limits of its 68 % interval."""
    return (
        Field(name, "float", unit, ucd, description),
        Field(low, "float", unit, f"{ucd};stat.min", f"{description}, lower limit of 68 %"),
        Field(high, "float", unit, f"{ucd};stat.max", f"{description}, upper limit of 68 %"),
    )


def measured(name: str, unit: str, ucd: str, description: str) -> tuple[Field, Field, Field]:
    """The same, with the limits named after the value."""
    return with_limits(name, f"{name}_low", f"{name}_high", unit, ucd, description)


FLUX_UNIT: Final = "erg / (cm2 s)"

FLUX_BANDS: Final = (("soft", "0.5-2 keV", "em.X-ray.soft"), ("hard", "2-10 keV", "em.X-ray.hard"),
                     ("broad", "0.3-10 keV", "em.X-ray"))  # fmt: skip
"""Name, energies and UCD of the bands of fluxes."""


def fluxes(prefix: str, what: str) -> tuple[Field, ...]:
    """Fluxes in each band with limits, which include the errors of spectrum and effective area."""
    return tuple(
        one
        for band, energies, ucd in FLUX_BANDS
        for one in with_limits(
            f"{prefix}flux_{band}_erg_cm2_s", f"{prefix}flux_{band}_low_erg_cm2_s",
            f"{prefix}flux_{band}_high_erg_cm2_s", FLUX_UNIT, f"phot.flux;{ucd}", f"{what} in {energies} as observed",
        )
    )  # fmt: skip


def get_value(row: Any, path: str) -> Any:
    """Value at a path in a JSON row; None where any step of the path is None or missing.

    Parameters
    ----------
    row : mapping
    path : str
        See `Field.path`.
    """
    return _get_value(row, path.split("."))


def _get_value(value: Any, steps: Sequence[str]) -> Any:
    for number, step in enumerate(steps):
        if value is None:
            return None
        if step == "*":
            return [_get_value(one, steps[number + 1 :]) for one in value]
        value = dict(enumerate(value)).get(int(step)) if isinstance(value, list) else value.get(step)
    return value
