"""Baselines on the same sources: simple timing tests, a published criterion, published features.

Every baseline gives a score of each direction, larger for more of a transient; thresholds come later, from steady
sources of the same counts, so that only the order of scores matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from xherald.detector.references.case_pipeline import Case, represent
from xherald.photons import EventBatch
from xherald.photons.arrays import F64

from .detector_under_test import column_of, log_inverse

if TYPE_CHECKING:
    from xherald.photons.statistics.result import Timing
    from xherald.plugins import FittedExtractor

__all__ = [
    "DIP_TESTS",
    "FLARE_TESTS",
    "PUBLISHED",
    "PublishedCase",
    "PublishedReference",
    "halves_and_quarters",
    "published_reference",
    "published_scores",
    "timing_scores",
]


FLARE_TESTS: Final = ("flare_averaged", "flare_scan", "bayesian_blocks", "ks", "gregory_loredo")
DIP_TESTS: Final = ("dip_averaged", "dip_scan", "longest_gap", "bayesian_blocks", "ks", "gregory_loredo")

PUBLISHED: Final = ("2D-PCA", "3D-PCA")
"""Cases of the published method without an encoder."""

NEAREST: Final = 5
"""Ranks of the neighbours in the ratio of distances."""

BONA_FIDE_SIGMA: Final = 4.0

AT_ONCE: Final = 1000
"""Sources represented at a time; a cube has 6,144 numbers."""


def timing_scores(timing: Timing, tests: Sequence[str]) -> dict[str, F64]:
    """−ln p of timing tests, by name."""
    return {name: log_inverse(column_of(timing, name).p) for name in tests}


# --- Yang et al. 2019 ------------------------------------------------------------------------------------------------


def halves_and_quarters(batch: EventBatch) -> F64:
    """Score of the half-and-quarter test of Yang et al. 2019 (MNRAS 487, 4721, section 2.2), shape (n,).

    Counts of the first half of the exposure are compared with those of the second, and counts of the two middle
    quarters with those of the first and last. The score is −ln of the smaller two-sided binomial probability for
    equal Poisson means (the E-test in the paper). Their further condition, a ratio of five, is omitted: with
    thresholds set by steady sources it only loses transients.
    """
    from scipy.stats import binom

    from xherald.photons.statistics.clock import null_clock

    clock = null_clock(batch)
    n = np.diff(clock.offsets)
    source = np.repeat(np.arange(len(n)), n)
    quarter = np.minimum((clock.u * 4.0).astype(np.int64), 3)
    held = np.bincount(4 * source + quarter, minlength=4 * len(n)).reshape(-1, 4)
    p = np.ones(len(n))
    for one in (held[:, 0] + held[:, 1], held[:, 1] + held[:, 2]):
        fewer = np.minimum(one, n - one)
        p = np.minimum(p, np.minimum(2.0 * binom.cdf(fewer, n, 0.5), 1.0))
    return log_inverse(p)


# --- published features ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, eq=False)
class PublishedCase:
    """A published case, fitted on a population.

    Parameters
    ----------
    case : Case
    extractor : FittedExtractor
    ordinary, flares, dips : ndarray, shape (m, d) — features of ordinary sources and of bona-fide transients
    """

    case: Case
    extractor: FittedExtractor
    ordinary: F64
    flares: F64
    dips: F64


PublishedReference = tuple[PublishedCase, ...]


def published_reference(telescope: str, sources: int, seed: int, cases: Sequence[Case]) -> PublishedReference:
    """Fit the published cases on a population of a telescope, three tenths of it variable.

    Transients of the reference are those whose events are expected to stand out by `BONA_FIDE_SIGMA`: lists of dips
    would be next to empty with the simulator's own bound.
    """
    from xherald.plugins import Sample
    from xherald.simulation.population.population import simulate_population

    population = simulate_population(
        sources, telescope=telescope, seed=seed, variable_fraction=0.3, bona_fide_sigma=BONA_FIDE_SIGMA
    )
    direction = np.array(population.truth["direction"].to_pylist())
    bona_fide = population.truth["is_bona_fide"].to_numpy(zero_copy_only=False)
    fitted = []
    for case in cases:
        sample: Sample = represent(population.batch, case)
        with _one_thread():
            extractor, learned = case.extractor.fit(sample, case.extractor_options)
        features = np.asarray(learned, dtype=np.float64)
        fitted.append(
            PublishedCase(
                case=case,
                extractor=extractor,
                ordinary=features[~bona_fide],
                flares=features[bona_fide & (direction == "flare")],
                dips=features[bona_fide & (direction == "dip")],
            )
        )
    return tuple(fitted)


def published_scores(batch: EventBatch, reference: PublishedReference) -> tuple[dict[str, F64], dict[str, F64]]:
    """Scores of flares and of dips by method: nearest transient, and ratio of distances, in each case."""
    flare: dict[str, F64] = {}
    dip: dict[str, F64] = {}
    parts = [np.arange(i, min(i + AT_ONCE, len(batch))) for i in range(0, len(batch), AT_ONCE)]
    for one in reference:
        features = np.concatenate(
            [
                np.asarray(one.extractor.transform(represent(batch.select(part), one.case)), dtype=np.float64)
                for part in parts
            ]
        )
        ordinary = _distance(features, one.ordinary, NEAREST)
        for known, scores in ((one.flares, flare), (one.dips, dip)):
            if len(known):
                scores[f"{one.case.name} 1-NN"] = -_distance(features, known, 1)
                near = _distance(features, known, min(NEAREST, len(known)))
                scores[f"{one.case.name} kNN ratio"] = np.log(ordinary + 1e-12) - np.log(near + 1e-12)
    return flare, dip


def _distance(features: F64, known: F64, k: int) -> F64:
    """Distance to the k-th nearest of some sources, shape (n,)."""
    from sklearn.neighbors import NearestNeighbors

    with _one_thread():
        distances: F64 = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(known).kneighbors(features)[0]
    return distances[:, -1]


def _one_thread() -> AbstractContextManager[object]:
    """Matrices this small are done several times faster by one thread than by some that wait for each other."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped] # a dependency of scikit-learn

    limits: AbstractContextManager[object] = threadpool_limits(1)
    return limits
