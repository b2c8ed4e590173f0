"""Copies of a valid table of photons (CSV, Parquet) with a single change, for `check_adapter`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xherald.photons import EventBatch

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["TableCopy", "is_table"]


def is_table(path: Path) -> bool:
    """Whether a file is CSV or Parquet, by its suffix."""
    return path.suffix.lower() in (".csv", ".parquet", ".pq")


class TableCopy:
    """A valid table in memory.

    Parameters
    ----------
    path : Path
    """

    def __init__(self, path: Path) -> None:
        import pyarrow.csv as pc
        import pyarrow.parquet as pq

        self.path = path
        self.table: pa.Table = pc.read_csv(path) if path.suffix.lower() == ".csv" else pq.read_table(path)

    def time_column(self, batch: EventBatch) -> str | None:
        """Name of the column of times; None if it cannot be identified."""
        import pyarrow as pa

        names: list[str] = self.table.column_names
        for name in names:
            column = self.table.column(name)
            flat = column.combine_chunks().flatten() if pa.types.is_list(column.type) else column
            if not pa.types.is_floating(flat.type) and not pa.types.is_integer(flat.type):
                continue
            values = np.asarray(flat.to_numpy(), dtype=np.float64)
            if len(values) >= len(batch.time) and np.isin(batch.time, values).all():
                return name
        return None

    def write(self, folder: Path, table: pa.Table) -> Path:
        """Write a file of the same name."""
        import pyarrow.csv as pc
        import pyarrow.parquet as pq

        path = folder / self.path.name
        if path.suffix.lower() == ".csv":
            pc.write_csv(table, path)
        else:
            pq.write_table(table, path)
        return path

    def cut(self, folder: Path) -> Path:
        """Copy truncated in the middle."""
        path = folder / self.path.name
        whole = self.path.read_bytes()
        path.write_bytes(whole[: len(whole) // 2])
        return path

    def without(self, folder: Path, name: str) -> Path:
        """Copy without a column."""
        return self.write(folder, self.table.drop_columns([name]))

    def with_nan(self, folder: Path, name: str) -> Path:
        """Copy with NaN in the last element of a column's first non-empty row."""
        import pyarrow as pa

        column = self.table.column(name)
        values: list[Any] = column.to_pylist()
        row = next(i for i, one in enumerate(values) if not isinstance(one, list) or one)
        values[row] = [*values[row][:-1], float("nan")] if isinstance(values[row], list) else float("nan")
        kind = column.type if pa.types.is_list(column.type) else pa.float64()
        index = self.table.column_names.index(name)
        return self.write(folder, self.table.set_column(index, name, pa.array(values, kind)))

    def longer(self, folder: Path, rows: int) -> Path:
        """Copy with the rows repeated to at least a number of rows."""
        import pyarrow as pa

        times = -(-rows // max(self.table.num_rows, 1))
        return self.write(folder, pa.concat_tables([self.table] * times))
