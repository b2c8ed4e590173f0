"""Stated against measured false-alarm rates of timing, on the steady sources of `null_skies`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .labels import Table

__all__ = ["LEVELS", "NullRate", "make_null_report", "measure_null_rates", "null_table"]

LEVELS: Final = (0.1, 0.01, 0.001)
"""Stated false-alarm probabilities."""

SOURCES_PER_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class NullRate:
    """Sources of one sky with a p-value at or below each of `LEVELS`.

    Parameters
    ----------
    sky : str
    sources : int
        Sources with a p-value.
    untested : int
        Sources without one: fewer than three photons.
    found : tuple of int
        Of each level.
    """

    sky: str
    sources: int
    untested: int
    found: tuple[int, ...]

    def ratio(self, level: int) -> tuple[float, float]:
        """Measured over stated rate at a level, and its binomial standard error if the stated rate holds."""
        stated = LEVELS[level]
        if not self.sources:
            return math.nan, math.nan
        return self.found[level] / self.sources / stated, math.sqrt((1 - stated) / (stated * self.sources))


def measure_null_rates(sources: int, seed: int, stage: Callable[[str], None]) -> Iterator[NullRate]:
    """Measure the rate on every sky.

    Parameters
    ----------
    sources : int — of each sky
    seed : int
    stage : callable
        Called with the name of each sky, for progress.
    """
    from xherald.photons.statistics import assess

    from .null_skies import SKIES, draw_sky

    for number, (name, sky) in enumerate(SKIES.items()):
        stage(f"steady sources: {name}")
        rng = np.random.default_rng([seed, number])
        p = np.concatenate(
            [
                assess(draw_sky(sky, min(SOURCES_PER_BATCH, sources - start), rng)).p_value
                for start in range(0, sources, SOURCES_PER_BATCH)
            ]
        )
        tested = p[np.isfinite(p)]
        found = tuple(int(np.count_nonzero(tested <= level)) for level in LEVELS)
        yield NullRate(name, len(tested), len(p) - len(tested), found)


def make_null_report(sources: int, seed: int, stage: Callable[[str], None]) -> dict[str, Any]:
    """Rates on all skies, in JSON types."""
    rates = list(measure_null_rates(sources, seed, stage))
    return {"seed": seed, "levels": list(LEVELS), "skies": [asdict(one) for one in rates]}


def null_table(report: Mapping[str, Any]) -> Table:
    """Head and rows of a table of measured over stated rates with their errors."""
    head = ["steady sources", "number", *(f"at {100 * level:g} %" for level in report["levels"])]
    rows = []
    for one in report["skies"]:
        rate = NullRate(one["sky"], one["sources"], one["untested"], tuple(one["found"]))
        ratios = [rate.ratio(level) for level in range(len(report["levels"]))]
        rows.append([rate.sky, f"{rate.sources:,}", *(f"{value:.2f} ± {error:.2f}" for value, error in ratios)])
    return head, rows
