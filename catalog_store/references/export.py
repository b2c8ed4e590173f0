"""A reference catalogue as files for others: the published CSV tables, or all that is known of a source in one table.

CSV files are those of Dillmann et al. 2025 (MNRAS 537, 931), whose repository holds them as
``paper2DPCA_embedding.csv`` and ``paper2DPCA_clusters.csv``; Parquet, FITS and VOTable hold a row a source with its
place, cluster and features.
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


MOST_FITS_COLUMNS: Final = 999
"""FITS standard 4.0, section 7.3.1: TFIELDS is at most that."""

NOT_ASCII: Final = r"[^ -~]"
NOT_XML: Final = r"[\x00-\x08\x0B\x0C\x0E-\x1F]"
"""Characters that cells of FITS tables (standard 4.0, section 7.3.3) and of XML 1.0 (section 2.2) cannot hold."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """Unit, UCD and description of a column; a value that stands for "unknown" among its numbers, if one does."""

    unit: str
    ucd: str
    description: str
    unknown: int | None = None


MEANINGS: Final = {
    "obsreg_id": Meaning("", "meta.id;meta.main", "source within an observation"),
    "mission": Meaning("", "meta.id;instr.obsty", "mission"),
    "instrument": Meaning("", "meta.id;instr", "instrument"),
    "obs_id": Meaning("", "meta.id;obs", "observation"),
    "ra": Meaning("deg", "pos.eq.ra;meta.main", "right ascension, ICRS"),
    "dec": Meaning("deg", "pos.eq.dec;meta.main", "declination, ICRS"),
    "counts": Meaning("ct", "phot.count;em.X-ray", "photons in the aperture"),
    "livetime_s": Meaning("s", "time.duration;obs.exposure", "good time less dead time"),
    "hardness": Meaning("", "phot.color;em.X-ray", "hardness ratio (H-S)/(H+S) of the photons in the aperture"),
    "variability_index": Meaning("", "src.var.index", "Gregory-Loredo index, 0 to 10", -1),
    "bona_fide": Meaning("", "meta.code.class;src.var", "known transient: flare, dip, other; empty if it is none"),
    "class": Meaning("", "src.class", "class of the source; empty where unknown"),
    "tsne1": Meaning("", "", "place on the map, first coordinate"),
    "tsne2": Meaning("", "", "place on the map, second coordinate"),
    "cluster": Meaning("", "meta.code", "cluster on the map, 0 for outliers"),
    "candidate": Meaning("", "meta.code.class;src.var", "like known flares, dips, others; empty if it is no candidate"),
    "nearest": Meaning("", "meta.id.cross", "nearest known transient of a candidate; empty if it is no candidate"),
    "distance": Meaning("", "", "distance to it in feature space"),
}
FEATURE: Final = Meaning("", "stat.param", "feature number {}")


def export_reference(reference: Reference, case_name: str, target: Path, overwrite: bool = False) -> list[Path]:
    """Write a case of a reference catalogue for others to read.

    Parameters
    ----------
    reference : Reference
    case_name : str
    target : Path
        A folder, made if it is not there, or a path that ends in ``.csv``: the published tables, ``*_embedding.csv``,
        ``*_clusters.csv`` and, with what they do not have, ``*_candidates.csv``, where ``*`` is the case's name without
        its hyphens, or the path's stem. A path that ends in ``.parquet``, ``.fits``, ``.vot`` or ``.xml``: one table.
    overwrite : bool
        Replace existing files.

    Returns
    -------
    list of Path
        What was written.

    Raises
    ------
    ConfigError
        The reference has no such case.
    FileError
        The suffix is none we write, a file exists already, cannot be written, or its format cannot hold the values.
    ArtefactError
        A candidate is no source of the reference.
    """
    case, suffix = reference.case(case_name), target.suffix.lower()
    if suffix == ".csv" or not suffix or target.is_dir():
        stem = target.with_suffix("") if suffix == ".csv" else target / re.sub(r"[^\w.+]+", "", case_name)
        return _write_published(reference, case, stem, overwrite)
    if suffix not in WRITERS:
        raise FileError(target, f"the suffix says no format we write; allowed: a folder, {', '.join(SUFFIXES)}")
    _make_room([target], overwrite)
    with replace_on_success(target) as part:
        WRITERS[suffix](flat_table(reference, case), part, target)
    return [target]


def flat_table(reference: Reference, case: ReferenceCase) -> pa.Table:
    """All that is known of the sources in a case, a row a source; where nothing is known the cell is null.

    Returns
    -------
    pyarrow.Table
        The reference's columns, tsne1, tsne2, cluster, candidate, nearest, distance, feature_1 … feature_d. Units,
        UCDs and descriptions are the fields' metadata; the reference's name, version and case are the table's.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    columns: dict[str, Any] = {name: reference.sources[name] for name in reference.sources.column_names}
    for name, meaning in MEANINGS.items():
        if meaning.unknown is not None and name in columns:
            column = columns[name]
            columns[name] = pc.if_else(pc.equal(column, meaning.unknown), pa.scalar(None, column.type), column)
    columns |= {"tsne1": case.embedding[:, 0], "tsne2": case.embedding[:, 1], "cluster": case.cluster}
    place = np.full(len(reference), -1, dtype=np.int64)
    place[candidate_rows(reference, case)] = np.arange(case.candidates.num_rows)
    chosen = pa.array(place, mask=place < 0)
    for name, origin in (("candidate", "kind"), ("nearest", "nearest"), ("distance", "distance")):
        column = case.candidates[origin].take(chosen)
        columns[name] = pc.fill_null(column, "") if pa.types.is_string(column.type) else column
    columns |= {f"feature_{number}": column for number, column in enumerate(case.features.T, start=1)}
    table = pa.table(columns)
    fields = [field.with_metadata(_about(field.name)) for field in table.schema]
    return table.cast(pa.schema(fields, metadata=_provenance(reference, case)))


def candidate_rows(reference: Reference, case: ReferenceCase) -> I64:
    """Rows of a case's candidates among the sources, shape (candidates,).

    Raises
    ------
    ArtefactError
        A candidate is none of the sources.
    """
    import pyarrow.compute as pc

    named = case.candidates["obsreg_id"]
    rows = pc.index_in(named, value_set=reference.sources["obsreg_id"].combine_chunks())
    if rows.null_count:
        stray = named.filter(rows.is_null())[0].as_py()
        raise ArtefactError(
            f"{reference.name}@{reference.version}: candidate {stray!r} of case {case.name} is none of its sources;"
            " build it anew"
        )
    found: I64 = rows.to_numpy().astype(np.int64)
    return found


# --- published tables ------------------------------------------------------------------------------------------------


def _write_published(reference: Reference, case: ReferenceCase, stem: Path, overwrite: bool) -> list[Path]:
    """The CSV tables, all of them or none; numbers are written such that they read back the same."""
    rows = candidate_rows(reference, case)
    place = [case.embedding[:, 0].tolist(), case.embedding[:, 1].tolist(), reference.sources["obsreg_id"].to_pylist()]
    extra = [name for name in case.candidates.column_names if name != "obsreg_id"]
    at_candidates = [
        case.embedding[rows, 0].tolist(),
        case.embedding[rows, 1].tolist(),
        *(case.candidates[name].to_pylist() for name in ("obsreg_id", *extra)),
    ]
    names = ("tsne1", "tsne2", "obsreg_id")
    tables: dict[str, tuple[Sequence[str], Sequence[list[Any]]]] = {
        "embedding": (names, place),
        "clusters": ((*names, "cluster"), [*place, case.cluster.tolist()]),
        "candidates": ((*names, *extra), at_candidates),
    }
    targets = {name: stem.with_name(f"{stem.name}_{name}.csv") for name in tables}
    _make_room(targets.values(), overwrite)
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
    if table.num_columns > MOST_FITS_COLUMNS:
        reason = f"{table.num_columns} columns are more than FITS can hold, {MOST_FITS_COLUMNS}; export to .parquet"
        raise FileError(target, reason)
    _require_text(table, NOT_ASCII, target, "FITS holds printable ASCII only; export to .vot or .parquet")
    write_fits(_astropy_table(table), part, "REFERENCE")


def _write_votable(table: pa.Table, part: Path, target: Path) -> None:
    _require_text(table, NOT_XML, target, "XML cannot hold it; export to .parquet")
    write_votable(_astropy_table(table), part)


WRITERS: Final[dict[str, Callable[[pa.Table, Path, Path], None]]] = {
    ".parquet": _write_parquet,
    ".fits": _write_fits,
    ".vot": _write_votable,
    ".xml": _write_votable,
}
SUFFIXES: Final = (".csv", *WRITERS)


def _require_text(table: pa.Table, forbidden: str, target: Path, reason: str) -> None:
    """Refuse a table with text in which a forbidden pattern is found."""
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
        null = MEANINGS[field.name].unknown if field.name in MEANINGS else None
        written[field.name] = make_column(*_values(table[field.name]), null=null, **about)
    written.meta.update({key.decode(): value.decode() for key, value in table.schema.metadata.items()})
    return written


def _values(column: pa.ChunkedArray) -> tuple[NDArray[Any], NDArray[np.bool_] | None]:
    """Values of a column, and where there are none; of text, none is the empty string."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_string(column.type):
        return np.array(pc.fill_null(column, "").to_pylist(), dtype=np.str_), None
    missing = column.is_null().to_numpy()
    return pc.fill_null(column, pa.scalar(0, column.type)).to_numpy(), missing


# --- what all share --------------------------------------------------------------------------------------------------


def _make_room(targets: Iterable[Path], overwrite: bool) -> None:
    """Refuse files that exist, and make the folders of those that do not."""
    for target in targets:
        if target.exists() and not overwrite:
            raise FileError(target, "exists already; choose another name or say that it is to be overwritten")
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
        except OSError as fault:
            raise FileError(target.parent, f"cannot be made: {fault.strerror or fault}") from fault


def _provenance(reference: Reference, case: ReferenceCase) -> dict[str, str]:
    """What the whole table says of itself; names are keywords of FITS."""
    return {
        "CREATOR": f"xherald {version('xherald')}",
        "REFNAME": reference.name,
        "REFVER": reference.version,
        "REFCASE": case.name,
    }


def _about(name: str) -> dict[str, str]:
    """Unit, UCD and description of a column, as a field's metadata."""
    number = name.removeprefix("feature_")
    meaning = MEANINGS.get(name, FEATURE if number != name else Meaning("", "", name))
    return {"unit": meaning.unit, "ucd": meaning.ucd, "description": meaning.description.format(number)}
