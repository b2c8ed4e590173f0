"""Kernels of the representations on livetime."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from numba import njit

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64, I32, I64
from xherald.photons.statistics.clock import accumulated_livetime
from xherald.photons.threads import run_in_threads

from .binning import COUNTS, MINMAX, NONE, SQRT, UNIT, finish_dense, finish_runs, joined_rows
from .livetime_options import LivetimeCubeOptions, LivetimeMapOptions, LivetimeOptions

if TYPE_CHECKING:
    from scipy.sparse import csr_array

__all__ = ["cubes", "maps"]


SCALES: Final = {"counts": COUNTS, "sqrt": SQRT}
NORMS: Final = {"none": NONE, "minmax": MINMAX, "unit": UNIT}

MIN_WINDOW: Final = -2.0
LONGEST: Final = 1.0
"""log10 of the shortest and longest waiting time told apart, over the mean one."""


@njit(cache=True, nogil=True, error_model="numpy")
def _bin_of(part: float, bins: int) -> int:
    """Bin of a number in [0, 1], to whose ends numbers beyond are moved."""
    return int(min(max(part, 0.0) * bins, bins - 1.0))


@njit(cache=True, nogil=True, error_model="numpy")
def _log_bin(energy: np.float32, low: float, high: float, whole: bool, bins: int) -> int:
    """Logarithmic bin of an energy; -1 outside the band, unless the band is whole, the instrument's own.

    Compared in single precision, in which energies are kept: a photon at the edge is in the band.
    """
    if not whole and not np.float32(low) <= energy <= np.float32(high):
        return -1
    return _bin_of(np.log(max(float(energy), low) / low) / np.log(high / low), bins)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _shift(curve: I64) -> int:
    """By how many bins a light curve must be turned for its brightest stretch to be in the middle."""
    bins = curve.size
    half = max(bins // 4, 1)
    best, brightest = 0, -1
    for centre in range(bins):
        total = 0
        for d in range(1 - half, half):
            total += (half - abs(d)) * curve[(centre + d) % bins]
        if total > brightest:
            best, brightest = centre, total
    return bins // 2 - best


@njit(cache=True, nogil=True)
def _align(codes: I32, deep: int, bins: int) -> None:
    """Turn the time axis, the slowest of the bins' codes with `deep` bins below each, in place.

    Photons stay in order of time, those first that come in at the beginning.
    """
    curve = np.zeros(bins, np.int64)
    for code in codes:
        curve[code // deep] += 1
    shift = _shift(curve)
    before = codes.copy()
    begin = curve[: -shift % bins].sum()
    for i in range(codes.size):
        code = before[(i + begin) % codes.size]
        codes[i] = (code // deep + shift) % bins * deep + code % deep


@njit(cache=True, nogil=True, error_model="numpy")
def _codes_of(
    live: F64, total: float, energy: F32, band: F64, whole: bool, frame: float, shape: tuple[int, int, int], codes: I32
) -> int:
    """Write the bins of a source's photons in the band, and say how many there are.

    A shape with 0 bins of waiting time has no such axis, and takes the last photon too.
    """
    bins, width, deep = shape
    mean = total / live.size
    held = 0
    for i in range(live.size - 1 if deep > 0 else live.size):
        e = _log_bin(energy[i], band[0], band[1], whole, width)
        if e < 0:
            continue
        code = _bin_of(live[i] / total, bins) * width + e
        if deep > 0:
            ratio = max(live[i + 1] - live[i], frame) / mean
            decades = np.log10(max(ratio, 10.0**MIN_WINDOW))
            code = code * deep + _bin_of((decades - MIN_WINDOW) / (LONGEST - MIN_WINDOW), deep)
        codes[held] = code
        held += 1
    return held


@njit(cache=True, nogil=True, error_model="numpy")
def _fill_codes(
    time: F64,
    energy: F32,
    offsets: I64,
    gti: F64,
    fraction: F64,
    gti_offsets: I64,
    frame_time: F64,
    band: F64,
    whole: bool,
    shape: tuple[int, int, int],
    align: bool,
    first: int,
    stop: int,
    codes: I32,
    sizes: I64,
) -> None:
    """Write the bins of the photons of sources first to stop - 1 to the beginnings of their slices."""
    for s in range(first, stop):
        a, b = offsets[s], offsets[s + 1]
        rows = slice(gti_offsets[s], gti_offsets[s + 1])
        good, live_fraction = gti[rows], fraction[rows]
        total = 0.0
        for row in range(good.shape[0]):
            total += (good[row, 1] - good[row, 0]) * live_fraction[row]
        live = accumulated_livetime(time[a:b], good, live_fraction)
        sizes[s] = _codes_of(live, total, energy[a:b], band[s], whole, frame_time[s], shape, codes[a:b])
        if align and sizes[s] > 0:
            _align(codes[a : a + sizes[s]], shape[1] * max(shape[2], 1), shape[0])


def _codes(batch: EventBatch, bands: F64, options: LivetimeOptions, shape: tuple[int, int, int]) -> tuple[I32, I64]:
    """Bins of the photons, at the beginnings of the sources' slices, and how many each source has."""
    codes = np.empty(len(batch.time), dtype=np.int32)
    sizes = np.zeros(len(batch), dtype=np.int64)
    whole = options.band_kev is None
    run_in_threads(
        lambda first, stop: _fill_codes(
            *(batch.time, batch.energy, batch.offsets, batch.gti, batch.gti_fraction, batch.gti_offsets),
            *(batch.frame_time, bands, whole, shape, options.align, first, stop, codes, sizes),
        ),
        batch.offsets,
    )
    return codes, sizes


@njit(cache=True, nogil=True)
def _count_maps(
    codes: I32, offsets: I64, sizes: I64, scale: int, normalise: int, first: int, stop: int, out: F32
) -> None:
    for s in range(first, stop):
        for i in range(offsets[s], offsets[s] + sizes[s]):
            out[s, codes[i]] += 1
        finish_dense(out[s], scale, normalise)


def maps(batch: EventBatch, bands: F64, options: LivetimeMapOptions) -> F32:
    """Maps of a batch on livetime, shape (n, time bins, energy bins), float32.

    Parameters
    ----------
    batch : EventBatch
    bands : ndarray, shape (n, 2)
        keV.
    options : LivetimeMapOptions
    """
    codes, sizes = _codes(batch, bands, options, (*options.bins, 0))
    out = np.zeros((len(batch), options.bins[0] * options.bins[1]), dtype=np.float32)
    scale, norm = SCALES[options.scale], NORMS[options.normalise]
    run_in_threads(
        lambda first, stop: _count_maps(codes, batch.offsets, sizes, scale, norm, first, stop, out), batch.offsets
    )
    return out.reshape(len(batch), *options.bins)


@njit(cache=True, nogil=True)
def _count_cubes(
    codes: I32,
    values: F32,
    offsets: I64,
    sizes: I64,
    bins: int,
    scale: int,
    normalise: int,
    first: int,
    stop: int,
) -> None:
    for s in range(first, stop):
        photons = slice(offsets[s], offsets[s] + sizes[s])
        sizes[s] = finish_runs(codes[photons], values[photons], bins, scale, normalise)


def cubes(batch: EventBatch, bands: F64, options: LivetimeCubeOptions) -> csr_array:
    """Cubes of a batch on livetime, shape (n, time × energy × waiting-time bins), float32.

    Parameters
    ----------
    batch : EventBatch
    bands : ndarray, shape (n, 2)
        keV.
    options : LivetimeCubeOptions
    """
    codes, sizes = _codes(batch, bands, options, options.bins)
    values = np.empty(len(codes), dtype=np.float32)
    bins = int(np.prod(options.bins))
    scale, norm = SCALES[options.scale], NORMS[options.normalise]
    run_in_threads(
        lambda first, stop: _count_cubes(codes, values, batch.offsets, sizes, bins, scale, norm, first, stop),
        batch.offsets,
    )
    return joined_rows(codes, values, batch.offsets, sizes, bins)
