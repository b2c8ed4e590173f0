"""Export of a reference catalogue: the published CSV tables, or one table with all columns of its sources.

CSV files are as those of Dillmann et al. 2025 (MNRAS 537, 931), whose repository holds them as
``paper2DPCA_embedding.csv`` and ``paper2DPCA_clusters.csv``; Parquet, FITS and VOTable hold one row for each
source with its position, cluster and features.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.catalog_store.table_files import make_column, replace_on_success, write_fits, write_votable
from xherald.photons.arrays import I64
from xherald.photons.errors import ArtefactError, FileError
from xherald.plugins.reference import Reference, ReferenceCase

if TYPE_CHECKING:
    import pyarrow as pa
    from astropy.table import Table

__all__ = ["SUFFIXES", "candidate_rows", "export_reference", "flat_table"]


MAX_FITS_COLUMNS: Final = 999
"""FITS standard 4.0, section 7.3.1: limit of TFIELDS."""

NOT_ASCII: Final = r"[^ -~]"
NOT_XML: Final = r"[\x00-\x08\x0B\x0C\x0E-\x1F]"
"""Characters not allowed in FITS tables (standard 4.0, section 7.3.3) and in XML 1.0 (section 2.2)."""


@dataclass(frozen=True, slots=True)
class ColumnMeta:
    """Unit, UCD and description of a column, and the number that means "unknown" in it, if any."""

    unit: str
    ucd: str
    description: str
    unknown: int | None = None


COLUMN_META: Final = {
    "obsreg_id": ColumnMeta("", "meta.id;meta.main", "source within an observation"),
    "mission": ColumnMeta("", "meta.id;instr.obsty", "mission"),
    "instrument": ColumnMeta("", "meta.id;instr", "instrument"),
    "obs_id": ColumnMeta("", "meta.id;obs", "observation"),
    "ra_deg": ColumnMeta("deg", "pos.eq.ra;meta.main", "right ascension, ICRS"),
    "dec_deg": ColumnMeta("deg", "pos.eq.dec;meta.main", "declination, ICRS"),
    "counts": ColumnMeta("ct", "phot.count;em.X-ray", "photons in the aperture"),
    "livetime_s": ColumnMeta("s", "time.duration;obs.exposure", "good time minus dead time"),
    "hardness": ColumnMeta("", "phot.color;em.X-ray", "hardness ratio (H-S)/(H+S) of the photons in the aperture"),
    "variability_index": ColumnMeta("", "src.var.index", "Gregory-Loredo index, 0 to 10", -1),
    "bona_fide": ColumnMeta("", "meta.code.class;src.var", "bona-fide transient: flare, dip, other; else empty"),
    "class": ColumnMeta("", "src.class", "class of the source; empty where unknown"),
    "tsne1": ColumnMeta("", "", "first coordinate in the embedding"),
    "tsne2": ColumnMeta("", "", "second coordinate in the embedding"),
    "cluster": ColumnMeta("", "meta.code", "cluster in the embedding, 0 for outliers"),
    "candidate": ColumnMeta("", "meta.code.class;src.var", "candidate similar to flares, dips, others; else empty"),
    "nearest": ColumnMeta("", "meta.id.cross", "bona-fide transient nearest to a candidate; else empty"),
    "distance": ColumnMeta("", "", "distance to it in feature space"),
}
FEATURE: Final = ColumnMeta("", "stat.param", "feature number {}")


def export_reference(reference: Reference, case_name: str, target: Path, overwrite: bool = False) -> list[Path]:
    """Write a case of a reference catalogue as tables.

    Parameters
    ----------
    reference : Reference
    case_name : str
    target : Path
        A folder, created if needed, or a path that ends in ``.csv``: the published tables ``*_embedding.csv`` and
        ``*_clusters.csv``, and ``*_candidates.csv``, where ``*`` is the name of the case without hyphens, or the stem
        of the path. A path that ends in ``.parquet``, ``.fits``, ``.vot`` or ``.xml``: one table.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    list of Path
        Files that were written.

    Raises
    ------
    ConfigError
        The reference has no such case.
    FileError
        The suffix is unknown, a file exists or cannot be written, or the format cannot represent the values.
    ArtefactError
        A candidate is not a source of the reference.
    """
    case, suffix = reference.case(case_name), target.suffix.lower()
    if suffix == ".csv" or not suffix or target.is_dir():
        stem = target.with_suffix("") if suffix == ".csv" else target / re.sub(r"[^\w.+]+", "", case_name)
        return _write_published(reference, case, stem, overwrite)
    if suffix not in WRITERS:
        raise FileError(target, f"unknown suffix {target.suffix!r}; use a folder or one of {', '.join(SUFFIXES)}")
    _prepare_targets([target], overwrite)
    with replace_on_success(target) as part:
        WRITERS[suffix](flat_table(reference, case), part, target)
    return [target]


def flat_table(reference: Reference, case: ReferenceCase) -> pa.Table:
    """All columns of the sources of a case, one row for each source; unknown values are null.

    Returns
    -------
    pyarrow.Table
        Columns of the reference, tsne1, tsne2, cluster, candidate, nearest, distance, feature_1 … feature_d. Fields
        have units, UCDs and descriptions as metadata; the table has name, version and case of the reference.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: dict[str, Any] = {name: reference.sources[name] for name in reference.sources.column_names}
    for name, meta in COLUMN_META.items():
        if meta.unknown is not None and name in columns:
            column = columns[name]
            columns[name] = pc.if_else(pc.equal(column, meta.unknown), pa.scalar(None, column.type), column)
    columns |= {"tsne1": case.embedding[:, 0], "tsne2": case.embedding[:, 1], "cluster": case.cluster}
    row_of = np.full(len(reference), -1, dtype=np.int64)
    row_of[candidate_rows(reference, case)] = np.arange(case.candidates.num_rows)
    chosen = pa.array(row_of, mask=row_of < 0)
    for name, origin in (("candidate", "kind"), ("nearest", "nearest"), ("distance", "distance")):
        column = case.candidates[origin].take(chosen)
        columns[name] = pc.fill_null(column, "") if pa.types.is_string(column.type) else column
    columns |= {f"feature_{number}": column for number, column in enumerate(case.features.T, start=1)}
    table = pa.table(columns)
    fields = [field.with_metadata(_about(field.name)) for field in table.schema]
    return table.cast(pa.schema(fields, metadata=_provenance(reference, case)))


def candidate_rows(reference: Reference, case: ReferenceCase) -> I64:
    """Rows of the candidates of a case among the sources, shape (candidates,).

    Raises
    ------
    ArtefactError
        A candidate is not a source of the reference.
    """
    import pyarrow.compute as pc

    named = case.candidates["obsreg_id"]
    rows = pc.index_in(named, value_set=reference.sources["obsreg_id"].combine_chunks())
    if rows.null_count:
        stray = named.filter(rows.is_null())[0].as_py()
        raise ArtefactError(
            f"{reference.name}@{reference.version}: candidate {stray!r} of case {case.name} is not among its sources;"
            " rebuild the reference"
        )
    found: I64 = rows.to_numpy().astype(np.int64)
    return found


# --- published tables ------------------------------------------------------------------------------------------------


def _write_published(reference: Reference, case: ReferenceCase, stem: Path, overwrite: bool) -> list[Path]:
    """Write the CSV tables, all or none of them; numbers are written with full precision."""
    rows = candidate_rows(reference, case)
    position = [
        case.embedding[:, 0].tolist(),
        case.embedding[:, 1].tolist(),
        reference.sources["obsreg_id"].to_pylist(),
    ]
    extra = [name for name in case.candidates.column_names if name != "obsreg_id"]
    at_candidates = [
        case.embedding[rows, 0].tolist(),
        case.embedding[rows, 1].tolist(),
        *(case.candidates[name].to_pylist() for name in ("obsreg_id", *extra)),
    ]
    names = ("tsne1", "tsne2", "obsreg_id")
    tables: dict[str, tuple[Sequence[str], Sequence[list[Any]]]] = {
        "embedding": (names, position),
        "clusters": ((*names, "cluster"), [*position, case.cluster.tolist()]),
        "candidates": ((*names, *extra), at_candidates),
    }
    targets = {name: stem.with_name(f"{stem.name}_{name}.csv") for name in tables}
    _prepare_targets(targets.values(), overwrite)
    with ExitStack() as all_or_none:
        parts = {name: all_or_none.enter_context(replace_on_success(path)) for name, path in targets.items()}
        for name, (header, columns) in tables.items():
            with parts[name].open("w", encoding="utf-8", newline="") as stream:
                writer = csv.writer(stream, lineterminator="\n")
                writer.writerow(header)
                writer.writerows(zip(*columns, strict=True))
    return list(targets.values())


# --- one table -------------------------------------------------------------------------------------------------------


def _write_parquet(table: pa.Table, part: Path, target: Path) -> None:
    import pyarrow.parquet as pq

    pq.write_table(table, part, compression="zstd")


def _write_fits(table: pa.Table, part: Path, target: Path) -> None:
    if table.num_columns > MAX_FITS_COLUMNS:
        reason = f"{table.num_columns} columns are more than FITS allows, {MAX_FITS_COLUMNS}; export to .parquet"
        raise FileError(target, reason)
    _require_text(table, NOT_ASCII, target, "FITS allows only printable ASCII; export to .vot or .parquet")
    write_fits(_astropy_table(table), part, "REFERENCE")


def _write_votable(table: pa.Table, part: Path, target: Path) -> None:
    _require_text(table, NOT_XML, target, "not allowed in XML; export to .parquet")
    write_votable(_astropy_table(table), part)


WRITERS: Final[dict[str, Callable[[pa.Table, Path, Path], None]]] = {
    ".parquet": _write_parquet,
    ".fits": _write_fits,
    ".vot": _write_votable,
    ".xml": _write_votable,
}
SUFFIXES: Final = (".csv", *WRITERS)


def _require_text(table: pa.Table, forbidden: str, target: Path, reason: str) -> None:
    """Refuse a table whose text matches a forbidden pattern."""
    import pyarrow as pa
    import pyarrow.compute as pc

    for field in table.schema:
        if pa.types.is_string(field.type):
            found = table[field.name].filter(pc.match_substring_regex(table[field.name], forbidden))
            if len(found):
                raise FileError(target, f"{field.name} {found[0].as_py()!r}: {reason}")


def _astropy_table(table: pa.Table) -> Table:
    from astropy.table import Table

    written = Table()
    for field in table.schema:
        about = {key.decode(): value.decode() for key, value in field.metadata.items()}
        null = COLUMN_META[field.name].unknown if field.name in COLUMN_META else None
        written[field.name] = make_column(*_values(table[field.name]), null=null, **about)
    written.meta.update({key.decode(): value.decode() for key, value in table.schema.metadata.items()})
    return written


def _values(column: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Values of a column and the mask of missing ones; missing strings are empty."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        return np.array(pc.fill_null(column, "").to_pylist(), dtype=np.str_), None
    missing = column.is_null().to_numpy()
    return pc.fill_null(column, pa.scalar(0, column.type)).to_numpy(), missing


# --- shared ----------------------------------------------------------------------------------------------------------


def _prepare_targets(targets: Iterable[Path], overwrite: bool) -> None:
    """Refuse existing files, and create the folders of the others."""
    for target in targets:
        if target.exists() and not overwrite:
            raise FileError(target, "exists already; choose another name or pass --overwrite")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise FileError(target.parent, f"cannot be created: {fault.strerror or fault}") from fault


def _provenance(reference: Reference, case: ReferenceCase) -> dict[str, str]:
    """Metadata of the table; names are keywords of FITS."""
    return {
        "CREATOR": f"xherald {version('xherald')}",
        "REFNAME": reference.name,
        "REFVER": reference.version,
        "REFCASE": case.name,
    }


def _about(name: str) -> dict[str, str]:
    """Unit, UCD and description of a column, as metadata of a field."""
    number = name.removeprefix("feature_")
    meta = COLUMN_META.get(name, FEATURE if number != name else ColumnMeta("", "", name))
    return {"unit": meta.unit, "ucd": meta.ucd, "description": meta.description.format(number)}
