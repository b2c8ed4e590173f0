"""Whether a change stands out of red noise: p-value of the models of events against the model of red noise.

The statistic is the logarithm of the mean evidence of all events over the evidence of red noise (`red_noise`), both
averaged over their parameters. Its null distribution is that of simulated log-normal red noise of any index and
amplitude that the timing tests find to vary (`simulate_red_noise`), at the same number of photons. Without the table,
the inverse ratio would be an upper bound of the p-value by Markov's inequality; the table is sharper.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Final

import numpy as np

from xherald.photons.arrays import F64, I64

__all__ = ["PHOTONS", "SIGNIFICANCE", "red_noise_probability"]

PHOTONS: Final = (20, 40, 80, 160, 400, 1000, 3000)
"""Numbers of photons at which the null distribution is simulated."""

SIGNIFICANCE: Final = 1e-3
"""Largest p-value of the timing tests of the simulated sources."""

TABLE: Final = Path(__file__).with_name("red_noise_nulls.npz")


@cache
def _load_table() -> tuple[F64, ...]:
    """Sorted statistic of the null sources at each number of photons."""
    with np.load(TABLE, allow_pickle=False) as stored:
        rows = stored["statistic"].astype(np.float64)
    return tuple(row[np.isfinite(row)] for row in rows)


def red_noise_probability(statistic: F64, counts: I64) -> tuple[F64, F64]:
    """P-value of red noise, and its standard error from the number of simulated sources.

    Parameters
    ----------
    statistic : ndarray, shape (n,) — see `KindProbabilities.log_events_over_red_noise`; NaN gives NaN
    counts : ndarray, shape (n,)

    Returns
    -------
    p, error : ndarray, shape (n,)
        p is at least one over the number of simulated sources, about 5e-4.
    """
    tables = _load_table()
    p = np.empty((len(tables), len(statistic)))
    for row, null in enumerate(tables):
        p[row] = (1.0 + null.size - np.searchsorted(null, statistic, side="left")) / (1.0 + null.size)
    at = np.interp(np.log(np.maximum(counts, 1)), np.log(PHOTONS), np.arange(len(PHOTONS)))
    low = np.minimum(at.astype(np.int64), len(PHOTONS) - 2)
    part, rows = at - low, np.arange(len(statistic))
    value = np.exp((1.0 - part) * np.log(p[low, rows]) + part * np.log(p[low + 1, rows]))
    size = np.array([null.size for null in tables], dtype=np.float64)
    error = np.sqrt(value * (1.0 - value) / np.minimum(size[low], size[low + 1]))
    unknown = np.isnan(statistic)
    return np.where(unknown, np.nan, value), np.where(unknown, np.nan, error)
