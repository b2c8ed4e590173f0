"""Built-in context providers: the shipped table of known sources, the imported catalogues, and services."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64
from xherald.photons.artefact_folders import MANIFEST
from xherald.photons.errors import ArtefactError, ConfigError
from xherald.plugins.context import ContextMatches, ContextProvider
from xherald.plugins.contract import Options
from xherald.plugins.hookspecs import hookimpl

from .catalogues.catalogue import Catalogue
from .catalogues.catalogue_store import CatalogueStore, default_folder
from .catalogues.columns import ROLES
from .catalogues.known_sources import open_known_sources
from .catalogues.local_density import measure_density
from .object_types import categorise_all
from .services import ServiceProvider

__all__ = [
    "CatalogueProvider",
    "CatalogueProviderOptions",
    "KnownSourceProvider",
    "match_catalogue",
    "register_context",
]

MATCH_COLUMNS = ("ra_deg", "dec_deg", "pos_err_arcsec")
"""Numeric columns that are fields of `ContextMatches` of their own."""

NUMBERS = tuple(role.column for role in ROLES.values() if role.dtype != "string" and role.column not in MATCH_COLUMNS)


def match_catalogue(
    catalogue: Catalogue, ra_deg: F64, dec_deg: F64, radius_arcsec: F64, epoch_yr: float | None
) -> ContextMatches:
    """Find sources of a catalogue, and their density, in the form of `ContextProvider.find`."""
    columns = [one for one in ("name", "type", *MATCH_COLUMNS, *NUMBERS) if one in catalogue.columns]
    found = catalogue.search(ra_deg, dec_deg, radius_arcsec, epoch_yr=epoch_yr, columns=columns)
    types, written = tuple(found.text("type")), catalogue.about["columns"]
    return ContextMatches(
        catalogue=catalogue.name,
        offsets=found.offsets,
        names=tuple(found.text("name")),
        types=types,
        categories=categorise_all(types, written["types"], written["category"]),
        ra_deg=found.ra_deg,
        dec_deg=found.dec_deg,
        pos_err_arcsec=found.numbers("pos_err_arcsec"),
        separation_arcsec=found.separation_arcsec,
        numbers={one: found.numbers(one) for one in columns if one in NUMBERS},
        density_per_deg2=measure_density(catalogue, ra_deg, dec_deg, radius_arcsec).per_deg2
        if len(ra_deg)
        else np.zeros(0),
    )


class KnownSourceProvider(ContextProvider):
    """Well-known X-ray transients and variables, from a table that comes with xherald."""

    name = "known_sources"

    def find(
        self, ra_deg: F64, dec_deg: F64, radius_arcsec: F64, epoch_yr: float | None, options: Options
    ) -> Sequence[ContextMatches]:
        """Sources of the table."""
        return [match_catalogue(open_known_sources(), ra_deg, dec_deg, radius_arcsec, epoch_yr)]


class CatalogueProviderOptions(Options):
    """Options of `CatalogueProvider`."""

    folder: Path | None = Field(default=None, description="of the catalogues; null: that in the user's data folder")
    names: tuple[str, ...] | None = Field(default=None, description="catalogues to search; null for all")


class CatalogueProvider(ContextProvider[CatalogueProviderOptions]):
    """The catalogues that were imported with `xherald context import`."""

    name = "catalogues"

    def find(
        self,
        ra_deg: F64,
        dec_deg: F64,
        radius_arcsec: F64,
        epoch_yr: float | None,
        options: CatalogueProviderOptions,
    ) -> Sequence[ContextMatches]:
        """Sources of each catalogue; one that cannot be read is named in its `failure`."""
        store = CatalogueStore(options.folder or default_folder())
        found = []
        for name in store.names() if options.names is None else options.names:
            try:
                folder = store.find(name)
                catalogue = _open(folder, (folder / MANIFEST).stat().st_mtime_ns)
                found.append(match_catalogue(catalogue, ra_deg, dec_deg, radius_arcsec, epoch_yr))
            except (ArtefactError, ConfigError, OSError) as fault:
                none = np.zeros(0)
                offsets = np.zeros(len(ra_deg) + 1, dtype=np.int64)
                found.append(ContextMatches(name, offsets, (), (), none, none, none, none, failure=str(fault)))
        return found


@lru_cache(maxsize=64)
def _open(folder: Path, _written_ns: int) -> Catalogue:
    """A catalogue, opened once: reading the row groups of a large one takes tenths of a second."""
    return Catalogue.open(folder)


@hookimpl
def register_context(register: Callable[[ContextProvider], None]) -> None:
    """Register the built-in context providers."""
    register(KnownSourceProvider())
    register(CatalogueProvider())
    register(ServiceProvider())
