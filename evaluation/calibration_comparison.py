"""Comparison of two calibrations on the same sources: whether the new one is worse in any quality figure: `compare`.

The sources are those of the evaluation (`samples`), with seeds that no calibration uses. Timing tests run once, then
both calibrations score the sources. The comparison is paired, source by source, so that a difference is more precise
than the figures. A figure is worse if the difference exceeds twice its error.

Scores depend mainly on the timing tests, so that even a useless reference hardly changes them. Therefore the similarity
to known transients, which is shown to people, has its own figure: events that are more similar than steady sources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, Mask

from .detector_under_test import log_inverse
from .metrics import difference, exceeding
from .reliability import RECOVERED
from .samples import PART, Kind, SamplePart, draw

if TYPE_CHECKING:
    from xherald.detector.configuration.configuration import Configuration
    from xherald.detector.scoring.detections import Detections

__all__ = ["Comparison", "Figure", "compare"]


RATE: Final = 0.01
"""False-positive rate at which events count as found; the steady sources of the sample set the thresholds."""

STATED: Final = (0.1, 0.03, 0.01, 0.003)
"""Stated false-alarm probabilities at which steady sources are counted."""

SIGMAS: Final = 2.0

COUNTS: Final = (10, 501)
FAINT: Final = (10, 50)
BRIGHT: Final = 50

SHARES: Final[tuple[tuple[str, Kind, float], ...]] = (
    ("grid", "steady", 0.5),
    ("grid", "flare", 0.125),
    ("grid", "dip", 0.125),
    ("classes", "mixed", 0.25),
)
"""Fraction of the sources in each sample."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A quality figure of both calibrations.

    Parameters
    ----------
    name : str — description
    telescope : str — of the sources, or "all"
    old, new : float
    loss, error : float — difference, positive if the new one is worse; its 68 % error
    sources : int — number of sources
    """

    name: str
    telescope: str
    old: float
    new: float
    loss: float
    error: float
    sources: int

    @property
    def is_worse(self) -> bool:
        """Whether the new one is worse, beyond the uncertainty."""
        return self.loss > SIGMAS * self.error

    @property
    def words(self) -> str:
        """Description on one line."""
        where = "" if self.telescope == "all" else f" ({self.telescope})"
        return f"{self.name}{where}: {self.old:.3f} → {self.new:.3f}, worse by {self.loss:.3f} ± {self.error:.3f}"


@dataclass(frozen=True, slots=True)
class Comparison:
    """Comparison of an old and a new calibration.

    Parameters
    ----------
    seed, sources : int
    figures : tuple of Figure
    """

    seed: int
    sources: int
    figures: tuple[Figure, ...]

    @property
    def worse(self) -> tuple[Figure, ...]:
        """Figures in which the new one is worse."""
        return tuple(one for one in self.figures if one.is_worse)

    def as_dict(self) -> dict[str, Any]:
        """The comparison in JSON types."""
        return asdict(self) | {"figures": [asdict(one) | {"is_worse": one.is_worse} for one in self.figures]}


@dataclass(frozen=True, slots=True, eq=False)
class _CalibrationResults:
    """Results of a calibration for n sources.

    Parameters
    ----------
    scores, resemblance : mapping of str to ndarray, shape (n,)
        By direction: −ln of the false-alarm probability; similarity column that the score uses, NaN without one.
    chance : ndarray, shape (n,) — false-alarm probability
    kind : ndarray, shape (n,), str — most probable class
    """

    scores: dict[str, F64]
    resemblance: dict[str, F64]
    chance: F64
    kind: NDArray[np.str_]

    @classmethod
    def of(cls, detections: Detections, columns: dict[str, str]) -> _CalibrationResults:
        """Results of detections; `columns` are the similarity columns by direction."""
        n = len(detections)
        nothing = np.full(n, np.nan)
        likeliest = np.argmax(np.nan_to_num(detections.classes.probabilities, nan=-1.0), axis=1)
        return cls(
            scores={name: log_inverse(chance) for name, chance in detections.direction_probabilities.items()},
            resemblance={
                name: detections.columns.get(columns.get(name, ""), nothing)
                for name in detections.direction_probabilities
            },
            chance=detections.tail_probability,
            kind=np.array(detections.classes.names)[likeliest],
        )

    @classmethod
    def joined(cls, parts: Sequence[_CalibrationResults]) -> _CalibrationResults:
        """Concatenated results."""
        return cls(
            scores={name: np.concatenate([one.scores[name] for one in parts]) for name in parts[0].scores},
            resemblance={
                name: np.concatenate([one.resemblance[name] for one in parts]) for name in parts[0].resemblance
            },
            chance=np.concatenate([one.chance for one in parts]),
            kind=np.concatenate([one.kind for one in parts]),
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Sample:
    """The n sources of a sample and both results."""

    kind: NDArray[np.str_]
    label: NDArray[np.str_]
    telescope: NDArray[np.str_]
    counts: NDArray[np.int64]
    old: _CalibrationResults
    new: _CalibrationResults


def compare(
    old: Configuration,
    new: Configuration,
    telescopes: Sequence[str],
    closely: Sequence[str],
    *,
    sources: int,
    seed: int,
    stage: Callable[[str], object] = lambda _: None,
) -> Comparison:
    """Compare two configurations on the same sources.

    Parameters
    ----------
    old, new : Configuration — with different calibrations
    telescopes : sequence of str — whose sources are drawn, in equal numbers
    closely : sequence of str — telescopes whose figures are also compared separately
    sources : int — total number
    seed : int — of the evaluation
    stage : callable, optional

    Raises
    ------
    ArtefactError
        A calibration cannot be used.
    """
    samples = {}
    for name in ("grid", "classes"):
        parts = chain.from_iterable(
            _parts(name, kind, telescopes, round(sources * share)) for which, kind, share in SHARES if which == name
        )
        samples[name] = _score_sample(list(parts), seed, old, new, lambda what, name=name: stage(f"{name}: {what}"))  # type: ignore[misc]
    groups: list[str] = ["all", *(one for one in closely if len(telescopes) > 1)]
    figures = [figure for where in groups for name, one in samples.items() for figure in _figures(name, one, where)]
    return Comparison(seed, sum(len(one.counts) for one in samples.values()), tuple(figures))


def _parts(sample: str, kind: Kind, telescopes: Sequence[str], sources: int) -> Iterator[SamplePart]:
    each = max(sources // len(telescopes), 1)
    for telescope in telescopes:
        for number, first in enumerate(range(0, each, PART)):
            yield SamplePart(
                "grid" if sample == "grid" else "classes", telescope, kind, number, min(PART, each - first)
            )


def _score_sample(
    parts: Sequence[SamplePart], seed: int, old: Configuration, new: Configuration, stage: Callable[[str], object]
) -> _Sample:
    from xherald.detector.scoring.detect import calibration_of, score_batch
    from xherald.photons.statistics import assess

    columns = [
        {
            name: column
            for name, trees in calibration_of(one).trees.items()
            for column in trees.inputs
            if column.startswith(f"similarity_{name}_")
        }
        for one in (old, new)
    ]
    facts: dict[str, list[NDArray[Any]]] = {"kind": [], "label": [], "telescope": [], "counts": []}
    results: tuple[list[_CalibrationResults], list[_CalibrationResults]] = ([], [])
    for number, part in enumerate(parts):
        stage(f"part {number + 1} of {len(parts)}")
        sources = draw(part, seed)
        if not len(sources.batch):
            continue
        timing = assess(sources.batch, old.settings.timing)
        for own, one, names in zip(results, (old, new), columns, strict=True):
            own.append(_CalibrationResults.of(score_batch(sources.batch, timing, one), names))
        telescope = np.full(len(sources.batch), part.telescope)
        values = (sources.kind, sources.label, telescope, sources.batch.counts)
        for name, value in zip(facts, values, strict=True):
            facts[name].append(value)
    known = {name: np.concatenate(values) for name, values in facts.items()}
    return _Sample(**known, old=_CalibrationResults.joined(results[0]), new=_CalibrationResults.joined(results[1]))


def _figures(name: str, sample: _Sample, telescope: str) -> list[Figure]:
    """Figures of a sample, of one telescope or all."""
    own = np.full(len(sample.counts), True) if telescope == "all" else sample.telescope == telescope
    inside = own & (sample.counts >= COUNTS[0]) & (sample.counts < COUNTS[1])
    steady = inside & (sample.kind == "steady")
    found: list[Figure] = []
    for direction in ("flare", "dip"):
        events = inside & (sample.kind == direction)
        scores = sample.old.scores[direction], sample.new.scores[direction]
        for words, (low, high) in (("", COUNTS), (" below 50 counts", FAINT)):
            chosen = events & (sample.counts >= low) & (sample.counts < high)
            what = f"{name}: {direction}s found at 1 % false{words}"
            found += _efficiency(what, sample.counts, scores, steady, chosen, telescope)
        scores = sample.old.resemblance[direction], sample.new.resemblance[direction]
        what = f"{name}: {direction}s that resemble known ones more than 99 % of steady sources do"
        found += _efficiency(what, sample.counts, scores, steady, events, telescope)
    found += [
        figure
        for stated in STATED
        for figure in _honesty(f"{name}: steady sources at a stated {stated:g}", sample, stated, steady, telescope)
    ]
    return [*found, *_classes(f"{name}: classes right, above 50 counts", sample, inside, telescope)]


def _efficiency(
    what: str,
    counts: NDArray[np.int64],
    scores: tuple[F64, F64],
    steady: Mask,
    events: Mask,
    telescope: str,
) -> Iterator[Figure]:
    """Fraction of events found; the error includes that of the thresholds, which few steady sources determine."""
    number = int(events.sum())
    if not number or not steady.any() or any(np.isnan(score[events]).all() for score in scores):
        return
    hits, spread, setting = [], [], []
    for score in scores:
        above, of = exceeding(score, counts, steady)
        allowed = RATE * of
        more, fewer = (np.maximum(allowed + sign * np.sqrt(np.maximum(allowed, 1.0)), 0.0) for sign in (1, -1))
        hits.append((above <= np.floor(allowed + 1e-9))[events])
        spread.append(0.5 * float(((above <= np.floor(more)) ^ (above <= np.floor(fewer)))[events].mean()))
        setting.append((above <= allowed + 1.0)[steady])
    change, error = difference(hits[1], hits[0])
    # The thresholds are independent as far as different steady sources determine them.
    either = setting[0] | setting[1]
    apart = float((setting[0] != setting[1])[either].mean()) if either.any() else 1.0
    error = float(np.hypot(error, apart * max(spread)))
    yield Figure(what, telescope, float(hits[0].mean()), float(hits[1].mean()), -change, error, number)


def _honesty(what: str, sample: _Sample, stated: float, steady: Mask, telescope: str) -> Iterator[Figure]:
    """Deviation of the number of steady sources at or below a stated false-alarm probability from the expected one."""
    number = int(steady.sum())
    if not number:
        return
    below = [one.chance[steady] <= stated for one in (sample.old, sample.new)]
    expected = stated * number
    old, new = (float(one.sum()) / expected for one in below)
    apart = float(np.sqrt(int((below[0] != below[1]).sum()) + 1.0)) / expected
    # A deviation within the Poisson error of the sample is not significant.
    own = 1.0 / float(np.sqrt(expected))
    error = apart if abs(new - 1.0) > SIGMAS * own else max(apart, own)
    yield Figure(what, telescope, old, new, abs(new - 1.0) - abs(old - 1.0), error, number)


def _classes(what: str, sample: _Sample, inside: Mask, telescope: str) -> Iterator[Figure]:
    """Fraction of events recovered by both whose class is correct, if the truth has classes."""
    events = inside & np.isin(sample.label, [*np.unique(sample.old.kind), *np.unique(sample.new.kind)])
    events &= sample.counts >= BRIGHT
    for one in (sample.old, sample.new):
        with np.errstate(invalid="ignore"):
            events &= one.chance <= RECOVERED
    if not events.any():
        return
    old, new = (one.kind[events] == sample.label[events] for one in (sample.old, sample.new))
    change, error = difference(new, old)
    yield Figure(what, telescope, float(old.mean()), float(new.mean()), -change, error, int(events.sum()))
