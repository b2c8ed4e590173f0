"""Rules of scorers: `check_scorer`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from xherald.photons import EventBatch
from xherald.photons.arrays import F64
from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Scorer

from .common_rules import (
    ArraySnapshot,
    add_common_rules,
    add_stateless_rule,
    default_options,
    describe_state,
    is_identical,
    measure_seconds,
    require_speed,
)
from .rules import Report, Rules, require
from .sample_photons import field_detections, sample_batch, sample_population, sample_reference, table_detections

if TYPE_CHECKING:
    from xherald.plugins.reference import Reference

__all__ = ["SCORER_RULES", "check_scorer"]

MIN_SOURCES_PER_SECOND: Final = 100


@dataclass(frozen=True)
class ScorerCase:
    """A scorer, its options, and a reference to compare sources with."""

    plugin: Scorer
    options: Options
    reference: Reference
    initial_state: str

    @cached_property
    def plain(self) -> DetectionBatch:
        """Sources of a table, without a reference."""
        return table_detections(sample_batch())

    @cached_property
    def compared(self) -> DetectionBatch:
        """The same sources with a reference and features."""
        return self.with_reference(self.plain)

    def with_reference(self, detection_batch: DetectionBatch) -> DetectionBatch:
        """Add the reference, and features that depend on the source alone."""
        features = {
            name: np.array(
                [np.random.default_rng(len(one)).normal(size=case.features.shape[1]) for one in detection_batch.batch],
                dtype=np.float32,
            ).reshape(len(detection_batch), case.features.shape[1])
            for name, case in self.reference.cases.items()
        }
        return replace(detection_batch, reference=self.reference, features=features)

    def each(self) -> Iterator[tuple[str, DetectionBatch]]:
        """Each test batch with its description."""
        yield "a table without a reference", self.plain
        yield "a table with a reference", self.compared
        yield "a field", self.with_reference(field_detections())
        yield "no sources", self.with_reference(table_detections(EventBatch.from_lists([])))

    def score(self, detection_batch: DetectionBatch) -> Mapping[str, F64]:
        """Scores of a batch."""
        return self.plugin.score(detection_batch, self.options)


SCORER_RULES: Final[Rules[ScorerCase]] = Rules("scorers")
rule = SCORER_RULES.rule
add_common_rules(SCORER_RULES)


@rule(
    "columns",
    "score returns values of shape (n,) by name; NaN if a source cannot be scored, never infinity.",
    essential=True,
)
def _columns(case: ScorerCase) -> None:
    for what, detection_batch in case.each():
        for name, values in case.score(detection_batch).items():
            require(isinstance(name, str) and name, f"{what}: a column is named {name!r}, expected a string")
            column = np.asarray(values, dtype=np.float64)
            require(
                column.shape == (len(detection_batch),),
                f"{what}: column {name} has shape {column.shape}, expected ({len(detection_batch)},)",
            )
            require(not np.isinf(column).any(), f"{what}: column {name} contains infinity; use NaN or a finite limit")


@rule("same-columns", "The columns do not depend on the sources.")
def _same_columns(case: ScorerCase) -> None:
    whole, single = case.score(case.compared), case.score(_alone(case.compared, 6))
    require(set(whole) == set(single), f"columns {sorted(set(whole) ^ set(single))} are not returned for all sources")


@rule("batch-single", "The score of a source does not depend on the other sources in the batch.")
def _batch_single(case: ScorerCase) -> None:
    together = case.score(case.compared)
    for index in (2, 6, 8, 10):
        alone = case.score(_alone(case.compared, index))
        for name in set(together) & set(alone):
            one, other = np.asarray(alone[name])[0], np.asarray(together[name])[index]
            equal = one == other or (np.isnan(one) and np.isnan(other))
            require(equal, f"column {name} of a source is {one} alone and {other} in a batch of {len(case.compared)}")


@rule("inputs", "inputs maps columns of score to 1 if the combined score may only increase with them, else to 0.")
def _inputs(case: ScorerCase) -> None:
    given = case.score(case.compared)
    for direction in ("flare", "dip"):
        for name, sign in case.plugin.inputs(direction, case.options).items():
            require(name in given, f"inputs of {direction} contains {name!r}, which is not a column of score")
            require(sign in (0, 1), f"inputs of {direction} returned {sign!r} for {name}, expected 0 or 1")


@rule("deterministic", "The same sources and options give identical scores.")
def _deterministic(case: ScorerCase) -> None:
    first, second = (dict(case.score(case.compared)) for _ in range(2))
    require(
        is_identical(first, second), "two calls with the same sources gave different scores; seed the random numbers"
    )


@rule("input-unchanged", "Arguments are not modified.")
def _input_unchanged(case: ScorerCase) -> None:
    detection_batch = case.compared
    snapshot = ArraySnapshot.take(
        detection_batch, detection_batch.batch, detection_batch.intervals, *(detection_batch.features or {}).values()
    )
    case.score(detection_batch)
    snapshot.require_unchanged()


@rule("speed", f"At least {MIN_SOURCES_PER_SECOND} sources per second.", is_performance=True)
def _speed(case: ScorerCase) -> None:
    detection_batch = case.with_reference(table_detections(sample_population()))
    require_speed(
        measure_seconds(lambda: case.score(detection_batch)), len(detection_batch), MIN_SOURCES_PER_SECOND, "sources"
    )


add_stateless_rule(SCORER_RULES)


def _alone(detection_batch: DetectionBatch, index: int) -> DetectionBatch:
    """A batch of one source."""
    alone = table_detections(detection_batch.batch.select([index]))
    features = {name: values[[index]] for name, values in (detection_batch.features or {}).items()}
    return replace(alone, reference=detection_batch.reference, features=features)


def check_scorer(
    plugin: Scorer,
    *,
    options: Options | Mapping[str, Any] | None = None,
    reference: Reference | None = None,
    enforce_performance: bool = False,
) -> Report:
    """Check a scorer against its contract.

    Parameters
    ----------
    plugin : Scorer
    options : Options or mapping, optional — defaults if not given
    reference : Reference, optional
        Reference to compare with; one of random features for the case "variability" if not given.
    enforce_performance : bool — whether a broken performance rule is a failure, not a warning

    Returns
    -------
    Report
        `Report.require` raises an error that lists the broken rules.
    """
    chosen = sample_reference() if reference is None else reference
    case = ScorerCase(plugin, default_options(options, plugin), chosen, describe_state(plugin))
    return SCORER_RULES.run(case, plugin.name, enforce_performance=enforce_performance)
