"""Rebuild of the references in use: gathered, built, judged beside what is in use, and activated if it is no worse."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from .calibration_versions import calibrations_to_json, folder_of, next_number, noted
from .training_sources import Material, gather

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.calibration.simulated_samples import RealSources
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.progress import Stage

__all__ = ["Rebuilt", "rebuild"]


@dataclass(frozen=True, slots=True)
class Rebuilt:
    """What a rebuild came to.

    Parameters
    ----------
    name : str or None — of the new version; None where there was nothing to build it of
    activated : bool
    reason : str — why it was, or was not
    seconds : float
    entry : mapping or None — all that is kept of the version
    """

    name: str | None
    activated: bool
    reason: str
    seconds: float
    entry: dict[str, Any] | None = None

    def as_dict(self) -> dict[str, Any]:
        """In JSON's own types."""
        facts = {name: getattr(self, name) for name in ("name", "activated", "reason", "seconds")}
        return facts | {"version": self.entry}


def rebuild(store: Store, used: Configuration, configured: str, stage: Stage = lambda _: None) -> Rebuilt:
    """Build the references of a store anew, and let them serve if no figure is worse.

    Parameters
    ----------
    store : Store
    used : Configuration — with the calibration that is in use
    configured : str — the calibration that the configuration itself names, as of `versions.configured`
    stage : callable, optional

    Raises
    ------
    ArtefactError, ReferenceDataError
        The calibration in use cannot be read, the new one not be built or written.
    """
    from xherald.detector.calibration.calibration import save_calibration
    from xherald.detector.calibration.rebuild_calibration import rebuild_calibration
    from xherald.detector.scoring.detect import calibration_of
    from xherald.evaluation.calibration_comparison import compare

    begun = time.monotonic()
    base, stream = calibration_of(used), used.settings.daemon
    material = gather(store, used, base, stage)
    digest = _digest(material)
    if not material.sources:
        return Rebuilt(None, False, _nothing(material), _since(begun))
    if any(one["digest"] == digest and one["configured"] == configured for one in calibrations_to_json(store)):
        reason = "its sources would be those of an earlier version: nothing is new"
        return Rebuilt(None, False, reason, _since(begun))
    folder = folder_of(used, store)
    number = next_number(store, folder)
    name = f"rebuilt-{number}"
    calibration, references = rebuild_calibration(
        name, base, material.sources, used, nulls=stream.rebuild_nulls, stage=stage
    )
    stage("writing")
    save_calibration(folder / name, calibration, references)
    detection = used.settings.detection.model_copy(update={"calibration": folder / name})
    new = replace(used, settings=used.settings.model_copy(update={"detection": detection}))
    comparison = compare(
        used,
        new,
        tuple(base.about["telescopes"]),
        tuple(material.sources),
        sources=stream.rebuild_test_sources,
        seed=number,
        stage=stage,
    )
    worse = comparison.worse
    reason = "; ".join(one.words for one in worse) or f"none of {len(comparison.figures)} figures is worse"
    entry = {
        "name": name,
        "folder": str(folder / name),
        "configured": configured,
        "created_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "rebuilt_from": calibration.about["rebuilt_from"],
        "activated": not worse,
        "reason": reason,
        "real": {group: _counted(one) for group, one in material.sources.items()},
        "files": {"read": material.read, "skipped": material.skipped, "reasons": list(material.reasons)},
        "digest": digest,
        "comparison": comparison.as_dict(),
        "seconds": _since(begun),
    }
    noted(store, entry)
    return Rebuilt(name, not worse, reason, entry["seconds"], entry)


def _nothing(material: Material) -> str:
    why = f" ({'; '.join(material.reasons)})" if material.reasons else ""
    return f"no file with sources of a reference's instrument and band is there to be read again{why}"


def _digest(material: Material) -> str:
    """What tells one set of real sources from another."""
    from xherald.detector.references.reference_population import source_name

    facts = {
        group: sorted(zip(map(source_name, one.batch.identities), one.kinds, strict=True))
        for group, one in sorted(material.sources.items())
    }
    return hashlib.sha256(json.dumps(facts).encode()).hexdigest()


def _counted(real: RealSources) -> dict[str, int]:
    return {kind or "ordinary": real.kinds.count(kind) for kind in ("flare", "dip", "")}


def _since(begun: float) -> float:
    return round(time.monotonic() - begun, 1)
