"""Photons of bright sources in the apertures and background regions of others: `avoid_stray_photons`, `add_strays`.

A background region leaves out the directions in which the wings, arms or streaks of a neighbour outshine the rest, so
that its flares do not look like dips here. What of them reaches the aperture itself is added to its background, photon
by photon, so that the expectation follows the neighbour in time.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np

from xherald.photons.apertures import ApertureSettings
from xherald.photons.arrays import F64, I64, Mask
from xherald.photons.batch import EventBatch
from xherald.photons.observation import Observation
from xherald.photons.regions import Annulus, Aperture, Polygon

from .field_model import Field
from .known_trails import known_trails

__all__ = ["StrayPhotons", "add_strays", "avoid_stray_photons"]


MAX_SOURCES: Final = 30
"""The brightest sources, whose photons are followed."""

MIN_COUNTS: Final = 50

MAX_COUNTS: Final = 0.3
"""Photons of a neighbour, scaled to the aperture, that may be in a background region."""

MAX_SIGMA: Final = 0.1
"""The same in units of the counting error of the source, where that is more."""

MAX_RADII: Final = 8.0
"""Distance to which wings are followed, in 90 % radii."""

DIRECTIONS: Final = 72
RADII: Final = 8
"""Points of an annulus at which photons of neighbours are predicted."""

DISC: Final = np.array(
    [(math.sqrt((ring + 0.5) / 8) * math.cos(turn), math.sqrt((ring + 0.5) / 8) * math.sin(turn))
     for ring in range(8) for turn in (np.arange(16) + 0.5 * (ring % 2)) * math.pi / 8]
)  # fmt: skip
"""Points of equal areas in a disc of radius 1, shape (128, 2)."""

MIN_DIRECTIONS: Final = 18
"""Fewest directions of a background region, if these have photons of neighbours, too."""

MAX_GROWTH: Final = 1.6
"""Largest factor by which an annulus grows to make up for directions that are left out."""


@dataclass(frozen=True, slots=True, eq=False)
class StrayPhotons:
    """Photons that stray from bright sources into the apertures of others.

    Parameters
    ----------
    source, target : ndarray, shape (k,) — index of the bright source, and of the other
    counts : ndarray, shape (k,)
        Photons of the one expected in the aperture of the other, beyond those that its background region has.
    total : ndarray, shape (k,)
        Photons in the aperture of the bright source.
    """

    source: I64
    target: I64
    counts: F64
    total: F64


def avoid_stray_photons(
    observation: Observation, apertures: Sequence[Aperture], settings: ApertureSettings | None = None
) -> tuple[list[Aperture], StrayPhotons]:
    """Background regions without the photons of bright neighbours, and what reaches the apertures themselves.

    Parameters
    ----------
    observation : Observation
    apertures : sequence of Aperture
    settings : ApertureSettings, optional

    Returns
    -------
    list of Aperture
        The same, with parts of annuli as background regions where neighbours are bright.
    StrayPhotons
    """
    settings = settings or ApertureSettings()
    nothing = StrayPhotons(*np.zeros((2, 0), dtype=np.int64), *np.zeros((2, 0)))
    if observation.projection is None or observation.point_spread is None or len(apertures) < 2:
        return list(apertures), nothing
    field = Field(observation, settings.energy_kev)
    if not field.footprint.hulls:
        return list(apertures), nothing
    neighbours = _Neighbours(field, apertures)
    kept: list[Aperture] = []
    found: list[tuple[int, int, float, float]] = []
    for i, aperture in enumerate(apertures):
        if not isinstance(aperture.background, Annulus):
            kept.append(aperture)
            continue
        background, strays = _clean_background(neighbours, i, aperture.background, settings)
        kept.append(aperture if background is None else replace(aperture, background=background))
        found.extend((b, i, count, float(neighbours.held[b])) for b, count in strays)
    if not found:
        return kept, nothing
    columns = np.array(found, dtype=np.float64).T
    return kept, StrayPhotons(columns[0].astype(np.int64), columns[1].astype(np.int64), columns[2], columns[3])


def add_strays(batch: EventBatch, strays: StrayPhotons) -> EventBatch:
    """Add photons of bright neighbours to the backgrounds of the sources that they stray to.

    As many of a neighbour's photons as, times the ratio of areas, give the expected number, evenly chosen in its
    order of time. Sources without a background region have none. The photons of all these sources count the same, since
    weights take the background of an aperture to be uniform.
    """
    if not len(strays.source):
        return batch
    weight = batch.weight.copy()
    for i in np.unique(strays.target).tolist():
        weight[batch.offsets[i] : batch.offsets[i + 1]] = 1.0
    times, energies = [], []
    for i in range(len(batch)):
        own = slice(batch.background_offsets[i], batch.background_offsets[i + 1])
        time, energy = [batch.background_time[own]], [batch.background_energy[own]]
        for k in np.flatnonzero((strays.target == i) & (batch.area_ratio[i] > 0)):
            begin, end = batch.offsets[strays.source[k]], batch.offsets[strays.source[k] + 1]
            wanted = round(float(strays.counts[k]) / float(batch.area_ratio[i]))
            chosen = begin + np.floor((np.arange(wanted) + 0.5) / max(wanted, 1) * (end - begin)).astype(np.int64)
            if end > begin:
                time.append(batch.time[chosen])
                energy.append(batch.energy[chosen])
        joined = np.concatenate(time)
        order = np.argsort(joined, kind="stable")
        times.append(joined[order])
        energies.append(np.concatenate(energy)[order])
    return replace(
        batch,
        weight=weight,
        background_time=np.concatenate(times),
        background_energy=np.concatenate(energies),
        background_offsets=np.cumsum([0, *(len(one) for one in times)]).astype(np.int64),
    )


class _Neighbours:
    """Bright sources of a field, and the photons that they put elsewhere."""

    def __init__(self, field: Field, apertures: Sequence[Aperture]) -> None:
        projection = field.observation.require_projection()
        self.field = field
        ra, dec = np.array([(one.ra, one.dec) for one in apertures]).T
        self.x, self.y = projection.to_pixel(ra, dec)
        self.radius = np.sqrt(np.array([one.region.area for one in apertures]) / math.pi) / field.pixel
        shapes = [field.shape_at(x, y) for x, y in zip(self.x.tolist(), self.y.tolist(), strict=True)]
        self.core, self.slope = np.array([(one.core, one.slope) for one in shapes]).T
        self.r90 = np.array([one.r90 for one in shapes])
        self.held = np.array([self._count(i) for i in range(len(apertures))], dtype=np.float64)
        enclosed = 1.0 - (1.0 + (self.radius / self.core) ** 2) ** -self.slope
        self.counts = self.held / enclosed
        order = np.argsort(-self.counts)[:MAX_SOURCES]
        self.bright = order[self.counts[order] >= MIN_COUNTS]
        rows = np.column_stack([self.x, self.y, np.zeros_like(self.x), self.counts, np.zeros_like(self.x)])
        trails = known_trails(field, rows) if len(self.bright) else []
        self.trails = {b: [one for one in trails if one.source == b] for b in {one.source for one in trails}}
        lines = [(one.source, one.x, one.y, *one.direction, one.half_width) for one in trails]
        self.lines = np.array(lines, dtype=np.float64).reshape(-1, 6)
        self._deblend(enclosed)
        self.bright = self.bright[self.counts[self.bright] >= MIN_COUNTS]

    def _deblend(self, enclosed: F64) -> None:
        """Divide the photons of the bright sources' apertures among the sources, by least squares."""
        from scipy.optimize import nnls

        if not len(self.bright):
            return
        share = np.array([[self._share_in_aperture(int(b), int(i)) for b in self.bright] for i in self.bright])
        # The beginning of its own trails is in the aperture of a source, too, but not part of its wings.
        own = [float(self._on_trails(int(b), *self._place(int(b)), float(self.radius[b]))[0]) for b in self.bright]
        np.fill_diagonal(share, enclosed[self.bright] + np.array(own))
        error = np.sqrt(np.maximum(self.held[self.bright], 1.0))
        self.counts[self.bright] = nnls(share / error[:, None], self.held[self.bright] / error)[0]

    def _count(self, i: int) -> int:
        px, py = self.field.near(float(self.x[i]), float(self.y[i]), float(self.radius[i]))
        return int(np.count_nonzero((px - self.x[i]) ** 2 + (py - self.y[i]) ** 2 <= self.radius[i] ** 2))

    def reach(self, i: int, outer: float) -> list[int]:
        """Bright sources other than source i whose wings or trails may reach within `outer` pixels of it."""
        away = np.hypot(self.x[self.bright] - self.x[i], self.y[self.bright] - self.y[i])
        near = away <= MAX_RADII * self.r90[self.bright] + 6.0 * self.radius[i]
        source, x, y, u, v, half_width = self.lines.T
        across = np.abs((self.x[i] - x) * v - (self.y[i] - y) * u)
        crossing = source[across < half_width + outer + self.radius[i]].astype(np.int64)
        reaching = np.union1d(self.bright[near], np.intersect1d(crossing, self.bright))
        return [b for b in reaching.tolist() if b != i]

    def predict(self, b: int, x: F64, y: F64, radius: float) -> F64:
        """Photons of source b in discs about the positions, at the density of their centres."""
        share = self._wings(b, x, y) * math.pi * radius**2 + self._on_trails(b, x, y, radius)
        return np.asarray(self.counts[b] * np.minimum(share, 1.0))

    def predict_in_aperture(self, b: int, i: int) -> float:
        """Photons of source b in the aperture of source i."""
        return float(self.counts[b]) * self._share_in_aperture(b, i)

    def _share_in_aperture(self, b: int, i: int) -> float:
        """Fraction of the photons of source b in the aperture of source i, across which their density may fall."""
        radius, (x, y) = float(self.radius[i]), self._place(i)
        share = float(self._wings(b, x + radius * DISC[:, 0], y + radius * DISC[:, 1]).mean()) * math.pi * radius**2
        return min(share + float(self._on_trails(b, x, y, radius)[0]), 1.0)

    def _place(self, i: int) -> tuple[F64, F64]:
        return self.x[i : i + 1], self.y[i : i + 1]

    def _wings(self, b: int, x: F64, y: F64) -> F64:
        """Fraction of the photons of source b per square pixel."""
        r2 = (x - self.x[b]) ** 2 + (y - self.y[b]) ** 2
        core, slope = float(self.core[b]), float(self.slope[b])
        density = slope / (math.pi * core**2) * (1.0 + r2 / core**2) ** (-slope - 1.0)
        return np.where(r2 <= (MAX_RADII * self.r90[b]) ** 2, density, 0.0)

    def _on_trails(self, b: int, x: F64, y: F64, radius: float) -> F64:
        """Fraction of the photons of source b on its trails in discs about the positions."""
        shares = [one.share(x, y, np.full(len(x), radius)) for one in self.trails.get(b, ())]
        return np.asarray(np.sum([*shares, np.zeros(len(x))], axis=0))


def _clean_background(
    neighbours: _Neighbours, i: int, annulus: Annulus, settings: ApertureSettings
) -> tuple[Polygon | None, list[tuple[int, float]]]:
    """Part of an annulus without photons of neighbours, None to keep it whole, and what they add to the aperture."""
    pixel, radius = neighbours.field.pixel, float(neighbours.radius[i])
    reaching = neighbours.reach(i, annulus.outer / pixel)
    brighter = [b for b in reaching if neighbours.counts[b] > neighbours.counts[i]]
    if not brighter:
        return None, []
    angles = (np.arange(DIRECTIONS) + 0.5) / DIRECTIONS * 2.0 * math.pi
    steps = np.linspace(annulus.inner, annulus.outer, RADII) / pixel
    x = neighbours.x[i] + np.multiply.outer(np.cos(angles), steps).ravel()
    y = neighbours.y[i] + np.multiply.outer(np.sin(angles), steps).ravel()
    allowed_counts = max(MAX_COUNTS, MAX_SIGMA * math.sqrt(float(neighbours.held[i])))
    around = {b: neighbours.predict(b, x, y, radius).reshape(DIRECTIONS, RADII) for b in brighter}
    here = {b: neighbours.predict_in_aperture(b, i) for b in brighter}
    total = np.sum([*around.values(), np.zeros((DIRECTIONS, RADII))], axis=0).max(axis=1)
    free: Mask = total <= max(allowed_counts, 1.5 * sum(here.values()))
    # The background falls towards the edge of a field of view: opposite directions together have that of the middle.
    paired = free & np.roll(free, DIRECTIONS // 2)
    if np.count_nonzero(paired) >= MIN_DIRECTIONS:
        free = paired
    elif np.count_nonzero(free) < MIN_DIRECTIONS:
        # With the least of the neighbours' photons where hardly any direction has none.
        free = total <= float(np.sort(total)[MIN_DIRECTIONS - 1])
    # Points farther out stand for larger parts of the annulus.
    weights = steps / steps.sum()
    strays = [
        (b, max(here[b] - float((around[b][free] @ weights).mean()), 0.0)) for b in brighter if here[b] > allowed_counts
    ]
    if free.all():
        return None, strays
    part = np.count_nonzero(free) / DIRECTIONS
    needed = math.hypot(annulus.inner, math.sqrt(settings.min_area_ratio / part) * radius * pixel)
    outer = min(max(annulus.outer, needed), MAX_GROWTH * annulus.outer)
    place = float(neighbours.x[i]), float(neighbours.y[i])
    return _sectors(neighbours.field, place, free, annulus.inner / pixel, outer / pixel), strays


def _sectors(field: Field, place: tuple[float, float], free: Mask, inner: float, outer: float) -> Polygon:
    """Sectors of an annulus as one polygon: closed paths, joined by lines that are passed both ways."""
    edges = np.arange(DIRECTIONS + 1) / DIRECTIONS * 2.0 * math.pi
    first = int(np.flatnonzero(free & ~np.roll(free, 1))[0])
    turned = np.roll(free, -first)
    starts = np.flatnonzero(turned & ~np.concatenate([[False], turned[:-1]]))
    stops = np.flatnonzero(turned & ~np.concatenate([turned[1:], [False]])) + 1
    path: list[F64] = []
    for start, stop in zip(starts, stops, strict=True):
        angle = edges[0] + (np.arange(start, stop + 1) + first) / DIRECTIONS * 2.0 * math.pi
        ray = np.column_stack([np.cos(angle), np.sin(angle)])
        loop = np.concatenate([outer * ray, inner * ray[::-1], outer * ray[:1]])
        path.append(loop)
        if len(path) > 1:
            path.append(path[0][:1])
    corners = np.concatenate(path) + np.array(place)
    ra, dec = field.observation.require_projection().to_sky(*corners.T)
    return Polygon(tuple(zip(ra.tolist(), dec.tolist(), strict=True)))
