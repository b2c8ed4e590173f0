"""Veto of background flares: the whole field varies in the interval of a source."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import Field

from xherald.photons import Exposure, Observation
from xherald.photons.arrays import F64, Mask
from xherald.plugins.scoring import DetectionBatch, Flags, Veto

from .focal_plane import places_of, point_spread_of
from .suspect_photons import ExplainingOptions, Suspects, is_explained, live_shares, nothing_raised, suspects_of

__all__ = ["BackgroundFlare", "BackgroundFlareOptions"]


BINS, MIN_PER_BIN = 64, 10
"""Bins of live time whose median is the usual level of the field, and the mean number of photons that each needs."""


MAX_WINGS = 0.3
"""Surface brightness of the wings of a source, relative to the field, from which they are not counted as field."""

MAX_WING_RADII = 10.0
"""Largest radius of such wings, in 90 % radii."""


class BackgroundFlareOptions(ExplainingOptions):
    """Thresholds of background flares."""

    field_chance: float = Field(
        default=1e-4,
        gt=0,
        lt=1,
        description="largest probability that a steady field has so many, or few, photons in the interval",
    )
    background_error: float = Field(
        default=1.5, ge=1, description="largest ratio of the true to the measured background in the aperture"
    )


class BackgroundFlare(Veto[BackgroundFlareOptions]):
    """The count rate of the field outside all sources rises or falls in the same interval.

    Soft protons brighten all sources of XMM and eROSITA at the same time; time lost in the read-out dims all of them. A
    flare is explained if a steady source on a background that follows the field gives as many photons, a dip if a
    source that follows the field gives as few.
    """

    name = "background_flare"
    reason = (
        "the field was {field_ratio:.2f} times as bright in the interval ({field_counts:.0f} photons, "
        "{field_expected:.1f} expected), which explains {explained_counts:.1f} of the {counts:.0f} photons"
    )

    def flags(self, detection_batch: DetectionBatch, options: BackgroundFlareOptions) -> Flags:
        """Flags of every source."""
        names = ("field_ratio", "field_counts", "field_expected", "explained_counts", "counts")
        observation = detection_batch.observation
        if observation is None or detection_batch.rows is None or not len(detection_batch):
            return nothing_raised(len(detection_batch), *names)
        from .count_probability import falls, rises

        suspects = suspects_of(detection_batch)
        field = _field_counts(observation, _field_photons(detection_batch, observation, suspects), suspects)
        counts, steady = suspects.counts, _steady(detection_batch, suspects)
        explained = _explained(detection_batch, suspects, field.profile, options)
        dimmed = steady * np.minimum(field.within / np.maximum(field.usual * field.share, 1e-12), 1.0)
        brighter = rises(field.within, field.outside, field.share) <= options.field_chance
        fainter = falls(field.within, field.usual * (1.0 - field.share), field.share) <= options.field_chance
        found = np.where(suspects.dip, dimmed, explained)
        raised = ((suspects.flare & brighter) | (suspects.dip & fainter)) & is_explained(
            detection_batch, suspects, steady, found, options
        )
        compared = np.where(suspects.dip, field.usual * field.share, field.expected)
        ratio = field.within / np.maximum(compared, 1e-12)
        numbers = (ratio, field.within, compared, found, counts)
        return Flags(raised, dict(zip(names, numbers, strict=True)))


@dataclass(frozen=True, slots=True, eq=False)
class _Field:
    """Photons outside all sources in each interval, shape (n,) each.

    `within`: in the interval; `outside`: at other times; `usual`: in all, at the median level; `share`: fraction of the
    live time in the interval.
    """

    within: F64
    outside: F64
    usual: F64
    share: F64

    @property
    def expected(self) -> F64:
        """Photons in the interval that the field outside it predicts."""
        return self.outside * self.share / np.maximum(1.0 - self.share, 1e-9)

    @property
    def profile(self) -> F64:
        """Fraction of the photons of the field in the interval, with one more outside, since few are uncertain."""
        return self.within / (self.within + self.outside + 1.0)


def _steady(detection_batch: DetectionBatch, suspects: Suspects) -> F64:
    """Photons expected in the interval from the photons outside and the live time, for a constant background."""
    live = live_shares(detection_batch, suspects)
    return np.asarray((detection_batch.batch.counts - suspects.counts) * live / (1.0 - live), dtype=np.float64)


def _explained(
    detection_batch: DetectionBatch, suspects: Suspects, profile: F64, options: BackgroundFlareOptions
) -> F64:
    """Photons in the interval of a steady source on a background of which the fraction `profile` is in it."""
    batch = detection_batch.batch
    total = batch.counts.astype(np.float64)
    outside = total - suspects.counts
    measured = batch.area_ratio > 0
    # Without a measured background, all photons outside may be background.
    around = np.where(measured, options.background_error * batch.background_counts * (1.0 - profile), outside)
    around = np.minimum(around, outside)
    live = live_shares(detection_batch, suspects)
    steady = (outside - around) * live / (1.0 - live)
    background = around * profile / np.maximum(1.0 - profile, 1e-9)
    return np.asarray(np.maximum(steady + background, suspects.expected), dtype=np.float64)


def _field_photons(detection_batch: DetectionBatch, observation: Observation, suspects: Suspects) -> Mask:
    """Photons of no source: outside all apertures, and outside the wings of what flares or is bright."""
    events, rows = observation.events, detection_batch.rows
    free = np.ones(len(events), dtype=np.bool_)
    free[rows] = False
    from .neighbour_kernels import mask_discs

    places = places_of(detection_batch)
    if places is None or observation.point_spread is None or not free.any():
        return free
    core, slope = point_spread_of(detection_batch)
    scale = observation.require_projection().pixel_arcsec
    x, y = events.x * scale, events.y * scale
    area = max(float(np.ptp(x)) * float(np.ptp(y)), 1.0)
    density = np.count_nonzero(free) / area
    # The wings in the interval of a flare against the field at that time.
    brightest = np.maximum(detection_batch.batch.counts, suspects.counts / np.maximum(suspects.share, 1e-3))
    peak = brightest * slope / (np.pi * core**2)
    reach = core * np.sqrt(np.maximum((peak / max(density * MAX_WINGS, 1e-12)) ** (1.0 / (slope + 1.0)) - 1.0, 0.0))
    r90 = core * np.sqrt(0.1 ** (-1.0 / slope) - 1.0)
    reach = np.minimum(reach, MAX_WING_RADII * r90)
    wide = reach > places.radius
    mask_discs(free, x, y, places.centre[wide], reach[wide])
    return free


def _field_counts(observation: Observation, free: Mask, suspects: Suspects) -> _Field:
    """Photons of the field outside all sources in each interval."""
    events = observation.events
    n = len(suspects.start)
    within, outside, usual, expected = np.zeros(n), np.zeros(n), np.zeros(n), np.zeros(n)
    known = suspects.flare | suspects.dip
    half = 0.5 * observation.frame_time
    start, stop = suspects.start[known] - half, suspects.stop[known] + half
    for detector in observation.detectors:
        if not len(detector.gti):
            continue
        time = events.time[free & (events.detector == detector.number)]
        exposure = Exposure(detector.gti)
        share = (exposure.livetime_at(stop) - exposure.livetime_at(start)) / exposure.livetime
        held = np.searchsorted(time, stop, side="right") - np.searchsorted(time, start, side="left")
        within[known] += held
        outside[known] += len(time) - held
        usual[known] += _usual_count(exposure.livetime_at(time), exposure.livetime)
        expected[known] += len(time) * share
    share = np.divide(expected, within + outside, out=suspects.share.copy(), where=within + outside > 0)
    return _Field(within, outside, usual, np.clip(share, 0.0, 1.0))


def _usual_count(livetime: F64, total: float) -> float:
    """Total number of photons at the median level, which a flare at another time does not raise."""
    if len(livetime) < MIN_PER_BIN * BINS:
        return float(len(livetime))
    counts, _ = np.histogram(livetime, bins=BINS, range=(0.0, total))
    return float(np.median(counts)) * BINS
