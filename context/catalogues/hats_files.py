"""The files of a catalogue in the layout of HATS (IVOA Note 1.0, https://www.ivoa.net/documents/Notes/HATS/).

hats.properties                                   facts, one "key=value" a line
partition_info.csv                                order and pixel of each partition
dataset/_metadata, dataset/_common_metadata       of Parquet: row groups of all files, schema
dataset/Norder=k/Dir=m/Npix=n.parquet             rows of pixel n of order k, sorted; m is n rounded down to 10,000
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from .standard_rows import HEALPIX_COLUMN, HEALPIX_ORDER

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["DATASET", "MAX_PARTITION_ROWS", "METADATA", "DatasetWriter", "partition_path", "write_properties"]

DATASET: Final = "dataset"
METADATA: Final = f"{DATASET}/_metadata"
MAX_PARTITION_ROWS: Final = 500_000
ROW_GROUP_ROWS: Final = 4_096
"""A cone reads whole row groups; smaller ones make the metadata long."""

PIXELS_PER_FOLDER: Final = 10_000


def partition_path(order: int, pixel: int) -> str:
    """Path of a partition below the folder ``dataset``."""
    return f"Norder={order}/Dir={pixel // PIXELS_PER_FOLDER * PIXELS_PER_FOLDER}/Npix={pixel}.parquet"


class DatasetWriter:
    """Writes partitions, and then the metadata of all of them.

    Parameters
    ----------
    folder : Path
        Of the catalogue.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._metadata: list[Any] = []
        self._schema: pa.Schema | None = None
        self._partitions: list[tuple[int, int]] = []

    def write(self, order: int, pixel: int, rows: pa.Table) -> None:
        """Write the rows of a pixel, which are sorted."""
        import pyarrow.parquet as pq

        name = partition_path(order, pixel)
        path = self._folder / DATASET / name
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(rows, path, row_group_size=ROW_GROUP_ROWS, compression="lz4", metadata_collector=self._metadata)
        self._metadata[-1].set_file_path(name)
        self._schema = rows.schema
        self._partitions.append((order, pixel))

    def finish(self) -> None:
        """Write the metadata of the dataset and the list of partitions."""
        import pyarrow.parquet as pq

        assert self._schema is not None
        dataset = self._folder / DATASET
        pq.write_metadata(self._schema, dataset / "_metadata", metadata_collector=self._metadata)
        pq.write_metadata(self._schema, dataset / "_common_metadata")
        lines = ["Norder,Npix", *(f"{order},{pixel}" for order, pixel in self._partitions)]
        (self._folder / "partition_info.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def sky_fraction(self) -> float:
        """Area of the partitions, as a fraction of the sky."""
        return float(np.sum([1 / (12 * 4**order) for order, _ in self._partitions]))

    @property
    def order(self) -> int:
        """Finest order of the partitions."""
        return max(order for order, _ in self._partitions)


def write_properties(folder: Path, name: str, rows: int, writer: DatasetWriter, facts: Mapping[str, str]) -> None:
    """Write ``hats.properties``.

    Parameters
    ----------
    folder : Path — of the catalogue
    name : str
    rows : int
    writer : DatasetWriter — finished
    facts : mapping — further properties
    """
    properties = {
        "obs_collection": name,
        "dataproduct_type": "object",
        "hats_nrows": str(rows),
        "hats_col_ra": "ra_deg",
        "hats_col_dec": "dec_deg",
        "hats_col_healpix": HEALPIX_COLUMN,
        "hats_col_healpix_order": str(HEALPIX_ORDER),
        "hats_npix_suffix": ".parquet",
        "hats_max_rows": str(MAX_PARTITION_ROWS),
        "hats_order": str(writer.order),
        "moc_sky_fraction": f"{writer.sky_fraction:.6g}",
        "hats_version": "v1.0",
        **facts,
    }
    lines: Sequence[str] = [f"{key}={_one_line(value)}" for key, value in properties.items()]
    (folder / "hats.properties").write_text("#HATS catalog\n" + "\n".join(lines) + "\n", encoding="utf-8")


def _one_line(value: str) -> str:
    return " ".join(value.replace("\\", "/").split())
