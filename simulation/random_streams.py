"""Random streams by name: what is drawn depends on the seed and on what it is for, never on who draws first.

Every source, exposure and file of a simulation has a stream of its own, so that the number of workers, their order and
what else is simulated change nothing.
"""

from __future__ import annotations

from zlib import crc32

import numpy as np

__all__ = ["stream"]


def stream(seed: int, *labels: int | str) -> np.random.Generator:
    """The generator of one thing in a simulation.

    Parameters
    ----------
    seed : int
        Of the whole simulation, not negative.
    labels : int or str
        What the numbers are for, from the general to the particular: ``stream(7, "field", 3, "photons")``.
    """
    words = [label if isinstance(label, int) else crc32(label.encode()) for label in labels]
    return np.random.default_rng(np.random.SeedSequence(seed, spawn_key=tuple(words)))
