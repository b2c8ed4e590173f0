"""Files between the steps of the published method: representations, features, embeddings, clusters, properties.

Representations are npz files. Tables are CSV, Parquet or npz files with a column ``obsreg_id``, one row for each
source: features in ``feature_1`` … (of npz files, one array ``features``), embeddings in ``tsne1`` and ``tsne2`` as
published, clusters beside them in ``cluster`` (0 for outliers).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.catalog_store.table_files import replace_on_success
from xherald.photons.arrays import F64, I64
from xherald.photons.artefact_folders import load_arrays, save_arrays, save_compressed_arrays
from xherald.photons.errors import ArtefactError, FileError, ReferenceDataError, UnreadableFileError
from xherald.plugins.contract import Features, Values

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = [
    "TABLE_SUFFIXES",
    "EmbeddingTable",
    "FeatureTable",
    "SavedRepresentations",
    "is_representations_file",
    "read_embedding",
    "read_features",
    "read_properties",
    "read_representations",
    "write_embedding",
    "write_features",
    "write_representations",
    "write_table",
]

TABLE_SUFFIXES: Final = (".csv", ".parquet", ".npz")
NAME: Final = "obsreg_id"
AXES: Final = ("tsne1", "tsne2")


@dataclass(frozen=True, slots=True, eq=False)
class SavedRepresentations:
    """Representations of n sources.

    Parameters
    ----------
    names : tuple of str
    values : ndarray, shape (n, *shape), or csr_array, shape (n, product of shape) — float32
    shape : tuple of int — of one source's array
    """

    names: tuple[str, ...]
    values: Values
    shape: tuple[int, ...]

    def dense(self, row: int) -> NDArray[Any]:
        """Array of one source, of the representation's shape."""
        values = self.values[row : row + 1]
        flat = values if isinstance(values, np.ndarray) else values.toarray()
        return flat.reshape(self.shape)


@dataclass(frozen=True, slots=True, eq=False)
class FeatureTable:
    """Features of n sources.

    Parameters
    ----------
    names : tuple of str
    features : ndarray, shape (n, d)
    """

    names: tuple[str, ...]
    features: Features


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddingTable:
    """Positions of n sources in an embedding.

    Parameters
    ----------
    names : tuple of str
    positions : ndarray, shape (n, 2), float64
    cluster : ndarray, shape (n,), int64, or None — 0 for outliers
    """

    names: tuple[str, ...]
    positions: F64
    cluster: I64 | None = None


# --- representations -------------------------------------------------------------------------------------------------


def write_representations(representations: SavedRepresentations, path: Path) -> None:
    """Write representations as npz.

    Raises
    ------
    FileError
        The suffix is not ``.npz``, or the file cannot be written.
    """
    if path.suffix.lower() != ".npz":
        raise FileError(path, "representations are written as .npz; choose a name that ends in it")
    arrays: dict[str, NDArray[Any]] = {NAME: np.array(representations.names), "shape": np.array(representations.shape)}
    values = representations.values
    if isinstance(values, np.ndarray):
        arrays["values"] = values
    else:
        arrays |= {"data": values.data, "indices": values.indices, "indptr": values.indptr}
    with replace_on_success(path) as part:
        save_compressed_arrays(part, **arrays)


def read_representations(path: Path) -> SavedRepresentations:
    """Read what `write_representations` wrote.

    Raises
    ------
    UnreadableFileError
        The file cannot be read, or is not one of representations.
    """
    from scipy.sparse import csr_array

    arrays = _read_npz(path)
    if NAME not in arrays or "shape" not in arrays or not ({"values"} <= set(arrays) or {"indptr"} <= set(arrays)):
        raise UnreadableFileError(path, "holds no representations; write them with `xherald reference represent`")
    names, shape = tuple(map(str, arrays[NAME])), tuple(map(int, arrays["shape"]))
    if "values" in arrays:
        return SavedRepresentations(names, arrays["values"], shape)
    size = (len(names), int(np.prod(shape)))
    return SavedRepresentations(
        names, csr_array((arrays["data"], arrays["indices"], arrays["indptr"]), shape=size), shape
    )


def is_representations_file(path: Path) -> bool:
    """Whether a file is an npz of representations rather than a table."""
    if path.suffix.lower() != ".npz" or not path.is_file():
        return False
    return "shape" in _read_npz(path)


# --- tables ----------------------------------------------------------------------------------------------------------


def write_features(table: FeatureTable, path: Path) -> None:
    """Write features as CSV, Parquet or npz; raises `FileError` if the file cannot be written."""
    if path.suffix.lower() == ".npz":
        with replace_on_success(path) as part:
            save_arrays(part, **{NAME: np.array(table.names), "features": table.features})
        return
    columns = {f"feature_{number}": column for number, column in enumerate(table.features.T, start=1)}
    write_table({NAME: table.names, **columns}, path)


def read_features(path: Path) -> FeatureTable:
    """Read features: all columns ``feature_…`` of a table, or of one without such all its numeric columns.

    Raises
    ------
    UnreadableFileError
        The file cannot be read, has no ``obsreg_id``, no features, or features that are not finite.
    """
    if path.suffix.lower() == ".npz":
        arrays = _read_npz(path)
        if NAME not in arrays or "features" not in arrays:
            raise UnreadableFileError(path, f"must hold the arrays {NAME} and features")
        names, features = tuple(map(str, arrays[NAME])), arrays["features"]
    else:
        table = _read_table(path)
        numeric = [name for name in table.column_names if name != NAME and _is_numeric(table, name)]
        chosen = [name for name in numeric if name.startswith("feature_")] or numeric
        if not chosen:
            raise UnreadableFileError(path, "has no columns of features (feature_1, …)")
        names = _names_in(table, path)
        features = np.column_stack([table.column(name).to_numpy().astype(np.float64) for name in chosen])
    if features.ndim != 2 or len(features) != len(names) or not np.isfinite(features).all():
        raise UnreadableFileError(path, "features must be finite numbers, one row for each obsreg_id")
    return FeatureTable(names, np.ascontiguousarray(features))


def write_embedding(table: EmbeddingTable, path: Path) -> None:
    """Write an embedding in the published form: tsne1, tsne2, obsreg_id and, if known, cluster."""
    columns: dict[str, Any] = {AXES[0]: table.positions[:, 0], AXES[1]: table.positions[:, 1], NAME: table.names}
    write_table(columns if table.cluster is None else {**columns, "cluster": table.cluster}, path)


def read_embedding(path: Path) -> EmbeddingTable:
    """Read an embedding in the published form, with its clusters if there are any.

    Raises
    ------
    UnreadableFileError
        The file cannot be read, or lacks a column.
    """
    table = _read_table(path)
    if missing := [name for name in (*AXES, NAME) if name not in table.column_names]:
        raise UnreadableFileError(path, f"has no column {missing[0]}; an embedding has {', '.join((*AXES, NAME))}")
    if unusable := [name for name in AXES if not _is_numeric(table, name) or table.column(name).null_count]:
        raise UnreadableFileError(path, f"column {unusable[0]} must hold numbers")
    positions = np.column_stack([table.column(name).to_numpy().astype(np.float64) for name in AXES])
    cluster = table.column("cluster").to_numpy().astype(np.int64) if "cluster" in table.column_names else None
    return EmbeddingTable(_names_in(table, path), positions, cluster)


def read_properties(path: Path, column: str, names: Sequence[str]) -> NDArray[Any]:
    """A property of sources, such as a column of the published ``properties_table.csv``.

    Parameters
    ----------
    path : Path
        Table with ``obsreg_id``.
    column : str
    names : sequence of str
        Sources, in the order wanted.

    Returns
    -------
    ndarray, shape (n,)
        Numbers (NaN where the table has none) or strings ("").

    Raises
    ------
    FileError
        The file cannot be read, or has no such column.
    ReferenceDataError
        None of the sources is in the table.
    """
    table = _read_table(path)
    if column not in table.column_names:
        available = ", ".join(name for name in table.column_names if name != NAME)
        raise FileError(path, f"has no column {column!r}; available: {available}")
    rows = {name: row for row, name in enumerate(_names_in(table, path))}
    chosen = [rows.get(name, -1) for name in names]
    if max(chosen, default=-1) < 0:
        raise ReferenceDataError(f"{path}: none of the {len(names):,} sources is in this table")
    values = table.column(column).to_pylist()
    is_numeric = _is_numeric(table, column)
    missing: Any = np.nan if is_numeric else ""
    picked = [missing if row < 0 or values[row] is None else values[row] for row in chosen]
    return np.array(picked, dtype=np.float64) if is_numeric else np.array([str(value) for value in picked])


def write_table(columns: dict[str, Any], path: Path) -> None:
    """Write columns as CSV, Parquet or npz.

    Raises
    ------
    FileError
        The suffix is none of these, or the file cannot be written.
    """
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise FileError(path, f"unknown suffix {path.suffix!r}; use one of {', '.join(TABLE_SUFFIXES)}")
    with replace_on_success(path) as part:
        if suffix == ".npz":
            save_arrays(part, **{name: np.asarray(values) for name, values in columns.items()})
            return
        table = pa.table({name: pa.array(values) for name, values in columns.items()})
        if suffix == ".csv":
            is_plain = not any(set(str(name)) & set('",\r\n') for name in columns.get(NAME, ()))
            style = "none" if is_plain else "needed"  # as published, unless a name would break the columns
            pc.write_csv(table, part, pc.WriteOptions(quoting_style=style, quoting_header="none"))
        else:
            pq.write_table(table, part, compression="zstd")


def _read_table(path: Path) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc
    import pyarrow.parquet as pq

    suffix = path.suffix.lower()
    if suffix not in TABLE_SUFFIXES:
        raise FileError(path, f"unknown suffix {path.suffix!r}; use one of {', '.join(TABLE_SUFFIXES)}")
    if suffix == ".npz":
        return pa.table({name: pa.array(values) for name, values in _read_npz(path).items() if values.ndim == 1})
    try:
        if suffix == ".parquet":
            return pq.read_table(path)
        return pc.read_csv(path, convert_options=pc.ConvertOptions(column_types={NAME: pa.string()}))
    except (pa.ArrowException, OSError) as fault:
        raise UnreadableFileError(path, f"cannot be read as a table: {fault}") from fault


def _names_in(table: pa.Table, path: Path) -> tuple[str, ...]:
    if NAME not in table.column_names:
        raise UnreadableFileError(path, f"has no column {NAME}")
    names = tuple(map(str, table.column(NAME).to_pylist()))
    if len(set(names)) != len(names):
        duplicate = next(name for position, name in enumerate(names) if name in names[:position])
        raise UnreadableFileError(path, f"lists {duplicate} twice")
    return names


def _is_numeric(table: pa.Table, name: str) -> bool:
    import pyarrow as pa

    kind = table.schema.field(name).type
    return bool(pa.types.is_integer(kind) or pa.types.is_floating(kind))


def _read_npz(path: Path) -> dict[str, NDArray[Any]]:
    try:
        return load_arrays(path)
    except ArtefactError as fault:
        raise UnreadableFileError(path, str(fault).removeprefix(f"{path}: ")) from fault
