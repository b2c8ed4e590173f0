"""Wavelets in place and time, after STATiX: significance of changes of brightness, and light curves in blocks.

STATiX (Ruiz et al. 2024, MNRAS 527, 3674) smooths a cube of counts by wavelets with a multi-scale variance-stabilising
transform (MS-VST; Starck et al. 2009, A&A 504, 641, §4), detects sources in it, and divides their light curves into
Bayesian Blocks. Its package `xstatix` compiles a library that it downloads from elsewhere than the package index;
here the transform is written anew from the paper. Instead of smoothing the cube, coefficients are ranked themselves,
against those of cubes of steady sources.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import njit

__all__ = ["FRAMES", "PIXEL", "BandTails", "block_significance", "count_cube", "find_peaks", "transform"]

PIXEL = 6.3
"""Side of a pixel, arcsec: a third of the 80 % radius."""
FRAMES = 64
SCALES_XY = 4
SCALES_T = 5
FIRST_XY = 2
"""First scale in the image that is searched, as in STATiX: the finest is smaller than the point spread."""
PEAKS = 3
"""Peaks of a band in a field from which the tail is fitted."""
BLOCKS_P0 = 0.1
"""False blocks, as in STATiX."""


def count_cube(x: np.ndarray, y: np.ndarray, time: np.ndarray, side: float, exposure: float) -> np.ndarray:
    """Counts in frames and pixels, shape (frames, pixels, pixels); x and y in arcsec from the middle."""
    pixels = round(side / PIXEL)
    index = [np.floor(time / exposure * FRAMES)]
    index += [np.floor((part + side / 2) / side * pixels) for part in (y, x)]
    shape = (FRAMES, pixels, pixels)
    columns = [np.clip(one, 0, n - 1).astype(np.int64) for one, n in zip(index, shape, strict=True)]
    flat = np.ravel_multi_index(tuple(columns), shape)
    return np.bincount(flat, minlength=int(np.prod(shape))).astype(np.float32).reshape(shape)


def transform(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Largest stabilised wavelet coefficients over time, and coefficients of the whole exposure.

    Parameters
    ----------
    counts : ndarray, shape (frames, pixels, pixels), float32

    Returns
    -------
    changes : ndarray, shape (bands, pixels, pixels)
        Largest coefficient over time of each band that is a detail in the image and in time: a point-like place that
        is brighter than before and after.
    steady : ndarray, shape (scales, pixels, pixels)
        Coefficients that are a detail in the image and the mean over time.
    """
    finer = _approximations(counts)
    changes, steady = [], []
    for xy in range(1, SCALES_XY + 1):
        smooth = _smooth(_smooth(finer[0], 1, 2 ** (xy - 1)), 2, 2 ** (xy - 1))
        coarser = _approximations(smooth)
        if xy >= FIRST_XY:
            detail = [_stabilise(finer[t], xy - 1, t) - _stabilise(coarser[t], xy, t) for t in range(SCALES_T + 1)]
            changes += [
                (detail[t - 1] - _smooth(detail[t - 1], 0, 2 ** (t - 1))).max(axis=0) for t in range(1, SCALES_T + 1)
            ]
            steady.append(detail[SCALES_T].mean(axis=0))
        finer = coarser
    return np.array(changes), np.array(steady)


def _approximations(counts: np.ndarray) -> list[np.ndarray]:
    """The cube smoothed in time, scale by scale."""
    out = [counts]
    for t in range(1, SCALES_T + 1):
        out.append(_smooth(out[-1], 0, 2 ** (t - 1)))
    return out


def _smooth(data: np.ndarray, axis: int, step: int) -> np.ndarray:
    """Convolve with the B3 spline with holes, mirrored at the borders, along one axis."""
    shape = data.shape
    if axis == 2:
        return _smooth_last(data.reshape(-1, shape[2]), step).reshape(shape)
    return _smooth_middle(data.reshape(int(np.prod(shape[:axis])), shape[axis], -1), step).reshape(shape)


@njit(cache=True, nogil=True, fastmath=True)
def _smooth_middle(data: Any, step: int) -> Any:
    out = np.empty_like(data)
    n = data.shape[1]
    for i in range(data.shape[0]):
        for j in range(n):
            a, b = _mirror(j - 2 * step, n), _mirror(j - step, n)
            c, d = _mirror(j + step, n), _mirror(j + 2 * step, n)
            for k in range(data.shape[2]):
                out[i, j, k] = _spline(data[i, a, k], data[i, b, k], data[i, j, k], data[i, c, k], data[i, d, k])
    return out


@njit(cache=True, nogil=True, fastmath=True)
def _smooth_last(data: Any, step: int) -> Any:
    out = np.empty_like(data)
    n = data.shape[1]
    reach = 2 * step
    row = np.empty(n + 2 * reach, data.dtype)
    for i in range(data.shape[0]):
        for j in range(n + 2 * reach):
            row[j] = data[i, _mirror(j - reach, n)]
        for j in range(n):
            out[i, j] = _spline(row[j], row[j + step], row[j + reach], row[j + reach + step], row[j + 2 * reach])
    return out


@njit(cache=True, nogil=True, inline="always")
def _spline(a: Any, b: Any, c: Any, d: Any, e: Any) -> Any:
    return np.float32(0.0625) * (a + e) + np.float32(0.25) * (b + d) + np.float32(0.375) * c


@njit(cache=True, nogil=True)
def _mirror(j: int, n: int) -> int:
    if j < 0:
        return -j - 1
    return 2 * n - 1 - j if j >= n else j


def _stabilise(smooth: np.ndarray, xy: int, t: int) -> np.ndarray:
    """Square root with the offset of Zhang et al. 2008 (IEEE Trans. Image Process. 17, 1093), for a filter of sum one.

    Its mean is the same at all scales, so that differences of scales have none.
    """
    first, second, third = (_moment(xy, k) ** 2 * _moment(t, k) for k in (1, 2, 3))
    offset = np.float32(7 * second / (8 * first) - third / (2 * second))
    return np.sqrt(smooth + offset)


def _moment(scale: int, power: int) -> float:
    """Sum of a power of the smoothing filter of a scale, in one dimension."""
    taps = np.ones(1)
    for j in range(scale):
        holes = np.zeros(4 * 2**j + 1)
        holes[:: 2**j] = np.array([1, 4, 6, 4, 1]) / 16
        taps = np.convolve(taps, holes)
    return float((taps**power).sum())


def find_peaks(image: np.ndarray, reach: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Rows and columns of local maxima, each the largest within so many pixels."""
    from scipy.ndimage import maximum_filter

    return np.nonzero((image == maximum_filter(image, 2 * reach + 1, mode="nearest")) & (image > image.min()))


@dataclass(frozen=True)
class BandTails:
    """How often peaks of each band exceed a coefficient in steady fields: an exponential tail.

    Parameters
    ----------
    start, scale : ndarray, shape (bands,)
        Coefficient that `PEAKS` peaks of a field exceed, and mean excess over it.
    """

    start: np.ndarray
    scale: np.ndarray

    @classmethod
    def measure(cls, fields: Sequence[np.ndarray]) -> BandTails:
        """From `changes` of fields of steady sources."""
        start, scale = [], []
        for band in range(len(fields[0])):
            peaks = np.concatenate([one[band][find_peaks(one[band])] for one in fields])
            top = np.sort(peaks)[::-1][: PEAKS * len(fields) + 1]
            start.append(top[-1])
            scale.append(float((top[:-1] - top[-1]).mean()))
        return cls(np.array(start), np.array(scale))

    def rarity(self, changes: np.ndarray) -> np.ndarray:
        """-log10 of the number of peaks of a steady field that are as high, in the band where it is smallest.

        Shape (pixels, pixels); in units of `PEAKS`, so that it is 0 where each field has that many.
        """
        excess = (changes - self.start[:, None, None]) / self.scale[:, None, None]
        return excess.max(axis=0) / np.log(10)


def block_significance(time: np.ndarray, exposure: float) -> float:
    """-log10 of the probability of the brightest block of photons, given their number; 0 for one block.

    STATiX divides counts in frames, after it has added one to each. Photons themselves, without such additions, find
    several times as many flares.

    Parameters
    ----------
    time : ndarray, shape (n,) — sorted, s
    """
    from scipy.stats import binom

    from xherald.photons.statistics import bayesian_blocks

    n = len(time)
    if n < 2:
        return 0.0
    # Scargle et al. 2013, ApJ 764, 167, equation 21, as in `astropy.stats.bayesian_blocks`.
    penalty = 4 - np.log(73.53 * BLOCKS_P0 * n**-0.478)
    edges = bayesian_blocks(time, penalty=penalty, span=(0.0, exposure))
    if len(edges) <= 2:
        return 0.0
    counts = np.diff(np.searchsorted(time, edges[1:-1]), prepend=0, append=n)
    return float(-np.log10(max(binom.sf(counts - 1, n, np.diff(edges) / exposure).min(), 1e-300)))
