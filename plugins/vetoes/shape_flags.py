"""What is told and rejects nothing: pile-up, and sources wider than a point.

Pile-up distorts a real event's counts and energies; an extended source, a cluster of galaxies say, makes no flares, but
an active galaxy or a star in front of it may. Neither is a reason to drop a candidate, both are to be known.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64
from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .focal_plane import places_of, point_spread_of
from .suspect_photons import nothing_raised, suspects_of

__all__ = ["Extended", "ExtendedOptions", "PileUp", "PileUpOptions"]


class PileUpOptions(Options):
    """When photons share pixels in a frame."""

    min_island_counts_per_frame: float = Field(
        default=0.1,
        gt=0,
        description="photons per frame on the 3 x 3 pixels of an event: at 0.1 about 5 % of events are piled up "
        "(Davis 2001, ApJ 562, 575; The Chandra ABC Guide to Pileup)",
    )
    min_flare_counts: int = Field(
        default=10, ge=1, description="photons of a flare whose rate counts; fewer in one frame are a rate by chance"
    )


class PileUp(Veto[PileUpOptions]):
    """So many photons a frame in the core of the point spread that some are read as one, of their summed energy."""

    name = "pile_up"
    rejects = False
    reason = (
        "{counts_per_frame:.2f} photons a frame, of which {island_share:.0%} fall on one event's 3 x 3 pixels: "
        "counts and energies are distorted by pile-up"
    )

    def flags(self, detection_batch: DetectionBatch, options: PileUpOptions) -> Flags:
        """Judge every source."""
        observation = detection_batch.observation
        side = observation.detector_pixel_arcsec if observation else None
        if observation is None or side is None or observation.point_spread is None or observation.frame_time <= 0:
            return nothing_raised(len(detection_batch), "counts_per_frame", "island_share")
        core, slope = point_spread_of(detection_batch)
        batch, suspects = detection_batch.batch, suspects_of(detection_batch)
        # The central pixel and those around it, taken as a circle of the same area about the source.
        radius = 3.0 * side / np.sqrt(np.pi)
        island = 1.0 - (1.0 + (radius / core) ** 2) ** -slope
        livetime = batch.livetime
        mean = np.divide(batch.counts, livetime, out=np.zeros(len(batch)), where=livetime > 0)
        inside = np.where(suspects.flare, detection_batch.intervals.livetime, 0.0)
        enough = (inside > 0) & (suspects.counts >= options.min_flare_counts)
        peak = np.divide(suspects.counts, inside, out=np.zeros(len(batch)), where=enough)
        per_frame = np.maximum(mean, peak) * observation.frame_time
        raised = per_frame * island >= options.min_island_counts_per_frame
        return Flags(raised, {"counts_per_frame": per_frame, "island_share": island})


class ExtendedOptions(Options):
    """When a source is wider than a point."""

    max_chance: float = Field(
        default=1e-4, gt=0, lt=1, description="chance that a point source has so few photons in its core"
    )
    spread_error: float = Field(
        default=1.5, ge=1, description="how many times the point spread may be as wide as its table says"
    )


class Extended(Veto[ExtendedOptions]):
    """Wider than the point spread: extended emission, or several sources in one aperture."""

    name = "extended"
    rejects = False
    reason = (
        "{core_counts:.0f} of {counts:.0f} photons lie within {core_radius_arcsec:.1f} arcsec, where "
        "{core_expected:.1f} of a point source would: extended, or more than one source"
    )

    def flags(self, detection_batch: DetectionBatch, options: ExtendedOptions) -> Flags:
        """Judge every source."""
        names = ("core_counts", "counts", "core_radius_arcsec", "core_expected")
        places, observation = places_of(detection_batch), detection_batch.observation
        if places is None or observation is None or observation.point_spread is None:
            return nothing_raised(len(detection_batch), *names)
        from .count_probability import share_at_least

        batch = detection_batch.batch
        counts = batch.counts.astype(np.float64)
        king_core, slope = point_spread_of(detection_batch)
        half = king_core * np.sqrt(0.5 ** (-1.0 / slope) - 1.0)
        # Positions are no finer than pixels.
        pixel = max(observation.require_projection().pixel_arcsec, observation.detector_pixel_arcsec or 0.0)
        radius = np.minimum(np.maximum(half, pixel), places.radius)
        source = np.repeat(np.arange(len(batch)), batch.counts)
        near = np.hypot(places.offset[:, 0], places.offset[:, 1]) <= radius[source]
        core = np.bincount(source[near], minlength=len(batch)).astype(np.float64)

        def within(r: F64) -> F64:
            return np.asarray(1.0 - (1.0 + (r / king_core) ** 2) ** -slope, dtype=np.float64)

        point = np.minimum(within(radius / options.spread_error) / within(places.radius / options.spread_error), 1.0)
        background = np.minimum(batch.background_counts / np.maximum(counts, 1.0), 1.0)
        share = (1.0 - background) * point + background * (radius / places.radius) ** 2
        raised = (counts > 0) & (share_at_least(counts - core, counts, 1.0 - share) <= options.max_chance)
        return Flags(raised, dict(zip(names, (core, counts, radius, share * counts), strict=True)))
