"""Pointing path from a file's attitude tables; see `pointing_path`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.gti import Gti
from xherald.photons.projection import SkyProjection

from .detector_layout import Attitude
from .path_fit import C128, FieldPhotons, fit_matrices, in_focal_plane
from .path_smoothing import MAX_SCATTER, SCAN_PIXELS_S
from .pointing_path import MAX_FIT_EVENTS, PointingPath, UnitMap, nominal_pixel

if TYPE_CHECKING:
    from xherald.photons.observation import Observation

__all__ = ["path_from_attitude"]

NORTH_DEG = 1e-3
"""Step to the north from which the direction of north in the pixel plane follows, deg."""

MAX_ATTITUDE_GAP_S = 100.0
"""Gap in an attitude table over which the attitude is not interpolated, s."""


def path_from_attitude(
    observation: Observation, numbers: list[int], events: FieldPhotons, segments: Gti
) -> PointingPath | None:
    """Path of an attitude table, with the units' matrices fitted to the events.

    The table of the first unit that has one gives the path; constant offsets of the others belong to their matrices.
    The sense of the roll angle is the one that fits better. None if the table does not cover the good times, or if the
    events disagree with it.
    """
    assert observation.attitude is not None
    number = next((n for n in (*numbers, None) if n in observation.attitude), None)
    table = observation.attitude.get(number, next(iter(observation.attitude.values())))
    position, north = _in_pixels(table, observation.require_projection())
    inside = np.isfinite(position) & np.isfinite(north)
    if np.count_nonzero(inside) < 2:
        return None
    time, position, north, roll = table.time[inside], position[inside], north[inside], table.roll[inside]
    covered = _covered(time, segments)
    if not len(covered):
        return None
    row = np.searchsorted(covered[:, 0], events.time, side="right") - 1
    events = events.select((row >= 0) & (events.time <= covered[np.maximum(row, 0), 1]))
    best = None
    for sense in (1.0, -1.0):
        turn = np.unwrap(north + sense * np.radians(roll))
        moved = np.exp(-1j * np.interp(events.time, time, turn)) * (
            events.sky - _interpolate(events.time, time, position)
        )
        relative = FieldPhotons(events.time, moved, events.pixel, events.unit, np.zeros(len(events), dtype=np.int64))
        some = relative.select(slice(None, None, max(1, len(relative) // MAX_FIT_EVENTS)))
        matrices = fit_matrices(some, len(numbers), segments, np.zeros(1), nominal_pixel(observation), has_path=True)
        known = np.isfinite(matrices[:, 0, 0])
        if not known.any():
            continue
        some = some.select(known[some.unit])
        scatter = float(np.median(np.abs(some.sky - in_focal_plane(some, matrices))))
        if best is None or scatter < best[0]:
            best = scatter, turn, matrices, known
    if best is None:
        return None
    scatter, turn, matrices, known = best
    units = {n: UnitMap(matrices[k, :2].T, matrices[k, 2]) for k, n in enumerate(numbers) if known[k]}
    pixel = float(np.median([one.pixel_size for one in units.values()]))
    if scatter > MAX_SCATTER * pixel:
        return None
    speeds = np.abs(np.diff(position)) / np.diff(time)
    speed = np.zeros(len(covered))
    for i, (start, stop) in enumerate(covered):
        first, last = np.searchsorted(time, [start, stop])
        own = slice(max(int(first) - 1, 0), max(int(last), 1))
        moves = np.abs(position[own] - position[own][0]).max(initial=0.0) > 0.3 * pixel
        speed[i] = speeds[own].max(initial=0.0) if moves else 0.0
    is_scan = bool(np.median(speed) > SCAN_PIXELS_S * pixel)
    return PointingPath(time, position, turn, covered, speed, units, is_scan)


def _in_pixels(table: Attitude, projection: SkyProjection) -> tuple[C128, F64]:
    """Direction, sky pixels, and angle of celestial north in the pixel plane, rad."""
    x, y = projection.to_pixel(table.ra, table.dec)
    step = np.where(table.dec < 89.0, NORTH_DEG, -NORTH_DEG)
    x_north, y_north = projection.to_pixel(table.ra, table.dec + step)
    direction = ((x_north - x) + 1j * (y_north - y)) * np.sign(step)
    return x + 1j * y, np.angle(direction)


def _interpolate(at: F64, time: F64, position: C128) -> C128:
    """Linear interpolation of a complex position."""
    out: C128 = np.interp(at, time, position.real) + 1j * np.interp(at, time, position.imag)
    return out


def _covered(time: F64, segments: Gti) -> Gti:
    """Parts of the good times that the table covers without long gaps."""
    from xherald.photons.gti import gti_intersection

    apart = np.flatnonzero(np.diff(time) > MAX_ATTITUDE_GAP_S)
    starts, stops = time[np.r_[0, apart + 1]], time[np.r_[apart, len(time) - 1]]
    keep = stops > starts
    # Good times begin up to a sample before the table.
    return gti_intersection(np.column_stack([starts - 1.0, stops + 1.0])[keep], segments)
