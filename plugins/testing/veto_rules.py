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

from .common_rules import Kept, add_common, add_stateless, default_options, require_speed, same, seconds_of, state_of
from .rules import Report, Rules, require
from .sample_photons import field_subjects, population, sample_batch, table_subjects

__all__ = ["VETO_RULES", "check_veto"]

SOURCES_A_SECOND: Final = 100


@dataclass(frozen=True)
class VetoCase:
    """A veto, its options, and sources of a field and of a table."""

    plugin: Veto
    options: Options
    before: str

    @cached_property
    def field(self) -> DetectionBatch:
        """Sources in a field with pixels, one of which bursts."""
        return field_subjects()

    def each(self) -> Iterator[tuple[str, DetectionBatch]]:
        """All that it is tried on, and what that is."""
        yield "a field", self.field
        yield "a table of photons", table_subjects(sample_batch())
        yield "no sources", table_subjects(EventBatch.from_lists([]))

    def flags(self, detection_batch: DetectionBatch) -> Flags:
        """What it says."""
        return self.plugin.flags(detection_batch, self.options)


VETO_RULES: Final[Rules[VetoCase]] = Rules("vetoes")
rule = VETO_RULES.rule
add_common(VETO_RULES)


@rule("answers", "flags answers Flags for a field, for a table of photons, and for no sources.", essential=True)
def _answers(case: VetoCase) -> None:
    for what, detection_batch in case.each():
        try:
            flags = case.flags(detection_batch)
        except Exception as fault:
            raise type(fault)(f"{what}: {fault}") from fault
        require(isinstance(flags, Flags), f"{what}: flags gives {type(flags).__name__}; give Flags")


@rule("flags", "raised is bool, one a source; numbers are one a source, finite where the flag is raised.")
def _flags(case: VetoCase) -> None:
    for what, detection_batch in case.each():
        flags, n = case.flags(detection_batch), len(detection_batch)
        sound = flags.raised.shape == (n,) and flags.raised.dtype == np.bool_
        require(sound, f"{what}: raised is {flags.raised.dtype} of shape {flags.raised.shape}, not bool of ({n},)")
        for name, values in flags.numbers.items():
            require(np.shape(values) == (n,), f"{what}: {name} has shape {np.shape(values)}, not ({n},)")
            finite = np.isfinite(np.asarray(values)[flags.raised]).all()
            require(finite, f"{what}: {name} is not finite where the flag is raised")


@rule("reason", "reason is a template over the names of numbers, and rejects says whether a flag ends a candidate.")
def _reason(case: VetoCase) -> None:
    reason = getattr(case.plugin, "reason", None)
    require(isinstance(reason, str) and reason, f"reason is {reason!r}; say what a raised flag means")
    require(isinstance(case.plugin.rejects, bool), f"rejects is {case.plugin.rejects!r}; say True or False")
    asked = {part.partition(".")[0] for _, part, _, _ in string.Formatter().parse(str(reason)) if part is not None}
    for what, detection_batch in case.each():
        numbers = case.flags(detection_batch).numbers
        missing = sorted(asked - set(numbers))
        require(not missing, f"{what}: reason asks for {', '.join(missing)}, which numbers does not hold")
        str(reason).format(**dict.fromkeys(numbers, 0.0))


@rule("deterministic", "The same sources and options give the same flags and numbers, to the last bit.")
def _deterministic(case: VetoCase) -> None:
    first, second = case.flags(case.field), case.flags(case.field)
    equal = same(first.raised, second.raised) and same(dict(first.numbers), dict(second.numbers))
    require(equal, "two calls with the same sources gave different answers; seed what is drawn")


@rule("input-kept", "What a plugin is given is not written into.")
def _input_kept(case: VetoCase) -> None:
    detection_batch = case.field
    observation = detection_batch.observation
    kept = Kept.of(
        detection_batch,
        detection_batch.batch,
        detection_batch.intervals,
        *([observation.events] if observation else []),
    )
    case.flags(detection_batch)
    kept.require()


@rule("speed", f"At least {SOURCES_A_SECOND} sources judged a second.", floor=True)
def _speed(case: VetoCase) -> None:
    detection_batch = table_subjects(population())
    require_speed(seconds_of(lambda: case.flags(detection_batch)), len(detection_batch), SOURCES_A_SECOND, "sources")


add_stateless(VETO_RULES)


def check_veto(plugin: Veto, *, options: Options | Mapping[str, Any] | None = None, floors: bool = False) -> Report:
    """Hold a veto to its contract.

    Parameters
    ----------
    plugin : Veto
    options : Options or mapping, optional — its defaults if not given
    floors : bool — whether to fail where a floor of speed is missed

    Returns
    -------
    Report
        `Report.require` raises what is broken.
    """
    case = VetoCase(plugin, default_options(options, plugin), state_of(plugin))
    return VETO_RULES.run(case, plugin.name, floors=floors)
