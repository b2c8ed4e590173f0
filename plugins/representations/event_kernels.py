"""Kernels of `event_map`: search of a source's event, and its description on axes that are centred on it."""

from __future__ import annotations

from typing import Final

import numpy as np
from numba import njit

from xherald.photons import EventBatch
from xherald.photons.arrays import F32, F64, I64
from xherald.photons.statistics.clock import accumulated_livetime
from xherald.photons.threads import run_in_threads

__all__ = ["COLUMNS", "describe_events"]

CURVE_BINS: Final = 24
"""Bins of the light curve of the whole exposure, and of the background's profile."""

BEFORE, INSIDE, AFTER = 4, 8, 8
"""Bins of the map before, inside and after the event; those outside are half as long as the event."""
TIME_BINS: Final = BEFORE + INSIDE + AFTER

DELAYS_S: Final = np.array([0.0, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1e3, 3e3, 1e4, 3e4, 1e5])
"""Edges of the light curve before and after the peak, s of livetime."""
DELAY_BINS: Final = 2 * (len(DELAYS_S) - 1)

SPECTRUM_KEV: Final = (0.2, 12.0)
SPECTRUM_BINS: Final = 10

SCALARS: Final = 14
COLUMNS: Final = CURVE_BINS + 3 * TIME_BINS + DELAY_BINS + 2 * SPECTRUM_BINS + SCALARS
"""Values of a source."""

BACKGROUND_PRIOR: Final = 8.0
"""Photons of a constant background that are added to the measured profile, so that few photons do not make a shape."""

MAX_SHARE: Final = 0.95
"""Largest share of the background in the photons; an aperture with nothing else still has a light curve."""

LONGEST: Final = 0.5
"""Longest event, part of the expected photons; of a longer one the rest is the event in the other direction."""

ROUNDS: Final = 2
"""Rounds in which the ends of the best window, found with few numbers of photons, are moved photon by photon."""

OCTAVES: Final = 16.0
"""Range of the logarithms of ratios, which are 0.5 at a ratio of 1; those beyond are cut."""


@njit(cache=True, nogil=True)
def _likelihood(inside: float, n: float, width: float) -> float:
    """Log-likelihood ratio of a level of its own in a window of the given expected part, less its trials."""
    width = min(max(width, 1e-9), 1.0 - 1e-9)
    total = 0.0
    if inside > 0:
        total += inside * np.log(inside / (n * width))
    if n > inside:
        total += (n - inside) * np.log((n - inside) / (n * (1.0 - width)))
    return total + float(np.log(width))


@njit(cache=True, nogil=True)
def _next(m: int) -> int:
    """Number of photons of the next longer windows: 1, 2, 3, 4, 5, 7, 9 and so on."""
    return max(m + 1, int(m * 1.4142))


@njit(cache=True, nogil=True)
def _excess(x: F64, i: int, j: int, shortest: float, below: float, above: float) -> float:
    """Likelihood of an excess from photon i to photon j; 0 if there is none, or it overlaps with [below, above]."""
    if j <= i or (below < above and x[j] > below and x[i] < above):
        return 0.0
    n, width = x.size, max(x[j] - x[i], shortest)
    # The window begins and ends with a photon, of which one says nothing of the rate.
    if width > LONGEST or j - i <= n * width:
        return 0.0
    return _likelihood(float(j - i), float(n), width)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _best_flare(x: F64, shortest: float, below: float, above: float) -> tuple[float, float, float]:
    """Likelihood, start and stop of the best excess that does not overlap with [below, above]."""
    n = x.size
    best, first, last = 0.0, -1, -1
    m = 2
    while m <= n:
        for i in range(n - m + 1):
            found = _excess(x, i, i + m - 1, shortest, below, above)
            if found > best:
                best, first, last = found, i, i + m - 1
        m = _next(m)
    if first < 0:
        return 0.0, 0.0, 0.0
    for _ in range(ROUNDS):
        reach = (last - first) // 2 + 1
        middle = last
        for j in range(max(middle - reach, first + 1), min(middle + reach, n - 1) + 1):
            found = _excess(x, first, j, shortest, below, above)
            if found > best:
                best, last = found, j
        middle = first
        for i in range(max(middle - reach, 0), min(middle + reach, last - 1) + 1):
            found = _excess(x, i, last, shortest, below, above)
            if found > best:
                best, first = found, i
    start = x[first]
    return best, start, min(max(x[last], start + shortest), 1.0)


@njit(cache=True, nogil=True)
def _deficit(x: F64, i: int, j: int) -> float:
    """Likelihood of a deficit between photons i and j, of which -1 and n are the ends of the exposure."""
    n = x.size
    width = (1.0 if j >= n else x[j]) - (0.0 if i < 0 else x[i])
    inside = j - i - 1
    if width > LONGEST or inside >= n * width:
        return 0.0
    return _likelihood(float(inside), float(n), width)  # type: ignore[no-any-return]


@njit(cache=True, nogil=True)
def _best_dip(x: F64) -> tuple[float, float, float]:
    """Likelihood, start and stop of the best deficit."""
    n = x.size
    best, first, last = 0.0, -2, -2
    inside = 0
    while inside <= n:
        for i in range(-1, n - inside):
            found = _deficit(x, i, i + inside + 1)
            if found > best:
                best, first, last = found, i, i + inside + 1
        inside = _next(inside) if inside else 1
    if first < -1:
        return 0.0, 0.0, 0.0
    for _ in range(ROUNDS):
        reach = (last - first) // 2 + 1
        middle = last
        for j in range(max(middle - reach, first + 1), min(middle + reach, n) + 1):
            found = _deficit(x, first, j)
            if found > best:
                best, last = found, j
        middle = first
        for i in range(max(middle - reach, -1), min(middle + reach, last - 1) + 1):
            found = _deficit(x, i, last)
            if found > best:
                best, first = found, i
    return best, 0.0 if first < 0 else x[first], 1.0 if last >= n else x[last]


@njit(cache=True, nogil=True)
def _densest(x: F64, start: float, stop: float) -> float:
    """Middle of the densest fifth of the photons of an interval, at least three; its middle if there are fewer."""
    first, last = int(np.searchsorted(x, start)), int(np.searchsorted(x, stop, side="right"))
    m = max((last - first) // 5, 3)
    best, middle = 2.0, 0.5 * (start + stop)
    for i in range(first, last - m + 1):
        if x[i + m - 1] - x[i] < best:
            best, middle = x[i + m - 1] - x[i], 0.5 * (x[i + m - 1] + x[i])
    return middle


@njit(cache=True, nogil=True)
def _octaves(counts: float, expected: float) -> float:
    """Logarithm of the ratio of counts to those expected, drawn to 1 where both are few; 0.5 for a ratio of 1."""
    return min(max(0.5 + float(np.log2((counts + 1.0) / (expected + 1.0))) / OCTAVES, 0.0), 1.0)


@njit(cache=True, nogil=True)
def _unit(value: float, low: float, high: float) -> float:
    return min(max((value - low) / (high - low), 0.0), 1.0)


@njit(cache=True, nogil=True)
def _counts(x: F64, a: float, b: float) -> int:
    return int(np.searchsorted(x, b)) - int(np.searchsorted(x, a))


@njit(cache=True, nogil=True)
def _write_spectra(x: F64, energy: F32, start: float, stop: float, out: F32) -> None:
    """Square roots of the parts of the photons in each bin of energy, inside the event and outside."""
    low, high = np.log(SPECTRUM_KEV[0]), np.log(SPECTRUM_KEV[1])
    sums = np.zeros(2)
    for i in range(x.size):
        row = 0 if start <= x[i] <= stop else 1
        place = int(min(max((np.log(energy[i]) - low) / (high - low), 0.0) * SPECTRUM_BINS, SPECTRUM_BINS - 1.0))
        out[row * SPECTRUM_BINS + place] += 1.0
        sums[row] += 1.0
    for k in range(2 * SPECTRUM_BINS):
        out[k] = np.sqrt(out[k] / max(sums[k // SPECTRUM_BINS], 1.0))


@njit(cache=True, nogil=True)
def _describe(
    x: F64, live: F64, energy: F32, edges: F64, heights: F64, shortest: float, share: float, span: float, out: F32
) -> None:
    """Write the values of one source with photons at x, in order."""
    n, total = x.size, edges[-1]
    out[:CURVE_BINS] = 0.5
    for k in range(CURVE_BINS):
        a, b = np.interp(edges[k], edges, heights), np.interp(edges[k + 1], edges, heights)
        out[k] = _octaves(_counts(x, a, b if k + 1 < CURVE_BINS else 2.0), n * (b - a))
    flare, flare_start, flare_stop = _best_flare(x, shortest, 1.0, 0.0)
    dip, dip_start, dip_stop = _best_dip(x)
    is_flare = flare >= dip
    start, stop = (flare_start, flare_stop) if is_flare else (dip_start, dip_stop)
    second = 0.0
    if is_flare and flare > 0:
        second, _, _ = _best_flare(x, shortest, start - 0.5 * (stop - start), stop + 0.5 * (stop - start))
    if stop <= start:
        start, stop = 0.25, 0.75
    width = stop - start
    at = CURVE_BINS
    split = np.median(energy)
    for band in range(3):
        own = x if band == 0 else (x[energy <= split] if band == 1 else x[energy > split])
        for k in range(TIME_BINS):
            if k < BEFORE:
                a, b = start + (k - BEFORE) * 0.5 * width, start + (k + 1 - BEFORE) * 0.5 * width
            elif k < BEFORE + INSIDE:
                a, b = start + (k - BEFORE) * width / INSIDE, start + (k + 1 - BEFORE) * width / INSIDE
            else:
                after = k - BEFORE - INSIDE
                a, b = stop + after * 0.5 * width, stop + (after + 1) * 0.5 * width
            a, b = min(max(a, 0.0), 1.0), min(max(b, 0.0), 1.0)
            out[at + k] = _octaves(_counts(own, a, b), own.size * (b - a)) if b > a else 0.5
        at += TIME_BINS
    peak = _densest(x, start, stop) if is_flare else 0.5 * (start + stop)
    peak_live = np.interp(peak, heights, edges)
    for k in range(DELAY_BINS):
        delay, side = k // 2, 2 * (k % 2) - 1
        near, far = peak_live + side * DELAYS_S[delay], peak_live + side * DELAYS_S[delay + 1]
        a, b = np.interp(min(near, far), edges, heights), np.interp(max(near, far), edges, heights)
        out[at + k] = _octaves(_counts(x, a, b), n * (b - a)) if b > a else 0.5
    at += DELAY_BINS
    _write_spectra(x, energy, start, stop, out[at : at + 2 * SPECTRUM_BINS])
    at += 2 * SPECTRUM_BINS
    inside = _counts(x, start, stop + 1e-12)
    first, last = np.interp(start, heights, edges), np.interp(stop, heights, edges)
    length = max(last - first, 1e-3)
    scalars = (
        _unit(np.log10(1.0 + flare), 0.0, 3.0),
        _unit(np.log10(1.0 + dip), 0.0, 3.0),
        _unit(np.log10(1.0 + second), 0.0, 3.0),
        1.0 if is_flare else 0.0,
        _unit(np.log10(width), -5.0, 0.0),
        _unit(np.log10(length), -1.0, 5.0),
        _unit(np.log10(total), 1.0, 6.0),
        _unit(np.log10(n), 0.5, 4.5),
        _unit(np.log10(1.0 + inside), 0.0, 4.0),
        _octaves(inside, n * width),
        start,
        1.0 - stop,
        share,
        _unit(np.log10(max(span, total) / total), 0.0, 2.0),
    )
    for k in range(SCALARS):
        out[at + k] = scalars[k]


@njit(cache=True, nogil=True)
def _fill(
    time: F64,
    energy: F32,
    offsets: I64,
    gti: F64,
    fraction: F64,
    gti_offsets: I64,
    background: F64,
    background_offsets: I64,
    area_ratio: F64,
    frame_time: F64,
    first: int,
    stop: int,
    out: F32,
) -> None:
    """Write the values of sources first to stop - 1; those of a source without photons are 0."""
    for s in range(first, stop):
        own, rows = slice(offsets[s], offsets[s + 1]), slice(gti_offsets[s], gti_offsets[s + 1])
        behind = background[background_offsets[s] : background_offsets[s + 1]]
        good, live_fraction = gti[rows], fraction[rows]
        total = 0.0
        for row in range(good.shape[0]):
            total += (good[row, 1] - good[row, 0]) * live_fraction[row]
        n = offsets[s + 1] - offsets[s]
        if n == 0 or total <= 0:
            continue
        live = np.minimum(accumulated_livetime(time[own], good, live_fraction), total)
        edges = np.linspace(0.0, total, CURVE_BINS + 1)
        share = min(area_ratio[s] * behind.size / n, MAX_SHARE)
        heights = np.zeros(CURVE_BINS + 1)
        profile = np.zeros(CURVE_BINS)
        for t in accumulated_livetime(behind, good, live_fraction):
            profile[int(min(t / total * CURVE_BINS, CURVE_BINS - 1.0))] += 1.0
        for k in range(CURVE_BINS):
            part = (profile[k] + BACKGROUND_PRIOR / CURVE_BINS) / (behind.size + BACKGROUND_PRIOR)
            heights[k + 1] = heights[k] + share * part + (1.0 - share) / CURVE_BINS
        heights /= heights[-1]
        x = np.interp(live, edges, heights)
        shortest = max(frame_time[s] / total, 1e-7)
        span = good[-1, 1] - good[0, 0]
        _describe(x, live, energy[own], edges, heights, shortest, share, span, out[s])


def describe_events(batch: EventBatch) -> F32:
    """Describe the event of each source, shape (n, `COLUMNS`), float32, from 0 to 1.

    Parameters
    ----------
    batch : EventBatch
    """
    out = np.zeros((len(batch), COLUMNS), dtype=np.float32)
    run_in_threads(
        lambda first, stop: _fill(
            *(batch.time, batch.energy, batch.offsets, batch.gti, batch.gti_fraction, batch.gti_offsets),
            *(batch.background_time, batch.background_offsets, batch.area_ratio, batch.frame_time, first, stop, out),
        ),
        batch.offsets,
    )
    return out
