"""Tables of any format in chunks: FITS, VOTable, ECSV, CSV and TSV, Parquet.

FITS, CSV and Parquet files of any size are read in bounded memory. VOTable and ECSV, which astropy reads as a whole,
are refused above `MAX_WHOLE_BYTES`.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.adapters.reading.fits_files import open_fits
from xherald.photons.errors import FileError, UnreadableFileError
from xherald.plugins.contract import ReadLimits

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.table import Table

__all__ = ["ChunkedTable", "chunk_table", "open_table"]

MAX_WHOLE_BYTES: Final = 256 * 2**20
"""Largest VOTable or ECSV file; astropy needs several times as much memory."""

CSV_BLOCK_BYTES: Final = 16 * 2**20
LIMITS: Final = ReadLimits(max_uncompressed_gib=1e6, max_events=10**12)
"""None in effect: a catalogue is read in portions, whatever its length."""

COMPRESSIONS: Final[Mapping[bytes, Callable[[Path], Any]]] = {
    b"\x1f\x8b": gzip.open,
    b"BZh": bz2.open,
    b"\xfd7zXZ": lzma.open,
}


@dataclass(frozen=True, slots=True)
class ChunkedTable:
    """A table that is read in chunks.

    Parameters
    ----------
    path : Path — as the user named it
    units : mapping of str to str — unit of each column, in the order of the file; empty if not stated
    read : callable
        Called with names of columns, those of them that are text, and the number of rows of a chunk; yields Arrow
        tables of at most that many rows.
    """

    path: Path
    units: Mapping[str, str]
    read: Callable[[Sequence[str], frozenset[str], int], Iterator[pa.Table]]

    def chunks(self, names: Sequence[str], text: frozenset[str], size: int) -> Iterator[pa.Table]:
        """Rows in order, with the named columns only.

        Raises
        ------
        UnreadableFileError
            A row cannot be read.
        """
        import pyarrow as pa

        try:
            yield from self.read(names, text, size)
        except (pa.ArrowException, OSError, ValueError, TypeError, EOFError) as fault:
            raise UnreadableFileError(self.path, f"cannot be read: {fault}") from fault


@contextmanager
def open_table(path: Path, hdu: str | None = None, scratch: Path | None = None) -> Iterator[ChunkedTable]:
    """Open a table; the format is recognised by its content, text by the name of the file.

    Parameters
    ----------
    path : Path
        May be compressed with gzip, bzip2 or xz; it is then decompressed into a temporary file.
    hdu : str, optional
        Extension of a FITS file by name or number, or table of a VOTable by number; by default the first table.
    scratch : Path, optional
        Folder of the temporary file.

    Raises
    ------
    FileError
        The file cannot be read, has no table, or is too large for its format.
    """
    opened, name = _opener(path)
    try:
        with opened(path) as file:
            start = file.read(512)
    except (OSError, EOFError, lzma.LZMAError) as fault:
        raise UnreadableFileError(path, f"cannot be read: {fault}") from fault
    if not start:
        raise UnreadableFileError(path, "is empty")
    if start.startswith(b"SIMPLE"):
        with _open_fits(path, hdu) as table:
            yield table
        return
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        local = path
        if name != path.name:
            local = Path(folder) / "table"
            _decompress(path, local, opened)
        if start.startswith(b"PAR1"):
            yield _open_parquet(path, local)
        elif b"<VOTABLE" in start or start.lstrip().startswith(b"<?xml"):
            yield _open_whole(path, local, "votable", {"table_id": int(hdu)} if hdu and hdu.isdigit() else {})
        elif start.startswith(b"# %ECSV"):
            yield _open_whole(path, local, "ascii.ecsv", {})
        else:
            yield _open_csv(path, local, name, start)


def _opener(path: Path) -> tuple[Callable[[Path], Any], str]:
    """How a file is opened, and its name without the suffix of its compression."""
    try:
        with path.open("rb") as file:
            start = file.read(8)
    except OSError as fault:
        raise UnreadableFileError(path, f"cannot be read: {fault.strerror or fault}") from fault
    for magic, opened in COMPRESSIONS.items():
        if start.startswith(magic):
            return opened, path.stem
    return lambda one: one.open("rb"), path.name


def _decompress(path: Path, target: Path, opened: Callable[[Path], Any]) -> None:
    try:
        with opened(path) as source, target.open("wb") as out:
            shutil.copyfileobj(source, out, CSV_BLOCK_BYTES)
    except (OSError, EOFError, lzma.LZMAError) as fault:
        raise UnreadableFileError(path, f"cannot be decompressed: {fault}") from fault


@contextmanager
def _open_fits(path: Path, hdu: str | None) -> Iterator[ChunkedTable]:
    import pyarrow as pa

    with open_fits(path, LIMITS) as file:
        file.require_intact()
        tables = [one for one in file.hdus if one.is_table]
        if hdu is not None:
            tables = [one for number, one in enumerate(file.hdus) if hdu.upper() in (one.name, str(number))]
        if not tables or not tables[0].is_table:
            units = ", ".join(f"{number} {one.name}" for number, one in enumerate(file.hdus))
            raise UnreadableFileError(path, f"has no binary table {hdu or ''}, only {units}; name one with --hdu")
        table = tables[0]
        columns = {one.name: one for one in table.columns.values()}
        table_units = {name: str(table.header.get(f"TUNIT{one.number}", "")) for name, one in columns.items()}

        def read(names: Sequence[str], _text: frozenset[str], size: int) -> Iterator[pa.Table]:
            for rows in file.blocks(table, size):
                yield pa.table({name: _from_numpy(path, name, rows.column(name), columns[name].null) for name in names})

        yield ChunkedTable(path, table_units, read)


def _from_numpy(path: Path, name: str, values: Any, null: object = None) -> pa.Array:
    """An Arrow array of a column; masked and null values are null, text loses trailing blanks."""
    import pyarrow as pa
    import pyarrow.compute as pc

    array = np.asarray(values)
    if array.ndim != 1:
        raise UnreadableFileError(path, f"column {name} holds arrays of shape {array.shape[1:]}, not single values")
    mask = np.ma.getmaskarray(values) if isinstance(values, np.ma.MaskedArray) else np.zeros(len(array), bool)
    if null is not None and array.dtype.kind in "iu":
        mask |= array == null
    if array.dtype.kind == "S":
        # Bytes beyond ASCII occur in names of authors; they do not make a table unreadable.
        try:
            text = pa.array(array, mask=mask).cast(pa.string())
        except pa.ArrowInvalid:
            text = pa.array(np.char.decode(array, "latin-1").astype(object), pa.string(), mask=mask)
        return pc.utf8_trim_whitespace(text)
    if array.dtype.kind in "OU":
        plain = [None if gone else str(one) for one, gone in zip(array.tolist(), mask.tolist(), strict=True)]
        return pc.utf8_trim_whitespace(pa.array(plain, pa.string()))
    return pa.array(array.astype(array.dtype.newbyteorder("=")), mask=mask)


def _open_parquet(path: Path, local: Path) -> ChunkedTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        file = pq.ParquetFile(local)
        schema = file.schema_arrow
    except (pa.ArrowException, OSError) as fault:
        raise UnreadableFileError(path, f"is not a readable Parquet file: {fault}") from fault
    units = {one.name: (one.metadata or {}).get(b"unit", b"").decode() for one in schema}
    units |= _units_of_astropy(schema.metadata or {})

    def read(names: Sequence[str], _text: frozenset[str], size: int) -> Iterator[pa.Table]:
        for batch in file.iter_batches(batch_size=size, columns=list(names)):
            yield pa.Table.from_batches([batch])

    return ChunkedTable(path, units, read)


def _units_of_astropy(metadata: Mapping[bytes, bytes]) -> dict[str, str]:
    """Units in the metadata that astropy writes into Parquet files (a header as of ECSV)."""
    import yaml
    from astropy.table import meta

    written = metadata.get(b"table_meta_yaml")
    if written is None:
        return {}
    with suppress(yaml.YAMLError, ValueError, KeyError, TypeError):
        header = meta.get_header_from_yaml(written.decode().split("\n"))
        return {one["name"]: str(one["unit"]) for one in header["datatype"] if one.get("unit")}
    return {}


def _open_whole(path: Path, local: Path, form: str, options: Mapping[str, Any]) -> ChunkedTable:
    from astropy.table import Table

    if local.stat().st_size > MAX_WHOLE_BYTES:
        raise FileError(
            path, f"is larger than {MAX_WHOLE_BYTES >> 20} MiB, too large for its format; convert it to FITS or Parquet"
        )
    try:
        table = Table.read(local, format=form, **options)
    except Exception as fault:  # whatever a malformed file makes the parsers raise
        raise UnreadableFileError(path, f"cannot be read: {type(fault).__name__}: {fault}") from fault
    return chunk_table(path, table)


def chunk_table(path: Path, table: Table) -> ChunkedTable:
    """A table of astropy, as one that is read in chunks; the path is for messages."""
    import pyarrow as pa

    def read(names: Sequence[str], _text: frozenset[str], size: int) -> Iterator[pa.Table]:
        for first in range(0, len(table), size):
            rows = table[first : first + size]
            yield pa.table({name: _from_numpy(path, name, rows[name]) for name in names})

    return ChunkedTable(path, {name: str(table[name].unit or "") for name in table.colnames}, read)


def _open_csv(path: Path, local: Path, name: str, start: bytes) -> ChunkedTable:
    import pyarrow as pa
    from pyarrow import csv

    if b"\0" in start:
        raise UnreadableFileError(path, "is not a FITS, VOTable, ECSV, CSV or Parquet file")
    skipped, header, units = _csv_header(path, local)
    delimiter = "\t" if name.endswith((".tsv", ".tab")) else max(",\t;|", key=header.count)
    names = [one.strip().strip('"') for one in header.split(delimiter)]
    if twice := sorted({one for one in names if names.count(one) > 1}):
        raise UnreadableFileError(path, f"has two columns named {twice[0]!r}; rename one")

    def read(wanted: Sequence[str], text: frozenset[str], size: int) -> Iterator[pa.Table]:
        # Types are stated, because those guessed from the first rows need not hold for later ones.
        types = {one: pa.string() if one in text else pa.float64() for one in wanted}
        reader = csv.open_csv(
            local,
            read_options=csv.ReadOptions(block_size=CSV_BLOCK_BYTES, column_names=names, skip_rows=skipped),
            parse_options=csv.ParseOptions(delimiter=delimiter),
            convert_options=csv.ConvertOptions(
                column_types=types,
                include_columns=list(wanted),
                null_values=["", "NULL", "null", "NaN", "nan", "NA", "N/A", "--", '""'],
                strings_can_be_null=True,
            ),
        )
        for batch in reader:
            for first in range(0, len(batch), size):
                yield pa.Table.from_batches([batch.slice(first, size)])

    stated = [one.strip() for one in units.split(delimiter)] if units else [""] * len(names)
    return ChunkedTable(path, dict(zip(names, stated, strict=False)), read)


def _csv_header(path: Path, local: Path) -> tuple[int, str, str]:
    """Number of lines before the first row, the line of column names, and the line of units if there is one.

    Lines at the start that begin with # are comments. VizieR writes units and a line of dashes below the names.
    """
    with local.open(encoding="utf-8", errors="replace") as file:
        for number, line in enumerate(file, start=1):
            if line.strip() and not line.startswith("#"):
                units, dashes = file.readline(), file.readline()
                if dashes.strip() and not set(dashes.strip()) - set("-\t;,| "):
                    return number + 2, line.strip("\r\n").lstrip("\ufeff"), units.strip("\r\n")
                return number, line.strip("\r\n").lstrip("\ufeff"), ""
    raise UnreadableFileError(path, "has no line of column names")
