"""Stated against measured false-alarm rates of the detector, on the steady sources of `null_skies`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.random import Generator

    from xherald.detector.configuration.configuration import Configuration

    from .labels import Table
    from .null_skies import Instrument

__all__ = [
    "LEVELS",
    "NullRate",
    "calibrated_instruments",
    "make_null_report",
    "measure_null_rate",
    "measure_null_rates",
    "null_tables",
    "total_rates",
]

LEVELS: Final = (0.1, 0.01, 0.001)
"""Stated false-alarm probabilities."""

SOURCES_PER_BATCH: Final = 1_000


@dataclass(frozen=True, slots=True)
class NullRate:
    """Sources of one sky and instrument with a false-alarm probability at or below each of `LEVELS`.

    Parameters
    ----------
    sky : str
    instrument : str
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
    instrument: str
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
    """Measure the rate on every sky, for every instrument that has a calibration, and for one that has none.

    Parameters
    ----------
    sources : int — of each sky, in equal parts of the instruments
    seed : int
    configuration : Configuration
    stage : callable
        Called with the name of each sky, for progress.
    """
    from .null_skies import SKIES

    instruments = calibrated_instruments(configuration)
    for sky, name in enumerate(SKIES):
        stage(f"steady sources: {name}")
        for number, instrument in enumerate(instruments):
            rng = np.random.default_rng([seed, sky, number])
            yield measure_null_rate(name, instrument, sources // len(instruments), rng, configuration)


def calibrated_instruments(configuration: Configuration) -> list[Instrument]:
    """The first instrument of each group of the calibration, in the band of its reference, and an unknown one."""
    from xherald.detector.scoring.detect import calibration_of

    from .null_skies import UNKNOWN_INSTRUMENT, Instrument

    calibration = calibration_of(configuration)
    found = []
    for group in calibration.groups.values():
        reference = calibration.load_reference(group, configuration.host)
        if reference is not None:
            low, high = reference.about["band_kev"]
            mission, name = group.serves[0].split("/", 1)
            found.append(Instrument(mission, name, (float(low), float(high))))
    return [*found, UNKNOWN_INSTRUMENT]


def measure_null_rate(
    name: str, instrument: Instrument, sources: int, rng: Generator, configuration: Configuration
) -> NullRate:
    """Measure the rate on one of the `null_skies.SKIES`."""
    from xherald.detector.scoring.detect import score_batch
    from xherald.photons.statistics import assess

    from .null_skies import SKIES, draw_sky

    probabilities, candidates, own = [], 0, 0
    for start in range(0, sources, SOURCES_PER_BATCH):
        batch = draw_sky(SKIES[name], min(SOURCES_PER_BATCH, sources - start), rng, instrument)
        detections = score_batch(batch, assess(batch, configuration.settings.timing), configuration)
        probabilities.append(detections.tail_probability)
        candidates += int(detections.candidate.sum())
        own += int(detections.is_own_null.sum())
    p = np.concatenate(probabilities)
    tested = p[np.isfinite(p)]
    found = tuple(int(np.count_nonzero(tested <= level)) for level in LEVELS)
    return NullRate(name, str(instrument), len(tested), len(p) - len(tested), found, candidates, own)


def make_null_report(
    sources: int, seed: int, configuration: Configuration, stage: Callable[[str], None]
) -> dict[str, Any]:
    """Rates on all skies, in JSON types."""
    rates = list(measure_null_rates(sources, seed, configuration, stage))
    return {"seed": seed, "levels": list(LEVELS), "rates": [asdict(one) for one in rates]}


def total_rates(report: Mapping[str, Any], key: str) -> list[NullRate]:
    """Rates of all instruments together by sky, or by instrument, of all skies with good times and constant background.

    Parameters
    ----------
    report : mapping — of `make_null_report`
    key : {"sky", "instrument"}
    """
    from .null_skies import SKIES

    rates = [NullRate(**{**one, "found": tuple(one["found"])}) for one in report["rates"]]
    if key == "instrument":
        rates = [one for one in rates if SKIES[one.sky].knows_good_times and SKIES[one.sky].profile is None]
    names = dict.fromkeys(getattr(one, key) for one in rates)
    return [_added([one for one in rates if getattr(one, key) == name]) for name in names]


def _added(rates: Sequence[NullRate]) -> NullRate:
    """Rates added; the sky or the instrument is "all" where they differ."""
    skies, instruments = ({getattr(one, name) for one in rates} for name in ("sky", "instrument"))
    return NullRate(
        sky=skies.pop() if len(skies) == 1 else "all",
        instrument=instruments.pop() if len(instruments) == 1 else "all",
        sources=sum(one.sources for one in rates),
        untested=sum(one.untested for one in rates),
        found=tuple(sum(numbers) for numbers in zip(*(one.found for one in rates), strict=True)),
        candidates=sum(one.candidates for one in rates),
        own=sum(one.own for one in rates),
    )


def null_tables(report: Mapping[str, Any]) -> list[tuple[str, Table]]:
    """Titles and tables of measured over stated rates with their errors: by sky, and by instrument."""
    levels = [f"at {100 * level:g} %" for level in report["levels"]]
    tables = []
    for key, title in (("sky", "steady sources"), ("instrument", "instrument, constant background")):
        rows = []
        for rate in total_rates(report, key):
            ratios = [rate.ratio(level) for level in range(len(report["levels"]))]
            cells = [f"{value:.2f} ± {error:.2f}" for value, error in ratios]
            rows.append([getattr(rate, key), f"{rate.sources:,}", *cells, f"{rate.own:,}", f"{rate.candidates:,}"])
        tables.append(
            (
                f"Measured over stated false-alarm rate, by {key}",
                ([title, "number", *levels, "own", "candidates"], rows),
            )
        )
    return tables
