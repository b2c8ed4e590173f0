"""Evidence for smooth events of the usual shapes, which begin or end within the exposure or beyond it, and dips.

Fast rise with exponential or power-law decay, Gaussian and flat-topped, over a constant rate, and dips that recover;
a table of their light curves covers place, width, rise and strength. The chains of `brightenings` and `dips` allow for
any shape; these few shapes take less freedom, and win where they fit. The kind of a brightening follows from its shape:
see `kind_of_shape`.
"""

from __future__ import annotations

from functools import cache
from typing import Final

import numpy as np

from xherald.photons.arrays import F32, F64, I64

from .cells import CELLS

__all__ = ["SMOOTH_KINDS", "kind_of_shape", "smooth_evidence"]

SMOOTH_KINDS: Final = ("flare", "onset", "decay", "dip")

WIDTHS: Final[F64] = np.geomspace(1.5 / CELLS, 0.6, 10)
"""Decay times, or half widths, in units of the exposure."""

SHARES: Final[F64] = np.array([0.1, 0.2, 0.35, 0.5, 0.65, 0.8, 0.92, 0.98])
"""Parts of the photons that belong to the event."""

DIP_WIDTHS: Final[F64] = np.geomspace(0.02, 0.3, 9)
"""Half widths of dips, in units of the exposure."""

DEPTHS: Final[F64] = np.array([0.5, 0.75, 0.95])
"""Part of the photons that is missing at the bottom of a dip."""

BEYOND: Final = 2.5
"""Widths beyond the ends of the exposure within which the maximum of an event may lie."""

STEPS: Final = 2.0
"""Places of the maximum in each width."""

FINE: Final = 8
"""Points in a cell over which a shape is averaged."""


def kind_of_shape(excess: F64) -> I64:
    """Index in `SMOOTH_KINDS`: onset or decay where the excess at the end or start exceeds half of its maximum.

    Parameters
    ----------
    excess : ndarray, shape (k, cells) — rate above the constant one
    """
    half = 0.5 * excess.max(axis=1)
    starts, ends = excess[:, 0] > half, excess[:, -1] > half
    return np.where(ends & ~starts, 1, np.where(starts & ~ends, 2, 0)).astype(np.int64)


def _shapes() -> F64:
    """Excess of every event in each cell, of mean 1, shape (k, cells)."""
    t = (np.arange(CELLS * FINE) + 0.5) / (CELLS * FINE)
    rows: list[F64] = []
    for width in WIDTHS:
        places = np.arange(-BEYOND * width, 1.0 + BEYOND * width, width / STEPS)
        x = (t - places[:, None]) / width
        later, earlier = np.maximum(x, 0.0), np.minimum(x, 0.0)
        for rise in (0.05, 0.4):
            rising = np.exp(earlier / rise)
            rows += [rising * np.exp(-later), rising * (1.0 + later / 0.5) ** -1.5]
        rows += [np.exp(-0.5 * x**2), 1.0 / (1.0 + np.abs(x) ** 12)]
    shapes = np.concatenate(rows).reshape(-1, CELLS, FINE).mean(axis=2)
    seen = shapes.mean(axis=1) > 1e-3 * shapes.max(axis=1).max()
    shapes = shapes[seen]
    return np.asarray(shapes / shapes.mean(axis=1, keepdims=True))


def _dips() -> F64:
    """Missing part of the rate in each cell, of maximum 1, of dips that recover within the exposure, shape (k, cells).

    Gaussian, V-shaped, flat, and with a fast ingress and a slow egress or the reverse.
    """
    t = (np.arange(CELLS * FINE) + 0.5) / (CELLS * FINE)
    rows: list[F64] = []
    for width in DIP_WIDTHS:
        x = (t - np.arange(width, 1.0 - 0.99 * width, width / (2.0 * STEPS))[:, None]) / width
        slow = np.exp(-np.abs(x)) * np.where(x < 0, np.exp(4.0 * np.minimum(x, 0.0)), 1.0)
        rows += [np.exp(-0.7 * x**2), np.maximum(1.0 - 0.5 * np.abs(x), 0.0), 1.0 / (1.0 + np.abs(x) ** 12)]
        rows += [slow, slow[::-1, ::-1]]
    shapes = np.concatenate(rows).reshape(-1, CELLS, FINE).mean(axis=2)
    recovers = np.maximum(shapes[:, 0], shapes[:, -1]) < 0.5
    return np.asarray(shapes[recovers])


@cache
def _table() -> tuple[F32, I64]:
    """Ln of every light curve in each cell, shape (rows, cells), and the kind of each row."""
    shapes = _shapes()
    log_rates = np.log(1.0 - SHARES[:, None, None] + SHARES[:, None, None] * shapes)
    kinds = np.tile(kind_of_shape(shapes), SHARES.size)
    remaining = 1.0 - DEPTHS[:, None, None] * _dips()
    dips = np.log(remaining / remaining.mean(axis=2, keepdims=True)).reshape(-1, CELLS)
    rows = np.concatenate([log_rates.reshape(-1, CELLS), dips])
    return rows.astype(np.float32), np.concatenate([kinds, np.full(len(dips), SMOOTH_KINDS.index("dip"))])


def smooth_evidence(counts: F64) -> F64:
    """Ln evidence of each of `SMOOTH_KINDS` relative to the likeliest constant rate, shape (n, 4).

    Parameters
    ----------
    counts : ndarray, shape (n, cells)
    """
    log_rates, kinds = _table()
    # Source by source, and along rows: products and sums of a whole batch are rounded according to its size.
    fit = np.array([log_rates @ one for one in counts.astype(np.float32)]).reshape(len(counts), len(kinds))
    # The likelihood given the total is multiplied by that of the total, averaged over the logarithm of its mean.
    total = 0.5 * np.log(2.0 * np.pi / np.maximum(counts.sum(axis=1), 1.0))
    out = np.empty((len(counts), len(SMOOTH_KINDS)))
    for kind in range(len(SMOOTH_KINDS)):
        own = fit[:, kinds == kind].astype(np.float64)
        top = own.max(axis=1)
        out[:, kind] = top + np.log(np.exp(own - top[:, None]).mean(axis=1)) + total
    return out
