"""The shipped table of well-known X-ray transients and variables: `open_known_sources`.

``known_sources.csv`` has name, position, kind and reference of each; `write_known_sources` makes of it the catalogue
below ``shipped/``, which is searched like an imported one. It is not complete: a source that is absent is not unknown.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from .catalogue import Catalogue
from .columns import ColumnMap
from .import_catalogue import ImportOptions, import_catalogue

__all__ = ["KNOWN_SOURCES", "open_known_sources", "write_known_sources"]

KNOWN_SOURCES: Final = "known_sources"
"""Name of the catalogue."""

PACKAGE: Final = "xherald.context.catalogues"

COLUMNS: Final = ColumnMap.model_validate(
    {
        "roles": {
            "name": "name",
            "ra": "ra_deg[deg]",
            "dec": "dec_deg[deg]",
            "pos_err": "pos_err_arcsec[arcsec]",
            "pmra": "pm_ra_mas_yr[mas/yr]",
            "pmdec": "pm_dec_mas_yr[mas/yr]",
            "epoch": "epoch_yr[yr]",
            "type": "type",
        },
        "keep": ("bona_fide_id", "reference"),
    }
)


def open_known_sources() -> Catalogue:
    """Open the shipped catalogue.

    Raises
    ------
    ArtefactError
        The installation is damaged.
    """
    with as_file(files(PACKAGE) / "shipped" / KNOWN_SOURCES) as folder:
        return Catalogue.open(folder)


def write_known_sources(folder: Path) -> None:
    """Make the catalogue of the table, into a new folder."""
    with as_file(files(PACKAGE) / f"{KNOWN_SOURCES}.csv") as table:
        import_catalogue(
            table,
            folder,
            KNOWN_SOURCES,
            ImportOptions(COLUMNS),
            about={"origin": table.name, "preset": "", "version": 1},
        )
