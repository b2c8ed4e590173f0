"""Background of the whole field in time, for sources without a background region of their own.

Without a region, nothing tells a flare of the background (soft protons, particles) from a flare of the source. If the
photons outside all sources show that the background of the field varied by more than the source could hide, the source
is not testable.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np

from .arrays import F64, I64, Mask

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .detector_coverage import DetectorCoverage
    from .gti import Exposure
    from .observation import FieldEvents

__all__ = ["find_unknown_backgrounds"]

FIELD_P0: Final = 1e-3
"""Probability of a change in the light curve of a steady field."""

MIN_EXCESS: Final = 0.3
"""Excess of the background in an interval, over the standard deviation of the source's counts there, that matters."""


def find_unknown_backgrounds(
    events: FieldEvents,
    is_source: Mask,
    coverage: DetectorCoverage,
    exposures: Sequence[Exposure],
    counts: I64,
    aperture_areas: F64,
    frame_time: float,
) -> Mask:
    """Whether the background of each source is unknown and varied.

    Parameters
    ----------
    events : FieldEvents
    is_source : ndarray, shape (events,), bool
        Events in or near a source.
    coverage : DetectorCoverage
    exposures : sequence of Exposure, length n
    counts : ndarray, shape (n,)
        Photons in each aperture.
    aperture_areas : ndarray, shape (n,)
        Area of each aperture, square sky pixels.
    frame_time : float
        s

    Returns
    -------
    ndarray, shape (n,), bool
    """
    unknown = np.zeros(len(counts), dtype=np.bool_)
    for i in np.flatnonzero(coverage.area_ratio == 0).tolist():
        used = coverage.is_used[i]
        numbers = [one.number for one, is_used in zip(coverage.detectors, used, strict=True) if is_used]
        behind = events.time[~is_source & np.isin(events.detector, numbers)]
        area = float(coverage.detector_areas[used].sum())
        if len(behind) and area > 0:
            scale = float(aperture_areas[i]) / area
            unknown[i] = _largest_excess(behind, exposures[i], frame_time, scale, int(counts[i])) > MIN_EXCESS
    return unknown


def _largest_excess(time: F64, exposure: Exposure, frame_time: float, scale: float, counts: int) -> float:
    """Largest excess of the scaled background in any of its blocks, over the standard deviation of the source there."""
    from .statistics.blocks import change_point_penalty, coarse_blocks
    from .statistics.clock import spread_in_frames

    total = exposure.livetime
    livetime = spread_in_frames(time, exposure.livetime_at(time), frame_time, total)
    penalty = float(change_point_penalty([len(livetime)], FIELD_P0)[0])
    edges, held = coarse_blocks(livetime, 0.0, total, penalty)
    width = np.diff(edges) / total
    excess = np.abs(held - len(livetime) * width) * scale
    return float((excess / np.sqrt(np.maximum(counts * width, 1.0))).max())
