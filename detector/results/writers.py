"""Writers of source rows: JSON Lines, CSV, FITS and VOTable, chosen by suffix, each file whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.catalog_store.table_files import described_column, write_fits, write_votable, written_aside
from xherald.photons.errors import ConfigError

from .rows import Column, SourceRow, flat_columns, value_at

if TYPE_CHECKING:
    from astropy.table import Table

__all__ = ["as_table", "require_writable", "write"]


def require_writable(targets: Iterable[Path]) -> None:
    """Refuse outputs that could not be written, before hours of work are done for them.

    Raises
    ------
    ConfigError
        The suffix is none we write, or the folder is not there.
    """
    for target in targets:
        if target.suffix.lower() not in WRITERS:
            raise ConfigError(f"{target}: the suffix says no format we write; allowed: {', '.join(WRITERS)}")
        if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
            raise ConfigError(f"{target}: its folder does not exist or cannot be written to")


def write(rows: Sequence[SourceRow], target: Path) -> None:
    """Write rows in the format of the target's suffix; an interrupted write leaves the old file, never half a new one.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    with written_aside(target) as part:
        WRITERS[target.suffix.lower()](rows, part)


def as_table(rows: Sequence[SourceRow]) -> Table:
    """Rows as an astropy table with units, descriptions and UCDs; what is not known is masked."""
    from astropy.table import Table

    tests = list(dict.fromkeys(name for row in rows for name in row["tests"]))
    table = Table()
    for column in flat_columns(tests):
        table[column.name] = _column(rows, column)
    table.meta["CREATOR"] = "xherald"
    return table


def _column(rows: Sequence[SourceRow], column: Column) -> Any:
    import numpy as np

    values = [value_at(row, column.path) for row in rows]
    empty: dict[type, Any] = {str: "", int: 0, float: np.nan, bool: False}
    filled = [empty[column.kind] if value is None else _plain(value) for value in values]
    dtype = {str: None if rows else "U1", int: np.int64, float: np.float64, bool: np.bool_}[column.kind]
    return described_column(
        np.array(filled, dtype=dtype),
        None if column.kind in (str, bool) else np.array([value is None for value in values], dtype=bool),
        unit=column.unit,
        ucd=column.ucd,
        description=column.description,
    )


def _plain(value: Any) -> Any:
    return ";".join(value) if isinstance(value, list) else value


def _write_json_lines(rows: Sequence[SourceRow], target: Path) -> None:
    with target.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, allow_nan=False) + "\n")


def _write_csv(rows: Sequence[SourceRow], target: Path) -> None:
    as_table(rows).write(target, format="ascii.csv", overwrite=True)


def _write_fits(rows: Sequence[SourceRow], target: Path) -> None:
    write_fits(as_table(rows), target, "SOURCES")


def _write_votable(rows: Sequence[SourceRow], target: Path) -> None:
    write_votable(as_table(rows), target)


WRITERS: dict[str, Callable[[Sequence[SourceRow], Path], None]] = {
    ".jsonl": _write_json_lines,
    ".csv": _write_csv,
    ".fits": _write_fits,
    ".vot": _write_votable,
    ".xml": _write_votable,
}
