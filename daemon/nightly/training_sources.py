"""Real sources for a rebuilt reference, read again from files that were processed and still exist.

The store keeps no photons, so local files that have not changed are read again: first those of vetted candidates, then
the latest. A candidate that was vetted as real, of a known source or not, is a bona-fide transient; one vetted as not
variable is ordinary, and so is a source that no test finds variable. Artefacts are left out: what tells them from
events is the place and energy of their photons on the detector, which vetoes see, and as ordinary sources they would
make real events that look like them less probable. Rejected candidates and significant ones without a verdict are left
out, since they may be real.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.catalog_store.ledger.states import VettingDecision
from xherald.catalog_store.references.reference_store import instrument_key
from xherald.daemon.jobs.processing import make_source_configurations
from xherald.detector.calibration.simulated_samples import RealSources
from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.photons.errors import XheraldError
from xherald.photons.statistics.result import DIP

from .drift import MAX_VARIABLE_P

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.nightly_queries import ProcessedFile, VettedCandidate
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.calibration.calibration import Calibration
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage

__all__ = ["TrainingSources", "collect_training_sources"]

MIN_COUNTS: Final = 5
MAX_COUNTS: Final = 5000
"""Photons of a source in a reference, as of simulated ones; brighter sources would need too much memory."""

MAX_REASONS: Final = 5

USEFUL_VERDICTS: Final = (VettingDecision.REAL, VettingDecision.KNOWN, VettingDecision.NOT_VARIABLE)
"""Verdicts whose candidates join a reference."""


@dataclass(frozen=True, slots=True)
class TrainingSources:
    """Real sources by group of the calibration.

    Parameters
    ----------
    sources : mapping of str to RealSources
    files_read, files_skipped : int
    reasons : tuple of str — why the first files were skipped
    """

    sources: Mapping[str, RealSources]
    files_read: int
    files_skipped: int
    reasons: tuple[str, ...]


@dataclass(slots=True)
class _GroupSources:
    """Sources of a group during collection."""

    band_kev: tuple[float, float]
    batches: list[EventBatch] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    origin: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ordinary_count(self) -> int:
        return self.kinds.count("")


def collect_training_sources(
    store: Store, configuration: Configuration, calibration: Calibration, stage: Stage = lambda _: None
) -> TrainingSources:
    """Read real sources, as many as the settings allow.

    Parameters
    ----------
    store : Store
    configuration : Configuration — with the active calibration
    calibration : Calibration — the active one
    stage : callable, optional
        Called with a line of progress.
    """
    settings = configuration.settings.daemon
    limit = settings.rebuild_sources
    vetted = {
        (one.obs_id, one.detection_id, instrument_key(one.mission, one.instrument)): one
        for one in store.vetted_candidates(limit)
    }
    vetted_drops = {one.file.drop_id for one in vetted.values() if one.verdict in USEFUL_VERDICTS}
    groups = _make_groups(calibration, configuration)
    adapters = {name: one.adapters for name, one in settings.sources.items()}
    of_source = make_source_configurations(configuration, adapters)
    reasons: list[str] = []
    files_read = 0
    useful = [one for one in vetted.values() if one.verdict in USEFUL_VERDICTS]
    for file in _order_files(useful, store.processed_files(settings.rebuild_files)):
        group = groups.get(instrument_key(file.mission, file.instrument))
        if group is None or (group.ordinary_count >= limit and file.drop_id not in vetted_drops):
            continue
        if (reason := _find_obstacle(file)) is not None:
            reasons.append(reason)
            continue
        stage(f"reading {Path(file.url).name}")
        try:
            _collect_from_file(file, of_source.get(file.source, configuration), groups, vetted, limit)
        except XheraldError as fault:
            reasons.append(str(fault))
            continue
        files_read += 1
    found = {calibration.find_group(*key.split("/", 1)).name: one for key, one in groups.items() if one.batches}
    sources = {
        name: RealSources(EventBatch.concatenate(one.batches), tuple(one.kinds), one.origin)
        for name, one in found.items()
    }
    return TrainingSources(sources, files_read, len(reasons), tuple(reasons[:MAX_REASONS]))


def _make_groups(calibration: Calibration, configuration: Configuration) -> dict[str, _GroupSources]:
    """Empty groups by the instrument of their reference, which has one instrument and one band."""
    found = {}
    for group in calibration.groups.values():
        reference = calibration.load_reference(group, configuration.host)
        if reference is not None:
            about = reference.about
            low, high = about["band_kev"]
            found[instrument_key(about["mission"], about["instrument"])] = _GroupSources((low, high))
    return found


def _order_files(vetted: Collection[VettedCandidate], latest: Sequence[ProcessedFile]) -> Iterator[ProcessedFile]:
    """Files of vetted candidates, then the latest files, each once."""
    seen: set[int] = set()
    for file in (*(one.file for one in vetted), *latest):
        if file.drop_id not in seen:
            seen.add(file.drop_id)
            yield file


def _find_obstacle(file: ProcessedFile) -> str | None:
    """Why a file cannot be read again; None if it can."""
    if "://" in file.url:
        return f"{file.url}: remote files are not kept"
    try:
        status = Path(file.url).stat()
    except OSError as fault:
        return f"{file.url}: {fault.strerror}"
    if status.st_size != file.size or status.st_mtime != file.mtime:
        return f"{file.url}: has changed since it was processed"
    return None


def _collect_from_file(
    file: ProcessedFile,
    configuration: Configuration,
    groups: Mapping[str, _GroupSources],
    vetted: Mapping[tuple[str, str, str], VettedCandidate],
    limit: int,
) -> None:
    """Add the usable sources of a file to the groups."""
    from xherald.detector.extraction.extracted_sources import extract_sources
    from xherald.detector.references.reference_population import source_name
    from xherald.detector.scoring.detect import score_batch
    from xherald.photons.statistics import assess

    batch = extract_sources(Path(file.url), configuration).batch
    detections = score_batch(batch, assess(batch, configuration.settings.timing), configuration)
    keys = [instrument_key(one.mission, one.instrument) for one in batch.identities]
    kinds = _classify(batch, keys, detections.false_alarm_probability, detections.detection_batch.direction, vetted)
    for key in dict.fromkeys(keys):
        group = groups.get(key)
        if group is None:
            continue
        is_usable = (batch.band == np.array(group.band_kev)).all(axis=1)
        is_usable &= (batch.counts >= MIN_COUNTS) & (batch.counts <= MAX_COUNTS)
        rows, room = [], limit - group.ordinary_count
        for row in np.flatnonzero(is_usable & (np.array(keys) == key)).tolist():
            kind, name = kinds[row], source_name(batch.identities[row])
            if kind is None or name in group.names or (kind == "" and room <= 0):
                continue
            room -= kind == ""
            group.names.add(name)
            rows.append(row)
        if rows:
            group.batches.append(batch.select(np.array(rows)))
            group.kinds += [kinds[row] or "" for row in rows]
            group.origin.append({"drop": file.drop_id, "path": file.url, "sources": len(rows)})


def _classify(
    batch: EventBatch,
    keys: Sequence[str],
    probabilities: F64,
    directions: NDArray[np.int8],
    vetted: Mapping[tuple[str, str, str], VettedCandidate],
) -> list[str | None]:
    """Kind of each bona-fide transient, "" for ordinary sources, None for sources of unknown nature."""
    kinds: list[str | None] = []
    columns = zip(batch.identities, keys, probabilities.tolist(), directions.tolist(), strict=True)
    for one, key, p, direction in columns:
        candidate = vetted.get((one.obs_id, one.detection_id, key))
        if candidate is not None:
            kinds.append(_kind_of_vetted(candidate.verdict, direction))
        else:
            kinds.append("" if p >= MAX_VARIABLE_P else None)
    return kinds


def _kind_of_vetted(verdict: VettingDecision, direction: int) -> str | None:
    if verdict.is_real:
        return "dip" if direction == DIP else "flare"
    return "" if verdict is VettingDecision.NOT_VARIABLE else None
