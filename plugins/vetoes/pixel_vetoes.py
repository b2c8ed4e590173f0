"""Vetoes of pixels and tracks: hot and flickering pixels, cosmic-ray afterglows, cosmic rays on a CMOS.

Their events are on one pixel or along a track, while the photons of a fast burst are spread over the point spread, even
if as many fall into as few frames.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64, Mask
from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .focal_plane import FocalPlane, focal_plane
from .suspect_photons import Suspects, nothing_left, nothing_raised, suspects_of

if TYPE_CHECKING:
    from xherald.photons import Observation

__all__ = ["Afterglow", "CosmicRayTrack", "HotPixel", "PixelOptions"]


class PixelOptions(Options):
    """Thresholds of bad pixels."""

    max_chance: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="largest probability that so many photons of a point source fall on one pixel, any of the aperture",
    )
    rest_chance: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="smallest probability at which the remaining photons are as expected of a steady source, for one "
        "given interval without trials",
    )
    min_part: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="smallest fraction of the excess of a flare, or of the photons outside a dip, on it",
    )
    spread_error: float = Field(
        default=1.3,
        ge=1,
        description="largest ratio of the true to the tabulated fraction of the point spread on a pixel",
    )


class AfterglowOptions(PixelOptions):
    """Thresholds of afterglows."""

    max_chance: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="as for a hot pixel; larger, because frames and energies must agree, too",
    )
    min_events: int = Field(
        default=4,
        ge=3,
        description="fewest events; with four or more, CIAO's acis_find_afterglow finds nearly all afterglows",
    )
    max_step_frames: float = Field(
        default=3.0,
        ge=1,
        description="largest median interval between events, frames; a few frames may be without an event",
    )
    max_energy_trend: float = Field(
        default=-0.2,
        ge=-1,
        le=1,
        description="largest Kendall's tau of energy with time; the charge declines in general, but not always",
    )


class TrackOptions(Options):
    """Thresholds of tracks."""

    min_pixels: int = Field(default=3, ge=2, description="fewest adjacent pixels in one frame")
    max_chance: float = Field(
        default=1e-3, gt=0, lt=1, description="largest probability that so many photons of a point source are adjacent"
    )
    rest_chance: float = Field(
        default=1e-4, gt=0, lt=1, description="smallest probability at which the remaining photons are as expected"
    )


class HotPixel(Veto[PixelOptions]):
    """One pixel has more of the photons than the point spread allows: a hot or flickering pixel.

    Uses the photons within the interval of a flare, or outside that of a dip; raised if there is no flare or dip
    without the pixel.
    """

    name = "hot_pixel"
    reason = (
        "{pixel_counts:.0f} of {counts:.0f} photons are on one detector pixel, {pixel_share:.1%} are expected of a "
        "point source (probability {chance:.1e})"
    )

    def flags(self, detection_batch: DetectionBatch, options: PixelOptions) -> Flags:
        """Flags of every source."""
        judged = _on_pixels(detection_batch, options)
        if judged is None:
            return nothing_raised(len(detection_batch), "pixel_counts", "counts", "pixel_share", "chance")
        found, left = judged
        raised = (found[:, 3] <= options.max_chance) & left
        return Flags(raised, _columns(found, "counts", "pixel_counts", "pixel_share", "chance"))


class Afterglow(Veto[AfterglowOptions]):
    """Charge of a cosmic ray released in one pixel: events of falling energy in a few to a few dozen frames.

    See the CIAO help of acis_find_afterglow; as there, the pixel distinguishes its events from those of a source.
    """

    name = "afterglow"
    reason = (
        "{pixel_counts:.0f} of {counts:.0f} photons are on one detector pixel, {step_frames:.1f} frames apart, with "
        "falling energies (tau {energy_trend:.2f}; probability for a point source {chance:.1e})"
    )

    def flags(self, detection_batch: DetectionBatch, options: AfterglowOptions) -> Flags:
        """Flags of every source."""
        from xherald.photons.statistics.result import FLARE

        names = ("counts", "pixel_counts", "pixel_share", "chance", "", "step_frames", "energy_trend", "energy_kev")
        judged = _on_pixels(detection_batch, options)
        if judged is None:
            return nothing_raised(len(detection_batch), *(name for name in names if name))
        found, left = judged
        falls = (found[:, 5] <= options.max_step_frames) & (found[:, 6] <= options.max_energy_trend)
        raised = (found[:, 1] >= options.min_events) & (found[:, 3] <= options.max_chance) & falls & left
        return Flags(raised & (detection_batch.direction == FLARE), _columns(found, *names))


class CosmicRayTrack(Veto[TrackOptions]):
    """A cosmic ray through a CMOS or CCD: more adjacent pixels in one frame than expected of photons."""

    name = "cosmic_ray_track"
    reason = (
        "{track_pixels:.0f} of {frame_counts:.0f} events of one frame are on adjacent pixels (probability {chance:.1e})"
    )

    def flags(self, detection_batch: DetectionBatch, options: TrackOptions) -> Flags:
        """Flags of every source."""
        plane, observation = focal_plane(detection_batch), detection_batch.observation
        if plane is None or observation is None or observation.frame_time <= 0:
            return nothing_raised(len(detection_batch), "track_pixels", "frame_counts", "chance")
        from .count_probability import at_least
        from .pixel_kernels import tracks

        suspects = suspects_of(detection_batch)
        batch = detection_batch.batch
        suspected = suspects.suspected & suspects.flare[suspects.source]
        found = tracks(
            batch.offsets, batch.time, suspected, plane.detector, plane.pixel, observation.frame_time, MAX_PER_FRAME
        )
        # Probability that two photons of a point source are adjacent: nine times the integral of its squared profile.
        touching = 9 * plane.pixel_arcsec**2 * plane.slope**2 / (np.pi * plane.core**2 * (2 * plane.slope + 1))
        chance = at_least(found[:, 0] - 1.0, found[:, 2] * np.minimum(touching, 1.0))
        left = nothing_left(detection_batch, suspects, found[:, 0], np.zeros(len(detection_batch)), options.rest_chance)
        raised = suspects.flare & (found[:, 0] >= options.min_pixels) & (chance <= options.max_chance) & left
        return Flags(raised, {"track_pixels": found[:, 0], "frame_counts": found[:, 1], "chance": chance})


MAX_PER_FRAME = 256
"""Photons of a frame that are searched for adjacent ones; a frame with more is not a track."""


def _on_pixels(detection_batch: DetectionBatch, options: PixelOptions) -> tuple[F64, Mask] | None:
    """Result of `busiest_pixels`, and where nothing is left without the pixel; None if pixels are unknown."""
    plane, observation = focal_plane(detection_batch), detection_batch.observation
    if plane is None or observation is None:
        return None
    suspects = suspects_of(detection_batch)
    found = _busiest(detection_batch, suspects, plane, observation, options.spread_error)
    return found, _explained(detection_batch, suspects, found, options)


def _busiest(
    detection_batch: DetectionBatch,
    suspects: Suspects,
    plane: FocalPlane,
    observation: Observation,
    spread_error: float,
) -> F64:
    from .pixel_kernels import busiest_pixels

    batch = detection_batch.batch
    found: F64 = busiest_pixels(
        batch.offsets,
        batch.time,
        batch.energy,
        suspects.suspected,
        suspects.inside,
        plane.detector,
        plane.pixel,
        plane.offset,
        plane.axes,
        plane.core,
        plane.slope,
        plane.pixel_arcsec,
        plane.pixels_in_aperture,
        observation.frame_time,
        spread_error,
    )
    return found


def _explained(detection_batch: DetectionBatch, suspects: Suspects, found: F64, options: PixelOptions) -> Mask:
    """Where the pixel has much of the suspicious photons, and there is no flare or dip without it."""
    on, within = np.nan_to_num(found[:, 1]), np.nan_to_num(found[:, 4])
    zero = np.zeros(len(on))
    inside = np.where(suspects.flare, on, within)
    left = nothing_left(detection_batch, suspects, inside, np.where(suspects.dip, on, zero), options.rest_chance)
    suspicious = np.where(suspects.flare, suspects.counts - suspects.expected, np.nan_to_num(found[:, 0]))
    return left & (on >= options.min_part * suspicious)


def _columns(found: F64, *names: str) -> dict[str, F64]:
    return {name: found[:, index] for index, name in enumerate(names) if name}
