"""The population that a reference is built of: photons, names, classes and bona-fide transients, one instrument.

It comes from the published tables (a folder with ``eventfiles_table.csv``), from a file of photon lists (a simulated
population, a table), or from event files and folders of them, which walk the same road as in a scan. Sources stand in
the order of their names, as the published code has them: t-SNE's random start depends on it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.detector.extraction.extracted_sources import extract_sources
from xherald.detector.progress import Stage
from xherald.photons import EventBatch, Identity
from xherald.photons.artefact_folders import compute_sha256
from xherald.photons.errors import FileError, ReferenceDataError, UnclaimedFileError, XheraldError

from .bona_fide import BonaFideList, parse_kind, read_bona_fide

if TYPE_CHECKING:
    import pyarrow as pa

    from xherald.detector.configuration.configuration import Configuration

__all__ = [
    "EVENTS_TABLE",
    "ReferencePopulation",
    "make_population",
    "make_source_table",
    "read_population",
    "source_name",
]

EVENTS_TABLE: Final = "eventfiles_table.csv"
BONA_FIDE_LIST: Final = "bonafide_transients.json"


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePopulation:
    """Sources to build a reference of.

    Parameters
    ----------
    names : tuple of str — unique, ascending
    batch : EventBatch — in their order
    classes : tuple of str — "" where unknown
    bona_fide : BonaFideList
    origin : list of dict — files it came from, with their SHA-256, in JSON's own types
    notes : tuple of str — what the user should know
    """

    names: tuple[str, ...]
    batch: EventBatch
    classes: tuple[str, ...]
    bona_fide: BonaFideList
    origin: list[dict[str, Any]] = field(default_factory=list)
    notes: tuple[str, ...] = ()

    @property
    def kinds(self) -> tuple[str, ...]:
        """Kind of bona-fide transient of every source, "" for ordinary ones."""
        return tuple(self.bona_fide.kinds.get(name, "") for name in self.names)


def read_population(
    paths: Sequence[Path],
    configuration: Configuration,
    *,
    bona_fide: Path | None = None,
    skip_unknown: bool = False,
    stage: Stage = lambda _: None,
    failed: Callable[[Path, XheraldError], None] | None = None,
) -> ReferencePopulation:
    """Read a population.

    Parameters
    ----------
    paths : sequence of Path
        The folder of the published tables, or files and folders of files.
    configuration : Configuration
    bona_fide : Path, optional
        List of bona-fide transients; without it the one beside the published tables, or a simulation's truth.
    skip_unknown : bool
        See `BonaFideList.among`.
    stage : callable, optional
        Told what is being done.
    failed : callable, optional
        Told of a file that could not be used while others were; without it the first such file is an error.

    Raises
    ------
    FileError, PhotonError, ReferenceDataError
    """
    files = [file for path in paths for file in _files_of(path, configuration)]
    if bona_fide is None and len(paths) == 1 and (paths[0] / BONA_FIDE_LIST).is_file():
        bona_fide = paths[0] / BONA_FIDE_LIST
    batches: list[EventBatch] = []
    used: list[Path] = []
    classes: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for file in files:

        def told(what: str, name: str = file.name) -> None:
            stage(f"{name}: {what}")

        try:
            batch = extract_sources(file, configuration, stage=told).batch
        except XheraldError as fault:
            if failed is None or len(files) == 1:
                raise
            failed(file, fault)
            continue
        batches.append(batch)
        used.append(file)
        own_classes, own_kinds = _truth_of(file)
        classes.update(own_classes)
        kinds.update(own_kinds)
    if not batches:
        raise ReferenceDataError("no file could be used; see the messages above")
    listed = read_bona_fide(bona_fide) if bona_fide is not None else BonaFideList(kinds, (), "truth of the simulation")
    if not listed.kinds:
        raise ReferenceDataError(
            "no bona-fide transients are known of these sources; name a list with --bona-fide FILE"
        )
    origin = [{"path": str(file), "sha256": compute_sha256(file)} for file in used]
    return make_population(EventBatch.concatenate(batches), listed, classes, origin, skip_unknown=skip_unknown)


def make_population(
    batch: EventBatch,
    bona_fide: BonaFideList,
    classes: dict[str, str],
    origin: list[dict[str, Any]],
    *,
    skip_unknown: bool = False,
) -> ReferencePopulation:
    """Put a batch in order and hold it to what a reference needs.

    Raises
    ------
    ReferenceDataError
        Two sources have the same name, photons are of several instruments or bands, or `BonaFideList.among` refuses the
        list.
    """
    names = [source_name(one) for one in batch.identities]
    order = sorted(range(len(names)), key=names.__getitem__)
    ordered = tuple(names[i] for i in order)
    if twice := [a for a, b in pairwise(ordered) if a == b]:
        places = [one.source_path for one, name in zip(batch.identities, names, strict=True) if name == twice[0]]
        raise ReferenceDataError(f"two sources are named {twice[0]!r} ({' and '.join(places)}); leave one out")
    batch = batch.select(np.array(order, dtype=np.int64))
    _refuse_mixed(batch)
    known, notes = bona_fide.among(ordered, skip_unknown=skip_unknown)
    return ReferencePopulation(ordered, batch, tuple(classes.get(name, "") for name in ordered), known, origin, notes)


def source_name(one: Identity) -> str:
    """As the published tables name a source, ``obsid_region``; tables bring such names as they are."""
    obs_id, detection_id = one.obs_id, one.detection_id
    return detection_id if not obs_id or detection_id.startswith(f"{obs_id}_") else f"{obs_id}_{detection_id}"


def _refuse_mixed(batch: EventBatch) -> None:
    instruments = sorted({(one.mission, one.instrument) for one in batch.identities})
    if len(instruments) > 1:
        told = ", ".join(f"{mission}/{instrument}" for mission, instrument in instruments)
        raise ReferenceDataError(f"sources of several instruments ({told}); build a reference of each")
    bands = np.unique(batch.band, axis=0)
    if len(bands) > 1:
        told = ", ".join(f"{low:g}–{high:g} keV" for low, high in bands[:3])
        raise ReferenceDataError(f"sources of several bands ({told}); build a reference of each")


def _files_of(path: Path, configuration: Configuration) -> Iterator[Path]:
    """The file itself, the published table of a folder, or every file of a folder that an adapter claims."""
    if not path.is_dir():
        yield path
        return
    if (path / EVENTS_TABLE).is_file():
        yield path / EVENTS_TABLE
        return
    from xherald.adapters.reading.fits_files import read_header

    claimed: list[Path] = []
    companions: set[Path] = set()
    for file in sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")):
        try:
            adapter = configuration.host.adapter_for(file, read_header(file, configuration.settings.read))
        except UnclaimedFileError:
            continue
        claimed.append(file)
        companions.update(other.resolve() for other in adapter.companions(file))
    found = [file for file in claimed if file.resolve() not in companions]
    if not found:
        raise FileError(path, "no file in this folder is claimed by an adapter (see `xherald plugins`)")
    yield from found


def _truth_of(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Classes, and kinds of bona-fide transients, that a simulated population brings; empty for other files."""
    from xherald.simulation.population.population_files import TRUTH, listed_as

    columns = ["obsreg_id", *(TRUTH + name for name in ("class", "direction", "is_bona_fide"))]
    if file.suffix.lower() not in (".parquet", ".pq"):
        return {}, {}
    import pyarrow.parquet as pq

    if not set(columns) <= set(pq.read_schema(file).names):
        return {}, {}
    truth = pq.read_table(file, columns=columns)
    names, classes, directions, known = (truth.column(name).to_pylist() for name in columns)
    kinds = {
        name: parse_kind(listed_as(kind, direction))
        for name, kind, direction, is_known in zip(names, classes, directions, known, strict=True)
        if is_known
    }
    return dict(zip(names, classes, strict=True)), kinds


def make_source_table(population: ReferencePopulation) -> pa.Table:
    """What a reference says of its sources, see `Reference.sources`.

    hardness is that of the counts in the aperture, (H − S) / (H + S), background not taken off; null without photons.
    """
    import pyarrow as pa

    from xherald.photons.statistics.clock import null_clock
    from xherald.photons.statistics.gregory_loredo import compute_variability_odds, variability_index

    batch, who = population.batch, population.batch.identities
    clock = null_clock(batch)
    index = variability_index(*compute_variability_odds(clock.u, clock.offsets))
    source = np.repeat(np.arange(len(batch)), batch.counts)
    hard = np.bincount(source, weights=batch.energy >= batch.hardness_split[source], minlength=len(batch))
    counts = batch.counts
    return pa.table(
        {
            "obsreg_id": pa.array(population.names),
            **{name: pa.array([getattr(one, name) for one in who]) for name in ("mission", "instrument", "obs_id")},
            **{name: pa.array([getattr(one, name) for one in who], pa.float64()) for name in ("ra", "dec")},
            "counts": pa.array(counts),
            "livetime_s": pa.array(batch.livetime),
            "hardness": pa.array((2 * hard - counts) / np.maximum(counts, 1), mask=counts == 0),
            "variability_index": pa.array(index.astype(np.int64)),
            "bona_fide": pa.array(population.kinds),
            "class": pa.array(population.classes),
        }
    )
