"""A conforming embedder, and for each rule one that breaks it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from xherald.photons.errors import ReferenceDataError
from xherald.plugins import Embedder

from .variants import call_numbers, common_violations, variant


class Plane(Embedder):
    """The first two features."""

    name = "plane"

    def fit(self, features, options, advance=lambda _: None):
        if len(features) < 3 or not np.isfinite(features).all() or (features == features[0]).all():
            raise ReferenceDataError("map: sources are too few, not finite, or identical")
        return features[:, :2].astype(np.float64)

    def place(self, distances, positions):
        return positions[:, 0].copy()


def with_map(change: Callable[[np.ndarray], np.ndarray]) -> Any:
    """An embedder whose map is changed afterwards."""
    return variant(Plane, fit=lambda self, features, options, advance=None: change(Plane.fit(self, features, options)))


def place_and_write(self: Plane, distances: np.ndarray, positions: np.ndarray) -> np.ndarray:
    distances += 1.0
    return positions[:, 0].copy()


class RememberingSize(Plane):
    """Stores the number of sources of the last call."""

    def fit(self, features, options, advance=lambda _: None):
        self.sources = len(features)
        return super().fit(features, options)


EMBEDDERS = {
    **common_violations(Plane),
    "fits": with_map(lambda positions: positions.astype(np.float32)),
    "deterministic": with_map(lambda positions: positions + next(call_numbers)),
    "refuses": variant(
        Plane, fit=lambda self, features, options, advance=None: np.nan_to_num(features[:, :2]).astype(np.float64)
    ),
    "places": variant(Plane, place=lambda self, distances, positions: positions[:, 0, :1]),
    "batch-single": variant(Plane, place=lambda self, distances, positions: positions[:, 0] + len(distances)),
    "input-unchanged": variant(Plane, place=place_and_write),
    "stateless": RememberingSize(),
}
