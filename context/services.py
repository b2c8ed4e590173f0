"""Services on the web as a context provider: cone search and TAP, within a deadline, with a cache.

Nothing depends on an answer: a service that is slow, down or wrong is named in the result, and what the others answered
in time is used. No service is asked unless the configuration lists it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from pathlib import Path
from typing import Any, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from xherald.photons.arrays import F64
from xherald.photons.errors import ConfigError, DropError, XheraldError
from xherald.plugins.context import ContextMatches, ContextProvider
from xherald.plugins.contract import Options

from .catalogues.columns import ROLES, ColumnMap
from .catalogues.cone_search import carry_to_epoch, separation_arcsec
from .catalogues.presets import find_preset
from .catalogues.standard_rows import StandardRows
from .catalogues.table_chunks import chunk_table
from .object_types import categorise_all
from .service_cache import AnswerCache
from .service_requests import fetch_sources

__all__ = ["Service", "ServiceOptions", "ServiceProvider"]

REQUESTS_AT_A_TIME: Final = 4
"""Services such as SIMBAD refuse clients that send more than some requests a second."""

MOTION_MARGIN_ARCSEC: Final = 30.0
"""Added to the radius of a request where sources move: 1.1 arcsec a year since 2000."""

NUMBERS: Final = tuple(role.column for role in ROLES.values() if role.dtype != "string")


class Service(Options):
    """A cone search or TAP service."""

    kind: Literal["cone", "tap"] = Field(description="protocol")
    url: str = Field(pattern=r"^https?://", description="of the cone search, or of the synchronous TAP endpoint")
    table: str = Field(default="", description="table of a TAP service")
    preset: str = Field(default="", description="preset with the columns of the answer")
    columns: ColumnMap | None = Field(default=None, description="columns of the answer, instead of a preset")

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if bool(self.preset) == (self.columns is not None):
            raise ValueError("give either preset or columns")
        if (self.kind == "tap") != bool(self.table):
            raise ValueError("give the table of a tap service, and no table for a cone search")
        try:
            self.column_map.check()
        except ConfigError as fault:
            raise ValueError(str(fault)) from fault
        return self

    @property
    def column_map(self) -> ColumnMap:
        """The columns, from the preset or as given."""
        return self.columns if self.columns is not None else find_preset(self.preset).columns

    @property
    def names(self) -> dict[str, str]:
        """Column of each role in requests."""
        return {
            role: one.column.split("|")[0].strip()
            for role, one in self.column_map.roles.items()
            if one.column is not None
        }


class ServiceOptions(Options):
    """Options of `ServiceProvider`."""

    services: dict[str, Service] = Field(default_factory=dict, description="by name; none are asked by default")
    deadline_s: float = Field(default=5.0, gt=0, description="s for all requests together")
    keep_days: float = Field(default=30.0, ge=0, description="days for which answers are kept")
    cache_folder: Path | None = Field(default=None, description="of the answers; null: user's cache folder")


class ServiceProvider(ContextProvider[ServiceOptions]):
    """Cone search and TAP services, such as those of SIMBAD, VizieR, NED and HEASARC."""

    name = "services"

    def find(
        self, ra_deg: F64, dec_deg: F64, radius_arcsec: F64, epoch_yr: float | None, options: ServiceOptions
    ) -> Sequence[ContextMatches]:
        """Sources that the services answer with before the deadline; `failure` says which could not be asked."""
        if not options.services:
            return []
        until = time.monotonic() + options.deadline_s
        cache = AnswerCache(options.cache_folder or _cache_folder(), options.keep_days)
        pool = ThreadPoolExecutor(REQUESTS_AT_A_TIME, thread_name_prefix="service")
        asked: dict[str, list[Future[list[dict[str, Any]]]]] = {
            name: [
                pool.submit(_ask, service, *where, until, cache)
                for where in zip(ra_deg.tolist(), dec_deg.tolist(), radius_arcsec.tolist(), strict=True)
            ]
            for name, service in options.services.items()
        }
        wait([one for several in asked.values() for one in several], timeout=options.deadline_s)
        # Threads that still wait for a server end with their own timeout, without anybody waiting for them.
        pool.shutdown(wait=False, cancel_futures=True)
        cache.prune()
        return [
            _matches(name, options.services[name].column_map, futures, ra_deg, dec_deg, radius_arcsec, epoch_yr)
            for name, futures in asked.items()
        ]


def _cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("xherald") / "services"


def _ask(
    service: Service, ra: float, dec: float, radius: float, until: float, cache: AnswerCache
) -> list[dict[str, Any]]:
    """Rows in standard columns, from the cache or the service."""
    reach = radius + (MOTION_MARGIN_ARCSEC if "pmra" in service.column_map.roles else 0.0)
    request = [json.loads(service.model_dump_json()), round(ra, 6), round(dec, 6), round(reach, 3)]
    if (kept := cache.get(request)) is not None:
        return kept
    if time.monotonic() > until:
        raise DropError(f"{service.url}: not asked before the deadline")
    names = service.names
    table = fetch_sources(
        service.kind,
        service.url,
        ra,
        dec,
        reach,
        until,
        table=service.table,
        columns=tuple(dict.fromkeys((*names.values(), *service.column_map.keep))),
        position_columns=(names["ra"], names["dec"]),
    )
    rows: list[dict[str, Any]] = []
    if len(table):
        standard = StandardRows(chunk_table(Path("answer"), table), service.column_map, skip_invalid=True)
        chunks = standard.table.chunks(standard.names, standard.text, len(table))
        rows = [_json_row(row) for chunk in chunks for row in standard.convert(chunk).to_pylist()]
    cache.put(request, rows)
    return rows


def _json_row(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without values that JSON does not have."""
    return {
        name: None if isinstance(value, float) and not np.isfinite(value) else value
        for name, value in row.items()
        if not name.startswith("_")
    }


def _matches(
    name: str,
    columns: ColumnMap,
    futures: Sequence[Future[list[dict[str, Any]]]],
    ra_deg: F64,
    dec_deg: F64,
    radius_arcsec: F64,
    epoch_yr: float | None,
) -> ContextMatches:
    """Answers of a service about all positions; those that failed have no matches."""
    failures: list[str] = []
    rows: list[dict[str, Any]] = []
    position: list[int] = []
    for number, future in enumerate(futures):
        try:
            if not future.done() or future.cancelled():
                raise DropError("no answer before the deadline")
            found = future.result()
        except (XheraldError, OSError) as fault:
            failures.append(str(fault))
            continue
        rows += found
        position += [number] * len(found)
    ra, dec, pm_ra, pm_dec, epoch = (
        _numbers(rows, one) for one in ("ra_deg", "dec_deg", "pm_ra_mas_yr", "pm_dec_mas_yr", "epoch_yr")
    )
    if epoch_yr is not None:
        ra, dec = carry_to_epoch(ra, dec, pm_ra, pm_dec, epoch_yr - epoch)
    of = np.array(position, dtype=np.int64)
    separation = separation_arcsec(ra_deg[of], dec_deg[of], ra, dec)
    kept = np.flatnonzero(separation <= radius_arcsec[of])
    kept = kept[np.lexsort((separation[kept], of[kept]))]
    counts = np.bincount(of[kept], minlength=len(futures))
    types = tuple(str(rows[i].get("type") or "") for i in kept)
    return ContextMatches(
        catalogue=name,
        offsets=np.concatenate([[0], np.cumsum(counts)]).astype(np.int64),
        names=tuple(str(rows[i]["name"]) for i in kept),
        types=types,
        categories=categorise_all(types, columns.types, columns.category),
        ra_deg=ra[kept],
        dec_deg=dec[kept],
        pos_err_arcsec=_numbers(rows, "pos_err_arcsec")[kept],
        separation_arcsec=separation[kept],
        numbers={
            one: _numbers(rows, one)[kept]
            for one in NUMBERS
            if one not in ("ra_deg", "dec_deg", "pos_err_arcsec") and any(one in row for row in rows)
        },
        failure=f"{failures[0]}{f' (and {len(failures) - 1} more)' if len(failures) > 1 else ''}" if failures else "",
    )


def _numbers(rows: Sequence[Mapping[str, Any]], column: str) -> F64:
    values = [row.get(column) for row in rows]
    return np.array([np.nan if one is None else one for one in values], dtype=np.float64)
