"""Rules of vetoes: `check_veto`."""

from __future__ import annotations

import string
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np

from xherald.photons import EventBatch
from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

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
from .sample_photons import field_detections, sample_batch, sample_population, table_detections

__all__ = ["VETO_RULES", "check_veto"]

MIN_SOURCES_PER_SECOND: Final = 100


@dataclass(frozen=True)
class VetoCase:
    """A veto, its options, and the sources it is tested with."""

    plugin: Veto
    options: Options
    initial_state: str

    @cached_property
    def field(self) -> DetectionBatch:
        """Sources in a field with pixels; one has a burst."""
        return field_detections()

    def each(self) -> Iterator[tuple[str, DetectionBatch]]:
        """Each test batch with its description."""
        yield "a field", self.field
        yield "a table of photons", table_detections(sample_batch())
        yield "no sources", table_detections(EventBatch.from_lists([]))

    def flags(self, detection_batch: DetectionBatch) -> Flags:
        """Flags of the veto for a batch."""
        return self.plugin.flags(detection_batch, self.options)


VETO_RULES: Final[Rules[VetoCase]] = Rules("vetoes")
rule = VETO_RULES.rule
add_common_rules(VETO_RULES)


@rule("answers", "flags returns Flags for a field, for a table of photons, and for no sources.", essential=True)
def _answers(case: VetoCase) -> None:
    for what, detection_batch in case.each():
        try:
            flags = case.flags(detection_batch)
        except Exception as fault:
            raise type(fault)(f"{what}: {fault}") from fault
        require(isinstance(flags, Flags), f"{what}: flags returned {type(flags).__name__}, expected Flags")


@rule("flags", "raised is a boolean per source; numbers have a value per source, finite if the flag is raised.")
def _flags(case: VetoCase) -> None:
    for what, detection_batch in case.each():
        flags, n = case.flags(detection_batch), len(detection_batch)
        sound = flags.raised.shape == (n,) and flags.raised.dtype == np.bool_
        require(sound, f"{what}: raised is {flags.raised.dtype} of shape {flags.raised.shape}, expected bool of ({n},)")
        for name, values in flags.numbers.items():
            require(np.shape(values) == (n,), f"{what}: {name} has shape {np.shape(values)}, expected ({n},)")
            finite = np.isfinite(np.asarray(values)[flags.raised]).all()
            require(finite, f"{what}: {name} is not finite for a source whose flag is raised")


@rule("reason", "reason is a template that uses names of numbers; rejects is True or False.")
def _reason(case: VetoCase) -> None:
    reason = getattr(case.plugin, "reason", None)
    require(isinstance(reason, str) and reason, f"reason is {reason!r}; describe what a raised flag means")
    require(isinstance(case.plugin.rejects, bool), f"rejects is {case.plugin.rejects!r}, expected True or False")
    used = {part.partition(".")[0] for _, part, _, _ in string.Formatter().parse(str(reason)) if part is not None}
    for what, detection_batch in case.each():
        numbers = case.flags(detection_batch).numbers
        missing = sorted(used - set(numbers))
        require(not missing, f"{what}: reason uses {', '.join(missing)}, which numbers does not contain")
        str(reason).format(**dict.fromkeys(numbers, 0.0))


@rule("deterministic", "The same sources and options give identical flags and numbers.")
def _deterministic(case: VetoCase) -> None:
    first, second = case.flags(case.field), case.flags(case.field)
    equal = is_identical(first.raised, second.raised) and is_identical(dict(first.numbers), dict(second.numbers))
    require(equal, "two calls with the same sources returned different results; seed the random numbers")


@rule("input-unchanged", "Arguments are not modified.")
def _input_unchanged(case: VetoCase) -> None:
    detection_batch = case.field
    observation = detection_batch.observation
    snapshot = ArraySnapshot.take(
        detection_batch,
        detection_batch.batch,
        detection_batch.intervals,
        *([observation.events] if observation else []),
    )
    case.flags(detection_batch)
    snapshot.require_unchanged()


@rule("speed", f"At least {MIN_SOURCES_PER_SECOND} sources per second.", is_performance=True)
def _speed(case: VetoCase) -> None:
    detection_batch = table_detections(sample_population())
    require_speed(
        measure_seconds(lambda: case.flags(detection_batch)), len(detection_batch), MIN_SOURCES_PER_SECOND, "sources"
    )


add_stateless_rule(VETO_RULES)


def check_veto(
    plugin: Veto, *, options: Options | Mapping[str, Any] | None = None, enforce_performance: bool = False
) -> Report:
    """Check a veto against its contract.

    Parameters
    ----------
    plugin : Veto
    options : Options or mapping, optional — defaults if not given
    enforce_performance : bool — whether a broken performance rule is a failure, not a warning

    Returns
    -------
    Report
        `Report.require` raises an error that lists the broken rules.
    """
    case = VetoCase(plugin, default_options(options, plugin), describe_state(plugin))
    return VETO_RULES.run(case, plugin.name, enforce_performance=enforce_performance)
