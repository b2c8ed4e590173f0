"""What a rebuilt reference can honestly be made of: sources of the stream, read again from files that are still there.

The store keeps no photons. Files that were taken from a folder and have not changed are read anew: first those of
candidates that persons looked at, then the latest. A source that no test finds to vary is an ordinary one; one that a
person took for real is a bona-fide transient, one that a person rejected is ordinary; of whatever else stands out
nobody knows what it is, and it is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.catalog_store.ledger.states import VettingDecision
from xherald.catalog_store.references.reference_store import instrument_key
from xherald.daemon.jobs.processing import configured_for
from xherald.detector.calibration.simulated_samples import RealSources
from xherald.photons import EventBatch
from xherald.photons.errors import XheraldError

from .drift import TAIL

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.nightly_queries import ProcessedFile, VettedCandidate
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.calibration.calibration import Calibration
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage

__all__ = ["Material", "gather"]

COUNTS: Final = (5, 5000)
"""Photons that a source of a reference has, as simulated ones; brighter ones would fill the memory."""


@dataclass(frozen=True, slots=True)
class Material:
    """Real sources by group of the calibration.

    Parameters
    ----------
    sources : mapping of str to RealSources
    read, skipped : int — files
    reasons : tuple of str — why some were skipped, the first few
    """

    sources: Mapping[str, RealSources]
    read: int
    skipped: int
    reasons: tuple[str, ...]


@dataclass(slots=True)
class _Gathered:
    """Sources of a group, as they come."""

    band: tuple[float, float]
    batches: list[EventBatch] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    names: set[str] = field(default_factory=set)
    origin: list[dict[str, Any]] = field(default_factory=list)

    @property
    def ordinary(self) -> int:
        return self.kinds.count("")


def gather(
    store: Store, configuration: Configuration, calibration: Calibration, stage: Stage = lambda _: None
) -> Material:
    """Read real sources again, as many as the settings allow.

    Parameters
    ----------
    store : Store
    configuration : Configuration — with the calibration in use
    calibration : Calibration — that one
    stage : callable, optional
        Told what is being done.
    """
    stream = configuration.settings.daemon
    vetted = {
        (one.obs_id, one.detection_id, instrument_key(one.mission, one.instrument)): one
        for one in store.vetted_candidates(stream.rebuild_sources)
    }
    groups = _groups(calibration, configuration)
    own = configured_for(configuration, {name: one.adapters for name, one in stream.sources.items()})
    reasons: list[str] = []
    read = 0
    for file in _files(list(vetted.values()), store.processed_files(stream.rebuild_files)):
        here = groups.get(instrument_key(file.mission, file.instrument))
        if here is None or (here.ordinary >= stream.rebuild_sources and not _holds(file, vetted.values())):
            continue
        if (why := _unusable(file)) is not None:
            reasons.append(why)
            continue
        stage(f"reading {Path(file.url).name} again")
        try:
            _take(file, own.get(file.source, configuration), groups, vetted, stream.rebuild_sources)
        except XheraldError as fault:
            reasons.append(str(fault))
            continue
        read += 1
    found = {calibration.find_group(*key.split("/", 1)).name: one for key, one in groups.items() if one.batches}
    sources = {
        name: RealSources(EventBatch.concatenate(one.batches), tuple(one.kinds), one.origin)
        for name, one in found.items()
    }
    return Material(sources, read, len(reasons), tuple(reasons[:5]))


def _groups(calibration: Calibration, configuration: Configuration) -> dict[str, _Gathered]:
    """By the instrument that each group's reference is of: a reference holds one instrument, in one band."""
    found = {}
    for group in calibration.groups.values():
        reference = calibration.reference(group, configuration.host)
        if reference is not None:
            about = reference.about
            low, high = about["band_kev"]
            found[instrument_key(about["mission"], about["instrument"])] = _Gathered((low, high))
    return found


def _files(vetted: Sequence[VettedCandidate], latest: Sequence[ProcessedFile]) -> Iterator[ProcessedFile]:
    seen: set[int] = set()
    for file in (*(one.file for one in vetted), *latest):
        if file.drop_id not in seen:
            seen.add(file.drop_id)
            yield file


def _holds(file: ProcessedFile, vetted: Any) -> bool:
    return any(one.file.drop_id == file.drop_id for one in vetted)


def _unusable(file: ProcessedFile) -> str | None:
    """Why a file cannot be read again; None if it can."""
    if "://" in file.url:
        return f"{file.url}: was fetched, and is not kept"
    try:
        facts = Path(file.url).stat()
    except OSError as fault:
        return f"{file.url}: {fault.strerror}"
    if facts.st_size != file.size or facts.st_mtime != file.mtime:
        return f"{file.url}: has changed since it was taken"
    return None


def _take(
    file: ProcessedFile,
    configuration: Configuration,
    groups: Mapping[str, _Gathered],
    vetted: Mapping[tuple[str, str, str], VettedCandidate],
    most: int,
) -> None:
    """Sources of a file that a reference can use."""
    from xherald.detector.extraction.extracted_sources import extract_sources
    from xherald.detector.references.reference_population import source_name
    from xherald.detector.scoring.detect import score_batch
    from xherald.photons.statistics import assess

    batch = extract_sources(Path(file.url), configuration).batch
    told = score_batch(batch, assess(batch, configuration.settings.timing), configuration)
    keys = [instrument_key(one.mission, one.instrument) for one in batch.identities]
    kinds = _kinds(batch, keys, told.false_alarm_probability, vetted)
    for key in dict.fromkeys(keys):
        group = groups.get(key)
        if group is None:
            continue
        fits = (batch.band == np.array(group.band)).all(axis=1) & (batch.counts >= COUNTS[0])
        fits &= batch.counts <= COUNTS[1]
        rows, left = [], most - group.ordinary
        for row in np.flatnonzero(fits & (np.array(keys) == key)).tolist():
            kind, name = kinds[row], source_name(batch.identities[row])
            if kind is None or name in group.names or (kind == "" and left <= 0):
                continue
            left -= kind == ""
            group.names.add(name)
            rows.append(row)
        if rows:
            group.batches.append(batch.select(np.array(rows)))
            group.kinds += [kinds[row] or "" for row in rows]
            group.origin.append({"drop": file.drop_id, "path": file.url, "sources": len(rows)})


def _kinds(
    batch: EventBatch,
    keys: Sequence[str],
    chance: NDArray[np.float64],
    vetted: Mapping[tuple[str, str, str], VettedCandidate],
) -> list[str | None]:
    """Kind of bona-fide transient of each source, "" of ordinary ones, None of those of which nobody knows."""
    kinds: list[str | None] = []
    for one, key, p in zip(batch.identities, keys, chance.tolist(), strict=True):
        looked_at = vetted.get((one.obs_id, one.detection_id, key))
        if looked_at is not None:
            kinds.append(looked_at.kind if looked_at.verdict is VettingDecision.CONFIRMED else "")
        else:
            kinds.append("" if p >= TAIL else None)
    return kinds
