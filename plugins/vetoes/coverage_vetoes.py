"""Vetoes of good time: chip edges under dither, and events that the exposure cuts off."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .suspect_photons import ExplainingOptions, is_explained, nothing_raised, suspects_of

__all__ = ["ChipEdge", "ChipEdgeOptions", "Truncated", "TruncatedOptions"]


class ChipEdgeOptions(ExplainingOptions):
    """When a chip's edge explains what a source does."""

    least_change: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="how much more, or less, of the aperture was on chips in the interval than in all, at least; "
        "dither is known to about 1 arcsec, a few per cent of an aperture",
    )


class ChipEdge(Veto[ChipEdgeOptions]):
    """Dither took the aperture over a chip's edge in the interval.

    The livetime axis knows how much of the aperture was on chips at each moment, from the point spread; but its wings
    are modelled, and dither is known to an arcsec. So a flare or dip is explained where it is gone if that part did not
    matter at all, or if it mattered twice.
    """

    name = "chip_edge"
    reason = (
        "the aperture was on chips for {coverage_in:.0%} in the interval and for {coverage_all:.0%} in all, which "
        "explains {explained_counts:.1f} of the {counts:.0f} photons ({expected_counts:.1f} expected)"
    )

    def flags(self, detection_batch: DetectionBatch, options: ChipEdgeOptions) -> Flags:
        """Judge every source."""
        names = ("coverage_in", "coverage_all", "explained_counts", "counts", "expected_counts")
        batch, suspects = detection_batch.batch, suspects_of(detection_batch)
        if not len(batch) or (batch.gti_fraction == 1.0).all():
            return nothing_raised(len(detection_batch), *names)
        from .coverage_kernels import coverage

        half = 0.5 * batch.frame_time
        start, stop = suspects.start - half, suspects.stop + half
        known = suspects.flare | suspects.dip
        start, stop = np.where(known, start, 0.0), np.where(known, stop, 0.0)
        time = coverage(batch.gti, batch.gti_fraction, batch.gti_offsets, start, stop)
        inside, total = time[:, 0], time[:, 1]
        outside = np.maximum(total - inside, 1e-9)
        predicted = (batch.counts - suspects.counts)[:, None] * inside / outside
        most, least = predicted.max(axis=1), predicted.min(axis=1)
        counts, expected = suspects.counts, suspects.expected
        mean_in = np.divide(inside[:, 1], inside[:, 0], out=np.ones(len(batch)), where=inside[:, 0] > 0)
        mean_all = total[:, 1] / total[:, 0]
        explained = np.where(suspects.dip, least, most)
        raised = is_explained(detection_batch, suspects, expected, explained, options)
        raised &= np.abs(mean_in - mean_all) >= options.least_change
        numbers = (mean_in, mean_all, explained, counts, expected)
        return Flags(raised, dict(zip(names, numbers, strict=True)))


class TruncatedOptions(Options):
    """When an event is cut off."""

    max_missing_counts: float = Field(
        default=3.0,
        gt=0,
        description="photons that the time from the start, or to the stop, would hold at most at the rate of a flare, "
        "or of the source outside a dip; below 3 their absence says nothing at 95 % confidence",
    )


class Truncated(Veto[TruncatedOptions]):
    """The flare or dip runs into the start or the stop of the exposure, or into a pause longer than itself.

    It may be real and longer than it looks: this is told and rejects nothing.
    """

    name = "truncated"
    rejects = False
    reason = "cut off: good time begins {before_s:.0f} s before the interval and ends {after_s:.0f} s after it"

    def flags(self, detection_batch: DetectionBatch, options: TruncatedOptions) -> Flags:
        """Judge every source."""
        batch, suspects = detection_batch.batch, suspects_of(detection_batch)
        if not len(batch):
            return nothing_raised(0, "before_s", "after_s")
        from .coverage_kernels import bounds

        known = suspects.flare | suspects.dip
        start, stop = np.where(known, suspects.start, 0.0), np.where(known, suspects.stop, 0.0)
        pause = np.maximum(stop - start, batch.frame_time)
        edges = bounds(batch.gti, batch.gti_offsets, start, stop, pause)
        inside = np.where(known, detection_batch.intervals.livetime, 0.0)
        outside = batch.livetime - inside
        flare_rate = np.divide(suspects.counts, inside, out=np.zeros(len(batch)), where=inside > 0)
        rest_rate = np.divide(batch.counts - suspects.counts, outside, out=np.zeros(len(batch)), where=outside > 0)
        missing = edges * np.where(suspects.flare, flare_rate, rest_rate)[:, None]
        raised = known & (missing.min(axis=1) < options.max_missing_counts)
        return Flags(raised, {"before_s": edges[:, 0], "after_s": edges[:, 1]})
