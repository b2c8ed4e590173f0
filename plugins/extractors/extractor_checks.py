"""What extractors ask of a sample before they learn from it, and of features before they give them away."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from xherald.photons import EventBatch
from xherald.photons.artefact_folders import load_json
from xherald.photons.errors import ArtefactError, ReferenceDataError
from xherald.plugins.contract import Features, Sample, Values

__all__ = ["load_facts", "require_finite", "values_of"]


def values_of(sample: Sample, extractor: str) -> Values:
    """The representation of a sample, which this extractor cannot do without.

    Raises
    ------
    ReferenceDataError
        There is none.
    """
    if sample.values is None:
        raise ReferenceDataError(f"extractor {extractor} works on a representation: name one in the case")
    return sample.values


def require_finite(features: Features, batch: EventBatch, extractor: str) -> None:
    """Refuse features of which one is no number.

    Raises
    ------
    ReferenceDataError
        Names the first source that has one.
    """
    broken = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if len(broken):
        who = batch.identities[broken[0]]
        raise ReferenceDataError(
            f"extractor {extractor}: features of {len(broken)} sources are not finite, the first of them "
            f"{who.obs_id}/{who.detection_id}; look at its photons, or leave it out"
        )


def load_facts(path: Path, extractor: str) -> dict[str, Any]:
    """What an extractor wrote of itself.

    Raises
    ------
    ArtefactError
        It cannot be read, or another extractor wrote it.
    """
    facts = load_json(path)
    if facts.get("extractor") != extractor:
        raise ArtefactError(f"{path}: was written by extractor {facts.get('extractor')!r}, not {extractor!r}")
    return facts
