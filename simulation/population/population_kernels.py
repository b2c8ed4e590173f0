"""Photons of many light curves: `LightCurve.arrivals` and `draw_energies` on flat arrays, as numba kernels.

A curve is the slice ``offsets[c]:offsets[c + 1]`` of the flat knots; it is seen in the good times of its source.
Nothing is random here: uniform numbers come in. Each curve is worked out by itself, in an order of its own, so that
not a bit of the result depends on what else is in the arrays.
"""

from __future__ import annotations

import numpy as np
from numba import njit

from xherald.photons.arrays import F64, I64
from xherald.simulation.energies import EDGES_KEV

__all__ = ["arrival_frames", "energies_at", "folded", "good_integrals"]


@njit(cache=True, nogil=True)
def _running(time: F64, rate: F64) -> F64:
    """Integral of one curve up to each of its knots."""
    out = np.zeros(time.size)
    for k in range(1, time.size):
        out[k] = out[k - 1] + 0.5 * (rate[k] + rate[k - 1]) * (time[k] - time[k - 1])
    return out


@njit(cache=True, nogil=True)
def _last_at_most(values: F64, wanted: float) -> int:
    """Index of the last of some ascending values that is not above the wanted one; −1 if there is none."""
    low, high = 0, values.size
    while low < high:
        middle = (low + high) // 2
        if values[middle] <= wanted:
            low = middle + 1
        else:
            high = middle
    return low - 1


@njit(cache=True, nogil=True)
def _reached(time: F64, rate: F64, running: F64, at: float) -> float:
    """Integral of one curve from its first knot to a time."""
    at = min(max(at, time[0]), time[-1])
    k = min(max(_last_at_most(time, at), 0), time.size - 2)
    width, run = time[k + 1] - time[k], at - time[k]
    part = run / width if width > 0 else 0.0
    reached: float = running[k] + run * (rate[k] + 0.5 * part * (rate[k + 1] - rate[k]))
    return reached


@njit(cache=True, nogil=True)
def _time_of(time: F64, rate: F64, running: F64, reached: float) -> float:
    """Time at which the integral of one curve has reached a value: the root of a quadratic."""
    k = min(max(_last_at_most(running, reached), 0), time.size - 2)
    width = time[k + 1] - time[k]
    mean = (reached - running[k]) / width if width > 0 else 0.0
    # mean = rate·u + change·u²/2 with u the fraction of the segment, in a form that is stable for small slopes.
    root = rate[k] + np.sqrt(max(rate[k] * rate[k] + 2.0 * (rate[k + 1] - rate[k]) * mean, 0.0))
    part = 2.0 * mean / root if root > 0 else 0.0
    moment: float = time[k] + min(max(part, 0.0), 1.0) * width
    return moment


@njit(cache=True, nogil=True)
def good_integrals(
    time: F64, rate: F64, offsets: I64, source: I64, gti: F64, fraction: F64, gti_offsets: I64, window: F64
) -> F64:
    """Integrals of curves over the good times of their sources.

    Parameters
    ----------
    time, rate : ndarray, shape (knots,) — s since the start of the exposure; flat
    offsets : ndarray, shape (c + 1,)
    source : ndarray, shape (c,) — whose good times apply to each curve
    gti : ndarray, shape (intervals, 2) — s since the start of the exposure; flat
    fraction : ndarray, shape (intervals,) — live fraction of each interval
    gti_offsets : ndarray, shape (n + 1,)
    window : ndarray, shape (n, 2) — s; only good time within it is used

    Returns
    -------
    ndarray, shape (c,)
    """
    out = np.zeros(offsets.size - 1)
    for c in range(out.size):
        s = source[c]
        t, r = time[offsets[c] : offsets[c + 1]], rate[offsets[c] : offsets[c + 1]]
        running = _running(t, r)
        for row in range(gti_offsets[s], gti_offsets[s + 1]):
            start, stop = max(gti[row, 0], window[s, 0]), min(gti[row, 1], window[s, 1])
            if stop > start:
                out[c] += fraction[row] * (_reached(t, r, running, stop) - _reached(t, r, running, start))
    return out


@njit(cache=True, nogil=True)
def arrival_frames(
    time: F64,
    rate: F64,
    offsets: I64,
    source: I64,
    frames: I64,
    frame_time: float,
    fraction: F64,
    gti_offsets: I64,
    photons: I64,
    uniform: F64,
) -> I64:
    """Frames in which photons of curves arrive, distributed exactly as the curves in good time.

    Parameters
    ----------
    time, rate, offsets, source, fraction, gti_offsets
        See `good_integrals`.
    frames : ndarray, shape (intervals, 2) — good times as first frame and the one after the last, since the start
    frame_time : float — s
    photons : ndarray, shape (c,) — number of photons of each curve
    uniform : ndarray, shape (photons.sum(),) — in [0, 1)

    Returns
    -------
    ndarray, shape (photons.sum(),) — number of the frame since the start; not sorted within a curve
    """
    out = np.empty(uniform.size, np.int64)
    at = 0
    for c in range(photons.size):
        if photons[c] == 0:
            continue
        s = source[c]
        first, count = gti_offsets[s], gti_offsets[s + 1] - gti_offsets[s]
        t, r = time[offsets[c] : offsets[c + 1]], rate[offsets[c] : offsets[c + 1]]
        running = _running(t, r)
        begin, before = np.empty(count), np.zeros(count + 1)
        for k in range(count):
            begin[k] = _reached(t, r, running, frames[first + k, 0] * frame_time)
            end = _reached(t, r, running, frames[first + k, 1] * frame_time)
            before[k + 1] = before[k] + fraction[first + k] * max(end - begin[k], 0.0)
        for p in range(at, at + photons[c]):
            wanted = uniform[p] * before[count]
            k = min(_last_at_most(before, wanted), count - 1)
            moment = _time_of(t, r, running, begin[k] + (wanted - before[k]) / fraction[first + k])
            frame = np.int64(np.floor(moment / frame_time))
            # At low rates, rounding errors of a large integral are long times: keep to the interval.
            out[p] = min(max(frame, frames[first + k, 0]), frames[first + k, 1] - 1)
        at += photons[c]
    return out


@njit(cache=True, nogil=True)
def _energies_at(edges: F64, weights: F64, photons: I64, uniform: F64) -> F64:
    out = np.empty(uniform.size)
    reached = np.zeros(edges.size)
    at = 0
    for c in range(photons.size):
        if photons[c] == 0:
            continue
        for k in range(weights.shape[1]):
            reached[k + 1] = reached[k] + weights[c, k]
        for p in range(at, at + photons[c]):
            wanted = uniform[p] * reached[-1]
            k = min(_last_at_most(reached, wanted), weights.shape[1] - 1)
            inside = (wanted - reached[k]) / weights[c, k] if weights[c, k] > 0 else 0.0
            out[p] = edges[k] + inside * (edges[k + 1] - edges[k])
        at += photons[c]
    return out


def energies_at(weights: F64, photons: I64, uniform: F64, band: tuple[float, float]) -> F64:
    """Energies of photons from tabulated distributions, uniform within bins, restricted to the band.

    Parameters
    ----------
    weights : ndarray, shape (c, 400) — expected photons in the part of each bin within the band
    photons : ndarray, shape (c,) — number of photons of each
    uniform : ndarray, shape (photons.sum(),) — in [0, 1)
    band : (float, float) — keV

    Returns
    -------
    ndarray, shape (photons.sum(),) — keV
    """
    energies: F64 = _energies_at(np.clip(EDGES_KEV, *band), weights, photons, uniform)
    return energies


@njit(cache=True, nogil=True)
def folded(spectrum: F64, redistribution: F64, first: I64, stop: I64) -> F64:
    """Measured spectra: the product with a redistribution matrix that is almost zero off its diagonal.

    Parameters
    ----------
    spectrum : ndarray, shape (c, 400)
    redistribution : ndarray, shape (400, 400) — probability of a photon of a bin (row) in another one (column)
    first, stop : ndarray, shape (400,) — range of columns of each row that are not negligible
    """
    out = np.zeros(spectrum.shape)
    for c in range(spectrum.shape[0]):
        for i in range(spectrum.shape[1]):
            weight = spectrum[c, i]
            for j in range(first[i], stop[i]):
                out[c, j] += weight * redistribution[i, j]
    return out
