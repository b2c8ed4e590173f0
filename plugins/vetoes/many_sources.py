"""Vetoes of what many sources of one observation do together: vary at the same time, or vary at all.

Sources are independent of each other; what they share is the telescope, its exposure and its background.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from xherald.photons.arrays import F64
from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .suspect_photons import live_shares, nothing_raised, suspects_of

__all__ = ["ManyCandidates", "ManyCandidatesOptions", "Simultaneous", "SimultaneousOptions"]


class SimultaneousOptions(Options):
    """Thresholds of sources that vary at the same time."""

    suspicious_p: float = Field(default=1e-3, gt=0, le=1, description="largest p-value of a source that varies")
    min_others: int = Field(default=3, ge=1, description="fewest other sources that vary at the same time")
    min_overlap: float = Field(
        default=0.5, gt=0, le=1, description="smallest overlap of two intervals, as a fraction of their union"
    )
    min_excess: float = Field(
        default=0.2,
        ge=0,
        description="smallest change of another source, relative to that of the source: photons that stray from a "
        "flare to its neighbours do not count against it",
    )
    max_chance: float = Field(
        default=1e-4, gt=0, lt=1, description="largest probability that so many intervals coincide by chance"
    )


class Simultaneous(Veto[SimultaneousOptions]):
    """Several sources of the observation brighten, or fade, in the same interval."""

    name = "simultaneous"
    reason = (
        "{others:.0f} other sources of the observation vary in the same interval (probability of a coincidence "
        "{chance:.1e})"
    )

    def flags(self, detection_batch: DetectionBatch, options: SimultaneousOptions) -> Flags:
        """Flags of every source."""
        n = len(detection_batch)
        if detection_batch.observation is None or n <= options.min_others:
            return nothing_raised(n, "others", "chance")
        from .count_probability import share_at_least

        suspects = suspects_of(detection_batch)
        with np.errstate(invalid="ignore"):
            varies = (suspects.flare | suspects.dip) & (detection_batch.timing.p_value <= options.suspicious_p)
        index = np.flatnonzero(varies)
        others, chance = np.zeros(n), np.ones(n)
        if len(index) > options.min_others:
            start, stop, dip = suspects.start[index], suspects.stop[index], suspects.dip[index]
            excess = np.abs(suspects.counts - suspects.expected)[index]
            for i, own in enumerate(index.tolist()):
                common = np.minimum(stop, stop[i]) - np.maximum(start, start[i])
                union = np.maximum(stop, stop[i]) - np.minimum(start, start[i])
                close = (common >= options.min_overlap * union) & (dip == dip[i])
                others[own] = np.count_nonzero(close & (excess >= options.min_excess * excess[i])) - 1
            live = live_shares(detection_batch, suspects)
            # Starts within half of the duration on either side overlap so much.
            share = np.clip(live / np.maximum(1.0 - live, 1e-9), 0.0, 1.0)
            chance = np.where(others > 0, share_at_least(others, np.full(n, len(index) - 1.0), share), 1.0)
        raised = varies & (others >= options.min_others) & (chance <= options.max_chance)
        return Flags(raised, {"others": others, "chance": np.asarray(chance, dtype=np.float64)})


class ManyCandidatesOptions(Options):
    """Thresholds of observations with too many varying sources."""

    suspicious_p: float = Field(default=1e-3, gt=0, le=1, description="largest p-value of a source that varies")
    max_fraction: float = Field(
        default=0.3, gt=0, le=1, description="largest fraction of the tested sources of an observation that may vary"
    )
    min_sources: int = Field(
        default=5, ge=2, description="fewest varying sources; fewer may be chance, or a small list"
    )


class ManyCandidates(Veto[ManyCandidatesOptions]):
    """So many sources of the observation vary that it is the observation: its exposure or its background."""

    name = "many_candidates"
    of_observation = True
    reason = (
        "{varying:.0f} of {tested:.0f} tested sources vary, more than is plausible: the exposure or the background of "
        "the observation differs from what the file records"
    )

    def flags(self, detection_batch: DetectionBatch, options: ManyCandidatesOptions) -> Flags:
        """Flags of every source."""
        n = len(detection_batch)
        if detection_batch.observation is None or n < options.min_sources:
            return nothing_raised(n, "varying", "tested")
        p = detection_batch.timing.p_value
        tested = int(np.count_nonzero(~np.isnan(p)))
        with np.errstate(invalid="ignore"):
            varies = p <= options.suspicious_p
        varying = int(np.count_nonzero(varies))
        too_many = varying >= options.min_sources and varying > options.max_fraction * tested
        return Flags(varies & too_many, {"varying": _full(n, varying), "tested": _full(n, tested)})


def _full(n: int, value: int) -> F64:
    return np.full(n, float(value))
