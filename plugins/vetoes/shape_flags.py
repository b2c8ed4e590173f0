"""Flags of pile-up and extended sources, which do not reject a candidate.

Pile-up distorts the counts and energies of a real event. An extended source, such as a cluster of galaxies, does not
flare, but an active galaxy in it or a star in front of it may.
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
    """Thresholds of pile-up."""

    min_island_counts_per_frame: float = Field(
        default=0.1,
        gt=0,
        description="photons per frame on the 3 x 3 pixels of an event: at 0.1 about 5 % of events are piled up "
        "(Davis 2001, ApJ 562, 575; The Chandra ABC Guide to Pileup)",
    )
    min_flare_counts: int = Field(
        default=10, ge=1, description="fewest photons of a flare whose rate is used; the rate of fewer is too uncertain"
    )


class PileUp(Veto[PileUpOptions]):
    """Several photons per frame in the core of the point spread are read as one event of their total energy."""

    name = "pile_up"
    rejects = False
    reason = (
        "{counts_per_frame:.2f} photons per frame, {island_share:.0%} of them within 3 x 3 pixels: pile-up distorts "
        "counts and energies"
    )

    def flags(self, detection_batch: DetectionBatch, options: PileUpOptions) -> Flags:
        """Flags of every source."""
        observation = detection_batch.observation
        side = observation.detector_pixel_arcsec if observation else None
        if observation is None or side is None or observation.point_spread is None or observation.frame_time <= 0:
            return nothing_raised(len(detection_batch), "counts_per_frame", "island_share")
        core, slope = point_spread_of(detection_batch)
        batch, suspects = detection_batch.batch, suspects_of(detection_batch)
        # The central pixel and its neighbours, as a circle of the same area around the source.
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
    """Thresholds of extended sources."""

    max_chance: float = Field(
        default=1e-4, gt=0, lt=1, description="largest probability that a point source has so few photons in its core"
    )
    spread_error: float = Field(
        default=1.5, ge=1, description="largest ratio of the true to the tabulated width of the point spread"
    )


class Extended(Veto[ExtendedOptions]):
    """The source is wider than the point spread: extended emission, or several sources in one aperture."""

    name = "extended"
    rejects = False
    reason = (
        "{core_counts:.0f} of {counts:.0f} photons are within {core_radius_arcsec:.1f} arcsec, {core_expected:.1f} are "
        "expected of a point source: extended, or more than one source"
    )

    def flags(self, detection_batch: DetectionBatch, options: ExtendedOptions) -> Flags:
        """Flags of every source."""
        names = ("core_counts", "counts", "core_radius_arcsec", "core_expected")
        places, observation = places_of(detection_batch), detection_batch.observation
        if places is None or observation is None or observation.point_spread is None:
            return nothing_raised(len(detection_batch), *names)
        from .count_probability import share_at_least

        batch = detection_batch.batch
        counts = batch.counts.astype(np.float64)
        king_core, slope = point_spread_of(detection_batch)
        half = king_core * np.sqrt(0.5 ** (-1.0 / slope) - 1.0)
        # Positions are known to a pixel.
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
