"""Drift watch: whether the stream's false-alarm probabilities are still those of sources that do not vary.

Whatever really varies lies in the tail, so that what is watched is p from 0.1 to 1, given that it is there. It is held
against what the calibration's own null sources come to (`Calibration.null_probabilities`), not against a straight
line. An alarm needs both: chance cannot have made the difference, and the difference is larger than what the
calibration claims to be good to, or else a million sources would give alarm for nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.catalog_store.references.reference_store import instrument_key
from xherald.photons.arrays import F64

if TYPE_CHECKING:
    from xherald.catalog_store.ledger.nightly_queries import CalibrationKey
    from xherald.catalog_store.ledger.store import Store
    from xherald.detector.calibration.calibration import Calibration
    from xherald.detector.configuration.configuration import Configuration

__all__ = ["ALL", "DRIFT", "Drift", "GroupDrift", "check_drift", "drift_of"]


DRIFT: Final = "drift"
"""Name of the stream's state that holds the last verdict."""

ALL: Final = "all"
"""The group of all instruments together."""

TAIL: Final = 0.1
"""What lies below may vary; what lies above is watched."""

EDGES: Final = np.linspace(TAIL, 1.0, 10)

ACCURACY: Final = 0.2
"""Stated false-alarm rates are good to ±20 % (docs/evaluation.md); less than that is no drift."""

LEAST: Final = 300
"""Sources above `TAIL` without which nothing is told: the rate at p = 0.2 is then known to 16 %."""


@dataclass(frozen=True, slots=True)
class GroupDrift:
    """What is said of one instrument's detections, or of all.

    Parameters
    ----------
    group : str — ``MISSION/INSTRUMENT``, or `ALL`
    detections : int — that were tested
    watched : int — of these those with p above `TAIL`
    tail_ratio, tail_error : float or None
        Those below `TAIL` against as many as would be of sources that do not vary, and the 68 % error of that; what
        varies is among them, so that it is told and judges nothing.
    p_value : float or None
        Chance of so large a difference, the two tests counted but not the groups; None where there are too few sources.
    effect, effect_error : float or None
        Largest departure of the rate of p from `TAIL` to any threshold, 0.3 for 30 % too many, and its 68 % error.
    threshold : float or None — at which it is largest
    alarm : bool
    """

    group: str
    detections: int
    watched: int
    tail_ratio: float | None = None
    tail_error: float | None = None
    p_value: float | None = None
    effect: float | None = None
    effect_error: float | None = None
    threshold: float | None = None
    alarm: bool = False

    @property
    def words(self) -> str:
        """What is said, on one line."""
        if self.p_value is None or self.effect is None or self.effect_error is None:
            return f"{self.group}: too few to tell ({self.watched:,} sources above p = {TAIL}; {LEAST} are needed)"
        many = "more" if self.effect > 0 else "fewer"
        return (
            f"{self.group}: {abs(self.effect):.0%} (±{self.effect_error:.0%}) {many} sources up to p = "
            f"{self.threshold:.1f} than of steady ones, chance of that {self.p_value:.1g} ({self.watched:,} sources)"
        )


@dataclass(frozen=True, slots=True)
class Drift:
    """A verdict on a window.

    Parameters
    ----------
    since, until : str — of the window, ISO 8601, UTC
    calibration : str — that in use, as ``name@created``
    level : float — chance below which a group gives alarm, over all groups
    left_out : int — detections that another calibration judged
    groups : tuple of GroupDrift — instruments by name, then `ALL` where there are several
    """

    since: str
    until: str
    calibration: str
    level: float
    left_out: int
    groups: tuple[GroupDrift, ...]

    @property
    def alarms(self) -> tuple[GroupDrift, ...]:
        """Groups that give alarm."""
        return tuple(one for one in self.groups if one.alarm)

    def as_dict(self) -> dict[str, Any]:
        """In JSON's own types."""
        return asdict(self) | {"groups": [asdict(one) for one in self.groups], "alarm": bool(self.alarms)}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Drift:
        """What `as_dict` made."""
        facts = {key: value for key, value in told.items() if key != "alarm"}
        return cls(**{**facts, "groups": tuple(GroupDrift(**one) for one in told["groups"])})


@dataclass(frozen=True, slots=True, eq=False)
class _Expected:
    """Distribution of p over null sources: several groups of a calibration, each with a share.

    Parameters
    ----------
    chances : tuple of ndarray — ascending, one a group
    shares : tuple of float — add to 1
    """

    chances: tuple[F64, ...]
    shares: tuple[float, ...]

    def at(self, p: F64) -> F64:
        """Part of null sources at or below each p."""
        parts = (
            share * np.searchsorted(own, p, side="right") / len(own)
            for own, share in zip(self.chances, self.shares, strict=True)
        )
        below: F64 = np.sum(list(parts), axis=0)
        return below

    @property
    def size(self) -> float:
        """Number of null sources with the same error as all of these."""
        parts = (share**2 / len(own) for own, share in zip(self.chances, self.shares, strict=True))
        return 1.0 / sum(parts)


def check_drift(store: Store, configuration: Configuration, now: datetime | None = None) -> Drift:
    """Watch the window that ends now, and keep the verdict as a state of the stream.

    Raises
    ------
    ArtefactError
        The calibration cannot be used.
    StoreError
    """
    from xherald.detector.scoring.detect import calibration_of

    until = now or datetime.now(UTC)
    stream = configuration.settings.daemon
    since = until - timedelta(days=stream.drift_window_days)
    drift = drift_of(
        store.false_alarm_probabilities(since, until),
        calibration_of(configuration),
        stream.drift_alarm_level,
        since,
        until,
    )
    store.set_shared_states({DRIFT: drift.as_dict()})
    return drift


def drift_of(
    chances: Mapping[CalibrationKey, F64], calibration: Calibration, level: float, since: datetime, until: datetime
) -> Drift:
    """Judge false-alarm probabilities of a window.

    Parameters
    ----------
    chances : mapping of CalibrationKey to ndarray
    calibration : Calibration — that in use; what another one judged is left out
    level : float — chance of an alarm for nothing, over all groups
    since, until : datetime
    """
    name = f"{calibration.name}@{calibration.about['created_utc']}"
    own: dict[str, list[tuple[str, F64]]] = {}
    left_out = 0
    for by, p in chances.items():
        if not len(p):
            continue
        which, _, group = by.calibration.rpartition(" ")
        if which == name and group in calibration.groups:
            own.setdefault(instrument_key(by.mission, by.instrument), []).append((group, p))
        else:
            left_out += len(p)
    known = {
        group: np.sort(calibration.null_probabilities(calibration.groups[group]))
        for group in sorted({group for parts in own.values() for group, _ in parts})
    }
    samples = dict(sorted(own.items()))
    if len(samples) > 1:
        samples[ALL] = [part for parts in own.values() for part in parts]
    told = [_watched(group, parts, known) for group, parts in samples.items()]
    trials = max(sum(one.p_value is not None for one in told), 1)
    groups = tuple(_with_alarm(one, level / trials) for one in told)
    return Drift(
        since.isoformat(timespec="seconds"), until.isoformat(timespec="seconds"), name, level, left_out, groups
    )


def _watched(group: str, parts: Iterable[tuple[str, F64]], known: Mapping[str, F64]) -> GroupDrift:
    """Numbers of one group of detections."""
    numbers: dict[str, int] = {}
    for of, p in parts:
        numbers[of] = numbers.get(of, 0) + len(p)
    p = np.concatenate([p for _, p in parts])
    above = np.sort(p[p > TAIL])
    n, watched = len(p), len(above)
    expected = _Expected(tuple(known[of] for of in numbers), tuple(number / n for number in numbers.values()))
    tail = float(expected.at(np.array([TAIL]))[0])
    ratio = (n - watched) / (n * tail)
    # Where all or none lie there, the error is that of one.
    error = float(np.sqrt(max((n - watched) * watched / n, 1.0))) / (n * tail)
    counted = GroupDrift(group, n, watched, round(ratio, 4), round(error, 4))
    if watched < LEAST:
        return counted
    effect, effect_error, threshold = _largest_effect(above, expected, tail)
    return replace(
        counted,
        p_value=min(1.0, 2.0 * min(_binned(above, expected, tail), _continuous(above, expected, tail))),
        effect=round(effect, 4),
        effect_error=round(effect_error, 4),
        threshold=threshold,
    )


def _with_alarm(one: GroupDrift, level: float) -> GroupDrift:
    if one.p_value is None or one.effect is None:
        return one
    return replace(one, alarm=one.p_value < level and abs(one.effect) > ACCURACY)


def _binned(above: F64, expected: _Expected, tail: float) -> float:
    """Pearson's test over `EDGES`; both samples' errors count."""
    from scipy.stats import chi2

    parts = np.diff(expected.at(EDGES)) / (1.0 - tail)
    found = np.histogram(above, EDGES)[0]
    wanted = parts * len(above)
    squares = (found - wanted) ** 2 / (wanted * (1.0 + len(above) / (expected.size * (1.0 - tail))))
    return float(chi2.sf(squares.sum(), len(parts) - 1))


def _continuous(above: F64, expected: _Expected, tail: float) -> float:
    """Kolmogorov and Smirnov's test; conservative where p takes few values."""
    from scipy.stats import kstwo

    n, nulls = len(above), expected.size * (1.0 - tail)
    wanted = (expected.at(above) - tail) / (1.0 - tail)
    # Equal values are one step: the part found below a value, and that up to it.
    up_to = np.searchsorted(above, above, side="right") / n
    below = np.searchsorted(above, above, side="left") / n
    before = (expected.at(np.nextafter(above, 0.0)) - tail) / (1.0 - tail)
    away = max(float(np.max(up_to - wanted)), float(np.max(before - below)))
    return float(kstwo.sf(max(away, 0.0), max(round(n * nulls / (n + nulls)), 1)))


def _largest_effect(above: F64, expected: _Expected, tail: float) -> tuple[float, float, float]:
    """Largest departure of the rate up to a threshold, its error, and the threshold."""
    thresholds = EDGES[1:-1]
    n, nulls = len(above), expected.size * (1.0 - tail)
    wanted = (expected.at(thresholds) - tail) / (1.0 - tail)
    found = np.searchsorted(above, thresholds, side="right") / n
    departure = found / wanted - 1.0
    worst = int(np.argmax(np.abs(departure)))
    error = np.sqrt((1.0 - wanted[worst]) / wanted[worst] * (1.0 / n + 1.0 / nulls))
    return float(departure[worst]), float(error), round(float(thresholds[worst]), 2)
