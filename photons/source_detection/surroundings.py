"""The field without a source: photons that neither its point spread nor its arms can have put there: `Surroundings`."""

from __future__ import annotations

from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import Mask
from xherald.photons.exposure.detector_axes import measure_detector_axes

from .field_model import Field

__all__ = ["Surroundings"]


WING_RADII: Final = 3.0
"""Distance from a source, in 90 % radii, at which the field begins."""


class Surroundings:
    """Photons of the field around any position."""

    def __init__(self, field: Field) -> None:
        self.field = field

    def count(self, x: float, y: float, window: slice) -> tuple[int, int]:
        """Photons of the field without a source at a position: those in a window of rows, and all."""
        events = self.field.observation.events
        inside = self._outside(x, y, events.x[window], events.y[window])
        near = self.field.near(x, y, self._reach(x, y))
        missing = int(np.count_nonzero(~self._outside(x, y, *near)))
        for direction in self._arms:
            missing += self._on_arm(x, y, direction)
        return int(np.count_nonzero(inside)), len(events) - missing

    def _reach(self, x: float, y: float) -> float:
        return WING_RADII * max(self.field.shape_at(x, y).r90, 1.5)

    def _outside(self, x: float, y: float, px: NDArray[np.floating], py: NDArray[np.floating]) -> Mask:
        dx, dy = px - x, py - y
        free = dx * dx + dy * dy > self._reach(x, y) ** 2
        half = 2.0 * self.field.shape_at(x, y).r50
        for u, v in self._arms:
            free &= np.abs(dx * v - dy * u) > half
        return np.asarray(free)

    def _on_arm(self, x: float, y: float, direction: tuple[float, float]) -> int:
        events = self.field.observation.events
        dx, dy = events.x - x, events.y - y
        half = 2.0 * self.field.shape_at(x, y).r50
        on = np.abs(dx * direction[1] - dy * direction[0]) <= half
        return int(np.count_nonzero(on & (dx * dx + dy * dy > self._reach(x, y) ** 2)))

    @cached_property
    def _arms(self) -> tuple[tuple[float, float], ...]:
        """Directions of the arms of a lobster eye; none for other mirrors, or if the axes are not known."""
        pixels = self.field.observation.pixels
        if pixels is None or pixels.arms <= 0:
            return ()
        steps = measure_detector_axes(self.field.observation).steps
        axes = steps[0].T if len(steps) else np.empty((0, 2))
        return tuple((float(u / np.hypot(u, v)), float(v / np.hypot(u, v))) for u, v in axes)
