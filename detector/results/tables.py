"""Rows as astropy tables: `to_qtable` with quantities and times, `to_table` with plain columns for files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.catalog_store.table_files import make_column

from .schema import COLUMNS, Field, get_value
from .version import code_version

if TYPE_CHECKING:
    from astropy.table import QTable, Table
    from numpy.typing import NDArray

    from .row_types import DetectionRow

__all__ = ["column_values", "make_field_column", "make_qtable", "to_qtable", "to_table"]

FILLERS: Final[dict[str, Any]] = {"str": "", "utc": "", "int": 0, "float": np.nan, "bool": False}
DTYPES: Final[dict[str, Any]] = {"int": np.int64, "float": np.float64, "bool": np.bool_}
"""Others are strings."""

FILLER_TIME: Final = "2000-01-01T00:00:00.000"


def to_qtable(rows: Sequence[DetectionRow]) -> QTable:
    """Rows as a `QTable`, most significant first.

    Columns are quantities where they have a unit and `Time` where they are UTC dates; descriptions and UCDs
    (``table[name].info.meta["ucd"]``) are those of `results.schema`; unknown values are masked.

    Parameters
    ----------
    rows : sequence of DetectionRow
    """
    from .rows import significance_key

    ranked = sorted(rows, key=significance_key)
    return make_qtable(COLUMNS, [[get_value(row, one.source) for row in ranked] for one in COLUMNS])


def to_table(rows: Sequence[DetectionRow]) -> Table:
    """Rows as a `Table` of plain columns, in the given order: what CSV, ECSV, FITS and VOTable files are written from.

    UTC dates are ISO 8601 strings, unknown strings are empty, other unknown values are masked.
    """
    from astropy.table import Table

    table = Table()
    for one in COLUMNS:
        table[one.name] = make_field_column(one, [get_value(row, one.source) for row in rows])
    table.meta["CREATOR"] = f"xherald {code_version()}"
    return table


def make_field_column(one: Field, values: Sequence[Any]) -> Any:
    """A plain column of a field, with unit, UCD and description."""
    array, missing = column_values(one, values)
    return make_column(
        array,
        missing if one.dtype in ("int", "float") else None,
        unit=one.unit,
        ucd=one.ucd,
        description=one.description,
    )


def column_values(one: Field, values: Sequence[Any]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Values of a field as an array, and where they are unknown; lists are joined by ``;``."""
    filler = FILLERS[one.dtype]
    filled = [filler if value is None else ";".join(value) if isinstance(value, list) else value for value in values]
    dtype = DTYPES.get(one.dtype, None if values else "U1")
    return np.array(filled, dtype=dtype), np.array([value is None for value in values], dtype=np.bool_)


def make_qtable(fields: Sequence[Field], columns: Sequence[Sequence[Any]]) -> QTable:
    """A `QTable` of some fields from their values in JSON's own types.

    Parameters
    ----------
    fields : sequence of Field
    columns : sequence of sequence
        Values of each field; None where unknown.
    """
    from astropy.table import QTable

    table = QTable()
    for one, values in zip(fields, columns, strict=True):
        table[one.name] = _rich_column(one, values)
        table[one.name].info.description = one.description
        table[one.name].info.meta = {"ucd": one.ucd}
    table.meta["CREATOR"] = f"xherald {code_version()}"
    return table


def _rich_column(one: Field, values: Sequence[Any]) -> Any:
    from astropy import units
    from astropy.table import Column, MaskedColumn
    from astropy.time import Time
    from astropy.utils.masked import Masked

    array, missing = column_values(one, values)
    if one.dtype == "utc":
        dates = [FILLER_TIME if value is None else value.removesuffix("Z") for value in values]
        times = Time(np.array(dates, dtype=np.str_), format="isot", scale="utc", precision=3)
        if missing.any():
            times[missing] = np.ma.masked
        return times
    if one.unit:
        quantity = units.Quantity(array, one.unit, dtype=array.dtype)
        return Masked(quantity, mask=missing) if missing.any() else quantity
    return MaskedColumn(array, mask=missing) if missing.any() else Column(array)
