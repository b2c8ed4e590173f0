"""Detection of bursts too short for the image: sliding time windows in cells of the size of the point spread.

A window starts at each photon. Given the number of photons in the cell, which are uniform in livetime if the sky is
steady, the number of others in the window is binomially distributed, exactly for any number and rate. The number of
trials is photons times window lengths times shifted grids.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.gti import combine_exposures
from xherald.photons.pixel_index import sort_into_cells

from .brighter_sources import trail_shares
from .field_model import Field, Zone
from .positions import fit_positions
from .settings import SourceDetectionSettings
from .surroundings import Surroundings
from .tail_probabilities import log_binomial_tail, log_poisson_tail
from .trails import Trail

__all__ = ["Burst", "find_bursts"]


_SHIFTS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
"""Shifts of the grids in units of a cell: each position is a quarter of a cell or more from the edge of some cell."""

_TRIALS_PER_WINDOW = 0.22
"""Independent trials per photon, window length and grid, fewer than one since overlapping windows share photons.
Calibrated on simulated empty fields of XMM and eROSITA."""

_WIDTH_RATIO = 2.0
"""Ratio of consecutive window lengths."""

_MAX_LOG_P = -7.0
"""ln of the probability, about 0.001, below which an excess is significant for itself or for the whole field."""


class _Windows(NamedTuple):
    """Significant windows, at most one per cell of a grid; arrays of shape (h,).

    Parameters
    ----------
    x, y, side : sky pixels, centre and side of the cell
    log_p : ln of the chance probability
    photons : number in the cell and the window
    in_cell : number in the cell at any time
    first, last : event rows of the first and last photon in the window
    width : s, livetime of the window
    share : fraction of the livetime in the window
    """

    x: F64
    y: F64
    side: F64
    log_p: F64
    photons: I64
    in_cell: I64
    first: I64
    last: I64
    width: F64
    share: F64

    def take(self, chosen: NDArray[Any]) -> _Windows:
        """Select windows."""
        return _Windows(*(column[chosen] for column in self))

    def sort_by_significance(self) -> _Windows:
        """Sort by significance, with ties in a fixed order."""
        return self.take(np.lexsort((self.first, self.x, self.y, self.log_p)))


@dataclass(frozen=True, slots=True, eq=False)
class Burst:
    """A source detected in a time window, or a window in which a source on the image flared.

    Parameters
    ----------
    source : ndarray, shape (5,) — x, y, ln p, net counts, background per square pixel, both in the window
    window : slice — rows of the event list
    width : float — s, livetime of the window
    host : int — row of the source on the image it belongs to; -1 for a new source
    expected : float — upper limit to the expected number of equally improbable bursts in the search of a steady field
    """

    source: F64
    window: slice
    width: float
    host: int
    expected: float


def find_bursts(
    field: Field, settings: SourceDetectionSettings, image_sources: F64, trails: Sequence[Trail] = ()
) -> list[Burst]:
    """Detect bursts: new sources, and the most significant burst of each source on the image.

    Parameters
    ----------
    field : Field
    settings : SourceDetectionSettings
    image_sources : ndarray, shape (s, 5)
        Sources detected on the image: x, y, ln p, net counts, background per square pixel.
    trails : sequence of Trail
        Of these sources.
    """
    clock, total = _livetime_clock(field)
    widths = _window_widths(field, settings, float(total.max(initial=0.0)))
    if not len(widths):
        return []
    trials = _TRIALS_PER_WINDOW * max(len(clock), 1) * len(widths) * len(_SHIFTS)
    log_limit = min(math.log(0.5 * settings.false_sources / trials), _MAX_LOG_P)
    zones = [_search_zone(field, zone, clock, total, widths, log_limit) for zone in field.zones]
    windows = _Windows(*(np.concatenate(columns) for columns in zip(*zones, strict=True)))
    windows = _correct_for_field_flares(windows, field, log_limit)
    # Of windows far below the limit fewer overlap, and each counts as a trial.
    all_trials = trials / _TRIALS_PER_WINDOW
    return _select_bursts(windows, field, (image_sources, trails), settings, log_limit, all_trials)


def _livetime_clock(field: Field) -> tuple[F64, F64]:
    """Livetime accumulated before each photon and total livetime of its detectors, s.

    Detectors that cover the same sky (telescope modules) are combined, adjacent CCDs are not.
    """
    observation, events = field.observation, field.observation.events
    clock, total = np.zeros(len(events)), np.ones(len(events))
    for numbers in _group_by_field(field):
        exposure = combine_exposures([observation.detector(k).gti for k in numbers], [1.0] * len(numbers))
        mine = np.isin(events.detector, numbers)
        clock[mine] = exposure.livetime_at(events.time[mine])
        total[mine] = exposure.livetime
    return clock, total


def _group_by_field(field: Field) -> list[list[int]]:
    """Groups of detectors, one of which covers the centre of another."""
    groups: list[list[int]] = []
    hulls = dict(zip(field.footprint.numbers, field.footprint.hulls, strict=True))
    for number, hull in hulls.items():
        middle = hull.vertices.mean(axis=0)
        for group in groups:
            if any(float(hulls[one].depth(middle[0], middle[1])) > 0 for one in group):
                group.append(number)
                break
        else:
            groups.append([number])
    return groups


def _window_widths(field: Field, settings: SourceDetectionSettings, livetime: float) -> F64:
    """Geometric sequence of window widths, s of livetime, in whole frames."""
    frame = field.observation.frame_time
    shortest, longest = max(settings.shortest_slice_s, frame), settings.longest_slice_fraction * livetime
    if longest < shortest:
        return np.empty(0)
    steps = np.arange(int(math.log(longest / shortest, _WIDTH_RATIO)) + 1)
    widths = np.asarray(shortest * _WIDTH_RATIO**steps, dtype=np.float64)
    return np.asarray(np.unique(np.round(widths / frame)) * frame) if frame > 0 else widths


def _search_zone(field: Field, zone: Zone, clock: F64, total: F64, widths: F64, log_limit: float) -> _Windows:
    """Most significant window of each cell of a zone, if below the limit."""
    events = field.observation.events
    side = 2.0 * max(round(zone.r80), 1)
    away = np.hypot(events.x - np.float32(field.spread.x), events.y - np.float32(field.spread.y))
    rows = np.flatnonzero((away >= zone.inner - side) & (away < zone.outer + side)).astype(np.int32)
    del away
    if not len(rows):
        return _Windows(*np.empty((4, 0)), *np.empty((4, 0), dtype=np.int64), *np.empty((2, 0)))
    x, y, t, whole = events.x[rows], events.y[rows], clock[rows], total[rows]
    left, bottom = math.floor(float(x.min())) - 0.5, math.floor(float(y.min())) - 0.5
    right, top = float(x.max()), float(y.max())
    grids = []
    for along_x, along_y in _SHIFTS:
        x0, y0 = left - round(along_x * side), bottom - round(along_y * side)
        nx, ny = int((right - x0) / side) + 1, int((top - y0) / side) + 1
        order, begins = sort_into_cells(x, y, x0, y0, side, nx, ny)
        best = _scan(begins, order, t, whole, widths, field.observation.frame_time, log_limit)
        cell, photons, in_cell, first, last = best[:, 2:7].T.astype(np.int64)
        grids.append(
            _Windows(
                x=x0 + (cell % nx + 0.5) * side,
                y=y0 + (cell // nx + 0.5) * side,
                side=np.full(len(cell), side),
                log_p=best[:, 0],
                photons=photons,
                in_cell=in_cell,
                first=rows[first].astype(np.int64),
                last=rows[last].astype(np.int64),
                width=best[:, 1],
                share=best[:, 7],
            )
        )
    return _Windows(*(np.concatenate(columns) for columns in zip(*grids, strict=True)))


@njit(cache=True, nogil=True)
def _critical_counts(n: int, q: float, log_limit: float) -> int:
    """Smallest significant number of n other photons in a window of probability q; above n if none is."""
    mean = n * q
    k = max(int(mean + 2 * math.sqrt(mean)), 1)
    while k <= n and log_binomial_tail(k, n, q) >= log_limit:
        k += 1
    return k


@njit(cache=True, nogil=True)
def _scan(begins: Any, order: Any, clock: Any, total: Any, widths: Any, frame: float, log_limit: float) -> Any:
    """Most significant window of each cell, if below the limit.

    Returns rows of ln p, width, cell, photons inside, photons of the cell, first and last photon, share of livetime.
    """
    found = np.empty((256, 8))
    hits = 0
    for cell in range(len(begins) - 1):
        begin, end = begins[cell], begins[cell + 1]
        n = end - begin
        if n < 3:
            continue
        t = clock[order[begin:end]]
        best = np.zeros(8)
        for width in widths:
            q = width / total[order[begin]]
            critical = _critical_counts(n - 1, q, log_limit) if q < 0.5 else n
            if critical > n - 1:
                continue
            # Photons have the time of the middle of their frame: m frames span m - 1 frame times.
            reach = width - 0.5 * frame
            for first in range(n - critical):
                if t[first + critical] - t[first] > reach:
                    continue
                last = first + critical + 1
                while last < n and t[last] - t[first] <= reach:
                    last += 1
                others = last - first - 1
                log_p = log_binomial_tail(others, n - 1, q)
                if log_p < best[0]:
                    ends = (float(order[begin + first]), float(order[begin + last - 1]))
                    best = np.array((log_p, width, float(cell), others + 1.0, float(n), ends[0], ends[1], q))
        if best[0] < log_limit:
            if hits == len(found):
                found = np.concatenate((found, np.empty_like(found)))
            found[hits] = best
            hits += 1
    return found[:hits].copy()


def _correct_for_field_flares(windows: _Windows, field: Field, log_limit: float) -> _Windows:
    """Remove windows explained by a flare of the whole field, as by soft protons."""
    share, log_p = windows.share.copy(), windows.log_p.copy()
    surroundings = Surroundings(field)
    for i in range(len(share)):
        window = slice(int(windows.first[i]), int(windows.last[i]) + 1)
        others, rest = surroundings.count(float(windows.x[i]), float(windows.y[i]), window)
        # Only a significant excess of the rest of the field replaces the steady sky, so small numbers add no noise.
        if log_poisson_tail(others, max(rest, 1) * float(share[i])) < _MAX_LOG_P:
            share[i] = min(others / max(rest, 1), 0.999)
            log_p[i] = log_binomial_tail(int(windows.photons[i]) - 1, int(windows.in_cell[i]) - 1, float(share[i]))
    return windows._replace(share=share, log_p=log_p).take(log_p < log_limit).sort_by_significance()


def _select_bursts(
    windows: _Windows,
    field: Field,
    image: tuple[F64, Sequence[Trail]],
    settings: SourceDetectionSettings,
    log_limit: float,
    trials: float,
) -> list[Burst]:
    """Fit positions of bursts, and select those not explained by the wings of a source or a stronger burst."""
    bursts: list[Burst] = []
    hosts: set[int] = set()
    image_sources, trails = image
    explained = image_sources
    for i in range(len(windows.x)):
        window = slice(int(windows.first[i]), int(windows.last[i]) + 1)
        cell = float(windows.x[i]), float(windows.y[i]), float(windows.side[i])
        photons, share = int(windows.photons[i]), float(windows.share[i])
        width, expected = float(windows.width[i]), trials * math.exp(float(windows.log_p[i]))
        steady = max(float(windows.in_cell[i]) - photons, 1.0) * share / (1 - share)
        start = np.array([[*_median_position(field, cell, window), windows.log_p[i], photons, steady / cell[2] ** 2]])
        fitted = fit_positions(field, start, window)[0]
        host = _host(fitted, explained, field)
        if host >= 0:
            if host < len(image_sources) and host not in hosts:
                hosts.add(host)
                bursts.append(Burst(fitted, window, width, host, expected))
            continue
        if field.observation.grating and _is_on_trail(cell, trails):
            continue
        from_others = _explained_by(cell, window, field, explained, settings.wing_factor)
        from_others += settings.wing_factor * _strayed(cell, window, field, image)
        if fitted[3] < settings.min_counts - 1 or log_poisson_tail(photons, steady + from_others) >= log_limit:
            continue
        bursts.append(Burst(fitted, window, width, -1, expected))
        explained = np.concatenate([explained, fitted[None, :]])
    return bursts


def _median_position(field: Field, cell: tuple[float, float, float], window: slice) -> tuple[float, float]:
    """Median position of the photons in cell and window, a start that is robust against background photons."""
    events = field.observation.events
    x, y, half = events.x[window], events.y[window], cell[2] / 2
    mine = (np.abs(x - cell[0]) <= half) & (np.abs(y - cell[1]) <= half)
    return float(np.median(x[mine])), float(np.median(y[mine]))


def _host(fitted: F64, sources: F64, field: Field) -> int:
    """Row of the source that a burst coincides with, -1 for none."""
    if not len(sources):
        return -1
    away = np.hypot(sources[:, 0] - fitted[0], sources[:, 1] - fitted[1])
    nearest = int(np.argmin(away))
    r90 = field.shape_at(float(fitted[0]), float(fitted[1])).r90
    return nearest if away[nearest] < max(r90, 1.5) else -1


def _is_on_trail(cell: tuple[float, float, float], trails: Sequence[Trail]) -> bool:
    x, y, half = (np.array([one]) for one in (cell[0], cell[1], cell[2] / 2))
    return any(bool(one.touches(x, y, half)[0]) for one in trails)


def _strayed(
    cell: tuple[float, float, float], window: slice, field: Field, image: tuple[F64, Sequence[Trail]]
) -> float:
    """Expected photons in the cell on trails of other sources, from the photons of each source in the window."""
    sources, trails = image
    events = field.observation.events
    total = 0.0
    for row, share in trail_shares(trails, cell[0], cell[1], cell[2] / math.sqrt(math.pi)).items():
        x, y = float(sources[row, 0]), float(sources[row, 1])
        reach = max(field.shape_at(x, y).r80, 1.0)
        total += share / 0.8 * np.count_nonzero(np.hypot(events.x[window] - x, events.y[window] - y) <= reach)
    return total


def _explained_by(
    cell: tuple[float, float, float], window: slice, field: Field, sources: F64, wing_factor: float
) -> float:
    """Expected photons of other sources in the cell, from the photons of each source in the window."""
    events = field.observation.events
    x, y = events.x[window], events.y[window]
    away = np.hypot(sources[:, 0] - cell[0], sources[:, 1] - cell[1])
    total = 0.0
    for source, distance in zip(sources[away < 30 * cell[2]], away[away < 30 * cell[2]], strict=True):
        shape = field.shape_at(float(source[0]), float(source[1]))
        reach = max(shape.r80, 1.0)
        counts = np.count_nonzero(np.hypot(x - source[0], y - source[1]) <= reach)
        nearest = max(float(distance) - cell[2] / 4, 0.0)
        if nearest < reach:
            # The source overlaps the cell, which may have all its photons.
            total += float(counts)
        else:
            total += wing_factor * counts / 0.8 * shape.density(nearest) * cell[2] ** 2
    return total
