"""Counts, contrast and hardness within the interval of a flare or dip, compared with the rest of the exposure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xherald.detector.results.json_columns import nan_to_none
from xherald.detector.results.row_types import CountsFields, HardnessChangeFields
from xherald.detector.results.shared_fields import AFTER, BEFORE, INSIDE, count_bands
from xherald.photons.arrays import F64
from xherald.photons.statistics.result import Hardness, Intervals

from .evidence_measures import excess, hardness_change, poisson_interval, rate_ratio

if TYPE_CHECKING:
    from xherald.photons import EventBatch

__all__ = ["measure_counts", "measure_hardness_change"]


def measure_counts(batch: EventBatch, found: Intervals) -> list[CountsFields]:
    """68 % limits of the counts in each interval, of those expected and of the background, the excess, the contrast.

    Parameters
    ----------
    batch : EventBatch
        n sources.
    found : Intervals
        One for each source.
    """
    tested = batch.counts - np.where(batch.good_times_known, 0, 2)
    outside = tested - found.counts
    scale = _exposure_ratio(batch, found, outside)
    few, many = poisson_interval(outside)
    expected = np.where(outside > 0, found.expected, outside * scale), few * scale, many * scale
    background = _background_counts(batch, found)
    contrast = rate_ratio(found.counts, outside, scale)
    counts_low, counts_high = (nan_to_none(column) for column in poisson_interval(found.counts))
    expected_low, expected_high = (nan_to_none(column) for column in expected[1:])
    around, around_low, around_high = (nan_to_none(column) for column in background)
    fluence, fluence_low, fluence_high = (nan_to_none(column) for column in excess(found.counts, *expected))
    has_contrast = np.isfinite(contrast[0])
    ratio, ratio_low, ratio_high = (nan_to_none(np.where(has_contrast, column, np.nan)) for column in contrast)
    return [
        {
            "interval_counts_low": counts_low[i],
            "interval_counts_high": counts_high[i],
            "interval_expected_counts_low": expected_low[i],
            "interval_expected_counts_high": expected_high[i],
            "interval_background_counts": around[i],
            "interval_background_counts_low": around_low[i],
            "interval_background_counts_high": around_high[i],
            "fluence_counts": fluence[i],
            "fluence_counts_low": fluence_low[i],
            "fluence_counts_high": fluence_high[i],
            "contrast": ratio[i],
            "contrast_low": ratio_low[i],
            "contrast_high": ratio_high[i],
        }
        for i in range(len(batch))
    ]


def _exposure_ratio(batch: EventBatch, found: Intervals, outside: F64) -> F64:
    """Counts expected inside for each photon outside; by live time where there is no photon outside."""
    rest = np.maximum(batch.livetime - found.livetime, 0.0)
    by_time = np.divide(found.livetime, rest, out=np.full(rest.shape, np.nan), where=rest > 0)
    ratio: F64 = np.divide(found.expected, outside, out=by_time, where=outside > 0)
    return ratio


def _background_counts(batch: EventBatch, found: Intervals) -> tuple[F64, F64, F64]:
    """Background within each interval, from the background region's photons of the same time."""
    source = np.repeat(np.arange(len(batch)), np.diff(batch.background_offsets))
    during = (batch.background_time >= found.start[source]) & (batch.background_time <= found.stop[source])
    around = np.bincount(source[during], minlength=len(batch)).astype(np.float64)
    around[(batch.area_ratio == 0) | ~np.isfinite(found.start)] = np.nan
    low, high = poisson_interval(around)
    return around * batch.area_ratio, low * batch.area_ratio, high * batch.area_ratio


def measure_hardness_change(batch: EventBatch, found: Intervals, hardness: Hardness) -> list[HardnessChangeFields]:
    """Hardness outside each interval, and how much that inside differs.

    Parameters
    ----------
    batch : EventBatch
    found : Intervals
    hardness : Hardness
        Of the same intervals, see `results.shared_fields.compute_hardness`.
    """
    from xherald.photons.statistics.hardness import hardness_posterior

    counts, around = (bands[:, BEFORE] + bands[:, AFTER] for bands in count_bands(batch, found))
    posterior = hardness_posterior(counts[:, 0], counts[:, 1], around[:, 0], around[:, 1], batch.area_ratio)
    is_unknown = ~np.isfinite(found.start)
    outside = tuple(np.where(is_unknown, np.nan, part) for part in posterior)
    inside = (hardness.value[:, INSIDE], hardness.low[:, INSIDE], hardness.high[:, INSIDE])
    value, low, high = (nan_to_none(column) for column in outside)
    change, change_low, change_high, sigma = (
        nan_to_none(column) for column in hardness_change(inside, (outside[0], outside[1], outside[2]))
    )
    return [
        {
            "hardness_outside": value[i],
            "hardness_outside_low": low[i],
            "hardness_outside_high": high[i],
            "hardness_change": change[i],
            "hardness_change_low": change_low[i],
            "hardness_change_high": change_high[i],
            "hardness_change_sigma": sigma[i],
        }
        for i in range(len(batch))
    ]
