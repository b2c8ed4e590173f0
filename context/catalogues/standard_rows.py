"""Rows of a file as rows of a catalogue: standard columns and units, each row checked."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.photons.arrays import F64, I64, Mask
from xherald.photons.errors import ConfigError, UnreadableFileError

from .columns import ROLES, STORED_ROLES, ColumnMap, ColumnSource, sigma_of_error
from .units import SEXAGESIMAL, conversion_factor

if TYPE_CHECKING:
    import pyarrow as pa

    from .table_chunks import ChunkedTable

__all__ = ["HEALPIX_COLUMN", "HEALPIX_ORDER", "StandardRows"]

HEALPIX_COLUMN: Final = "_healpix_29"
HEALPIX_ORDER: Final = 29
"""Order of the nested indices by which rows are sorted, as HATS has it; pixels measure 0.0004 arcsec."""

JULIAN_DATE_MIN: Final = 1_000_000.0
"""Epochs in days above this are Julian dates, below it modified Julian dates."""

J2000_JD: Final = 2_451_545.0
MJD_0_JD: Final = 2_400_000.5


@dataclass(slots=True)
class StandardRows:
    """Converts chunks of a table; counts what it leaves out.

    Parameters
    ----------
    table : ChunkedTable
    columns : ColumnMap
    skip_invalid : bool
        Leave out rows without a usable name, position or positional error, instead of raising.
    wrap_ra : bool
        Accept right ascensions from -360 to 360 deg.

    Attributes
    ----------
    row : int — number of rows read so far
    kept_rows : ndarray, int64 — rows of the last chunk that were kept, counted from 0 in the file
    skipped : Counter of str — rows left out, by reason
    sources : mapping — column of the file (as the file writes it) or constant of each role

    Raises
    ------
    ConfigError
        The map does not fit the table.
    """

    table: ChunkedTable
    columns: ColumnMap
    skip_invalid: bool = False
    wrap_ra: bool = False
    row: int = 0
    kept_rows: I64 = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    skipped: Counter[str] = field(default_factory=Counter)
    sources: Mapping[str, ColumnSource] = field(init=False)
    keep: tuple[str, ...] = field(init=False)
    _factors: dict[str, float] = field(init=False)

    def __post_init__(self) -> None:
        self.columns.check()
        self.sources = {
            role: one if one.column is None else one.model_copy(update={"column": self._find(one.column)})
            for role, one in self.columns.roles.items()
        }
        self.keep = tuple(self._find(name) for name in self.columns.keep)
        self._factors = {role: self._factor(role, one) for role, one in self.sources.items()}

    def columns_used(self) -> ColumnMap:
        """The map with the names of columns as the file writes them."""
        return self.columns.model_copy(update={"roles": dict(self.sources), "keep": self.keep})

    def _find(self, name: str) -> str:
        """The column of the file: the first of the names, separated by |, that it has.

        Upper and lower case do not matter where a name is unique.
        """
        units = self.table.units
        for wanted in (one.strip() for one in name.split("|")):
            same = [wanted] if wanted in units else [one for one in units if one.lower() == wanted.lower()]
            if len(same) == 1:
                return same[0]
        lower = {one.lower(): one for one in units}
        near = [lower[one] for one in difflib.get_close_matches(name.split("|")[0].lower(), lower, 3, cutoff=0.5)]
        hint = f"did you mean {', '.join(near)}?" if near else f"columns: {', '.join(list(units)[:30])}"
        raise ConfigError(f"{self.table.path}: no column is named {name!r}; {hint}")

    def _unit(self, role: str, source: ColumnSource) -> str:
        stated = source.unit if source.unit is not None else self.table.units.get(source.column or "", "")
        return stated.strip()

    def _factor(self, role: str, source: ColumnSource) -> float:
        target, unit = ROLES[role].unit, self._unit(role, source)
        name = source.column or role
        if not target or (role in ("ra", "dec") and unit in SEXAGESIMAL):
            return 1.0
        if not unit:
            raise ConfigError(
                f"{self.table.path}: {role} (column {name}) has no unit; state it in --columns, "
                f"for example {role}={name}[{target}]"
            )
        if role == "epoch" and conversion_factor(unit, "yr", name) != 1.0:
            conversion_factor(unit, "d", name)
            return 1.0  # a date, converted by `_years_of`
        return conversion_factor(unit, target, name)

    @property
    def names(self) -> list[str]:
        """Columns of the file that are read."""
        found = [one.column for one in self.sources.values() if one.column is not None]
        return list(dict.fromkeys([*found, *self.keep]))

    @property
    def text(self) -> frozenset[str]:
        """Those of them that a file without types is read as text for."""
        roles = {role for role, one in self.sources.items() if self._is_text(role, one)}
        read = {self.sources[role].column or "" for role in roles} | set(self.keep)
        numbers = {one.column for role, one in self.sources.items() if role not in roles}
        return frozenset(read - numbers)

    def _is_text(self, role: str, source: ColumnSource) -> bool:
        return ROLES[role].dtype == "string" or (role in ("ra", "dec") and self._unit(role, source) in SEXAGESIMAL)

    def convert(self, chunk: pa.Table) -> pa.Table:
        """Standard rows of a chunk, in its order, with the HEALPix index.

        Raises
        ------
        UnreadableFileError
            A row is invalid.
        """
        import pyarrow as pa
        from astropy import units
        from astropy_healpix import lonlat_to_healpix

        values = {role: self._values(role, one, chunk) for role, one in self.sources.items()}
        ra, dec = values["ra"], values["dec"]
        if self.wrap_ra:
            ra = values["ra"] = np.where((ra >= -360) & (ra < 0), ra + 360, ra)
        errors = self._positional_errors(values, chunk.num_rows)
        keep = self._check(values, errors, chunk.num_rows)
        self.kept_rows = self.row + np.flatnonzero(keep)
        self.row += chunk.num_rows
        ra = np.where(ra == 360, 0.0, ra)
        index = lonlat_to_healpix(ra[keep] * units.deg, dec[keep] * units.deg, 2**HEALPIX_ORDER, order="nested")
        out: dict[str, Any] = {HEALPIX_COLUMN: pa.array(index.astype(np.int64))}
        values |= {"ra": ra, **errors}
        kept = pa.array(np.flatnonzero(keep))
        for role in STORED_ROLES:
            if role in values:
                one = ROLES[role]
                plain = values[role]
                out[one.column] = (
                    plain.take(kept).combine_chunks()
                    if one.dtype == "string"
                    else pa.array(plain[keep].astype(one.dtype))
                )
        for name in self.keep:
            out[name] = chunk[name].take(kept).combine_chunks()
        return pa.table(out, schema=self._schema(out))

    def _schema(self, out: Mapping[str, pa.Array]) -> pa.Schema:
        import pyarrow as pa

        units = {one.column: one.unit for one in ROLES.values()} | {name: self.table.units[name] for name in self.keep}
        about = {one.column: one.description for one in ROLES.values()}
        return pa.schema(
            pa.field(name, array.type, metadata={"unit": units.get(name, ""), "description": about.get(name, "")})
            for name, array in out.items()
        )

    def _values(self, role: str, source: ColumnSource, chunk: pa.Table) -> Any:
        """Text as an Arrow array, numbers as float64 in the standard unit with NaN where missing."""
        import pyarrow as pa
        import pyarrow.compute as pc

        if source.constant is not None:
            constant = np.full(chunk.num_rows, source.constant * self._factors[role])
            return self._years_of(constant, source) if role == "epoch" else constant
        name = source.column or ""
        column = chunk[name]
        if self._is_text(role, source):
            try:
                text = column if pa.types.is_string(column.type) else column.cast(pa.string())
            except pa.ArrowInvalid as fault:
                raise self._refusal(0, f"{role} (column {name}) is not text: {fault}") from fault
            text = pc.utf8_trim_whitespace(text)
            return text if ROLES[role].dtype == "string" else self._angles(role, name, text)
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            column = pc.utf8_trim_whitespace(column)
            column = pc.if_else(pc.equal(column, ""), pa.scalar(None, column.type), column)
        try:
            numbers: F64 = column.cast(pa.float64()).to_numpy()
        except pa.ArrowInvalid as fault:
            raise self._refusal(
                0, f"{role} (column {name}) is not a number: {fault}; choose another column, or state [hms] or [dms]"
            ) from fault
        if role == "epoch":
            return self._years_of(numbers, source)
        return numbers * self._factors[role]

    def _years_of(self, values: F64, source: ColumnSource) -> F64:
        """Julian years of epochs in years, or in days as (modified) Julian dates."""
        if conversion_factor(self._unit("epoch", source), "yr", source.column or "epoch") == 1.0:
            return values
        dates = np.where(values < JULIAN_DATE_MIN, values + MJD_0_JD, values)
        return 2000.0 + (dates - J2000_JD) / 365.25

    def _angles(self, role: str, name: str, text: pa.ChunkedArray) -> F64:
        """Positions written as text, deg."""
        from astropy.coordinates import Angle

        found = np.full(len(text), np.nan)
        unit = SEXAGESIMAL[self._unit(role, self.sources[role])]
        given = [(place, one) for place, one in enumerate(text.to_pylist()) if one]
        try:
            found[[place for place, _ in given]] = Angle([one for _, one in given], unit=unit).deg
        except ValueError as fault:
            raise self._refusal(0, f"{role} (column {name}) is not an angle: {fault}") from fault
        return found

    def _positional_errors(self, values: dict[str, Any], count: int) -> dict[str, F64]:
        """Circular error, 1 sigma per axis, and the ellipse if there is one; removes what they were made of."""
        sigma = sigma_of_error(self.columns.pos_err_is)
        default = self.columns.default_pos_err_arcsec
        if "pos_err_ra" in values:
            east, north = sigma * values.pop("pos_err_ra"), sigma * values.pop("pos_err_dec")
            found = {
                "pos_err_major": np.maximum(east, north),
                "pos_err_minor": np.minimum(east, north),
                "pos_err_angle": np.where(east > north, 90.0, 0.0),
            }
        elif "pos_err_major" in values:
            found = {
                "pos_err_major": sigma * values["pos_err_major"],
                "pos_err_minor": sigma * values["pos_err_minor"],
                "pos_err_angle": values["pos_err_angle"],
            }
        else:
            circle = sigma * values["pos_err"] if "pos_err" in values else np.full(count, np.nan)
            found = {"pos_err": circle}
        if "pos_err_major" in found:
            # The circle of the same total variance.
            found["pos_err"] = np.sqrt((found["pos_err_major"] ** 2 + found["pos_err_minor"] ** 2) / 2)
        if default is not None:
            lacking = ~(found["pos_err"] > 0)
            for name, value in (("pos_err", default), ("pos_err_major", default), ("pos_err_minor", default)):
                if name in found:
                    found[name] = np.where(lacking, value, found[name])
            if "pos_err_angle" in found:
                found["pos_err_angle"] = np.where(lacking, 0.0, found["pos_err_angle"])
        return found

    def _check(self, values: Mapping[str, Any], errors: Mapping[str, F64], count: int) -> Mask:
        """Which rows are kept."""
        import pyarrow.compute as pc

        ra, dec = values["ra"], values["dec"]
        names = pc.fill_null(pc.equal(values["name"], ""), True).to_numpy()
        outside = (ra < 0) | (ra > 360)
        error_column = next((self._named(one) for one in self.sources if one.startswith("pos_err")), "pos_err")
        rules = (
            ("no name", names, f"{self._named('name')} is empty", ""),
            ("no position", np.isnan(ra), f"{self._named('ra')} is missing or not a number", ""),
            ("no position", np.isnan(dec), f"{self._named('dec')} is missing or not a number", ""),
            (
                "position out of range",
                outside,
                f"{self._named('ra')} is {{ra:g}} deg, outside 0 to 360",
                "state the unit, as in [hourangle], pass --wrap-ra if it runs from -180 to 180, or ",
            ),
            ("position out of range", abs(dec) > 90, f"{self._named('dec')} is {{dec:g}} deg, outside -90 to 90", ""),
            (
                "no positional error",
                ~(errors["pos_err"] > 0) | np.isinf(errors["pos_err"]),
                f"{error_column} is missing, not positive or infinite",
                "state an error for such rows with --default-error ARCSEC, or ",
            ),
        )
        kept = np.ones(count, dtype=bool)
        for reason, bad, what, remedy in rules:
            bad = bad & kept
            if not bad.any():
                continue
            if not self.skip_invalid:
                first = int(np.flatnonzero(bad)[0])
                others = int(bad.sum()) - 1
                more = f" (and {others:,} more of the {count:,} rows read together)" if others else ""
                message = what.format(ra=ra[first], dec=dec[first])
                raise self._refusal(
                    first, f"{message}{more}; correct the file, {remedy}pass --skip-invalid to leave out such rows"
                )
            self.skipped[reason] += int(bad.sum())
            kept &= ~bad
        return kept

    def _named(self, role: str) -> str:
        column = self.sources[role].column if role in self.sources else None
        return f"{role} (column {column})" if column else role

    def _refusal(self, place: int, what: str) -> UnreadableFileError:
        return UnreadableFileError(self.table.path, f"row {self.row + place + 1}: {what}")
