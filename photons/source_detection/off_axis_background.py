"""Correction of background maps for structure around the optical axis: `correct_for_off_axis_angle`.

Smoothed maps are too low just inside the edge of a round field of view, and too high just outside. All directions
together show its profile much more finely than a map can.
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from xherald.photons.arrays import F64

from .field_model import Spread, mask_discs

__all__ = ["correct_for_off_axis_angle"]


MIN_SIGMA: Final = 3.0
"""Deviation of a ring from the map, in standard deviations, from which it is corrected."""

MAX_CORRECTION: Final = 2.0

MIN_PHOTONS: Final = 100.0
"""Photons of a ring that the map predicts; rings with fewer are not corrected."""


def correct_for_off_axis_angle(
    counts: NDArray[Any],
    means: NDArray[np.float32],
    grid: tuple[float, float, float],
    spread: Spread,
    masks: F64,
    r80: float,
) -> None:
    """Multiply expected counts per block, in place, by the observed profile in rings around the optical axis.

    Parameters
    ----------
    counts, means : ndarray, shape (ny, nx)
        Counts and expected background per block.
    grid : (float, float, float)
        Lower left corner and side of a block, sky pixels.
    spread : Spread
    masks : ndarray, shape (s, 3)
        Discs around sources, left out.
    r80 : float
        80 % radius of the point spread; rings are half as wide.
    """
    x0, y0, block = grid
    free = np.ones(means.shape, dtype=np.float32)
    mask_discs(free, masks, x0, y0, block)
    step = max(0.5 * r80, 2.0 * block)
    y, x = np.ogrid[: means.shape[0], : means.shape[1]]
    away = np.hypot(x0 + (x + 0.5) * block - spread.x, y0 + (y + 0.5) * block - spread.y)
    seen = (means > 0) & (free > 0)
    if not seen.any():
        return
    ring = (away[seen] / step).astype(np.int64)
    expected = np.bincount(ring, means[seen])
    # Single bright blocks, parts of sources that are not masked yet, count as the brightest that chance would give.
    clipped = np.minimum(counts[seen], means[seen] + 4.0 * np.sqrt(means[seen]) + 1.0)
    observed = np.bincount(ring, clipped)
    deviates = np.abs(observed - expected) > MIN_SIGMA * np.sqrt(np.maximum(expected, 1.0))
    ratio = np.where(deviates & (expected >= MIN_PHOTONS), observed / np.maximum(expected, 1e-9), 1.0)
    ratio = np.clip(ratio, 1.0 / MAX_CORRECTION, MAX_CORRECTION)
    middle = (np.arange(len(ratio)) + 0.5) * step
    means *= np.interp(away, middle, ratio).astype(np.float32)
