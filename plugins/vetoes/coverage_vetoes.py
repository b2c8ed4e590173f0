"""Vetoes related to good time: unknown good times, chip edges under dither, and events truncated by the exposure."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from xherald.plugins.contract import Options
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .suspect_photons import ExplainingOptions, is_explained, nothing_raised, suspects_of

__all__ = [
    "ChipEdge",
    "ChipEdgeOptions",
    "GoodTimesUnknown",
    "GoodTimesUnknownOptions",
    "Truncated",
    "TruncatedOptions",
]


class ChipEdgeOptions(ExplainingOptions):
    """Thresholds of chip edges."""

    least_change: float = Field(
        default=0.02,
        ge=0,
        le=1,
        description="smallest difference between the fractions of the aperture on chips in the interval and on "
        "average; dither is known to about 1 arcsec, a few per cent of an aperture",
    )


class ChipEdge(Veto[ChipEdgeOptions]):
    """Dither moved the aperture over a chip edge in the interval.

    The live time includes the fraction of the aperture on chips at each time, but the wings of the point spread are
    modelled, and dither is known to an arcsec. A flare or dip is therefore explained if it disappears when this
    fraction is ignored, or when its effect is doubled.
    """

    name = "chip_edge"
    reason = (
        "{coverage_in:.0%} of the aperture was on chips in the interval and {coverage_all:.0%} on average, which "
        "explains {explained_counts:.1f} of the {counts:.0f} photons ({expected_counts:.1f} expected)"
    )

    def flags(self, detection_batch: DetectionBatch, options: ChipEdgeOptions) -> Flags:
        """Flags of every source."""
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


class GoodTimesUnknownOptions(Options):
    """Files without good times have no thresholds."""


class GoodTimesUnknown(Veto[GoodTimesUnknownOptions]):
    """The file has no good times: a gap in the exposure looks like an eclipse, what lies between gaps like a flare."""

    name = "good_times_unknown"
    reason = "the file has no good times: {counts:.0f} photons cannot tell variability from gaps in the exposure"

    def flags(self, detection_batch: DetectionBatch, options: GoodTimesUnknownOptions) -> Flags:
        """Flags of every source."""
        suspects = suspects_of(detection_batch)
        raised = (suspects.flare | suspects.dip) & ~detection_batch.batch.good_times_known
        return Flags(raised, {"counts": detection_batch.batch.counts.astype(np.float64)})


class TruncatedOptions(Options):
    """Thresholds of truncated events."""

    max_missing_counts: float = Field(
        default=3.0,
        gt=0,
        description="largest number of photons expected between the event and the start or stop, at the rate of the "
        "flare, or of the source outside the dip; below 3 their absence is not significant at 95 % confidence",
    )


class Truncated(Veto[TruncatedOptions]):
    """The exposure starts, stops or pauses at the flare or dip, which may be longer than observed.

    Only pauses that are longer than the event count. The flag does not reject.
    """

    name = "truncated"
    rejects = False
    reason = (
        "the exposure began {before_s:.0f} s before the interval and ended {after_s:.0f} s after it; "
        "the event may be longer"
    )

    def flags(self, detection_batch: DetectionBatch, options: TruncatedOptions) -> Flags:
        """Flags of every source."""
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
