"""Error of the background within the interval of a source: `log_inflation`.

The clock predicts the background of an interval from its light curve, which is smooth where the region has few photons.
If the background varied unseen, the photons of the region within the interval itself still bound it. The p-value of the
interval's counts is averaged over the background that they allow, and compared with that of the smooth prediction; the
source's p-value grows by the ratio. Regions smaller than twice the aperture bound nothing: see `background_posterior`.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from xherald.photons.arrays import F64, I64
from xherald.photons.batch import EventBatch

from .intervals import band_counts
from .result import Intervals

__all__ = ["log_inflation"]

NODES: Final = 48
"""Quantiles over which the background of an interval is averaged."""

MIN_SMOOTH: Final = 1e-6
"""Smallest smooth prediction, photons of the region."""

MIN_TAIL: Final = 1e-290
"""Smallest p-value of an interval that a double can hold."""


def log_inflation(batch: EventBatch, intervals: Intervals, index: I64) -> F64:
    """Ln of the factor by which the background's error within its interval raises the p-value of each source.

    Parameters
    ----------
    batch : EventBatch
    intervals : Intervals
        Of all sources of the batch.
    index : ndarray, shape (k,)
        Sources to correct.

    Returns
    -------
    ndarray, shape (k,) — at least 0
    """
    from scipy.special import gammaincinv, pdtr, pdtrc

    livetime, counts, expected = intervals.livetime[index], intervals.counts[index], intervals.expected[index]
    ratio, total = batch.area_ratio[index], batch.livetime[index]
    background_counts = band_counts(
        batch.background_time,
        batch.background_energy,
        batch.background_offsets,
        intervals.start,
        intervals.stop,
        batch.hardness_split,
    )
    inside = background_counts[index, 1].sum(axis=1).astype(np.float64)
    outside = np.diff(batch.background_offsets)[index] - inside
    rest = np.maximum(total - livetime, 1e-9)
    source = np.maximum(batch.counts[index] - counts - ratio * outside, 0.0) / rest * livetime
    smooth = np.maximum((inside + outside) * livetime / total, (expected - source) / ratio)
    smooth = np.maximum(smooth, MIN_SMOOTH)
    nodes = (np.arange(NODES) + 0.5) / NODES
    # Posterior of an exponential prior about the smooth prediction, which allows unseen changes by factors of a few.
    background = gammaincinv(inside[:, None] + 1.0, nodes[None, :]) / (1.0 + 1.0 / smooth[:, None])
    mean = source[:, None] + ratio[:, None] * background
    flare = (counts > expected)[:, None]
    n = counts[:, None]

    def log_tail(of: F64) -> F64:
        p = np.where(flare, pdtrc(np.maximum(n - 1.0, 0.0), of), pdtr(n, of)).mean(axis=1)
        return np.asarray(np.log(np.maximum(p, MIN_TAIL)), dtype=np.float64)

    grown = log_tail(mean) - log_tail(expected[:, None])
    return np.asarray(np.where(np.isfinite(grown), np.maximum(grown, 0.0), 0.0), dtype=np.float64)
