"""Changes of ordinary sources between exposures: `ordinary_scatter`, `decline_probability`.

The null hypothesis of a new, vanished or strongly changed source is a source as most are: its rate differs somewhat
between exposures, and it was detected in the exposure in which it is bright, where it may by chance be brighter, or
have more photons, than on average.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final, TypeAlias

import numpy as np

from xherald.photons.arrays import F64
from xherald.photons.statistics.rates import ObservedCounts
from xherald.photons.times import SECONDS_A_DAY

__all__ = ["ScatterMixture", "decline_probability", "lag_days", "ordinary_scatter"]

ScatterMixture: TypeAlias = Sequence[tuple[float, float]]
"""Standard deviations of log10 rate in each exposure, dex, and the part of sources with each."""

RMS_AT_REFERENCE_LAG: Final = 0.25
"""Fractional rms of the rate of a source in each of two exposures some tens of days apart; 0.45 for ten years: active
galaxies in 70 pairs of Chandra observations, selected without bias from variability (Maughan & Reiprich 2019, "The
X-ray Variability of AGN and its Implications for Observations of Galaxy Clusters")."""

REFERENCE_LAG_DAYS: Final = 30.0

MIN_LAG_DAYS: Final = 100.0
"""Shorter times between exposures count as this one, rms 0.29: sources other than active galaxies, stars above all,
vary within days and weeks."""

LAG_EXPONENT: Final = 0.12
"""Growth of the rms with the time between exposures: the ensemble structure function of active galaxies in the
XMM-Newton catalogue (Vagnetti et al. 2016, A&A 593, A55). From 0.25 at 30 days it gives 0.44 at ten years."""

UNKNOWN_LAG_DAYS: Final = 3652.5
"""Time between exposures that is assumed where a date is missing."""

BROAD_SHARE, BROAD_FACTOR = 0.05, 2.0
"""One source in twenty scatters by twice as many dex. Measured distributions are tail-heavy (Timlin et al. 2020, MNRAS
498, 4033: extreme changes in less than 2.4 % of observations of quasars). The share is an assumption, within these
bounds: it gives changes by more than ten in 0.07 % of pairs of exposures a year apart, in 0.3 % ten years apart."""

NUMBER_SLOPE: Final = 1.2
"""Slope a of the numbers of sources N(> rate) ~ rate^-a, from which a source is drawn: between 0.6 of faint and 1.5 of
bright extragalactic sources (Georgakakis et al. 2008, MNRAS 388, 1205)."""

MIN_RATE_FRACTION: Final = 1e-3
"""Faintest source that may be the one detected, relative to its net rate. With the numbers above a detection is one of
4,000 places with fainter sources or none, so that chance excesses of the background are included."""

POSTERIOR_NODES: Final = 80
MAX_DEVIATIONS: Final = 8.0
SCATTER_NODES: Final = np.linspace(-MAX_DEVIATIONS, MAX_DEVIATIONS, 65)
BACKGROUND_NODES: Final = np.array([[-np.sqrt(3.0), 0.0, np.sqrt(3.0)], [1 / 6, 2 / 3, 1 / 6]])
"""Nodes of a three-point Gauss-Hermite quadrature, and their weights."""


def lag_days(one: datetime | None, others: Iterable[datetime | None]) -> float:
    """Longest time between an exposure and others, in days; ten years if a date is unknown."""
    lags = [
        UNKNOWN_LAG_DAYS if one is None or other is None else abs((other - one).total_seconds()) / SECONDS_A_DAY
        for other in others
    ]
    return max(lags, default=UNKNOWN_LAG_DAYS)


def ordinary_scatter(lag_days: float) -> ScatterMixture:
    """Scatter of ordinary sources between exposures so many days apart, see `ScatterMixture`."""
    rms = RMS_AT_REFERENCE_LAG * (max(lag_days, MIN_LAG_DAYS) / REFERENCE_LAG_DAYS) ** LAG_EXPONENT
    dex = float(np.sqrt(np.log1p(rms**2)) / np.log(10.0))  # of a log-normal distribution
    return (dex, 1.0 - BROAD_SHARE), (BROAD_FACTOR * dex, BROAD_SHARE)


def decline_probability(bright: ObservedCounts, faint: ObservedCounts, scatter: ScatterMixture) -> float:
    """Probability that an ordinary source, detected as in `bright`, gives as few counts as `faint` or fewer.

    The counts in `faint` are predicted from those in `bright`, whichever came first. That is conditional on the
    detection, so that the threshold at which sources are detected does not matter. The rate in `bright` has a
    posterior with the numbers of sources N(> rate) ~ rate^-a as prior, over its background. The logarithm of the rate
    of a source is scattered normally in each exposure, by σ (natural logarithm). Given the rate in `bright`, that in
    `faint` then has the variance 2σ² and is fainter by aσ² in the mean, since of sources with a rate there are
    more that are bright by chance than that are faint (Eddington 1913, MNRAS 73, 359; Malmquist's bias). Backgrounds
    are uncertain by their errors.

    Parameters
    ----------
    bright, faint : ObservedCounts
    scatter : sequence of (float, float)
        See `ScatterMixture`.

    Returns
    -------
    float
        In (0, 1].
    """
    from scipy.special import pdtr

    source, weight = _rate_posterior(bright)
    background, background_weight = _background(faint)
    normal = np.exp(-0.5 * SCATTER_NODES**2)
    normal /= normal.sum()
    probability = 0.0
    for dex, share in scatter:
        sigma = dex * np.log(10.0)
        factor = np.exp(np.sqrt(2.0) * sigma * SCATTER_NODES - NUMBER_SLOPE * sigma**2)
        mean = faint.exposure_s / bright.exposure_s * np.outer(source, factor)
        few = np.tensordot(background_weight, pdtr(faint.counts, background[:, None, None] + mean), 1)
        probability += share * float(weight @ few @ normal)
    return float(np.clip(probability, np.finfo(float).tiny, 1.0))


def _rate_posterior(bright: ObservedCounts) -> tuple[F64, F64]:
    """Source counts in the bright exposure, and the posterior weight of each."""
    from scipy.special import xlogy

    n, (background, background_weight) = bright.counts, _background(bright)
    net = max(n - bright.background_counts, 1.0)
    width = MAX_DEVIATIONS * (np.sqrt(n + 1.0) + bright.background_error)
    source = np.geomspace(max(net - width, MIN_RATE_FRACTION * net), net + 2.0 * width, POSTERIOR_NODES)
    mean = source + background[:, None]
    likelihood = xlogy(n, mean) - mean
    likelihood = background_weight @ np.exp(likelihood - likelihood.max())
    weight = likelihood * source**-NUMBER_SLOPE  # nodes are equidistant in log rate
    return source, weight / weight.sum()


def _background(one: ObservedCounts) -> tuple[F64, F64]:
    """Background counts within their error, log-normal, and the weight of each."""
    if not one.background_error > 0:
        return np.array([one.background_counts]), np.ones(1)
    spread = np.sqrt(np.log1p((one.background_error / max(one.background_counts, one.background_error)) ** 2))
    nodes, weights = BACKGROUND_NODES
    return one.background_counts * np.exp(spread * nodes - 0.5 * spread**2), weights
