"""Scores of all methods for the sources of a sample, as flat columns: `ScoredSources`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.photons.errors import ReferenceDataError

from .baselines import DIP_TESTS, FLARE_TESTS, PublishedReference, halves_and_quarters, published_scores, timing_scores
from .detector_under_test import DetectorUnderTest
from .samples import SamplePart, Sources, draw

if TYPE_CHECKING:
    from xherald.photons.statistics import TimingSettings

__all__ = ["DETECTOR", "DIRECTIONS", "ORACLE", "ScoredSources", "score_parts"]


DETECTOR: Final = "detector"
ORACLE: Final = "oracle"
DIRECTIONS: Final = ("flare", "dip")


@dataclass(frozen=True, slots=True, eq=False)
class ScoredSources:
    """The n sources of a sample with the scores of all methods.

    Parameters
    ----------
    facts : mapping of str to ndarray, shape (n,)
        kind, label, spectrum, telescope (str); counts, livetime_s, gap (part of the span without good time),
        background (share of the photons, as the batch says), duration, strength, sigma.
    scores : mapping of str to mapping of str to ndarray, shape (n,)
        By direction, then method.
    false_alarm_probability : ndarray, shape (n,)
    direction : ndarray, shape (n,), int8
    classes : tuple of str, length c
    class_probabilities : ndarray, shape (n, c)
    """

    facts: Mapping[str, NDArray[Any]]
    scores: Mapping[str, Mapping[str, F64]]
    false_alarm_probability: F64
    direction: NDArray[np.int8]
    classes: tuple[str, ...]
    class_probabilities: F64

    def __len__(self) -> int:
        return len(self.false_alarm_probability)

    def of_kind(self, kind: str) -> NDArray[np.bool_]:
        """Which sources are of a kind."""
        chosen: NDArray[np.bool_] = self.facts["kind"] == kind
        return chosen

    @classmethod
    def joined(cls, parts: Sequence[ScoredSources]) -> ScoredSources:
        """Concatenate parts; only methods that all of them have are kept."""
        first = parts[0]

        def flat(columns: Iterable[NDArray[Any]]) -> NDArray[Any]:
            return np.concatenate(list(columns))

        return cls(
            facts={name: flat(part.facts[name] for part in parts) for name in first.facts},
            scores={
                direction: {
                    method: np.concatenate([part.scores[direction][method] for part in parts])
                    for method in first.scores[direction]
                    if all(method in part.scores[direction] for part in parts)
                }
                for direction in DIRECTIONS
            },
            false_alarm_probability=np.concatenate([part.false_alarm_probability for part in parts]),
            direction=np.concatenate([part.direction for part in parts]),
            classes=first.classes,
            class_probabilities=np.concatenate([part.class_probabilities for part in parts]),
        )


def score_parts(
    parts: Iterable[SamplePart],
    seed: int,
    detector: DetectorUnderTest,
    references: Mapping[str, PublishedReference],
    settings: TimingSettings,
    advance: Callable[[int], object] = lambda _: None,
) -> ScoredSources:
    """Draw the parts of a sample one by one and score each with every method.

    Parameters
    ----------
    parts : iterable of Part
    seed : int — of the evaluation
    detector : DetectorUnderTest
    references : mapping of str to PublishedReference
        Published features by telescope; telescopes without any are scored without them.
    settings : TimingSettings
    advance : callable, optional
        Called with the number of sources scored so far.

    Raises
    ------
    ReferenceDataError
        No source is left in any part.
    """
    scored = []
    for part in parts:
        sources = draw(part, seed)
        if len(sources.batch):  # a small part of a population may have no source of the requested counts
            scored.append(_judge(sources, part.telescope, detector, references.get(part.telescope), settings))
        advance(part.size)
    if not scored:
        raise ReferenceDataError("evaluation: no source has the requested counts; use larger samples")
    return ScoredSources.joined(scored)


def _judge(
    sources: Sources,
    telescope: str,
    detector: DetectorUnderTest,
    reference: PublishedReference | None,
    settings: TimingSettings,
) -> ScoredSources:
    from xherald.photons.statistics import assess

    batch = sources.batch
    timing = assess(batch, settings)
    verdicts = detector(batch, timing)
    yang = {"halves_quarters": halves_and_quarters(batch)}
    scores = {
        "flare": {DETECTOR: verdicts.score_flare, **timing_scores(timing, FLARE_TESTS), **yang},
        "dip": {DETECTOR: verdicts.score_dip, **timing_scores(timing, DIP_TESTS), **yang},
    }
    if reference is not None:
        for direction, more in zip(DIRECTIONS, published_scores(batch, reference), strict=True):
            scores[direction] |= more
    if sources.events is not None:
        from .timing_limit import oracle_scores

        for direction, score in zip(DIRECTIONS, oracle_scores(batch, sources.events, settings.threads), strict=True):
            scores[direction][ORACLE] = score
    return ScoredSources(
        facts=_facts(sources, telescope),
        scores=scores,
        false_alarm_probability=verdicts.false_alarm_probability,
        direction=verdicts.direction,
        classes=verdicts.classes,
        class_probabilities=verdicts.class_probabilities,
    )


def _facts(sources: Sources, telescope: str) -> dict[str, NDArray[Any]]:
    batch = sources.batch
    return {
        "kind": sources.kind,
        "label": sources.label,
        "spectrum": sources.spectrum,
        "telescope": np.full(len(batch), telescope),
        "counts": batch.counts,
        "livetime_s": batch.livetime,
        "gap": _gap_of(batch),
        "background": np.minimum(batch.background_counts / batch.counts, 1.0),
        "duration": sources.duration,
        "strength": sources.strength,
        "sigma": sources.sigma,
    }


def _gap_of(batch: EventBatch) -> F64:
    """Fraction of the span of each source, from first to last good time, that is not good time, shape (n,)."""
    span = batch.gti[batch.gti_offsets[1:] - 1, 1] - batch.gti[batch.gti_offsets[:-1], 0]
    good = np.add.reduceat(batch.gti[:, 1] - batch.gti[:, 0], batch.gti_offsets[:-1])
    gap: F64 = np.clip(1.0 - good / span, 0.0, 1.0)
    return gap
