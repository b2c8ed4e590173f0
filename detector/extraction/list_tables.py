"""Tables of source positions, as catalogues publish and spreadsheets write them: `read_table`, `read_positions`."""

from __future__ import annotations

import csv
import gzip
import re
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64
from xherald.photons.errors import UnreadableFileError

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["TABLE_FORMATS", "ListedPositions", "read_positions", "read_table"]

TABLE_FORMATS: Final = {
    ".fits": "fits",
    ".fit": "fits",
    ".vot": "votable",
    ".votable": "votable",
    ".xml": "votable",
    ".csv": "csv",
    ".tsv": "csv",
    ".ecsv": "ascii.ecsv",
}
"""Formats by suffix; "csv" is any delimited text."""

_RA: Final = ("ra", "raj2000", "_raj2000", "ra_j2000", "ra_icrs", "_ra", "radeg", "ra_deg")
_DEC: Final = ("dec", "dej2000", "decj2000", "_dej2000", "dec_j2000", "de_icrs", "dec_icrs", "_de", "decdeg", "dec_deg")
_NAME: Final = ("id", "name", "detection_id", "source_id", "srcid", "src_id", "source", "iauname")
_RADIUS: Final = ("radius_arcsec", "radius")
_ERROR: Final = ("pos_err_arcsec", "pos_err", "poserr", "pos_error", "radec_err", "error_radius")

_DELIMITERS: Final = ",;\t|"
_MISSING: Final = frozenset({"", "nan", "none", "null", "n/a", "na", "-", "--"})
_UNIT: Final = re.compile(r"\s*[\[(].*$")
_WHOLE: Final = re.compile(r"(-?\d+)\.0*")
MAX_NAMED: Final = 3
"""Rows that a note names one by one."""


@dataclass(frozen=True, slots=True, eq=False)
class ListedPositions:
    """Rows of a list that have a position.

    Parameters
    ----------
    names : tuple of str — unique
    ra, dec : ndarray, shape (n,) — deg
    radius, error : ndarray, shape (n,) — arcsec; NaN where the row has none
    notes : tuple of str — remarks on rows that were left out
    """

    names: tuple[str, ...]
    ra: F64
    dec: F64
    radius: F64
    error: F64
    notes: tuple[str, ...] = ()


def read_table(path: Path, file_format: str) -> Table:
    """Read a table in one of the `TABLE_FORMATS`.

    Raises
    ------
    UnreadableFileError
        The file is not of this format.
    """
    from astropy.table import Table

    try:
        if file_format == "csv":
            return _read_text(path)
        with warnings.catch_warnings():
            # Warnings on units and keywords do no harm here; values are checked later.
            warnings.simplefilter("ignore")
            return Table.read(path, format=file_format)
    # The readers of four formats raise various exceptions; each means that the file is not of this format.
    except Exception as fault:
        raise UnreadableFileError(path, f"cannot be read as {file_format}: {fault}") from fault


def _read_text(path: Path) -> Table:
    """Delimited text with one line of column names, all values as text."""
    from astropy.table import Table

    raw = path.read_bytes()
    if raw.startswith(b"\x1f\x8b"):
        raw = gzip.decompress(raw)
    encoding = "utf-16" if raw.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    try:
        text = raw.decode(encoding)
    except UnicodeDecodeError:
        text = raw.decode("latin-1")
    lines = [line for line in text.splitlines() if line.strip()]
    # Excel names the delimiter in a line of its own; others mark the line of column names as a comment.
    if lines and re.fullmatch(r"sep=.", lines[0].strip().lower()):
        lines = lines[1:]
    while len(lines) > 1 and lines[0].startswith("#") and not any(one in lines[0] for one in _DELIMITERS):
        lines = lines[1:]
    if not lines:
        raise ValueError("it is empty")
    lines[0] = lines[0].lstrip("# ")
    lines = [lines[0], *(line for line in lines[1:] if not line.startswith("#"))]
    delimiter = max(_DELIMITERS, key=lines[0].count)
    rows = list(csv.reader(lines, delimiter=delimiter, skipinitialspace=True))
    names = [name.strip() for name in rows[0]]
    cells = [[*row, *[""] * len(names)][: len(names)] for row in rows[1:]]
    kept = [i for i, name in enumerate(names) if name]
    # In lists with semicolons, a comma is a decimal point.
    decimal = "," if delimiter == ";" else "."
    columns = [[_clean(row[i], decimal) for row in cells] for i in kept]
    return Table([np.array(one, dtype=str) for one in columns], names=[names[i] for i in kept])


def _clean(cell: str, decimal: str) -> str:
    text = cell.strip()
    if decimal == "," and re.fullmatch(r"[-+]?\d+,\d+([eE][-+]?\d+)?", text):
        return text.replace(",", ".")
    return text


def read_positions(table: Table, where: Path) -> ListedPositions:
    """Positions of a table; rows without one are left out.

    Parameters
    ----------
    table : astropy.table.Table
        Columns ra and dec, deg, and optionally id or name, radius_arcsec and pos_err_arcsec.
    where : Path
        File of the table, or a name for it, for error messages.

    Raises
    ------
    UnreadableFileError
        A column is missing, a value cannot be used or no row has a position; the message names row and column.
    """
    ra_name, dec_name = _column(table, _RA), _column(table, _DEC)
    if ra_name is None or dec_name is None:
        missing = "right ascension (ra)" if ra_name is None else "declination (dec)"
        raise UnreadableFileError(where, f"no column of {missing}; columns: {', '.join(table.colnames) or 'none'}")
    ra, dec = _numbers(where, table, ra_name, "deg"), _numbers(where, table, dec_name, "deg")
    _check_rows(where, ra_name, ra, (ra < -360) | (ra > 360), "is not a right ascension in deg")
    _check_rows(where, dec_name, dec, np.abs(dec) > 90, "is not a declination in deg")
    given = _given_names(table)
    has_position = np.isfinite(ra) & np.isfinite(dec)
    rows = np.flatnonzero(has_position)
    if len(table) and not len(rows):
        raise UnreadableFileError(where, f"no row has a position in columns {ra_name}, {dec_name}")
    radii, errors = _optional(where, table, _RADIUS), _optional(where, table, _ERROR)
    return ListedPositions(
        _unique_names(where, given, rows.tolist()), ra[rows] % 360, dec[rows], radii[rows], errors[rows],
        _name_skipped(given, np.flatnonzero(~has_position).tolist()),
    )  # fmt: skip


def _name_skipped(given: Sequence[str], rows: Sequence[int]) -> tuple[str, ...]:
    if not rows:
        return ()
    named = [f"row {row + 1} ({given[row]})" if given[row] else f"row {row + 1}" for row in rows[:MAX_NAMED]]
    more = f" and {len(rows) - MAX_NAMED} more" if len(rows) > MAX_NAMED else ""
    verb = "has no position and was" if len(rows) == 1 else "have no position and were"
    return (f"{', '.join(named)}{more} {verb} left out",)


def _column(table: Table, accepted: Sequence[str]) -> str | None:
    """Column with one of the accepted names, in any case, whatever unit follows it in brackets."""
    names = {_UNIT.sub("", str(name).strip().lower()).replace(" ", "_"): str(name) for name in table.colnames}
    return next((names[name] for name in accepted if name in names), None)


def _texts(table: Table, name: str) -> list[str]:
    """Values of a column as text; "" for those that are missing."""
    column = table[name]
    # A column, masked or not, or the quantities of a QTable.
    values = getattr(column, "value", column)
    masked = np.broadcast_to(np.asarray(getattr(column, "mask", False)), len(table))
    texts = ["" if gap else _text(value) for value, gap in zip(values.tolist(), masked, strict=True)]
    return ["" if text.lower() in _MISSING else text for text in texts]


def _text(value: object) -> str:
    return (value.decode(errors="replace") if isinstance(value, bytes) else str(value)).strip()


def _given_names(table: Table) -> list[str]:
    """Names as given; numbers that a spreadsheet or a float column turned into 1.0, 2.0 … as integers."""
    column = _column(table, _NAME)
    if column is None:
        return [""] * len(table)
    names = _texts(table, column)
    whole = [_WHOLE.fullmatch(name) for name in names if name]
    if whole and all(whole):
        return [name.partition(".")[0] for name in names]
    return names


def _unique_names(where: Path, given: Sequence[str], rows: Iterable[int]) -> tuple[str, ...]:
    """Names of some rows; a row without one gets its number."""
    first: dict[str, int] = {}
    names = []
    for row in rows:
        name = given[row]
        if not name:
            name = str(row + 1)
            while name in given:
                name = f"row_{name}"
        if name in first:
            both = f"rows {first[name] + 1} and {row + 1}"
            raise UnreadableFileError(where, f"{both} have the same name {name!r}; names must be unique")
        first[name] = row
        names.append(name)
    return tuple(names)


def _optional(path: Path, table: Table, accepted: Sequence[str]) -> F64:
    """Read an optional column of positive angles, arcsec; NaN where the table or the row has none."""
    column = _column(table, accepted)
    if column is None:
        return np.full(len(table), np.nan)
    values = _numbers(path, table, column, "arcsec")
    _check_rows(path, column, values, values <= 0, "is not a positive angle in arcsec")
    return values


def _numbers(path: Path, table: Table, name: str, unit: str) -> F64:
    """Read a column in the given unit, NaN where it has no value; its own unit is converted."""
    from astropy import units

    values = np.full(len(table), np.nan)
    for row, text in enumerate(_texts(table, name)):
        if not text:
            continue
        try:
            values[row] = float(text)
        except ValueError:
            raise UnreadableFileError(
                path, f"row {row + 1}, column {name!r}: {text!r} is not a number; give decimal {unit}"
            ) from None
    own = getattr(table[name], "unit", None)
    if own is not None and str(own):
        try:
            return np.asarray((values * units.Unit(str(own))).to_value(unit), dtype=np.float64)
        except (ValueError, TypeError):
            raise UnreadableFileError(path, f"column {name!r} is in {own}; expected {unit}") from None
    return values


def _check_rows(path: Path, name: str, values: F64, wrong: NDArray[np.bool_], why: str) -> None:
    rows = np.flatnonzero(wrong)
    if rows.size:
        raise UnreadableFileError(path, f"row {rows[0] + 1}, column {name!r}: {values[rows[0]]:g} {why}")
