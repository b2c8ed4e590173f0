"""Bursts too short to show on the image: windows slid over the time-sorted photons of point-spread-sized cells.

Each photon opens a window. Given the photons of its cell, all of them spread evenly over the livetime if the sky is
steady; the chance that so many of the others fall into the window is binomial, which is exact however few there are and
whatever the cell's rate. Trials are the photons, times window lengths, times shifted grids.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.gti import combine_exposures
from xherald.photons.pixel_index import sort_into_cells

from .field_model import Field, Zone
from .positions import fit_positions
from .settings import FindingSettings
from .tail_probabilities import log_binomial_tail, log_poisson_tail

__all__ = ["Burst", "burst_sources"]


_SHIFTS = ((0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5))
"""Grids in units of the cell's side: every place is at least a quarter of a side from the edge of some cell."""

_TRIALS_A_WINDOW = 0.15
"""Independent trials a photon, window length and grid: windows of neighbouring photons, lengths and grids share
photons. Calibrated on simulated empty fields (tests/photons/test_source_detection.py)."""

_STEP = 2.0
"""Ratio of one window length to the next."""

_SURE = -7.0
"""ln of the chance below which the field as a whole counts as brighter in a window: about one in a thousand."""


class _Hits(NamedTuple):
    """Windows that chance does not explain, one a cell of a grid; arrays of shape (h,).

    Parameters
    ----------
    x, y, side : middle and side of the cell, sky pixels
    log_p : ln of the chance
    photons : in cell and window
    in_cell : photons of the cell at any time
    first, last : rows of the first and last of them in the event list
    width : of the window, s of livetime
    share : of the livetime that the window takes
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

    def take(self, chosen: NDArray[Any]) -> _Hits:
        """Keep the chosen ones."""
        return _Hits(*(column[chosen] for column in self))

    def most_significant_first(self) -> _Hits:
        """Sorted so that the order does not hang on how the hits were found."""
        return self.take(np.lexsort((self.first, self.x, self.y, self.log_p)))


@dataclass(frozen=True, slots=True, eq=False)
class Burst:
    """A source seen in a window only, or a window in which a known source flared.

    Parameters
    ----------
    source : ndarray, shape (5,) — x, y, ln p, net counts, background a square pixel (both in the window)
    window : slice — rows of the event list
    width : float — of the window, s of livetime
    host : int — row of the known source that it belongs to; -1 where it is a source of its own
    expected : float — number of bursts as unlikely that chance makes in the whole search of a steady field
    """

    source: F64
    window: slice
    width: float
    host: int
    expected: float


def burst_sources(field: Field, settings: FindingSettings, known: F64) -> list[Burst]:
    """Find bursts: sources of their own, and the most significant one of each known source.

    Parameters
    ----------
    field : Field
    settings : FindingSettings
    known : ndarray, shape (s, 5)
        Sources found on the image: x, y, ln p, net counts, background a square pixel.
    """
    clock, total = _livetime_clock(field)
    widths = _window_widths(field, settings, float(total.max(initial=0.0)))
    if not len(widths):
        return []
    trials = _TRIALS_A_WINDOW * max(len(clock), 1) * len(widths) * len(_SHIFTS)
    log_limit = min(math.log(0.5 * settings.false_sources / trials), _SURE)
    zones = [_zone_hits(field, zone, clock, total, widths, log_limit) for zone in field.zones]
    hits = _Hits(*(np.concatenate(columns) for columns in zip(*zones, strict=True)))
    hits = _above_field_flares(hits, len(clock), log_limit)
    return _distinct(hits, field, known, settings, log_limit, trials)


def _livetime_clock(field: Field) -> tuple[F64, F64]:
    """Livetime before each photon, s, and the whole livetime of its detectors, gaps closed.

    Detectors that look at the same sky (telescope modules) share a clock; CCDs beside each other have their own.
    """
    observation, events = field.observation, field.observation.events
    clock, total = np.zeros(len(events)), np.ones(len(events))
    for numbers in _looking_together(field):
        exposure = combine_exposures([observation.detector(k).gti for k in numbers], [1.0] * len(numbers))
        mine = np.isin(events.detector, numbers)
        clock[mine] = exposure.livetime_at(events.time[mine])
        total[mine] = exposure.livetime
    return clock, total


def _looking_together(field: Field) -> list[list[int]]:
    """Detectors grouped by whether one's middle lies on another."""
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


def _window_widths(field: Field, settings: FindingSettings, livetime: float) -> F64:
    """Geometric ladder of window widths, s of livetime, in whole frames."""
    frame = field.observation.frame_time
    shortest, longest = max(settings.shortest_slice_s, frame), settings.longest_slice_fraction * livetime
    if longest < shortest:
        return np.empty(0)
    steps = np.arange(int(math.log(longest / shortest, _STEP)) + 1)
    widths = np.asarray(shortest * _STEP**steps, dtype=np.float64)
    return np.asarray(np.unique(np.round(widths / frame)) * frame) if frame > 0 else widths


def _zone_hits(field: Field, zone: Zone, clock: F64, total: F64, widths: F64, log_limit: float) -> _Hits:
    """Best window of each cell of a zone, where it is below the limit."""
    events = field.observation.events
    side = 2.0 * max(round(zone.r80), 1)
    away = np.hypot(events.x - np.float32(field.spread.x), events.y - np.float32(field.spread.y))
    rows = np.flatnonzero((away >= zone.inner - side) & (away < zone.outer + side)).astype(np.int32)
    del away
    if not len(rows):
        return _Hits(*np.empty((4, 0)), *np.empty((4, 0), dtype=np.int64), *np.empty((2, 0)))
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
            _Hits(
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
    return _Hits(*(np.concatenate(columns) for columns in zip(*grids, strict=True)))


@njit(cache=True, nogil=True)
def _critical_counts(n: int, q: float, log_limit: float) -> int:
    """Fewest other photons of n that make a window of chance q significant; n + 1 where none can."""
    mean = n * q
    k = max(int(mean + 2 * math.sqrt(mean)), 1)
    while k <= n and log_binomial_tail(k, n, q) >= log_limit:
        k += 1
    return k


@njit(cache=True, nogil=True)
def _scan(begins: Any, order: Any, clock: Any, total: Any, widths: Any, frame: float, log_limit: float) -> Any:
    """Best window of each cell.

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
            # Frames are counted from middle to middle: m frames hold photons up to m - 1 frames after the first.
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


def _above_field_flares(hits: _Hits, everything: int, log_limit: float) -> _Hits:
    """Drop what the whole field did at that time: soft protons and the like light up every cell alike."""
    others = hits.last - hits.first + 1 - hits.photons
    rest = np.maximum(everything - hits.in_cell, 1)
    share, log_p = hits.share.copy(), hits.log_p.copy()
    for i in range(len(share)):
        # Only a sure excess of the rest of the field replaces the steady sky, so that small numbers add no noise.
        if log_poisson_tail(int(others[i]), float(rest[i] * share[i])) < _SURE:
            share[i] = min(others[i] / rest[i], 0.999)
            log_p[i] = log_binomial_tail(int(hits.photons[i]) - 1, int(hits.in_cell[i]) - 1, float(share[i]))
    return hits._replace(share=share, log_p=log_p).take(log_p < log_limit).most_significant_first()


def _distinct(
    hits: _Hits, field: Field, known: F64, settings: FindingSettings, log_limit: float, trials: float
) -> list[Burst]:
    """Place the bursts, and keep those that the wings of no known source and of no stronger burst explain."""
    bursts: list[Burst] = []
    hosts: set[int] = set()
    explained = known
    for i in range(len(hits.x)):
        window = slice(int(hits.first[i]), int(hits.last[i]) + 1)
        cell = float(hits.x[i]), float(hits.y[i]), float(hits.side[i])
        photons, share = int(hits.photons[i]), float(hits.share[i])
        width, expected = float(hits.width[i]), trials * math.exp(float(hits.log_p[i]))
        steady = max(float(hits.in_cell[i]) - photons, 1.0) * share / (1 - share)
        start = np.array([[*_middle(field, cell, window), hits.log_p[i], photons, steady / cell[2] ** 2]])
        placed = fit_positions(field, start, window)[0]
        host = _host(placed, explained, field)
        if host >= 0:
            if host < len(known) and host not in hosts:
                hosts.add(host)
                bursts.append(Burst(placed, window, width, host, expected))
            continue
        from_others = _explained_by(cell, window, field, explained, settings.wing_factor)
        if placed[3] < settings.min_counts - 1 or log_poisson_tail(photons, steady + from_others) >= log_limit:
            continue
        bursts.append(Burst(placed, window, width, -1, expected))
        explained = np.concatenate([explained, placed[None, :]])
    return bursts


def _middle(field: Field, cell: tuple[float, float, float], window: slice) -> tuple[float, float]:
    """Median place of the window's photons in the cell: a start that one or two background photons do not pull off."""
    events = field.observation.events
    x, y, half = events.x[window], events.y[window], cell[2] / 2
    mine = (np.abs(x - cell[0]) <= half) & (np.abs(y - cell[1]) <= half)
    return float(np.median(x[mine])), float(np.median(y[mine]))


def _host(placed: F64, known: F64, field: Field) -> int:
    """Row of the known source inside which a burst lies, -1 for none."""
    if not len(known):
        return -1
    away = np.hypot(known[:, 0] - placed[0], known[:, 1] - placed[1])
    nearest = int(np.argmin(away))
    r90 = field.shape_at(float(placed[0]), float(placed[1])).r90
    return nearest if away[nearest] < max(r90, 1.5) else -1


def _explained_by(
    cell: tuple[float, float, float], window: slice, field: Field, known: F64, wing_factor: float
) -> float:
    """Photons in the cell and the window that known sources account for, by what each of them did in that window."""
    events = field.observation.events
    x, y = events.x[window], events.y[window]
    away = np.hypot(known[:, 0] - cell[0], known[:, 1] - cell[1])
    total = 0.0
    for source, distance in zip(known[away < 30 * cell[2]], away[away < 30 * cell[2]], strict=True):
        shape = field.shape_at(float(source[0]), float(source[1]))
        reach = max(shape.r80, 1.0)
        counts = np.count_nonzero(np.hypot(x - source[0], y - source[1]) <= reach)
        nearest = max(float(distance) - cell[2] / 4, 0.0)
        if nearest < reach:
            # The source reaches into the cell itself: the cell may hold all that the source has.
            total += float(counts)
        else:
            total += wing_factor * counts / 0.8 * shape.density(nearest) * cell[2] ** 2
    return total
