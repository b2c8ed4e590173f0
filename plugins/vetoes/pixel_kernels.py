"""Numba kernels on the pixels of photons: how many are on one pixel, and the probability for a point source.

Photons of a source follow the point spread, events of a bad pixel are always on that pixel. Under dither the two can
look alike on the sky, but not on the detector.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numba import njit

from .count_probability import binomial_at_least

__all__ = ["busiest_pixels", "pixel_share", "tracks"]

SUBPIXELS = 5
"""Points along the side of a pixel at which the point spread is evaluated near its centre."""


@njit(cache=True, nogil=True)
def _density(r2: float, core: float, slope: float) -> Any:
    """Fraction of the photons of a point source per square arcsec at a squared distance from it."""
    return slope / (math.pi * core * core) * (1.0 + r2 / (core * core)) ** (-slope - 1.0)


@njit(cache=True, nogil=True)
def pixel_share(dx: float, dy: float, side: float, core: float, slope: float) -> Any:
    """Fraction of the photons of a point source on a square pixel whose centre is (dx, dy) arcsec from it."""
    if dx * dx + dy * dy > 9.0 * max(side, core) ** 2:
        return min(_density(dx * dx + dy * dy, core, slope) * side * side, 1.0)
    total = 0.0
    step = side / SUBPIXELS
    for i in range(SUBPIXELS):
        for j in range(SUBPIXELS):
            x, y = dx + (i - 0.5 * (SUBPIXELS - 1)) * step, dy + (j - 0.5 * (SUBPIXELS - 1)) * step
            total += _density(x * x + y * y, core, slope)
    return min(total * step * step, 1.0)


@njit(cache=True, nogil=True)
def _mode(keys: Any) -> Any:
    """The most frequent value of a list that is not empty, and its frequency."""
    ordered = np.sort(keys)
    best, most, i = ordered[0], 0, 0
    while i < len(ordered):
        j = i
        while j < len(ordered) and ordered[j] == ordered[i]:
            j += 1
        if j - i > most:
            best, most = ordered[i], j - i
        i = j
    return best, most


@njit(cache=True, nogil=True)
def busiest_pixels(
    offsets: Any,
    time: Any,
    energy: Any,
    suspected: Any,
    inside: Any,
    detector: Any,
    pixel: Any,
    offset: Any,
    axes: Any,
    core: Any,
    slope: Any,
    side: float,
    pixels: Any,
    frame_time: float,
    spread_error: float,
) -> Any:
    """The pixel of each source with most of the suspicious photons.

    Position and pixel of a photon give the position of the source on the detector at that time, and so the fraction of
    the point spread on the pixel. By Hoeffding (1956, Ann. Math. Stat. 27, 713, theorem 5) the probability of so many
    photons on one pixel is at most the binomial one with the mean fraction. It is corrected for the number of pixels
    (weighted Bonferroni), with weights of which one half is uniform and the other half follows the point spread.

    Returns
    -------
    ndarray, shape (n, 8)
        Suspicious photons; those on the pixel; their mean fraction of the point spread; probability of so many; photons
        of the pixel inside the interval; median interval between its suspicious photons, frames; Kendall's τ of their
        energies with time; their mean energy, keV.
    """
    n = len(offsets) - 1
    out = np.full((n, 8), np.nan)
    for s in range(n):
        count = 0
        for i in range(offsets[s], offsets[s + 1]):
            count += suspected[i] and detector[i] >= 0
        out[s, 0] = count
        if count < 2:
            continue
        own, keys, fill = np.empty(count, np.int64), np.empty(count, np.int64), 0
        for i in range(offsets[s], offsets[s + 1]):
            if suspected[i] and detector[i] >= 0:
                own[fill] = i
                keys[fill] = (detector[i] << 40) + ((pixel[i, 0] + 65536) << 20) + pixel[i, 1] + 65536
                fill += 1
        best, held = _mode(keys)
        here = 0
        while keys[here] != best:
            here += 1
        d, px, py = detector[own[here]], pixel[own[here], 0], pixel[own[here], 1]
        total = 0.0
        for k in range(count):
            i = own[k]
            if detector[i] == d:
                a, b = float(px - pixel[i, 0]), float(py - pixel[i, 1])
                dx = offset[i, 0] + axes[d, 0, 0] * a + axes[d, 0, 1] * b
                dy = offset[i, 1] + axes[d, 1, 0] * a + axes[d, 1, 1] * b
                total += pixel_share(dx, dy, side, core[s], slope[s])
        share = total / count
        out[s, 1], out[s, 2] = held, share
        chance = binomial_at_least(held, count, min(share * spread_error, 1.0))
        out[s, 3] = min(chance / (0.5 * (share + 1.0 / pixels[s])), 1.0)
        on, fill = np.empty(held, np.int64), 0
        for k in range(count):
            if keys[k] == best:
                on[fill] = own[k]
                fill += 1
        within = 0
        for i in range(offsets[s], offsets[s + 1]):
            within += inside[i] and detector[i] == d and pixel[i, 0] == px and pixel[i, 1] == py
        out[s, 4] = within
        out[s, 5] = np.median(time[on[1:]] - time[on[:-1]]) / frame_time if held > 1 and frame_time > 0 else np.inf
        rank, energies = 0.0, 0.0
        some = min(held, 200)
        for i in range(some):
            energies += energy[on[i]]
            for j in range(i + 1, some):
                rank += (energy[on[j]] > energy[on[i]]) - (energy[on[j]] < energy[on[i]])
        out[s, 6] = 2.0 * rank / (some * (some - 1.0)) if some > 1 else 0.0
        out[s, 7] = energies / some
    return out


@njit(cache=True, nogil=True)
def _touching(own: Any, detector: Any, pixel: Any) -> int:
    """Size of the largest group of adjacent pixels, corners included, among photons of one frame."""
    m = len(own)
    group = np.arange(m)
    for i in range(m):
        for j in range(i):
            a, b = own[i], own[j]
            if detector[a] != detector[b] or group[i] == group[j]:
                continue
            if abs(pixel[a, 0] - pixel[b, 0]) <= 1 and abs(pixel[a, 1] - pixel[b, 1]) <= 1:
                old, new = group[i], group[j]
                for k in range(m):
                    if group[k] == old:
                        group[k] = new
    return int(np.bincount(group).max())


@njit(cache=True, nogil=True)
def tracks(offsets: Any, time: Any, suspected: Any, detector: Any, pixel: Any, frame_time: float, most: int) -> Any:
    """The largest group of adjacent pixels in one frame among the suspicious photons of each source.

    Returns
    -------
    ndarray, shape (n, 3)
        Photons of the group, photons of its frame, pairs of photons in the same frame.
    """
    n = len(offsets) - 1
    out = np.zeros((n, 3))
    own = np.empty(most, np.int64)
    for s in range(n):
        i, pairs = offsets[s], 0.0
        while i < offsets[s + 1]:
            if not suspected[i] or detector[i] < 0:
                i += 1
                continue
            j, m = i, 0
            while j < offsets[s + 1] and time[j] - time[i] < 0.5 * frame_time:
                if suspected[j] and detector[j] >= 0 and m < most:
                    own[m] = j
                    m += 1
                j += 1
            j = max(j, i + 1)
            pairs += 0.5 * m * (m - 1.0)
            if m > 1:
                held = _touching(own[:m], detector, pixel)
                if held > out[s, 0]:
                    out[s, 0], out[s, 1] = held, m
            i = j
        out[s, 2] = pairs
    return out
