"""Drift check: whether false-alarm probabilities are still distributed as those of sources that do not vary.

Variable sources have small probabilities, so only those from 0.1 to 1 are compared, with the distribution of the
calibration's null sources (`Calibration.compute_null_probabilities`) rather than a uniform one. An alarm requires that
the difference is significant and larger than the stated accuracy of the calibration; otherwise a million sources would
raise an alarm for a negligible difference.
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

__all__ = [
    "ALL_INSTRUMENTS",
    "DRIFT_STATE",
    "MAX_VARIABLE_P",
    "DriftReport",
    "GroupDrift",
    "check_drift",
    "compute_drift",
]


DRIFT_STATE: Final = "drift"
"""Name of the shared state with the last report."""

ALL_INSTRUMENTS: Final = "all"
"""The group of all instruments together."""

MAX_VARIABLE_P: Final = 0.1
"""Sources with a smaller probability may be variable; those above it are compared."""

EDGES: Final = np.linspace(MAX_VARIABLE_P, 1.0, 10)

ACCURACY: Final = 0.2
"""Stated accuracy of false-alarm rates, ±20 % (docs/evaluation.md); a smaller difference is not a drift."""

MIN_SOURCES: Final = 300
"""Fewest sources above `MAX_VARIABLE_P` for a test: the rate at p = 0.2 is then known to 16 %."""


@dataclass(frozen=True, slots=True)
class GroupDrift:
    """Result for one instrument, or for all.

    Parameters
    ----------
    group : str — ``MISSION/INSTRUMENT``, or `ALL_INSTRUMENTS`
    detections : int — number that was tested
    compared : int — number of these with p above `MAX_VARIABLE_P`
    tail_ratio, tail_error : float or None
        Number below `MAX_VARIABLE_P` over that expected of sources that do not vary, and its 68 % error; for
        information only, as variable sources are among them.
    p_value : float or None
        p-value of the difference, corrected for the two tests but not for the groups; None with too few sources.
    effect, effect_error : float or None
        Largest relative difference of the rate from `MAX_VARIABLE_P` to any threshold, 0.3 for 30 % too many, and its
        68 % error.
    threshold : float or None — at which the difference is largest
    alarm : bool
    """

    group: str
    detections: int
    compared: int
    tail_ratio: float | None = None
    tail_error: float | None = None
    p_value: float | None = None
    effect: float | None = None
    effect_error: float | None = None
    threshold: float | None = None
    alarm: bool = False

    @property
    def description(self) -> str:
        """The result on one line."""
        if self.p_value is None or self.effect is None or self.effect_error is None:
            return f"{self.group}: too few sources ({self.compared:,} at p > {MAX_VARIABLE_P}, {MIN_SOURCES} needed)"
        more = "more" if self.effect > 0 else "fewer"
        return (
            f"{self.group}: {100 * abs(self.effect):.0f} ± {100 * self.effect_error:.0f} % {more} sources at p ≤ "
            f"{self.threshold:.1f} than expected (p = {self.p_value:.1g}, {self.compared:,} sources)"
        )


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Result of a drift check.

    Parameters
    ----------
    since, until : str — of the time window, ISO 8601, UTC
    calibration : str — the one in use, as ``name@created``
    level : float — probability of a false alarm, over all groups
    excluded : int — detections that were scored with another calibration
    groups : tuple of GroupDrift — instruments by name, then `ALL_INSTRUMENTS` if there are several
    """

    since: str
    until: str
    calibration: str
    level: float
    excluded: int
    groups: tuple[GroupDrift, ...]

    @property
    def alarms(self) -> tuple[GroupDrift, ...]:
        """Groups with an alarm."""
        return tuple(one for one in self.groups if one.alarm)

    def as_dict(self) -> dict[str, Any]:
        """Convert to JSON types."""
        return asdict(self) | {"groups": [asdict(one) for one in self.groups], "alarm": bool(self.alarms)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> DriftReport:
        """Convert from the result of `as_dict`."""
        fields = {key: value for key, value in values.items() if key != "alarm"}
        return cls(**{**fields, "groups": tuple(GroupDrift(**one) for one in values["groups"])})


@dataclass(frozen=True, slots=True, eq=False)
class _NullDistribution:
    """Distribution of p of null sources: a mixture of several groups of a calibration.

    Parameters
    ----------
    probabilities : tuple of ndarray — ascending, one array per group
    weights : tuple of float — with sum 1
    """

    probabilities: tuple[F64, ...]
    weights: tuple[float, ...]

    def cdf(self, p: F64) -> F64:
        """Fraction of null sources at or below each p."""
        parts = (
            weight * np.searchsorted(values, p, side="right") / len(values)
            for values, weight in zip(self.probabilities, self.weights, strict=True)
        )
        total: F64 = np.sum(list(parts), axis=0)
        return total

    @property
    def effective_size(self) -> float:
        """Number of null sources with the same statistical error as the mixture."""
        parts = (weight**2 / len(values) for values, weight in zip(self.probabilities, self.weights, strict=True))
        return 1.0 / sum(parts)


def check_drift(store: Store, configuration: Configuration, now: datetime | None = None) -> DriftReport:
    """Check the time window that ends now, and store the report as a shared state.

    Raises
    ------
    ArtefactError
        The calibration cannot be used.
    StoreError
    """
    from xherald.detector.scoring.detect import calibration_of

    until = now or datetime.now(UTC)
    settings = configuration.settings.daemon
    since = until - timedelta(days=settings.drift_window_days)
    probabilities = store.false_alarm_probabilities(since, until)
    report = compute_drift(probabilities, calibration_of(configuration), settings.drift_alarm_level, since, until)
    store.set_shared_states({DRIFT_STATE: report.as_dict()})
    return report


def compute_drift(
    probabilities: Mapping[CalibrationKey, F64],
    calibration: Calibration,
    level: float,
    since: datetime,
    until: datetime,
) -> DriftReport:
    """Compare false-alarm probabilities of a time window with those of null sources.

    Parameters
    ----------
    probabilities : mapping of CalibrationKey to ndarray
    calibration : Calibration — the one in use; detections scored with another one are excluded
    level : float — probability of a false alarm, over all groups
    since, until : datetime
    """
    name = f"{calibration.name}@{calibration.about['created_utc']}"
    by_instrument: dict[str, list[tuple[str, F64]]] = {}
    excluded = 0
    for key, p in probabilities.items():
        if not len(p):
            continue
        used, _, group = key.calibration.rpartition(" ")
        if used == name and group in calibration.groups:
            by_instrument.setdefault(instrument_key(key.mission, key.instrument), []).append((group, p))
        else:
            excluded += len(p)
    null_probabilities = {
        group: np.sort(calibration.compute_null_probabilities(calibration.groups[group]))
        for group in sorted({group for parts in by_instrument.values() for group, _ in parts})
    }
    samples = dict(sorted(by_instrument.items()))
    if len(samples) > 1:
        samples[ALL_INSTRUMENTS] = [part for parts in by_instrument.values() for part in parts]
    found = [_compare_group(group, parts, null_probabilities) for group, parts in samples.items()]
    trials = max(sum(one.p_value is not None for one in found), 1)
    groups = tuple(_set_alarm(one, level / trials) for one in found)
    return DriftReport(
        since.isoformat(timespec="seconds"), until.isoformat(timespec="seconds"), name, level, excluded, groups
    )


def _compare_group(group: str, parts: Iterable[tuple[str, F64]], null_probabilities: Mapping[str, F64]) -> GroupDrift:
    """Compare one group of detections with null sources."""
    numbers: dict[str, int] = {}
    for calibration_group, values in parts:
        numbers[calibration_group] = numbers.get(calibration_group, 0) + len(values)
    p = np.concatenate([values for _, values in parts])
    above = np.sort(p[p > MAX_VARIABLE_P])
    n, compared = len(p), len(above)
    expected = _NullDistribution(
        tuple(null_probabilities[one] for one in numbers), tuple(number / n for number in numbers.values())
    )
    tail = float(expected.cdf(np.array([MAX_VARIABLE_P]))[0])
    ratio = (n - compared) / (n * tail)
    # If all or none are in the tail, the error is that of one source.
    error = float(np.sqrt(max((n - compared) * compared / n, 1.0))) / (n * tail)
    untested = GroupDrift(group, n, compared, round(ratio, 4), round(error, 4))
    if compared < MIN_SOURCES:
        return untested
    effect, effect_error, threshold = _find_largest_effect(above, expected, tail)
    p_value = 2.0 * min(_chi_square_p(above, expected, tail), _kolmogorov_smirnov_p(above, expected, tail))
    return replace(
        untested,
        p_value=min(1.0, p_value),
        effect=round(effect, 4),
        effect_error=round(effect_error, 4),
        threshold=threshold,
    )


def _set_alarm(one: GroupDrift, level: float) -> GroupDrift:
    if one.p_value is None or one.effect is None:
        return one
    return replace(one, alarm=one.p_value < level and abs(one.effect) > ACCURACY)


def _chi_square_p(above: F64, expected: _NullDistribution, tail: float) -> float:
    """p-value of Pearson's test over `EDGES`, with the errors of both samples."""
    from scipy.stats import chi2

    fractions = np.diff(expected.cdf(EDGES)) / (1.0 - tail)
    observed = np.histogram(above, EDGES)[0]
    model = fractions * len(above)
    variance = model * (1.0 + len(above) / (expected.effective_size * (1.0 - tail)))
    return float(chi2.sf(((observed - model) ** 2 / variance).sum(), len(fractions) - 1))


def _kolmogorov_smirnov_p(above: F64, expected: _NullDistribution, tail: float) -> float:
    """p-value of the Kolmogorov-Smirnov test; conservative where p takes few values."""
    from scipy.stats import kstwo

    n, nulls = len(above), expected.effective_size * (1.0 - tail)
    model = (expected.cdf(above) - tail) / (1.0 - tail)
    # Equal values are one step: the fraction below a value, and that up to it.
    up_to = np.searchsorted(above, above, side="right") / n
    below = np.searchsorted(above, above, side="left") / n
    model_below = (expected.cdf(np.nextafter(above, 0.0)) - tail) / (1.0 - tail)
    distance = max(float(np.max(up_to - model)), float(np.max(model_below - below)))
    return float(kstwo.sf(max(distance, 0.0), max(round(n * nulls / (n + nulls)), 1)))


def _find_largest_effect(above: F64, expected: _NullDistribution, tail: float) -> tuple[float, float, float]:
    """Largest relative difference of the rate up to a threshold, its error, and the threshold."""
    thresholds = EDGES[1:-1]
    n, nulls = len(above), expected.effective_size * (1.0 - tail)
    model = (expected.cdf(thresholds) - tail) / (1.0 - tail)
    observed = np.searchsorted(above, thresholds, side="right") / n
    difference = observed / model - 1.0
    worst = int(np.argmax(np.abs(difference)))
    error = np.sqrt((1.0 - model[worst]) / model[worst] * (1.0 / n + 1.0 / nulls))
    return float(difference[worst]), float(error), round(float(thresholds[worst]), 2)
