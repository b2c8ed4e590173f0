"""Variants of a conforming plugin, and violations of the rules that hold for every kind."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
from pydantic import ConfigDict

from xherald.plugins import Options, Plugin

call_numbers = itertools.count()
"""Numbers of calls, for plugins that give another result at each call."""


class LooseOptions(Options):
    model_config = ConfigDict(extra="allow", frozen=True)


def variant(base: type[Any], **changes: Any) -> Any:
    """A conforming plugin with other attributes."""
    return type(base.__name__, (base,), {"__doc__": base.__doc__, **changes})()


def common_violations(base: type[Plugin], options: type[Options] = Options) -> dict[str, Any]:
    """For each rule that holds for every kind, a plugin that breaks it."""
    loose = type("Loose", (options,), {"model_config": LooseOptions.model_config})
    silent = type("Silent", (options,), {"__annotations__": {"undescribed": int}, "undescribed": 1})
    return {
        "named": variant(base, name="not a name"),
        "documented": variant(base, __doc__=None),
        "options": variant(base, options_model=loose),
        "options-described": variant(base, options_model=silent),
    }


def write_energies(arrays: np.ndarray, batch: Any) -> np.ndarray:
    if len(batch.energy):
        batch.energy.setflags(write=True)
        batch.energy[0] += np.float32(1e-3)
        batch.energy.setflags(write=False)
    return arrays
