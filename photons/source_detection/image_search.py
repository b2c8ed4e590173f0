"""Source detection on the image: Poisson probabilities in cells matched to the point spread.

Every block with a photon is the centre of a cell. Given that photon, the number of others in the cell is Poisson
distributed with the mean of the background, so that each block is one trial of exact probability. Significant cells
become sources in order of significance; each must exceed the wings of the previous ones. A second pass repeats this
with the sources of the first masked in the background map.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from xherald.photons.arrays import F64

from .brighter_sources import LeftOut, explain_by_brighter
from .field_model import Field, Zone, bin_counts, fill_coverage, spread_at
from .off_axis_background import correct_for_off_axis_angle
from .settings import SourceDetectionSettings
from .tail_probabilities import log_poisson_tail
from .trails import Trail

__all__ = ["ImageSources", "find_image_sources", "source_masks"]


_TRIALS_PER_BLOCK = 0.35
"""Independent trials per non-empty block and cell size, fewer than one since cells of neighbouring blocks share most
photons. Calibrated on simulated empty fields of XMM and eROSITA; 0.2 suffices for a uniform background."""

_SECTORS = 8


@dataclass(frozen=True, slots=True, eq=False)
class ImageSources:
    """Sources detected on the image.

    Parameters
    ----------
    found : ndarray, shape (s, 5)
        x, y (sky pixels), ln of the chance probability, net counts of the whole source, background per square pixel.
    trails : list of Trail
        Read-out streaks, arms and dispersed spectra of these sources.
    left_out : LeftOut
        Detections that brighter sources explain.
    """

    found: F64
    trails: list[Trail]
    left_out: LeftOut


def find_image_sources(field: Field, settings: SourceDetectionSettings) -> ImageSources:
    """Detect sources on the image."""
    found, trails, left_out = np.empty((0, 5)), list[Trail](), LeftOut()
    masks = np.empty((0, 3))
    for _ in range(2):
        candidates, log_limit = _candidates(field, field.background(masks), masks, settings)
        order = np.lexsort((candidates[:, 1], candidates[:, 0], candidates[:, 2]))
        found = _select(candidates[order], field.spread, log_limit, settings.wing_factor, settings.min_counts)
        masks = source_masks(found, field)
        kept, left_out, trails = explain_by_brighter(found, field, settings, log_limit)
        found = found[kept]
    return ImageSources(found, trails, left_out)


def source_masks(found: F64, field: Field) -> F64:
    """Disc around each source in which its wings exceed a third of the background."""
    radii = np.array([_mask_radius(row, field) for row in found])
    return np.column_stack([found[:, :2], radii]) if len(found) else np.empty((0, 3))


def _mask_radius(row: F64, field: Field) -> float:
    shape = field.shape_at(float(row[0]), float(row[1]))
    excess = row[3] * shape.density(0.0) / max(row[4] / 3, 1e-12)
    radius = shape.core * math.sqrt(max(excess ** (1 / (shape.slope + 1)) - 1, 0.0))
    return float(min(max(radius, shape.r90), 5 * shape.r90))


def _candidates(
    field: Field, maps: tuple[NDArray[np.float32], ...], masks: F64, settings: SourceDetectionSettings
) -> tuple[F64, float]:
    """Significant cells of all zones, and the limit on ln p from the number of trials."""
    zones = [_zone_images(field, zone, maps) for zone in field.zones]
    for zone, counts, means, x0, y0 in zones:
        correct_for_off_axis_angle(counts, means, (x0, y0, zone.block), field.spread, masks, zone.r80)
    occupied = sum(_occupied_in_ring(counts, zone, x0, y0, field.spread) for zone, counts, _, x0, y0 in zones)
    trials = max(_TRIALS_PER_BLOCK * occupied * len(settings.cell_fractions), 1.0)
    log_limit = math.log(min(0.5 * settings.false_sources / trials, 0.1))
    fractions = np.array(settings.cell_fractions)
    lists = [
        _search_zone(counts, means, x0, y0, zone.block, zone.inner, zone.outer, field.spread, fractions, log_limit)
        for zone, counts, means, x0, y0 in zones
    ]
    return np.concatenate(lists), log_limit


def _zone_images(field: Field, zone: Zone, maps: tuple[NDArray[np.float32], ...]) -> Any:
    """Counts and expected background per block, on a grid that covers the zone and its cells."""
    left, right, bottom, top = field.corners
    if math.isfinite(zone.outer):
        reach = zone.outer + zone.reach
        left, right = max(left, field.spread.x - reach), min(right, field.spread.x + reach)
        bottom, top = max(bottom, field.spread.y - reach), min(top, field.spread.y + reach)
    # Edges at half pixels, so that every block has the same number of pixels.
    x0, y0 = math.floor(left) - 0.5, math.floor(bottom) - 0.5
    nx = max(math.ceil((right + 1 - x0) / zone.block), 1)
    ny = max(math.ceil((top + 1 - y0) / zone.block), 1)
    events = field.observation.events
    counts = bin_counts(events.x, events.y, x0, y0, zone.block, nx, ny)
    means = np.zeros((ny, nx), dtype=np.float32)
    for hull, grid, density in zip(field.footprint.hulls, field.grids, maps, strict=True):
        seen = np.zeros_like(means)
        fill_coverage(seen, hull.edges, x0, y0, zone.block)
        _add_background(means, seen, x0, y0, zone.block, density, grid)
    return zone, counts, means, x0, y0


@njit(cache=True, nogil=True)
def _add_background(means: Any, seen: Any, x0: float, y0: float, block: float, density: Any, grid: Any) -> None:
    """Add the expected background per block of one detector."""
    ny, nx = means.shape
    for iy in range(ny):
        row = min(max(int((y0 + (iy + 0.5) * block - grid.y0) / grid.side), 0), grid.ny - 1)
        for ix in range(nx):
            if seen[iy, ix] > 0:
                column = min(max(int((x0 + (ix + 0.5) * block - grid.x0) / grid.side), 0), grid.nx - 1)
                means[iy, ix] += seen[iy, ix] * density[row, column] * block * block


@njit(cache=True, nogil=True)
def _in_ring(inner: float, outer: float, x: float, y: float, spread: Any) -> bool:
    return inner <= math.hypot(x - spread.x, y - spread.y) < outer


def _occupied_in_ring(counts: Any, zone: Zone, x0: float, y0: float, spread: Any) -> int:
    iy, ix = np.nonzero(counts)
    x, y = x0 + (ix + 0.5) * zone.block, y0 + (iy + 0.5) * zone.block
    far = np.hypot(x - spread.x, y - spread.y)
    return int(np.count_nonzero((far >= zone.inner) & (far < zone.outer)))


@njit(cache=True, nogil=True)
def _disc_sums(counts: Any, means: Any, ix: int, iy: int, radius: float) -> Any:
    """Counts and expected counts of the blocks centred within `radius` blocks, and the number of these blocks."""
    ny, nx = counts.shape
    reach = int(radius)
    photons, expected, blocks = 0, 0.0, 0
    for dy in range(-reach, reach + 1):
        half = int(math.sqrt(radius * radius - dy * dy))
        blocks += 2 * half + 1
        if not 0 <= iy + dy < ny:
            continue
        for k in range(max(ix - half, 0), min(ix + half + 1, nx)):
            photons += counts[iy + dy, k]
            expected += means[iy + dy, k]
    return photons, expected, blocks


@njit(cache=True, nogil=True)
def _local_excess(counts: Any, means: Any, ix: int, iy: int, inner: float, outer: float) -> float:
    """Ratio of counts to expected counts in the middle sectors of a ring; 1 unless the excess is significant.

    Extended emission raises all sectors, a neighbouring source only one or two.
    """
    ny, nx = counts.shape
    photons, expected = np.zeros(_SECTORS), np.zeros(_SECTORS)
    reach = int(outer)
    for dy in range(max(-reach, -iy), min(reach, ny - 1 - iy) + 1):
        for dx in range(max(-reach, -ix), min(reach, nx - 1 - ix) + 1):
            r2 = dx * dx + dy * dy
            if inner * inner < r2 <= outer * outer:
                sector = int((math.atan2(dy, dx) + math.pi) / (2 * math.pi) * _SECTORS) % _SECTORS
                photons[sector] += counts[iy + dy, ix + dx]
                expected[sector] += means[iy + dy, ix + dx]
    ratios = np.full(_SECTORS, np.inf)
    for s in range(_SECTORS):
        if expected[s] > 0:
            ratios[s] = photons[s] / expected[s]
    middle = np.argsort(ratios)[1 : _SECTORS - 2]
    counted, mean = photons[middle].sum(), expected[middle].sum()
    if mean <= 0 or log_poisson_tail(int(counted), mean) > -7.0:  # p = 0.001
        return 1.0
    return float(counted / mean)


@njit(cache=True, nogil=True)
def _search_zone(
    counts: Any,
    means: Any,
    x0: float,
    y0: float,
    block: float,
    inner: float,
    outer: float,
    spread: Any,
    fractions: Any,
    log_limit: float,
) -> Any:
    """Significant cells of a zone: rows of x, y, ln p, radius, counts, expected counts, background per square pixel."""
    ny, nx = counts.shape
    found = np.empty((256, 7))
    n = 0
    for iy in range(ny):
        for ix in range(nx):
            x, y = x0 + (ix + 0.5) * block, y0 + (iy + 0.5) * block
            if counts[iy, ix] == 0 or not _in_ring(inner, outer, x, y, spread):
                continue
            core, slope, r80 = spread_at(spread, x, y, 3), spread_at(spread, x, y, 4), spread_at(spread, x, y, 1)
            best = np.zeros(7)
            excess = 0.0
            for fraction in fractions:
                radius = max(core * math.sqrt((1 - fraction) ** (-1 / slope) - 1) / block, 0.75)
                photons, expected, blocks = _disc_sums(counts, means, ix, iy, radius)
                if expected <= 0 or log_poisson_tail(photons - 1, expected) >= log_limit:
                    continue
                if excess == 0.0:
                    excess = _local_excess(counts, means, ix, iy, 1.3 * r80 / block + 1.0, 2.6 * r80 / block + 2.0)
                expected *= excess
                log_p = log_poisson_tail(photons - 1, expected)
                if log_p < min(log_limit, best[2]):
                    density = expected / (blocks * block * block)
                    best = np.array((x, y, log_p, radius * block, float(photons), expected, density))
            if best[2] < 0:
                if n == len(found):
                    found = np.concatenate((found, np.empty_like(found)))
                found[n] = best
                n += 1
    return found[:n].copy()


@njit(cache=True, nogil=True)
def _select(candidates: Any, spread: Any, log_limit: float, wing_factor: float, min_counts: int) -> Any:
    """Select sources in order of significance, each above the wings of those selected before."""
    taken = np.empty((len(candidates), 5))
    shapes = np.empty((len(candidates), 3))
    n = 0
    for row in candidates:
        x, y, radius, photons, expected = row[0], row[1], row[3], row[4], row[5]
        area = math.pi * radius * radius
        r50 = spread_at(spread, x, y, 0)
        wings, apart = 0.0, True
        for j in range(n):
            r2 = (x - taken[j, 0]) ** 2 + (y - taken[j, 1]) ** 2
            if r2 < shapes[j, 2]:
                apart = False
                break
            core, slope = shapes[j, 0], shapes[j, 1]
            wings += taken[j, 3] * slope / (math.pi * core * core) * (1 + r2 / (core * core)) ** (-slope - 1)
        if not apart:
            continue
        expected = expected + wing_factor * wings * area
        log_p = log_poisson_tail(int(photons) - 1, expected)
        if log_p >= log_limit or photons < min_counts:
            continue
        core, slope = spread_at(spread, x, y, 3), spread_at(spread, x, y, 4)
        enclosed = 1 - (1 + (radius / core) ** 2) ** (-slope)
        taken[n] = np.array((x, y, log_p, (photons - expected) / enclosed, row[6] + wings))
        # Closer sources are not resolved.
        shapes[n] = np.array((core, slope, (1.5 * r50 + 0.75 * radius) ** 2))
        n += 1
    return taken[:n].copy()
