"""Tail probability of a value, given values drawn under the null hypothesis: `tail_probability`.

Where enough draws reach the value, their number gives the probability (Besag & Clifford 1991, Biometrika 78, 301).
Beyond, it is that of a generalised Pareto distribution fitted to the largest draws (Pickands 1975, Ann. Stat. 3, 119;
for p-values of permutation tests Knijnenburg et al. 2009, Bioinformatics 25, i141), averaged over the posterior of its
scale and shape. Averaging instead of taking the best fit keeps the stated rate in spite of the error of the fit.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from xherald.photons.arrays import F64

__all__ = ["MIN_EXCEEDANCES", "tail_probability"]

MIN_EXCEEDANCES: Final = 20
"""Draws that reach the value, from which on no more are needed: the probability has a relative error of 22 %."""

TAIL_SHARE: Final = 0.2
"""Share of the draws to which the tail is fitted."""

SHAPE_WIDTH: Final = 0.1
"""Standard deviation of the shape, a priori: values are −ln p of a test whose null distribution is nearly right, so
that the tail is nearly exponential (shape 0)."""

TIE: Final = 1e-9


def tail_probability(value: float, drawn: F64) -> tuple[float, float]:
    """Probability that a draw reaches a value, and its standard error.

    Parameters
    ----------
    value : float
    drawn : ndarray, shape (draws,)
        Independent values under the null hypothesis; NaN counts as smaller than any value.

    Returns
    -------
    probability, error : float
    """
    drawn = np.nan_to_num(drawn, nan=-np.inf)
    draws = len(drawn)
    reached = int(np.count_nonzero(drawn >= value - TIE))
    if reached >= MIN_EXCEEDANCES or draws < 2 * MIN_EXCEEDANCES:
        p = (reached + 1.0) / (draws + 1.0)
        return p, float(np.sqrt(p * (1.0 - p) / draws))
    ordered = np.sort(drawn)
    held = max(int(TAIL_SHARE * draws), MIN_EXCEEDANCES)
    start = 0.5 * (ordered[-held] + ordered[-held - 1])
    excess = ordered[-held:] - start
    mean = float(excess.mean())
    if not np.isfinite(mean) or mean <= 0.0 or value <= start:
        p = (reached + 1.0) / (draws + 1.0)
        return p, float(np.sqrt(p * (1.0 - p) / draws))
    scale = mean * np.exp(np.linspace(-1.2, 1.2, 41))[:, None]
    shape = np.linspace(-3.5, 3.5, 24)[None, :] * SHAPE_WIDTH  # an even number of steps: 0 itself is left out
    inside = 1.0 + shape[..., None] * excess / scale[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        logs = np.where(inside > 0, np.log(np.maximum(inside, 1e-300)), np.inf)
        log_posterior = (
            -held * np.log(scale)
            - ((1.0 + 1.0 / shape)[..., None] * logs).sum(axis=-1)
            - 0.5 * (shape / SHAPE_WIDTH) ** 2
        )
    log_posterior = np.where((inside > 0).all(axis=-1), log_posterior, -np.inf)
    weight = np.exp(log_posterior - log_posterior.max())
    weight /= weight.sum()
    base = np.maximum(1.0 + shape * (value - start) / scale, 0.0)
    tail = base ** (-1.0 / shape)
    tail = np.where(base > 0, tail, 0.0)
    share = held / draws
    first, second = float((weight * tail).sum()), float((weight * tail**2).sum())
    spread = second - first**2 + first**2 * (1.0 - share) / held
    return share * first, float(share * np.sqrt(max(spread, 0.0)))
