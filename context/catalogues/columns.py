"""Which columns of a file are what: the roles of a catalogue, and the map from columns to roles.

A catalogue is stored with the columns of `ROLES`, in the units given there; further columns are kept as they are. The
map is written as ``ra=RA_ICRS,dec=DE_ICRS,pos_err=e_pos[arcsec],epoch=2016.0``: a column with the unit of the file, a
column with a unit, or a constant.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from xherald.context.object_types import Category
from xherald.photons.errors import ConfigError

__all__ = ["ROLES", "STORED_ROLES", "ColumnMap", "ColumnSource", "Role", "parse_columns", "sigma_of_error"]


@dataclass(frozen=True, slots=True)
class Role:
    """A column of every stored catalogue.

    Parameters
    ----------
    column : str — name in the stored catalogue
    unit : str — unit in the stored catalogue; empty for text and pure numbers
    dtype : str — "string", "float32" or "float64"
    description : str
    """

    column: str
    unit: str
    dtype: str
    description: str


ROLES: Final[Mapping[str, Role]] = {
    "name": Role("name", "", "string", "name of the source, unique in the catalogue"),
    "ra": Role("ra_deg", "deg", "float64", "right ascension, ICRS, at the epoch"),
    "dec": Role("dec_deg", "deg", "float64", "declination, ICRS, at the epoch"),
    "pos_err": Role("pos_err_arcsec", "arcsec", "float32", "positional error, 1 sigma per axis"),
    "pos_err_ra": Role("pos_err_ra_arcsec", "arcsec", "float32", "positional error along right ascension, 1 sigma"),
    "pos_err_dec": Role("pos_err_dec_arcsec", "arcsec", "float32", "positional error along declination, 1 sigma"),
    "pos_err_major": Role("pos_err_major_arcsec", "arcsec", "float32", "semi-major axis of the error ellipse, 1 sigma"),
    "pos_err_minor": Role("pos_err_minor_arcsec", "arcsec", "float32", "semi-minor axis of the error ellipse, 1 sigma"),
    "pos_err_angle": Role("pos_err_angle_deg", "deg", "float32", "position angle of the major axis, north to east"),
    "pmra": Role("pm_ra_mas_yr", "mas/yr", "float32", "proper motion along right ascension, times cos(dec)"),
    "pmdec": Role("pm_dec_mas_yr", "mas/yr", "float32", "proper motion along declination"),
    "epoch": Role("epoch_yr", "yr", "float32", "Julian year of the position"),
    "magnitude": Role("magnitude", "mag", "float32", "magnitude in the band of the catalogue"),
    "flux": Role("flux_erg_cm2_s", "erg/(s cm2)", "float32", "flux in the energy band of the catalogue"),
    "flux_err": Role("flux_err_erg_cm2_s", "erg/(s cm2)", "float32", "1 sigma error of the flux"),
    "type": Role("type", "", "string", "type of the source, as the catalogue writes it"),
    "distance": Role("distance_pc", "pc", "float32", "distance"),
    "parallax": Role("parallax_mas", "mas", "float32", "parallax"),
    "parallax_err": Role("parallax_err_mas", "mas", "float32", "1 sigma error of the parallax"),
    "redshift": Role("redshift", "", "float32", "redshift"),
}
"""Roles of columns by name."""

STORED_ROLES: Final = tuple(name for name in ROLES if name not in ("pos_err_ra", "pos_err_dec"))
"""Roles that a stored catalogue can have; errors along RA and Dec become the axes of an ellipse."""

REQUIRED: Final = ("name", "ra", "dec")
TEXT: Final = frozenset(name for name, role in ROLES.items() if role.dtype == "string")
ERROR_FORMS: Final = (("pos_err",), ("pos_err_ra", "pos_err_dec"), ("pos_err_major", "pos_err_minor", "pos_err_angle"))
PERCENT: Final = re.compile(r"(\d+(?:\.\d+)?)\s*%")
ITEM: Final = re.compile(r"\s*(?P<role>\w+)\s*=\s*(?P<what>[^\[\]]*?)\s*(?:\[(?P<unit>[^\]]*)\])?\s*")


def sigma_of_error(meaning: str) -> float:
    """Standard deviation per axis of a circular normal distribution, in units of a stated positional error.

    Parameters
    ----------
    meaning : str
        "sigma": the error is the standard deviation per axis. "rms": it is the root of the sum of both variances.
        A percentage such as "90%": it is the radius of the circle that holds this part of the distribution, whose
        standard deviation is r / sqrt(-2 ln(1 - p)), from the Rayleigh distribution.

    Raises
    ------
    ConfigError
        It is none of these.
    """
    if meaning == "sigma":
        return 1.0
    if meaning == "rms":
        return math.sqrt(0.5)
    if (match := PERCENT.fullmatch(meaning)) and 0 < (percent := float(match[1])) < 100:
        return 1 / math.sqrt(-2 * math.log1p(-percent / 100))
    raise ConfigError(
        f"{meaning!r} is not a meaning of a positional error; use sigma (1 sigma per axis), rms (root of the sum of "
        "both variances), or the content of a circle such as 68%, 90% or 95%"
    )


class ColumnSource(BaseModel):
    """Where the values of a role come from.

    Parameters
    ----------
    column : str or None — of the file; alternative names are separated by |
    constant : float or None — the same value for all rows, instead of a column
    unit : str or None — None for the unit that the file states
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str | None = None
    constant: float | None = None
    unit: str | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.column is None) == (self.constant is None):
            raise ValueError("either a column or a constant")
        return self


class ColumnMap(BaseModel):
    """Map from the columns of a file to the roles of a catalogue.

    Parameters
    ----------
    roles : mapping of str to ColumnSource
        By role.
    keep : tuple of str
        Columns kept under their own names.
    pos_err_is : str
        Meaning of the positional errors, see `sigma_of_error`.
    default_pos_err_arcsec : float or None
        Positional error, 1 sigma per axis, of rows without one; None if each row must have one.
    magnitude_band : str
        Such as "G"; empty if unknown.
    flux_band_kev : (float, float) or None
        Energy band of the fluxes.
    types : str
        How types are written: "simbad", "vsx", or "" for words (see `object_types.categorise`).
    category : str or None
        Category of objects whose type says nothing, such as "x_ray_source"; see `object_types.CATEGORIES`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    roles: Mapping[str, ColumnSource] = Field(default_factory=dict)
    keep: tuple[str, ...] = ()
    pos_err_is: str = "sigma"
    default_pos_err_arcsec: float | None = Field(default=None, gt=0)
    magnitude_band: str = ""
    flux_band_kev: tuple[float, float] | None = None
    types: Literal["", "simbad", "vsx"] = ""
    category: Category | None = None

    @field_validator("roles", mode="before")
    @classmethod
    def _written(cls, given: Any) -> Any:
        """Roles written as text, such as ``{"ra": "RA_ICRS", "pos_err": "e_pos[arcsec]"}``."""
        if not isinstance(given, Mapping):
            return given
        return {
            role: _parse_source(role, one) if isinstance(one, str | int | float) else one for role, one in given.items()
        }

    def check(self) -> None:
        """Check that the roles make a catalogue.

        Raises
        ------
        ConfigError
            A role is unknown or missing, or they contradict each other.
        """
        sigma_of_error(self.pos_err_is)
        if unknown := [name for name in self.roles if name not in ROLES]:
            raise ConfigError(f"columns: {unknown[0]!r} is not a role of a column; roles: {', '.join(ROLES)}")
        if missing := [name for name in REQUIRED if name not in self.roles]:
            raise ConfigError(f"columns: no column is the {missing[0]}; state it as {missing[0]}=COLUMN")
        if constants := [name for name in REQUIRED if self.roles[name].constant is not None]:
            raise ConfigError(f"columns: {constants[0]} must be a column, not a constant")
        errors = {name for form in ERROR_FORMS for name in form if name in self.roles}
        if errors and not any(errors == set(form) for form in ERROR_FORMS):
            raise ConfigError(
                f"columns: {', '.join(sorted(errors))} do not make a positional error; state pos_err, or pos_err_ra "
                "and pos_err_dec, or pos_err_major, pos_err_minor and pos_err_angle"
            )
        if not errors and self.default_pos_err_arcsec is None:
            raise ConfigError(
                "columns: the catalogue has no positional error; state a column (pos_err=COLUMN), or one for all rows "
                "with --default-error ARCSEC (1 sigma per axis)"
            )
        for first, second in (("pmra", "pmdec"), ("pmdec", "pmra"), ("pmra", "epoch")):
            if first in self.roles and second not in self.roles:
                raise ConfigError(f"columns: {first} needs {second}; state {second}=COLUMN or {second}=VALUE")
        for first, second in (("flux_err", "flux"), ("parallax_err", "parallax")):
            if first in self.roles and second not in self.roles:
                raise ConfigError(f"columns: {first} needs {second}; state {second}=COLUMN")
        if "flux" in self.roles and self.flux_band_kev is None:
            raise ConfigError("columns: fluxes need their energy band; state it with --flux-band LOW-HIGH in keV")
        taken = {role.column for role in ROLES.values()} | {"_healpix_29"}
        if clash := sorted(taken & set(self.keep)):
            raise ConfigError(f"keep: {clash[0]} is a name of the catalogue itself; give the column a role instead")

    def updated(self, changes: Mapping[str, ColumnSource | None], **settings: Any) -> ColumnMap:
        """The map with some roles replaced, or removed where None, and with other settings where these are not None."""
        roles = {name: one for name, one in {**self.roles, **changes}.items() if one is not None}
        given = {name: value for name, value in settings.items() if value is not None}
        return self.model_copy(update={"roles": roles, **given})


def parse_columns(text: str) -> dict[str, ColumnSource | None]:
    """Roles written as ``ra=RA_ICRS,pos_err=e_pos[arcsec],epoch=2016.0,flux=``; a role without a column is removed.

    Raises
    ------
    ConfigError
        The text is not of this form, or a role is unknown or named twice.
    """
    found: dict[str, ColumnSource | None] = {}
    for item in filter(None, (one.strip() for one in text.split(","))):
        match = ITEM.fullmatch(item)
        if match is None:
            raise ConfigError(f"columns: {item!r} is not ROLE=COLUMN, ROLE=COLUMN[unit] or ROLE=VALUE[unit]")
        role = match["role"]
        if role not in ROLES:
            raise ConfigError(f"columns: {role!r} is not a role of a column; roles: {', '.join(ROLES)}")
        if role in found:
            raise ConfigError(f"columns: {role} is given twice")
        found[role] = _parse_source(role, item.partition("=")[2]) if match["what"] else None
    return found


def _parse_source(role: str, text: str | float) -> ColumnSource:
    match = ITEM.fullmatch(f"{role}={text}")
    if match is None or not match["what"]:
        raise ConfigError(f"columns: {role}={text} is not ROLE=COLUMN, ROLE=COLUMN[unit] or ROLE=VALUE[unit]")
    what, unit = match["what"], match["unit"]
    if role not in TEXT:
        try:
            return ColumnSource(constant=float(what), unit=unit)
        except ValueError:
            pass
    return ColumnSource(column=what, unit=unit)
