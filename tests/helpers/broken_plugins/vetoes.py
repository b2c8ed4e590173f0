"""A conforming veto, and for each rule one that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from xherald.plugins import Flags, Veto

from .variants import call_numbers, common_violations, variant, write_energies


class Bright(Veto):
    """More photons than a source should have."""

    name = "bright"
    reason = "{counts:.0f} photons"

    def flags(self, detection_batch, options):
        return Flags(detection_batch.batch.counts > 100, {"counts": detection_batch.batch.counts.astype(np.float64)})


def with_flags(change: Callable[[Flags, Any], Any]) -> Any:
    """A veto whose flags are changed afterwards."""
    return variant(
        Bright,
        flags=lambda self, detection_batch, options: change(
            Bright.flags(self, detection_batch, options), detection_batch
        ),
    )


def flag_and_write(flags: Flags, detection_batch: Any) -> Flags:
    write_energies(flags.raised, detection_batch.batch)
    return flags


class RememberingSize(Bright):
    """Stores the number of sources of the last call."""

    def flags(self, detection_batch, options):
        self.flagged = len(detection_batch)
        return super().flags(detection_batch, options)


VETOES = {
    **common_violations(Bright),
    "answers": with_flags(lambda flags, detection_batch: flags.raised),
    "flags": with_flags(lambda flags, detection_batch: replace(flags, raised=flags.raised.astype(np.int8))),
    "reason": variant(Bright, reason="{photons:.0f} photons"),
    "deterministic": with_flags(
        lambda flags, _: replace(flags, numbers={"counts": flags.numbers["counts"] + next(call_numbers)})
    ),
    "input-unchanged": with_flags(flag_and_write),
    "stateless": RememberingSize(),
}
