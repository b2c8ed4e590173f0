"""Writers of rows: JSON Lines, CSV, ECSV, FITS, VOTable and Parquet, chosen by the suffix of the file."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from xherald.catalog_store.table_files import replace_on_success, write_fits, write_votable
from xherald.photons.errors import ConfigError

from .row_types import DetectionRow
from .schema import COLUMNS, Field, get_value
from .tables import column_values, to_table
from .version import code_version

__all__ = ["WRITERS", "require_writable", "write"]


def require_writable(targets: Iterable[Path]) -> None:
    """Check that outputs can be written, before hours of work are done for them.

    Raises
    ------
    ConfigError
        A suffix is not one of `WRITERS`, or a folder does not exist or is not writable.
    """
    for target in targets:
        if target.suffix.lower() not in WRITERS:
            raise ConfigError(f"{target}: unknown output format; allowed suffixes: {', '.join(WRITERS)}")
        if not target.parent.is_dir() or not os.access(target.parent, os.W_OK):
            raise ConfigError(f"{target}: its folder does not exist or is not writable")


def write(rows: Sequence[DetectionRow], target: Path) -> None:
    """Write rows in the format of the target's suffix; an interrupted write leaves any old file unchanged.

    Raises
    ------
    FileError
        The file cannot be written.
    """
    with replace_on_success(target) as part:
        WRITERS[target.suffix.lower()](rows, part)


def _write_json_lines(rows: Sequence[DetectionRow], target: Path) -> None:
    with target.open("w", encoding="utf-8") as stream:
        for row in rows:
            stream.write(json.dumps(row, allow_nan=False) + "\n")


def _write_csv(rows: Sequence[DetectionRow], target: Path) -> None:
    to_table(rows).write(target, format="ascii.csv", overwrite=True)


def _write_ecsv(rows: Sequence[DetectionRow], target: Path) -> None:
    to_table(rows).write(target, format="ascii.ecsv", overwrite=True)


def _write_fits(rows: Sequence[DetectionRow], target: Path) -> None:
    write_fits(to_table(rows), target, "SOURCES")


def _write_votable(rows: Sequence[DetectionRow], target: Path) -> None:
    write_votable(to_table(rows), target)


def _write_parquet(rows: Sequence[DetectionRow], target: Path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    types = {
        "str": pa.string(),
        "int": pa.int64(),
        "float": pa.float64(),
        "bool": pa.bool_(),
        "utc": pa.timestamp("ms", tz="UTC"),
    }
    fields = [
        pa.field(
            one.name,
            types[one.dtype],
            metadata={"unit": one.unit, "ucd": one.ucd, "description": one.description},
        )
        for one in COLUMNS
    ]
    columns = [pa.array(_arrow_values(one, rows), types[one.dtype]) for one in COLUMNS]
    schema = pa.schema(fields, metadata={"CREATOR": f"xherald {code_version()}"})
    pq.write_table(pa.Table.from_arrays(columns, schema=schema), target)


def _arrow_values(one: Field, rows: Sequence[DetectionRow]) -> list[Any]:
    values = [get_value(row, one.source) for row in rows]
    if one.dtype == "utc":
        return [None if value is None else datetime.fromisoformat(value) for value in values]
    array, missing = column_values(one, values)
    return [None if unknown else value for value, unknown in zip(array.tolist(), missing.tolist(), strict=True)]


WRITERS: dict[str, Callable[[Sequence[DetectionRow], Path], None]] = {
    ".jsonl": _write_json_lines,
    ".csv": _write_csv,
    ".ecsv": _write_ecsv,
    ".fits": _write_fits,
    ".vot": _write_votable,
    ".xml": _write_votable,
    ".parquet": _write_parquet,
}
