"""Background of the whole field in time.

The photons outside all sources show flares of the background (soft protons, particles) far better than the few of one
background region. `measure_field_backgrounds` gives their light curve, relative to which the region measures the
background of its source. Without a region, nothing tells a flare of the background from one of the source: if the field
varied by more than the source could hide, the source is not testable (`find_unknown_backgrounds`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from .arrays import F64, I64, Mask
from .gti import combine_exposures

if TYPE_CHECKING:
    from collections.abc import Sequence

    from .detector_coverage import DetectorCoverage
    from .gti import Exposure
    from .observation import FieldEvents

__all__ = ["FieldCurves", "find_unknown_backgrounds", "measure_field_backgrounds", "no_field_backgrounds"]

FieldCurves: TypeAlias = tuple[F64, F64, I64]
"""Starts and rates of the blocks of `FieldBackground` for many sources, and the offset at which each one's begin."""

FIELD_P0: Final = 1e-3
"""Probability of a change in the light curve of a steady field."""

MIN_FIELD_COUNTS: Final = 200
"""Photons of the field below which it tells no more than a background region."""

MIN_EXCESS: Final = 0.3
"""Excess of the background in an interval, over the standard deviation of the source's counts there, that matters."""


def no_field_backgrounds(sources: int) -> FieldCurves:
    """Light curves of a field whose background is constant or unknown."""
    return np.empty(0), np.empty(0), np.zeros(sources + 1, dtype=np.int64)


def measure_field_backgrounds(
    events: FieldEvents, is_source: Mask, coverage: DetectorCoverage, frame_time: float
) -> FieldCurves:
    """Light curves of the background of the field, on the detectors of each source.

    Bayesian blocks (Scargle et al. 2013, ApJ 764, 167) of the photons outside all sources, over the good times of the
    detectors.

    Parameters
    ----------
    events, is_source, coverage, frame_time
        See `find_unknown_backgrounds`.

    Returns
    -------
    FieldCurves
        None for a source on whose detectors the background is constant.
    """
    found: dict[bytes, tuple[F64, F64]] = {}
    for used in coverage.is_used:
        if used.tobytes() not in found:
            found[used.tobytes()] = _measure_field(events, is_source, coverage, used, frame_time)
    curves = [found[used.tobytes()] for used in coverage.is_used]
    start, rate = (np.concatenate([np.empty(0), *(curve[i] for curve in curves)]) for i in (0, 1))
    return start, rate, np.cumsum([0, *(len(curve[0]) for curve in curves)]).astype(np.int64)


def _measure_field(
    events: FieldEvents, is_source: Mask, coverage: DetectorCoverage, used: Mask, frame_time: float
) -> tuple[F64, F64]:
    """Start of each block of the field's background, mission time, and its rate relative to the mean."""
    from .statistics.blocks import change_point_penalty, coarse_blocks
    from .statistics.clock import spread_in_frames

    detectors = [one for one, is_used in zip(coverage.detectors, used, strict=True) if is_used]
    time = events.time[~is_source & np.isin(events.detector, [one.number for one in detectors])]
    if len(time) < MIN_FIELD_COUNTS:
        return np.empty(0), np.empty(0)
    areas = coverage.detector_areas[used]
    weights = areas / areas.max() if areas.all() else np.ones(len(areas))
    exposure = combine_exposures([one.gti for one in detectors], weights.tolist())
    total = exposure.livetime
    livetime = spread_in_frames(time, exposure.livetime_at(time), frame_time, total)
    penalty = float(change_point_penalty([len(livetime)], FIELD_P0)[0])
    edges, held = coarse_blocks(np.sort(livetime, kind="stable"), 0.0, total, penalty)
    if len(held) < 2:
        return np.empty(0), np.empty(0)
    # Half a photon is added: an empty block does not mean a rate of zero.
    rate = (held + 0.5) / np.diff(edges)
    return exposure.time_at(edges[:-1]), rate / (len(livetime) / total)


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
