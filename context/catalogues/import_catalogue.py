"""Importing a catalogue: from a file of any format to a folder that `Catalogue` searches.

The folder is an artefact (`photons.artefact_folders`): complete with hashes of all its files, or not there.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.photons.artefact_folders import compute_sha256, new_artefact
from xherald.photons.errors import UnreadableFileError

from .columns import ColumnMap
from .hats_files import MAX_PARTITION_ROWS, DatasetWriter, write_properties
from .repeated_names import NameRegister
from .sorted_runs import SortedRuns, choose_partitions
from .standard_rows import HEALPIX_ORDER, StandardRows
from .table_chunks import open_table

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["CHUNK_ROWS", "FORMAT", "KIND", "ImportOptions", "import_catalogue"]

KIND: Final = "catalogue"
FORMAT: Final = 1
CHUNK_ROWS: Final = 250_000
"""Rows in memory at a time."""


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """How a file is read.

    Parameters
    ----------
    columns : ColumnMap
    hdu : str or None — extension of a FITS file, by name or number
    skip_invalid : bool — leave out rows without a usable name, position or positional error
    wrap_ra : bool — accept right ascensions from -360 to 360 deg
    keep_repeated : bool — accept names that occur more than once
    """

    columns: ColumnMap
    hdu: str | None = None
    skip_invalid: bool = False
    wrap_ra: bool = False
    keep_repeated: bool = False


@dataclass(slots=True)
class _Ranges:
    """Smallest and largest values that a search needs to know."""

    epoch: tuple[float, float] = (np.inf, -np.inf)
    motion_mas_yr: float = 0.0
    pos_err_arcsec: float = 0.0

    def extend(self, rows: pa.Table) -> None:
        if not rows.num_rows:
            return
        self.pos_err_arcsec = max(self.pos_err_arcsec, float(rows["pos_err_arcsec"].to_numpy().max()))
        if "epoch_yr" in rows.column_names:
            epochs = rows["epoch_yr"].to_numpy().astype(np.float64)
            epochs = epochs[np.isfinite(epochs)]
            if len(epochs):
                self.epoch = (min(self.epoch[0], float(epochs.min())), max(self.epoch[1], float(epochs.max())))
        if "pm_ra_mas_yr" in rows.column_names:
            motion = np.hypot(rows["pm_ra_mas_yr"].to_numpy(), rows["pm_dec_mas_yr"].to_numpy())
            if np.isfinite(motion).any():
                self.motion_mas_yr = max(self.motion_mas_yr, float(np.nanmax(motion)))

    def as_json(self) -> dict[str, Any]:
        known = bool(np.isfinite(self.epoch[0]))
        return {
            "epoch_yr": list(self.epoch) if known else None,
            "max_motion_mas_yr": self.motion_mas_yr,
            "max_pos_err_arcsec": self.pos_err_arcsec,
        }


def import_catalogue(
    path: Path,
    folder: Path,
    name: str,
    options: ImportOptions,
    *,
    about: dict[str, Any] | None = None,
    stage: Callable[[str], None] = lambda _: None,
) -> None:
    """Import a file into a new folder.

    Parameters
    ----------
    path : Path
    folder : Path
        Must not exist.
    name : str
        Of the catalogue.
    options : ImportOptions
    about : dict, optional
        Further facts for the manifest, such as the origin.
    stage : callable
        Called with a description of the current step.

    Raises
    ------
    ConfigError
        The columns do not fit the file.
    FileError
        The file cannot be read, or a row is invalid; nothing was written.
    ArtefactError
        The folder exists, or cannot be written.
    """
    with new_artefact(folder, KIND) as (part, facts), tempfile.TemporaryDirectory(dir=part) as scratch:
        runs, names, ranges = SortedRuns(Path(scratch)), NameRegister(), _Ranges()
        stage(f"reading {path.name}")
        with open_table(path, options.hdu, Path(scratch)) as table:
            rows = StandardRows(table, options.columns, options.skip_invalid, options.wrap_ra)
            for chunk in table.chunks(rows.names, rows.text, CHUNK_ROWS):
                standard = rows.convert(chunk)
                names.add(standard["name"], rows.kept_rows)
                ranges.extend(standard)
                runs.add(standard)
                stage(f"reading {path.name}: {rows.row:,} rows")
        kept = int(runs.counts.sum())
        if not kept:
            why = f"all {rows.row:,} rows are invalid" if rows.row else "has no rows"
            raise UnreadableFileError(path, f"{why}; nothing was imported")
        stage("comparing names")
        _refuse_repeated(path, names, runs, options)
        writer = DatasetWriter(part)
        partitions = choose_partitions(runs.counts, MAX_PARTITION_ROWS)
        for number, (order, pixel) in enumerate(partitions, start=1):
            stage(f"writing partition {number} of {len(partitions)}")
            shift = 2 * (HEALPIX_ORDER - order)
            writer.write(order, pixel, runs.read(pixel << shift, (pixel + 1) << shift))
        writer.finish()
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        builder = f"xherald {version('xherald')}"
        origin = str((about or {}).get("origin", path))
        write_properties(
            part,
            name,
            kept,
            writer,
            {"hats_builder": builder, "hats_creation_date": created, "data_origin": origin},
        )
        facts.update(
            format=FORMAT,
            name=name,
            created=created,
            builder=builder,
            rows=kept,
            skipped=dict(rows.skipped),
            columns=options.columns.model_dump(mode="json"),
            columns_used=rows.columns_used().model_dump(mode="json"),
            reading={
                "hdu": options.hdu,
                "skip_invalid": options.skip_invalid,
                "wrap_ra": options.wrap_ra,
                "keep_repeated": options.keep_repeated,
            },
            source_sha256=compute_sha256(path),
            **ranges.as_json(),
            **(about or {}),
        )
        stage("computing hashes")


def _refuse_repeated(path: Path, names: NameRegister, runs: SortedRuns, options: ImportOptions) -> None:
    if options.keep_repeated or (found := names.first_repeated()) is None:
        return
    first, second, number = found
    raise UnreadableFileError(
        path,
        f"{number:,} rows have the name of an earlier row, the first of them row {second + 1} that of row {first + 1}; "
        "choose a column whose values are unique (name=COLUMN), or pass --keep-repeated if they are right",
    )
