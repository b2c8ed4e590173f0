"""Writers of source rows: JSON Lines, CSV, FITS and VOTable, chosen by suffix, each file whole or not there at all."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xherald.photons.errors import ConfigError, FileError

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
    writer = WRITERS[target.suffix.lower()]
    part = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        writer(rows, part)
        part.replace(target)
    except OSError as fault:
        raise FileError(target, f"cannot be written: {fault.strerror or fault}") from fault
    finally:
        part.unlink(missing_ok=True)


def as_table(rows: Sequence[SourceRow]) -> Table:
    """Rows as an astropy table with units, descriptions and UCDs; what is not known is masked."""
    from astropy.table import Table

    tests = list(dict.fromkeys(name for row in rows for name in row["tests"]))
    table = Table()
    for column in flat_columns(tests):
        table[column.name] = _masked(rows, column)
    table.meta["CREATOR"] = "xherald"
    return table


def _masked(rows: Sequence[SourceRow], column: Column) -> Any:
    import numpy as np
    from astropy.table import MaskedColumn

    values = [value_at(row, column.path) for row in rows]
    missing = [value is None for value in values]
    empty: dict[type, Any] = {str: "", int: 0, float: np.nan}
    filled = [empty[column.kind] if value is None else _plain(value) for value in values]
    dtype = {str: None if rows else "U1", int: np.int64, float: np.float64}[column.kind]
    array = np.array(filled, dtype=dtype)
    mask = [False] * len(rows) if column.kind is str else missing
    return MaskedColumn(
        array, mask=mask, unit=column.unit or None, description=column.description, meta={"ucd": column.ucd}
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
    from astropy.io import fits

    table = as_table(rows)
    described = [(name, table[name].description, table[name].meta["ucd"]) for name in table.colnames]
    for name in table.colnames:  # FITS takes neither; both go into keywords below
        table[name].meta.clear()
    events = fits.table_to_hdu(table, name="SOURCES")
    for number, (_, description, ucd) in enumerate(described, start=1):
        events.header[f"TCOMM{number}"] = description
        events.header[f"TUCD{number}"] = ucd
    fits.HDUList([fits.PrimaryHDU(), events]).writeto(target, overwrite=True)


def _write_votable(rows: Sequence[SourceRow], target: Path) -> None:
    from astropy.io.votable import from_table

    table = as_table(rows)
    document = from_table(table)
    for field in document.get_first_table().fields:
        field.ucd = table[field.name].meta["ucd"]
    document.to_xml(str(target))


WRITERS: dict[str, Callable[[Sequence[SourceRow], Path], None]] = {
    ".jsonl": _write_json_lines,
    ".csv": _write_csv,
    ".fits": _write_fits,
    ".vot": _write_votable,
    ".xml": _write_votable,
}
