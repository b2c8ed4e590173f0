"""Vetoes of single pixels and tracks: hot and flickering pixels, cosmic-ray afterglows, cosmic rays on a CMOS.

What betrays them is the detector: their events lie where charge leaks or a particle passed, not where mirrors put
photons. A fast burst puts as many photons into as few frames, but spreads them over the point spread.
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
    """What makes a pixel suspicious."""

    max_chance: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="chance, all pixels of the aperture tried, that the point spread puts so many photons on one pixel",
    )
    rest_chance: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="chance above which the photons that are left are as expected of a steady source; that of one "
        "interval, not of the best of many",
    )
    min_part: float = Field(
        default=0.3, ge=0, le=1, description="least part of a flare's excess, or of the photons outside a dip, on it"
    )
    spread_error: float = Field(
        default=1.3,
        ge=1,
        description="how many times the share of a pixel may be larger than the point-spread table says",
    )


class AfterglowOptions(PixelOptions):
    """What makes events of a pixel an afterglow."""

    max_chance: float = Field(
        default=0.05,
        gt=0,
        lt=1,
        description="as for a hot pixel, larger because frames and energies have to fit as well",
    )
    min_events: int = Field(
        default=4,
        ge=3,
        description="fewest events: from four on CIAO's acis_find_afterglow finds nearly all afterglows",
    )
    max_step_frames: float = Field(
        default=3.0,
        ge=1,
        description="median step from event to event, frames: there may be gaps of a few frames without an event",
    )
    max_energy_trend: float = Field(
        default=-0.2,
        ge=-1,
        le=1,
        description="Kendall's tau of energy with time at most: charge declines in general, but not always",
    )


class TrackOptions(Options):
    """What makes events of a frame a track."""

    min_pixels: int = Field(default=3, ge=2, description="fewest touching pixels of one frame")
    max_chance: float = Field(
        default=1e-3, gt=0, lt=1, description="chance that photons of the point spread touch so often"
    )
    rest_chance: float = Field(
        default=1e-4, gt=0, lt=1, description="chance above which the photons that are left are as expected"
    )


class HotPixel(Veto[PixelOptions]):
    """One pixel gives more of the photons than the point spread could: a hot or flickering pixel.

    Judged on the photons of a flare's interval, or on those outside a dip's; raised where no case for the flare or dip
    is left without the pixel.
    """

    name = "hot_pixel"
    reason = (
        "{pixel_counts:.0f} of {counts:.0f} photons lie on one detector pixel, which should hold {pixel_share:.1%} "
        "of a point source (chance {chance:.1e})"
    )

    def flags(self, detection_batch: DetectionBatch, options: PixelOptions) -> Flags:
        """Judge every source."""
        judged = _on_pixels(detection_batch, options)
        if judged is None:
            return nothing_raised(len(detection_batch), "pixel_counts", "counts", "pixel_share", "chance")
        found, left = judged
        raised = (found[:, 3] <= options.max_chance) & left
        return Flags(raised, _columns(found, "counts", "pixel_counts", "pixel_share", "chance"))


class Afterglow(Veto[AfterglowOptions]):
    """A cosmic ray's charge left in one pixel: events of falling energy over a few to a few dozen frames.

    What they look like: CIAO help of acis_find_afterglow; its events are told from a source's by the pixel as there.
    """

    name = "afterglow"
    reason = (
        "{pixel_counts:.0f} of {counts:.0f} photons lie on one detector pixel in frames {step_frames:.1f} apart, their "
        "energies falling (tau {energy_trend:.2f}; chance by the point spread {chance:.1e})"
    )

    def flags(self, detection_batch: DetectionBatch, options: AfterglowOptions) -> Flags:
        """Judge every source."""
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
    """A cosmic ray through a CMOS or CCD: touching pixels in one frame, more than photons would touch by chance."""

    name = "cosmic_ray_track"
    reason = "{track_pixels:.0f} of {frame_counts:.0f} events of one frame touch each other (chance {chance:.1e})"

    def flags(self, detection_batch: DetectionBatch, options: TrackOptions) -> Flags:
        """Judge every source."""
        plane, observation = focal_plane(detection_batch), detection_batch.observation
        if plane is None or observation is None or observation.frame_time <= 0:
            return nothing_raised(len(detection_batch), "track_pixels", "frame_counts", "chance")
        from .count_probability import at_least
        from .pixel_kernels import tracks

        suspects = suspects_of(detection_batch)
        batch = detection_batch.batch
        suspected = suspects.suspected & suspects.flare[suspects.source]
        found = tracks(
            batch.offsets, batch.time, suspected, plane.detector, plane.pixel, observation.frame_time, MOST_OF_A_FRAME
        )
        # Two photons of a point source fall on touching pixels with nine times the integral of its squared profile.
        touching = 9 * plane.pixel_arcsec**2 * plane.slope**2 / (np.pi * plane.core**2 * (2 * plane.slope + 1))
        chance = at_least(found[:, 0] - 1.0, found[:, 2] * np.minimum(touching, 1.0))
        left = nothing_left(detection_batch, suspects, found[:, 0], np.zeros(len(detection_batch)), options.rest_chance)
        raised = suspects.flare & (found[:, 0] >= options.min_pixels) & (chance <= options.max_chance) & left
        return Flags(raised, {"track_pixels": found[:, 0], "frame_counts": found[:, 1], "chance": chance})


MOST_OF_A_FRAME = 256
"""Photons of a frame among which touching ones are looked for; a frame with more is no track."""


def _on_pixels(detection_batch: DetectionBatch, options: PixelOptions) -> tuple[F64, Mask] | None:
    """What `busiest_pixels` finds, and where nothing is left without the pixel; None where pixels are not known."""
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
    """Where the pixel holds much of what is under suspicion, and no flare or dip is left without it."""
    on, within = np.nan_to_num(found[:, 1]), np.nan_to_num(found[:, 4])
    zero = np.zeros(len(on))
    inside = np.where(suspects.flare, on, within)
    left = nothing_left(detection_batch, suspects, inside, np.where(suspects.dip, on, zero), options.rest_chance)
    suspicious = np.where(suspects.flare, suspects.counts - suspects.expected, np.nan_to_num(found[:, 0]))
    return left & (on >= options.min_part * suspicious)


def _columns(found: F64, *names: str) -> dict[str, F64]:
    return {name: found[:, index] for index, name in enumerate(names) if name}
