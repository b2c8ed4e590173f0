"""Sorting more rows than fit into memory: sorted runs on disk, of which ranges are merged.

Each chunk is sorted by its HEALPix index and written to a file; a range of indices is then read from all of them. At
any time, one chunk or one range is in memory, with one block of rows of each run.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.photons.arrays import I64

from .standard_rows import HEALPIX_COLUMN, HEALPIX_ORDER

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["COUNT_ORDER", "SortedRuns", "choose_partitions"]

COUNT_ORDER: Final = 8
"""Finest order of partitions, in which rows are counted: 0.05 square degrees."""

BLOCK_ROWS: Final = 16_384


@dataclass(slots=True)
class SortedRuns:
    """Chunks of a catalogue, sorted and written to a folder.

    Parameters
    ----------
    folder : Path — exists, and is removed by the caller

    Attributes
    ----------
    counts : ndarray, shape (12 × 4**COUNT_ORDER,) — rows of each pixel
    schema : Schema or None — of the rows
    """

    folder: Path
    counts: I64 = field(default_factory=lambda: np.zeros(12 * 4**COUNT_ORDER, dtype=np.int64))
    schema: pa.Schema | None = None
    _files: list[Path] = field(default_factory=list)
    _starts: list[I64] = field(default_factory=list)

    def add(self, table: pa.Table) -> None:
        """Write a chunk as a sorted run."""
        import pyarrow as pa

        if self.schema is None:
            self.schema = table.schema
        table = table.cast(self.schema)
        index = table[HEALPIX_COLUMN].to_numpy()
        order = np.argsort(index, kind="stable")
        table, index = table.take(pa.array(order)).combine_chunks(), index[order]
        self.counts += np.bincount(index >> (2 * (HEALPIX_ORDER - COUNT_ORDER)), minlength=len(self.counts))
        path = self.folder / f"{len(self._files)}.arrow"
        with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, self.schema) as writer:
            writer.write_table(table, max_chunksize=BLOCK_ROWS)
        self._files.append(path)
        self._starts.append(index[::BLOCK_ROWS].copy())

    def read(self, first: int, stop: int) -> pa.Table:
        """Rows with indices from ``first`` to below ``stop``, sorted."""
        import pyarrow as pa

        assert self.schema is not None
        parts = []
        for path, starts in zip(self._files, self._starts, strict=True):
            # The block before the first that starts within the range may reach into it.
            low, high = np.searchsorted(starts, [first, stop])
            with pa.OSFile(str(path)) as source:
                file = pa.ipc.open_file(source)
                for block in range(max(int(low) - 1, 0), int(high)):
                    rows = file.get_batch(block)
                    here, there = np.searchsorted(rows.column(HEALPIX_COLUMN).to_numpy(), [first, stop])
                    parts.append(rows.slice(here, there - here))
        table = pa.Table.from_batches(parts, self.schema)
        return table.take(pa.array(np.argsort(table[HEALPIX_COLUMN].to_numpy(), kind="stable")))


def choose_partitions(counts: I64, max_rows: int) -> list[tuple[int, int]]:
    """Partitions of the sky: the largest HEALPix pixels of at most so many rows.

    Parameters
    ----------
    counts : ndarray, shape (12 × 4**COUNT_ORDER,) — rows of each nested pixel
    max_rows : int — exceeded only by pixels of the finest order

    Returns
    -------
    list of (order, pixel) — with rows, in the order of the nested indices
    """
    is_open = np.ones(12, dtype=bool)
    found: list[tuple[int, int, int]] = []
    for order in range(COUNT_ORDER + 1):
        shift = 2 * (COUNT_ORDER - order)
        rows = counts.reshape(-1, 4 ** (COUNT_ORDER - order)).sum(axis=1)
        whole = is_open & (rows > 0) & ((rows <= max_rows) | (order == COUNT_ORDER))
        found += [(int(pixel) << shift, order, int(pixel)) for pixel in np.flatnonzero(whole)]
        is_open = np.repeat(is_open & (rows > max_rows), 4)
    return [(order, pixel) for _, order, pixel in sorted(found)]
