"""Stated against measured false-alarm rates of the detector, on the steady sources of `null_skies`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from xherald.detector.configuration.configuration import Configuration

    from .labels import Table

__all__ = ["LEVELS", "NullRate", "make_null_report", "measure_null_rate", "measure_null_rates", "null_table"]

LEVELS: Final = (0.1, 0.01, 0.001)
"""Stated false-alarm probabilities."""

SOURCES_PER_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class NullRate:
    """Sources of one sky with a false-alarm probability at or below each of `LEVELS`.

    Parameters
    ----------
    sky : str
    sources : int
        Sources with a false-alarm probability.
    untested : int
        Sources without one: fewer than three photons.
    found : tuple of int
        Of each level.
    candidates : int
        Sources that the detector reports; the threshold is that of the configuration.
    own : int
        Sources that were judged by a null hypothesis of their own.
    """

    sky: str
    sources: int
    untested: int
    found: tuple[int, ...]
    candidates: int
    own: int

    def ratio(self, level: int) -> tuple[float, float]:
        """Measured over stated rate at a level, and its binomial standard error if the stated rate holds."""
        stated = LEVELS[level]
        if not self.sources:
            return math.nan, math.nan
        return self.found[level] / self.sources / stated, math.sqrt((1 - stated) / (stated * self.sources))


def measure_null_rates(
    sources: int, seed: int, configuration: Configuration, stage: Callable[[str], None]
) -> Iterator[NullRate]:
    """Measure the rate on every sky.

    Parameters
    ----------
    sources : int — of each sky
    seed : int
    configuration : Configuration
    stage : callable
        Called with the name of each sky, for progress.
    """
    from .null_skies import SKIES

    for number, name in enumerate(SKIES):
        stage(f"steady sources: {name}")
        yield measure_null_rate(name, sources, np.random.default_rng([seed, number]), configuration)


def measure_null_rate(name: str, sources: int, rng: Generator, configuration: Configuration) -> NullRate:
    """Measure the rate on one of the `null_skies.SKIES`."""
    from xherald.detector.scoring.detect import score_batch
    from xherald.photons.statistics import assess

    from .null_skies import SKIES, draw_sky

    probabilities, candidates, own = [], 0, 0
    for start in range(0, sources, SOURCES_PER_BATCH):
        batch = draw_sky(SKIES[name], min(SOURCES_PER_BATCH, sources - start), rng)
        detections = score_batch(batch, assess(batch, configuration.settings.timing), configuration)
        probabilities.append(detections.tail_probability)
        candidates += int(detections.candidate.sum())
        own += int(detections.is_own_null.sum())
    p = np.concatenate(probabilities)
    tested = p[np.isfinite(p)]
    found = tuple(int(np.count_nonzero(tested <= level)) for level in LEVELS)
    return NullRate(name, len(tested), len(p) - len(tested), found, candidates, own)


def make_null_report(
    sources: int, seed: int, configuration: Configuration, stage: Callable[[str], None]
) -> dict[str, Any]:
    """Rates on all skies, in JSON types."""
    rates = list(measure_null_rates(sources, seed, configuration, stage))
    return {"seed": seed, "levels": list(LEVELS), "skies": [asdict(one) for one in rates]}


def null_table(report: Mapping[str, Any]) -> Table:
    """Head and rows of a table of measured over stated rates with their errors."""
    head = ["steady sources", "number", *(f"at {100 * level:g} %" for level in report["levels"]), "own", "candidates"]
    rows = []
    for one in report["skies"]:
        rate = NullRate(one["sky"], one["sources"], one["untested"], tuple(one["found"]), one["candidates"], one["own"])
        ratios = [rate.ratio(level) for level in range(len(report["levels"]))]
        rows.append([rate.sky, f"{rate.sources:,}", *(f"{value:.2f} ± {error:.2f}" for value, error in ratios)])
        rows[-1] += [f"{rate.own:,}", f"{rate.candidates:,}"]
    return head, rows
