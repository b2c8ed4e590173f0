"""What is told and rejects nothing: pile-up, and sources wider than a point.

Pile-up distorts a real event's counts and energies; an extended source, a cluster of galaxies say, makes no flares, but
an active galaxy or a star in front of it may. Neither is a reason to drop a candidate, both are to be known.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from ..contract import Options
from ..judging import Flags, Subjects, Veto
from .focal_plane import focal_plane
from .suspects import nothing_raised, suspects_of

__all__ = ["Extended", "ExtendedOptions", "PileUp", "PileUpOptions"]

F64 = NDArray[np.float64]


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


class PileUp(Veto):
    """So many photons a frame in the core of the point spread that some are read as one, of their summed energy."""

    name = "pile_up"
    rejects = False
    reason = (
        "{counts_per_frame:.2f} photons a frame, of which {island_share:.0%} fall on one event's 3 x 3 pixels: "
        "counts and energies are distorted by pile-up"
    )
    options_model: ClassVar[type[Options]] = PileUpOptions

    def flags(self, subjects: Subjects, options: Options) -> Flags:
        """Judge every source."""
        assert isinstance(options, PileUpOptions)
        plane, observation = focal_plane(subjects), subjects.observation
        if plane is None or observation is None or observation.frame_time <= 0:
            return nothing_raised(len(subjects), "counts_per_frame", "island_share")
        batch, suspects = subjects.batch, suspects_of(subjects)
        # The central pixel and those around it, taken as a circle of the same area about the source.
        radius = 3.0 * plane.pixel_arcsec / np.sqrt(np.pi)
        island = 1.0 - (1.0 + (radius / plane.core) ** 2) ** -plane.slope
        livetime = batch.livetime
        mean = np.divide(batch.counts, livetime, out=np.zeros(len(batch)), where=livetime > 0)
        inside = np.where(suspects.flare, subjects.intervals.livetime, 0.0)
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


class Extended(Veto):
    """Wider than the point spread: extended emission, or several sources in one aperture."""

    name = "extended"
    rejects = False
    reason = (
        "{core_counts:.0f} of {counts:.0f} photons lie within {core_radius_arcsec:.1f} arcsec, where "
        "{core_expected:.1f} of a point source would: extended, or more than one source"
    )
    options_model: ClassVar[type[Options]] = ExtendedOptions

    def flags(self, subjects: Subjects, options: Options) -> Flags:
        """Judge every source."""
        assert isinstance(options, ExtendedOptions)
        names = ("core_counts", "counts", "core_radius_arcsec", "core_expected")
        plane = focal_plane(subjects)
        if plane is None:
            return nothing_raised(len(subjects), *names)
        from .chance import share_at_least

        batch = subjects.batch
        counts = batch.counts.astype(np.float64)
        half = plane.core * np.sqrt(0.5 ** (-1.0 / plane.slope) - 1.0)
        # Positions are no finer than pixels.
        radius = np.minimum(np.maximum(half, plane.pixel_arcsec), plane.radius)
        source = np.repeat(np.arange(len(batch)), batch.counts)
        near = np.hypot(plane.offset[:, 0], plane.offset[:, 1]) <= radius[source]
        core = np.bincount(source[near], minlength=len(batch)).astype(np.float64)

        def within(r: F64) -> F64:
            return np.asarray(1.0 - (1.0 + (r / plane.core) ** 2) ** -plane.slope, dtype=np.float64)

        point = np.minimum(within(radius / options.spread_error) / within(plane.radius / options.spread_error), 1.0)
        background = np.minimum(batch.background_counts / np.maximum(counts, 1.0), 1.0)
        share = (1.0 - background) * point + background * (radius / plane.radius) ** 2
        raised = (counts > 0) & (share_at_least(counts - core, counts, 1.0 - share) <= options.max_chance)
        return Flags(raised, dict(zip(names, (core, counts, radius, share * counts), strict=True)))
