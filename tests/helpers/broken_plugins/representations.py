"""A conforming representation, and for each rule one that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xherald.plugins import Options, Representation

from .variants import call_numbers, common_violations, variant, write_energies


class Halves(Representation):
    """Numbers of photons in both halves of the exposure and in total."""

    name = "halves"

    def shape(self, options: Options) -> tuple[int, ...]:
        return (3,)

    def transform(self, batch, options):
        arrays = np.zeros((len(batch), 3), dtype=np.float32)
        for index, one in enumerate(batch):
            if len(one):
                late = one.time > 0.5 * (one.time[0] + one.time[-1])
                arrays[index] = (np.count_nonzero(~late), np.count_nonzero(late), len(one))
        return arrays


def with_arrays(change: Callable[[np.ndarray, Any], Any]) -> Any:
    """A representation whose arrays are changed afterwards."""
    return variant(Halves, transform=lambda self, batch, options: change(Halves.transform(self, batch, options), batch))


def set_nan_without_photons(arrays: np.ndarray, batch: Any) -> np.ndarray:
    arrays[batch.counts == 0] = np.nan
    return arrays


class CountingCalls(Halves):
    """Counts its calls."""

    calls = 0

    def transform(self, batch, options):
        self.calls += 1
        return super().transform(batch, options)


REPRESENTATIONS = {
    **common_violations(Halves),
    "shape": variant(Halves, shape=lambda self, options: [3]),
    "layout": with_arrays(lambda arrays, batch: arrays.astype(np.float64)),
    "finite": with_arrays(set_nan_without_photons),
    "no-sources": with_arrays(lambda arrays, batch: arrays if len(batch) else np.zeros((1, 3), np.float32)),
    "batch-single": with_arrays(lambda arrays, batch: arrays / np.float32(max(arrays.max(initial=0), 1))),
    "deterministic": with_arrays(lambda arrays, batch: arrays + np.float32(len(batch) > 10) * next(call_numbers)),
    "input-unchanged": with_arrays(write_energies),
    "stateless": CountingCalls(),
}
