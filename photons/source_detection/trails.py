"""Straight trails of bright sources: read-out streaks, arms of the point spread, dispersed spectra: `find_trails`.

A trail is a line through its source along which photons are in excess of the lines beside it, over much of its length.
Nothing is assumed of the instrument. Around each bright source photons are counted by distance and direction; a point
source on the line adds to one distance only, and its contribution is capped.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F64, Mask

from .field_model import Field
from .tail_probabilities import log_poisson_tail

__all__ = ["Trail", "find_trails", "renumber"]


MIN_COUNTS: Final = 150.0
"""Sources with fewer counts have no trail that could be taken for a source unless it is known (`known_trails`)."""

MAX_SOURCES: Final = 40
"""The brightest sources, whose trails are searched."""

N_DIRECTIONS: Final = 8192
N_SEGMENTS: Final = 24
"""Directions and distances in which photons around a source are counted."""

MAX_EVIDENCE: Final = 6.0
"""Largest contribution of a segment to the evidence of a trail, −ln p."""

MIN_EVIDENCE: Final = 66.0
"""Evidence of a trail. Without one the sum over segments exceeds 54 in one of a million directions; two sources that
lie on the line by chance add 12."""

SIDE_OFFSETS: Final = (3.0, 4.5, 6.0)
"""Distances of the lines beside a trail that it is compared with, in half-widths."""

MAX_TRAILS: Final = 8
"""Of one source."""


@dataclass(frozen=True, slots=True, eq=False)
class Trail:
    """A ray from a source along which its photons are spread.

    Parameters
    ----------
    source : int
        Row of the source.
    x, y : float
        The source, sky pixels.
    direction : (float, float)
        Unit vector.
    half_width : float
        Sky pixels.
    edges : ndarray, shape (k + 1,)
        Distances from the source, sky pixels.
    level : ndarray, shape (k,)
        Fraction of the photons of the source per pixel of length between these distances.
    """

    source: int
    x: float
    y: float
    direction: tuple[float, float]
    half_width: float
    edges: F64
    level: F64

    def share(self, x: F64, y: F64, radius: F64) -> F64:
        """Fraction of the photons of the source, as counted, that the trail puts into each disc; shape (n,)."""
        along, across = self._offsets(x, y)
        out = np.zeros(len(along))
        met = np.flatnonzero(across < self.half_width + radius)  # few, of many sources and directions
        if not len(met):
            return out
        along, across, radius = along[met], across[met], radius[met]
        # The mean chord of the lines of the trail through the disc.
        lines = across[:, None] + self.half_width * np.linspace(-1.0, 1.0, 9)
        chord = 2.0 * np.sqrt(np.maximum(radius[:, None] ** 2 - lines**2, 0.0)).mean(axis=1)
        low = np.clip((along - chord / 2)[:, None], self.edges[:-1], None)
        high = np.clip((along + chord / 2)[:, None], None, self.edges[1:])
        out[met] = (np.maximum(high - low, 0.0) * self.level).sum(axis=1)
        return out

    def touches(self, x: F64, y: F64, radius: F64) -> Mask:
        """Whether each disc overlaps with the line where there is a trail; shape (n,)."""
        along, across = self._offsets(x, y)
        lit = np.flatnonzero(self.level > 0)
        first, last = (self.edges[lit[0]], self.edges[lit[-1] + 1]) if len(lit) else (math.inf, -math.inf)
        touched: Mask = (across <= 2 * self.half_width + radius) & (along >= first - radius) & (along <= last + radius)
        return touched

    def _offsets(self, x: F64, y: F64) -> tuple[F64, F64]:
        """Distances along the trail and, without sign, from it."""
        dx, dy = np.asarray(x) - self.x, np.asarray(y) - self.y
        (u, v) = self.direction
        return dx * u + dy * v, np.abs(dx * v - dy * u)


def find_trails(field: Field, sources: F64) -> list[Trail]:
    """Find the trails of the bright sources of a field.

    Parameters
    ----------
    field : Field
    sources : ndarray, shape (s, 5) — x, y, ln p, net counts, background per square pixel
    """
    bright = [int(i) for i in np.argsort(-sources[:, 3])[:MAX_SOURCES] if sources[i, 3] >= MIN_COUNTS]
    trails: list[Trail] = []
    for i in bright:
        x, y = sources[i : i + 1, :2].T
        if any(one.touches(x, y, np.ones(1))[0] or _is_near(one, sources[i], field) for one in trails):
            # A detection on a trail or in the core of a brighter source.
            continue
        trails.extend(_trails_of(field, sources, i))
    return trails


def renumber(trails: Sequence[Trail], kept: Sequence[int]) -> list[Trail]:
    """The trails of some of the sources, given by their rows, in terms of the new rows."""
    rows = {old: new for new, old in enumerate(kept)}
    return [replace(one, source=rows[one.source]) for one in trails if one.source in rows]


def _is_near(trail: Trail, source: F64, field: Field) -> bool:
    reach = 3.0 * field.shape_at(trail.x, trail.y).r90
    return math.hypot(source[0] - trail.x, source[1] - trail.y) < reach


def _trails_of(field: Field, sources: F64, i: int) -> list[Trail]:
    x, y, counts = (float(sources[i, k]) for k in (0, 1, 3))
    shape = field.shape_at(x, y)
    half = max(1.5 * shape.r50, 1.5)
    events = field.observation.events
    left, right, bottom, top = field.corners
    farthest = max(math.hypot(cx - x, cy - y) for cx in (left, right) for cy in (bottom, top))
    nearest = max(1.5 * shape.r90, 4.0)
    if farthest < 4 * nearest:
        return []
    edges = np.linspace(math.sqrt(nearest), math.sqrt(farthest), N_SEGMENTS + 1) ** 2
    counted = _count_directions(events.x, events.y, x, y, edges, N_DIRECTIONS)
    middle = 0.5 * (edges[1:] + edges[:-1])
    band, side = _bands(counted, half / middle)
    evidence = _evidence(band, side)
    trails: list[Trail] = []
    total = evidence.sum(axis=0)
    while len(trails) < MAX_TRAILS:
        best = int(np.argmax(total))
        if total[best] < MIN_EVIDENCE:
            break
        best = _refine(total, band, best)
        level = np.maximum(_median_of_three(band[:, best] - side[:, best]), 0.0) / np.diff(edges) / counts
        angle = 2 * math.pi * (best + 0.5) / N_DIRECTIONS - math.pi
        direction = (math.cos(angle), math.sin(angle))
        # Closer in, where the source itself outshines it, the trail is taken to be as bright as where it is first seen.
        level, reached = np.concatenate([[level[:2].max()], level]), np.concatenate([[0.0], edges])
        trails.append(Trail(i, x, y, direction, half, reached, level))
        # Directions whose lines overlap with this one over most of its length.
        reach = math.ceil(2.5 * half / float(np.median(middle)) / (2 * math.pi) * N_DIRECTIONS)
        total[(np.arange(best - reach, best + reach + 1)) % N_DIRECTIONS] = 0.0
    return trails


@njit(cache=True, nogil=True)
def _count_directions(ex: Any, ey: Any, x: float, y: float, edges: Any, directions: int) -> Any:
    """Photons by distance and direction from a source, shape (segments, directions)."""
    segments = len(edges) - 1
    counted = np.zeros((segments, directions))
    first, last = math.sqrt(edges[0]), math.sqrt(edges[-1])
    step = (last - first) / segments
    for k in range(len(ex)):
        dx, dy = ex[k] - x, ey[k] - y
        far = math.sqrt(math.sqrt(dx * dx + dy * dy))
        if far < first or far >= last:
            continue
        segment = min(int((far - first) / step), segments - 1)
        direction = int((math.atan2(dy, dx) + math.pi) / (2 * math.pi) * directions) % directions
        counted[segment, direction] += 1.0
    return counted


def _bands(counted: F64, half_angles: F64) -> tuple[F64, F64]:
    """Counts in the band along each direction, and those expected from the bands beside it."""
    n = counted.shape[1]
    band, side = np.empty_like(counted), np.empty_like(counted)
    for k, half in enumerate(np.minimum(half_angles, 0.25)):
        width = max(round(half / (2 * math.pi) * n), 0)
        padded = np.concatenate([counted[k, n - width :], counted[k], counted[k, : width + 1]])
        summed = np.concatenate([[0.0], np.cumsum(padded)])
        band[k] = summed[2 * width + 1 : 2 * width + 1 + n] - summed[:n]
        shifts = [round(offset * half / (2 * math.pi) * n) for offset in SIDE_OFFSETS]
        shifts = [max(shift, 2 * width + 1 + step) for step, shift in enumerate(shifts)]
        before = sum(np.roll(band[k], shift) for shift in shifts)
        after = sum(np.roll(band[k], -shift) for shift in shifts)
        # The larger of both sides, since one may lie outside the field; a count more, since few are uncertain.
        side[k] = (np.maximum(before, after) + 1.0) / len(SIDE_OFFSETS)
    return band, side


@njit(cache=True, nogil=True)
def _evidence(band: Any, side: Any) -> Any:
    out = np.zeros_like(band)
    for k in range(band.shape[0]):
        for j in range(band.shape[1]):
            if band[k, j] > side[k, j]:
                out[k, j] = min(-log_poisson_tail(int(band[k, j]), side[k, j]), MAX_EVIDENCE)
    return out


def _refine(total: F64, band: F64, best: int) -> int:
    """The direction with the most photons among those near the best with nearly the same evidence."""
    near = np.arange(best - 30, best + 31) % len(total)
    near = near[total[near] >= 0.9 * total[best]]
    photons = band[:, near].sum(axis=0)
    return int(near[np.flatnonzero(photons == photons.max())[np.count_nonzero(photons == photons.max()) // 2]])


def _median_of_three(values: F64) -> F64:
    """Running median, so that a source on the line does not count as the trail."""
    padded = np.concatenate([values[1:2], values, values[-2:-1]])
    return np.asarray(np.median(np.stack([padded[:-2], padded[1:-1], padded[2:]]), axis=0), dtype=np.float64)
