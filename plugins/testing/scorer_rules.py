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

from .common_rules import Kept, add_common, add_stateless, default_options, require_speed, same, seconds_of, state_of
from .rules import Report, Rules, require
from .sample_photons import field_subjects, population, sample_batch, sample_reference, table_subjects

if TYPE_CHECKING:
    from xherald.plugins.reference import Reference

__all__ = ["SCORER_RULES", "check_scorer"]

SOURCES_A_SECOND: Final = 100


@dataclass(frozen=True)
class ScorerCase:
    """A scorer, its options, and a reference to hold sources against."""

    plugin: Scorer
    options: Options
    reference: Reference
    before: str

    @cached_property
    def plain(self) -> DetectionBatch:
        """Sources of a table, without a reference."""
        return table_subjects(sample_batch())

    @cached_property
    def told(self) -> DetectionBatch:
        """The same with a reference and features of its cases."""
        return self.with_reference(self.plain)

    def with_reference(self, detection_batch: DetectionBatch) -> DetectionBatch:
        """Subjects with features in every case of the reference, a source's own whatever the batch."""
        features = {
            name: np.array(
                [np.random.default_rng(len(one)).normal(size=case.features.shape[1]) for one in detection_batch.batch],
                dtype=np.float32,
            ).reshape(len(detection_batch), case.features.shape[1])
            for name, case in self.reference.cases.items()
        }
        return replace(detection_batch, reference=self.reference, features=features)

    def each(self) -> Iterator[tuple[str, DetectionBatch]]:
        """All that it is tried on, and what that is."""
        yield "a table without a reference", self.plain
        yield "a table with a reference", self.told
        yield "a field", self.with_reference(field_subjects())
        yield "no sources", self.with_reference(table_subjects(EventBatch.from_lists([])))

    def score(self, detection_batch: DetectionBatch) -> Mapping[str, F64]:
        """What it says."""
        return self.plugin.score(detection_batch, self.options)


SCORER_RULES: Final[Rules[ScorerCase]] = Rules("scorers")
rule = SCORER_RULES.rule
add_common(SCORER_RULES)


@rule(
    "columns",
    "score gives numbers of shape (n,) by name; NaN where a source cannot be scored, never infinity.",
    essential=True,
)
def _columns(case: ScorerCase) -> None:
    for what, detection_batch in case.each():
        for name, values in case.score(detection_batch).items():
            require(isinstance(name, str) and name, f"{what}: a column is named {name!r}; name it with letters")
            column = np.asarray(values, dtype=np.float64)
            require(
                column.shape == (len(detection_batch),),
                f"{what}: column {name} has shape {column.shape}, not one a source",
            )
            require(not np.isinf(column).any(), f"{what}: column {name} is infinite somewhere; cap it, or give NaN")


@rule("same-columns", "The columns are the same whatever the sources are.")
def _same_columns(case: ScorerCase) -> None:
    whole, single = case.score(case.told), case.score(_alone(case.told, 6))
    require(set(whole) == set(single), f"columns {sorted(set(whole) ^ set(single))} come and go with the sources")


@rule("batch-single", "A source's score does not depend on what else is in the batch, to the last bit.")
def _batch_single(case: ScorerCase) -> None:
    together = case.score(case.told)
    for index in (2, 6, 8, 10):
        alone = case.score(_alone(case.told, index))
        for name in set(together) & set(alone):
            one, other = np.asarray(alone[name])[0], np.asarray(together[name])[index]
            equal = one == other or (np.isnan(one) and np.isnan(other))
            require(equal, f"column {name} is {one} for a source alone and {other} for it among {len(case.told)}")


@rule(
    "inputs", "inputs names columns that score gives, with 1 where the score may only rise with them and 0 elsewhere."
)
def _inputs(case: ScorerCase) -> None:
    given = case.score(case.told)
    for direction in ("flare", "dip"):
        for name, sign in case.plugin.inputs(direction, case.options).items():
            require(name in given, f"inputs of {direction} names {name!r}, which score does not give")
            require(sign in (0, 1), f"inputs of {direction} gives {sign!r} for {name}; give 0 or 1")


@rule("deterministic", "The same sources and options give the same numbers, to the last bit.")
def _deterministic(case: ScorerCase) -> None:
    first, second = (dict(case.score(case.told)) for _ in range(2))
    require(same(first, second), "two calls with the same sources gave different numbers; seed what is drawn")


@rule("input-kept", "What a plugin is given is not written into.")
def _input_kept(case: ScorerCase) -> None:
    detection_batch = case.told
    kept = Kept.of(
        detection_batch, detection_batch.batch, detection_batch.intervals, *(detection_batch.features or {}).values()
    )
    case.score(detection_batch)
    kept.require()


@rule("speed", f"At least {SOURCES_A_SECOND} sources scored a second.", floor=True)
def _speed(case: ScorerCase) -> None:
    detection_batch = case.with_reference(table_subjects(population()))
    require_speed(seconds_of(lambda: case.score(detection_batch)), len(detection_batch), SOURCES_A_SECOND, "sources")


add_stateless(SCORER_RULES)


def _alone(detection_batch: DetectionBatch, index: int) -> DetectionBatch:
    """One of the subjects, tested anew."""
    alone = table_subjects(detection_batch.batch.select([index]))
    features = {name: values[[index]] for name, values in (detection_batch.features or {}).items()}
    return replace(alone, reference=detection_batch.reference, features=features)


def check_scorer(
    plugin: Scorer,
    *,
    options: Options | Mapping[str, Any] | None = None,
    reference: Reference | None = None,
    floors: bool = False,
) -> Report:
    """Hold a scorer to its contract.

    Parameters
    ----------
    plugin : Scorer
    options : Options or mapping, optional — its defaults if not given
    reference : Reference, optional
        What sources are held against; one of random features under the case "variability" if not given.
    floors : bool — whether to fail where a floor of speed is missed

    Returns
    -------
    Report
        `Report.require` raises what is broken.
    """
    against = sample_reference() if reference is None else reference
    case = ScorerCase(plugin, default_options(options, plugin), against, state_of(plugin))
    return SCORER_RULES.run(case, plugin.name, floors=floors)
