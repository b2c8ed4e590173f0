"""Vetoes of strayed photons: read-out streaks, the arms of a lobster eye, the wings of a bright neighbour.

All three are one thought: when a bright source flares, part of its photons lands elsewhere, and a faint source there
seems to flare with it, at the same time and by as much as that part.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar, TypeVar

import numpy as np
from pydantic import Field

from xherald.photons import Observation
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .focal_plane import focal_plane
from .suspect_photons import ExplainingOptions, is_explained, nothing_raised, suspects_of

__all__ = ["BrightNeighbour", "LobsterArm", "LobsterArmOptions", "ReadoutStreak", "StrayOptions"]

NAMES = ("stray_counts", "counts", "expected_counts", "neighbour_counts", "neighbour_expected", "distance_arcsec")


class StrayOptions(ExplainingOptions):
    """When a neighbour explains what a source does."""

    neighbour_chance: float = Field(
        default=1e-4, gt=0, lt=1, description="chance that the neighbour, if steady, has so many, or few, photons then"
    )
    margin: float = Field(
        default=3.0,
        ge=1,
        description="how many times the strayed photons may be what is predicted: point spreads are not round, "
        "pile-up takes photons from a bright core but not from its streak",
    )


class LobsterArmOptions(StrayOptions):
    """The same for a cross."""

    arm_reach_arcsec: float = Field(
        default=2400.0,
        gt=0,
        description="mean reach of an arm, falling exponentially; arms reach beyond a degree (Angel 1979, ApJ 233, "
        "364; Cheng et al. 2024, Exp. Astron. 57, 10), approximate",
    )


StrayOptionsT = TypeVar("StrayOptionsT", bound=StrayOptions)


class _Stray(Veto[StrayOptionsT]):
    """What the three have in common."""

    way: ClassVar[int]
    reason = (
        "a source {distance_arcsec:.0f} arcsec away had {neighbour_counts:.0f} photons in the interval "
        "({neighbour_expected:.1f} if steady), of which {stray_counts:.1f} stray here: {counts:.0f} photons, "
        "{expected_counts:.1f} expected"
    )

    @abstractmethod
    def part(self, observation: Observation) -> float:
        """Part of a source's photons that goes this way; 0 where the detector or the mirrors have none of it."""

    def arm_reach_arcsec(self, options: StrayOptionsT) -> float:
        """Distance at which an arm of the cross has fallen to 1/e; of no meaning elsewhere."""
        return 1.0

    def flags(self, detection_batch: DetectionBatch, options: StrayOptionsT) -> Flags:
        """Judge every source."""
        observation = detection_batch.observation
        part = self.part(observation) if observation else 0.0
        plane = focal_plane(detection_batch) if part > 0 else None
        if plane is None:
            return nothing_raised(len(detection_batch), *NAMES)
        from .count_probability import at_least, at_most
        from .neighbour_kernels import strays

        batch, suspects = detection_batch.batch, suspects_of(detection_batch)
        half = 0.5 * batch.frame_time
        found = strays(
            self.way,
            batch.offsets,
            batch.time,
            (suspects.flare | suspects.dip) & ~(detection_batch.timing.p_value > options.suspicious_p),
            suspects.start - half,
            suspects.stop + half,
            suspects.share,
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
        explained = np.maximum(expected + options.margin * stray, 0.0)
        bright, faint = at_least(found[:, 2], found[:, 3]), at_most(found[:, 2], found[:, 3])
        varied = np.where(suspects.dip, faint, bright) <= options.neighbour_chance
        raised = there & varied & is_explained(detection_batch, suspects, expected, explained, options)
        numbers = (stray, counts, expected, found[:, 2], found[:, 3], found[:, 4])
        return Flags(raised, dict(zip(NAMES, numbers, strict=True)))


class ReadoutStreak(_Stray[StrayOptions]):
    """On the read-out streak of a bright source that flares, or dips, at the same time.

    Photons that arrive while charge is moved to the read-out are spread over the source's detector column; how many,
    the adapter says (`PixelLayout.out_of_time`).
    """

    name = "readout_streak"
    way = 0

    def part(self, observation: Observation) -> float:
        """The detector's out-of-time photons."""
        return observation.pixels.out_of_time if observation.pixels else 0.0


class LobsterArm(_Stray[LobsterArmOptions]):
    """On an arm of the cross that a lobster eye makes of a bright source that flares, or dips, at the same time."""

    name = "lobster_arm"
    way = 1

    def part(self, observation: Observation) -> float:
        """The mirrors' cross."""
        return observation.pixels.arms if observation.pixels else 0.0

    def arm_reach_arcsec(self, options: LobsterArmOptions) -> float:
        """From the options."""
        return options.arm_reach_arcsec


class BrightNeighbour(_Stray[StrayOptions]):
    """In the wings of the point spread of a bright source that flares, or dips, at the same time."""

    name = "bright_neighbour"
    way = 2

    def part(self, observation: Observation) -> float:
        """All mirrors have wings."""
        return 1.0
