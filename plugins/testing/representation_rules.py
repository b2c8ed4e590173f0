"""Rules of representations: `check_representation`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from xherald.photons import EventBatch
from xherald.plugins.contract import Options, Representation, Values

from .common_rules import (
    ArraySnapshot,
    add_common_rules,
    add_stateless_rule,
    default_options,
    describe_state,
    is_identical,
    measure_peak_bytes,
    measure_seconds,
    require_memory,
    require_speed,
)
from .rules import Report, Rules, require
from .sample_photons import sample_batch, sample_population

__all__ = ["REPRESENTATION_RULES", "check_representation"]

MIN_PHOTONS_PER_SECOND: Final = 50_000
MAX_MEMORY_RATIO: Final = 20


@dataclass(frozen=True, slots=True)
class RepresentationCase:
    """A representation, its options, and the sources it is tested with."""

    plugin: Representation
    options: Options
    batch: EventBatch
    initial_state: str

    def transform(self, batch: EventBatch) -> Values:
        """Represent the sources of a batch."""
        return self.plugin.transform(batch, self.options)

    def dense(self, batch: EventBatch) -> np.ndarray[Any, Any]:
        """Represent the sources as a dense array, shape (n, values)."""
        made = self.transform(batch)
        whole = made if isinstance(made, np.ndarray) else made.toarray()
        return np.asarray(whole).reshape(len(batch), int(np.prod(self.plugin.shape(self.options))))


REPRESENTATION_RULES: Final[Rules[RepresentationCase]] = Rules("representations")
rule = REPRESENTATION_RULES.rule
add_common_rules(REPRESENTATION_RULES)


@rule("shape", "shape returns a tuple of positive integers.", essential=True)
def _shape(case: RepresentationCase) -> None:
    shape = case.plugin.shape(case.options)
    sound = isinstance(shape, tuple) and shape and all(isinstance(one, int) and one > 0 for one in shape)
    require(sound, f"shape returned {shape!r}, expected a tuple such as (24, 16)")


@rule(
    "layout",
    "transform returns float32, dense of shape (n, *shape) or CSR of shape (n, product of shape).",
    essential=True,
)
def _layout(case: RepresentationCase) -> None:
    made, shape, n = case.transform(case.batch), case.plugin.shape(case.options), len(case.batch)
    require(made.dtype == np.float32, f"transform returned {made.dtype}, expected float32")
    if isinstance(made, np.ndarray):
        require(made.shape == (n, *shape), f"transform returned shape {made.shape} for {n} sources of shape {shape}")
        return
    wanted = (n, int(np.prod(shape)))
    require(made.format == "csr", f"transform returned {type(made).__name__}, expected a csr_array or a dense array")
    require(made.shape == wanted, f"transform returned shape {made.shape}, expected {wanted}")
    require(made.has_canonical_format, "the CSR array has unsorted or duplicate indices; call sum_duplicates")


@rule("finite", "Arrays are finite for any photons: none, one, many, all at the same time.")
def _finite(case: RepresentationCase) -> None:
    values = case.dense(case.batch)
    broken = np.flatnonzero(~np.isfinite(values).all(axis=1))
    names = [case.batch.identities[index].detection_id for index in broken]
    require(not names, f"values of {', '.join(names)} are not finite; define and document values for such lists")


@rule("no-sources", "A batch without sources gives an array without rows.")
def _no_sources(case: RepresentationCase) -> None:
    made = case.transform(EventBatch.from_lists([]))
    require(made.shape[0] == 0, f"a batch without sources gave shape {made.shape}")


@rule("batch-single", "The array of a source depends only on that source, not on its batch.")
def _batch_single(case: RepresentationCase) -> None:
    together = case.dense(case.batch)
    for index, one in enumerate(case.batch):
        name = one.identity.detection_id
        alone = case.dense(case.batch.select([index]))[0]
        require(
            is_identical(alone, together[index]),
            f"source {name} gave another array alone than in a batch of {len(together)}",
        )
    reverse = case.dense(case.batch.select(np.arange(len(together))[::-1]))
    require(is_identical(reverse[::-1], together), "sources gave other arrays in another order")


@rule("deterministic", "The same photons and options give identical arrays.")
def _deterministic(case: RepresentationCase) -> None:
    first, second = case.dense(case.batch), case.dense(case.batch)
    require(
        is_identical(first, second), "two calls with the same photons gave different arrays; seed the random numbers"
    )


@rule("input-unchanged", "Arguments are not modified.")
def _input_unchanged(case: RepresentationCase) -> None:
    snapshot = ArraySnapshot.take(case.batch)
    case.transform(case.batch)
    snapshot.require_unchanged()


@rule("speed", f"At least {MIN_PHOTONS_PER_SECOND:,} photons per second.", is_performance=True)
def _speed(case: RepresentationCase) -> None:
    batch = sample_population()
    require_speed(measure_seconds(lambda: case.transform(batch)), len(batch.time), MIN_PHOTONS_PER_SECOND, "photons")


@rule("memory", f"At most {MAX_MEMORY_RATIO} times the memory of photons and arrays, plus 64 MiB.", is_performance=True)
def _memory(case: RepresentationCase) -> None:
    batch = sample_population()
    basis = 12 * len(batch.time) + 4 * len(batch) * int(np.prod(case.plugin.shape(case.options)))
    require_memory(measure_peak_bytes(lambda: case.transform(batch)), basis, MAX_MEMORY_RATIO, "photons and arrays")


add_stateless_rule(REPRESENTATION_RULES)


def check_representation(
    plugin: Representation,
    *,
    options: Options | Mapping[str, Any] | None = None,
    batch: EventBatch | None = None,
    enforce_performance: bool = False,
) -> Report:
    """Check a representation against its contract.

    Parameters
    ----------
    plugin : Representation
    options : Options or mapping, optional — defaults if not given
    batch : EventBatch, optional — sources to test with; `sample_batch` if not given
    enforce_performance : bool — whether a broken performance rule is a failure, not a warning

    Returns
    -------
    Report
        `Report.require` raises an error that lists the broken rules.
    """
    tested = sample_batch() if batch is None else batch
    case = RepresentationCase(plugin, default_options(options, plugin), tested, describe_state(plugin))
    return REPRESENTATION_RULES.run(case, plugin.name, enforce_performance=enforce_performance)
