"""Random streams by name: `stream`.

Every source, exposure and file of a simulation has its own stream, so that the number and order of workers, and what
else is simulated, do not change it.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

__all__ = ["stream"]


def stream(seed: int, *labels: int | str) -> np.random.Generator:
    """Random generator of one object of a simulation.

    Parameters
    ----------
    seed : int
        Of the simulation, not negative.
    labels : int or str
        Name of the stream, from the general to the particular: ``stream(7, "field", 3, "photons")``.
    """
    words = [label if isinstance(label, int) else crc32(label.encode()) for label in labels]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(words)))
