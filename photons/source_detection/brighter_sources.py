"""What brighter sources explain: detections on their trails, in their wings and in the rings of pile-up.

The wings and trails of a source are measured around it. A detection is left out where it does not exceed what the
photons at the same distance from the brighter source, or along its trail, predict.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from xherald.photons.arrays import F64, Mask

from .field_model import Field
from .known_trails import known_trails
from .settings import SourceDetectionSettings
from .tail_probabilities import log_poisson_tail
from .trails import Trail, find_trails, renumber

__all__ = ["LeftOut", "centre_piled_up", "explain_by_brighter", "is_piled_up", "trail_shares"]


BRIGHTER: Final = 3.0
"""A source explains others that have less than its counts divided by this."""

WING_RADII: Final = 15.0
"""Distance from a source at which its wings are measured at most, in 90 % radii."""

PILED_UP: Final = 0.1
"""Photons per frame in the area of one event, from which the core of a source is distorted: about 5 % of its events are
piled up there (Davis 2001, ApJ 562, 575). With it the limits of full frames on axis are 3 photons/s for EPIC pn and 0.6
for a MOS camera, close to those of Jethwa et al. (2015, A&A 581, A104)."""

EVENT_PIXELS: Final = 3.0
"""Side of the area in which the charge of one photon is collected, in detector pixels."""

CENTRE_RADII: Final = 1.5
"""Radius within which photons of such a source are averaged for its position, in 90 % radii."""

PILE_UP_RADII: Final = 2.0
"""Radius of a core with pile-up in which nothing else can be resolved, in 90 % radii."""


@dataclass(frozen=True, slots=True)
class LeftOut:
    """Number of detections that brighter sources explain."""

    on_trails: int = 0
    in_wings: int = 0

    def note(self, grating: str) -> str:
        """Remark on the file, "" if there are none."""
        kind = f"dispersed spectra ({grating}) or streaks" if grating else "read-out streaks or arms"
        parts = [f"{self.on_trails} on {kind}"] if self.on_trails else []
        parts += [f"{self.in_wings} in the wings or the core"] if self.in_wings else []
        return f"left out detections that belong to brighter sources: {', '.join(parts)}" if parts else ""


def explain_by_brighter(
    found: F64, field: Field, settings: SourceDetectionSettings, log_limit: float
) -> tuple[Mask, LeftOut, list[Trail]]:
    """Find the detections that are part of a brighter source.

    Parameters
    ----------
    found : ndarray, shape (s, 5)
        x, y, ln p, net counts, background per square pixel, the most significant first.
    field : Field
    settings : SourceDetectionSettings
    log_limit : float
        Largest ln p of a source.

    Returns
    -------
    kept : ndarray, shape (s,), bool
    LeftOut
    list of Trail
        Of the sources that are kept; `Trail.source` counts these.
    """
    trails = [*find_trails(field, found), *known_trails(field, found)] if len(found) else []
    kept = np.ones(len(found), dtype=np.bool_)
    if not len(found):
        return kept, LeftOut(), trails
    x, y, counts = found[:, 0], found[:, 1], found[:, 3]
    radius = np.array([max(field.shape_at(*row[:2]).r80, 1.0) for row in found.tolist()])
    held = np.array([_count(field, *place) for place in zip(x, y, radius, strict=True)])
    expected = found[:, 4] * math.pi * radius**2
    on_trail = np.zeros(len(found))
    masked = np.zeros(len(found), dtype=np.bool_)
    for trail in trails:
        fainter = counts < counts[trail.source] / BRIGHTER
        on_trail += np.where(fainter, counts[trail.source] * trail.share(x, y, radius), 0.0)
        if field.observation.grating:
            masked |= fainter & trail.touches(x, y, radius)
    in_trail = masked | (on_trail > 0) & _is_explained(held, expected + settings.wing_factor * on_trail, log_limit)
    in_wings = np.zeros(len(found), dtype=np.bool_)
    for i in np.argsort(-counts):
        if in_trail[i] or in_wings[i]:
            continue
        in_wings |= _in_wings(int(i), found, radius, held, field, settings, log_limit)
    kept = ~(in_trail | in_wings)
    own = renumber(trails, np.flatnonzero(kept).tolist())
    return kept, LeftOut(int(in_trail.sum()), int((in_wings & ~in_trail).sum())), own


def trail_shares(trails: Sequence[Trail], x: float, y: float, radius: float) -> dict[int, float]:
    """Fraction of the photons of each source, by row, that its trails put into a disc."""
    shares: dict[int, float] = {}
    for trail in trails:
        share = float(trail.share(np.array([x]), np.array([y]), np.array([radius]))[0])
        if share > 0:
            shares[trail.source] = shares.get(trail.source, 0.0) + share
    return shares


def _count(field: Field, x: float, y: float, radius: float) -> int:
    px, py = field.near(x, y, radius)
    return int(np.count_nonzero((px - x) ** 2 + (py - y) ** 2 <= radius**2))


def _is_explained(held: F64, expected: F64, log_limit: float) -> Mask:
    tails = [log_poisson_tail(int(n) - 1, float(mean)) for n, mean in zip(held, expected, strict=True)]
    return np.array(tails) >= log_limit


def _in_wings(
    i: int, found: F64, radius: F64, held: F64, field: Field, settings: SourceDetectionSettings, log_limit: float
) -> Mask:
    """Fainter detections that do not exceed the mean of the photons at their distance from source i."""
    x, y, counts = found[i, 0], found[i, 1], found[i, 3]
    r90 = max(field.shape_at(float(x), float(y)).r90, 1.5)
    away = np.hypot(found[:, 0] - x, found[:, 1] - y)
    reach = _wing_reach(found[i], field)
    explained = np.zeros(len(found), dtype=np.bool_)
    piled_up = is_piled_up(found[i], field)
    in_core = piled_up & (away < PILE_UP_RADII * r90) & (found[:, 3] < counts)
    fainter = (away < reach) & (found[:, 3] < counts / BRIGHTER)
    near = np.flatnonzero((away > 0) & (in_core | fainter))
    if not len(near):
        return explained
    px, py = field.near(float(x), float(y), reach + float(radius[near].max()))
    distance, angle = np.hypot(px - x, py - y), np.arctan2(py - y, px - x)
    for j in near:
        if in_core[j]:
            explained[j] = True
            continue
        mean = _ring_density(distance, angle, away[j], radius[j], found[j, :2] - found[i, :2])
        background = min(float(found[j, 4]), mean)
        area = math.pi * radius[j] ** 2
        predicted = (background + settings.wing_factor * (mean - background)) * area
        explained[j] = log_poisson_tail(int(held[j]) - 1, predicted) >= log_limit
    return explained


def _wing_reach(source: F64, field: Field) -> float:
    """Distance at which the wings of a source, uncertain by a factor of three, fall below a tenth of the background."""
    shape = field.shape_at(float(source[0]), float(source[1]))
    excess = 3.0 * float(source[3]) * shape.density(0.0) / max(0.1 * float(source[4]), 1e-12)
    radius = shape.core * math.sqrt(max(excess ** (1.0 / (shape.slope + 1.0)) - 1.0, 0.0))
    r90 = max(shape.r90, 1.5)
    return min(max(radius, PILE_UP_RADII * r90), WING_RADII * r90)


def _ring_density(distance: F64, angle: F64, away: float, radius: float, offset: F64) -> float:
    """Photons per square pixel at a distance from a source, beside the detection and without bright sectors."""
    inner, outer = max(away - radius, 0.0), away + radius
    ring = (distance >= inner) & (distance <= outer)
    turn = angle[ring] - math.atan2(offset[1], offset[0])
    turn = np.abs((turn + math.pi) % (2 * math.pi) - math.pi)
    # The detection covers this angle on either side, and its own wings as much again.
    own = min(2.0 * math.asin(min(radius / away, 1.0)), 0.5 * math.pi)
    sectors = 8
    width = (math.pi - own) / sectors
    # Both sides of the detection together; a neighbour fills one sector or two.
    held = np.bincount(((turn[turn >= own] - own) / width).astype(np.int64).clip(0, sectors - 1), minlength=sectors)
    area = (outer**2 - inner**2) * width
    return float(np.sort(held)[: sectors - 2].mean()) / area


def is_piled_up(source: F64, field: Field) -> bool:
    """Whether so many photons of a source share the area of one event in a frame that its core is distorted."""
    observation = field.observation
    livetime = max((one.livetime for one in observation.detectors), default=0.0)
    if livetime <= 0:
        return False
    shape = field.shape_at(float(source[0]), float(source[1]))
    side = EVENT_PIXELS * max((observation.detector_pixel_arcsec or 0.0) / field.pixel, 1.0)
    # A circle of the same area.
    part = 1.0 - (1.0 + side**2 / math.pi / shape.core**2) ** -shape.slope
    return bool(float(source[3]) * part * observation.frame_time / livetime >= PILED_UP)


def centre_piled_up(sources: F64, field: Field) -> F64:
    """Move sources with pile-up, whose cores may be hollow, to the centre of the photons around them."""
    moved = sources.copy()
    for i, (x, y, *_) in enumerate(sources.tolist()):
        if not is_piled_up(sources[i], field):
            continue
        reach = CENTRE_RADII * max(field.shape_at(x, y).r90, 1.5)
        px, py = field.near(x, y, 2 * reach)
        at = np.array([x, y])
        for _ in range(10):
            mine = (px - at[0]) ** 2 + (py - at[1]) ** 2 <= reach**2
            if not mine.any():
                break
            at = np.clip([px[mine].mean(), py[mine].mean()], [x - reach, y - reach], [x + reach, y + reach])
        moved[i, :2] = at
    return moved
