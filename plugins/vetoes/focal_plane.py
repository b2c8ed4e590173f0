"""Where a source's photons fell on the detector: pixels, point spread and axes as flat arrays, for every veto.

Sky positions and pixels of events close in time tell how a detector's axes lie on the sky, whatever the telescope does
meanwhile: dither, snapshots and scans drop out of differences. So no veto needs an attitude file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xherald.photons import Observation
from xherald.photons.arrays import F64, I64
from xherald.plugins.scoring import DetectionBatch

__all__ = ["FocalPlane", "Places", "focal_plane", "places_of", "point_spread_of"]


LEAST_PAIRS = 20
"""Fewer pairs of events than this do not tell a detector's axes."""

MOST_PAIRS = 4_000
"""More are not needed for six numbers."""

WORST_FIT = 0.2
"""Axes are not known where they leave more than this part of the rms separation of the pairs unexplained."""


@dataclass(frozen=True, slots=True, eq=False)
class FocalPlane:
    """Photons of a batch on their detectors.

    Parameters
    ----------
    pixel : ndarray, shape (photons, 2), int64 — detector pixel
    detector : ndarray, shape (photons,), int64 — row in `axes`, `turn` and `extent`; −1 where the axes are not known
    offset : ndarray, shape (photons, 2) — arcsec from the middle of the photon's aperture, along sky x and y
    axes : ndarray, shape (detectors, 2, 2) — arcsec along sky x and y (rows) of a step of a pixel along each axis
    turn : ndarray, shape (detectors, 2, 2) — its inverse: pixels of an arcsec
    extent : ndarray, shape (detectors, 2) — pixels from the first to the last that any event of it fell on
    centre : ndarray, shape (n, 2) — middle of each aperture, arcsec along sky x and y
    radius : ndarray, shape (n,) — of a circle with the aperture's area, arcsec
    core : ndarray, shape (n,) — King core of the point spread at each source, arcsec
    slope : ndarray, shape (n,) — its slope: ``1 − (1 + (r/core)²)^−slope`` of the photons lie within r
    home : ndarray, shape (n,) — row of the detector that most of a source's photons fell on; −1 where not known
    pixel_arcsec : float — side of a detector pixel
    """

    pixel: I64
    detector: I64
    offset: F64
    axes: F64
    turn: F64
    extent: F64
    centre: F64
    radius: F64
    core: F64
    slope: F64
    home: I64
    pixel_arcsec: float

    @property
    def pixels_in_aperture(self) -> F64:
        """Area of each aperture in detector pixels, at least 1, shape (n,)."""
        return np.maximum(np.pi * (self.radius / self.pixel_arcsec) ** 2, 1.0)


@dataclass(frozen=True, slots=True, eq=False)
class Places:
    """Photons of a batch on the sky.

    Parameters
    ----------
    centre : ndarray, shape (n, 2) — middle of each aperture, arcsec along sky x and y
    radius : ndarray, shape (n,) — of a circle with the aperture's area, arcsec
    offset : ndarray, shape (photons, 2) — arcsec from the middle of the photon's aperture
    """

    centre: F64
    radius: F64
    offset: F64


def places_of(detection_batch: DetectionBatch) -> Places | None:
    """Photons of the batch on the sky; None where that is not known."""
    observation, rows = detection_batch.observation, detection_batch.rows
    if observation is None or rows is None or not len(rows) or observation.projection is None:
        return None
    scale, events = observation.projection.pixel_arcsec, observation.events
    sky = np.array([(one.ra, one.dec) for one in detection_batch.apertures], dtype=np.float64)
    centre = np.column_stack(observation.projection.to_pixel(*sky.T)) * scale
    offset = np.column_stack([events.x[rows], events.y[rows]]) * scale
    offset -= np.repeat(centre, detection_batch.batch.counts, axis=0)
    radius = np.sqrt(np.array([one.region.area for one in detection_batch.apertures]) / np.pi)
    return Places(centre, radius, offset.astype(np.float64, copy=False))


def focal_plane(detection_batch: DetectionBatch) -> FocalPlane | None:
    """Photons of the batch on their detectors; None where pixels, sky or point spread are not known."""
    observation, rows = detection_batch.observation, detection_batch.rows
    places = places_of(detection_batch)
    if places is None or observation is None or rows is None or observation.point_spread is None:
        return None
    pixels, projection = observation.event_pixels, observation.projection
    if pixels is None or projection is None:
        return None
    numbers, axes, extent = _detector_axes(observation, pixels, projection.pixel_arcsec)
    if not len(numbers):
        return None
    source = np.repeat(np.arange(len(detection_batch)), detection_batch.batch.counts)
    lookup = np.full(1 << 16, -1, dtype=np.int64)
    lookup[numbers] = np.arange(len(numbers))
    detector = lookup[observation.events.detector[rows]]
    core, slope = point_spread_of(detection_batch)
    return FocalPlane(
        pixel=pixels[rows].astype(np.int64),
        detector=detector,
        offset=places.offset,
        axes=axes,
        turn=np.linalg.inv(axes).astype(np.float64),
        extent=extent,
        centre=places.centre,
        radius=places.radius,
        core=core,
        slope=slope,
        home=_home(source, detector, len(detection_batch), len(numbers)),
        pixel_arcsec=float(np.sqrt(abs(np.linalg.det(axes))).mean()),
    )


def point_spread_of(detection_batch: DetectionBatch) -> tuple[F64, F64]:
    """King core, arcsec, and slope of the point spread at each source, shape (n,) each.

    On axis where the off-axis angle is not known. The observation has to have a point spread.
    """
    assert detection_batch.observation is not None
    spread = detection_batch.observation.point_spread
    assert spread is not None
    angle = np.array([one.off_axis_arcmin or 0.0 for one in detection_batch.batch.identities])
    # A tenth of an arcmin changes no table by a per cent, and few distinct angles have to be looked up.
    grid, which = np.unique(np.round(angle, 1), return_inverse=True)
    table = np.array([spread.king(float(one)) for one in grid]).reshape(-1, 2)
    return table[which, 0], table[which, 1]


def _home(source: I64, detector: I64, n: int, detectors: int) -> I64:
    """The detector that most photons of each source fell on."""
    known = detector >= 0
    held = np.bincount(source[known] * detectors + detector[known], minlength=n * detectors).reshape(n, detectors)
    return np.where(held.any(axis=1), held.argmax(axis=1), -1)


def _detector_axes(observation: Observation, pixels: NDArray[np.int32], scale: float) -> tuple[I64, F64, F64]:
    """Numbers of the detectors whose axes are known, their axes and their extents."""
    events = observation.events
    numbers, found, extents = [], [], []
    for number in (one.number for one in observation.detectors):
        own = np.flatnonzero(events.detector == number)
        axes = _axes_of(own, observation, pixels, scale) if len(own) > LEAST_PAIRS else None
        if axes is not None:
            numbers.append(number)
            found.append(axes)
            extents.append(np.ptp(pixels[own], axis=0) + 1.0)
    return np.array(numbers, dtype=np.int64), np.array(found).reshape(-1, 2, 2), np.array(extents).reshape(-1, 2)


def _axes_of(own: I64, observation: Observation, pixels: NDArray[np.int32], scale: float) -> F64 | None:
    """Axes of one detector from its events, given by their indices in time order."""
    events = observation.events
    first = np.linspace(0, len(own) - 2, min(len(own) - 1, 2 * MOST_PAIRS)).astype(np.int64)
    a, b = own[first], own[first + 1]
    apart = events.time[b] - events.time[a]
    near = apart <= np.median(apart)
    a, b, apart = a[near], b[near], apart[near]
    step = (pixels[b] - pixels[a]).astype(np.float64)
    sky = np.column_stack([events.x[b] - events.x[a], events.y[b] - events.y[a]]).astype(np.float64) * scale
    # A scan moves the sky evenly over the pixels, so time has a column of its own.
    known = np.column_stack([step, apart])
    solution, _, rank, _ = np.linalg.lstsq(known, sky, rcond=None)
    if len(a) < LEAST_PAIRS or rank < (3 if np.ptp(apart) > 0 else 2):
        return None
    left = sky - known @ solution
    axes = np.asarray(solution[:2].T, dtype=np.float64)
    if np.sqrt((left**2).mean()) > WORST_FIT * np.sqrt((sky**2).mean()) or abs(np.linalg.det(axes)) < 1e-6:
        return None
    return axes
