"""Photon lists of a population, with names, classes and bona-fide transients: what references are built from.

Sources are read from the published tables (a folder with ``eventfiles_table.csv``), from a file of photon lists (a
simulated population, a table), or from event files and folders of them, whose sources are extracted as in a scan. They
are sorted by name, as in the published code, because the random start of t-SNE depends on the order.
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
    "PhotonLists",
    "ReferencePopulation",
    "make_population",
    "make_source_table",
    "read_photon_lists",
    "read_population",
    "sort_by_name",
    "source_name",
]

EVENTS_TABLE: Final = "eventfiles_table.csv"
BONA_FIDE_LIST: Final = "bonafide_transients.json"

FailureCallback = Callable[[Path, XheraldError], None]


@dataclass(frozen=True, slots=True, eq=False)
class PhotonLists:
    """Sources of several files.

    Parameters
    ----------
    batch : EventBatch — in the order of the files
    files : tuple of Path — that were used
    classes : dict of str to str — by name, where a simulation states them
    kinds : dict of str to str — kind of bona-fide transient by name, where a simulation states it
    """

    batch: EventBatch
    files: tuple[Path, ...]
    classes: dict[str, str]
    kinds: dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class ReferencePopulation:
    """Sources of a reference.

    Parameters
    ----------
    names : tuple of str — unique, ascending
    batch : EventBatch — in the order of the names
    classes : tuple of str — "" where unknown
    bona_fide : BonaFideList
    origin : list of dict — input files with their SHA-256, in JSON types
    notes : tuple of str — messages for the user
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
    failed: FailureCallback | None = None,
) -> ReferencePopulation:
    """Read a population.

    Parameters
    ----------
    paths : sequence of Path
        The folder of the published tables, or files and folders of files.
    configuration : Configuration
    bona_fide : Path, optional
        List of bona-fide transients; by default the one in the folder of the published tables, or the truth of a
        simulation.
    skip_unknown : bool
        See `BonaFideList.restrict_to`.
    stage : callable, optional
        Called with the name of each stage.
    failed : callable, optional
        Called for a file that cannot be used when others can; without it the first such file is an error.

    Raises
    ------
    FileError, PhotonError, ReferenceDataError
    """
    lists = read_photon_lists(paths, configuration, stage=stage, failed=failed)
    if bona_fide is None and len(paths) == 1 and (paths[0] / BONA_FIDE_LIST).is_file():
        bona_fide = paths[0] / BONA_FIDE_LIST
    transients = (
        BonaFideList(lists.kinds, (), "truth of the simulation") if bona_fide is None else read_bona_fide(bona_fide)
    )
    if not transients.kinds:
        raise ReferenceDataError("no bona-fide transients among these sources; pass a list with --bona-fide FILE")
    origin = [{"path": str(file), "sha256": compute_sha256(file)} for file in lists.files]
    return make_population(lists.batch, transients, lists.classes, origin, skip_unknown=skip_unknown)


def read_photon_lists(
    paths: Sequence[Path],
    configuration: Configuration,
    *,
    stage: Stage = lambda _: None,
    failed: FailureCallback | None = None,
) -> PhotonLists:
    """Read or extract the sources of files and folders; parameters and errors as of `read_population`."""
    files = [file for path in paths for file in _files_in(path, configuration)]
    batches: list[EventBatch] = []
    used: list[Path] = []
    classes: dict[str, str] = {}
    kinds: dict[str, str] = {}
    for file in files:

        def report(what: str, name: str = file.name) -> None:
            stage(f"{name}: {what}")

        try:
            batch = extract_sources(file, configuration, stage=report).batch
        except XheraldError as fault:
            if failed is None or len(files) == 1:
                raise
            failed(file, fault)
            continue
        batches.append(batch)
        used.append(file)
        own_classes, own_kinds = _read_truth(file)
        classes.update(own_classes)
        kinds.update(own_kinds)
    if not batches:
        raise ReferenceDataError("no file could be used; see the messages above")
    return PhotonLists(EventBatch.concatenate(batches), tuple(used), classes, kinds)


def make_population(
    batch: EventBatch,
    bona_fide: BonaFideList,
    classes: dict[str, str],
    origin: list[dict[str, Any]],
    *,
    skip_unknown: bool = False,
) -> ReferencePopulation:
    """Sort a batch by name and check that a reference can be built from it.

    Raises
    ------
    ReferenceDataError
        Two sources have the same name, sources are of several instruments or bands, or `BonaFideList.restrict_to`
        refuses the list.
    """
    names, batch = sort_by_name(batch)
    _refuse_mixed(batch)
    transients, notes = bona_fide.restrict_to(names, skip_unknown=skip_unknown)
    return ReferencePopulation(names, batch, tuple(classes.get(name, "") for name in names), transients, origin, notes)


def sort_by_name(batch: EventBatch) -> tuple[tuple[str, ...], EventBatch]:
    """Names of the sources, ascending, and the batch in that order.

    Raises
    ------
    ReferenceDataError
        Two sources have the same name.
    """
    names = [source_name(one) for one in batch.identities]
    order = sorted(range(len(names)), key=names.__getitem__)
    ordered = tuple(names[i] for i in order)
    if duplicates := [a for a, b in pairwise(ordered) if a == b]:
        files = [one.source_path for one, name in zip(batch.identities, names, strict=True) if name == duplicates[0]]
        raise ReferenceDataError(f"two sources are named {duplicates[0]!r} ({' and '.join(files)}); leave one out")
    return ordered, batch.select(np.array(order, dtype=np.int64))


def source_name(one: Identity) -> str:
    """Name in the published form, ``obsid_region``; names from published tables are returned unchanged."""
    obs_id, detection_id = one.obs_id, one.detection_id
    return detection_id if not obs_id or detection_id.startswith(f"{obs_id}_") else f"{obs_id}_{detection_id}"


def _refuse_mixed(batch: EventBatch) -> None:
    instruments = sorted({(one.mission, one.instrument) for one in batch.identities})
    if len(instruments) > 1:
        names = ", ".join(f"{mission}/{instrument}" for mission, instrument in instruments)
        raise ReferenceDataError(f"sources of several instruments ({names}); build one reference for each")
    bands = np.unique(batch.band, axis=0)
    if len(bands) > 1:
        ranges = ", ".join(f"{low:g}–{high:g} keV" for low, high in bands[:3])
        raise ReferenceDataError(f"sources of several bands ({ranges}); build one reference for each")


def _files_in(path: Path, configuration: Configuration) -> Iterator[Path]:
    """The file itself, the published table in a folder, or every file in a folder that an adapter claims."""
    if not path.is_dir():
        yield path
        return
    if (path / EVENTS_TABLE).is_file():
        yield path / EVENTS_TABLE
        return
    from xherald.adapters.reading.fits_files import read_header
    from xherald.plugins import FolderNames

    claimed: list[Path] = []
    companions: set[Path] = set()
    names: dict[Path, FolderNames] = {}
    for file in sorted(file for file in path.rglob("*") if file.is_file() and not file.name.startswith(".")):
        try:
            adapter = configuration.host.find_adapter(file, read_header(file, configuration.settings.read))
        except UnclaimedFileError:
            continue
        claimed.append(file)
        siblings = names.setdefault(file.parent, FolderNames.in_folder(file.parent))
        companions.update(other.resolve() for other in adapter.companion_paths(file, siblings))
    found = [file for file in claimed if file.resolve() not in companions]
    if not found:
        raise FileError(path, "no file in this folder is claimed by an adapter (see `xherald plugins`)")
    yield from found


def _read_truth(file: Path) -> tuple[dict[str, str], dict[str, str]]:
    """Classes and kinds of bona-fide transients of a simulated population, by name; empty for other files."""
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
    """Table of a reference's sources, see `Reference.sources`.

    hardness is (H − S) / (H + S) of the counts in the aperture, background not subtracted; null without photons.
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
            "ra_deg": pa.array([one.ra for one in who], pa.float64()),
            "dec_deg": pa.array([one.dec for one in who], pa.float64()),
            "counts": pa.array(counts),
            "livetime_s": pa.array(batch.livetime),
            "hardness": pa.array((2 * hard - counts) / np.maximum(counts, 1), mask=counts == 0),
            "variability_index": pa.array(index.astype(np.int64)),
            "bona_fide": pa.array(population.kinds),
            "class": pa.array(population.classes),
        }
    )
