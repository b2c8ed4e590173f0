"""Probability of each photon to belong to the point source in its aperture: `photon_weights`.

A photon near the centre of the point spread and at an energy where the source outshines the background is more likely
the source's than one at the edge. Tests that weigh photons by this probability lose less to the background, and can use
photons beyond the edge of the aperture. Source and background are a mixture: the source follows the point spread and
its own spectrum, the background is uniform with the spectrum of the background region. Their counts and spectra are
fitted to aperture and background region together by expectation maximisation (Dempster, Laird & Rubin 1977, J. R. Stat.
Soc. B 39, 1), so that a sparse region does not fix the background.

The weights depend on places and energies, never on times: under the null hypothesis, arrival times are independent of
them.

Imports numba: import this module inside the function that needs it.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons.arrays import F32, F64, I64

__all__ = ["photon_weights"]

ITERATIONS: Final = 20
"""Steps of expectation maximisation; weights change by less than 0.01 after about ten."""

MAX_BANDS: Final = 6
"""Energy bands of both spectra, with equal numbers of photons in aperture and background region together."""

PHOTONS_PER_BAND: Final = 8
"""Fewer photons have fewer bands."""

PRIOR_COUNTS: Final = 3.0
"""Photons with the common spectrum that are added to each of the two, so that few photons give no sharp spectrum."""

MIN_COUNTS: Final = 0.5
"""Smallest number of photons of source or background region."""


@njit(cache=True, nogil=True)
def _bands(energy: F32, background: F32) -> tuple[I64, I64, int]:
    """Energy band of each photon of aperture and background region, and the number of bands."""
    pooled = np.concatenate((energy, background))
    bands = min(max(pooled.size // PHOTONS_PER_BAND, 1), MAX_BANDS)
    pooled.sort()
    thresholds = pooled[np.arange(1, bands) * pooled.size // bands]
    return np.searchsorted(thresholds, energy), np.searchsorted(thresholds, background), bands


@njit(cache=True, nogil=True)
def _weights_of_one(
    radius2: F64, energy: F32, background: F32, area: float, background_area: float, core2: float, slope: float
) -> F64:
    """Weights of the photons of one source."""
    n, m = energy.size, background.size
    band, background_band, bands = _bands(energy, background)
    # Density of the source's photons, relative to all that arrive within the extracted area.
    enclosed = 1.0 - (1.0 + area / (np.pi * core2)) ** -slope
    density = slope / (np.pi * core2 * enclosed) * (1.0 + radius2 / core2) ** (-slope - 1.0)
    behind = np.bincount(background_band, minlength=bands).astype(np.float64)
    common = (behind + np.bincount(band, minlength=bands)) * PRIOR_COUNTS / (n + m)
    rate = (m + MIN_COUNTS) / background_area
    counts = max(n - rate * area, MIN_COUNTS)
    weight = np.full(n, counts / n)
    own = common + counts / n * np.bincount(band, minlength=bands)
    others = behind + common + (1.0 - counts / n) * np.bincount(band, minlength=bands)
    for _ in range(ITERATIONS):
        found, from_source, from_background = 0.0, common.copy(), behind + common
        own_total, others_total = own.sum(), others.sum()
        for i in range(n):
            b = band[i]
            # A photon says nothing of the spectra by which it is itself judged, else few photons look separable.
            source = counts * density[i] * (own[b] - weight[i]) / (own_total - weight[i])
            back = rate * (others[b] - (1.0 - weight[i])) / (others_total - (1.0 - weight[i]))
            weight[i] = source / (source + back)
            from_source[b] += weight[i]
            from_background[b] += 1.0 - weight[i]
            found += weight[i]
        counts = max(found, MIN_COUNTS)
        rate = (m + MIN_COUNTS + n - found) / (background_area + area)
        own, others = from_source, from_background
    return weight


@njit(cache=True, nogil=True)
def photon_weights(
    radius2: F64,
    energy: F32,
    offsets: I64,
    background_energy: F32,
    background_offsets: I64,
    area: F64,
    background_area: F64,
    core: F64,
    slope: F64,
) -> F32:
    """Probability of each photon to belong to its source rather than to the background.

    Parameters
    ----------
    radius2 : ndarray, shape (photons,)
        Squared distance from the source; any unit of length, the same in all arguments.
    energy : ndarray, shape (photons,) — keV
    offsets : ndarray, shape (n + 1,)
    background_energy, background_offsets
        The same of the background regions.
    area : ndarray, shape (n,) — of the region of the photons
    background_area : ndarray, shape (n,)
        Of the background region, scaled to the exposure of the source; 0 without one, then all weights are 1.
    core, slope : ndarray, shape (n,)
        King profile of the point spread (`PointSpread.king`).

    Returns
    -------
    ndarray, shape (photons,), float32 — in (0, 1]
    """
    out = np.ones(radius2.size, np.float32)
    for s in range(offsets.size - 1):
        own = slice(offsets[s], offsets[s + 1])
        if offsets[s + 1] > offsets[s] and background_area[s] > 0:
            behind = background_energy[background_offsets[s] : background_offsets[s + 1]]
            found = _weights_of_one(
                radius2[own], energy[own], behind, area[s], background_area[s], core[s] ** 2, slope[s]
            )
            for i in range(found.size):
                out[offsets[s] + i] = max(found[i], 1e-6)
    return out
