"""Photons of sources on the detector: pixels, point spread and axes as flat arrays, for all vetoes.

Differences of sky positions and of pixels between events close in time give the orientation of the detector on the sky,
independently of dither, snapshots and scans. So no veto needs an attitude file.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from xherald.photons.arrays import F64, I64
from xherald.photons.exposure.detector_axes import measure_detector_axes
from xherald.plugins.scoring import DetectionBatch

__all__ = ["FocalPlane", "Places", "focal_plane", "places_of", "point_spread_of"]


@dataclass(frozen=True, slots=True, eq=False)
class FocalPlane:
    """Photons of a batch on their detectors.

    Parameters
    ----------
    pixel : ndarray, shape (photons, 2), int64 — detector pixel
    detector : ndarray, shape (photons,), int64 — row in `axes`, `turn` and `extent`; −1 if the axes are unknown
    offset : ndarray, shape (photons, 2) — arcsec from the centre of the aperture, along sky x and y
    axes : ndarray, shape (detectors, 2, 2) — arcsec along sky x and y (rows) of one pixel along each axis
    turn : ndarray, shape (detectors, 2, 2) — its inverse: pixels per arcsec
    extent : ndarray, shape (detectors, 2) — number of pixels from the first to the last with an event
    centre : ndarray, shape (n, 2) — centre of each aperture, arcsec along sky x and y
    radius : ndarray, shape (n,) — of a circle with the area of the aperture, arcsec
    core : ndarray, shape (n,) — King core of the point spread at each source, arcsec
    slope : ndarray, shape (n,) — its slope: the fraction ``1 − (1 + (r/core)²)^−slope`` of the photons is within r
    home : ndarray, shape (n,) — row of the detector with most photons of the source; −1 if unknown
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
    centre : ndarray, shape (n, 2) — centre of each aperture, arcsec along sky x and y
    radius : ndarray, shape (n,) — of a circle with the area of the aperture, arcsec
    offset : ndarray, shape (photons, 2) — arcsec from the centre of the aperture
    """

    centre: F64
    radius: F64
    offset: F64


def places_of(detection_batch: DetectionBatch) -> Places | None:
    """Photons of the batch on the sky; None if positions are unknown."""
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
    """Photons of the batch on their detectors; None if pixels, sky positions or point spread are unknown."""
    observation, rows = detection_batch.observation, detection_batch.rows
    places = places_of(detection_batch)
    if places is None or observation is None or rows is None or observation.point_spread is None:
        return None
    pixels, projection = observation.event_pixels, observation.projection
    if pixels is None or projection is None:
        return None
    known = measure_detector_axes(observation)
    numbers, axes, extent = known.numbers, known.steps, known.extents
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

    On axis if the off-axis angle is unknown. The observation must have a point spread.
    """
    assert detection_batch.observation is not None
    spread = detection_batch.observation.point_spread
    assert spread is not None
    angle = np.array([one.off_axis_arcmin or 0.0 for one in detection_batch.batch.identities])
    # Rounding to 0.1 arcmin changes no table by 1 %, and leaves few distinct angles.
    grid, which = np.unique(np.round(angle, 1), return_inverse=True)
    table = np.array([spread.king(float(one)) for one in grid]).reshape(-1, 2)
    return table[which, 0], table[which, 1]


def _home(source: I64, detector: I64, n: int, detectors: int) -> I64:
    """The detector with most photons of each source."""
    known = detector >= 0
    held = np.bincount(source[known] * detectors + detector[known], minlength=n * detectors).reshape(n, detectors)
    return np.where(held.any(axis=1), held.argmax(axis=1), -1)
