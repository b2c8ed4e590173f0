"""Chip edges under a dithering telescope: the fraction of an aperture on the chips as a function of time.

Chandra's aim point traces a Lissajous figure of 16″, so that a source near the edge of a chip leaves it every few
hundred seconds, which looks like eclipses unless the exposure accounts for it. No aspect file is needed: each event has
coordinates on the sky, in the focal plane and on the chip, from which the aim point follows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64

from .gti import Exposure, Gti, gti_contains

if TYPE_CHECKING:
    from .observation import Observation

__all__ = ["N_SAMPLES", "DitherPath", "edge_exposures", "measure_dither_path"]


STEP_S = 16.0
"""Sampling interval of the path, s: Chandra's dither moves by at most 1″ in it, a third of the smallest aperture."""

MIN_EVENTS = 300
"""Events needed to measure a path."""

N_SAMPLES = 64
"""Sample points of an aperture."""

MIN_ON_CHIP_FRACTION = 0.25
"""Times with less of the aperture on a chip, relative to the maximum, are excluded from the good times: the wings of
the point spread are not known well enough to predict the count rate then."""


@dataclass(frozen=True, slots=True, eq=False)
class DitherPath:
    """Position of the sky on the chips as a function of time.

    Parameters
    ----------
    edges : ndarray, shape (k + 1,) — s, mission time, bounds of the samples
    shift : ndarray, shape (k, 2) — offset of the aim point from its mean, sky pixels
    to_focal : ndarray, shape (3, 2) — affine map from sky pixels (x, y, 1) to focal-plane pixels
    to_chip : dict of int to ndarray, shape (3, 2) — the same from focal-plane to chip pixels, by detector
    bounds : dict of int to ndarray, shape (2, 2) — lowest and highest chip pixel with an event, by detector
    """

    edges: F64
    shift: F64
    to_focal: F64
    to_chip: dict[int, F64]
    bounds: dict[int, F64]

    def on_chip(self, number: int, x: F64, y: F64) -> F64:
        """Fraction of the given sky pixels that lies on a chip in each sample, shape (k,)."""
        from .extraction_kernels import fraction_in_box

        chip, (low, high) = self.to_chip[number], self.bounds[number]
        mean = _apply(_apply(np.column_stack([x, y]), self.to_focal), chip)
        offsets = -self.shift @ self.to_focal[:2] @ chip[:2]
        fraction: F64 = fraction_in_box(mean, offsets, low - 0.5, high + 0.5)
        return fraction

    def near_edge(self, centre: F64, radius: F64) -> NDArray[np.bool_]:
        """Whether circles on the sky (centres of shape (n, 2)) ever touch a chip edge, shape (n,)."""
        low, high = self.shift.min(axis=0), self.shift.max(axis=0)
        corners = np.array([(low[0], low[1]), (low[0], high[1]), (high[0], low[1]), (high[0], high[1])])
        focal = _apply(centre, self.to_focal)
        moved = focal[None, :, :] - (corners @ self.to_focal[:2])[:, None, :]
        near = np.zeros(len(centre), dtype=np.bool_)
        for number, chip in self.to_chip.items():
            positions = moved @ chip[:2] + chip[2]
            inner, outer = positions.min(axis=0), positions.max(axis=0)
            # Chip and sky pixels have the same size on every instrument that dithers.
            first, last = self.bounds[number]
            reach = radius[:, None] + 1.0
            touches = ((inner - reach <= last) & (outer + reach >= first)).all(axis=1)
            within = ((inner - reach >= first) & (outer + reach <= last)).all(axis=1)
            near |= touches & ~within
        return near


def _apply(points: F64, affine: F64) -> F64:
    """Points of shape (n, 2) under an affine map of shape (3, 2)."""
    out: F64 = points @ affine[:2] + affine[2]
    return out


def _fit_affine(source: F64, target: F64) -> F64:
    """Least-squares affine map, shape (3, 2), between two sets of points of shape (n, 2)."""
    solution = np.linalg.lstsq(np.column_stack([source, np.ones(len(source))]), target, rcond=None)[0]
    return np.asarray(solution, dtype=np.float64)


def measure_dither_path(observation: Observation) -> DitherPath | None:
    """Measure the path of the aim point over the chips; None without chip coordinates or with too few events.

    Sky and focal-plane coordinates differ by a rotation and the offset of the aim point at that time: the residuals of
    an affine fit, averaged over `STEP_S`, are the path.
    """
    layout, events = observation.chips, observation.events
    if layout is None or len(events) < MIN_EVENTS:
        return None
    columns = observation.columns(*layout.focal, *layout.chip)
    focal, chip = (np.column_stack(pair).astype(np.float64) for pair in (columns[:2], columns[2:]))
    sky = np.column_stack([events.x, events.y]).astype(np.float64)
    # Six parameters need no more than thousands of events.
    some = slice(None, None, max(1, len(events) // 5_000))
    to_sky = _fit_affine(focal[some], sky[some])
    residuals = sky - _apply(focal, to_sky)
    start, stop = observation.span
    edges = np.linspace(start, stop, max(2, math.ceil((stop - start) / STEP_S) + 1))
    sample = np.clip(np.searchsorted(edges, events.time, side="right") - 1, 0, len(edges) - 2)
    counts = np.bincount(sample, minlength=len(edges) - 1)
    filled = counts > 0
    middle = 0.5 * (edges[1:] + edges[:-1])
    sums = [np.bincount(sample, weights=residuals[:, axis], minlength=len(edges) - 1)[filled] for axis in (0, 1)]
    shift = np.column_stack([np.interp(middle, middle[filled], total / counts[filled]) for total in sums])
    rotation = np.linalg.inv(to_sky[:2])
    chips, bounds = {}, {}
    for number in np.unique(events.detector):
        own = events.detector == number
        if np.count_nonzero(own) >= MIN_EVENTS // 10:
            chips[int(number)] = _fit_affine(focal[own][some], chip[own][some])
            # The outermost pixels hold no event centres, since islands of 3 × 3 or 5 × 5 pixels must fit on the chip.
            bounds[int(number)] = np.array([chip[own].min(axis=0), chip[own].max(axis=0)])
    return DitherPath(edges, shift, np.vstack([rotation, -to_sky[2] @ rotation]), chips, bounds)


def _spiral(radii: F64) -> tuple[F64, F64]:
    """Points at the given radii, spaced by the golden angle, which covers a disc evenly."""
    angle = np.arange(len(radii)) * math.pi * (3.0 - math.sqrt(5.0))
    return radii * np.cos(angle), radii * np.sin(angle)


def edge_exposures(
    path: DitherPath, good_times: list[dict[int, Gti]], centre: F64, extent: F64, radii: Callable[[int], F64]
) -> dict[int, Exposure]:
    """Exposures of the apertures that chip edges cross, by index; the others are omitted.

    Parameters
    ----------
    path : DitherPath
    good_times : list of dict of int to ndarray, shape (m, 2), length n — s, GTIs of the detectors under each aperture
    centre : ndarray, shape (n, 2) — sky pixels
    extent : ndarray, shape (n,) — sky pixels, radius of a circle that contains the aperture
    radii : callable
        From an aperture's index to `N_SAMPLES` radii, sky pixels, each representing the same number of photons.

    Returns
    -------
    dict of int to Exposure
        Its fraction is the part of the aperture on chips with good time, relative to the maximum.
    """
    found = {}
    for i in np.flatnonzero(path.near_edge(centre, extent)).tolist():
        dx, dy = _spiral(radii(i))
        exposure = _exposure_under_dither(path, good_times[i], centre[i, 0] + dx, centre[i, 1] + dy)
        if exposure is not None:
            found[i] = exposure
    return found


def _exposure_under_dither(path: DitherPath, good_times: dict[int, Gti], x: F64, y: F64) -> Exposure | None:
    """Exposure of one aperture from its sample points; None if it leaves the chips by a point at most."""
    parts = {n: path.on_chip(n, x, y) for n in good_times if n in path.to_chip}
    if not parts or np.ptp(np.sum(list(parts.values()), axis=0)) < 2.0 / N_SAMPLES:
        return None
    edges = np.unique(np.concatenate([path.edges, *(good_times[n].ravel() for n in parts)]))
    middle = 0.5 * (edges[1:] + edges[:-1])
    sample = np.clip(np.searchsorted(path.edges, middle, side="right") - 1, 0, len(path.edges) - 2)
    level = np.sum([part[sample] * gti_contains(good_times[n], middle) for n, part in parts.items()], axis=0)
    if level.max() <= 0:
        return None
    fraction = level / level.max()
    keep = fraction >= MIN_ON_CHIP_FRACTION
    return Exposure(np.column_stack([edges[:-1], edges[1:]])[keep], fraction[keep])
