"""Count rates over a known background: intervals, upper limits, ratios, and a test of equal rates.

The posterior of the source counts s, given n counts and b expected background counts, is that of Kraft, Burrows &
Nousek 1991 (ApJ 374, 344, eq. 5 to 8): f(s) = C exp(-(s + b)) (s + b)^n / n! for s >= 0. Its integral is a ratio of
incomplete gamma functions. The history of a candidate is computed with these functions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64
from xherald.photons.errors import PhotonError

__all__ = [
    "ObservedCounts",
    "rate_ratio",
    "same_rate_probability",
    "source_interval",
    "source_quantile",
    "upper_limit",
]


ONE_SIGMA: Final = 0.6826894921370859
"""Probability within one standard deviation of a Gaussian."""

MIN_NORMALISATION: Final = 1e-280
"""Normalisation below which the posterior is replaced by an exponential bound."""

BISECTIONS: Final = 60
"""Bisections, for the precision of a double."""

LOG_BISECTIONS: Final = 30
"""Bisections of a logarithm, for seven digits."""

NODES: Final = 200
"""Quantiles of one posterior over which the posterior of a ratio is averaged."""

MAX_PAIRS: Final = 200_000
"""Largest number of pairs of counts for the exact test; with more, counts are large and Wilks' theorem applies."""

MAX_SIGMA: Final = 11.0
"""Standard deviations up to which pairs are enumerated; pairs beyond count as more extreme."""


@dataclass(frozen=True, slots=True)
class ObservedCounts:
    """Counts and exposure of one position.

    Parameters
    ----------
    counts : int
    background_counts : float — expected background counts
    exposure_s : float — s, livetime times the fraction of the point spread in the aperture
    background_error : float — 68 % error of the background counts
    """

    counts: int
    background_counts: float
    exposure_s: float
    background_error: float = 0.0

    def __post_init__(self) -> None:
        background_is_valid = 0 <= self.background_counts < np.inf and 0 <= self.background_error < np.inf
        if not (self.counts >= 0 and background_is_valid and 0 < self.exposure_s < np.inf):
            raise PhotonError(
                f"invalid counts {self.counts}, background counts {self.background_counts} ± {self.background_error} "
                f"or exposure {self.exposure_s} s; the counts must be at least 0, the exposure above 0"
            )


def source_quantile(counts: ArrayLike, background: ArrayLike, probability: ArrayLike) -> F64:
    """Quantiles of the posterior of source counts.

    If the probability of so few counts from the background alone is below 1e-280, the background is inconsistent with
    the counts, and the exponential posterior of slope 1 - n/b, an upper bound, is used instead.

    Parameters
    ----------
    counts, background, probability : array_like, broadcast
        Probability in [0, 1).

    Returns
    -------
    ndarray
    """
    from scipy.special import gammaincc, gammainccinv

    n, b, p = np.broadcast_arrays(*(np.asarray(part, dtype=np.float64) for part in (counts, background, probability)))
    none = gammaincc(n + 1.0, b)
    usable = none > MIN_NORMALISATION
    exact = gammainccinv(n + 1.0, np.where(usable, none * (1.0 - p), 0.5)) - b
    bound = -np.log1p(-p) / np.where(usable, 1.0, 1.0 - n / np.maximum(b, 1.0))
    return np.asarray(np.maximum(np.where(usable, exact, bound), 0.0), dtype=np.float64)


def _posterior_cdf(n: F64, b: F64, source: F64) -> F64:
    """Posterior probability of fewer source counts, the inverse of `source_quantile`."""
    from scipy.special import gammaincc

    none = gammaincc(n + 1.0, b)
    usable = none > MIN_NORMALISATION
    exact = 1.0 - gammaincc(n + 1.0, source + b) / np.where(usable, none, 1.0)
    bound = -np.expm1(-source * np.where(usable, 1.0, 1.0 - n / np.maximum(b, 1.0)))
    return np.asarray(np.where(usable, exact, bound), dtype=np.float64)


def upper_limit(counts: ArrayLike, background: ArrayLike, level: float = 0.95) -> F64:
    """Upper limit of the source counts: the posterior quantile at `level`.

    It is the upper end of the interval of Kraft, Burrows & Nousek if that begins at 0, else slightly smaller.

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
    """Shortest interval of source counts with posterior probability `level`.

    Kraft, Burrows & Nousek 1991, eq. 9: its ends have equal densities, or it begins at 0.

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
        """Upper end of the interval from `low`."""
        return source_quantile(n, b, np.clip(_posterior_cdf(n, b, low) + level, 0.0, 1.0 - 1e-16))

    # The density rises up to n - b: the later an interval begins below that, the smaller the density at its end.
    least, most = np.zeros(n.shape), np.maximum(n - b, 0.0)
    for _ in range(BISECTIONS):
        middle = 0.5 * (least + most)
        early = density(middle) < density(beyond(middle))
        least, most = np.where(early, middle, least), np.where(early, most, middle)
    return least, beyond(least)


def rate_ratio(one: ObservedCounts, other: ObservedCounts, probabilities: ArrayLike) -> F64:
    """Posterior quantiles of the ratio of two rates, `one` over `other`.

    Both posteriors are those of Kraft, Burrows & Nousek; that of the ratio is averaged over quantiles of `other`.

    Parameters
    ----------
    one, other : ObservedCounts
    probabilities : array_like, shape (k,)

    Returns
    -------
    ndarray, shape (k,)
    """
    wanted = np.atleast_1d(np.asarray(probabilities, dtype=np.float64))
    rates = source_quantile(other.counts, other.background_counts, (np.arange(NODES) + 0.5) / NODES) / other.exposure_s
    counts, background = np.array(float(one.counts)), np.array(one.background_counts)
    likely = max(one.counts - one.background_counts, 1.0) / one.exposure_s / float(np.median(rates))
    low, high = np.full(wanted.shape, np.log(likely) - 50.0), np.full(wanted.shape, np.log(likely) + 50.0)
    for _ in range(LOG_BISECTIONS):
        middle = 0.5 * (low + high)
        source = np.exp(middle)[:, None] * rates * one.exposure_s
        cdf = _posterior_cdf(counts, background, source).mean(axis=1)
        low, high = np.where(cdf < wanted, middle, low), np.where(cdf < wanted, high, middle)
    return np.asarray(np.exp(0.5 * (low + high)), dtype=np.float64)


def same_rate_probability(one: ObservedCounts, other: ObservedCounts) -> float:
    """P-value of the hypothesis that two rates are equal, from the likelihood ratio.

    The ratio compares two Poisson means over known backgrounds, with the rates that maximise it, with a common rate
    (Cash 1979, ApJ 228, 939). Its distribution is computed from all pairs of counts at the best common rate, or for
    large counts from chi-square with one degree of freedom (Wilks 1938, Ann. Math. Stat. 9, 60). Small p-values are
    uncertain by some ten per cent, since the common rate is estimated.

    Returns
    -------
    float
        In (0, 1].
    """
    from scipy.special import erfc, gammaln, pdtr, pdtrc, xlogy

    n = np.array([one.counts, other.counts], dtype=np.float64)
    b, t = np.array([one.background_counts, other.background_counts]), np.array([one.exposure_s, other.exposure_s])
    observed, rate = _likelihood_ratio(n[0], n[1], b, t)
    mean = b + float(rate) * t
    width = MAX_SIGMA * np.sqrt(np.maximum(mean, n)) + MAX_SIGMA
    first = np.maximum(np.floor(np.minimum(mean, n) - width), 0.0)
    last = np.ceil(np.maximum(mean, n) + width)
    if np.prod(last - first + 1) > MAX_PAIRS:
        return float(max(erfc(np.sqrt(0.5 * float(observed))), np.finfo(float).tiny))
    grid = [np.arange(low, high + 1) for low, high in zip(first, last, strict=True)]
    ratio, _ = _likelihood_ratio(grid[0][:, None], grid[1][None, :], b, t)
    probabilities = [np.exp(xlogy(k, mu) - mu - gammaln(k + 1)) for k, mu in zip(grid, mean, strict=True)]
    extreme = float((np.outer(*probabilities) * (ratio >= observed * (1 - 1e-9) - 1e-12)).sum())
    outside = float(np.sum(pdtrc(last, mean) + np.where(first > 0, pdtr(np.maximum(first - 1, 0.0), mean), 0.0)))
    return float(np.clip(extreme + outside, np.finfo(float).tiny, 1.0))


def _likelihood_ratio(n0: ArrayLike, n1: ArrayLike, b: F64, t: F64) -> tuple[F64, F64]:
    """Twice the log likelihood ratio of two rates against a common one, and the best common rate."""
    from scipy.special import xlogy

    n = np.asarray(n0, dtype=np.float64), np.asarray(n1, dtype=np.float64)
    # The likelihood of a common rate r is stationary where
    # (t0 + t1)(b0 + r t0)(b1 + r t1) = n0 t0 (b1 + r t1) + n1 t1 (b0 + r t0).
    whole = t[0] + t[1]
    square = whole * t[0] * t[1]
    straight = whole * (b[0] * t[1] + b[1] * t[0]) - (n[0] + n[1]) * t[0] * t[1]
    level = whole * b[0] * b[1] - n[0] * t[0] * b[1] - n[1] * t[1] * b[0]
    root = np.sqrt(np.maximum(straight**2 - 4.0 * square * level, 0.0))
    # The form of the larger root without cancellation.
    with np.errstate(invalid="ignore", divide="ignore"):
        rate = np.where(straight <= 0, (root - straight) / (2.0 * square), -2.0 * level / (root + straight))
    rate = np.maximum(np.where(np.isfinite(rate), rate, 0.0), 0.0)
    total = np.zeros(np.broadcast_shapes(n[0].shape, n[1].shape))
    for i in (0, 1):
        best, common = np.maximum(n[i], b[i]), b[i] + rate * t[i]
        total = total + 2.0 * (xlogy(n[i], best) - best - xlogy(n[i], common) + common)
    return np.asarray(np.maximum(total, 0.0)), np.asarray(rate)
