"""Catalogues as files of every format, and as imported."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import Table

from xherald.context.catalogues.catalogue import Catalogue
from xherald.context.catalogues.columns import ColumnMap
from xherald.context.catalogues.import_catalogue import ImportOptions, import_catalogue

__all__ = ["FORMATS", "ROLES", "import_table", "random_sky", "small_table", "write_table"]

FORMATS = ("fits", "fits.gz", "vot", "ecsv", "csv", "tsv", "parquet", "csv.gz")

ROLES = {"name": "Name[]", "ra": "RAJ[deg]", "dec": "DEJ[deg]", "pos_err": "e_pos[arcsec]", "magnitude": "G[mag]"}


def random_sky(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positions spread evenly over the sphere, deg."""
    random = np.random.default_rng(seed)
    return random.uniform(0, 360, rows), np.degrees(np.arcsin(random.uniform(-1, 1, rows)))


def small_table(rows: int = 500, seed: int = 1) -> Table:
    """Sources all over the sky with errors and magnitudes; some magnitudes are missing."""
    random = np.random.default_rng(seed)
    ra, dec = random_sky(rows, seed)
    magnitude = random.uniform(5, 20, rows).round(3)
    magnitude[::7] = np.nan
    table = Table(
        {
            "Name": [f"Source {number:05d}" for number in random.permutation(rows)],
            "RAJ": ra * units.deg,
            "DEJ": dec * units.deg,
            "e_pos": random.uniform(0.1, 3, rows).round(3) * units.arcsec,
            "G": np.ma.masked_invalid(magnitude) * units.mag if rows else magnitude * units.mag,
            "Flag": [("a", "b")[number % 2] for number in range(rows)],
        }
    )
    table["G"] = np.ma.masked_invalid(magnitude)
    table["G"].unit = units.mag
    return table


def write_table(table: Table, folder: Path, form: str) -> Path:
    """Write a table in a format of `FORMATS`."""
    path = folder / f"catalogue.{form}"
    if form in ("fits", "fits.gz"):
        table.write(path, format="fits")
    elif form == "vot":
        table.write(path, format="votable")
    elif form == "ecsv":
        table.write(path, format="ascii.ecsv")
    elif form == "parquet":
        table.write(path, format="parquet")
    elif form == "csv.gz":
        table.write(folder / "plain.csv", format="ascii.csv")
        path.write_bytes(gzip.compress((folder / "plain.csv").read_bytes()))
    elif form == "tsv":  # as VizieR writes it
        lines = ["#Table catalogue", "#", "\t".join(table.colnames)]
        lines += ["\t".join(str(table[name].unit or "") for name in table.colnames)]
        lines += ["\t".join("-" * len(name) for name in table.colnames)]
        lines += ["\t".join("" if str(one) == "--" else str(one) for one in row) for row in table]
        path.write_text("\n".join(lines) + "\n")
    else:
        table.write(path, format="ascii.csv")
    return path


def import_table(table: Table, folder: Path, columns: ColumnMap | None = None) -> Catalogue:
    """Import a table through a FITS file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = write_table(table, folder, "fits")
    options = ImportOptions(columns or ColumnMap(roles=ROLES))
    import_catalogue(path, folder / "imported", "test", options)
    return Catalogue.open(folder / "imported")
