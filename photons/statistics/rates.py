"""Rates of a source from counts over a known background: intervals, upper limits, and whether two of them are the same.

Posterior of the source's counts s, given n counts and b expected of the background, after Kraft, Burrows & Nousek 1991
(ApJ 374, 344, eq. 5 to 8): f(s) = C exp(-(s + b)) (s + b)^n / n! for s >= 0. Its integral is a ratio of incomplete
gamma functions, so that nothing is integrated by steps. On the road this stands behind a candidate's history.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError

__all__ = ["Counted", "rate_ratio", "same_rate_chance", "source_interval", "source_quantile", "upper_limit"]


ONE_SIGMA: Final = 0.6826894921370859
"""Probability within one standard deviation of a Gaussian."""

NEXT_TO_NOTHING: Final = 1e-280
"""Chance of so few counts below which the posterior is bounded by an exponential one."""

STEPS: Final = 60
"""Bisections: as many as a double has bits, and some."""

STEPS_OF_LOGARITHM: Final = 30
"""The same for a logarithm that need not be known beyond seven digits."""

NODES: Final = 200
"""Quantiles of one posterior over which that of a ratio is averaged."""

MOST_CELLS: Final = 200_000
"""Pairs of counts that are gone through one by one; where there would be more, counts are many and Wilks' law holds."""

REACH: Final = 11.0
"""Standard deviations to which pairs are gone through; what lies beyond counts as no less extreme."""


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of one place in one or several exposures.

    Parameters
    ----------
    counts : int
    background : float — counts expected of the background among them
    exposure_s : float — livetime times the part of the source's photons that the aperture holds, s
    """

    counts: int
    background: float
    exposure_s: float

    def __post_init__(self) -> None:
        if not (self.counts >= 0 and 0 <= self.background < np.inf and 0 < self.exposure_s < np.inf):
            raise PhotonError(
                f"{self.counts} counts over {self.background} in {self.exposure_s} s make no rate; "
                "counts and background are at least 0, the exposure is above 0"
            )


def source_quantile(counts: ArrayLike, background: ArrayLike, chance: ArrayLike) -> F64:
    """Source counts below which the posterior holds the given chance.

    Where so few counts would have a chance below 1e-280 if there were background alone, the background cannot be what
    it is said to be; the exponential posterior of slope 1 - n/b, which bounds the true one from above (their ratio of
    densities falls everywhere), is then taken in its place.

    Parameters
    ----------
    counts, background, chance : array_like, broadcast
        Chance in [0, 1).

    Returns
    -------
    ndarray
    """
    from scipy.special import gammaincc, gammainccinv

    n, b, p = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in (counts, background, chance)))
    none = gammaincc(n + 1.0, b)
    usable = none > NEXT_TO_NOTHING
    exact = gammainccinv(n + 1.0, np.where(usable, none * (1.0 - p), 0.5)) - b
    bound = -np.log1p(-p) / np.where(usable, 1.0, 1.0 - n / np.maximum(b, 1.0))
    return np.asarray(np.maximum(np.where(usable, exact, bound), 0.0), dtype=np.float64)


def _chance_below(n: F64, b: F64, source: F64) -> F64:
    """Posterior chance of fewer source counts: the inverse of `source_quantile`."""
    from scipy.special import gammaincc

    none = gammaincc(n + 1.0, b)
    usable = none > NEXT_TO_NOTHING
    exact = 1.0 - gammaincc(n + 1.0, source + b) / np.where(usable, none, 1.0)
    bound = -np.expm1(-source * np.where(usable, 1.0, 1.0 - n / np.maximum(b, 1.0)))
    return np.asarray(np.where(usable, exact, bound), dtype=np.float64)


def upper_limit(counts: ArrayLike, background: ArrayLike, level: float = 0.95) -> F64:
    """Source counts that the posterior lies below with probability `level`.

    It is the upper end of Kraft, Burrows & Nousek's interval where that begins at 0, and a little below it elsewhere.

    Parameters
    ----------
    counts, background : array_like, broadcast
    level : float

    Returns
    -------
    ndarray
    """
    return source_quantile(counts, background, level)


def source_interval(counts: ArrayLike, background: ArrayLike, level: float = ONE_SIGMA) -> tuple[F64, F64]:
    """Shortest interval of source counts that holds the posterior probability `level`.

    Kraft, Burrows & Nousek 1991, eq. 9: its ends are equally probable, or it begins at 0.

    Parameters
    ----------
    counts, background : array_like, broadcast
    level : float

    Returns
    -------
    low, high : ndarray
    """
    from scipy.special import xlogy

    n, b = np.broadcast_arrays(np.asarray(counts, dtype=np.float64), np.asarray(background, dtype=np.float64))

    def density(s: F64) -> F64:
        return np.asarray(xlogy(n, s + b) - (s + b), dtype=np.float64)

    def beyond(low: F64) -> F64:
        """Upper end of the interval that begins there."""
        return source_quantile(n, b, np.clip(_chance_below(n, b, low) + level, 0.0, 1.0 - 1e-16))

    # The density rises up to n - b: the later an interval begins below that, the less probable is its upper end.
    least, most = np.zeros(n.shape), np.maximum(n - b, 0.0)
    for _ in range(STEPS):
        middle = 0.5 * (least + most)
        early = density(middle) < density(beyond(middle))
        least, most = np.where(early, middle, least), np.where(early, most, middle)
    return least, beyond(least)


def rate_ratio(one: Counted, other: Counted, chances: ArrayLike) -> F64:
    """How many times the other's rate is the one's: quantiles of the ratio's posterior.

    Of each rate the posterior is that of Kraft, Burrows & Nousek; the ratio's is averaged over the other's quantiles.

    Parameters
    ----------
    one, other : Counted
    chances : array_like, shape (k,)

    Returns
    -------
    ndarray, shape (k,)
    """
    wanted = np.atleast_1d(np.asarray(chances, dtype=np.float64))
    rates = source_quantile(other.counts, other.background, (np.arange(NODES) + 0.5) / NODES) / other.exposure_s
    counts, background = np.array(float(one.counts)), np.array(one.background)
    likely = max(one.counts - one.background, 1.0) / one.exposure_s / float(np.median(rates))
    low, high = np.full(wanted.shape, np.log(likely) - 50.0), np.full(wanted.shape, np.log(likely) + 50.0)
    for _ in range(STEPS_OF_LOGARITHM):
        middle = 0.5 * (low + high)
        source = np.exp(middle)[:, None] * rates * one.exposure_s
        held = _chance_below(counts, background, source).mean(axis=1)
        low, high = np.where(held < wanted, middle, low), np.where(held < wanted, high, middle)
    return np.asarray(np.exp(0.5 * (low + high)), dtype=np.float64)


def same_rate_chance(one: Counted, other: Counted) -> float:
    """Chance of a likelihood ratio no smaller if both have one rate.

    The ratio is that of two Poisson means over known backgrounds, each rate at its best value of at least 0, against
    one rate for both (Cash 1979, ApJ 228, 939). Its law is exact at the best common rate: all pairs of counts are gone
    through; where these are too many, it is the chi-square of one degree of freedom (Wilks 1938, Ann. Math. Stat. 9,
    60). That the common rate is not known but measured makes small chances too large or too small by some ten per cent.

    Returns
    -------
    float
        In (0, 1].
    """
    from scipy.special import erfc, gammaln, pdtr, pdtrc, xlogy

    n = np.array([one.counts, other.counts], dtype=np.float64)
    b, t = np.array([one.background, other.background]), np.array([one.exposure_s, other.exposure_s])
    seen, rate = _likelihood_ratio(n[0], n[1], b, t)
    mean = b + float(rate) * t
    width = REACH * np.sqrt(np.maximum(mean, n)) + REACH
    first = np.maximum(np.floor(np.minimum(mean, n) - width), 0.0)
    last = np.ceil(np.maximum(mean, n) + width)
    if np.prod(last - first + 1) > MOST_CELLS:
        return float(max(erfc(np.sqrt(0.5 * float(seen))), np.finfo(float).tiny))
    grid = [np.arange(low, high + 1) for low, high in zip(first, last, strict=True)]
    ratio, _ = _likelihood_ratio(grid[0][:, None], grid[1][None, :], b, t)
    chances = [np.exp(xlogy(k, mu) - mu - gammaln(k + 1)) for k, mu in zip(grid, mean, strict=True)]
    extreme = float((np.outer(*chances) * (ratio >= seen * (1 - 1e-9) - 1e-12)).sum())
    outside = float(np.sum(pdtrc(last, mean) + np.where(first > 0, pdtr(np.maximum(first - 1, 0.0), mean), 0.0)))
    return float(np.clip(extreme + outside, np.finfo(float).tiny, 1.0))


def _likelihood_ratio(n0: ArrayLike, n1: ArrayLike, b: F64, t: F64) -> tuple[F64, F64]:
    """Twice the logarithm of the likelihood ratio of two rates against one, and that one's best value."""
    from scipy.special import xlogy

    n = np.asarray(n0, dtype=np.float64), np.asarray(n1, dtype=np.float64)
    # The likelihood of one rate r is level where
    # (t0 + t1)(b0 + r t0)(b1 + r t1) = n0 t0 (b1 + r t1) + n1 t1 (b0 + r t0).
    whole = t[0] + t[1]
    square = whole * t[0] * t[1]
    straight = whole * (b[0] * t[1] + b[1] * t[0]) - (n[0] + n[1]) * t[0] * t[1]
    level = whole * b[0] * b[1] - n[0] * t[0] * b[1] - n[1] * t[1] * b[0]
    root = np.sqrt(np.maximum(straight**2 - 4.0 * square * level, 0.0))
    # Of the two forms of the larger root, that in which nothing cancels.
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(straight <= 0, (root - straight) / (2.0 * square), -2.0 * level / (root + straight))
    rate = np.maximum(np.where(np.isfinite(rate), rate, 0.0), 0.0)
    total = np.zeros(np.broadcast_shapes(n[0].shape, n[1].shape))
    for i in (0, 1):
        best, common = np.maximum(n[i], b[i]), b[i] + rate * t[i]
        total = total + 2.0 * (xlogy(n[i], best) - best - xlogy(n[i], common) + common)
    return np.asarray(np.maximum(total, 0.0)), np.asarray(rate)
