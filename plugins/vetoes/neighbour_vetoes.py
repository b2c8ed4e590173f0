"""Vetoes of stray photons: read-out streaks, arms of a lobster eye, wings of a bright neighbour.

When a bright source flares, a fraction of its photons falls on other positions, where a faint source seems to flare at
the same time.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, TypeVar

import numpy as np
from pydantic import Field

from xherald.photons import Observation
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .focal_plane import focal_plane
from .suspect_photons import ExplainingOptions, is_explained, live_shares, nothing_raised, suspects_of

__all__ = ["BrightNeighbour", "LobsterArm", "LobsterArmOptions", "ReadoutStreak", "StrayOptions"]

NAMES = ("stray_counts", "counts", "expected_counts", "neighbour_counts", "neighbour_expected", "distance_arcsec")


class StrayOptions(ExplainingOptions):
    """Thresholds of stray photons."""

    neighbour_chance: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="largest probability that the neighbour, if steady, has so many, or few, photons in the interval",
    )
    margin: float = Field(
        default=3.0,
        ge=1,
        description="largest ratio of true to predicted stray photons: point spreads are not round, and pile-up "
        "removes photons from a bright core but not from its streak",
    )


class LobsterArmOptions(StrayOptions):
    """Thresholds of stray photons in the cross of a lobster eye."""

    arm_reach_arcsec: float = Field(
        default=2400.0,
        gt=0,
        description="scale of the exponential profile of an arm; arms reach beyond a degree (Angel 1979, ApJ 233, "
        "364; Cheng et al. 2024, Exp. Astron. 57, 10), approximate",
    )


StrayOptionsT = TypeVar("StrayOptionsT", bound=StrayOptions)


class _Stray(Veto[StrayOptionsT]):
    """Base class of the three vetoes."""

    way: ClassVar[int]
    reason = (
        "a source {distance_arcsec:.0f} arcsec away had {neighbour_counts:.0f} photons in the interval "
        "({neighbour_expected:.1f} if steady); {stray_counts:.1f} stray photons of it explain the {counts:.0f} photons "
        "here ({expected_counts:.1f} expected)"
    )

    @abstractmethod
    def part(self, observation: Observation) -> float:
        """Fraction of the photons of a source that stray; 0 if the detector or the mirrors have no such effect."""

    def arm_reach_arcsec(self, options: StrayOptionsT) -> float:
        """Distance at which an arm of the cross has fallen to 1/e; unused by the others."""
        return 1.0

    def flags(self, detection_batch: DetectionBatch, options: StrayOptionsT) -> Flags:
        """Flags of every source."""
        observation = detection_batch.observation
        part = self.part(observation) if observation else 0.0
        plane = focal_plane(detection_batch) if part > 0 else None
        if plane is None:
            return nothing_raised(len(detection_batch), *NAMES)
        from .count_probability import falls, rises
        from .neighbour_kernels import strays

        batch, suspects = detection_batch.batch, suspects_of(detection_batch)
        half, live = 0.5 * batch.frame_time, live_shares(detection_batch, suspects)
        found = strays(
            self.way,
            batch.offsets,
            batch.time,
            (suspects.flare | suspects.dip) & ~(detection_batch.timing.p_value > options.suspicious_p),
            suspects.start - half,
            suspects.stop + half,
            live,
            suspects.counts - suspects.expected,
            plane.home,
            plane.centre,
            plane.radius,
            plane.core,
            plane.slope,
            plane.turn,
            plane.extent,
            plane.pixel_arcsec,
            part,
            self.arm_reach_arcsec(options),
        )
        stray, counts, expected = found[:, 0], suspects.counts, suspects.expected
        there = found[:, 1] >= 0
        # Of either sign: the background may have more of the neighbour than the aperture, and what the neighbour puts
        # into other times makes this interval look bright or faint, too.
        strayed = np.where(suspects.dip, -np.abs(stray), np.abs(stray))
        explained = np.maximum(expected + options.margin * strayed, 0.0)
        outside = found[:, 3] * (1.0 - live) / np.maximum(live, 1e-12)
        bright, faint = (test(found[:, 2], outside, live) for test in (rises, falls))
        varied = np.minimum(faint, bright) <= options.neighbour_chance
        raised = there & varied & is_explained(detection_batch, suspects, expected, explained, options)
        numbers = (stray, counts, expected, found[:, 2], found[:, 3], found[:, 4])
        return Flags(raised, dict(zip(NAMES, numbers, strict=True)))


class ReadoutStreak(_Stray[StrayOptions]):
    """On the read-out streak of a bright source that flares, or dips, at the same time.

    Photons that arrive during the read-out are spread over the detector column of the source; the adapter gives their
    fraction (`PixelLayout.out_of_time`).
    """

    name = "readout_streak"
    way = 0

    def part(self, observation: Observation) -> float:
        """Fraction of out-of-time photons of the detector."""
        return observation.pixels.out_of_time if observation.pixels else 0.0


class LobsterArm(_Stray[LobsterArmOptions]):
    """On an arm of the cross of a bright source that flares, or dips, at the same time (lobster eye)."""

    name = "lobster_arm"
    way = 1

    def part(self, observation: Observation) -> float:
        """Fraction of photons in the cross."""
        return observation.pixels.arms if observation.pixels else 0.0

    def arm_reach_arcsec(self, options: LobsterArmOptions) -> float:
        """That of the options."""
        return options.arm_reach_arcsec


class BrightNeighbour(_Stray[StrayOptions]):
    """In the wings of the point spread of a bright source that flares, or dips, at the same time."""

    name = "bright_neighbour"
    way = 2

    def part(self, observation: Observation) -> float:
        """1: the point spread gives the fraction."""
        return 1.0
