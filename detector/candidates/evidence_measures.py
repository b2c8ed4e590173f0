"""Arithmetic of measurements with uncertainties: functions on arrays over sources.

Intervals contain 68.27 % of the probability, with 15.87 % on either side, as one standard deviation of a Gaussian.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike

from xherald.photons.arrays import F64

__all__ = ["excess", "hardness_change", "poisson_interval", "rate_ratio"]


TAIL: Final = 0.15865525393145707
"""Probability beyond one standard deviation of a Gaussian."""


def poisson_interval(counts: ArrayLike) -> tuple[F64, F64]:
    """Exact limits of a Poisson mean for observed counts, with a coverage of at least 68.27 %.

    Garwood 1936, Biometrika 28, 437; tabulated in Gehrels 1986, ApJ 303, 336, tables 1 and 2 (S = 1).

    Parameters
    ----------
    counts : array_like, shape (n,)
        NaN gives NaN.

    Returns
    -------
    low, high : ndarray, shape (n,)
    """
    from scipy.special import gammaincinv

    n = np.asarray(counts, dtype=np.float64)
    low = np.where(n > 0, gammaincinv(np.maximum(n, 1.0), TAIL), n)
    return low, np.asarray(gammaincinv(n + 1.0, 1.0 - TAIL), dtype=np.float64)


def rate_ratio(inside: ArrayLike, outside: ArrayLike, exposure_ratio: ArrayLike) -> tuple[F64, F64, F64]:
    """Ratio of the rate inside an interval to the rate outside.

    Given their sum, the counts inside are binomial for any rates (Przyborowski & Wilenski 1940, Biometrika 31,
    313; Gehrels 1986, ApJ 303, 336, section 4a); the exact limits of the binomial part (Clopper & Pearson 1934,
    Biometrika 26, 404) become those of the ratio.

    Parameters
    ----------
    inside, outside : array_like, shape (n,) — counts
    exposure_ratio : array_like, shape (n,)
        Counts expected inside over counts expected outside if the rate is the same.

    Returns
    -------
    value, low, high : ndarray, shape (n,)
        NaN where undefined: without any counts, or the value and upper limit without counts outside.
    """
    from scipy.special import betaincinv

    a, b, scale = (np.asarray(values, dtype=np.float64) for values in (inside, outside, exposure_ratio))
    seen = a + b > 0
    low = np.where(a > 0, betaincinv(np.maximum(a, 1.0), b + 1.0, TAIL), 0.0)
    high = np.where(b > 0, betaincinv(a + 1.0, np.maximum(b, 1.0), 1.0 - TAIL), np.nan)
    value = np.divide(a, b * scale, out=np.full(a.shape, np.nan), where=(b > 0) & (scale > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        limits = [np.where(seen & (scale > 0), part / (1.0 - part) / scale, np.nan) for part in (low, high)]
    return value, limits[0], limits[1]


def excess(counts: ArrayLike, expected: F64, expected_low: F64, expected_high: F64) -> tuple[F64, F64, F64]:
    """Counts in excess of those expected; negative where they are fewer.

    The limits of both are added in quadrature, each on its own side (Barlow 2003, physics/0306138, section 1).

    Parameters
    ----------
    counts : array_like, shape (n,)
    expected, expected_low, expected_high : ndarray, shape (n,)

    Returns
    -------
    value, low, high : ndarray, shape (n,)
    """
    n = np.asarray(counts, dtype=np.float64)
    low, high = poisson_interval(n)
    value = n - expected
    return (
        value,
        value - np.hypot(n - low, expected_high - expected),
        value + np.hypot(high - n, expected - expected_low),
    )


def hardness_change(inside: tuple[F64, F64, F64], outside: tuple[F64, F64, F64]) -> tuple[F64, F64, F64, F64]:
    """Hardness ratio inside less outside, with its interval and its significance in standard deviations.

    Limits are added in quadrature, each on its own side; the significance is the change over the limit on the side of
    zero. For many photons this is the test of two proportions; for few, it is only as good as the intervals are
    symmetric.

    Parameters
    ----------
    inside, outside : (value, low, high), ndarrays of shape (n,)
        NaN without photons.

    Returns
    -------
    value, low, high, sigma : ndarray, shape (n,)
        `sigma` is signed: positive where it is harder inside.
    """
    value = inside[0] - outside[0]
    down = np.hypot(inside[0] - inside[1], outside[2] - outside[0])
    up = np.hypot(inside[2] - inside[0], outside[0] - outside[1])
    towards_zero = np.where(value > 0, down, up)
    sigma = np.divide(value, towards_zero, out=np.full(value.shape, np.nan), where=towards_zero > 0)
    return value, value - down, value + up, sigma
