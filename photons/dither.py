"""Chip edges under a dithering telescope: how much of an aperture lies on a chip at each moment.

Chandra's aim traces a Lissajous figure of 16″, so a source near the edge of a chip leaves it every few hundred seconds.
On a clock that does not know it those are eclipses. The path needs no aspect file: every event carries its place on the
sky, in the focal plane and on the chip, so events tell where the telescope pointed when they came.
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

__all__ = ["SAMPLES", "DitherPath", "dither_path", "edge_exposures"]


STEP_S = 16.0
"""Sampling of the path, s: at most 1″ of Chandra's dither, a third of the smallest aperture."""

LEAST_EVENTS = 300
"""Fewer events than this do not tell a path."""

SAMPLES = 64
"""Points of an aperture at which the chip is looked for."""

LEAST_FRACTION = 0.25
"""Moments at which less of the aperture is on a chip, relative to the best, are no good time: what the point spread's
wings leave there cannot be predicted well enough to call it steady or not."""


@dataclass(frozen=True, slots=True, eq=False)
class DitherPath:
    """Where the sky lay on the chips at each moment.

    Parameters
    ----------
    edges : ndarray, shape (k + 1,) — mission seconds bounding the samples
    shift : ndarray, shape (k, 2) — sky pixels that the aim was off its mean
    to_focal : ndarray, shape (3, 2) — sky pixels (x, y, 1) to focal-plane pixels
    to_chip : dict of int to ndarray, shape (3, 2) — focal-plane pixels (x, y, 1) to chip pixels of each detector
    bounds : dict of int to ndarray, shape (2, 2) — lowest and highest chip pixel that any event of it fell on
    """

    edges: F64
    shift: F64
    to_focal: F64
    to_chip: dict[int, F64]
    bounds: dict[int, F64]

    def on_chip(self, number: int, x: F64, y: F64) -> F64:
        """Part of the given sky pixels that lies on a chip at each moment, shape (k,)."""
        from .extraction_kernels import share_in_box

        chip, (low, high) = self.to_chip[number], self.bounds[number]
        still = _mapped(_mapped(np.column_stack([x, y]), self.to_focal), chip)
        moved = -self.shift @ self.to_focal[:2] @ chip[:2]
        share: F64 = share_in_box(still, moved, low - 0.5, high + 0.5)
        return share

    def near_edge(self, centre: F64, radius: F64) -> NDArray[np.bool_]:
        """Whether circles on the sky (centres of shape (n, 2)) come within reach of a chip's edge, shape (n,)."""
        low, high = self.shift.min(axis=0), self.shift.max(axis=0)
        corners = np.array([(low[0], low[1]), (low[0], high[1]), (high[0], low[1]), (high[0], high[1])])
        focal = _mapped(centre, self.to_focal)
        moved = focal[None, :, :] - (corners @ self.to_focal[:2])[:, None, :]
        near = np.zeros(len(centre), dtype=np.bool_)
        for number, chip in self.to_chip.items():
            places = moved @ chip[:2] + chip[2]
            inner, outer = places.min(axis=0), places.max(axis=0)
            # Chip and sky pixels are of one size on every instrument that dithers.
            first, last = self.bounds[number]
            reach = radius[:, None] + 1.0
            touches = ((inner - reach <= last) & (outer + reach >= first)).all(axis=1)
            within = ((inner - reach >= first) & (outer + reach <= last)).all(axis=1)
            near |= touches & ~within
        return near


def _mapped(points: F64, affine: F64) -> F64:
    """Points, shape (n, 2), through a map of shape (3, 2)."""
    out: F64 = points @ affine[:2] + affine[2]
    return out


def _affine(source: F64, target: F64) -> F64:
    """Least-squares map of points, shape (n, 2), to points: shape (3, 2)."""
    solution = np.linalg.lstsq(np.column_stack([source, np.ones(len(source))]), target, rcond=None)[0]
    return np.asarray(solution, dtype=np.float64)


def dither_path(observation: Observation) -> DitherPath | None:
    """The path of an exposure's aim over its chips; None where its events do not tell.

    Sky and focal-plane places of all events differ by a rotation and the aim's offset at that time: what a fit of one
    to the other leaves over is the path, smoothed over `STEP_S`.
    """
    layout, events = observation.chips, observation.events
    if layout is None or len(events) < LEAST_EVENTS:
        return None
    columns = observation.columns(*layout.focal, *layout.chip)
    focal, chip = (np.column_stack(pair).astype(np.float64) for pair in (columns[:2], columns[2:]))
    sky = np.column_stack([events.x, events.y]).astype(np.float64)
    # Thousands of events settle six numbers; a stride keeps large files quick.
    some = slice(None, None, max(1, len(events) // 5_000))
    to_sky = _affine(focal[some], sky[some])
    left = sky - _mapped(focal, to_sky)
    start, stop = observation.span
    edges = np.linspace(start, stop, max(2, math.ceil((stop - start) / STEP_S) + 1))
    where = np.clip(np.searchsorted(edges, events.time, side="right") - 1, 0, len(edges) - 2)
    held = np.bincount(where, minlength=len(edges) - 1)
    seen = held > 0
    middle = 0.5 * (edges[1:] + edges[:-1])
    sums = [np.bincount(where, weights=left[:, axis], minlength=len(edges) - 1)[seen] for axis in (0, 1)]
    shift = np.column_stack([np.interp(middle, middle[seen], total / held[seen]) for total in sums])
    turn = np.linalg.inv(to_sky[:2])
    chips, bounds = {}, {}
    for number in np.unique(events.detector):
        own = events.detector == number
        if np.count_nonzero(own) >= LEAST_EVENTS // 10:
            chips[int(number)] = _affine(focal[own][some], chip[own][some])
            # Edge rows never hold an event's centre: the event islands of 3 × 3 or 5 × 5 pixels must fit on the chip.
            bounds[int(number)] = np.array([chip[own].min(axis=0), chip[own].max(axis=0)])
    return DitherPath(edges, shift, np.vstack([turn, -to_sky[2] @ turn]), chips, bounds)


def _spiral(radii: F64) -> tuple[F64, F64]:
    """Points at the given distances, turning by the golden angle: an even cover of a disc."""
    angle = np.arange(len(radii)) * math.pi * (3.0 - math.sqrt(5.0))
    return radii * np.cos(angle), radii * np.sin(angle)


def edge_exposures(
    path: DitherPath, good_times: list[dict[int, Gti]], centre: F64, extent: F64, radii: Callable[[int], F64]
) -> dict[int, Exposure]:
    """Livetime axes of the apertures that chip edges cross; the others are left out.

    Parameters
    ----------
    path : DitherPath
    good_times : list of dict of int to ndarray, shape (m, 2), length n — GTIs of the detectors under each aperture, s
    centre : ndarray, shape (n, 2) — sky pixels
    extent : ndarray, shape (n,) — radius that holds the aperture, sky pixels
    radii : callable
        From an aperture's index to `SAMPLES` distances from its centre, sky pixels, that share its photons evenly.

    Returns
    -------
    dict of int to Exposure
        Its fraction is the part of the aperture on good chips, relative to the best moment.
    """
    found = {}
    for i in np.flatnonzero(path.near_edge(centre, extent)).tolist():
        dx, dy = _spiral(radii(i))
        exposure = _dithered(path, good_times[i], centre[i, 0] + dx, centre[i, 1] + dy)
        if exposure is not None:
            found[i] = exposure
    return found


def _dithered(path: DitherPath, good_times: dict[int, Gti], x: F64, y: F64) -> Exposure | None:
    """Exposure of one aperture given points of it; None where no edge takes more than a point off it."""
    parts = {n: path.on_chip(n, x, y) for n in good_times if n in path.to_chip}
    if not parts or np.ptp(np.sum(list(parts.values()), axis=0)) < 2.0 / SAMPLES:
        return None
    edges = np.unique(np.concatenate([path.edges, *(good_times[n].ravel() for n in parts)]))
    middle = 0.5 * (edges[1:] + edges[:-1])
    sample = np.clip(np.searchsorted(path.edges, middle, side="right") - 1, 0, len(path.edges) - 2)
    level = np.sum([part[sample] * gti_contains(good_times[n], middle) for n, part in parts.items()], axis=0)
    if level.max() <= 0:
        return None
    fraction = level / level.max()
    on = fraction >= LEAST_FRACTION
    return Exposure(np.column_stack([edges[:-1], edges[1:]])[on], fraction[on])
