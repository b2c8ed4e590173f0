"""Dead columns and rows that the photons of a source show when the telescope points elsewhere.

In a field with few events, a dead column is not seen in the background. It is seen by a source that lies on it in one
snapshot only: its photons are missing there from a strip of its image, which the other snapshots show to be filled. The
image is compared within a snapshot, so that a source that varies from snapshot to snapshot shows no such strip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xherald.photons.arrays import F64, I64, Mask

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .exposure.live_area import LiveArea
    from .exposure.pointing_path import PointingPath
    from .observation import Observation

__all__ = ["missing_columns"]

MIN_COUNTS = 40
"""Photons of a source within its aperture from which it is searched for strips."""

MAX_SOURCES = 200
"""Largest number of sources searched, the brightest ones."""

MAX_RUN = 12
"""Longest strip, detector pixels."""

MAX_DEAD_PROBABILITY = 0.01
"""False strips expected in an observation, the sources of which do not vary."""

POSITIONS = 60
"""Strips that an image has room for, with their lengths."""

MAX_STRIPS = 3
"""Largest number of separate strips in an image."""

LENGTH_PENALTY = 3.0
"""Log-likelihood by which another pixel must improve a strip: an empty pixel has 3 photons with a chance of 5 %."""

MIN_SHIFT = 3.0
"""Distance of a source's pixels in two snapshots from which one shows what the other misses, detector pixels."""


def missing_columns(
    observation: Observation, path: PointingPath, areas: Mapping[int, LiveArea], centres: F64, extents: F64
) -> dict[int, tuple[I64, I64]]:
    """Columns and rows of each detector unit on which sources miss a strip of their image.

    Parameters
    ----------
    observation : Observation
    path : PointingPath
        Of a pointed telescope.
    areas : mapping of int to LiveArea
        Sensitive pixels as known otherwise.
    centres : ndarray, shape (n, 2) — sky pixels, of the apertures
    extents : ndarray, shape (n,) — sky pixels, radii of the apertures

    Returns
    -------
    dict of int to (ndarray, ndarray)
        Pixels along the first and the second pixel column, by `DetectorUnit.number`; units without any are left out.
    """
    pixels, segments = observation.event_pixels, path.segments
    if pixels is None or len(segments) < 2 or path.is_scan:
        return {}
    events = observation.events
    x, y = events.x.astype(np.float64), events.y.astype(np.float64)
    segment = np.searchsorted(segments[:, 0], events.time, side="right") - 1
    inside = (segment >= 0) & (events.time <= segments[np.maximum(segment, 0), 1])
    position, turn = path.at(segments.mean(axis=1))
    own, counts = [], []
    for (cx, cy), radius in zip(centres, extents, strict=True):
        own.append(np.flatnonzero(inside & ((x - cx) ** 2 + (y - cy) ** 2 <= radius**2)))
        counts.append(len(own[-1]))
    bright = [i for i in np.argsort(counts)[::-1][:MAX_SOURCES].tolist() if counts[i] >= MIN_COUNTS]
    trials = max(1, len(bright)) * len(segments) * 2 * POSITIONS
    found: dict[int, tuple[list[int], list[int]]] = {}
    for i in bright:
        rows = own[i]
        for number, unit in path.units.items():
            if number not in areas:
                continue
            here = rows[events.detector[rows] == number]
            if len(here) < MIN_COUNTS:
                continue
            inverse = np.linalg.inv(unit.matrix)
            sky = x[here] + 1j * y[here]
            # Snapshots that have the whole image: one that the edge cuts does not show what another lacks.
            centre = (centres[i, 0] + 1j * centres[i, 1] - position) * np.exp(-1j * turn)
            at = (np.column_stack([centre.real, centre.imag]) - unit.offset) @ inverse.T
            is_whole = areas[number].encloses(at, extents[i] / unit.pixel_size)[segment[here]]
            for s in np.unique(segment[here]).tolist():
                mine = segment[here] == s
                others = ~mine & is_whole
                if min(np.count_nonzero(mine), np.count_nonzero(others)) < MIN_COUNTS // 4:
                    continue
                # Where the photons of the other snapshots would have arrived in this one.
                focal = (sky[others] - position[s]) * np.exp(-1j * turn[s])
                expected = (np.column_stack([focal.real, focal.imag]) - unit.offset) @ inverse.T
                actual = pixels[here][others]
                if np.hypot(*np.median(expected - actual, axis=0)) < MIN_SHIFT:
                    continue
                # What the edge of the detector cuts off is not a strip.
                expected = expected[areas[number].contains(expected)]
                if len(expected) < MIN_COUNTS // 4:
                    continue
                for axis in (0, 1):
                    strips = _strips(pixels[here[mine], axis], expected[:, axis], trials)
                    found.setdefault(number, ([], []))[axis].extend(strips.tolist())
    return {
        number: (np.unique(np.array(columns, dtype=np.int64)), np.unique(np.array(rows, dtype=np.int64)))
        for number, (columns, rows) in found.items()
        if columns or rows
    }


def _strips(actual: I64, expected: F64, trials: int) -> I64:
    """Pixels along an axis that hold improbably few photons of an image, given the others.

    Parameters
    ----------
    actual : ndarray, shape (n,) — pixels of the photons in this snapshot
    expected : ndarray, shape (m,) — those of the other snapshots, moved to this one
    trials : int
    """
    low = int(np.floor(min(expected.min(), actual.min())))
    size = int(np.ceil(max(expected.max(), actual.max()))) + 2 - low
    observed = np.bincount(actual - low, minlength=size).astype(np.float64)
    # Pixels are whole numbers, moved positions are not: each is spread over the two nearest.
    base = np.floor(expected).astype(np.int64) - low
    share = expected - np.floor(expected)
    model = np.bincount(base, 1.0 - share, size) + np.bincount(base + 1, share, size)
    dead: Mask = np.zeros(size, dtype=np.bool_)
    for _ in range(MAX_STRIPS):
        strip = _emptiest_strip(np.where(dead, 0.0, observed), np.where(dead, 0.0, model), trials)
        if strip is None:
            break
        dead[strip] = True
    return np.flatnonzero(dead) + low


def _emptiest_strip(observed: F64, model: F64, trials: int) -> slice | None:
    """The strip without photons that is most improbable, given the photons outside it; None if none is significant.

    The model has few photons itself: the probability that none of the photons fall into a strip is that of the
    beta-binomial distribution.
    """
    from scipy.special import betaln

    best, strip = 0.0, None
    threshold = -np.log(MAX_DEAD_PROBABILITY / trials)
    sums, model_sums = (np.concatenate([[0.0], np.cumsum(values)]) for values in (observed, model))
    total, model_total = sums[-1], model_sums[-1]
    for length in range(1, min(MAX_RUN, len(observed) - 1) + 1):
        is_empty = sums[length:] == sums[:-length]
        inside = np.maximum(model_sums[length:] - model_sums[:-length], 0.0)
        outside = np.maximum(model_total - inside, 0.0)
        significance = betaln(inside + 0.5, outside + 0.5) - betaln(inside + 0.5, outside + total + 0.5)
        score = np.where(is_empty & (significance > threshold), significance - LENGTH_PENALTY * length, 0.0)
        begin = int(np.argmax(score))
        if score[begin] > best:
            best, strip = float(score[begin]), slice(begin, begin + length)
    return strip
