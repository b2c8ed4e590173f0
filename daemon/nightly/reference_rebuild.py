"""Rebuild of the references in use: collect sources, build, compare with the present ones, activate if not worse."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .calibration_versions import find_calibrations_folder, list_versions, next_number, record_version
from .training_sources import TrainingSources, collect_training_sources

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.calibration.simulated_samples import RealSources
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage

__all__ = ["RebuildResult", "rebuild_references"]


@dataclass(frozen=True, slots=True)
class RebuildResult:
    """Result of a rebuild.

    Parameters
    ----------
    name : str or None — of the new version; None if nothing was built
    activated : bool
    reason : str — why it was activated, or not
    seconds : float
    version : mapping or None — what is recorded of the version
    """

    name: str | None
    activated: bool
    reason: str
    seconds: float
    version: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON types."""
        return {name: getattr(self, name) for name in ("name", "activated", "reason", "seconds", "version")}


def rebuild_references(
    store: Store, active: Configuration, configured: str, stage: Stage = lambda _: None
) -> RebuildResult:
    """Rebuild the references of a store, and activate them if no quality figure is worse.

    Parameters
    ----------
    store : Store
    active : Configuration — with the active calibration
    configured : str — the calibration in the configuration itself (`get_configured_calibration`)
    stage : callable, optional
        Called with a line of progress.

    Raises
    ------
    ArtefactError, ReferenceDataError
        The active calibration cannot be read, or the new one cannot be built or written.
    """
    from xherald.detector.calibration.calibration import save_calibration
    from xherald.detector.calibration.rebuild_calibration import rebuild_calibration
    from xherald.detector.scoring.detect import calibration_of
    from xherald.evaluation.calibration_comparison import compare

    begin = time.monotonic()
    base, settings = calibration_of(active), active.settings.daemon
    training = collect_training_sources(store, active, base, stage)
    digest = _compute_digest(training)
    if not training.sources:
        return RebuildResult(None, False, _explain_no_sources(training), _seconds_since(begin))
    if any(one["digest"] == digest and one["configured"] == configured for one in list_versions(store)):
        reason = "no new sources since an earlier version"
        return RebuildResult(None, False, reason, _seconds_since(begin))
    folder = find_calibrations_folder(active, store)
    number = next_number(store, folder)
    name = f"rebuilt-{number}"
    calibration, references = rebuild_calibration(
        name, base, training.sources, active, nulls=settings.rebuild_nulls, stage=stage
    )
    stage("writing")
    save_calibration(folder / name, calibration, references)
    detection = active.settings.detection.model_copy(update={"calibration": folder / name})
    new = replace(active, settings=active.settings.model_copy(update={"detection": detection}))
    comparison = compare(
        active,
        new,
        tuple(base.about["telescopes"]),
        tuple(training.sources),
        sources=settings.rebuild_test_sources,
        seed=number,
        stage=stage,
    )
    worse = comparison.worse
    reason = "; ".join(one.words for one in worse) or f"none of {len(comparison.figures)} quality figures is worse"
    version = {
        "name": name,
        "folder": str(folder / name),
        "configured": configured,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "rebuilt_from": calibration.about["rebuilt_from"],
        "activated": not worse,
        "reason": reason,
        "real_sources": {group: _count_kinds(one) for group, one in training.sources.items()},
        "files": {
            "read": training.files_read,
            "skipped": training.files_skipped,
            "reasons": list(training.reasons),
        },
        "digest": digest,
        "comparison": comparison.as_dict(),
        "seconds": _seconds_since(begin),
    }
    record_version(store, version)
    return RebuildResult(name, not worse, reason, version["seconds"], version)


def _explain_no_sources(training: TrainingSources) -> str:
    reasons = f" ({'; '.join(training.reasons)})" if training.reasons else ""
    return f"no readable file has sources of the instrument and band of a reference{reasons}"


def _compute_digest(training: TrainingSources) -> str:
    """SHA-256 of the names and kinds of the real sources."""
    from xherald.detector.references.reference_population import source_name

    sources = {
        group: sorted(zip(map(source_name, one.batch.identities), one.kinds, strict=True))
        for group, one in sorted(training.sources.items())
    }
    return hashlib.sha256(json.dumps(sources).encode()).hexdigest()


def _count_kinds(real: RealSources) -> dict[str, int]:
    return {kind or "ordinary": real.kinds.count(kind) for kind in ("flare", "dip", "")}


def _seconds_since(begin: float) -> float:
    return round(time.monotonic() - begin, 1)
