"""Populations of per-source photon lists with their truth: `simulate_population`, `write_population`.

Sources are those of a catalogue: a few photons each, mostly steady, at all places of the field, in exposures of the
telescope's own pattern. Photons are those in an aperture of 90 % encircled energy and in the band, background among
them; only sources of at least `LEAST_COUNTS` photons are made, with numbers drawn from the Poisson distribution given
that. Of what a detector does to photons, frames, dead time and energy resolution are here; pile-up, dither over chip
edges and a survey's change of angle within a pass are not: `field` simulates those, one exposure at a time.

Populations are made in chunks of `CHUNK` sources, each from streams of its own, so that neither the number of workers
nor the size of the population changes a source.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pyarrow as pa
import pyarrow.compute as pc

from xherald.adapters.photon_lists import COLUMNS, batch_from_table, open_writer
from xherald.photons import EventBatch
from xherald.photons.errors import ConfigError
from xherald.photons.processes import process_pool

from .draws import draw_chunk
from .population_files import TRUTH, published_tables, table_of
from .population_settings import CHUNK, LEAST_COUNTS, SETTINGS, VARIABLE, PopulationRequest, SourceMix

if TYPE_CHECKING:
    import pyarrow.parquet as pq

__all__ = ["LEAST_COUNTS", "Population", "simulate_population", "write_population"]

BONA_FIDE_SIGMA: Final = 5.0
AHEAD: Final = 2
"""Chunks per worker that may wait to be written, so that memory does not grow with the population."""


@dataclass(frozen=True, slots=True, eq=False)
class Population:
    """Photon lists and their truth.

    Parameters
    ----------
    batch : EventBatch
    truth : pyarrow.Table
        A row a source, in the batch's order: obsreg_id and the columns named in `population_files.table_of`.
    """

    batch: EventBatch
    truth: pa.Table

    @classmethod
    def from_table(cls, table: pa.Table, path: Path | str = "") -> Population:
        """A population of its table.

        Parameters
        ----------
        table : pyarrow.Table
            As `write_population` writes it.
        path : Path or str
            Where it came from.
        """
        names = [name for name in table.column_names if name.startswith(TRUTH)]
        truth = table.select(["obsreg_id", *names])
        return cls(
            batch_from_table(table.select(list(COLUMNS)), path),
            truth.rename_columns(["obsreg_id", *(name.removeprefix(TRUTH) for name in names)]),
        )


def simulate_population(
    n: int,
    *,
    telescope: str = "chandra-acis-i",
    seed: int,
    workers: int = 1,
    variable_fraction: float = 0.05,
    bona_fide_sigma: float = BONA_FIDE_SIGMA,
    mix: SourceMix | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> Population:
    """Simulate the photon lists of n sources.

    Parameters
    ----------
    n : int
    telescope : str
        Of `telescopes.TELESCOPES`.
    seed : int
    workers : int
        Processes; the result does not depend on their number.
    variable_fraction : float
        Probability that a source is a flare, a dip or a pulsator.
    bona_fide_sigma : float
        Smallest expected significance of the event of a bona-fide transient.
    mix : SourceMix, optional
        Other variable sources than the usual ones, such as `population_settings.CLASS_MIX`.
    advance : callable, optional
        Called with the number of sources done.

    Raises
    ------
    ConfigError
        The telescope is unknown, or a number out of range.
    """
    request = replace(_request(n, telescope, seed, workers, variable_fraction, bona_fide_sigma), mix=mix)
    tables = list(_tables(n, request, workers, advance))
    return Population.from_table(pa.concat_tables(tables))


def write_population(
    path: Path | None,
    n: int,
    *,
    telescope: str = "chandra-acis-i",
    seed: int,
    workers: int = 1,
    variable_fraction: float = 0.05,
    bona_fide_sigma: float = BONA_FIDE_SIGMA,
    published: Path | None = None,
    advance: Callable[[int], object] = lambda _: None,
) -> dict[str, object]:
    """Simulate the photon lists of n sources and write them, a chunk at a time.

    Parameters
    ----------
    path : Path or None
        Parquet file, a row a source, a row group a chunk (`xherald.adapters.photon_lists`, and columns ``truth_…``).
    n, telescope, seed, workers, variable_fraction, bona_fide_sigma, advance
        See `simulate_population`.
    published : Path or None
        Folder for the published form (`population_files`).

    Returns
    -------
    dict
        What was made, in JSON's own types: files, and numbers of sources, photons, background photons, variable sources
        and bona-fide transients.

    Raises
    ------
    ConfigError, FileError
    """
    request = _request(n, telescope, seed, workers, variable_fraction, bona_fide_sigma)
    about = {
        "kind": "population",
        "version": version("xherald"),
        "telescope": telescope,
        "seed": seed,
        "sources": n,
        "variable_fraction": variable_fraction,
        "bona_fide_sigma": bona_fide_sigma,
    }
    counted = dict.fromkeys(("sources", "photons", "background_photons", "variable", "bona_fide"), 0)
    with ExitStack() as stack:
        writer: pq.ParquetWriter | None = None
        tables = stack.enter_context(published_tables(published)) if published is not None else None
        for table in _tables(n, request, workers, advance):
            if path is not None:
                writer = writer or stack.enter_context(open_writer(path, table.schema, about))
                writer.write_table(table, row_group_size=CHUNK)
            if tables is not None:
                part = Population.from_table(table)
                tables.add(part.batch, part.truth)
            for name, number in _counted(table).items():
                counted[name] += number
    files = [str(one) for one in (path, published) if one is not None]
    return {"telescope": telescope, "seed": seed, **counted, "files": files}


def _request(
    n: int, telescope: str, seed: int, workers: int, variable_fraction: float, bona_fide_sigma: float
) -> PopulationRequest:
    if telescope not in SETTINGS:
        raise ConfigError(f"unknown telescope {telescope!r}; choose from {', '.join(SETTINGS)}")
    for name, value, least in (("sources", n, 1), ("workers", workers, 1), ("seed", seed, 0)):
        if value < least:
            raise ConfigError(f"population: {name} is {value}: must be at least {least}")
    if not 0 <= variable_fraction <= 1:
        raise ConfigError(f"population: variable_fraction is {variable_fraction}: must be from 0 to 1")
    if not bona_fide_sigma > 0:
        raise ConfigError(f"population: bona_fide_sigma is {bona_fide_sigma}: must be positive")
    return PopulationRequest(
        telescope=telescope, seed=seed, variable_fraction=variable_fraction, bona_fide_sigma=bona_fide_sigma
    )


def _counted(table: pa.Table) -> dict[str, int]:
    def elements(name: str) -> int:
        return int(pc.sum(pc.list_value_length(table.column(name))).as_py())

    kinds = table.column(TRUTH + "class").to_pylist()
    return {
        "sources": table.num_rows,
        "photons": elements("time_s"),
        "background_photons": elements("background_time_s"),
        "variable": sum(kind in VARIABLE for kind in kinds),
        "bona_fide": int(pc.sum(table.column(TRUTH + "is_bona_fide")).as_py()),
    }


def _tables(n: int, request: PopulationRequest, workers: int, advance: Callable[[int], object]) -> Iterator[pa.Table]:
    """Tables of all chunks, in order."""
    sizes = [min(CHUNK, n - first) for first in range(0, n, CHUNK)]
    chunks = _one_by_one(request, sizes) if workers == 1 else _in_processes(request, sizes, workers)
    for table in chunks:
        advance(table.num_rows)
        yield table


def _one_by_one(request: PopulationRequest, sizes: list[int]) -> Iterator[pa.Table]:
    for chunk, size in enumerate(sizes):
        yield _chunk_table(request, chunk, size)


def _in_processes(request: PopulationRequest, sizes: list[int], workers: int) -> Iterator[pa.Table]:
    """As many chunks ahead of the reader as keep the workers busy."""
    waiting: deque[Future[pa.Table]] = deque()
    with process_pool(min(workers, len(sizes))) as pool:
        try:
            for chunk, size in enumerate(sizes):
                waiting.append(pool.submit(_chunk_table, request, chunk, size))
                if len(waiting) > AHEAD * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _chunk_table(request: PopulationRequest, chunk: int, n: int) -> pa.Table:
    return table_of(draw_chunk(request, chunk, n), request)
