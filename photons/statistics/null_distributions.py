"""Null distributions of the tests: from a statistic and a number of photons to a p-value.

On the null clock a steady source is uniform, so that the null distribution of a statistic depends on the number of
photons alone. It is simulated (`python -m xherald.photons.statistics.simulate_nulls`) and shipped as
``null_tables.npz`` with its seed and sample sizes. Beyond the simulated tail, ln p decreases linearly with the
statistic, with a fitted slope of at most 1, the asymptotic slope for a log likelihood ratio, so that extrapolated
p-values are conservative.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64, I64
from xherald.photons.errors import PhotonError

__all__ = ["MIN_PHOTONS", "NullTables", "load_null_tables"]


TABLES = Path(__file__).with_name("null_tables.npz")

FRAMED = "flare_scan"
"""Name of the test whose null distribution depends on the frame time, since no window is shorter than a frame."""

TIE, TIE_FRAMED = 1e-5, 0.05
"""Statistics that differ by less count as equal, and get the larger p-value."""

MIN_PHOTONS = 3
"""Smallest number of photons of a tested source."""


@dataclass(frozen=True, slots=True, eq=False)
class NullTables:
    """Quantiles of every statistic under the null.

    Parameters
    ----------
    names : tuple of str
    photons : ndarray, shape (g,) — simulated numbers of photons, ascending
    probability : ndarray, shape (q,) — upper-tail probabilities, descending from 1
    quantile_table : ndarray, shape (tests, g, q) — statistic exceeded with that probability
    slope : ndarray, shape (tests, g) — decrease of ln p per unit of the statistic beyond the last quantile
    frames : ndarray, shape (f,) — frame times, in units of the good time, at which the window scan was simulated
    framed_table, framed_slope : ndarray, shape (f, g, q) and (f, g) — quantiles and slopes of the scan at those
    """

    names: tuple[str, ...]
    photons: NDArray[np.int64]
    probability: F64
    quantile_table: F64
    slope: F64
    frames: F64
    framed_table: F64
    framed_slope: F64

    def _curves(self, name: str, counts: I64 | F64, frame: F64) -> tuple[F64, F64]:
        """Quantiles, shape (n, q), and slopes, shape (n,), interpolated in ln counts and, for `FRAMED`, in ln frame."""
        position = np.interp(np.log(np.maximum(counts, 1)), np.log(self.photons), np.arange(len(self.photons)))
        low = np.minimum(position.astype(np.int64), len(self.photons) - 2)
        part = position - low

        def between(table: F64, slope: F64) -> tuple[F64, F64]:
            return (
                table[..., low, :] * (1 - part)[:, None] + table[..., low + 1, :] * part[:, None],
                slope[..., low] * (1 - part) + slope[..., low + 1] * part,
            )

        if name != FRAMED:
            test = self.names.index(name)
            return between(self.quantile_table[test], self.slope[test])
        curves, slopes = between(self.framed_table, self.framed_slope)
        grid = np.log(self.frames)
        where = np.interp(np.log(np.maximum(frame, self.frames[0])), grid, np.arange(len(grid)))
        f = np.minimum(where.astype(np.int64), len(grid) - 2)
        share = where - f
        rows = np.arange(len(counts))
        return (
            curves[f, rows] * (1 - share)[:, None] + curves[f + 1, rows] * share[:, None],
            slopes[f, rows] * (1 - share) + slopes[f + 1, rows] * share,
        )

    def log_probability(self, name: str, statistic: F64, counts: I64 | F64, frame: F64) -> F64:
        """Ln of the p-value of a statistic, shape (n,); NaN below `MIN_PHOTONS` or for a NaN."""
        curves, slope = self._curves(name, counts, frame)
        log_q = np.log(self.probability)
        # A statistic with a frequent value (two photons in one frame, the smallest penalty) needs the probability of
        # reaching, not of exceeding, that value, which is interpolated between simulated sizes.
        statistic = statistic - (TIE_FRAMED if name == FRAMED else TIE)
        position = (curves < statistic[:, None]).sum(axis=1)
        k = np.clip(position, 1, len(log_q) - 1)
        rows = np.arange(len(counts))
        left, right = curves[rows, k - 1], curves[rows, k]
        part = np.clip((statistic - left) / np.maximum(right - left, 1e-300), 0.0, 1.0)
        inside = log_q[k - 1] * (1 - part) + log_q[k] * part
        beyond = log_q[-1] - slope * (statistic - curves[:, -1])
        out: F64 = np.where(position == 0, 0.0, np.where(position == len(log_q), beyond, inside))
        out[(counts < MIN_PHOTONS) | ~np.isfinite(statistic)] = np.nan
        return out

    def quantile(self, name: str, counts: NDArray[np.int64], probability: float) -> F64:
        """Statistic that a steady source exceeds with a given probability, shape (n,)."""
        if not 0 < probability < 1:
            raise PhotonError(f"probability {probability} is not in (0, 1)")
        curves, slope = self._curves(name, counts, np.zeros(len(counts)))
        out: F64
        if probability < self.probability[-1]:
            out = curves[:, -1] + (np.log(self.probability[-1]) - np.log(probability)) / slope
            return out
        order = np.log(self.probability)[::-1]
        at = np.interp(np.log(probability), order, np.arange(len(order))[::-1])
        low = np.minimum(at.astype(np.int64), len(order) - 2)
        part = at - low
        out = curves[:, low] * (1 - part) + curves[:, low + 1] * part
        return out


@cache
def load_null_tables(path: Path = TABLES) -> NullTables:
    """Load the shipped tables; cached."""
    if not path.is_file():
        raise PhotonError(f"{path}: null tables not found; run python -m xherald.photons.statistics.simulate_nulls")
    with np.load(path, allow_pickle=False) as data:
        return NullTables(
            names=tuple(str(name) for name in data["names"]),
            photons=data["photons"],
            probability=data["probability"],
            quantile_table=data["quantile_table"].astype(np.float64),
            slope=data["slope"],
            frames=data["frames"],
            framed_table=data["framed_table"].astype(np.float64),
            framed_slope=data["framed_slope"],
        )
